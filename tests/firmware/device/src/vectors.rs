//! The golden vectors: bodies that the protocols' pages and tests give, good and bad, each with what must come of it.
//!
//! `build.rs` gathers them and reads each on the host, so that an error is expected with its member and its byte.

use core::fmt::{self, Display, Write};

use crate::{
    console::{Check, Console},
    reading::{Cut, Kind, ROOM, Refusal, read},
};

/// A body and what must come of it.
struct Vector {
    kind: Kind,
    body: &'static [u8],
    /// What it says, as a sum; or where it is wrong, and how.
    expected: Result<u32, (usize, &'static str)>,
}

include!(concat!(env!("OUT_DIR"), "/vectors.rs"));

const CUTS: [Cut; 3] = [Cut::Whole, Cut::Pieces(1), Cut::Pieces(7)];

/// Reads every vector, whole and in pieces, and tells how many there were and what did not come out as it must.
#[inline(never)]
pub(crate) fn run(room: &mut [u8; ROOM], console: &mut Console) {
    let (mut runs, mut refused, mut differ) = (0, 0, 0);
    for vector in VECTORS {
        refused += u64::from(vector.expected.is_err());
        for cut in CUTS {
            let Some(outcome) = read(vector.kind, vector.body, cut, room) else { continue };
            runs += 1;
            if !vector.is_met(outcome) {
                differ += 1;
                tell(vector, cut, outcome, console);
            }
        }
    }
    let line = console.event("vectors").number("bodies", VECTORS.len() as u64).number("refused", refused);
    drop(line.number("runs", runs).number("differ", differ));
    console.check("every vector is read as on the host", Check::from(differ == 0 && runs > 0));
}

impl Vector {
    fn is_met(&self, outcome: Result<u32, Refusal>) -> bool {
        match (outcome, self.expected) {
            (Ok(sum), Ok(expected)) => sum == expected,
            (Err(refusal), Err((offset, words))) => refusal.offset() == offset && says(&refusal, words),
            _ => false,
        }
    }
}

fn tell(vector: &Vector, cut: Cut, outcome: Result<u32, Refusal>, console: &mut Console) {
    let len = match cut {
        Cut::Whole => vector.body.len(),
        Cut::Pieces(len) => len,
    };
    let line = console.event("differs").number("pieces", len as u64);
    let line = match outcome {
        Ok(sum) => line.number("sum", sum.into()),
        Err(refusal) => line.number("offset", refusal.offset() as u64).says("why", &refusal),
    };
    drop(line.raw("body", vector.body.iter().copied()));
}

/// Whether `value` says just these words; nothing is kept of what it says.
fn says(value: &dyn Display, words: &str) -> bool {
    let mut rest = Rest(words);
    write!(rest, "{value}").is_ok() && rest.0.is_empty()
}

/// What must still be said.
struct Rest<'w>(&'w str);

impl Write for Rest<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.strip_prefix(text).ok_or(fmt::Error)?;
        Ok(())
    }
}
