//! The table of what was measured, and what is wrong with it.

use std::fmt::Write;

use crate::machine::Run;

/// Bytes taken and the most that may be; `None` = not measured, no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) taken: Option<u64>,
    pub(crate) limit: Option<u64>,
}

impl Cell {
    /// The limit, when it is broken.
    fn over(self) -> Option<(u64, u64)> {
        self.taken.zip(self.limit).filter(|(taken, limit)| taken > limit)
    }

    /// The two columns: what is taken, and the limit.
    fn columns(self) -> (String, String) {
        let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let over = if self.over().is_some() { " over" } else { "" };
        (number(self.taken), number(self.limit) + over)
    }
}

/// One image.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) probe: String,
    pub(crate) flash: Cell,
    /// What the flash should come down to; it fails nothing.
    pub(crate) goal: Option<u64>,
    pub(crate) stack: Cell,
    pub(crate) ram: Cell,
    pub(crate) panics: Vec<String>,
    /// Branches into those.
    pub(crate) branches: usize,
    pub(crate) allocator: Vec<String>,
    pub(crate) runs: Vec<Run>,
}

impl Row {
    /// Every limit that is broken, in words.
    pub(crate) fn broken(&self) -> Vec<String> {
        let probe = &self.probe;
        let cells = [("flash", self.flash), ("stack", self.stack), ("ram", self.ram)];
        let over = cells.into_iter().filter_map(|(name, cell)| Some((name, cell.over()?))).map(|(name, over)| {
            let (taken, limit) = over;
            format!("{probe}: {name} is {taken} bytes, {} over the limit of {limit}", taken - limit)
        });
        let panics = self.panics.iter().map(|name| format!("{probe}: can panic in {name}"));
        let allocator = self.allocator.iter().map(|name| format!("{probe}: allocates in {name}"));
        // With the functions that the base has anyway.
        let branches = (self.panics.is_empty() && self.branches > 0)
            .then(|| format!("{probe}: branches into a panic in {} more places than its base", self.branches));
        over.chain(panics).chain(branches).chain(allocator).collect()
    }

    /// How far the flash is from its goal, in words, when it is.
    pub(crate) fn short(&self) -> Option<String> {
        let (taken, goal) = self.flash.taken.zip(self.goal).filter(|(taken, goal)| taken > goal)?;
        Some(format!("{}: flash is {taken} bytes, short by {} of its goal of {goal}", self.probe, taken - goal))
    }

    /// The least and the most instructions that a run took for an item.
    fn instructions(&self) -> String {
        let an_item = || self.runs.iter().filter_map(|run| run.instructions.checked_div(run.items));
        match (an_item().min(), an_item().max()) {
            (Some(least), Some(most)) if least < most => format!("{least}..{most}"),
            (_, Some(most)) => most.to_string(),
            (_, None) => "-".to_owned(),
        }
    }
}

/// The table as text, a line for each row.
pub(crate) fn show(rows: &[Row]) -> String {
    let heads =
        ["flash", "limit", "goal", "stack", "limit", "ram", "limit", "panics", "branches", "alloc", "instr./item"];
    let mut table = line("bytes", &heads.map(str::to_owned));
    for row in rows {
        let [flash, stack, ram] = [row.flash, row.stack, row.ram].map(Cell::columns);
        let panics = [row.panics.len(), row.branches, row.allocator.len()].map(|count| count.to_string());
        let [panics, branches, allocator] = panics;
        let goal = row.goal.map_or_else(|| "-".to_owned(), |goal| goal.to_string());
        let cells =
            [flash.0, flash.1, goal, stack.0, stack.1, ram.0, ram.1, panics, branches, allocator, row.instructions()];
        table += &line(&row.probe, &cells);
    }
    table
}

fn line(probe: &str, cells: &[String]) -> String {
    const WIDTHS: [usize; 11] = [7, 11, 7, 7, 11, 7, 11, 8, 10, 7, 14];
    let mut line = format!("{probe:<20}");
    for (cell, width) in cells.iter().zip(WIDTHS) {
        write!(line, "{cell:>width$}").expect("a string takes what is written");
    }
    line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_broken_by_the_first_byte_past_it_and_by_any_panic() {
        let row = |taken, panics: &[&str]| Row {
            probe: "read".to_owned(),
            flash: Cell { taken: Some(taken), limit: Some(600) },
            goal: Some(590),
            stack: Cell { taken: None, limit: Some(1) },
            ram: Cell { taken: Some(9999), limit: None },
            panics: panics.iter().map(|&name| name.to_owned()).collect(),
            branches: 0,
            allocator: Vec::new(),
            runs: vec![
                Run { items: 2, instructions: 50, stack: 0 },
                Run { items: 2, instructions: 20, stack: 0 },
                Run { items: 0, instructions: 7, stack: 0 },
            ],
        };
        assert_eq!(row(600, &[]).broken(), [""; 0]);
        assert_eq!(row(601, &[]).broken(), ["read: flash is 601 bytes, 1 over the limit of 600"]);
        assert_eq!(row(0, &["panic_fmt"]).broken(), ["read: can panic in panic_fmt"]);
        let branches = Row { branches: 2, ..row(0, &[]) };
        assert_eq!(branches.broken(), ["read: branches into a panic in 2 more places than its base"]);
        let short = "read: flash is 600 bytes, short by 10 of its goal of 590";
        assert_eq!(row(600, &[]).short().as_deref(), Some(short));
        assert_eq!(row(590, &[]).short(), None);
        let table = show(&[row(601, &[])]);
        assert!(table.contains(" 601   600 over    590") && table.contains(" 10..25\n"), "{table}");
    }
}
