//! The Cortex-M3 board LM3S6965EVB: 256 KB of flash, 64 KB of RAM, three UARTs of the kind PL011.
//!
//! QEMU runs code for smaller Cortex-M cores on it too. It asks for no clock to be fed to a UART and no pin to be given to
//! it, which a real board does before this.
#![expect(unsafe_code, reason = "registers lie at fixed addresses, and sleeping is an instruction of its own")]

use core::{
    arch::asm,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use cortex_m_rt::{ExceptionFrame, entry, exception};
use pushgate_core::Instant;

use super::{Board, exit};

/// Where statics begin.
pub(crate) const RAM_START: usize = 0x2000_0000;

unsafe extern "C" {
    /// Where the stack begins, from which it grows down.
    #[link_name = "_stack_start"]
    pub(crate) static STACK_START: u32;
    /// Where the statics end.
    #[link_name = "_stack_end"]
    pub(crate) static mut STACK_LIMIT: u32;
}

#[entry]
fn main() -> ! {
    crate::run()
}

/// The processor's clock after a reset.
const CYCLES_PER_MILLI: u32 = 12_500;
const MILLIS_PER_TICK: u32 = 10;
const CYCLES_PER_TICK: u32 = CYCLES_PER_MILLI * MILLIS_PER_TICK;

/// The processor's own timer: control, reload value, current value, and whether its exception is pending.
const TIMER_CONTROL: *mut u32 = 0xE000_E010 as *mut u32;
const TIMER_RELOAD: *mut u32 = 0xE000_E014 as *mut u32;
const TIMER_VALUE: *mut u32 = 0xE000_E018 as *mut u32;
const INTERRUPT_STATE: *mut u32 = 0xE000_ED04 as *mut u32;
const TIMER_PENDING: u32 = 1 << 26;

/// The interrupt controller: 32 lines a word.
const ENABLE: *mut u32 = 0xE000_E100 as *mut u32;
const DISABLE: *mut u32 = 0xE000_E180 as *mut u32;
const FORGET: *mut u32 = 0xE000_E280 as *mut u32;
/// The lines of the UARTs: 5, 6 and 33.
const UART_LINES: [u32; 2] = [1 << 5 | 1 << 6, 1 << 1];

/// Ticks since the start: two years of them fit.
static TICKS: AtomicU32 = AtomicU32::new(0);

/// Makes the clock run and the UARTs ready.
pub(crate) fn start() -> Board {
    // SAFETY: registers of the processor that only this file uses.
    unsafe {
        TIMER_RELOAD.write_volatile(CYCLES_PER_TICK - 1);
        TIMER_VALUE.write_volatile(0);
        // On, with its exception, from the processor's clock.
        TIMER_CONTROL.write_volatile(0b111);
    }
    Board { link: Uart::new(0x4000_C000), http: Uart::new(0x4000_D000), console: Uart::new(0x4000_E000) }
}

/// Milliseconds since the start.
pub(crate) fn now() -> Instant {
    loop {
        let ticks = TICKS.load(Relaxed);
        // SAFETY: reads registers.
        let (left, state) = unsafe { (TIMER_VALUE.read_volatile(), INTERRUPT_STATE.read_volatile()) };
        // A tick in between belongs to one of the two or to none: look again.
        if ticks == TICKS.load(Relaxed) && state & TIMER_PENDING == 0 {
            // It counts down, and stands at 0 before it has begun.
            let within = if left == 0 { 0 } else { CYCLES_PER_TICK.saturating_sub(left) / CYCLES_PER_MILLI };
            return Instant::from_millis(u64::from(ticks) * u64::from(MILLIS_PER_TICK)).plus(within);
        }
    }
}

/// Waits until a UART has something to read, or for the rest of a tick.
pub(crate) fn sleep() {
    let [low, high] = UART_LINES;
    // SAFETY: registers of the processor that only this file uses. With interrupts held back a line that is raised ends
    // the sleep and runs no handler; before they are let through again the lines are disabled. What may then run is the
    // timer's.
    unsafe {
        asm!("cpsid i", options(nomem, nostack, preserves_flags));
        for (at, lines) in [low, high].into_iter().enumerate() {
            FORGET.wrapping_add(at).write_volatile(lines);
            ENABLE.wrapping_add(at).write_volatile(lines);
        }
        asm!("dsb", "wfi", options(nostack, preserves_flags));
        for (at, lines) in [low, high].into_iter().enumerate() {
            DISABLE.wrapping_add(at).write_volatile(lines);
        }
        asm!("cpsie i", options(nomem, nostack, preserves_flags));
    }
}

/// A number that differs from device to device and from call to call: here, what the timer happens to be at.
pub(crate) fn chance() -> u32 {
    // SAFETY: reads a register.
    unsafe { TIMER_VALUE.read_volatile() }.wrapping_mul(0x9E37_79B9)
}

/// A UART, in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uart {
    registers: *mut u32,
}

impl Uart {
    /// Registers, counted in words.
    const DATA: usize = 0;
    const FLAGS: usize = 0x18 / 4;
    const BAUD: usize = 0x24 / 4;
    const BAUD_FRACTION: usize = 0x28 / 4;
    const LINE: usize = 0x2C / 4;
    const CONTROL: usize = 0x30 / 4;
    const INTERRUPTS: usize = 0x38 / 4;

    const NOTHING_TO_READ: u32 = 1 << 4;
    const NO_ROOM: u32 = 1 << 5;

    /// Makes a UART ready: 115200 baud, 8 bits, with its queues, telling when there is something to read.
    fn new(base: usize) -> Self {
        let uart = Self { registers: base as *mut u32 };
        uart.put(Self::BAUD, 6);
        uart.put(Self::BAUD_FRACTION, 50);
        uart.put(Self::LINE, 0b111 << 4);
        uart.put(Self::CONTROL, 1 << 9 | 1 << 8 | 1);
        uart.put(Self::INTERRUPTS, 1 << 6 | 1 << 4);
        uart
    }

    /// Reads what has come, as far as there is room.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> usize {
        let mut len = 0;
        for byte in room {
            if self.get(Self::FLAGS) & Self::NOTHING_TO_READ != 0 {
                break;
            }
            // The bits above are those of a broken byte, which a line to an emulator does not have.
            *byte = self.get(Self::DATA) as u8;
            len += 1;
        }
        len
    }

    /// Writes all of `bytes`, and waits where there is no room.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            while self.get(Self::FLAGS) & Self::NO_ROOM != 0 {}
            self.put(Self::DATA, u32::from(*byte));
        }
    }

    fn get(self, register: usize) -> u32 {
        // SAFETY: a register of this UART, aligned, which nothing but its driver uses.
        unsafe { self.registers.wrapping_add(register).read_volatile() }
    }

    fn put(self, register: usize, value: u32) {
        // SAFETY: as above.
        unsafe { self.registers.wrapping_add(register).write_volatile(value) }
    }
}

#[exception]
fn SysTick() {
    // Nothing else writes it.
    TICKS.store(TICKS.load(Relaxed).wrapping_add(1), Relaxed);
}

#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    exit(102)
}
