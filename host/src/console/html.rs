//! Markup that holds texts of strangers: what is not written in this program's source is escaped.

use std::fmt::{self, Write as _};

use crate::shown;

/// A piece of markup. What a peer wrote gets in through [`text`](Self::text) alone: markup is only ever a literal.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup of this program's source.
    pub(super) fn markup(&mut self, markup: &'static str) -> &mut Self {
        self.0.push_str(markup);
        self
    }

    /// Adds a text, between tags or between the quotes of an attribute; what would move or turn it is spelled out.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        escape_into(&mut self.0, text);
        self
    }

    /// Adds a number or whatever else can be displayed, as [`text`](Self::text).
    pub(super) fn shown(&mut self, value: impl fmt::Display) -> &mut Self {
        // Writing to a String never fails.
        let _ = write!(Escaping(&mut self.0), "{value}");
        self
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

struct Escaping<'a>(&'a mut String);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape_into(self.0, text);
        Ok(())
    }
}

/// Every character that ends a text or an attribute, or begins a tag or a reference.
fn escape_into(html: &mut String, text: &str) {
    for char in shown::text(text).chars() {
        match char {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            char => html.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_is_markup() {
        for (given, escaped) in [
            ("acme", "acme"),
            ("短信 😀", "短信 😀"),
            ("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;"),
            ("\" onfocus='alert(1)' x=\"", "&quot; onfocus=&#39;alert(1)&#39; x=&quot;"),
            ("&lt;script&gt;", "&amp;lt;script&amp;gt;"),
            ("<!--dead-->", "&lt;!--dead--&gt;"),
            ("\u{202e}gnp.exe\u{0}", "\\u{202e}gnp.exe\\u{0}"),
        ] {
            let mut html = Html::default();
            html.text(given).shown(given);
            assert_eq!(html.into_string(), format!("{escaped}{escaped}"));
        }
    }
}
