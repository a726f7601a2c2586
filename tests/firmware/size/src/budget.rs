//! The budget: a line for each probe, a column for each thing that is measured.

use std::{fs, path::Path};

/// What one probe may take; `None` = no limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) probe: String,
    /// The image that its flash is counted above.
    pub(crate) base: String,
    /// What its flash should come down to.
    pub(crate) goal: Option<u64>,
    pub(crate) flash: Option<u64>,
    pub(crate) stack: Option<u64>,
    pub(crate) ram: Option<u64>,
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    lines.map(|(line, number)| parse(line).ok_or_else(|| wrong(path, number, line))).collect()
}

fn parse(line: &str) -> Option<Line> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [probe, base, flash, goal, stack, ram] = words[..] else { return None };
    Some(Line {
        probe: probe.to_owned(),
        base: base.to_owned(),
        flash: limit(flash)?,
        goal: limit(goal)?,
        stack: limit(stack)?,
        ram: limit(ram)?,
    })
}

fn limit(word: &str) -> Option<Option<u64>> {
    if word == "-" { Some(None) } else { word.parse().ok().map(Some) }
}

fn wrong(path: &Path, number: u32, line: &str) -> String {
    format!("{}:{number}: must be a probe, its base and four numbers (or \"-\"), is \"{line}\"", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_probe_its_base_and_four_numbers() {
        let line = Line {
            probe: "read".to_owned(),
            base: "base".to_owned(),
            flash: Some(6144),
            goal: Some(3072),
            stack: None,
            ram: Some(0),
        };
        assert_eq!(parse("read base  6144 3072 -  0"), Some(line));
        for wrong in
            ["read 1 2 3 4", "read base 1 2 3", "read base 1 2 3 4 5", "read base 1 2 x -", "read base 1 2 -3 -"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
