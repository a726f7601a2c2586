//! How fast pushgate-core reads and writes the payloads of its protocols, beside the JSON libraries one would take
//! instead.
//!
//!     cargo run --release                          every row; one table of speeds relative to serde_json
//!     cargo run --release -- --seconds 10 events   the rows whose name holds "events", 10 seconds each
//!
//! Times on a shared machine move by half, so all are measured in turns within one run and only ratios are shown.
//! Instructions do not depend on the machine's mood: with valgrind installed, callgrind counts them in a process of
//! its own (`--instructions ROW PEER`). Nothing is measured before every library's results were found equal.

mod instructions;
mod model;
mod peers;
mod results;
mod rows;
mod table;
mod timing;

use std::{env, process::ExitCode, time::Duration};

use peers::{PEERS, Peer};
use results::Results;
use rows::Row;
use table::{Cell, Line};

/// Time for one row without `--seconds`: some hundred rounds, after which the medians stand still.
const SECONDS: u64 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        ["--instructions", row, peer] => instructions::run(row, peer),
        ["--seconds", seconds, ref names @ ..] => match seconds.parse() {
            Ok(seconds) => compare(seconds, names),
            Err(_) => Err(format!("--seconds {seconds}: give a whole number of seconds for each row")),
        },
        ref names => compare(SECONDS, names),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("pushgate-bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Verifies, then measures, the rows whose names hold all of `names`.
fn compare(seconds: u64, names: &[&str]) -> Result<(), String> {
    let rows: Vec<Row> =
        rows::all().into_iter().filter(|row| names.iter().all(|name| row.name.contains(name))).collect();
    if rows.is_empty() {
        return Err(format!("no row's name holds {names:?}"));
    }
    for row in &rows {
        verify(row)?;
    }
    let valgrind = instructions::available();
    let mut lines = Vec::new();
    for row in &rows {
        eprintln!("measuring: {}", row.name);
        lines.push(measure(row, Duration::from_secs(seconds), valgrind)?);
    }
    table::print(&lines, valgrind);
    Ok(())
}

/// Checks that all peers that can do `row` give the same results.
fn verify(row: &Row) -> Result<(), String> {
    let mut expected: Option<(&str, Vec<String>)> = None;
    for peer in PEERS {
        let Ok(mut operation) = (peer.operation)(&row.input) else { continue };
        // Twice, since all but the first of the timed runs find their buffers used.
        for _ in 0..2 {
            let mut results = Results::recorded();
            operation(&mut results);
            let found = results.into_record();
            let Some((first, expected)) = &expected else {
                expected = Some((peer.name, found));
                continue;
            };
            if let Some(place) = differs(expected, &found) {
                return Err(format!("{}: {} and {first} differ in result {place}", row.name, peer.name));
            }
        }
    }
    Ok(())
}

fn differs(expected: &[String], found: &[String]) -> Option<usize> {
    let common = expected.iter().zip(found).position(|(expected, found)| expected != found);
    common.or_else(|| (expected.len() != found.len()).then_some(expected.len().min(found.len())))
}

fn measure<'r>(row: &'r Row, budget: Duration, valgrind: bool) -> Result<Line<'r>, String> {
    let mut operations = Vec::new();
    let mut cells = Vec::new();
    for peer in PEERS {
        match (peer.operation)(&row.input) {
            Ok(operation) => {
                cells.push(Cell::Measured(operations.len()));
                operations.push(operation);
            }
            Err(why) => cells.push(Cell::Cannot(why)),
        }
    }
    let speeds = timing::in_turns(&mut operations, budget);
    let instructions = if valgrind {
        let count = |peer: &Peer| instructions::count(row.name, peer.name);
        Some((count(&peers::OURS)?, count(&peers::BASELINE)?))
    } else {
        None
    };
    Ok(Line { row, cells, speeds, instructions })
}
