//! What is asked of a store: write, read, measure, list, remove.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{MultipartUpload, ObjectStoreExt, PutMode, PutPayload, WriteMultipart};
use tokio::time::sleep;

use super::{Store, StoreError};

/// From this size on an object is written in pieces, so that none of them takes longer than a
/// request may.
const IN_PIECES_FROM: usize = 32 << 20;
/// Size of such a piece.
const PIECE_BYTES: usize = 8 << 20;
/// Pieces under way at once.
const PIECES_AT_ONCE: usize = 4;

/// An object's name below the store's prefix, and its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) bytes: u64,
}

impl Store {
    /// Writes an object, whole or not at all.
    pub(crate) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let put = async {
            let place = self.place(key)?;
            if bytes.len() < IN_PIECES_FROM {
                let payload = PutPayload::from_bytes(bytes);
                return self.inner.objects.put(&place, payload).await.map(drop);
            }
            let upload = self.inner.objects.put_multipart(&place).await?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES);
            for at in (0..bytes.len()).step_by(PIECE_BYTES) {
                upload.wait_for_capacity(PIECES_AT_ONCE).await?;
                upload.put(bytes.slice(at..bytes.len().min(at + PIECE_BYTES)));
            }
            upload.finish().await.map(drop)
        };
        put.await.map_err(|source| self.error("write", key, source))
    }

    /// Writes an object, whole or not at all, in small pieces one after the other; after each as long
    /// as `pace` says is waited.
    pub(crate) async fn put_paced(
        &self,
        key: &str,
        bytes: Bytes,
        pace: &(dyn Fn(u64) -> Duration + Send + Sync),
    ) -> Result<(), StoreError> {
        if bytes.len() <= PIECE_BYTES {
            let length = bytes.len() as u64;
            self.put(key, bytes).await?;
            sleep(pace(length)).await;
            return Ok(());
        }
        let put = async {
            let place = self.place(key)?;
            let mut upload = self.inner.objects.put_multipart(&place).await?;
            for at in (0..bytes.len()).step_by(PIECE_BYTES) {
                let piece = bytes.slice(at..bytes.len().min(at + PIECE_BYTES));
                let length = piece.len() as u64;
                if let Err(error) = upload.put_part(PutPayload::from_bytes(piece)).await {
                    // What is left of it costs space until the store tidies up.
                    upload.abort().await.ok();
                    return Err(error);
                }
                sleep(pace(length)).await;
            }
            upload.complete().await.map(drop)
        };
        put.await.map_err(|source| self.error("write", key, source))
    }

    /// Writes an object that must not be there yet. Not every store holds to that: see
    /// [`Store::probe`].
    pub(crate) async fn create(&self, key: &str, bytes: Bytes) -> Result<(), StoreError> {
        let create = async {
            let (place, payload) = (self.place(key)?, PutPayload::from_bytes(bytes));
            let put = self
                .inner
                .objects
                .put_opts(&place, payload, PutMode::Create.into());
            put.await.map(drop)
        };
        create
            .await
            .map_err(|source| self.error("create", key, source))
    }

    /// Reads an object; `None` where there is none.
    pub(crate) async fn get(&self, key: &str) -> Result<Option<Bytes>, StoreError> {
        let get = async {
            let found = self.inner.objects.get(&self.place(key)?).await?;
            found.bytes().await
        };
        let got = get.await.map_err(|source| self.error("read", key, source));
        unless_absent(got)
    }

    /// Size of an object; `None` where there is none.
    pub(crate) async fn bytes_of(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let head = async { self.inner.objects.head(&self.place(key)?).await };
        let head = head.await.map_err(|source| self.error("find", key, source));
        unless_absent(head.map(|meta| meta.size))
    }

    /// All objects in the folder `folder`, by name.
    pub(crate) async fn list(&self, folder: &str) -> Result<Vec<Entry>, StoreError> {
        let list = async {
            let within = self.place(folder)?;
            let found = self.inner.objects.list(Some(&within));
            found.try_collect::<Vec<_>>().await
        };
        let found = list
            .await
            .map_err(|source| self.error("list", folder, source))?;
        let mut entries: Vec<_> = found
            .into_iter()
            .filter_map(|meta| {
                let parts = meta.location.prefix_match(&self.inner.prefix)?;
                let parts: Vec<_> = parts.map(|part| part.as_ref().to_owned()).collect();
                Some(Entry {
                    key: parts.join("/"),
                    bytes: meta.size,
                })
            })
            .collect();
        entries.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// Removes objects; one that is gone already is fine.
    pub(crate) async fn remove(&self, keys: Vec<String>) -> Result<(), StoreError> {
        let removals = keys.into_iter().map(|key| async move {
            let removal = async { self.inner.objects.delete(&self.place(&key)?).await };
            let removed = removal
                .await
                .map_err(|source| self.error("remove", &key, source));
            unless_absent(removed).map(drop)
        });
        let mut under_way = futures_util::stream::iter(removals).buffer_unordered(PIECES_AT_ONCE);
        while let Some(removed) = under_way.next().await {
            removed?;
        }
        Ok(())
    }

    fn place(&self, key: &str) -> Result<Path, object_store::Error> {
        let own = Path::parse(key)?;
        let parts = self.inner.prefix.parts().chain(own.parts());
        Ok(parts.collect())
    }

    fn error(&self, operation: &'static str, key: &str, source: object_store::Error) -> StoreError {
        StoreError::Request {
            operation,
            key: key.to_owned(),
            uri: self.uri().to_owned(),
            source: Box::new(source),
        }
    }
}

/// Turns "not found" into `None`.
fn unless_absent<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}
