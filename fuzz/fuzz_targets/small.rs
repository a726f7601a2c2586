//! Attacks the readers of chunks in buffers that are too small.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::small(data));
