//! Attacks the strict scanner and both JSON readers.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::json(data));
