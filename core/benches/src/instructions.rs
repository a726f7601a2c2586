//! Instructions of one operation, counted by callgrind in a process of its own.

use std::{
    env,
    process::{Command, Stdio},
};

use crate::{
    peers::{Operation, PEERS},
    results::Results,
    rows,
};

/// Runs that are counted; the count is the same for each, but for what an allocator does now and then.
const RUNS: u64 = 10;

/// Runs before the count begins, in which buffers grow to their size.
const WARM_UP: u64 = 2;

/// Whether valgrind is installed.
pub(crate) fn available() -> bool {
    let version = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Counts the instructions of one run of `row` by `peer`.
pub(crate) fn count(row: &str, peer: &str) -> Result<u64, String> {
    let program = env::current_exe().map_err(|error| format!("where this program is: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--toggle-collect=*counted_run*"])
        .arg(program)
        .args(["--instructions", row, peer])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    // "==42== Collected : 8113442"
    let report = String::from_utf8_lossy(&output.stderr);
    let collected = report.lines().find_map(|line| line.split_once("Collected :"));
    match collected.and_then(|(_, total)| total.trim().parse::<u64>().ok()) {
        Some(total) if total > 0 && output.status.success() => Ok(total / RUNS),
        _ => Err(format!("{row}, {peer}: callgrind counted nothing ({}):\n{report}", output.status)),
    }
}

/// What callgrind watches: `row`, done by `peer`.
pub(crate) fn run(row: &str, peer: &str) -> Result<(), String> {
    let rows = rows::all();
    let row = rows.iter().find(|known| known.name == row).ok_or(format!("there is no row {row:?}"))?;
    let peer = PEERS.iter().find(|known| known.name == peer).ok_or(format!("there is no peer {peer:?}"))?;
    let mut operation = (peer.operation)(&row.input)?;
    let mut results = Results::discarded();
    for _ in 0..WARM_UP {
        operation(&mut results);
    }
    for _ in 0..RUNS {
        counted_run(&mut operation, &mut results);
    }
    Ok(())
}

/// Callgrind counts while this function runs: its name is the switch.
#[inline(never)]
fn counted_run(operation: &mut Operation<'_>, results: &mut Results) {
    operation(results);
}
