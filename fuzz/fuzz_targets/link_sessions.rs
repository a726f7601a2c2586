//! Attacks both ends of the device link, call by call.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::link_sessions(data));
