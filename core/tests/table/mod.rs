//! Tables of bodies and what must come of each.

use pushgate_core::{Error, json};

/// Reads a body and writes it in normalised form.
pub(crate) type Normalise = fn(&[u8]) -> Result<String, Error>;

/// A body and its normalised form, or the error's text. `▲` in the body is not part of it: it marks the byte where the
/// error must show.
pub(crate) type Case<'a> = (&'a str, Result<&'a str, &'a str>);

/// Holds `cases` against `rule`, a sentence of the protocol's page.
#[track_caller]
pub(crate) fn hold(rule: &str, normalise: Normalise, cases: &[Case<'_>]) {
    for &(body, expected) in cases {
        let marked = body.find('▲');
        let body = body.replace('▲', "");
        match (normalise(body.as_bytes()), expected) {
            (Ok(written), Ok(expected)) => assert_eq!(written, expected, "{rule}\n{body}"),
            (Err(error), Err(expected)) => {
                assert_eq!(error.to_string(), expected, "{rule}\n{body}");
                assert_eq!(Some(error.offset()), marked, "the offset: {rule}\n{body}");
            }
            (outcome, _) => panic!("{rule}\n{body}\n  is {outcome:?}\n  not {expected:?}"),
        }
    }
}

/// Runs a writer in as much room as it takes and returns the text.
pub(crate) fn written(write: impl for<'b> FnMut(&'b mut [u8]) -> Result<&'b [u8], Error>) -> Result<String, Error> {
    json::to_vec(write).map(|bytes| String::from_utf8(bytes).expect("output is UTF-8"))
}
