//! The public JSON parsing test suite (`test_parsing` of JSONTestSuite), run from a folder beside the project or from
//! the one that `PUSHGATE_JSON_TEST_SUITE` names: `y_` must be accepted, `n_` refused, `i_` may be either.

use std::{env, fs, path::PathBuf};

use pushgate_core::json;

const VARIABLE: &str = "PUSHGATE_JSON_TEST_SUITE";

#[test]
fn the_json_test_suite() {
    let named = env::var_os(VARIABLE).map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/json-test-suite");
    let folder = named.clone().unwrap_or(beside);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) => {
            assert!(named.is_none(), "{VARIABLE} names {}: {error}", folder.display());
            println!("nothing is tested: {} is not there ({error}); name the suite in {VARIABLE}", folder.display());
            return;
        }
    };
    let (mut accepted, mut refused, mut either) = (0, 0, 0);
    for entry in entries {
        let path = entry.expect("a readable folder").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        let Some((verdict, _)) = name.split_once('_').filter(|_| name.ends_with(".json")) else { continue };
        let document = fs::read(&path).expect("a readable file");
        let is_json = agreed(&name, &document);
        match verdict {
            "y" => {
                assert!(is_json, "{name} must be accepted: {:?}", json::check(&document));
                accepted += 1;
            }
            "n" => {
                assert!(!is_json, "{name} must be refused");
                refused += 1;
            }
            "i" => either += 1,
            _ => {}
        }
    }
    println!("{accepted} accepted, {refused} refused, {either} that may be either");
    assert!(accepted > 0 && refused > 0, "{} holds no test suite", folder.display());
}

/// Whether `document` is JSON, by `check` and `compact` alike; if so, its compact form must mean the same.
fn agreed(name: &str, document: &[u8]) -> bool {
    let checked = json::check(document);
    let compacted = json::to_vec(|buf| json::compact(document, buf));
    assert_eq!(checked.err(), compacted.as_ref().err().copied(), "{name}");
    let Ok(compacted) = compacted else { return false };
    assert_eq!(json::check(&compacted), Ok(()), "{name}");
    assert!(compacted.len() <= document.len(), "{name}");
    match serde_json::from_slice::<serde_json::Value>(document) {
        Ok(value) => assert_eq!(serde_json::from_slice::<serde_json::Value>(&compacted).unwrap(), value, "{name}"),
        // The grammar has no limit on numbers; an f64 has.
        Err(error) => assert!(error.to_string().starts_with("number out of range"), "{name}: {error}"),
    }
    true
}
