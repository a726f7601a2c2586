//! Attacks the readers of chunks: any payload, cut anywhere.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::chunks(data));
