//! Attacks the fast writer and the table-driven one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::writers(data));
