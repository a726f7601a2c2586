//! Counts instructions with the processor's own timer.
//!
//! Under QEMU's `-icount shift=0` an instruction takes a nanosecond, so the timer counts instructions, the same number
//! on every run. On real hardware it counts time, in units of its own.
#![expect(unsafe_code, reason = "the timer's registers lie at fixed addresses")]

/// Control and status, reload value, current value.
const CONTROL: *mut u32 = 0xE000_E010 as *mut u32;
const RELOAD: *mut u32 = 0xE000_E014 as *mut u32;
const VALUE: *mut u32 = 0xE000_E018 as *mut u32;

/// Nanoseconds of a tick: the machine starts with a clock of 12.5 MHz.
const NANOS_PER_TICK: u32 = 80;

/// The timer has 24 bits: a run of more than 1.3 thousand million instructions wraps around.
const MASK: u32 = 0x00FF_FFFF;

/// Runs `work` and returns what it returns, with the instructions it took, to the next 80.
pub(crate) fn count<T>(work: impl FnOnce() -> T) -> (T, u32) {
    // SAFETY: registers of the processor that nothing else here uses; no interrupt is asked for.
    unsafe {
        RELOAD.write_volatile(MASK);
        VALUE.write_volatile(0);
        CONTROL.write_volatile(0b101);
    }
    let start = now();
    let result = work();
    let end = now();
    // It counts down.
    (result, (start.wrapping_sub(end) & MASK).saturating_mul(NANOS_PER_TICK))
}

fn now() -> u32 {
    // SAFETY: as above.
    unsafe { VALUE.read_volatile() }
}
