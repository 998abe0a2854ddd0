//! What the page loads besides HTML: style, scripts, icons. Compiled in.
//!
//! Rules: the address of a file has the digest of all files in it, so that a browser keeps them for
//! ever and never mixes those of two versions; modules import each other by relative addresses.

use std::fmt::Write as _;
use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use crate::source::Refusal;

/// A file.
struct Asset {
    name: &'static str,
    kind: &'static str,
    text: &'static str,
}

const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// An asset of `assets/`, by its name there.
macro_rules! asset {
    ($name:literal, $kind:expr) => {
        Asset {
            name: $name,
            kind: $kind,
            text: include_str!(concat!("../assets/", $name)),
        }
    };
}

const ASSETS: &[Asset] = &[
    asset!("page.css", STYLE),
    asset!("job.css", STYLE),
    asset!("icon.svg", "image/svg+xml"),
    asset!("theme.js", SCRIPT),
    asset!("page.js", SCRIPT),
    asset!("live.js", SCRIPT),
    asset!("morph.js", SCRIPT),
    asset!("times.js", SCRIPT),
    asset!("keys.js", SCRIPT),
    asset!("dialog.js", SCRIPT),
    asset!("charts.js", SCRIPT),
    asset!("lines.js", SCRIPT),
    asset!("vendor/uplot.js", SCRIPT),
    asset!("vendor/uplot.css", STYLE),
];

/// `/assets/DIGEST`.
static PREFIX: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in ASSETS {
        hash.update(asset.name);
        hash.update([0]);
        hash.update(asset.text);
        hash.update([0]);
    }
    let mut prefix = String::from("/assets/");
    for byte in &hash.finalize()[..8] {
        // Writing into a string cannot fail.
        let _ = write!(prefix, "{byte:02x}");
    }
    prefix
});

/// The address that all assets are below, without a slash at its end.
pub(crate) fn prefix() -> &'static str {
    &PREFIX
}

/// Serves one, if its digest is that of this version.
pub(crate) async fn serve(Path((digest, name)): Path<(String, String)>) -> Response {
    let is_ours = prefix().ends_with(&format!("/{digest}"));
    let asset = ASSETS.iter().find(|asset| is_ours && asset.name == name);
    match asset {
        Some(asset) => {
            let headers = [
                (header::CONTENT_TYPE, asset.kind),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, asset.text).into_response()
        }
        None => Refusal::no_page().into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_files_are_those_that_were_published() {
        let sums = include_str!("../assets/vendor/SHA256SUMS");
        let licence = include_str!("../assets/vendor/uplot.LICENSE");
        for line in sums.lines() {
            let (sum, name) = line.split_once("  ").expect("a sum and a name");
            let own = format!("vendor/{name}");
            let asset = ASSETS.iter().find(|asset| asset.name == own);
            let text = asset.map_or(licence, |asset| asset.text);
            let found: String = Sha256::digest(text)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(found, sum, "{name}");
        }
        assert_eq!(sums.lines().count(), 3);
    }

    #[test]
    fn modules_import_what_is_there() {
        let mut imports = 0;
        for asset in ASSETS
            .iter()
            .filter(|asset| !asset.name.starts_with("vendor/"))
        {
            let parts = asset.text.split("from './").skip(1);
            for name in parts.filter_map(|rest| rest.split('\'').next()) {
                imports += 1;
                assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
            }
        }
        assert!(imports > 4);
    }
}
