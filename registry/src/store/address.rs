//! Reads the address of a store.

use std::path::{Path, PathBuf};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Folder(PathBuf),
    Memory,
    /// A bucket or container in the cloud.
    Bucket {
        cloud: Cloud,
        bucket: String,
        prefix: String,
    },
}

/// Whose interface a store speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Azure,
    Google,
}

/// Reads an address, or says what is wrong with it.
pub(super) fn parse(uri: &str) -> Result<Address, String> {
    if uri.is_empty() {
        return Err("the address is empty; give a folder or such as s3://bucket/prefix".into());
    }
    if uri == "memory:" || uri == "memory://" {
        return Ok(Address::Memory);
    }
    let Some((scheme, rest)) = uri.split_once("://") else {
        return Ok(Address::Folder(PathBuf::from(uri)));
    };
    match scheme {
        "file" if Path::new(rest).is_absolute() => Ok(Address::Folder(rest.into())),
        "file" => Err("file:// takes an absolute path, with three slashes".into()),
        "s3" => bucket(Cloud::S3, rest),
        "az" => bucket(Cloud::Azure, rest),
        "gs" => bucket(Cloud::Google, rest),
        _ => Err(format!(
            "{scheme}:// is not known; known are s3://, az://, gs://, file:// and plain folders"
        )),
    }
}

fn bucket(cloud: Cloud, rest: &str) -> Result<Address, String> {
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.is_empty() {
        return Err("the name of the bucket is missing".into());
    }
    // Keys and tokens have no business in addresses, which end up in logs and records.
    if bucket.contains('@') || rest.contains('?') {
        return Err("accounts belong into the environment, not into the address".into());
    }
    Ok(Address::Bucket {
        cloud,
        bucket: bucket.to_owned(),
        prefix: prefix.trim_matches('/').to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_they_mean() {
        let folder = |path: &str| Ok(Address::Folder(path.into()));
        let s3 = |bucket: &str, prefix: &str| {
            Ok(Address::Bucket {
                cloud: Cloud::S3,
                bucket: bucket.into(),
                prefix: prefix.into(),
            })
        };
        assert_eq!(parse("runs/a/checkpoints"), folder("runs/a/checkpoints"));
        assert_eq!(parse("C:odd"), folder("C:odd"));
        assert_eq!(parse("file:///data/x"), folder("/data/x"));
        assert_eq!(parse("memory:"), Ok(Address::Memory));
        assert_eq!(parse("s3://b"), s3("b", ""));
        assert_eq!(parse("s3://b/a/run-1/"), s3("b", "a/run-1"));
    }

    #[test]
    fn what_is_no_address_is_told() {
        let wrong = [
            ("", "empty"),
            ("file://x/y", "absolute"),
            ("s3://", "bucket"),
            ("s3:///x", "bucket"),
            ("ftp://host/x", "not known"),
            ("s3://key:secret@bucket/x", "environment"),
            ("az://c/x?sig=secret", "environment"),
        ];
        for (uri, word) in wrong {
            let told = parse(uri).expect_err(uri);
            assert!(told.contains(word), "{uri}: {told}");
            assert!(!told.contains("secret"), "{told}");
        }
    }
}
