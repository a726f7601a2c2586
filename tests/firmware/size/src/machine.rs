//! Runs an image under QEMU and reads what it tells of its runs.

use std::{path::Path, process::Command};

/// The machine that memory.x describes, with the image's output on ours, its exit status as QEMU's, and a nanosecond
/// of its clock for each instruction.
const MACHINE: &str = "-machine lm3s6965evb -cpu cortex-m3 -display none -monitor none -serial null \
                       -semihosting-config enable=on,target=native -icount shift=0 -kernel";

/// What one run of an image took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) items: u64,
    pub(crate) instructions: u64,
    /// Bytes.
    pub(crate) stack: u64,
}

/// Runs `image` and prints and returns what it tells of its runs.
pub(crate) fn runs(qemu: &str, image: &Path) -> Result<Vec<Run>, String> {
    let wrong = |error: String| format!("{}: {error}", image.display());
    let mut command = Command::new(qemu);
    command.args(MACHINE.split_whitespace()).arg(image);
    let output = command.output().map_err(|error| wrong(format!("{qemu}: {error}")))?;
    let told = String::from_utf8_lossy(&output.stdout);
    for line in told.lines() {
        println!("    {line}");
    }
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        return Err(wrong(format!("the run failed ({})", output.status)));
    }
    let runs: Option<Vec<Run>> = told.lines().map(run).collect();
    runs.filter(|runs| !runs.is_empty()).ok_or_else(|| wrong("does not tell what its runs took".to_owned()))
}

/// Reads `NAME: items N, instructions N, stack N`.
fn run(line: &str) -> Option<Run> {
    let (rest, stack) = line.rsplit_once(", stack ")?;
    let (rest, instructions) = rest.rsplit_once(", instructions ")?;
    let (_, items) = rest.rsplit_once(": items ")?;
    Some(Run { items: items.parse().ok()?, instructions: instructions.parse().ok()?, stack: stack.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_what_a_run_took() {
        let told = Run { items: 5, instructions: 12_000, stack: 528 };
        assert_eq!(run("push, hello, ack: items 5, instructions 12000, stack 528"), Some(told));
        assert_eq!(run("chunks of 7: refused at byte 12"), None);
        assert_eq!(run("chunks of 7: items 9, instructions 12000, stack 528: must be items 10"), None);
    }
}
