//! Lingyang.
pub mod cid;
pub mod sign;
pub mod token;
