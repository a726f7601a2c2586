//! What a device pays for `pushgate-core`, as images that run on a Cortex-M3.
//!
//! Each image in `bin/` is a probe: it starts as every other does, runs its [`Run`]s on the machine, tells over
//! semihosting what they took, and ends. `bin/base.rs` does all of that and none of the core's work, so that the
//! difference between a probe and it is the core's. `size/` measures the images and holds them to `budget.txt`.
//!
//! - [`run`]: how an image starts, measures and ends
//! - [`input`]: what the probes are fed with, in chunks
//! - [`frames`]: frames that no reader has made
//! - [`read`]: one function for each payload, from chunks to the caller
//! - [`take`]: what a caller does with what is read: it looks at every member
#![no_std]

mod clock;
mod console;
mod fault;
pub mod frames;
pub mod input;
pub mod read;
mod run;
mod stack;
pub mod take;

pub use run::{Outcome, Run, run};
