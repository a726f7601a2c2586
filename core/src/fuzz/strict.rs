//! The strict scanner beside another reader of JSON: both take the same documents, and where this one is stricter the
//! rule has a name.

use alloc::string::String;
use core::fmt::Debug;

use crate::{
    ErrorKind,
    json::{self, MAX_DEPTH, Raw, slice::Slice, value::Value},
};

use super::exactly;

/// Takes bytes as a document of strict JSON that `oracle`, which is `serde_json`, reads too, or says why it does not.
///
/// Two rules are not the same for both, and everything else is:
///
/// - Here a document may have [`MAX_DEPTH`] levels; there it may have 127.
/// - Here a number is a text, and any that has JSON's form is one; there it is an `f64` at most, and one beyond that is
///   "out of range".
///
/// # Panics
///
/// When one takes what the other does not by any other rule, or compacting changes the meaning.
pub fn strict<V: PartialEq + Debug>(data: &[u8], oracle: impl Fn(&[u8]) -> Result<V, String>) {
    let checked = json::check(data);
    let mut skipped = core::str::from_utf8(data).ok().map(Slice::new);
    let fast = skipped.as_mut().and_then(|slice| Raw::read_plain(slice).and_then(|_| slice.end()));
    assert_eq!(fast.is_some(), checked.is_ok(), "the fast scanner and the one of chunks disagree");
    let meaning = oracle(data);
    let error = match checked {
        Ok(()) => return compacted(data, meaning, oracle),
        Err(error) => error,
    };
    if error.kind() == (ErrorKind::TooDeep { limit: MAX_DEPTH }) {
        let before = data.get(..error.offset()).unwrap_or_default();
        let brackets = before.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
        assert!(brackets >= MAX_DEPTH as usize, "too deep after {brackets} brackets");
        return;
    }
    assert_eq!(meaning.ok(), None, "refused only here: {error:?}");
}

/// Holds a document that was taken to what it means when it is written without white space.
fn compacted<V: PartialEq + Debug>(
    data: &[u8],
    meaning: Result<V, String>,
    oracle: impl Fn(&[u8]) -> Result<V, String>,
) {
    let compacted = exactly(&mut |buf| json::compact(data, buf));
    let again = oracle(&compacted);
    match meaning {
        Ok(meaning) => assert_eq!(again, Ok(meaning), "compacting changed the meaning"),
        Err(why) => {
            assert!(why.starts_with("number out of range"), "refused only there: {why}");
            assert!(again.is_err_and(|why| why.starts_with("number out of range")), "compacting changed a number");
        }
    }
}
