//! Tencent.
pub mod query;
