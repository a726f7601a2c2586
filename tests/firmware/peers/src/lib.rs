//! What the images in `bin/` share: a wire in memory, an executor of one loop, and the clock that one of them asks for.
#![no_std]

pub mod bodies;
pub mod input;
mod ticks;
mod wire;

pub use wire::{Wire, block_on};
