//! How an image starts, measures its runs, tells of them and ends.

use core::hint::black_box;

use pushgate_core::Error;

use crate::{clock, console, stack};

/// How many items a run has seen: events, tokens, bodies.
pub type Outcome = Result<u32, Error>;

/// One thing to be measured.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// What it is, for the table.
    pub name: &'static str,
    /// How many items it must see; everything else fails the image.
    pub items: u32,
    /// The work, with the image's buffer.
    pub work: fn(&mut [u8]) -> Outcome,
}

/// Measures `runs` one after the other with the same buffer, prints a line for each, and ends the machine: with status
/// 0 when all of them saw what they must.
pub fn run(buf: &'static mut [u8], runs: &'static [Run]) -> ! {
    let mut status = 0;
    for run in black_box(runs) {
        if !measure(buf, run) {
            status = 1;
        }
    }
    semihosting::process::exit(status)
}

/// Prints `NAME: items N, instructions I, stack BYTES` and says whether the run did what it must.
#[inline(never)]
fn measure(buf: &mut [u8], run: &Run) -> bool {
    let (_, floor) = depth(buf, |_| Ok(0));
    let (outcome, taken) = depth(buf, run.work);
    let (_, instructions) = count(buf, run.work);
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
fn depth(buf: &mut [u8], work: fn(&mut [u8]) -> Outcome) -> (Outcome, Option<u32>) {
    let work = black_box(work);
    stack::depth(|| work(buf))
}

#[inline(never)]
fn count(buf: &mut [u8], work: fn(&mut [u8]) -> Outcome) -> (Outcome, u32) {
    let work = black_box(work);
    clock::count(|| work(buf))
}
