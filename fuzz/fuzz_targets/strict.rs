//! Holds the strict scanner to serde_json.
#![no_main]

use serde_json::{Value, from_slice};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pushgate_core::fuzz::strict(data, |json| from_slice::<Value>(json).map_err(|error| error.to_string()));
});
