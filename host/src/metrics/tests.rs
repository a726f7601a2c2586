//! What a scrape shows, taken as Prometheus takes it: line by line.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::*;
use crate::{
    engine::{CircuitState, LaneStatus},
    store::{Commit, Counts, Observer, State},
};

/// A configuration with one of everything that is counted by name.
const CONFIG: &str = "
    [[lingyang.apps]]
    id = 'Te\"st'
    keys = ['d57559a82027b7d846318a0c1596d645']
    cids = [[1, 9]]
    webhook = 'http://x.example/'
    [[uplink.receivers]]
    name = 'in'
    forward = 'http://x.example/'
    [[uplink.destinations]]
    name = 'acme'
    url = 'http://x.example/'
    [[tencent.receivers]]
    name = 'im'
    sdk_app_id = '1400000000'
    [[tencent.destinations]]
    name = 'backend'
    url = 'http://x.example/'
    sdk_app_id = '1400000000'";

fn metrics() -> Arc<Metrics> {
    let metrics = Metrics::default();
    metrics.obey(&Config::parse(CONFIG, "pushgate.toml").unwrap());
    Arc::new(metrics)
}

fn lane(name: &str, pending: usize) -> LaneStatus {
    LaneStatus {
        lane: name.to_owned(),
        pending,
        queued: 1,
        in_flight: 1,
        paused: true,
        circuit: CircuitState::Open,
        probe_at: None,
        limit: 0,
        rate: 0.0,
        rate_limit: None,
        oldest_at: None,
        configured: true,
        destination: None,
        last_error: None,
        last_error_at: None,
    }
}

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// Every series of a text, with what it has.
fn series(text: &str) -> BTreeMap<&str, &str> {
    let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let series: BTreeMap<_, _> = samples.iter().map(|line| line.rsplit_once(' ').unwrap()).collect();
    assert_eq!(series.len(), samples.len(), "each is there once");
    series
}

#[test]
fn every_failure_has_its_own_series_from_the_start() {
    let text = metrics().text(Levels::default());
    for class in ["delivered", "dns", "refused", "tls", "timeout", "status", "body", "oversized", "blocked", "closed"] {
        let line = format!("pushgate_attempts_total{{lane=\"uplink:acme\",class=\"{class}\"}} 0\n");
        assert!(text.contains(&line), "{class}: {text}");
    }
    for class in ["sent", "offline", "busy", "gone", "internal"] {
        let line = format!("pushgate_attempts_total{{lane=\"device\",class=\"{class}\"}} 0\n");
        assert!(text.contains(&line), "{class}: {text}");
    }
}

#[test]
fn what_happened_and_how_things_stand_is_told() {
    let metrics = metrics();
    let acme = metrics.lane(&LaneKey::Uplink("acme".into()));
    acme.accepted();
    acme.requested();
    acme.attempt("dns", at(1000), at(1004));
    acme.attempt("a word nobody has told of", at(1000), at(1000));
    acme.answered(at(1000), at(1003));
    acme.finished(State::Dead, 60_000);
    acme.finished(State::Delivered, 60_000);
    acme.circuit_opened();
    metrics.refused(Refused::Queue);
    metrics.refused(Refused::Rate);
    metrics.dropped(DropReason::Offline);
    metrics.reloaded(Reload::Done);
    metrics.reloaded(Reload::Refused);
    metrics.certificate("public", 1_800_000_000);
    metrics.link.connected(Transport::WebSocket);
    metrics.link.line(Line::Message, 100);
    metrics.link.line(Line::Ack, 40);
    metrics.link.closed(Reason::LEFT);
    metrics.store.committed(Commit { took: Duration::from_micros(1500), callers: 3, rows: 7, bytes: 90, queued: 2 });
    metrics.store.failed(crate::store::ErrorKind::Full);
    let receiver = metrics.receiver("uplink", "in");
    receiver.answered(::http::StatusCode::OK);
    receiver.took(ReceiverCounts::by_kind(["message", "message", "report", "none of ours"]), 1);
    let counts = Counts { pending: 5, delivered: 4, dead: 3, dropped: 2, inbox: 1 };
    let lanes = vec![lane("device:1", 2), lane("device:2", 3), lane("uplink:acme", 7), lane("uplink:gone", 1)];
    let text = metrics.text(Levels { counts: Some(counts), lanes, devices: 9, strangers: 4, ..Levels::default() });
    for line in [
        r#"pushgate_accepted_total{lane="uplink:acme"} 1"#,
        r#"pushgate_requests_total{lane="uplink:acme"} 1"#,
        r#"pushgate_attempts_total{lane="uplink:acme",class="dns"} 1"#,
        r#"pushgate_attempts_total{lane="uplink:acme",class="internal"} 1"#,
        r#"pushgate_finished_total{lane="uplink:acme",state="dead"} 1"#,
        r#"pushgate_circuit_opened_total{lane="uplink:acme"} 1"#,
        r#"pushgate_send_lateness_seconds_bucket{le="0.002",lane="uplink:acme"} 1"#,
        r#"pushgate_send_lateness_seconds_bucket{le="0.005",lane="uplink:acme"} 2"#,
        r#"pushgate_answer_seconds_sum{lane="uplink:acme"} 0.003"#,
        r#"pushgate_delivery_seconds_count{lane="uplink:acme"} 1"#,
        r#"pushgate_accepted_total{lane="webhook:Te\"st"} 0"#,
        r#"pushgate_refused_total{reason="queue"} 1"#,
        r#"pushgate_refused_total{reason="rate"} 1"#,
        r#"pushgate_dropped_total{reason="offline"} 1"#,
        r#"pushgate_dropped_total{reason="unanswered"} 0"#,
        r#"pushgate_deliveries{state="delivered"} 4"#,
        "pushgate_inbox_items 1",
        "pushgate_devices_connected 9",
        "pushgate_link_strangers 4",
        r#"pushgate_lane_pending{lane="device"} 5"#,
        r#"pushgate_lane_pending{lane="uplink:acme"} 7"#,
        r#"pushgate_lane_pending{lane="other"} 1"#,
        r#"pushgate_lane_circuit_open{lane="uplink:acme"} 1"#,
        r#"pushgate_lane_circuit_open{lane="tencent:backend"} 0"#,
        r#"pushgate_link_connections_total{transport="websocket"} 1"#,
        r#"pushgate_link_closed_total{reason="left"} 1"#,
        r#"pushgate_link_lines_total{direction="out",kind="message"} 1"#,
        r#"pushgate_link_line_bytes_total{direction="in"} 40"#,
        r#"pushgate_received_requests_total{receiver="uplink:in",status="200"} 1"#,
        r#"pushgate_received_items_total{receiver="uplink:in",kind="message"} 2"#,
        r#"pushgate_received_duplicates_total{receiver="uplink:in"} 1"#,
        r#"pushgate_store_commit_seconds_bucket{le="0.002"} 1"#,
        r#"pushgate_store_commit_seconds_bucket{le="+Inf"} 1"#,
        "pushgate_store_commit_rows_sum 7.0",
        "pushgate_store_body_bytes_total 90",
        r#"pushgate_store_errors_total{kind="full"} 1"#,
        r#"pushgate_store_waiting{queue="orders"} 2"#,
        r#"pushgate_config_reloads_total{result="refused"} 1"#,
        r#"pushgate_certificate_expiry_timestamp_seconds{listener="public"} 1800000000"#,
    ] {
        assert!(text.lines().any(|told| told == line), "{line}: {text}");
    }
    let text = metrics.text(Levels::default());
    assert!(!text.contains("\npushgate_deliveries{") && !text.contains("\npushgate_inbox_items "), "{text}");
}

/// OpenMetrics 1.0: each family is described once, before its samples, whose names are its own with what its type adds;
/// a unit ends the name.
#[test]
fn the_text_is_open_metrics() {
    let text = metrics().text(Levels { counts: Some(Counts::default()), ..Levels::default() });
    let (mut families, mut now) = (BTreeSet::new(), (String::new(), String::new()));
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("#", described)) => {
                let (what, rest) = described.split_once(' ').unwrap_or((described, ""));
                let (name, told) = rest.split_once(' ').unwrap_or_default();
                match what {
                    "HELP" => assert!(!told.is_empty() && families.insert(name.to_owned()), "{line}"),
                    "TYPE" => now = (name.to_owned(), told.to_owned()),
                    "UNIT" => assert!(name == now.0 && name.ends_with(&format!("_{told}")), "{line}"),
                    _ => assert_eq!(line, "# EOF"),
                }
            }
            _ => {
                let name = line.split(['{', ' ']).next().unwrap();
                let suffix = name.strip_prefix(&*now.0).unwrap_or_else(|| panic!("{line} is none of {}", now.0));
                let suffixes: &[_] = match &*now.1 {
                    "counter" => &["_total"],
                    "gauge" => &[""],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    other => panic!("{other}"),
                };
                assert!(name.starts_with("pushgate_") && suffixes.contains(&suffix), "{line}");
            }
        }
    }
    assert!(families.len() > 30 && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn no_caller_makes_a_series() {
    let metrics = metrics();
    let quiet = metrics.text(Levels::default());
    let names = (0..2000).map(|n| format!("{n}\u{0}\n\"{}", "x".repeat(n % 300)));
    let mut lanes = Vec::new();
    for (n, name) in (1..).zip(names) {
        let name: Arc<str> = name.into();
        let to: [fn(Arc<str>) -> LaneKey; 4] = [LaneKey::Uplink, LaneKey::Tencent, LaneKey::Webhook, LaneKey::Forward];
        for key in to.map(|to| to(Arc::clone(&name))).into_iter().chain([LaneKey::Device(n)]) {
            let counts = metrics.lane(&key);
            counts.accepted();
            counts.attempt(&name, at(0), at(9));
            lanes.push(lane(&key.to_string(), 1));
        }
        for protocol in ["uplink", "tencent", &name] {
            metrics.receiver(protocol, &name).answered(::http::StatusCode::NOT_FOUND);
        }
        metrics.receiver("uplink", "in").took(ReceiverCounts::by_kind([&*name]), 0);
    }
    let text = metrics.text(Levels { lanes, ..Levels::default() });
    let (before, after) = (series(&quiet), series(&text));
    assert!(before.keys().eq(after.keys()), "{:?}", after.keys().find(|name| !before.contains_key(*name)));
    assert_eq!(after[r#"pushgate_accepted_total{lane="device"}"#], "2000");
    assert_eq!(after[r#"pushgate_accepted_total{lane="other"}"#], "8000");
    assert_eq!(after[r#"pushgate_lane_pending{lane="other"}"#], "8000");
    assert_eq!(after[r#"pushgate_received_requests_total{receiver="unknown",status="404"}"#], "6000");
}

#[test]
fn what_the_configuration_keeps_is_counted_on_and_what_it_drops_is_not_shown() {
    let metrics = metrics();
    let acme = LaneKey::Uplink("acme".into());
    metrics.lane(&acme).accepted();
    metrics.obey(&Config::parse(&CONFIG.replace("'backend'", "'new'"), "pushgate.toml").unwrap());
    metrics.lane(&acme).accepted();
    let text = metrics.text(Levels::default());
    let series = series(&text);
    assert_eq!(series[r#"pushgate_accepted_total{lane="uplink:acme"}"#], "2");
    assert_eq!(series[r#"pushgate_accepted_total{lane="tencent:new"}"#], "0");
    assert!(!text.contains("tencent:backend"), "{text}");
}

#[test]
fn requests_are_counted_by_their_route_and_there_are_only_so_many() {
    let metrics = metrics();
    let began = std::time::Instant::now();
    metrics.public.answered(Some("/receive/uplink/{name}"), 200, began);
    metrics.public.answered(Some("/receive/uplink/{name}"), 503, began);
    (0..1000).for_each(|n| metrics.public.answered(Some(&format!("/{n}")), 404, began));
    metrics.public.answered(None, 404, began);
    metrics.public.answered(None, 999, began);
    let text = metrics.text(Levels::default());
    let series = series(&text);
    let route = |route, status| {
        let name = format!("pushgate_http_requests_total{{listener=\"public\",route=\"{route}\",status=\"{status}\"}}");
        series.get(&*name).copied()
    };
    assert_eq!(route("/receive/uplink/{name}", "2xx"), Some("1"));
    assert_eq!(route("/receive/uplink/{name}", "5xx"), Some("1"));
    assert_eq!((route("/62", "4xx"), route("/63", "4xx")), (Some("1"), None));
    assert_eq!(route("none", "4xx"), Some("938"));
}

#[tokio::test(start_paused = true)]
async fn a_second_ends_each_second() {
    let (metrics, clock) = (metrics(), Clock::start());
    let device = metrics.lane(&LaneKey::Device(1));
    let mut seconds = metrics.seconds();
    let watching = async {
        for n in 1..=65 {
            (0..n).for_each(|_| device.attempt("sent", at(1000), at(1000 + n)));
            seconds.changed().await.unwrap();
            let newest = metrics.newest();
            assert_eq!((newest.sends, newest.failed, newest.late_max), (n, 0, Some(n)), "{n}");
            assert_eq!(newest.time % 1000, 0);
            assert!(newest.time <= clock.millis() && clock.millis() < newest.time + 1000);
        }
    };
    tokio::select! {
        () = metrics.run(clock) => {}
        () = watching => {}
    }
    let chart = metrics.chart(Span::FiveMinutes);
    let sum: f64 = chart.points.sends.iter().flatten().sum();
    assert_eq!((sum, chart.points.sends.iter().flatten().count()), (65.0 * 66.0 / 2.0, 65));
    assert!(metrics.chart(Span::Hour).points.sends.last().unwrap().is_some(), "a minute has ended");
}
