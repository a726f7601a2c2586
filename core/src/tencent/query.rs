//! The callback query.
