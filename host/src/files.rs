//! How many files the process may have open: every connection is one.

/// Raises the soft limit on open files to the hard one, and returns it; `None` where there is none, or none that can be
/// learned.
///
/// The usual soft limit is 1024, for programs that still use `select`; this one does not.
pub(crate) fn raise_limit() -> Option<u64> {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
            Ok(()) => maximum,
            // Where the hard limit is none the system may still have one of its own.
            Err(_) => current,
        }
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn the_soft_limit_becomes_the_hard_one() {
        let raised = raise_limit();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let mut words = line.trim_start_matches("Max open files").split_whitespace().map(|word| word.parse().ok());
        assert_eq!((words.next(), words.next()), (Some(raised), Some(raised)), "{line}");
    }
}
