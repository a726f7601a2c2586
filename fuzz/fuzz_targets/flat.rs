//! Attacks the small reader of flat objects, beside the table-driven one.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::flat(data));
