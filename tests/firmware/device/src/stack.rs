//! How much RAM the device took: its statics, and how deep the stack ever was.
//!
//! The free part of the stack is painted at the start; at the end the paint that is left is counted.
#![expect(unsafe_code, reason = "the stack below the stack pointer belongs to no Rust object")]

use core::arch::asm;

use crate::board;

/// What no code leaves behind by chance.
const PAINT: u32 = 0xC0DE_F00D;

/// Bytes right below the stack pointer that are not painted: a handler may be using them.
const MARGIN: usize = 256;

/// Paints the free stack.
#[inline(never)]
pub(crate) fn paint() {
    let top = pointer().saturating_sub(MARGIN);
    let mut word = &raw mut board::STACK_LIMIT;
    while word.addr() < top {
        // SAFETY: `word` is in RAM, aligned, above the statics and below what the stack holds.
        unsafe { word.write_volatile(PAINT) };
        word = word.wrapping_add(1);
    }
}

/// Bytes that the stack took at its deepest since it was painted; `None` = it reached the statics.
pub(crate) fn deepest() -> Option<usize> {
    let limit = &raw mut board::STACK_LIMIT;
    let start = (&raw const board::STACK_START).addr();
    let mut word = limit;
    // SAFETY: as above; what is read has been painted, up to what the stack holds.
    while word.addr() < start && unsafe { word.read_volatile() } == PAINT {
        word = word.wrapping_add(1);
    }
    (word > limit).then(|| start.saturating_sub(word.addr()))
}

/// Bytes of statics.
pub(crate) fn statics() -> usize {
    (&raw mut board::STACK_LIMIT).addr().saturating_sub(board::RAM_START)
}

/// The stack pointer.
#[inline(always)]
fn pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register.
    unsafe {
        #[cfg(target_arch = "arm")]
        asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
        #[cfg(target_arch = "riscv32")]
        asm!("mv {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags));
    }
    pointer
}
