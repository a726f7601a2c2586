//! Rows of text under headings, aligned.

use super::output::{Output, Unwritten};

/// Columns as wide as the widest that was shown to [`Table::fit`]; they only grow, so a list that is shown page by page
/// stays aligned from one page to the next unless something wider comes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table<const N: usize> {
    headings: [&'static str; N],
    widths: [usize; N],
}

impl<const N: usize> Table<N> {
    /// Makes a table that is as wide as its headings.
    pub(super) fn new(headings: [&'static str; N]) -> Self {
        Self { headings, widths: headings.map(width) }
    }

    /// Writes the headings and all rows.
    ///
    /// # Errors
    ///
    /// Fails when a line did not reach stdout.
    pub(super) fn write(mut self, rows: &[[String; N]], out: Output) -> Result<(), Unwritten> {
        rows.iter().for_each(|row| self.fit(row));
        out.line(&self.heading())?;
        rows.iter().try_for_each(|row| out.line(&self.row(row, |_, cell| cell)))
    }

    /// Makes room for a row.
    pub(super) fn fit(&mut self, row: &[String; N]) {
        for (room, cell) in self.widths.iter_mut().zip(row) {
            *room = width(cell).max(*room);
        }
    }

    /// The line above the rows.
    pub(super) fn heading(&self) -> String {
        self.row(&self.headings.map(str::to_owned), |_, cell| cell)
    }

    /// One row. `paint` colours a cell, which it is given with its column and already padded.
    pub(super) fn row(&self, row: &[String; N], paint: impl Fn(usize, String) -> String) -> String {
        let mut line = String::new();
        for (column, (cell, room)) in row.iter().zip(self.widths).enumerate() {
            // Nothing stands behind the last one.
            let last = column + 1 == N;
            let padding = if last { 0 } else { room.saturating_sub(width(cell)) };
            line += &paint(column, format!("{cell}{:padding$}", ""));
            if !last {
                line += "  ";
            }
        }
        line
    }
}

fn width(cell: impl AsRef<str>) -> usize {
    cell.as_ref().chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_what_is_in_them() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let mut table = Table::new(["A", "LONG", "LAST"]);
        table.fit(&row(["短信x", "1", "a long one"]));
        assert_eq!(table.heading(), "A    LONG  LAST");
        assert_eq!(table.row(&row(["短信x", "1", "a long one"]), |_, cell| cell), "短信x  1     a long one");
        let marked = table.row(&row(["b", "2", "c"]), |column, cell| format!("{column}<{cell}>"));
        assert_eq!(marked, "0<b  >  1<2   >  2<c>");
    }
}
