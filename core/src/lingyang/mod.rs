//! Lingyang.
pub mod sign;
pub mod token;
