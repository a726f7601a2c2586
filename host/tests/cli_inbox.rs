//! `pushgate inbox tail` against a gateway that runs as a process of its own.

mod binary;

use binary::{
    Running,
    gateway::{Gateway, folder, post, request},
    pushgate,
};
use serde_json::Value;

const INBOX: &str = "[[uplink.receivers]]\nname = 'ucloud'\n";

#[test]
fn the_inbox_is_read_from_its_end_or_from_a_cursor() {
    let folder = folder(&format!("{INBOX}[[uplink.receivers]]\nname = 'other'\n"));
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    let none = gateway.run(&["inbox", "tail"]);
    assert_eq!((none.code, none.stdout.as_str(), none.stderr.as_str()), (Some(0), "", ""));
    let replies: Vec<_> = (1..=230).map(|n| format!("reply {n}")).collect();
    for replies in replies.chunks(90) {
        gateway.receive(&replies.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let report = r#"{"MsgType":2,"Data":[{"SessionNo":"s","Phone":"1","CostCount":1,"ReceiptTime":1,
        "ReceiptResult":"Fail","ReceiptCode":"c","ReceiptDesc":"d"}]}"#;
    let (status, body) = post(&gateway.public, "/receive/uplink/other", &[], report);
    assert_eq!(status, 200, "{body}");

    for (args, cursors) in [
        (&[][..], 222..=231),
        (&["--limit", "2"], 230..=231),
        (&["--limit", "0"], 1..=231),
        (&["--after", "0"], 1..=231),
        (&["--after", "0", "--limit", "120"], 1..=120),
        (&["--after", "229"], 230..=231),
        (&["--after", "229", "--limit", "1"], 230..=230),
        (&["--kind", "message", "--limit", "1"], 230..=230),
        (&["--kind", "report"], 231..=231),
        (&["--receiver", "other"], 231..=231),
        (&["--receiver", "ucloud", "--after", "228"], 229..=230),
    ] {
        let items = gateway.json(&[&["inbox", "tail"], args].concat());
        let seen: Vec<_> = items.iter().map(|item| item["cursor"].as_u64().unwrap()).collect();
        assert_eq!(seen, cursors.collect::<Vec<u64>>(), "{args:?}");
    }
    let (status, body) = request(&gateway.admin, "GET /api/inbox?last=2&limit=2", &[], "");
    assert!(status == 400 && body.contains(r#""field":"last""#), "{status} {body}");
    let item = &gateway.json(&["inbox", "tail", "--after", "6", "--limit", "1"])[0];
    assert_eq!((&item["receiver"], &item["kind"]), (&"ucloud".into(), &"message".into()));
    assert_eq!(item["item"]["ReplyContent"], "reply 7");
    for (args, words) in [
        (&["--limit", "1001"][..], "the last 1000 at most"),
        (&["--after", "1", "--limit", "1", "--follow"], "leave one of them out"),
    ] {
        let refused = gateway.run(&[&["inbox", "tail"], args].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
    }
}

#[test]
fn no_item_speaks_to_the_terminal() {
    let folder = folder(INBOX);
    let gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    gateway.receive(&["短信 \u{9b}2J\u{202e}\\u001b"]);
    let tail = gateway.run(&["inbox", "tail"]).stdout;
    let words: Vec<_> = tail.split_whitespace().collect();
    assert_eq!((words[0], words[2], words[3]), ("1", "ucloud", "message"), "{tail}");
    assert!(tail.contains(r"短信 \u{9b}2J\u{202e}"), "{tail}");
    assert!(!tail.trim_end().contains(|char: char| char.is_control() || char == '\u{202e}'), "{tail:?}");
}

#[cfg(unix)]
#[test]
fn a_tail_follows_what_comes_across_a_restart_until_it_is_told_to_stop() {
    let folder = folder(INBOX);
    let mut gateway = Gateway::start(folder.path(), "127.0.0.1:0");
    gateway.receive(&["one", "two"]);
    let url = format!("http://{}", gateway.admin);
    let args = ["inbox", "tail", "--follow", "--limit", "1", "--json", "--admin", &url];
    let mut tail = Running::start(pushgate(&args));
    let next = |tail: &mut Running| {
        let item: Value = serde_json::from_str(&tail.stdout_line()).unwrap();
        item["item"]["ReplyContent"].as_str().unwrap().to_owned()
    };
    assert_eq!(next(&mut tail), "two");
    gateway.receive(&["three", "four"]);
    assert_eq!([next(&mut tail), next(&mut tail)], ["three", "four"]);

    let admin = gateway.admin.clone();
    gateway.serve.terminate();
    assert_eq!(gateway.serve.finish().code, Some(0));
    let note = tail.stderr_line();
    assert!(note.contains(&url) && note.ends_with("; waiting for it"), "{note}");
    let gateway = Gateway::start(folder.path(), &admin);
    gateway.receive(&["five"]);
    assert_eq!(next(&mut tail), "five");
    assert_eq!(tail.stderr_line(), "the gateway is back");

    tail.terminate();
    let ended = tail.finish();
    assert_eq!((ended.code, ended.stdout.as_str(), ended.stderr.as_str()), (Some(0), "", ""));
}
