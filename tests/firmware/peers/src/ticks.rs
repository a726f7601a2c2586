//! The clock that minimq asks, through embassy-time: time stands still, and no timer runs out.

use core::task::Waker;

use embassy_time_driver::Driver;

struct Still;

impl Driver for Still {
    fn now(&self) -> u64 {
        0
    }

    fn schedule_wake(&self, _: u64, _: &Waker) {}
}

embassy_time_driver::time_driver_impl!(static CLOCK: Still = Still);
