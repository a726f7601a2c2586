//! What an answer holds, part by part.

use crate::http::{
    Connection,
    grammar::{between, same, trim_from},
};

/// What an answer holds, in this order: a status, headers, pieces of a body, the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Part<'h, 'i> {
    /// The status of the answer, from 100 to 599. It comes once.
    Status(u16),
    /// A header of it.
    Header(Header<'h>),
    /// The next piece of the body, never empty.
    Body(&'i [u8]),
    /// The answer is complete; what is left of the input is no part of it, and came too early unless the connection is
    /// upgraded. A connection with such bytes is not to be used again.
    End(Connection),
}

/// A header as it came, without the white space around its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Header<'h> {
    /// Its name, a token; upper and lower case are the same ([`is`](Self::is)).
    pub name: &'h [u8],
    /// Its value, which need not be UTF-8; `None` when the line is longer than its buffer.
    pub value: Option<&'h [u8]>,
}

impl Header<'_> {
    /// Whether this is the header called `name` (RFC 9110, section 5.1: "field names are case-insensitive").
    #[must_use]
    pub const fn is(&self, name: &str) -> bool {
        same(self.name, name.as_bytes())
    }
}

impl<'h> Header<'h> {
    /// The header in a line, of which a part is held, and whose name has this length.
    pub(super) fn of(held: &'h [u8], name_len: usize, is_cut: bool) -> Self {
        Self {
            name: between(held, 0, name_len),
            value: if is_cut { None } else { Some(trim_from(held, name_len.saturating_add(1))) },
        }
    }
}
