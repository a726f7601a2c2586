//! The admin API promises who may call it: who knows its token, and where there is none who is on this machine, but
//! never another site's page; and that it describes itself.

use pushgate_tests::{Answer, Request, Rig, exchange};
use serde_json::json;

/// Asks with these header lines, `Host` among them if at all.
async fn asked(rig: &Rig, method: &str, path: &str, headers: &str) -> Answer {
    let request = format!("{method} {path} HTTP/1.1\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n");
    exchange(rig.gateway.admin, request.as_bytes()).await.expect("an answer")
}

#[tokio::test]
async fn without_a_token_this_machine_alone_is_asked_for_and_no_page_changes_anything() {
    let rig = Rig::start("").await;
    let own = format!("Host: {}\r\n", rig.gateway.admin);
    let change = ("POST", "/api/lanes/device:5003062/resume");
    for (headers, read, changed) in [
        (own.clone(), 200, 204),
        (String::new(), 200, 204),
        ("Host: localhost\r\n".to_owned(), 200, 204),
        ("Host: evil.example\r\n".to_owned(), 421, 421),
        (format!("{own}Sec-Fetch-Site: same-origin\r\nOrigin: http://{}\r\n", rig.gateway.admin), 200, 204),
        (format!("{own}Sec-Fetch-Site: cross-site\r\n"), 200, 403),
        (format!("{own}Origin: http://evil.example\r\n"), 200, 403),
        (format!("{own}Origin: null\r\n"), 200, 403),
    ] {
        assert_eq!(asked(&rig, "GET", "/api/status", &headers).await.status, read, "{headers}");
        assert_eq!(asked(&rig, change.0, change.1, &headers).await.status, changed, "{headers}");
    }
    for path in ["/", "/console.js", "/livez", "/metrics", "/api/openapi.json", "/nowhere"] {
        let answer = asked(&rig, "GET", path, "Host: evil.example\r\n").await;
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (421, &json!("Host")), "{path}");
    }
}

#[tokio::test]
async fn whatever_is_answered_is_for_the_caller_alone() {
    let rig = Rig::start("").await;
    for path in ["/api/status", "/api/deliveries?limit=x", "/metrics", "/readyz", "/nowhere"] {
        let answer = rig.admin(Request::get(path)).await;
        for (name, value) in [
            ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
        assert!(
            answer.header("content-security-policy").is_some_and(|policy| policy.starts_with("default-src 'none'"))
        );
        assert_eq!(answer.header("access-control-allow-origin"), None, "{path}");
    }
}

#[tokio::test]
async fn a_refusal_has_one_shape_wherever_it_comes_from() {
    let rig = Rig::start("").await;
    for (method, path, status, field) in [
        ("GET", "/nowhere", 404, "path"),
        ("GET", "/api", 404, "path"),
        ("PUT", "/api/status", 405, "method"),
        ("TRACE", "/api/status", 405, "method"),
        ("DELETE", "/livez", 405, "method"),
        ("GET", "/api/deliveries/%ff", 400, "path"),
        ("POST", "/api/uplink/%ff", 400, "path"),
        ("POST", "/api/lanes/%ff/pause", 400, "path"),
        ("GET", "/api/deliveries/UPPER", 400, "id"),
        ("GET", "/api/inbox?limit=0", 400, "limit"),
        ("GET", "/api/inbox?before=5", 400, "before"),
        ("GET", "/api/inbox?before=5&last=1&after=1", 400, "before"),
        ("GET", "/api/status?x=1", 400, "x"),
    ] {
        let answer = asked(&rig, method, path, "Host: localhost\r\n").await;
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"], &error["field"]), (status, &json!(status), &json!(field)), "{path}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{method} {path}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_reload_changes_the_token() {
    let mut rig = Rig::start("").await;
    let with = |token: &str| Request::get("/api/status").header("Authorization", &format!("Bearer {token}"));
    let document = async |rig: &Rig, token| {
        let request = Request::get("/api/openapi.json").header("Authorization", &format!("Bearer {token}"));
        rig.admin(request).await.json()
    };
    assert_eq!(rig.admin(Request::get("/api/status")).await.status, 200);
    assert_eq!(document(&rig, "any").await["security"], json!(null));

    rig.reload_listen("admin_token = 'first'");
    assert_eq!(rig.admin(Request::get("/api/status")).await.status, 401);
    assert_eq!(rig.admin(with("first")).await.status, 200);
    assert_eq!(document(&rig, "first").await["security"], json!([{ "admin_token": [] }]));
    assert!(!rig.admin(Request::get("/")).await.body.contains("data-n=\"pending\">0"), "the page shows no data");

    rig.reload_listen("admin_token = 'second'");
    assert_eq!(rig.admin(with("first")).await.status, 401);
    assert_eq!(rig.admin(with("second")).await.status, 200);
    let metrics = rig.admin(Request::get("/metrics").header("Authorization", "Bearer second")).await;
    assert!(metrics.body.contains("pushgate_refused_total{reason=\"token\"} 2"), "{}", metrics.body);
}

#[tokio::test]
async fn a_token_that_a_reload_takes_away_leaves_no_open_door() {
    let mut rig = Rig::start_with("admin = '0.0.0.0:0'\nadmin_token = 's3cret'", "", "").await;
    // With the address it would be on, no token is needed; the listener is still where others can reach it.
    rig.reload_listen("admin = '127.0.0.1:0'");
    for request in [Request::get("/api/status"), Request::get("/api/status").header("Authorization", "Bearer s3cret")] {
        let answer = rig.admin(request).await;
        assert_eq!(answer.status, 401);
        assert!(answer.body.contains("listen.admin_token"), "{}", answer.body);
    }
}
