//! The console: the operator's page, all of it inside the binary.
//!
//! [`assets`] are the files that never change while the gateway runs. [`page`] is the document itself, with how things
//! stand already written into it, so that it can be read before its scripts have run and without them. From there on
//! the scripts read the admin API like any other client. [`html`] is the one way a text gets into markup.

pub(crate) mod assets;
mod first_state;
mod html;

pub(crate) use first_state::{FirstState, ROWS, page};
