//! Device tokens.
