//! Attacks the query of Tencent's callback URL.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::query(data));
