//! A prefix in an object store, behind calls that block.
//!
//! Rules: the store's own threads are of low priority, because they run beside training; every
//! request has a bound in time, so that a store that hangs is noticed; each error names its object.

mod address;
mod engine;
mod error;
mod open;
mod operation;
mod probe;

use std::future::Future;
use std::sync::{Arc, OnceLock};

use object_store::ObjectStore;
use object_store::path::Path;

use engine::Engine;

pub(crate) use engine::yield_to_computation;
pub use error::StoreError;
pub use probe::Conditional;

/// A prefix in a store. Copies share connections and threads.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    uri: String,
    objects: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Answer of the probe, asked for once.
    conditional: OnceLock<Conditional>,
    engine: Engine,
}

impl Store {
    /// Opens a store: a folder, `file://`, `s3://bucket/prefix`, `az://container/prefix`,
    /// `gs://bucket/prefix`, or `memory:`, which is a new and empty one at every call.
    ///
    /// Accounts and endpoints come from the environment (`AWS_*`, `AZURE_*`, `GOOGLE_*`). Nothing is
    /// asked of the store yet, and a folder is made at the first write only.
    pub fn open(uri: &str) -> Result<Self, StoreError> {
        Self::open_with(uri, &[])
    }

    /// The same, with settings such as `("aws_endpoint_url", "http://127.0.0.1:8333")` that go before
    /// those of the environment.
    pub fn open_with(uri: &str, settings: &[(&str, &str)]) -> Result<Self, StoreError> {
        let (objects, prefix) = open::open(uri, settings)?;
        Self::over(objects, prefix, uri)
    }

    /// A prefix of any [`ObjectStore`], called `uri` in messages.
    pub fn over(
        objects: Arc<dyn ObjectStore>,
        prefix: Path,
        uri: &str,
    ) -> Result<Self, StoreError> {
        let inner = Inner {
            uri: uri.to_owned(),
            objects,
            prefix,
            conditional: OnceLock::new(),
            engine: Engine::start()?,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What it was opened by.
    pub fn uri(&self) -> &str {
        &self.inner.uri
    }

    /// Whether a create-only put holds here: tried once with an object of a random name, which is
    /// removed again. Some stores answer that all is well and overwrite.
    pub fn probe(&self) -> Result<Conditional, StoreError> {
        let store = self.clone();
        self.wait(async move { store.conditional().await })?
    }

    /// Runs `work` on the store's threads and waits for it.
    pub(crate) fn wait<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.inner.engine.wait(work)
    }
}
