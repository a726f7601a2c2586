//! `pushgate deliveries`, `devices` and `status` against a gateway that runs as a process of its own.

mod binary;

use axum::{Router, routing::get};
use binary::{
    BOUND, Finished,
    gateway::{Gateway, KEY, batch, folder},
    pushgate, run,
};
use pushgate::{
    api::{
        server::{Limits, Server},
        tls::Certificates,
    },
    config::ServerTls,
};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    thread,
    time::Instant,
};

const UNKNOWN: &str = "018fabcd0000700080000000000000ff";

/// Answers one request after the other with these statuses and bodies, and returns its address.
fn answering(answers: Vec<(u16, &'static str)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (status, body) in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim_end().is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut vec![0; length]).unwrap();
            let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            reader.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    });
    address
}

fn destination(name: &str, address: &str, more: &str) -> String {
    format!("[[uplink.destinations]]\nname = '{name}'\nurl = 'http://{address}/'\n{more}\n")
}

const PRIVATE: &str = "[network]\nallow_private = true\n";

#[test]
fn a_dead_delivery_is_listed_shown_and_replayed() {
    let receiver =
        answering(vec![(200, r#"{"code":7,"message":"no\u001b[2J"}"#), (200, r#"{"code":0,"message":"ok"}"#)]);
    let folder = folder(&format!("{PRIVATE}{}", destination("acme", &receiver, "retries = 0")));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let none = gateway.run(&["deliveries", "list"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no delivery is like this\n"));
    let id = gateway.submit("acme");
    let dead = ["deliveries", "list", "--state", "dead", "--lane", "uplink:acme"];
    let listed = gateway.wait_for(&dead, 1);
    assert_eq!((&listed[0]["id"], &listed[0]["attempts"]), (&id.as_str().into(), &1.into()));

    let listed = gateway.run(&["deliveries", "list"]);
    let lines: Vec<_> = listed.stdout.lines().collect();
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(lines[0]), ["ID", "LANE", "STATE", "ATTEMPTS", "CREATED", "NEXT", "LAST", "ERROR"]);
    let row = words(lines[1]);
    assert_eq!(row[..4], [&id, "uplink:acme", "dead", "1"]);
    assert!(row[4].starts_with("20") && row[4].ends_with('Z') && row[4].len() == 20, "{row:?}");
    assert_eq!((row[5].as_str(), row[6].as_str(), lines.len()), ("-", "code:", 2));
    for heading in ["LANE", "STATE", "LAST ERROR"] {
        let column = lines[0].find(heading).unwrap();
        assert!(!lines[1][column..].starts_with(' ') && lines[1][..column].ends_with(' '), "{listed:?}");
    }
    let coloured = gateway.run(&["deliveries", "list", "--color", "always"]).stdout;
    assert!(coloured.contains("\u{1b}[1m\u{1b}[31mdead"), "{coloured:?}");

    let shown = gateway.run(&["deliveries", "show", &id]);
    assert_eq!((shown.code, shown.stderr.as_str()), (Some(0), ""));
    assert!(shown.stdout.contains("\nstate     dead\n") && shown.stdout.contains("\nfinished  20"), "{}", shown.stdout);
    assert!(shown.stdout.contains("\n  1  +0.000 s  +0."), "{}", shown.stdout);
    assert!(shown.stdout.ends_with(&format!("\nbody      {}\n", batch(&["OK"]))), "{}", shown.stdout);
    assert!(shown.stdout.contains("200   code   code 7: no"), "{}", shown.stdout);
    assert!(!shown.stdout.contains('\u{1b}'), "a destination does not speak to the terminal");

    let replayed = gateway.run(&["deliveries", "replay", &id]);
    assert_eq!((replayed.code, replayed.stdout), (Some(0), format!("{id}  pending again\n")));
    gateway.wait_for(&["deliveries", "list", "--state", "delivered"], 1);
    let shown = &gateway.json(&["deliveries", "show", &id])[0];
    assert_eq!((&shown["state"], &shown["body"]), (&"delivered".into(), &batch(&["OK"]).into()));
    let attempts = shown["attempts"].as_array().unwrap();
    let numbers: Vec<_> = attempts.iter().map(|attempt| (&attempt["number"], &attempt["status"])).collect();
    assert_eq!(numbers, [(&1.into(), &200.into()), (&1.into(), &200.into())]);
    let shown = gateway.run(&["deliveries", "show", &id]).stdout;
    assert!(shown.contains("\nreplayed  from 20"), "{shown}");
}

#[test]
fn several_ids_are_done_one_by_one_whatever_becomes_of_the_first() {
    let receiver = answering(vec![(503, ""); 3]);
    let folder = folder(&format!("{PRIVATE}{}", destination("acme", &receiver, "retries = 0")));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let (first, second) = (&gateway.submit("acme"), &gateway.submit("acme"));
    gateway.wait_for(&["deliveries", "list", "--state", "dead"], 2);

    let replayed = gateway.run(&["deliveries", "replay", UNKNOWN, first]);
    assert_eq!((replayed.code, replayed.stdout), (Some(1), format!("{first}  pending again\n")));
    assert_eq!(replayed.stderr, format!("error: {UNKNOWN}: no delivery has this id\n"));

    let removed = gateway.run(&["deliveries", "drop", UNKNOWN, second, "--json"]);
    assert_eq!(removed.code, Some(1));
    assert_eq!(
        removed.stdout,
        format!(
            "{{\"id\":\"{UNKNOWN}\",\"ok\":false,\"message\":\"no delivery has this id\"}}\n\
             {{\"id\":\"{second}\",\"ok\":true}}\n"
        )
    );
    assert_eq!(removed.stderr, format!("error: {UNKNOWN}: no delivery has this id\n"));
    let gone = gateway.run(&["deliveries", "show", second]);
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
    assert_eq!(gone.stderr, "error: id: no delivery has this id\n");
}

#[test]
fn all_that_are_alike_are_replayed_or_dropped_and_only_with_a_yes() {
    let receiver = answering(vec![(503, ""); 4]);
    let folder = folder(&format!("{PRIVATE}{}", destination("acme", &receiver, "retries = 0")));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let ids = [gateway.submit("acme"), gateway.submit("acme")];
    gateway.wait_for(&["deliveries", "list", "--state", "dead"], 2);
    for args in [&["deliveries", "replay", "--state", "dead"][..], &["deliveries", "drop", "--lane", "uplink:acme"]] {
        let refused = gateway.run(args);
        assert!(refused.code == Some(2) && refused.stderr.contains("add --yes"), "{}", refused.stderr);
    }
    for args in
        [&["deliveries", "drop"][..], &["deliveries", "drop", "--until", "1h"], &["deliveries", "drop", "--yes"]]
    {
        assert_eq!(gateway.run(args).code, Some(2), "{args:?}: nothing is chosen");
    }
    let old = gateway.run(&["deliveries", "drop", "--state", "dead", "--until", "1h", "--yes"]);
    assert_eq!((old.code, old.stdout.as_str()), (Some(0), "0 deleted\n"));

    let lane = ["--state", "dead", "--lane", "uplink:acme", "--since", "1h", "--yes"];
    let replayed = gateway.run(&[&["deliveries", "replay"][..], &lane].concat());
    assert_eq!((replayed.code, replayed.stdout.as_str()), (Some(0), "2 pending again\n"));
    let dead = gateway.wait_for(&["deliveries", "list", "--state", "dead"], 2);
    assert_eq!(dead.len(), 2);
    let begins = gateway.json(&["deliveries", "list", "--id", &ids[0], "--since", "1h", "--until", "0s"]);
    assert_eq!((begins.len(), &begins[0]["id"]), (1, &ids[0].as_str().into()));
    let dropped = gateway.run(&[&["deliveries", "drop", "--json"][..], &lane].concat());
    assert_eq!((dropped.code, dropped.stdout.as_str()), (Some(0), "{\"done\":2}\n"));
    assert!(gateway.json(&["deliveries", "list"]).is_empty());
}

#[test]
fn a_lane_is_listed_paused_and_resumed() {
    let folder = folder(&format!("{PRIVATE}{}", destination("acme", "127.0.0.1:9", "")));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let listed = gateway.json(&["lanes", "list"]);
    assert_eq!((listed.len(), &listed[0]["lane"], &listed[0]["paused"]), (1, &"uplink:acme".into(), &false.into()));
    let paused = gateway.run(&["lanes", "pause", "uplink:acme"]);
    assert_eq!((paused.code, paused.stdout.split_whitespace().nth(1)), (Some(0), Some("paused:")));
    assert!(gateway.run(&["status"]).stdout.contains("paused"));
    assert!(gateway.run(&["lanes", "list", "--begins", "uplink:"]).stdout.contains("paused"));
    let resumed = gateway.json(&["lanes", "resume", "uplink:acme"]);
    assert_eq!(resumed, [serde_json::json!({ "lane": "uplink:acme", "paused": false })]);
    let unknown = gateway.run(&["lanes", "pause", "uplink:nobody"]);
    assert!(unknown.code == Some(1) && unknown.stderr.contains("no such lane"), "{}", unknown.stderr);
    assert_eq!(gateway.run(&["lanes", "pause", "uplink:a b"]).code, Some(2));
    let none = gateway.run(&["lanes", "list", "--begins", "webhook"]);
    assert_eq!((none.code, none.stderr.as_str()), (Some(0), "no lane is like this\n"));
}

#[test]
fn a_body_that_is_no_text_is_shown_as_base64() {
    let folder = folder(&format!("[[lingyang.apps]]\nid = 'Test'\nkeys = ['{KEY}']\ncids = [[5003000, 5003999]]\n"));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    gateway.push(&[5_003_061, 5_003_062]);
    let all = gateway.json(&["deliveries", "list", "--lane", "device:5003062"]);
    let [message] = &all[..] else { panic!("{all:?}") };
    let id = message["id"].as_str().unwrap();
    let shown = gateway.run(&["deliveries", "show", id]).stdout;
    assert!(shown.contains("\nlane      device:5003062\n") && shown.ends_with("\nbody      base64:/wA=\n"), "{shown}");
    assert_eq!(gateway.json(&["deliveries", "show", id])[0]["body_base64"], "/wA=");
}

#[test]
fn a_pending_delivery_that_is_dropped_is_not_sent_any_more() {
    // The first send is refused; the second would be a day later.
    let receiver = answering(vec![(503, "")]);
    let folder = folder(&format!("{PRIVATE}{}", destination("slow", &receiver, "retry_every_ms = 86400000")));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let id = gateway.submit("slow");
    let start = Instant::now();
    while gateway.json(&["deliveries", "list", "--state", "pending"])[0]["attempts"] != 1 {
        assert!(start.elapsed() < BOUND, "never tried");
    }
    let refused = gateway.run(&["deliveries", "replay", &id]);
    let words = format!("error: {id}: the delivery is pending; only a dead or dropped one can be replayed\n");
    assert_eq!((refused.code, refused.stderr), (Some(1), words));

    let status = gateway.run(&["status"]);
    assert_eq!((status.code, status.stderr.as_str()), (Some(0), ""));
    let (counts, lanes) = status.stdout.split_once("\n\n").unwrap();
    assert!(counts.contains("\npending    1\n") && counts.ends_with("\ninbox      0\ndevices    0"), "{counts}");
    let lanes: Vec<_> = lanes.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lanes[0][..7], ["LANE", "PENDING", "DUE", "IN", "FLIGHT", "PER", "SECOND"]);
    assert_eq!((&lanes[1][..4], lanes[1][5]), (&["uplink:slow", "1", "0", "0"][..], "sends"));
    assert!(lanes[1].join(" ").contains("503"), "what went wrong last: {lanes:?}");

    let removed = gateway.run(&["deliveries", "drop", &id]);
    assert_eq!((removed.code, removed.stdout), (Some(0), format!("{id}  deleted\n")));
    let status = gateway.json(&["status"]);
    assert_eq!(status.len(), 1);
    assert_eq!(status[0]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!((&status[0]["deliveries"]["pending"], &status[0]["lanes"][0]["pending"]), (&0.into(), &0.into()));
}

#[test]
fn a_list_is_as_long_as_asked_for_and_longer_than_a_page() {
    let folder = folder(&format!("[[lingyang.apps]]\nid = 'Test'\nkeys = ['{KEY}']\ncids = [[5003000, 5003999]]\n"));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    for cids in [5_003_000..5_003_100, 5_003_100..5_003_200, 5_003_200..5_003_250] {
        gateway.push(&cids.collect::<Vec<_>>());
    }
    let all = gateway.json(&["deliveries", "list", "--limit", "0"]);
    let lanes: Vec<_> = all.iter().map(|delivery| delivery["lane"].as_str().unwrap()).collect();
    let newest_first: Vec<_> = (5_003_000..5_003_250).rev().map(|cid| format!("device:{cid}")).collect();
    assert_eq!(lanes, newest_first);
    for (limit, rows, note) in [
        (&["--limit", "0"][..], 250, false),
        (&[], 50, true),
        (&["--limit", "1"], 1, true),
        (&["--limit", "249"], 249, true),
        (&["--limit", "250"], 250, false),
    ] {
        let listed = gateway.run(&[&["deliveries", "list"], limit].concat());
        assert_eq!(listed.stdout.lines().count(), 1 + rows, "{limit:?}");
        assert_eq!(listed.stderr.starts_with("there are more"), note, "{limit:?}: {}", listed.stderr);
    }
    // `… | head`
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let url = format!("http://{}", gateway.admin);
    let left = pushgate(&["deliveries", "list", "--admin", &url]).stdout(writer).output().unwrap();
    assert_eq!((left.status.code(), left.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn connected_devices_are_listed() {
    let folder = folder(&format!("[[lingyang.apps]]\nid = 'Test'\nkeys = ['{KEY}']\ncids = [[5003000, 5003999]]\n"));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let none = gateway.run(&["devices", "list"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", "no device is connected\n"));

    let key = folder.path().join("key");
    fs::write(&key, KEY).unwrap();
    let key = key.to_str().unwrap();
    let token = run(&["token", "issue", "--key-file", key, "--cid", "5003062", "--expire", "4294967295"]).stdout;
    let mut device = BufReader::new(TcpStream::connect(&gateway.link).unwrap());
    device.get_ref().set_read_timeout(Some(BOUND)).unwrap();
    device.get_mut().write_all(format!("{{\"hello\":{{\"token\":\"{}\"}}}}\n", token.trim()).as_bytes()).unwrap();
    let mut welcome = String::new();
    device.read_line(&mut welcome).unwrap();
    assert!(welcome.starts_with("{\"welcome\":"), "{welcome}");

    let peer = device.get_ref().local_addr().unwrap().to_string();
    let listed = gateway.run(&["devices", "list"]).stdout;
    let lines: Vec<_> = listed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!((lines[0].as_slice(), &lines[1][..2]), (&["CID", "PEER", "SINCE"][..], &["5003062", peer.as_str()][..]));
    let listed = gateway.json(&["devices", "list"]);
    assert_eq!((&listed[0]["cid"], &listed[0]["peer"]), (&5_003_062.into(), &peer.into()));
    assert_eq!(gateway.json(&["status"])[0]["devices"], 1);
}

const EVERY: [&[&str]; 6] = [
    &["deliveries", "list"],
    &["deliveries", "show", UNKNOWN],
    &["deliveries", "drop", UNKNOWN],
    &["inbox", "tail", "--follow"],
    &["devices", "list"],
    &["status"],
];

#[test]
fn a_gateway_that_is_not_there_is_said_to_be_so() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}");
    for args in EVERY {
        let failed = run(&[args, &["--admin", &url]].concat());
        assert_eq!((failed.code, failed.stdout.as_str(), failed.stderr.lines().count()), (Some(1), "", 1), "{args:?}");
        let start = format!("cannot reach the gateway at {url}: ");
        assert!(failed.stderr.contains(&start), "{}", failed.stderr);
        assert!(
            failed.stderr.ends_with("; is `pushgate serve` running? give its address with --admin\n"),
            "{}",
            failed.stderr
        );
    }
    let failed = pushgate(&["status"]).env("PUSHGATE_ADMIN", format!("{url}/gate/")).output().unwrap();
    let failed = Finished::from(failed);
    assert!(failed.stderr.contains(&format!("cannot reach the gateway at {url}/gate: ")), "{}", failed.stderr);
}

#[test]
fn without_the_right_token_nothing_is_told() {
    let folder = folder("[listen]\nadmin_token = 'hunter2'\n");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    for args in EVERY {
        let refused = gateway.run(args);
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{args:?}");
        assert!(refused.stderr.contains("wants its admin token"), "{}", refused.stderr);
        assert!(refused.stderr.contains("--admin-token or in PUSHGATE_ADMIN_TOKEN"), "{}", refused.stderr);
        let refused = gateway.run(&[args, &["--admin-token", "wrong-token"]].concat());
        assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{args:?}");
        assert!(refused.stderr.contains("does not take this admin token"), "{}", refused.stderr);
        assert!(!refused.stderr.contains("wrong-token"), "{}", refused.stderr);
    }
    assert_eq!(gateway.run(&["status", "--admin-token", "hunter2"]).code, Some(0));
    let url = format!("http://{}", gateway.admin);
    let allowed = pushgate(&["status", "--admin", &url]).env("PUSHGATE_ADMIN_TOKEN", "hunter2").output().unwrap();
    assert_eq!(allowed.status.code(), Some(0));
    let help = pushgate(&["status", "--help"]).env("PUSHGATE_ADMIN_TOKEN", "hunter2").output().unwrap();
    assert!(help.status.success() && !String::from_utf8(help.stdout).unwrap().contains("hunter2"));
}

#[test]
fn an_answer_that_is_no_gateways_is_told_from_one() {
    for (status, body, words) in [
        (404, "<html>", "answered HTTP 404"),
        (302, "", "answered HTTP 302"),
        (502, "<html>", "answered HTTP 502"),
        (200, "<html>", "did not answer as a gateway does"),
        (503, r#"{"error":{"code":503,"field":"store","message":"full\u001b[2J"}}"#, r"store: full\u{1b}[2J"),
        (400, r#"{"error":{"code":400,"message":"no field"}}"#, "error: no field\n"),
    ] {
        let url = format!("http://{}", answering(vec![(status, body)]));
        let failed = run(&["devices", "list", "--admin", &url]);
        assert_eq!((failed.code, failed.stdout.as_str(), failed.stderr.lines().count()), (Some(1), "", 1), "{status}");
        assert!(failed.stderr.contains(words), "{status}: {}", failed.stderr);
    }
    let folder = folder("");
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let public = run(&["status", "--admin", &format!("http://{}", gateway.public)]);
    assert_eq!((public.code, public.stderr.as_str()), (Some(1), "error: there is nothing at this path\n"));
    let query = run(&["status", "--admin", "http://127.0.0.1:1/?a=b"]);
    assert!(query.code == Some(2) && query.stderr.contains("--admin: must not have a query"), "{}", query.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_behind_tls_is_asked_when_its_certificate_is_trusted() {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name);
    let server = Server::bind("127.0.0.1:0".parse().unwrap(), Limits::default()).unwrap();
    let tls = ServerTls::from_files(&file("cert.pem"), &file("key.pem")).unwrap();
    let server = server.with_tls(Certificates::new(tls).server_config().unwrap());
    let url = format!("https://localhost:{}", server.local_addr().port());
    let router = Router::new().route("/api/devices", get(async || r#"{"devices":[]}"#));
    tokio::spawn(server.run(router, std::future::pending()));
    let asked = async |roots: &str| {
        let mut command = pushgate(&["devices", "list", "--admin", &url]);
        command.env("SSL_CERT_FILE", file(roots)).env_remove("SSL_CERT_DIR");
        tokio::task::spawn_blocking(move || Finished::from(command.output().unwrap())).await.unwrap()
    };
    let trusted = asked("cert.pem").await;
    assert_eq!((trusted.code, trusted.stderr.as_str()), (Some(0), "no device is connected\n"));
    let without = asked("key.pem").await;
    assert_eq!((without.code, without.stdout.as_str()), (Some(1), ""));
    assert!(without.stderr.contains("--ca") && without.stderr.contains("SSL_CERT_FILE"), "{}", without.stderr);
}
