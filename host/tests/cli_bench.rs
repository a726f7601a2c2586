//! `pushgate bench`: what it prints and when it fails. Loads are tiny: no figure is held to anything here.

mod binary;

use binary::{BOUND, Finished, Running, gateway, pushgate, run};
use serde_json::Value;
use std::time::Instant;

/// Runs it in a folder of its own, which must be empty afterwards, and returns the rows of `--json`.
fn rows(args: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let finished = run(&[&["bench"], args, &["--json", "--store-dir", folder.path().to_str().unwrap()]].concat());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "temporary files are removed");
    json(&finished)
}

fn json(finished: &Finished) -> Vec<Value> {
    let rows: Vec<Value> = finished.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let problems: Vec<_> = rows.iter().map(|row| &row["problems"]).collect();
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "{problems:?}");
    rows
}

/// The names of a row's figures, in no order.
fn figures(row: &Value) -> Vec<&str> {
    let figures = row["figures"].as_object().unwrap();
    for (name, figure) in figures {
        assert!(figure["value"].is_number() && figure["unit"].is_string(), "{name}: {figure}");
        assert_eq!(figure["target"].is_number(), figure["of_target"].is_number(), "{name}: {figure}");
    }
    figures.keys().map(String::as_str).collect()
}

fn target(row: &Value, figure: &str) -> (f64, String) {
    let figure = &row["figures"][figure];
    (figure["target"].as_f64().unwrap(), figure["bound"].as_str().unwrap().to_owned())
}

const ACCEPT: [&str; 11] = [
    "accepted_per_second",
    "bare_axum_per_second",
    "bare_max",
    "bare_p50",
    "bare_p90",
    "bare_p99",
    "max",
    "p50",
    "p90",
    "p99",
    "ratio",
];

#[test]
fn accepting_is_reported_beside_a_bare_server() {
    let rows = rows(&["accept", "--seconds", "0.2", "--rounds", "2", "--in-flight", "8", "--bytes", "200"]);
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert_eq!((&row["bench"], &row["row"]), (&"accept".into(), &"accept".into()));
    assert_eq!(figures(row), ACCEPT);
    assert_eq!(target(row, "ratio"), (0.35, "at_least".to_owned()));
    assert!(row["with"]["accepted"].as_u64().unwrap() > 0);
}

#[test]
fn accepting_of_a_gateway_that_runs_is_measured_over_its_admin_api() {
    let folder = gateway::folder("[[uplink.destinations]]\nname = 'acme'\nurl = 'http://127.0.0.1:9/'\n");
    let gateway = gateway::Gateway::start(folder.path(), "127.0.0.1:0");
    let url = format!("http://{}", gateway.admin);
    let load = ["--seconds", "0.1", "--rounds", "1", "--in-flight", "4", "--json"];
    let finished = run(&[&["bench", "accept", "--url", &url, "--destination", "acme"][..], &load].concat());
    assert_eq!(figures(&json(&finished)[0]), ACCEPT);

    let finished = run(&[&["bench", "accept", "--url", &url, "--destination", "nobody"][..], &load].concat());
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("404"), "{}", finished.stderr);
}

/// Every scenario on its own, so that they run beside each other.
fn deliver(scenario: &str) -> Value {
    let rows =
        rows(
            &[
                &[
                    "deliver",
                    "--only",
                    scenario,
                    "--lanes",
                    "4",
                    "--rounds",
                    "1",
                    "--in-flight",
                    "8",
                    "--pending",
                    "300",
                ][..],
                &["--deliveries", "200", "--items", "2000", "--seconds", "0.5"],
                &["--retries-per-second", "60", "--submissions-per-second", "50"],
            ]
            .concat(),
        );
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert_eq!((&row["bench"], &row["row"]), (&"deliver".into(), &scenario.into()));
    row.clone()
}

#[test]
fn throughput_is_reported_beside_a_bare_client() {
    let row = deliver("throughput");
    assert_eq!(figures(&row), ["bare_client_per_second", "delivered_per_second", "ratio"]);
    assert_eq!(target(&row, "ratio"), (0.35, "at_least".to_owned()));
    assert_eq!((&row["with"]["deliveries"], &row["with"]["lanes"]), (&200.into(), &4.into()));
}

#[test]
fn batching_is_reported_in_items() {
    let row = deliver("batching");
    assert_eq!(figures(&row), ["items_per_request", "items_per_second", "submissions_per_second"]);
    assert_eq!(target(&row, "items_per_second"), (100_000.0, "at_least".to_owned()));
    assert_eq!((&row["with"]["items"], &row["with"]["items_per_submission"]), (&2000.into(), &10.into()));
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_reported_for_each_delivery_that_is_pending() {
    let row = deliver("memory");
    assert_eq!(figures(&row), ["bytes_per_pending", "empty", "full", "ready_after", "reopened_after"]);
    assert_eq!(target(&row, "bytes_per_pending"), (100.0, "at_most".to_owned()));
    assert_eq!(target(&row, "reopened_after"), (2.0, "at_most".to_owned()));
    assert_eq!(row["with"]["pending"], 300);
}

#[test]
fn lateness_is_that_of_every_retry() {
    let row = deliver("lateness");
    assert_eq!(figures(&row), ["max", "p50", "p99", "retries_per_second"]);
    assert_eq!(target(&row, "p99"), (10.0, "at_most".to_owned()));
    let retries = row["with"]["retries"].as_u64().unwrap();
    assert!(retries > 0 && retries.is_multiple_of(3), "3 of each delivery: {retries}");
}

#[test]
fn isolation_is_the_p99_beside_a_destination_that_hangs() {
    let row = deliver("isolation");
    let figures = figures(&row);
    assert!(figures.contains(&"ratio") && figures.contains(&"alone_p99") && figures.contains(&"beside_p99"));
    assert_eq!(target(&row, "ratio"), (2.0, "at_most".to_owned()));
    assert!(row["with"]["submitted_to_the_hanging"].as_u64().unwrap() > 0);
}

/// Every scenario on its own, so that they run beside each other.
fn link(scenario: &str) -> Value {
    let load = ["--devices", "20", "--rate", "100", "--seconds", "0.4", "--rounds", "2", "--in-flight", "4"];
    let rows = rows(&[&["link", "--only", scenario][..], &load].concat());
    let [row] = rows.as_slice() else { panic!("one row: {rows:?}") };
    assert_eq!((&row["bench"], &row["row"]), (&"link".into(), &scenario.into()));
    assert_eq!(row["with"]["devices"], 20);
    row.clone()
}

fn value(row: &Value, figure: &str) -> f64 {
    row["figures"][figure]["value"].as_f64().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_reported_for_each_device_beside_a_bare_loop() {
    let row = link("memory-tcp");
    assert_eq!(figures(&row), ["bare_bytes_per_device", "bytes_per_device", "empty", "full"]);
    assert_eq!(target(&row, "bytes_per_device"), (3072.0, "at_most".to_owned()));
    assert!(value(&row, "full") > 0.0);
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_measured_of_websockets_too() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["bench", "link", "--only", "memory-websocket", "--devices", "20", "--json", "--store-dir"];
    let finished = run(&[&args[..], &[folder.path().to_str().unwrap()]].concat());
    let row: Value = serde_json::from_str(finished.stdout.trim()).unwrap();
    assert_eq!((finished.code, &row["problems"]), (Some(0), &serde_json::json!([])), "{}", finished.stderr);
    assert_eq!(target(&row, "bytes_per_device"), (5120.0, "at_most".to_owned()));
    assert!(row["figures"]["bare_bytes_per_device"]["value"].is_number());
}

#[test]
fn pushes_are_measured_to_their_receipts() {
    let row = link("push");
    assert_eq!(
        figures(&row),
        [
            "answered_max",
            "answered_p50",
            "answered_p90",
            "answered_p99",
            "bare_max",
            "bare_p50",
            "bare_p99",
            "max",
            "p50",
            "p99",
            "pushes_per_second"
        ]
    );
    assert_eq!(target(&row, "p99"), (20.0, "at_most".to_owned()));
    // 0.4 s at 100 a second, in 2 rounds.
    assert_eq!(row["with"]["pushes"], 40);
}

#[test]
fn a_fan_out_ends_with_the_last_acknowledgement() {
    let row = link("fan-out");
    assert_eq!(figures(&row), ["all_accepted", "all_acknowledged", "bare_all_acknowledged"]);
    assert_eq!(target(&row, "all_acknowledged"), (2.0, "at_most".to_owned()));
    assert!(value(&row, "all_acknowledged") >= value(&row, "all_accepted"));
}

/// It takes as long as a schedule, on both sides, and 5 s for an answer to the last send: 27 s.
#[test]
fn lateness_is_that_of_every_resend() {
    let row = link("lateness");
    assert_eq!(
        figures(&row),
        [
            "at_device_max",
            "at_device_p50",
            "at_device_p99",
            "bare_at_device_max",
            "bare_at_device_p50",
            "bare_at_device_p99",
            "max",
            "p50",
            "p99"
        ]
    );
    assert_eq!(target(&row, "p99"), (20.0, "at_most".to_owned()));
    // "Sent up to 5 times": 4 resends of each.
    assert_eq!((&row["with"]["messages"], &row["with"]["resends"]), (&40.into(), &160.into()));
}

#[test]
fn devices_come_back_and_nothing_accepted_is_lost() {
    let row = link("reconnects");
    assert_eq!(figures(&row), ["all_acknowledged_after", "all_back_after", "bare_all_back_after", "ready_after"]);
    assert_eq!(target(&row, "all_back_after"), (10.0, "at_most".to_owned()));
    assert_eq!(row["with"]["accepted"], 20);
}

#[test]
#[cfg(target_os = "linux")]
fn more_devices_than_files_may_be_open_is_said_before_anything_runs() {
    let args = ["-c", "ulimit -n 250; exec \"$0\" bench link --devices 20", env!("CARGO_BIN_EXE_pushgate")];
    let finished: Finished = std::process::Command::new("sh").args(args).output().unwrap().into();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    // 20 devices, 64 pushes under way, and 200 beside them.
    assert!(finished.stderr.contains("this takes 284: raise the limit with `ulimit -n 512`"), "{}", finished.stderr);
}

#[test]
fn text_is_for_people_and_plain_in_a_pipe() {
    let finished = run(&["bench", "accept", "--seconds", "0.1", "--rounds", "1", "--in-flight", "2"]);
    assert_eq!((finished.code, finished.stderr.as_str()), (Some(0), ""), "no bar in a pipe");
    assert!(!finished.stdout.contains('\u{1b}'), "no colours");
    assert!(finished.stdout.lines().any(|line| line.contains("ratio") && line.contains("target at least 0.35")));
}

#[test]
#[cfg(unix)]
fn what_is_stopped_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let entries = || std::fs::read_dir(folder.path()).unwrap().count();
    let dir = folder.path().to_str().unwrap();
    let mut bench = Running::start(pushgate(&["bench", "accept", "--seconds", "60", "--store-dir", dir]));
    let start = Instant::now();
    while entries() == 0 {
        assert!(start.elapsed() < BOUND, "it did not begin");
        std::thread::yield_now();
    }
    bench.terminate();
    let finished = bench.finish();
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""));
    assert!(finished.stderr.contains("stopped"), "{}", finished.stderr);
    assert_eq!(entries(), 0);
}

#[test]
fn wrong_usage_is_told_before_anything_runs() {
    for args in [
        &["accept", "--url", "http://127.0.0.1:1"][..],
        &["accept", "--destination", "acme"],
        &["accept", "--url", "https://127.0.0.1:1", "--destination", "acme"],
        &["accept", "--url", "http://127.0.0.1:1/api", "--destination", "acme"],
        &["accept", "--seconds", "0"],
        &["accept", "--in-flight", "0"],
        &["accept", "--bytes", "10"],
        &["deliver", "--only", "speed"],
        &["deliver", "--items-per-submission", "101"],
        &["deliver", "--retries-per-second", "0"],
        &["link", "--only", "speed"],
        &["link", "--devices", "0"],
        &["link", "--rate", "0"],
        &["link", "--rounds", "0"],
        &[],
    ] {
        let finished = run(&[&["bench"], args].concat());
        assert_eq!((finished.code, finished.stdout.as_str()), (Some(2), ""), "{args:?}: {}", finished.stderr);
    }
}
