//! The device API promises, page "Lingyang cloud Web API": every status of both pushes, and who gets what.

use pushgate::{config::Config, store};
use pushgate_core::lingyang::sign;
use pushgate_tests::{
    APP_ID, Answer, Device, FailingStore, Failure, KEY, NEXT_KEY, Receiver, Request, Rig, When, exchange, now, token,
    token_with, until, within_bound,
};
use serde_json::{Value, json};

const CLIENT: &str = "/v2/message/client/push";
const SERVER: &str = "/v2/message/server/push";
const SENDER: u32 = 1_003_200;
const CID: u32 = 5_003_062;

fn later() -> u32 {
    u32::try_from(now() + 600).unwrap()
}

/// "Every response carries `X-Request-ID`, equal to the JSON `request_id` (32 lowercase hex characters when we make
/// it)": returns it.
fn request_id(answer: &Answer) -> String {
    let body = answer.json();
    let id = body["request_id"].as_str().unwrap_or_else(|| panic!("no request_id: {}", answer.body));
    assert_eq!(answer.header("x-request-id"), Some(id));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    id.to_owned()
}

fn assert_refused(what: &str, answer: &Answer, status: u16, field: &str) {
    assert_eq!(answer.status, status, "{what}: {}", answer.body);
    request_id(answer);
    let error = &answer.json()["error"];
    assert_eq!((&error["code"], &error["field"]), (&json!(status), &json!(field)), "{what}: {error}");
    assert!(error["message"].as_str().is_some_and(|message| message.len() >= 8), "{what}: {error}");
}

fn client_body() -> Value {
    json!({ "msg": "aGVsbG8=", "flag": 2, "callback": 0, "access_tokens": [token(CID)] })
}

fn server_body() -> Value {
    json!({ "proxy": 0, "payload": { "msg": "aGVsbG8=", "flag": 2, "clients": [CID] } })
}

fn proxy_body() -> Value {
    json!({ "proxy": 1, "payload": [{ "from": SENDER, "to": CID, "flag": 2, "msg": "aGVsbG8=" }] })
}

/// A body with one member (a path of keys and indexes) set to a value, or taken out.
fn with(mut body: Value, path: &str, value: Option<Value>) -> String {
    let (parent, key) = path.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap();
    match (value, parent) {
        (Some(value), Value::Array(list)) => list[key.parse::<usize>().unwrap()] = value,
        (Some(value), parent) => parent[key] = value,
        (None, parent) => drop(parent.as_object_mut().unwrap().remove(key)),
    }
    body.to_string()
}

#[tokio::test]
async fn a_right_push_is_200_and_nothing_but_its_id() {
    let rig = Rig::start("").await;
    let answers = [
        rig.client_push(SENDER, client_body().to_string()).await,
        rig.server_push(server_body().to_string()).await,
        rig.server_push(proxy_body().to_string()).await,
    ];
    let mut ids: Vec<_> = answers
        .iter()
        .map(|answer| {
            let id = request_id(answer);
            assert_eq!((answer.status, answer.json()), (200, json!({ "request_id": id })));
            id
        })
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn a_wrong_member_is_400_and_named() {
    let rig = Rig::start("").await;
    let base64_of = |bytes: usize| format!("{}{}", "A".repeat(bytes / 3 * 4), ["", "AA==", "AAA="][bytes % 3]);
    let tokens = |count: usize| Some(json!(vec![token(CID); count]));
    let client: &[(&str, Option<Value>, &str)] = &[
        ("/msg", None, "msg"),
        ("/msg", Some(json!(1)), "msg"),
        ("/msg", Some(json!("aGVsbG8")), "msg"),
        ("/msg", Some(json!("aGVs bG8=")), "msg"),
        ("/msg", Some(json!("-_-_")), "msg"),
        ("/msg", Some(json!("aGVsbG9=")), "msg"),
        ("/msg", Some(json!("aGVsbG8==")), "msg"),
        ("/msg", Some(json!(null)), "msg"),
        ("/msg", Some(json!(base64_of(257))), "msg"),
        ("/flag", Some(json!(1)), "flag"),
        ("/flag", Some(json!(4)), "flag"),
        ("/flag", Some(json!("2")), "flag"),
        ("/flag", Some(json!(2.0)), "flag"),
        ("/callback", None, "callback"),
        ("/callback", Some(json!(null)), "callback"),
        ("/callback", Some(json!(2)), "callback"),
        ("/callback", Some(json!(true)), "callback"),
        ("/access_tokens", None, "access_tokens"),
        ("/access_tokens", Some(json!("x")), "access_tokens"),
        ("/access_tokens", Some(json!([1])), "access_tokens[0]"),
        ("/access_tokens", tokens(101), "access_tokens"),
    ];
    for (path, value, field) in client {
        let body = with(client_body(), path, value.clone());
        assert_refused(&body, &rig.client_push(SENDER, &body).await, 400, field);
    }
    let server: &[(Value, &str, Option<Value>, &str)] = &[
        (server_body(), "/proxy", None, "proxy"),
        (server_body(), "/proxy", Some(json!(2)), "proxy"),
        (server_body(), "/payload", None, "payload"),
        (server_body(), "/payload/msg", None, "payload.msg"),
        (server_body(), "/payload/msg", Some(json!("%")), "payload.msg"),
        (server_body(), "/payload/flag", Some(json!(0)), "payload.flag"),
        (server_body(), "/payload/clients", None, "payload.clients"),
        (server_body(), "/payload/clients", Some(json!([CID, 0])), "payload.clients[1]"),
        (server_body(), "/payload/clients", Some(json!([4_294_967_296_u64])), "payload.clients[0]"),
        (server_body(), "/payload/clients", Some(json!(["5003062"])), "payload.clients[0]"),
        (server_body(), "/payload/clients", Some(json!(vec![CID; 101])), "payload.clients"),
        (proxy_body(), "/payload/0/from", None, "payload[0].from"),
        (proxy_body(), "/payload/0/to", Some(json!(0)), "payload[0].to"),
        (proxy_body(), "/payload/0/flag", Some(json!(5)), "payload[0].flag"),
        (proxy_body(), "/payload/0/msg", None, "payload[0].msg"),
        (proxy_body(), "/payload", Some(json!(vec![&proxy_body()["payload"][0]; 101])), "payload"),
        // "a payload of the wrong shape for its `proxy` is a 400"
        (proxy_body(), "/proxy", Some(json!(0)), "payload"),
        (server_body(), "/proxy", Some(json!(1)), "payload"),
    ];
    for (base, path, value, field) in server {
        let body = with(base.clone(), path, value.clone());
        assert_refused(&body, &rig.server_push(&body).await, 400, field);
    }
    for (body, field) in [
        ("", "body"),
        ("[]", "body"),
        ("{msg:1}", "body"),
        (r#"{"msg":"","msg":""}"#, "msg"),
        (r#"{"msg":"","callback":0,"access_tokens":[]} {}"#, "body"),
        (r#"{"callback":01}"#, "body"),
    ] {
        let answer = rig.client_push(SENDER, body).await;
        assert_eq!((answer.status, &answer.json()["error"]["field"]), (400, &json!(field)), "{body}: {}", answer.body);
    }
    // With `proxy` before or after what does not fit it.
    for body in [
        format!(r#"{{"proxy":1,"payload":{{"msg":"YQ==","clients":[{CID}]}}}}"#),
        format!(r#"{{"payload":[{{"from":{CID},"to":{CID},"msg":"YQ=="}}],"proxy":0}}"#),
        r#"{"payload":7,"proxy":0}"#.to_owned(),
        r#"{"proxy":1,"payload":null}"#.to_owned(),
    ] {
        assert_refused(&body, &rig.server_push(&body).await, 400, "payload");
    }
    // Beside the field, the byte.
    for (body, byte) in
        [(r#"{"msg":1,"callback":0}"#, 7), (r#"{ "msg" : "%" }"#, 10), (r#"{"msg":"","callback":2}"#, 21)]
    {
        let answer = rig.client_push(SENDER, body).await;
        let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.ends_with(&format!("(byte {byte})")), "{body}: {message}");
    }
    // "at most 256 **bytes**, 256 allowed"; an absent flag is 2; null for an optional member is absent.
    for (path, value) in [
        ("/msg", Some(json!(base64_of(256)))),
        ("/flag", None),
        ("/flag", Some(json!(null))),
        ("/msg", Some(json!(""))),
    ] {
        let body = with(client_body(), path, value);
        assert_eq!(rig.client_push(SENDER, &body).await.status, 200, "{body}");
    }
    assert_eq!(rig.deliveries(&format!("device:{CID}")).await.len(), 4, "a refused push leaves nothing");
}

#[tokio::test]
async fn a_device_is_known_by_its_token_and_by_nothing_else() {
    let rig = Rig::start("").await;
    let body = client_body().to_string();
    let push = |header: Option<&str>, query: &str| {
        let request = Request::post(&format!("{CLIENT}{query}"), &body);
        rig.public(header.map_or(request.clone(), |token| request.header("X-Client-Token", token)))
    };
    let good = token(SENDER);
    let refused = [
        (None, String::new()),
        (None, "?client_token=".to_owned()),
        (Some("nonsense"), String::new()),
        (Some(&*token_with("another key", SENDER, later())), String::new()),
        (Some(&*token_with(KEY, SENDER, 1_000)), String::new()),
        (Some(&*token_with(KEY, 77, later())), String::new()),
        // An empty one is none; one that is no ASCII is no token.
        (Some(""), String::new()),
        (Some("tök"), format!("?client_token={good}")),
        (None, format!("?client_token={good}&client_token={}", token(CID))),
        // The header wins: a wrong one is not made good by the query.
        (Some("nonsense"), format!("?client_token={good}")),
        (None, format!("?Client_Token={good}")),
    ]
    .map(|(header, query)| (header.map(str::to_owned), query));
    for (header, query) in refused {
        let answer = push(header.as_deref(), &query).await;
        assert_refused(&format!("{header:?} {query}"), &answer, 401, "X-Client-Token");
    }
    for (header, query) in [
        (Some(good.clone()), String::new()),
        (None, format!("?client_token={good}")),
        (None, format!("?x=1&client_token={good}&y=2")),
        (None, format!("?client_token={}", good.replace('_', "%5F"))),
        (None, format!("?client_token={good}&client_token={good}")),
        (Some(String::new()), format!("?client_token={good}")),
        (Some(good.clone()), "?client_token=nonsense".to_owned()),
        // "any of the app's keys may match": keys are rolled over without a gap.
        (Some(token_with(NEXT_KEY, SENDER, later())), String::new()),
    ] {
        assert_eq!(push(header.as_deref(), &query).await.status, 200, "{header:?} {query}");
    }
}

#[tokio::test]
async fn one_receivers_token_that_fails_is_401_for_all() {
    let rig = Rig::start("").await;
    let expired = token_with(KEY, CID, 1_000);
    for (tokens, field) in [
        (json!([token(CID), "x"]), "access_tokens[1]"),
        (json!([expired, token(CID)]), "access_tokens[0]"),
        (json!([token(CID), token(CID), token_with(KEY, 77, later())]), "access_tokens[2]"),
        (json!([token_with("another key", CID, later())]), "access_tokens[0]"),
    ] {
        let body = with(client_body(), "/access_tokens", Some(tokens));
        assert_refused(&body, &rig.client_push(SENDER, &body).await, 401, field);
    }
    assert!(rig.deliveries(&format!("device:{CID}")).await.is_empty(), "\"nothing is delivered\"");
    let body = with(client_body(), "/access_tokens", Some(json!([token_with(NEXT_KEY, CID, later())])));
    assert_eq!(rig.client_push(SENDER, body).await.status, 200);
    // A token may come escaped: JSON says so.
    let body = client_body().to_string().replace('_', "\\u005f").replace("access\\u005ftokens", "access_tokens");
    assert_eq!(rig.client_push(SENDER, body).await.status, 200);
}

#[tokio::test]
async fn an_app_is_known_by_its_id_and_any_of_its_keys() {
    let rig = Rig::start("").await;
    let push = |headers: &[(&str, &str)]| {
        let request = Request::post(SERVER, server_body().to_string());
        rig.public(headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
    };
    for (headers, field) in [
        (&[][..], "X-APP-ID"),
        (&[("X-APP-Key", KEY)], "X-APP-ID"),
        (&[("X-APP-ID", APP_ID)], "X-APP-Key"),
        (&[("X-APP-ID", APP_ID), ("X-APP-Key", "")], "X-APP-Key"),
        (&[("X-APP-ID", APP_ID), ("X-APP-Key", &KEY[1..])], "X-APP-Key"),
        (&[("X-APP-ID", APP_ID), ("X-APP-Key", &KEY.to_uppercase())], "X-APP-Key"),
        (&[("X-APP-ID", "test"), ("X-APP-Key", KEY)], "X-APP-Key"),
    ] {
        let answer = push(headers).await;
        assert_refused(&format!("{headers:?}"), &answer, 401, field);
        assert!(!answer.body.contains(KEY), "a key never comes back: {}", answer.body);
    }
    for headers in [
        [("X-APP-ID", APP_ID), ("X-APP-Key", KEY)],
        [("X-APP-ID", APP_ID), ("X-APP-Key", NEXT_KEY)],
        [("x-app-id", APP_ID), ("X-App-key", KEY)],
    ] {
        assert_eq!(push(&headers).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn a_cid_of_another_app_is_403() {
    let rig = Rig::start("").await;
    for (body, field) in [
        (with(server_body(), "/payload/clients", Some(json!([CID, 77]))), "payload.clients[1]"),
        (with(proxy_body(), "/payload/0/from", Some(json!(77))), "payload[0].from"),
        (with(proxy_body(), "/payload/0/to", Some(json!(1_003_300))), "payload[0].to"),
    ] {
        assert_refused(&body, &rig.server_push(&body).await, 403, field);
    }
    assert!(rig.deliveries(&format!("device:{CID}")).await.is_empty());
}

#[tokio::test]
async fn what_is_no_push_has_its_status() {
    let rig = Rig::start("").await;
    let huge = " ".repeat((1 << 20) + 1);
    assert_refused("one byte over", &rig.client_push(SENDER, &huge).await, 413, "body");
    assert_refused("one byte over", &rig.server_push(&huge).await, 413, "body");
    assert_refused("a stranger's", &rig.public(Request::post(CLIENT, &huge)).await, 401, "X-Client-Token");
    for path in [CLIENT, SERVER] {
        for method in ["GET", "PUT", "DELETE"] {
            let answer = rig.public(Request::new(method, path)).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method} {path}");
            request_id(&answer);
        }
    }
    for path in ["/", "/V2/message/client/push", "/api/status"] {
        let answer = rig.public(Request::post(path, "")).await;
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!(404)), "{path}");
    }
    // "Every response carries `X-Request-ID`"
    for path in ["/v2/message/", "/v2/message/push", "/v2/message/client/push/", "/v2/message/server/pull/1"] {
        let answer = rig.public(Request::post(path, "")).await;
        request_id(&answer);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (404, &json!(404)), "{path}");
    }
    for path in [CLIENT, SERVER] {
        let answer = rig.public(Request::new("OPTIONS", path)).await;
        request_id(&answer);
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "OPTIONS {path}");
        let head = format!("HEAD {path} HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n");
        let head = within_bound(pushgate_tests::BOUND, bytes_of_answer(&rig, &head)).await;
        assert!(head.starts_with("HTTP/1.1 405 ") && head.to_lowercase().contains("\r\nx-request-id: "), "{head}");
    }
}

async fn bytes_of_answer(rig: &Rig, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(rig.gateway.public).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_body_is_held_to_its_limits_and_the_limits_are_settings() {
    let rig = Rig::start("[limits]\nbody_bytes = 1024\nbody_timeout_ms = 200").await;
    let body = client_body().to_string();
    let padded = |len: usize| format!("{body}{}", " ".repeat(len - body.len()));
    assert_eq!(rig.client_push(SENDER, padded(1024)).await.status, 200);
    assert_refused("a byte over", &rig.client_push(SENDER, padded(1025)).await, 413, "body");
    // A body that does not come to its end: too slow, and broken off.
    let request = Request::post(CLIENT, &body).header("X-Client-Token", &token(SENDER)).to_bytes();
    let slow = exchange(rig.gateway.public, &request[..request.len() - 1]).await.expect("an answer");
    assert_refused("too slow", &slow, 408, "body");
    assert_eq!(rig.deliveries(&format!("device:{CID}")).await.len(), 1, "a refused push leaves nothing");
}

#[tokio::test]
async fn a_push_that_cannot_be_kept_is_503_and_leaves_nothing() {
    // What the page calls 500 is a 503 here where coming again helps (ours): it says after how long.
    let failure = Failure { nth: 1, count: u64::MAX / 2, when: When::Before, kind: store::ErrorKind::Other };
    let failing = FailingStore::new(store::open("sqlite::memory:").await.unwrap(), failure);
    let rig = Rig::start_on(failing, "").await;
    let refused = |what: &str, answer: &Answer| {
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{what}: {}", answer.body);
        request_id(answer);
        assert_eq!(answer.json()["error"]["code"], 503, "{what}");
    };
    refused("a device's", &rig.client_push(SENDER, client_body().to_string()).await);
    refused("an application server's", &rig.server_push(server_body().to_string()).await);
    assert!(rig.deliveries(&format!("device:{CID}")).await.is_empty());
    let text = rig.admin(Request::get("/metrics")).await.body;
    assert!(text.contains(r#"pushgate_refused_total{reason="store"} 2"#), "{text}");

    let rig = Rig::start("[limits]\ndevice_queue = 1").await;
    assert_eq!(rig.server_push(server_body().to_string()).await.status, 200);
    let both = with(server_body(), "/payload/clients", Some(json!([CID + 1, CID])));
    refused("one more", &rig.server_push(&both).await);
    assert!(rig.deliveries(&format!("device:{}", CID + 1)).await.is_empty(), "all or nothing");
    let text = rig.admin(Request::get("/metrics")).await.body;
    assert!(text.contains(r#"pushgate_refused_total{reason="queue"} 1"#), "{text}");
}

#[tokio::test]
async fn a_device_that_pushes_too_often_is_429_and_the_others_are_not() {
    let rig = Rig::start("[limits]\ndevice_pushes = 3").await;
    let body = client_body().to_string();
    let (mut taken, mut refused) = (0, None);
    while refused.is_none() {
        let answer = rig.client_push(SENDER, &body).await;
        match answer.status {
            200 => taken += 1,
            _ => refused = Some(answer),
        }
        assert!(taken < 100, "no end to what one device may push");
    }
    let answer = refused.unwrap();
    request_id(&answer);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{}", answer.body);
    let error = &answer.json()["error"];
    assert!(error["message"].as_str().unwrap().contains("limits.device_pushes"), "{error}");
    assert!(taken >= 3, "{taken}: a second's worth may come at once");
    assert_eq!(rig.deliveries(&format!("device:{CID}")).await.len(), taken, "a refused push leaves nothing");
    assert_eq!(rig.client_push(SENDER + 1, &body).await.status, 200, "another device");
    assert_eq!(rig.server_push(server_body().to_string()).await.status, 200, "the application server");
    let text = rig.admin(Request::get("/metrics")).await.body;
    assert!(text.contains(r#"pushgate_refused_total{reason="rate"} 1"#), "{text}");
    // It comes again as it was told to, and is taken.
    until("there is a place again", async || (rig.client_push(SENDER, &body).await.status == 200).then_some(())).await;

    let rig = Rig::start("[limits]\ndevice_pushes = 0").await;
    for _ in 0..150 {
        assert_eq!(rig.client_push(SENDER, &body).await.status, 200, "0 is no limit");
    }
}

/// "An app has one or more keys": they are rolled over by a reload, without a gap and without a remainder.
#[tokio::test]
async fn a_key_counts_from_the_reload_that_brings_it_to_the_one_that_takes_it() {
    let hook = Receiver::start(|_, _| (204, String::new())).await;
    let webhook = format!("webhook = '{}'", hook.url("/hook"));
    let rig = Rig::start_with("", &webhook, "").await;
    let keys = |keys: &str| {
        let text = format!(
            "[network]\nallow_private = true\n[[lingyang.apps]]\nid = '{APP_ID}'\nkeys = [{keys}]\n\
             cids = [[1003200, 1003299], [5003000, 5003999]]\n{webhook}"
        );
        rig.gateway.reload(Config::parse(&text, "pushgate.toml").unwrap());
    };
    let both = format!("'{KEY}', '{NEXT_KEY}'");
    let turned = format!("'{NEXT_KEY}', '{KEY}'");
    let (old, new) = (format!("'{KEY}'"), format!("'{NEXT_KEY}'"));
    // The keys of the app; whether the old one and the new one count; which one signs.
    let steps = [
        (&old, true, false, KEY),
        (&both, true, true, KEY),
        (&turned, true, true, NEXT_KEY),
        (&new, false, true, NEXT_KEY),
    ];
    for (calls, (list, old_counts, new_counts, signs)) in steps.into_iter().enumerate() {
        keys(list);
        for (key, counts) in [(KEY, old_counts), (NEXT_KEY, new_counts)] {
            let status = if counts { 200 } else { 401 };
            let request = Request::post(SERVER, server_body().to_string());
            let answer = rig.public(request.header("X-APP-ID", APP_ID).header("X-APP-Key", key)).await;
            assert_eq!(answer.status, status, "an application server's key, of {list}");
            let push = |sender: &str, receiver: &str| {
                let body = with(client_body(), "/access_tokens", Some(json!([receiver])));
                rig.public(Request::post(CLIENT, body).header("X-Client-Token", sender))
            };
            let good = token_with(signs, SENDER, later());
            let own = token_with(key, SENDER, later());
            let answer = push(&own, &token_with(signs, CID, later())).await;
            assert_eq!(answer.status, status, "a device's key, of {list}");
            let answer = push(&good, &token_with(key, CID, later())).await;
            assert_eq!(answer.status, status, "a receiver's key, of {list}");
        }
        // The first of several signs what goes to the webhook (ours).
        let nobody = json!({ "msg": "aGVsbG8=", "callback": 1, "access_tokens": [] }).to_string();
        let request = Request::post(CLIENT, nobody).header("X-Client-Token", &token_with(signs, SENDER, later()));
        assert_eq!(rig.public(request).await.status, 200);
        let call = &hook.wait_for(calls + 1).await[calls];
        let signature = call.headers["x-event-sign"].to_str().unwrap();
        assert_eq!(sign::verify(signature, APP_ID, call.body.as_bytes(), [signs.as_bytes()]), Ok(()), "{list}");
    }
}

/// A receiver's token is the right to send to it, whichever app it is of (ours); a cid is not.
#[tokio::test]
async fn a_device_of_another_app_is_reached_by_its_token_and_not_by_its_cid() {
    const OTHER_KEY: &str = "the-other-apps-key";
    const STRANGER: u32 = 7_000_001;
    let (hook, other_hook) =
        (Receiver::start(|_, _| (204, String::new())).await, Receiver::start(|_, _| (204, String::new())).await);
    let other = format!(
        "[[lingyang.apps]]\nid = 'Other'\nkeys = ['{OTHER_KEY}']\ncids = [[7000000, 7000999]]\nwebhook = '{}'",
        other_hook.url("/")
    );
    let rig = Rig::start_with("", &format!("webhook = '{}'", hook.url("/")), &other).await;
    let push = |receiver: String| {
        let body = json!({ "msg": "aGVsbG8=", "callback": 1, "access_tokens": [receiver] });
        rig.client_push(SENDER, body.to_string())
    };
    let answer = push(token_with(KEY, STRANGER, later())).await;
    assert_refused("signed by the sender's app", &answer, 401, "access_tokens[0]");
    assert_eq!(push(token_with(OTHER_KEY, STRANGER, later())).await.status, 200);
    assert_eq!(rig.deliveries(&format!("device:{STRANGER}")).await.len(), 1);
    let call = &hook.wait_for(1).await[0];
    assert!(call.body.contains("[7000001]"), "the sender's app hears of it: {}", call.body);
    assert!(rig.deliveries("webhook:Other").await.is_empty(), "and the other does not");

    let body = with(server_body(), "/payload/clients", Some(json!([STRANGER])));
    assert_refused("by its cid", &rig.server_push(&body).await, 403, "payload.clients[0]");
}

/// "Here \"dropped\" is recorded and visible, never silent."
#[tokio::test]
async fn what_is_dropped_says_why_and_is_counted() {
    let rig = Rig::start("").await;
    let silent = connected(&rig, CID).await;
    let flag_3 = |to: u32| json!({ "proxy": 0, "payload": { "msg": "aGVsbG8=", "flag": 3, "clients": [to] } });
    for to in [CID, CID + 1] {
        assert_eq!(rig.server_push(flag_3(to).to_string()).await.status, 200);
    }
    for (to, reason, told) in [
        (CID, "once", "once: sent once, and not acknowledged within 5 s"),
        (CID + 1, "offline", "offline: the device is not connected"),
    ] {
        let id = rig.only_delivery(&format!("device:{to}")).await;
        let dropped = rig.until_state(&id, "dropped").await;
        assert_eq!(dropped["last_error"], told);
        assert_eq!(rig.deliveries(&format!("device:{to}")).await[0]["last_error"], told);
        assert_eq!(dropped["attempts"].as_array().unwrap().len(), 1);
        let text = rig.admin(Request::get("/metrics")).await.body;
        let line = format!("pushgate_dropped_total{{reason=\"{reason}\"}} 1\n");
        assert!(text.contains(&line), "{line}: {text}");
    }
    drop(silent);
}

#[tokio::test]
async fn members_may_come_in_any_order_and_unknown_ones_are_skipped() {
    let rig = Rig::start("").await;
    let mut device = connected(&rig, CID).await;
    let bodies = [
        format!(r#"{{"payload":{{"clients":[{CID}],"msg":"YQ=="}},"proxy":0}}"#),
        format!(r#"{{"x":[{{"proxy":9}}],"payload":[{{"msg":"Yg==","to":{CID},"from":{SENDER}}}],"proxy":1}}"#),
    ];
    for body in &bodies {
        assert_eq!(rig.server_push(body).await.status, 200, "{body}");
    }
    let (first, second) = (device.take_message().await, device.take_message().await);
    assert_eq!((&first["msg"], &first["from"]), (&json!("YQ=="), &json!(0)));
    assert_eq!((&second["msg"], &second["from"]), (&json!("Yg=="), &json!(SENDER)));
}

#[tokio::test]
async fn a_receiver_listed_twice_gets_a_message_once() {
    let rig = Rig::start("").await;
    let mut device = connected(&rig, CID).await;
    let twice = with(server_body(), "/payload/clients", Some(json!([CID, CID, CID])));
    assert_eq!(rig.server_push(&twice).await.status, 200);
    let twice = with(client_body(), "/access_tokens", Some(json!([token(CID), token_with(NEXT_KEY, CID, later())])));
    assert_eq!(rig.client_push(SENDER, &twice).await.status, 200);
    device.take_message().await;
    device.take_message().await;
    assert_eq!(rig.deliveries(&format!("device:{CID}")).await.len(), 2);
    // Two messages of one push are two messages.
    let mut proxy = proxy_body();
    proxy["payload"] = json!([proxy["payload"][0], proxy["payload"][0]]);
    assert_eq!(rig.server_push(proxy.to_string()).await.status, 200);
    assert_ne!(device.take_message().await["id"], device.take_message().await["id"]);
}

#[tokio::test]
async fn a_hundred_receivers_are_served_and_the_limit_is_a_setting() {
    let rig = Rig::start("").await;
    let hundred: Vec<u32> = (5_003_000..5_003_100).collect();
    let body = with(server_body(), "/payload/clients", Some(json!(hundred)));
    assert_eq!(rig.server_push(body).await.status, 200);
    let listed = rig.admin_json("/api/deliveries?limit=1000").await;
    assert_eq!(listed["deliveries"].as_array().unwrap().len(), 100);

    let rig = Rig::start("[limits]\nreceivers_per_request = 2").await;
    for (clients, status) in [(vec![CID, CID + 1], 200), (vec![CID, CID + 1, CID + 2], 400)] {
        let body = with(server_body(), "/payload/clients", Some(json!(clients)));
        assert_eq!(rig.server_push(body).await.status, status, "{clients:?}");
    }
}

#[tokio::test]
async fn callback_1_calls_the_apps_webhook_back() {
    let hook = Receiver::start(|n, _| (if n == 0 { 500 } else { 204 }, String::new())).await;
    let rig = Rig::start_with("", &format!("webhook = '{}'", hook.url("/hook")), "").await;
    let mut device = connected(&rig, CID).await;
    let body = with(client_body(), "/callback", Some(json!(1)));
    assert_eq!(rig.client_push(SENDER, body).await.status, 200);
    device.take_message().await;
    let calls = hook.wait_for(2).await;
    for call in &calls {
        let header = |name: &str| call.headers[name].to_str().unwrap();
        assert_eq!((call.path.as_str(), header("user-agent"), header("x-app-id")), ("/hook", "Topvdn", APP_ID));
        assert_eq!((header("x-topvdn-event"), header("content-type")), ("device-message", "application/json"));
        // "lowercase hex MD5(app id ‖ raw body ‖ app key)", by the first of the keys
        let verified = sign::verify(header("x-event-sign"), APP_ID, call.body.as_bytes(), [KEY.as_bytes()]);
        assert_eq!(verified, Ok(()));
        let event: Value = serde_json::from_str(&call.body).unwrap();
        let data = &event["data"];
        assert_eq!((&event["event"], &data["msg"]), (&json!("device-message"), &json!("aGVsbG8=")));
        assert_eq!((&data["from"], &data["to"]), (&json!(SENDER), &json!([CID])));
        assert!(data["created"].as_u64().unwrap().abs_diff(now()) <= 5);
    }
    let call = rig.only_delivery(&format!("webhook:{APP_ID}")).await;
    let delivered = rig.until_state(&call, "delivered").await;
    assert_eq!(delivered["attempts"].as_array().unwrap().len(), 2, "a 500 is retried: success is any 2xx");

    // "empty = to no device (with callback 1 it still goes to the webhook)"
    let nobody = json!({ "msg": "aGVsbG8=", "callback": 1, "access_tokens": [] });
    assert_eq!(rig.client_push(SENDER, nobody.to_string()).await.status, 200);
    let calls = hook.wait_for(3).await;
    assert!(calls[2].body.contains(r#""to":[]"#), "{}", calls[2].body);

    assert_eq!(rig.client_push(SENDER, client_body().to_string()).await.status, 200);
    device.take_message().await;
    assert_eq!(rig.deliveries(&format!("webhook:{APP_ID}")).await.len(), 2, "callback 0 calls nobody");
}

#[tokio::test]
async fn callback_1_without_a_webhook_is_no_fault() {
    let rig = Rig::start("").await;
    let body = with(client_body(), "/callback", Some(json!(1)));
    assert_eq!(rig.client_push(SENDER, body).await.status, 200);
    assert_eq!(rig.deliveries(&format!("device:{CID}")).await.len(), 1);
    assert!(rig.deliveries(&format!("webhook:{APP_ID}")).await.is_empty());
    let nobody = json!({ "msg": "aGVsbG8=", "callback": 0, "access_tokens": [] });
    assert_eq!(rig.client_push(SENDER, nobody.to_string()).await.status, 200);
}

async fn connected(rig: &Rig, cid: u32) -> Device {
    let device = rig.device(cid).await;
    until("the device is connected", async || {
        let devices = rig.admin_json("/api/devices").await;
        devices["devices"].as_array()?.iter().any(|device| device["cid"] == cid).then_some(())
    })
    .await;
    device
}
