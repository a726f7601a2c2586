//! What a command says, and where.
//!
//! Results go to stdout, one line each, as text or with `--json` as one JSON object; everything else goes to stderr.
//! A reader of stdout may leave at any time (`pushgate … | head`), which must end a command quietly: `println!` would
//! panic, so nothing but this file writes to stdout.

use clap::{
    ValueEnum,
    builder::styling::{AnsiColor, Style},
};
use serde::Serialize;
use std::{
    env,
    fmt::Display,
    io::{self, IsTerminal, Write},
};
use terminal_size::{Width, terminal_size_of};

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Even in a pipe
    Always,
    /// Not at all
    Never,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The two streams of a command. Cheap to copy, so that every task can have it; each call writes one whole line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    stdout: Paint,
    stderr: Paint,
}

/// A line did not reach stdout.
#[derive(Debug)]
pub(crate) enum Unwritten {
    /// Its reader left: it has seen what it wanted.
    ReaderLeft,
    /// It cannot be written to: the disk is full, say. What was to be kept is lost.
    Failed(io::Error),
}

impl From<io::Error> for Unwritten {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderLeft } else { Self::Failed(error) }
    }
}

impl Output {
    /// Writes results in `format`, coloured as `choice` and the environment ask for.
    pub(crate) fn new(format: Format, choice: ColorChoice) -> Self {
        let environment = Environment::of_process();
        Self {
            format,
            stdout: environment.paint(choice, io::stdout().is_terminal()),
            stderr: environment.paint(choice, io::stderr().is_terminal()),
        }
    }

    /// How results are written, for a command whose text is more than lines.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// The colours of stderr, for a log.
    pub(crate) fn stderr_paint(&self) -> Paint {
        self.stderr
    }

    /// How many columns the terminal has that results go to; `None` for a pipe or a file.
    pub(crate) fn columns(&self) -> Option<usize> {
        let (Width(columns), _) = terminal_size_of(io::stdout())?;
        Some(columns.into())
    }

    /// Writes one result: `item` as JSON, or what `text` makes for people.
    ///
    /// # Errors
    ///
    /// Fails when the line did not reach stdout: a command that only reports stops then.
    pub(crate) fn result<T: Serialize>(&self, item: &T, text: impl FnOnce(Paint) -> String) -> Result<(), Unwritten> {
        let line = match self.format {
            Format::Text => text(self.stdout),
            // The results are ours, with string keys and finite numbers: nothing in them can fail to be JSON.
            Format::Json => serde_json::to_string(item).unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")),
        };
        self.line(&line)
    }

    /// Writes one result as [`Output::result`] does, for a command whose work goes on when nobody reads.
    ///
    /// # Errors
    ///
    /// Fails when stdout cannot be written to, but not when its reader left.
    pub(crate) fn tell<T: Serialize>(&self, item: &T, text: impl FnOnce(Paint) -> String) -> Result<(), Unwritten> {
        match self.result(item, text) {
            Err(Unwritten::ReaderLeft) => Ok(()),
            written => written,
        }
    }

    /// Writes `text` and a newline to stdout as they are, whatever the format.
    ///
    /// # Errors
    ///
    /// Fails when the line did not reach stdout.
    pub(crate) fn line(&self, text: &str) -> Result<(), Unwritten> {
        write_line(&mut io::stdout().lock(), text)
    }

    /// Writes a line to stderr: what is going on, for people.
    pub(crate) fn note(&self, text: impl Display) {
        let _ = write_line(&mut io::stderr().lock(), &text.to_string());
    }

    /// Writes `error: …` to stderr.
    pub(crate) fn error(&self, text: impl Display) {
        let word = self.stderr.bad("error:");
        self.note(format_args!("{word} {text}"));
    }
}

/// Writes a line at once: a pipe's reader shall not wait for a buffer to fill, nor see half a line.
fn write_line(stream: &mut impl Write, text: &str) -> Result<(), Unwritten> {
    let line = format!("{text}\n");
    stream.write_all(line.as_bytes())?;
    Ok(stream.flush()?)
}

/// Colours for one stream, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paint {
    on: bool,
}

impl Paint {
    /// Whether there are colours at all.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// Colours what went as it should.
    pub(crate) fn good(self, text: impl Display) -> String {
        self.styled(AnsiColor::Green.on_default(), &text)
    }

    /// Colours what failed.
    pub(crate) fn bad(self, text: impl Display) -> String {
        self.styled(AnsiColor::Red.on_default().bold(), &text)
    }

    /// Colours what deserves a look.
    pub(crate) fn warning(self, text: impl Display) -> String {
        self.styled(AnsiColor::Yellow.on_default(), &text)
    }

    /// Colours what matters less.
    pub(crate) fn faint(self, text: impl Display) -> String {
        self.styled(Style::new().dimmed(), &text)
    }

    /// Colours a heading.
    pub(crate) fn strong(self, text: impl Display) -> String {
        self.styled(Style::new().bold(), &text)
    }

    fn styled(self, style: Style, text: &dyn Display) -> String {
        if self.on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }
}

/// What the environment says about colours.
#[derive(Clone, Copy, Debug)]
struct Environment {
    no_color: bool,
    dumb_terminal: bool,
}

impl Environment {
    fn of_process() -> Self {
        Self {
            no_color: env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
            dumb_terminal: env::var_os("TERM").is_some_and(|value| value == "dumb"),
        }
    }

    fn paint(self, choice: ColorChoice, terminal: bool) -> Paint {
        let on = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !self.no_color && !self.dumb_terminal,
        };
        Paint { on }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals() {
        let plain = Environment { no_color: false, dumb_terminal: false };
        let no_color = Environment { no_color: true, ..plain };
        let dumb = Environment { dumb_terminal: true, ..plain };
        for (environment, choice, terminal, on) in [
            (plain, ColorChoice::Auto, true, true),
            (plain, ColorChoice::Auto, false, false),
            (no_color, ColorChoice::Auto, true, false),
            (dumb, ColorChoice::Auto, true, false),
            (no_color, ColorChoice::Always, false, true),
            (plain, ColorChoice::Never, true, false),
        ] {
            assert_eq!(environment.paint(choice, terminal), Paint { on }, "{environment:?} {choice:?} {terminal}");
        }
    }

    #[test]
    fn paint_that_is_off_leaves_text_alone() {
        assert_eq!(Paint { on: false }.bad("x"), "x");
        assert_eq!(Paint { on: true }.good("x"), "\u{1b}[32mx\u{1b}[0m");
    }

    #[test]
    fn a_reader_that_left_is_told_from_a_disk_that_is_full() {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let left = write_line(&mut Broken(io::ErrorKind::BrokenPipe), "x");
        assert!(matches!(left, Err(Unwritten::ReaderLeft)), "{left:?}");
        let full = write_line(&mut Broken(io::ErrorKind::StorageFull), "x");
        assert!(matches!(full, Err(Unwritten::Failed(_))), "{full:?}");
        let mut bytes = Vec::new();
        assert!(write_line(&mut bytes, "x").is_ok());
        assert_eq!(bytes, b"x\n");
    }
}
