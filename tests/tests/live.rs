//! The live numbers of the admin API: a stream of ticks, and the columns that charts are drawn from.

use pushgate_tests::{Request, Rig, until, within};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

const CONFIG: &str = "[[uplink.destinations]]\nname = 'acme'\nurl = 'http://127.0.0.1:9/'\nretries = 0";

/// Streams there may be.
const MOST: usize = 16;

/// Somebody who watches.
struct Watcher {
    lines: BufReader<TcpStream>,
    head: String,
}

impl Watcher {
    async fn begin(rig: &Rig) -> Self {
        let mut stream = TcpStream::connect(rig.gateway.admin).await.unwrap();
        stream.write_all(&Request::get("/api/live").to_bytes()).await.unwrap();
        let (mut lines, mut head) = (BufReader::new(stream), String::new());
        while !head.ends_with("\r\n\r\n") {
            assert!(within(lines.read_line(&mut head)).await.unwrap() > 0, "{head}");
        }
        Self { lines, head: head.to_ascii_lowercase() }
    }

    /// The next tick; `None` at the end.
    async fn tick(&mut self) -> Option<Value> {
        let mut event = String::new();
        loop {
            let mut line = String::new();
            if within(self.lines.read_line(&mut line)).await.unwrap() == 0 {
                return None;
            }
            match line.strip_prefix("data: ") {
                Some(data) => {
                    assert_eq!(event, "event: tick\n");
                    return Some(serde_json::from_str(data).unwrap());
                }
                None => event = line,
            }
        }
    }
}

#[tokio::test]
async fn who_watches_sees_at_once_how_things_stand_and_then_each_second() {
    let rig = Rig::start(CONFIG).await;
    let mut watcher = Watcher::begin(&rig).await;
    assert!(watcher.head.starts_with("http/1.1 200"), "{}", watcher.head);
    for header in ["content-type: text/event-stream\r\n", "cache-control: no-store\r\n"] {
        assert!(watcher.head.contains(header), "{header}: {}", watcher.head);
    }
    let first = watcher.tick().await.unwrap();
    assert_eq!(first["counts"]["pending"], 0, "{first}");
    assert_eq!((&first["inbox_last"], &first["counts"]["devices"]), (&Value::from(0), &Value::from(0)));
    assert_eq!(first["version"], env!("CARGO_PKG_VERSION"));
    assert!(first["lanes"].is_array());

    let body = r#"{"MsgType":0,"Data":[{"Phone":"1","ReplyContent":"hello","ReplyTime":1}]}"#;
    let submitted = rig.admin(Request::post("/api/uplink/acme", body)).await;
    assert_eq!(submitted.status, 202, "{}", submitted.body);
    let device = rig.device(1003200).await;
    let (mut sends, mut last) = (0, first.clone());
    while last["counts"]["dead"] != 1 || sends == 0 || last["devices_at"] == first["devices_at"] {
        let tick = watcher.tick().await.unwrap();
        assert!(tick["time"].as_u64() > last["time"].as_u64(), "{tick}");
        let point = &tick["point"];
        assert_eq!(point["time"].as_u64().unwrap() % 1000, 0, "{point}");
        sends += point["sends"].as_u64().unwrap();
        last = tick;
    }
    assert!(last["counts_at"].as_u64() > first["counts_at"].as_u64(), "{last}");
    assert_eq!(last["counts"]["devices"], 1, "{last}");

    // Many dropped with one request are news, too.
    let filter = r#"{"filter":{"state":"dead","until":281474976710655}}"#;
    let dropped = rig.admin(Request::post("/api/deliveries/drop", filter)).await;
    assert_eq!(dropped.json()["done"], 1, "{}", dropped.body);
    let known = last.clone();
    while last["counts"]["dead"] != 0 || last["counts_at"] == known["counts_at"] {
        last = watcher.tick().await.unwrap();
    }
    drop(device);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_all_are_told_when_the_gateway_stops() {
    let rig = Rig::start(CONFIG).await;
    let mut watchers = Vec::new();
    for _ in 0..MOST {
        watchers.push(Watcher::begin(&rig).await);
    }
    let refused = rig.admin(Request::get("/api/live")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{}", refused.body);
    assert_eq!(refused.json()["error"]["code"], 503);
    watchers.pop();
    let again = async || Some(Watcher::begin(&rig).await).filter(|watcher| watcher.head.starts_with("http/1.1 200"));
    watchers.push(until("who leaves makes room", again).await);
    within(rig.gateway.stop()).await;
    for mut watcher in watchers {
        while watcher.tick().await.is_some() {}
    }
}

#[tokio::test]
async fn charts_have_as_many_points_as_their_span_and_end_now() {
    let rig = Rig::start(CONFIG).await;
    for (span, step, length) in [("5m", 1_000, 300), ("1h", 60_000, 60), ("24h", 300_000, 288)] {
        let chart = rig.admin_json(&format!("/api/series?span={span}")).await;
        assert_eq!((&chart["step"], &chart["length"]), (&Value::from(step), &Value::from(length)), "{span}");
        let end = chart["end"].as_u64().unwrap();
        assert!(end % step == 0 && end.abs_diff(pushgate_tests::now() * 1000) <= step + 60_000, "{span}: {end}");
        let columns = chart["points"].as_object().unwrap();
        assert_eq!(columns.len(), 9, "{:?}", columns.keys());
        assert!(columns.values().all(|column| column.as_array().unwrap().len() == length), "{span}");
    }
    for path in ["/api/series?span=5", "/api/series?span=1d"] {
        let refused = rig.admin(Request::get(path)).await;
        assert_eq!(
            (refused.status, &refused.json()["error"]["field"]),
            (400, &Value::from("span")),
            "{}",
            refused.body
        );
    }
}
