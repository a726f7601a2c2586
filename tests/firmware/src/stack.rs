//! How deep a call goes into the stack: the free part is painted, and afterwards the paint that is left is counted.
#![expect(unsafe_code, reason = "the stack below the stack pointer belongs to no Rust object")]

use core::arch::asm;

/// What no code leaves behind by chance.
const PAINT: u32 = 0xC0DE_F00D;

unsafe extern "C" {
    /// The lowest word of the stack: the linker script's name for the end of the statics.
    static mut _stack_end: u32;
}

/// Runs `work` and returns what it returns, with the bytes of stack it and its call took.
///
/// `None` for the depth: the work reached the statics, and what it returned means nothing.
#[inline(never)]
pub(crate) fn depth<T>(work: impl FnOnce() -> T) -> (T, Option<u32>) {
    let bottom = &raw mut _stack_end;
    let top: *mut u32;
    // SAFETY: reads a register. Nothing of this function lies below it.
    unsafe { asm!("mov {}, sp", out(reg) top, options(nomem, nostack, preserves_flags)) };

    let mut word = bottom;
    while word < top {
        // SAFETY: `word` is in RAM, aligned, above the statics and below the stack pointer; no interrupt is on.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }

    let result = work();

    let mut word = bottom;
    // SAFETY: as above; what is read has been painted.
    while word < top && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    let taken = top.addr() - word.addr();
    // A stack pointer is 32 bits on this machine.
    (result, (word > bottom).then_some(taken as u32))
}
