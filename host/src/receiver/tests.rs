use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use pushgate_core::{lingyang::sign::sign, tencent::query};
use tower::ServiceExt;

use super::*;

const BATCH: &str = r#"{"MsgType":0,"Data":[{"Phone":"1","ReplyContent":"a","ReplyTime":0},{"Phone":"1","ReplyContent":"b","ReplyTime":0}]}"#;
const EVENTS: &str = r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":0,"To_Account":"b","PushStage":1,"ErrCode":0}]}"#;
const WEBHOOK: &str = r#"{"event":"device-message","data":{"msg":"aGVsbG8=","from":1,"to":[2],"created":0}}"#;

/// A receiver and what it received.
struct Peer {
    router: Router,
    received: std::sync::mpsc::Receiver<Received>,
}

impl Peer {
    fn new(protocol: Protocol, fail: u32) -> Self {
        let (keep, received) = std::sync::mpsc::channel();
        let keep = move |request| keep.send(request).map_err(|_| NotKept);
        Self { router: router(Settings { protocol, fail }, Clock::start(), keep), received }
    }

    fn events(sdk_app_id: Option<&str>, token: Option<&str>) -> Self {
        let sdk_app_id = sdk_app_id.map(|id| id.parse().unwrap());
        Self::new(Protocol::Events { sdk_app_id, token: token.map(|token| token.parse().unwrap()) }, 0)
    }

    /// Sends a request and returns the answer's status and body.
    async fn send(&self, mut request: Request<Body>) -> (u16, String) {
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 5555))));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn post(&self, uri: &str, body: &str) -> (u16, String) {
        self.send(Request::post(uri).body(Body::from(body.to_owned())).unwrap()).await
    }

    /// The next request, as its number and what it brought.
    fn next(&self) -> (u64, String) {
        let Received { number, outcome, .. } = self.received.try_recv().unwrap();
        let items = |items: Vec<Item>| {
            let items: Vec<_> = items.into_iter().map(|item| format!("{} {:?}", item.kind, item.seen)).collect();
            items.join(", ")
        };
        let outcome = match outcome {
            Outcome::Taken(taken) => format!("taken: {}", items(taken)),
            Outcome::RefusedOnPurpose(refused) => format!("on purpose: {}", items(refused)),
            Outcome::Refused { status, reason } => format!("{status}: {reason}"),
        };
        (number, outcome)
    }
}

#[tokio::test]
async fn a_batch_is_handed_over_and_answered_with_code_0() {
    let peer = Peer::new(Protocol::Uplink, 0);
    let ok = (200, r#"{"code":0,"message":"ok"}"#.to_owned());
    assert_eq!(peer.post("/any/path?x", BATCH).await, ok);
    assert_eq!(peer.next(), (1, "taken: message First, message First".to_owned()));
    // "There is no message id, so retries and crashes can duplicate": taken all the same, and marked.
    assert_eq!(peer.post("/", BATCH).await, ok);
    assert_eq!(peer.next(), (2, "taken: message Again, message Again".to_owned()));
    assert_eq!(peer.post("/", r#"{"MsgType":0,"Data":[]}"#).await, ok);
    assert_eq!(peer.next(), (3, "taken: ".to_owned()));
}

#[tokio::test]
async fn a_bad_request_is_refused_in_the_protocols_words() {
    let uplink = Peer::new(Protocol::Uplink, 0);
    let (status, body) = uplink.post("/", "{}").await;
    assert_eq!((status, body.as_str()), (400, r#"{"code":400,"message":"MsgType: required, but missing (byte 1)"}"#));
    assert_eq!(uplink.next(), (1, "400: MsgType: required, but missing (byte 1)".to_owned()));

    let events = Peer::events(None, None);
    let (status, body) = events.post("/?SdkAppid=1", r#"{"Events":[]}"#).await;
    assert_eq!(status, 400);
    let start = r#"{"ActionStatus":"FAILURE","ErrorInfo":"Events: holds fewer than 1 elements"#;
    assert!(body.starts_with(start) && body.ends_with(r#","ErrorCode":1}"#), "{body}");

    let webhook = Peer::new(Protocol::Webhook { app: None }, 0);
    let (status, body) = webhook.post("/", "[]").await;
    assert_eq!(status, 400);
    assert!(body.starts_with("body: "), "{body}");
}

#[tokio::test]
async fn anything_but_a_post_is_405() {
    let peer = Peer::new(Protocol::Uplink, 0);
    let mut request = Request::get("/").body(Body::empty()).unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 5555))));
    let response = peer.router.clone().oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["allow"]),
        (405, &header::HeaderValue::from_static("POST"))
    );
}

#[tokio::test]
async fn the_first_requests_are_refused_on_purpose_in_the_protocols_own_way() {
    let webhook = || Protocol::Webhook { app: None };
    let events = || Protocol::Events { sdk_app_id: None, token: None };
    for (protocol, body, refusal, taken) in [
        (Protocol::Uplink, BATCH, (200, r#"{"code":1,"message":"refused on purpose"}"#), 200),
        (events(), EVENTS, (200, r#"{"ActionStatus":"FAILURE","ErrorInfo":"refused on purpose","ErrorCode":1}"#), 200),
        (webhook(), WEBHOOK, (503, "refused on purpose\n"), 200),
    ] {
        let peer = Peer::new(protocol, 2);
        let (status, words) = peer.post("/?SdkAppid=1", body).await;
        assert_eq!((status, words.as_str()), refusal);
        // What would be refused anyway is none of them.
        assert_eq!(peer.post("/?SdkAppid=1", "no").await.0, 400);
        assert!(peer.post("/?SdkAppid=1", body).await.1.contains("refused on purpose"));
        assert_eq!(peer.post("/?SdkAppid=1", body).await.0, taken);
        let starts: Vec<_> = (0..4).map(|_| peer.next().1.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(starts, ["on purpose", "400", "on purpose", "taken"]);
    }
}

/// "Order of checks: SdkAppid missing 400, foreign 403; signature 403; body too large 413; bad JSON 400."
#[tokio::test]
async fn callbacks_are_checked_in_the_pages_order() {
    let now = Clock::start().unix_secs();
    let signed = |token: &str| format!("&RequestTime={now}&Sign={}", query::sign(token.as_bytes(), now));
    for (own, token, uri, status) in [
        (Some("14"), None, "/".to_owned(), 400),
        (None, None, "/".to_owned(), 400),
        (Some("14"), None, "/?SdkAppid=15".to_owned(), 403),
        (None, None, "/?SdkAppid=15".to_owned(), 200),
        (Some("14"), None, "/?SdkAppid=14&Sign=x".to_owned(), 200),
        (Some("14"), Some("t"), "/?SdkAppid=14".to_owned(), 403),
        (Some("14"), Some("t"), format!("/?SdkAppid=14{}", signed("other")), 403),
        (Some("14"), Some("t"), format!("/?SdkAppid=14{}", signed("t")), 200),
        (None, Some("t"), format!("/?SdkAppid=15{}", signed("t")), 200),
        (None, Some("t"), format!("/?SdkAppid=15{}", signed("u")), 403),
    ] {
        let peer = Peer::events(own, token);
        assert_eq!(peer.post(&uri, EVENTS).await.0, status, "{uri}");
        // Bad JSON comes last, and an answer never holds the token.
        let (bad, body) = peer.post(&uri, "no").await;
        assert_eq!(bad, if status == 200 { 400 } else { status }, "{uri}");
        assert!(!body.contains(&format!("{}", query::sign(b"t", now))), "{body}");
    }
}

#[tokio::test]
async fn a_webhook_is_signed_over_its_raw_body() {
    let app = AppKey { id: "Test".to_owned(), key: Secret::new("k").unwrap() };
    let peer = Peer::new(Protocol::Webhook { app: Some(app) }, 0);
    let right = sign("Test", WEBHOOK.as_bytes(), b"k").to_string();
    let spaced = WEBHOOK.replace(',', ", ");
    for (header, body, status) in [
        (Some(right.as_str()), WEBHOOK, 200),
        (Some(&right), &spaced, 403),
        (Some(&sign("Test", spaced.as_bytes(), b"k").to_string()), &spaced, 200),
        (Some(&sign("Test", WEBHOOK.as_bytes(), b"other").to_string()), WEBHOOK, 403),
        (Some(&sign("Other", WEBHOOK.as_bytes(), b"k").to_string()), WEBHOOK, 403),
        (Some("no"), WEBHOOK, 403),
        (None, WEBHOOK, 403),
        (None, "no", 403),
    ] {
        let mut request = Request::post("/");
        if let Some(header) = header {
            request = request.header("x-event-sign", header);
        }
        let (answer, words) = peer.send(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(answer, status, "{header:?} {words}");
    }
}

#[tokio::test]
async fn what_is_not_kept_is_not_accepted() {
    let peer = Peer::new(Protocol::Uplink, 0);
    let Peer { router, received } = peer;
    drop(received);
    let (_, received) = std::sync::mpsc::channel();
    let (status, body) = Peer { router, received }.post("/", BATCH).await;
    assert_eq!((status, body.as_str()), (503, r#"{"code":503,"message":"could not be kept; send it again"}"#));
}
