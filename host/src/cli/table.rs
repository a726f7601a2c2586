//! Rows of text under headings, aligned, and no wider than the terminal.

use super::output::{Output, Unwritten};
use std::borrow::Cow;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns as wide as the widest that was shown to [`Table::fit`]; they only grow, so a list that is shown page by page
/// stays aligned from one page to the next unless something wider comes.
///
/// Widths are what a terminal gives a text: two columns for most of CJK and emoji, none for a combining mark.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<const N: usize> {
    headings: [&'static str; N],
    widths: [usize; N],
    line: Option<usize>,
}

/// What stands between two columns.
const GAP: usize = 2;

/// No column is cut to less: a time is this wide, and half of one says nothing.
const NARROWEST: usize = 20;

impl<const N: usize> Table<N> {
    /// Makes a table that is as wide as its headings.
    pub(super) fn new(headings: [&'static str; N]) -> Self {
        Self { headings, widths: headings.map(UnicodeWidthStr::width), line: None }
    }

    /// Keeps lines to `columns`, where there is such a limit: the widest columns are cut then, and end in `…`.
    ///
    /// The first one, which is what a row is called by, is left whole. Where not even that is enough, lines are longer.
    pub(super) fn within(self, columns: Option<usize>) -> Self {
        Self { line: columns, ..self }
    }

    /// Writes the headings and all rows.
    ///
    /// # Errors
    ///
    /// Fails when a line did not reach stdout.
    pub(super) fn write(self, rows: &[[String; N]], out: Output) -> Result<(), Unwritten> {
        let mut table = self.within(out.columns());
        rows.iter().for_each(|row| table.fit(row));
        out.line(&table.heading())?;
        rows.iter().try_for_each(|row| out.line(&table.row(row, |_, cell| cell)))
    }

    /// Makes room for a row.
    pub(super) fn fit(&mut self, row: &[String; N]) {
        for (room, cell) in self.widths.iter_mut().zip(row) {
            *room = cell.width().max(*room);
        }
    }

    /// The line above the rows.
    pub(super) fn heading(&self) -> String {
        self.row(&self.headings.map(str::to_owned), |_, cell| cell)
    }

    /// One row. `paint` colours a cell, which it is given with its column and already cut and padded.
    pub(super) fn row(&self, row: &[String; N], paint: impl Fn(usize, String) -> String) -> String {
        let mut line = String::new();
        for (column, (cell, room)) in row.iter().zip(self.rooms()).enumerate() {
            let cell = cut(cell, room);
            // Nothing stands behind the last one.
            let last = column + 1 == N;
            let padding = if last { 0 } else { room.saturating_sub(cell.width()) };
            line += &paint(column, format!("{cell}{:padding$}", ""));
            if !last {
                line += &" ".repeat(GAP);
            }
        }
        line
    }

    /// How wide each column may be: as its widest cell, unless the line is too narrow for all of them.
    fn rooms(&self) -> [usize; N] {
        let mut rooms = self.widths;
        let Some(line) = self.line else { return rooms };
        let mut excess = (rooms.iter().sum::<usize>() + GAP * (N - 1)).saturating_sub(line);
        while excess > 0 {
            let Some(widest) = rooms.iter_mut().skip(1).max().filter(|room| **room > NARROWEST) else { break };
            *widest -= 1;
            excess -= 1;
        }
        rooms
    }
}

/// As much of `cell` as there is room for, and `…` where that is not all.
fn cut(cell: &str, room: usize) -> Cow<'_, str> {
    if cell.width() <= room {
        return Cow::Borrowed(cell);
    }
    let mut left = room.saturating_sub(1);
    let kept = cell.chars().take_while(|char| {
        let rest = left.checked_sub(char.width().unwrap_or(0));
        left = rest.unwrap_or(left);
        rest.is_some()
    });
    Cow::Owned(kept.chain(['…']).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<const N: usize>(cells: [&str; N]) -> [String; N] {
        cells.map(str::to_owned)
    }

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let mut table = Table::new(["A", "LONG", "LAST"]);
        table.fit(&row(["短信x", "1", "a long one"]));
        assert_eq!(table.heading(), "A      LONG  LAST");
        assert_eq!(table.row(&row(["短信x", "1", "a long one"]), |_, cell| cell), "短信x  1     a long one");
        let marked = table.row(&row(["b", "2", "c"]), |column, cell| format!("{column}<{cell}>"));
        assert_eq!(marked, "0<b    >  1<2   >  2<c>");
    }

    #[test]
    fn what_a_terminal_draws_wide_or_not_at_all_stands_straight() {
        let mut table = Table::new(["NAME", "N"]);
        let names = ["短信", "👋👋", "👨‍👩‍👧x", "e\u{301}tat", "ｱｲ", "한글"];
        names.iter().for_each(|name| table.fit(&row([name, "1"])));
        for name in names {
            let line = table.row(&row([name, "1"]), |_, cell| cell);
            assert_eq!(line.width(), "NAME  1".len(), "{line}");
        }
    }

    #[test]
    fn the_widest_columns_give_way_to_a_narrow_terminal() {
        let id = "018fabcd0000700080000000000000ff";
        let cells = row([id, "uplink:acme", "2026-11-22T19:00:00Z", &"refused: ".repeat(9), &"短信".repeat(12)]);
        let width = |columns| {
            let mut table = Table::new(["ID", "LANE", "CREATED", "BODY", "LAST ERROR"]).within(columns);
            table.fit(&cells);
            let line = table.row(&cells, |_, cell| cell);
            assert!(line.starts_with(id) && line.contains("  2026-11-22T19:00:00Z  "), "{line}");
            (line.width(), line.matches('…').count())
        };
        // In a pipe nothing is cut.
        assert_eq!(width(None), (32 + 11 + 20 + 81 + 48 + 4 * GAP, 0));
        assert_eq!(width(Some(300)), (200, 0));
        assert_eq!(width(Some(199)), (199, 1));
        // The second one is cut too, in front of a letter that has no room.
        assert_eq!(width(Some(140)), (139, 2));
        // Too narrow for anything: the lines are as short as they become.
        assert_eq!(width(Some(20)), (32 + 11 + 20 + 20 + 19 + 4 * GAP, 2));
    }

    #[test]
    fn what_is_cut_ends_within_its_room() {
        for (cell, room, shown) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("短信", 4, "短信"),
            ("短信", 3, "短…"),
            ("短信", 2, "…"),
            ("短信x", 4, "短…"),
            ("e\u{301}e\u{301}e", 2, "e\u{301}…"),
            ("abc", 0, "…"),
        ] {
            assert_eq!(cut(cell, room), shown, "{cell} in {room}");
        }
    }
}
