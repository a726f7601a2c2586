//! Where every library's results go: out of the optimiser's sight while it is timed, into a record while it is verified.

use std::hint::black_box;

use serde::Serialize;

/// Takes what an operation makes, value by value.
///
/// One type for both uses, so that the code whose results were compared is the code that is timed.
#[derive(Debug)]
pub(crate) struct Results {
    record: Option<Vec<String>>,
}

impl Results {
    /// Results that are looked at by nobody, yet must all be made.
    pub(crate) fn discarded() -> Self {
        Self { record: None }
    }

    /// Results that are kept, each as its JSON.
    pub(crate) fn recorded() -> Self {
        Self { record: Some(Vec::new()) }
    }

    /// What was kept.
    pub(crate) fn into_record(self) -> Vec<String> {
        self.record.unwrap_or_default()
    }

    /// Takes a value, which must by then be complete in memory.
    #[inline(always)]
    pub(crate) fn take<T: Serialize + ?Sized>(&mut self, value: &T) {
        black_box(value);
        if let Some(record) = &mut self.record {
            keep(record, value);
        }
    }
}

#[cold]
#[inline(never)]
fn keep<T: Serialize + ?Sized>(record: &mut Vec<String>, value: &T) {
    record.push(serde_json::to_string(value).expect("results are numbers, texts and flat objects"));
}
