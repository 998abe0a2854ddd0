//! Memory that is used again, checkpoint after checkpoint.
//!
//! A state is copied between two steps. Fresh memory for tens of megabytes costs more than the copy:
//! the system hands it out page by page. So a buffer goes back to its shelf when whoever held it last
//! lets it go, on whatever thread that is.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

/// Buffers that stay on the shelf: one being filled, one waiting, one being written.
const MOST: usize = 3;

/// A shelf of buffers. Copies share it.
#[derive(Debug)]
pub struct Buffers<T> {
    shelf: Arc<Shelf<T>>,
}

type Shelf<T> = Mutex<Vec<Vec<T>>>;

/// A buffer that goes back to its shelf when it is dropped.
#[derive(Debug)]
pub struct Lease<T> {
    items: Vec<T>,
    shelf: Arc<Shelf<T>>,
}

impl<T> Buffers<T> {
    /// An empty buffer, with the memory of an earlier one where one came back.
    pub fn lease(&self) -> Lease<T> {
        Lease {
            items: lock(&self.shelf).pop().unwrap_or_default(),
            shelf: Arc::clone(&self.shelf),
        }
    }
}

impl Lease<u8> {
    /// The buffer as the bytes of a part: it goes back when the last reader is done.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        Self {
            shelf: Arc::default(),
        }
    }
}

impl<T> Clone for Buffers<T> {
    fn clone(&self) -> Self {
        Self {
            shelf: Arc::clone(&self.shelf),
        }
    }
}

impl<T> Deref for Lease<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.items
    }
}

impl<T> DerefMut for Lease<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl AsRef<[u8]> for Lease<u8> {
    fn as_ref(&self) -> &[u8] {
        &self.items
    }
}

impl<T> Drop for Lease<T> {
    fn drop(&mut self) {
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let mut shelf = lock(&self.shelf);
        if shelf.len() < MOST && items.capacity() > 0 {
            shelf.push(items);
        }
    }
}

/// The shelf is whole between any two calls.
fn lock<T>(shelf: &Shelf<T>) -> std::sync::MutexGuard<'_, Vec<Vec<T>>> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_empty_when_its_last_reader_is_done() {
        let buffers = Buffers::<u8>::default();
        let mut first = buffers.lease();
        first.extend([1, 2, 3]);
        let place = first.as_ptr();
        let bytes = first.into_bytes();
        let (part, copy) = (bytes.slice(1..), bytes.clone());
        drop(bytes);
        assert_ne!(buffers.lease().as_ptr(), place, "it is read still");
        assert_eq!((&part[..], &copy[..]), (&[2, 3][..], &[1, 2, 3][..]));
        drop((part, copy));
        let again = buffers.lease();
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
    }

    #[test]
    fn the_shelf_does_not_grow_without_end() {
        let buffers = Buffers::<f32>::default();
        let filled = || {
            let mut lease = buffers.lease();
            lease.push(1.0);
            lease
        };
        let many: Vec<_> = (0..10).map(|_| filled()).collect();
        drop(many);
        assert_eq!(lock(&buffers.shelf).len(), MOST);
    }
}
