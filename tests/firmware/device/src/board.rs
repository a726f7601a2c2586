//! What differs from board to board: three UARTs, a clock, a sleep and an end.
//!
//! Everything else in this image is the same on all of them. To port it, write a file like `board/lm3s6965evb.rs`.
//!
//! - `start() -> Board`: makes the clock run and the UARTs ready; call it once, first
//! - `now() -> Instant`: milliseconds since the start
//! - `sleep()`: waits until a UART has something to read, at most 10 ms
//! - `chance() -> u32`: a number that differs from device to device, for what must not happen in step
//! - `Uart::read`, `Uart::write`: as many bytes as there are; all bytes
//! - `RAM_START`, `STACK_LIMIT`, `STACK_START`: where statics begin, where they end, and from where the stack comes down
//! - what the machine starts with, which calls [`run`](crate::run)

#[cfg_attr(target_arch = "arm", path = "board/lm3s6965evb.rs")]
#[cfg_attr(target_arch = "riscv32", path = "board/riscv.rs")]
mod own;

pub(crate) use own::*;

/// Milliseconds within which the other end of a line opens a stream again that was closed. What is written before is
/// lost.
pub(crate) const OPEN_AGAIN_WITHIN: u32 = 1500;

/// The UARTs of a board, by what is at the other end.
#[derive(Debug)]
pub(crate) struct Board {
    /// The gateway's device link.
    pub(crate) link: Uart,
    /// The gateway's public HTTP listener.
    pub(crate) http: Uart,
    /// Whoever commands the device and is told what happens.
    pub(crate) console: Uart,
}

/// Ends the machine with a status that becomes the emulator's own.
pub(crate) fn exit(status: i32) -> ! {
    semihosting::process::exit(status)
}

/// No code here panics, and the image holds no call of this; Rust wants it all the same.
#[panic_handler]
fn panicked(_: &core::panic::PanicInfo<'_>) -> ! {
    exit(101)
}
