//! The one table all this is for.

use std::time::Duration;

use crate::{
    peers::{BASELINE, OURS, PEERS},
    rows::Row,
    timing::Speed,
};

/// A row with what was measured.
pub(crate) struct Line<'r> {
    pub(crate) row: &'r Row,
    /// One for each of [`PEERS`].
    pub(crate) cells: Vec<Cell>,
    pub(crate) speeds: Vec<Speed>,
    /// Ours and the baseline's.
    pub(crate) instructions: Option<(u64, u64)>,
}

/// What a peer made of a row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cell {
    /// The place of its speed.
    Measured(usize),
    /// Why it has none.
    Cannot(&'static str),
}

/// What holds for columns whatever was measured.
const NOTES: [&str; 5] = [
    "Speeds are relative to serde_json with borrowed strings: medians over rounds in which all take turns. In brackets: \
     its time; the middle half of pushgate-core's ratios.",
    "Every side ends with the same checked values in memory: strings unescaped, messages decoded from base64 (by the \
     base64 crate for the peers), limits checked. pushgate-core and picojson visit the items of a batch one by one; the \
     others make a list first.",
    "simd-json rewrites its input; copying the body is part of its time. It picks its SIMD at run time, the others are \
     built for the default processor.",
    "Ours in chunks: the table-driven reader that devices use, fed 1460 bytes at a time.",
    "The peers are told whether a server push is proxied; pushgate-core finds out.",
];

/// Prints the table, in Markdown, and its notes.
pub(crate) fn print(lines: &[Line<'_>], valgrind: bool) {
    let mut whys = Vec::new();
    let mut rows = vec![header()];
    rows.extend(lines.iter().map(|line| line.columns(&mut whys)));
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    for (place, row) in rows.iter().enumerate() {
        print_row(row, &widths);
        if place == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
            print_row(&rules, &widths);
        }
    }
    println!();
    for (place, (peer, why)) in whys.iter().enumerate() {
        println!("[{}] {peer} {why}.", place + 1);
    }
    for note in NOTES {
        println!("{note}");
    }
    if !valgrind {
        println!("Instructions were not counted: valgrind is not installed (on Debian: apt-get install valgrind).");
    }
    let versions: Vec<String> = PEERS.iter().filter_map(|peer| version(peer.name)).collect();
    println!("Versions: {}.", versions.join(", "));
}

fn header() -> Vec<String> {
    let mut header = vec!["row".to_owned(), "bytes".to_owned()];
    header.extend(PEERS.iter().map(|peer| peer.name.to_owned()));
    header.extend(["target", "instructions / serde_json's", "reached"].map(str::to_owned));
    header
}

fn print_row(row: &[String], widths: &[usize]) {
    let cells: Vec<String> = row.iter().zip(widths).map(|(cell, &width)| format!("{cell:width$}")).collect();
    println!("| {} |", cells.join(" | "));
}

impl Line<'_> {
    /// The cells of the line; what a peer cannot do is added to `whys`.
    fn columns(&self, whys: &mut Vec<(&'static str, &'static str)>) -> Vec<String> {
        let mut columns = vec![self.row.name.to_owned(), self.row.input.len().to_string()];
        for (peer, cell) in PEERS.iter().zip(&self.cells) {
            columns.push(match *cell {
                Cell::Cannot(why) => format!("- [{}]", note(whys, (peer.name, why))),
                Cell::Measured(place) => {
                    let Speed { time, ratio: [low, median, high] } = self.speeds[place];
                    match peer.name {
                        name if name == BASELINE.name => format!("1.00 ({})", shown(time)),
                        name if name == OURS.name => format!("{median:.2} ({low:.2}-{high:.2})"),
                        _ => format!("{median:.2}"),
                    }
                }
            });
        }
        let instructions = match self.instructions {
            Some((ours, baseline)) => format!("{} / {}", thousands(ours), thousands(baseline)),
            None => "-".to_owned(),
        };
        columns.extend([self.target(), instructions, self.reached().to_owned()]);
        columns
    }

    fn target(&self) -> String {
        let target = self.row.target;
        let mut text = format!("{:.1}", target.ratio);
        if let Some(most) = target.instructions {
            text += &format!(", at most {}", thousands(most));
        }
        if let Some(peer) = target.not_behind {
            text += &format!(", not behind {peer}");
        }
        text
    }

    fn reached(&self) -> &'static str {
        let target = self.row.target;
        let Some(ours) = self.ratio(OURS.name) else { return "no" };
        let fast = ours >= target.ratio;
        let ahead = target.not_behind.and_then(|peer| self.ratio(peer)).is_none_or(|peer| ours >= peer);
        // Unknown instructions are no reached target, but none that was missed either.
        let short = match (target.instructions, self.instructions) {
            (Some(most), Some((ours, _))) => ours <= most,
            _ => true,
        };
        if fast && ahead && short { "yes" } else { "no" }
    }

    /// The median ratio of the peer called `name`, when it has one.
    fn ratio(&self, name: &str) -> Option<f64> {
        let peer = PEERS.iter().position(|peer| peer.name == name)?;
        match self.cells[peer] {
            Cell::Measured(place) => Some(self.speeds[place].ratio[1]),
            Cell::Cannot(_) => None,
        }
    }
}

/// The number of a note, which is added when it is new.
fn note(whys: &mut Vec<(&'static str, &'static str)>, why: (&'static str, &'static str)) -> usize {
    let place = whys.iter().position(|known| *known == why).unwrap_or_else(|| {
        whys.push(why);
        whys.len() - 1
    });
    place + 1
}

fn shown(time: Duration) -> String {
    match time.as_nanos() {
        nanos @ ..10_000 => format!("{nanos} ns"),
        _ => format!("{} µs", time.as_micros()),
    }
}

fn thousands(count: u64) -> String {
    if count < 10_000 { count.to_string() } else { format!("{} k", (count + 500) / 1000) }
}

/// The version a crate was built in, from the lock file.
fn version(name: &str) -> Option<String> {
    let (_, entry) = include_str!("../Cargo.lock").split_once(&format!("name = \"{name}\"\nversion = \""))?;
    let (version, _) = entry.split_once('"')?;
    Some(format!("{name} {version}"))
}
