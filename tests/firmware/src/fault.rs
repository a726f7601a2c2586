//! Ends of a run that must not happen: each ends the machine with a status of its own.

#![expect(unsafe_code, reason = "cortex-m-rt wants the handler of a hard fault declared so")]

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, exception};

#[panic_handler]
fn panicked(_: &PanicInfo<'_>) -> ! {
    semihosting::process::exit(101)
}

#[exception]
unsafe fn HardFault(_: &ExceptionFrame) -> ! {
    semihosting::process::exit(102)
}
