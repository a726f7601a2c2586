//! The request that each protocol's route makes of a body.

use super::*;
use crate::config::Secret;
use crate::courier::Route;

/// Sends on the route that `make` makes of a URL, and takes apart what arrived: the first line, the other lines of the
/// head in the order of the alphabet, and the body.
async fn request(path: &str, body: &'static [u8], make: impl Fn(&str) -> Route) -> (String, Vec<String>, String) {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = peer(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            while let Some(request) = read_request(&mut stream).await {
                seen.send(request).expect("the test listens");
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
        }
    })
    .await;
    let (route, courier) = (make(&format!("http://{address}{path}")), courier());
    let mut all = Vec::new();
    for _ in 0..2 {
        let report = route.send(&courier, Bytes::from_static(body), 1_669_872_112, AMPLE).await;
        assert_eq!(report.status, Some(200), "{report:?}");
        all.push(requests.recv().await.expect("a request").replace(&address.to_string(), "ADDRESS"));
    }
    assert_eq!(all[0], all[1], "what is prepared once is right for every send");
    let (head, body) = all[0].split_once("\r\n\r\n").expect("a head and a body");
    let mut lines = head.lines().map(str::to_owned);
    let first = lines.next().expect("a first line");
    let mut rest: Vec<_> = lines.collect();
    rest.sort_unstable();
    (first, rest, body.to_owned())
}

const AGENT: &str = concat!("user-agent: pushgate/", env!("CARGO_PKG_VERSION"));

#[tokio::test]
async fn a_batch_goes_to_the_url_as_it_is() {
    let make = |url: &str| Route::uplink(url.parse().expect("a URL"), None);
    let (first, rest, body) = request("/sms?tenant=7", b"[]", make).await;
    assert_eq!(first, "POST /sms?tenant=7 HTTP/1.1");
    assert_eq!(rest, ["content-length: 2", "content-type: application/json", "host: ADDRESS", AGENT]);
    assert_eq!(body, "[]");
    let (first, rest, body) = request("", b"", make).await;
    assert_eq!((&*first, &*body), ("POST / HTTP/1.1", ""));
    assert_eq!(rest[0], "content-length: 0");
}

/// "`POST <callback URL>?SdkAppid=<id>&CallbackCommand=Push.OfflinePush&contenttype=json` (exact names; add to a query
/// the URL already has)"; "`xxxxyyyy`, `1669872112` → `17773bc3…`".
#[tokio::test]
async fn events_bring_the_callbacks_parameters() {
    const EVENTS: &[u8] = br#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1,"To_Account":"b","PushStage":1,"ErrCode":0}]}"#;
    let token = Secret::new("xxxxyyyy").ok();
    let make = |url: &str| {
        Route::events(url.parse().expect("a URL"), "1400000000".parse().expect("an id"), token.clone(), None)
    };
    let parameters = "SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json&RequestTime=1669872112&\
                      Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061";
    for (path, before) in [("/im", "/im?"), ("/im?a=b", "/im?a=b&"), ("", "/?")] {
        let (first, rest, _) = request(path, EVENTS, make).await;
        assert_eq!(first, format!("POST {before}{parameters} HTTP/1.1"), "{path}");
        let length = format!("content-length: {}", EVENTS.len());
        assert_eq!(rest, [&*length, "content-type: application/json", "host: ADDRESS", AGENT]);
    }
}

#[tokio::test]
async fn a_webhook_is_signed() {
    let key = Secret::new("d57559a82027b7d846318a0c1596d645").expect("a key");
    let make = |url: &str| Route::webhook(url.parse().expect("a URL"), "Test".to_owned(), key.clone(), None);
    let (first, rest, _) = request("/hook", b"{}", make).await;
    assert_eq!(first, "POST /hook HTTP/1.1");
    let sign = pushgate_core::lingyang::sign::sign("Test", b"{}", key.reveal().as_bytes());
    let expected = [
        "content-length: 2".to_owned(),
        "content-type: application/json".to_owned(),
        "host: ADDRESS".to_owned(),
        format!("user-agent: {}", pushgate_core::lingyang::USER_AGENT),
        "x-app-id: Test".to_owned(),
        format!("x-event-sign: {sign}"),
        format!("x-topvdn-event: {}", pushgate_core::lingyang::DEVICE_MESSAGE),
    ];
    assert_eq!(rest, expected);
}
