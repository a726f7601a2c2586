//! A RISC-V board with three UARTs of the kind 16550: what shows that nothing else here is ARM's.
//!
//! QEMU's `virt`, whose memory and clock it has, has only the console of the three UARTs: there it reads, and neither
//! pushes nor listens.
#![expect(unsafe_code, reason = "registers lie at fixed addresses, and a start without a stack is no function")]

use core::arch::global_asm;

use pushgate_core::Instant;

use super::Board;

/// Where statics begin.
pub(crate) const RAM_START: usize = 0x8004_0000;

unsafe extern "C" {
    /// Where the stack begins, from which it grows down.
    #[link_name = "_stack_start"]
    pub(crate) static STACK_START: u32;
    /// Where the statics end.
    #[link_name = "_stack_end"]
    pub(crate) static mut STACK_LIMIT: u32;
}

// The stack; then statics with a first value get it, and the others are zeros.
global_asm!(
    ".section .init, \"ax\"",
    ".global _start",
    "_start:",
    "la sp, _stack_start",
    "la t0, __sdata",
    "la t1, __edata",
    "la t2, __sidata",
    "1: bgeu t0, t1, 2f",
    "lw t3, 0(t2)",
    "sw t3, 0(t0)",
    "addi t0, t0, 4",
    "addi t2, t2, 4",
    "j 1b",
    "2: la t0, __sbss",
    "la t1, __ebss",
    "3: bgeu t0, t1, 4f",
    "sw zero, 0(t0)",
    "addi t0, t0, 4",
    "j 3b",
    "4: j main",
);

/// What `_start` ends in.
#[unsafe(no_mangle)]
extern "C" fn main() -> ! {
    crate::run()
}

/// The machine's timer: 64 bits that count 10 million times a second.
const TIMER_LOW: *const u32 = 0x0200_BFF8 as *const u32;
const TIMER_HIGH: *const u32 = 0x0200_BFFC as *const u32;
const TICKS_PER_MILLI: u64 = 10_000;

/// Makes the UARTs ready; the clock runs.
pub(crate) fn start() -> Board {
    Board { link: Uart::new(0x1000_1000), http: Uart::new(0x1000_2000), console: Uart::new(0x1000_0000) }
}

/// Milliseconds since the start.
pub(crate) fn now() -> Instant {
    loop {
        // SAFETY: reads registers.
        let (high, low, again) =
            unsafe { (TIMER_HIGH.read_volatile(), TIMER_LOW.read_volatile(), TIMER_HIGH.read_volatile()) };
        if high == again {
            return Instant::from_millis((u64::from(high) << 32 | u64::from(low)) / TICKS_PER_MILLI);
        }
    }
}

/// Waits a moment: this board has no interrupts set up that could end a sleep.
pub(crate) fn sleep() {
    core::hint::spin_loop();
}

/// A number that differs from device to device and from call to call: here, what the timer happens to be at.
pub(crate) fn chance() -> u32 {
    // SAFETY: reads a register.
    unsafe { TIMER_LOW.read_volatile() }.wrapping_mul(0x9E37_79B9)
}

/// A UART, in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uart {
    registers: *mut u8,
}

impl Uart {
    /// Registers, one byte each.
    const DATA: usize = 0;
    const QUEUES: usize = 2;
    const LINE: usize = 3;
    const STATE: usize = 5;

    const SOMETHING_TO_READ: u8 = 1;
    const ROOM: u8 = 1 << 5;

    /// Makes a UART ready: 8 bits, with its queues, at the speed it has from its start.
    fn new(base: usize) -> Self {
        let uart = Self { registers: base as *mut u8 };
        uart.put(Self::LINE, 0b11);
        uart.put(Self::QUEUES, 1);
        uart
    }

    /// Reads what has come, as far as there is room.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        let mut len = 0;
        for byte in room {
            if self.get(Self::STATE) & Self::SOMETHING_TO_READ == 0 {
                break;
            }
            *byte = self.get(Self::DATA);
            len += 1;
        }
        len
    }

    /// Writes all of `bytes`, and waits where there is no room.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while self.get(Self::STATE) & Self::ROOM == 0 {}
            self.put(Self::DATA, *byte);
        }
    }

    fn get(self, register: usize) -> u8 {
        // SAFETY: a register of this UART, which nothing but its driver uses.
        unsafe { self.registers.wrapping_add(register).read_volatile() }
    }

    fn put(self, register: usize, value: u8) {
        // SAFETY: as above.
        unsafe { self.registers.wrapping_add(register).write_volatile(value) }
    }
}
