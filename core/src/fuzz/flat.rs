//! A frame or an answer that lies in memory as a whole: the small reader sees what the table-driven one sees.

use core::fmt::Debug;

use crate::{
    json::{Whole, flat, value},
    lingyang, link, tencent as im, uplink as usms,
};

/// Takes bytes as a line of the device link, and as each of the answers.
///
/// # Panics
///
/// When one reader takes what the other refuses, or they take or refuse it otherwise.
pub fn flat(data: &[u8]) {
    same::<link::Frame<'_>>(data);
    same::<link::Incoming<'_>>(data);
    same::<lingyang::Reply<'_>>(data);
    same::<usms::Reply<'_>>(data);
    same::<im::Reply<'_>>(data);
}

fn same<'a, P: Whole<'a> + PartialEq + Debug>(document: &'a [u8]) {
    assert_eq!(flat::read_document::<P>(document), value::read_document::<P>(document, u32::MAX));
}
