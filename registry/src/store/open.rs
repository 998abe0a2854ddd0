//! Sets up the client of a store.

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::StoreError;
use super::address::{Address, Cloud, parse};

/// Objects and the prefix in them.
pub(super) type Opened = (Arc<dyn ObjectStore>, Path);

/// Opens what `uri` names. Nothing is asked of the store yet.
pub(super) fn open(uri: &str, settings: &[(&str, &str)]) -> Result<Opened, StoreError> {
    let wrong = |reason| StoreError::Address {
        uri: uri.to_owned(),
        reason,
    };
    match parse(uri).map_err(wrong)? {
        Address::Memory => Ok((Arc::new(InMemory::new()), Path::default())),
        Address::Folder(folder) => {
            let prefix = folder_prefix(&folder).map_err(wrong)?;
            Ok((Arc::new(LocalFileSystem::new().with_fsync(true)), prefix))
        }
        Address::Bucket {
            cloud,
            bucket,
            prefix,
        } => {
            let prefix = Path::parse(&prefix).map_err(|error| wrong(error.to_string()))?;
            let objects = client(cloud, &bucket, settings).map_err(|source| StoreError::Open {
                uri: uri.to_owned(),
                source: Box::new(source),
            })?;
            Ok((objects, prefix))
        }
    }
}

/// The client of a bucket, by what `settings` and the environment say.
fn client(
    cloud: Cloud,
    bucket: &str,
    settings: &[(&str, &str)],
) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    // The first one wins, and a second store finds it in place.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    Ok(match cloud {
        Cloud::S3 => {
            let mut builder = AmazonS3Builder::from_env();
            for (key, value) in settings {
                builder = builder.with_config(key.parse()?, *value);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retries());
            Arc::new(builder.build()?)
        }
        Cloud::Azure => {
            let mut builder = MicrosoftAzureBuilder::from_env();
            for (key, value) in settings {
                builder = builder.with_config(key.parse()?, *value);
            }
            let builder = builder.with_container_name(bucket).with_retry(retries());
            Arc::new(builder.build()?)
        }
        Cloud::Google => {
            let mut builder = GoogleCloudStorageBuilder::from_env();
            for (key, value) in settings {
                builder = builder.with_config(key.parse()?, *value);
            }
            let builder = builder.with_bucket_name(bucket).with_retry(retries());
            Arc::new(builder.build()?)
        }
    })
}

/// Hiccups are sat out here; what lasts longer is told, and tried again with a newer state.
fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(50),
            max_backoff: Duration::from_secs(1),
            base: 2.0,
        },
        max_retries: 3,
        retry_timeout: Duration::from_secs(10),
    }
}

/// The place of a folder, which need not be there yet, from the root of the file system.
fn folder_prefix(folder: &FilePath) -> Result<Path, String> {
    let absolute = std::path::absolute(folder).map_err(|error| error.to_string())?;
    if absolute.is_file() {
        return Err("this is a file; give a folder, or such as s3://bucket/prefix".into());
    }
    // Links are followed where the path exists, so that `..` means what it means to the system.
    let existing = absolute
        .ancestors()
        .find_map(|folder| Some((folder, folder.canonicalize().ok()?)));
    let whole: PathBuf = match existing {
        Some((folder, real)) => match absolute.strip_prefix(folder) {
            Ok(rest) if rest.as_os_str().is_empty() => real,
            Ok(rest) => real.join(rest),
            Err(_) => absolute,
        },
        None => absolute,
    };
    Path::from_absolute_path(whole).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_need_not_be_there_and_links_are_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().canonicalize().expect("a path");
        std::fs::create_dir(real.join("a")).expect("a folder");
        std::os::unix::fs::symlink(real.join("a"), real.join("link")).expect("a link");
        let place = |path: &str| {
            folder_prefix(&real.join(path))
                .expect("a place")
                .to_string()
        };
        let root = real.display().to_string();
        let root = root.trim_start_matches('/');
        assert_eq!(place("link/new/er"), format!("{root}/a/new/er"));
        assert_eq!(place("a/../b"), format!("{root}/b"));
        assert_eq!(place("with space"), format!("{root}/with space"));
        std::fs::write(real.join("file"), "").expect("a file");
        let told = folder_prefix(&real.join("file")).expect_err("a file");
        assert!(told.contains("this is a file"), "{told}");
    }
}
