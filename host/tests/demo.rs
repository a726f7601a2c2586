//! The demonstration runs to its end, and says with its exit code whether every protocol met its page.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_protocol_meets_its_page() {
    let output = Command::new(env!("CARGO_BIN_EXE_pushgate")).args(["demo", "--json"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let sends = |who: &str| lines.iter().filter(|line| line["who"] == who && !line["planned"].is_null()).count();
    assert_eq!(sends("uplink to flaky"), 3, "refused twice, then accepted");
    assert_eq!(sends("uplink to deaf"), 4, "the first send and 3 retries");
    assert_eq!(sends("flag 2 to 5003003"), 5, "sent up to 5 times");
    assert_eq!(sends("flag 3 to 5003004"), 1, "sent once");

    let moments = lines.iter().filter_map(|line| line["at"].as_u64()).collect::<Vec<_>>();
    assert!(moments.is_sorted(), "the timeline is in order: {moments:?}");

    let met: Vec<_> = lines.iter().filter(|line| line["protocol"].is_string()).map(|line| &line["met"]).collect();
    assert_eq!(met, [true, true, true]);
}

#[test]
fn the_timeline_is_plain_in_a_pipe() {
    let output = Command::new(env!("CARGO_BIN_EXE_pushgate")).args(["demo"]).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{stdout}");
    assert!(!stdout.contains('\u{1b}'), "no colours");
    assert_eq!(stdout.lines().filter(|line| line.contains("as its page says:")).count(), 3);
}
