//! Attacks the outbox of a device, call by call.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pushgate_core::fuzz::outbox(data));
