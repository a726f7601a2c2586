//! X-Event-Sign.
