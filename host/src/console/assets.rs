//! The files of the console that are the same for every request.

use axum::http::HeaderValue;
use sha2::{Digest, Sha256};

/// A file of the console.
#[derive(Debug)]
pub(crate) struct Asset {
    /// Where it is served.
    pub(crate) path: &'static str,
    /// Its `Content-Type`.
    pub(crate) content_type: &'static str,
    /// What it holds.
    pub(crate) text: &'static str,
}

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Names a file under `assets/` once, as it is served.
macro_rules! asset {
    ($path:literal, $content_type:expr) => {
        Asset { path: $path, content_type: $content_type, text: include_str!(concat!("assets", $path)) }
    };
}

/// Every file there is, beside the page itself.
pub(crate) static ASSETS: [Asset; 22] = [
    asset!("/console.css", "text/css; charset=utf-8"),
    asset!("/console.svg", "image/svg+xml"),
    asset!("/console.js", SCRIPT),
    asset!("/console/api.js", SCRIPT),
    asset!("/console/attempts.js", SCRIPT),
    asset!("/console/charts.js", SCRIPT),
    asset!("/console/content.js", SCRIPT),
    asset!("/console/decide.js", SCRIPT),
    asset!("/console/deliveries.js", SCRIPT),
    asset!("/console/delivery.js", SCRIPT),
    asset!("/console/devices.js", SCRIPT),
    asset!("/console/dom.js", SCRIPT),
    asset!("/console/inbox.js", SCRIPT),
    asset!("/console/keys.js", SCRIPT),
    asset!("/console/lanes.js", SCRIPT),
    asset!("/console/live.js", SCRIPT),
    asset!("/console/overview.js", SCRIPT),
    asset!("/console/picks.js", SCRIPT),
    asset!("/console/route.js", SCRIPT),
    asset!("/console/session.js", SCRIPT),
    asset!("/console/table.js", SCRIPT),
    asset!("/console/words.js", SCRIPT),
];

impl Asset {
    /// A name for exactly these bytes, quoted as an `ETag` is.
    pub(crate) fn etag(&self) -> HeaderValue {
        let digest = Sha256::digest(self.text);
        let tag: String = digest.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        HeaderValue::from_str(&format!("\"{tag}\"")).unwrap_or_else(|_| HeaderValue::from_static("\"\""))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// A folder of files that the binary leaves out would be found by whoever opens the page.
    #[test]
    fn every_file_is_served_and_nothing_is_fetched_from_elsewhere() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/console/assets");
        let mut there = BTreeSet::new();
        let mut folders = vec![folder.clone()];
        while let Some(next) = folders.pop() {
            for entry in std::fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    there.insert(format!("/{}", path.strip_prefix(&folder).unwrap().display()));
                }
            }
        }
        assert!(there.remove("/index.html"));
        assert_eq!(there, ASSETS.iter().map(|asset| asset.path.to_owned()).collect());
        for asset in &ASSETS {
            let elsewhere = asset.text.replace("http://www.w3.org/2000/svg", "");
            assert!(!elsewhere.contains("://"), "{} names another place", asset.path);
        }
    }

    #[test]
    fn an_etag_names_the_bytes() {
        let etags: BTreeSet<_> = ASSETS.iter().map(|asset| asset.etag().to_str().unwrap().to_owned()).collect();
        assert_eq!(etags.len(), ASSETS.len());
        assert!(etags.iter().all(|etag| etag.len() == 26 && etag.starts_with('"') && etag.ends_with('"')), "{etags:?}");
    }
}
