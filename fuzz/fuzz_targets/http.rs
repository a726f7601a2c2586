//! Attacks the reader of HTTP answers and the writer of requests' heads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::http(data));
