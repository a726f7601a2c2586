//! How an image starts, measures its runs, tells of them and ends.

use core::hint::black_box;

use pushgate_core::Error;

use crate::{clock, console, stack};

/// How many items a run has seen: events, tokens, bodies.
pub type Outcome = Result<u32, Error>;

/// One thing to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Run<M: ?Sized = [u8]> {
    /// What it is, for the table.
    pub name: &'static str,
    /// How many items it must see; everything else fails the image.
    pub items: u32,
    /// The work, with the memory that the caller owns: a buffer, or a reader that has one.
    pub work: fn(&mut M) -> Outcome,
}

/// Measures `runs` one after the other with the same `memory`, prints a line for each, and ends the machine: with status
/// 0 when all of them saw what they must.
pub fn run<M: ?Sized>(memory: &'static mut M, runs: &'static [Run<M>]) -> ! {
    let mut status = 0;
    for run in black_box(runs) {
        if !measure(memory, run) {
            status = 1;
        }
    }
    semihosting::process::exit(status)
}

/// Prints `NAME: items N, instructions I, stack BYTES` and says whether the run did what it must.
#[inline(never)]
fn measure<M: ?Sized>(memory: &mut M, run: &Run<M>) -> bool {
    let (_, floor) = depth(memory, |_| Ok(0));
    let (outcome, taken) = depth(memory, run.work);
    let (_, instructions) = count(memory, run.work);
    console::text(run.name);
    let items = match outcome {
        Ok(items) => items,
        Err(error) => {
            console::text(": refused at byte ");
            // As a device would, the caller keeps the whole error.
            console::number(black_box(&error).offset() as u32);
            console::text("\n");
            return false;
        }
    };
    let (Some(taken), Some(floor)) = (taken, floor) else {
        console::text(": the stack reached the statics\n");
        return false;
    };
    console::text(": items ");
    console::number(items);
    console::text(", instructions ");
    console::number(instructions);
    console::text(", stack ");
    console::number(taken.saturating_sub(floor));
    if items != run.items {
        console::text(": must be items ");
        console::number(run.items);
    }
    console::text("\n");
    items == run.items
}

/// The work is hidden from the compiler, so that no run is compiled into this function.
#[inline(never)]
fn depth<M: ?Sized>(memory: &mut M, work: fn(&mut M) -> Outcome) -> (Outcome, Option<u32>) {
    let work = black_box(work);
    stack::depth(|| work(memory))
}

#[inline(never)]
fn count<M: ?Sized>(memory: &mut M, work: fn(&mut M) -> Outcome) -> (Outcome, u32) {
    let work = black_box(work);
    clock::count(|| work(memory))
}
