//! The console promises: `GET /` is one page that a browser can trust, and shows data only where none is secret.

use pushgate_tests::{Request, Rig};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

const DESTINATION: &str = "[[uplink.destinations]]\nname = 'zebra'\nurl = 'http://127.0.0.1:9/'";

/// Every path that the page names.
fn files(page: &str) -> Vec<String> {
    let named = page.split('"').filter(|word| word.starts_with("console"));
    named.map(|word| format!("/{word}")).collect()
}

#[tokio::test]
async fn the_page_and_its_files_are_sealed() {
    let rig = Rig::start("").await;
    let page = rig.admin(Request::get("/")).await;
    assert_eq!((page.status, page.header("cache-control")), (200, Some("no-store")));
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let files = files(&page.body);
    assert!(files.len() >= 3, "{files:?}");
    for path in files.iter().map(String::as_str).chain(["/"]) {
        let answer = rig.admin(Request::get(path)).await;
        assert_eq!(answer.status, 200, "{path}");
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

#[tokio::test]
async fn what_the_browser_has_is_not_sent_again() {
    let rig = Rig::start("").await;
    let script = rig.admin(Request::get("/console.js")).await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("cache-control"), Some("no-cache"));
    let etag = script.header("etag").expect("an ETag").to_owned();
    for (known, status) in [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"x\", {etag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
        (String::new(), 200),
    ] {
        let answer = rig.admin(Request::get("/console.js").header("If-None-Match", &known)).await;
        assert_eq!((answer.status, answer.header("etag")), (status, Some(etag.as_str())), "{known}");
        assert_eq!(answer.body.is_empty(), status == 304, "{known}");
    }
}

#[tokio::test]
async fn only_reading_is_answered() {
    let rig = Rig::start("").await;
    for path in ["/", "/console.css"] {
        let head = rig.admin(Request::new("HEAD", path)).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        for method in ["POST", "PUT", "DELETE"] {
            let answer = rig.admin(Request::new(method, path)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")), "{method} {path}");
        }
    }
    assert_eq!(rig.admin(Request::get("/console.html")).await.status, 404);
}

#[tokio::test]
async fn how_things_stand_is_in_the_page_unless_it_needs_a_token() {
    let rig = Rig::start(DESTINATION).await;
    let body = r#"{"MsgType":0,"Data":[{"Phone":"1","ReplyContent":"hi","ReplyTime":1563867000}]}"#;
    let accepted = rig.admin(Request::post("/api/uplink/zebra", body)).await.json();
    let page = rig.admin(Request::get("/")).await.body;
    for told in ["uplink:zebra", accepted["ids"][0].as_str().expect("an id")] {
        assert!(page.contains(told), "{told}");
    }

    let rig = Rig::start_with("admin_token = 's3cret-s3cret-s3cret'", "", DESTINATION).await;
    for path in ["/", "/console.js", "/console.css", "/console.svg"] {
        let answer = rig.admin(Request::get(path)).await;
        assert_eq!(answer.status, 200, "{path}: a browser cannot send a token when it opens a page");
        assert!(!answer.body.contains("zebra") && !answer.body.contains("s3cret"), "{path}");
    }
    assert_eq!(rig.admin(Request::get("/api/status")).await.status, 401);
}
