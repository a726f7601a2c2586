//! Traces promise: a collector is told of a request, its deliveries and their sends as one tree, in the caller's trace;
//! and one that does not answer costs nothing else.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use pushgate_tests::{Receiver, Request, Rig, until, uplink_batch, within};
use tokio::net::TcpListener;

const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A collector that keeps what it is sent.
struct Collector {
    url: String,
    kept: Arc<Mutex<Vec<Bytes>>>,
}

impl Collector {
    async fn start() -> Self {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let keeps = Arc::clone(&kept);
        let take = move |headers: HeaderMap, body: Bytes| {
            let keeps = Arc::clone(&keeps);
            async move {
                assert_eq!(headers["content-type"], "application/x-protobuf");
                keeps.lock().unwrap().push(body);
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let routes = Router::new().route("/v1/traces", post(take));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, kept }
    }

    /// The spans so far, once one of them is called `name`.
    async fn until_has(&self, name: &str) -> Vec<Span> {
        until(&format!("the collector has a span called {name}"), async || {
            let spans: Vec<_> = self.kept.lock().unwrap().iter().flat_map(|body| spans(body)).collect();
            spans.iter().any(|span| span.name == name).then_some(spans)
        })
        .await
    }
}

/// What the test looks at of a span.
#[derive(Clone, Debug)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    /// Texts as they are, numbers in decimal.
    attributes: Vec<(String, String)>,
    failed: bool,
}

impl Span {
    fn says(&self, name: &str, value: &str) -> bool {
        self.attributes.iter().any(|(key, said)| key == name && said == value)
    }
}

/// A field of a protobuf message: bytes, or a number.
enum Field<'b> {
    Bytes(&'b [u8]),
    Number(u64),
}

/// The fields of a protobuf message, with their numbers.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    fn number(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().expect("a whole number");
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if first & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = number(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(number(&mut bytes)),
            1 => {
                let (fixed, rest) = bytes.split_first_chunk::<8>().expect("eight bytes");
                bytes = rest;
                Field::Number(u64::from_le_bytes(*fixed))
            }
            2 => {
                let len = usize::try_from(number(&mut bytes)).unwrap();
                let (field, rest) = bytes.split_at(len);
                bytes = rest;
                Field::Bytes(field)
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

/// The messages in the field `number`.
fn messages(bytes: &[u8], number: u64) -> Vec<&[u8]> {
    let messages = fields(bytes).into_iter().filter(|(field, _)| *field == number);
    let bytes = messages.map(|(_, field)| match field {
        Field::Bytes(bytes) => bytes,
        Field::Number(number) => panic!("{number} is no message"),
    });
    bytes.collect()
}

fn bytes(message: &[u8], number: u64) -> Vec<u8> {
    messages(message, number).first().map(|bytes| bytes.to_vec()).unwrap_or_default()
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8(bytes(message, number)).unwrap()
}

/// The spans of an `ExportTraceServiceRequest`: `resource_spans` = 1, `scope_spans` = 2, `spans` = 2.
fn spans(request: &[u8]) -> Vec<Span> {
    let scopes = messages(request, 1).into_iter().flat_map(|resource| messages(resource, 2));
    let spans = scopes.flat_map(|scope| messages(scope, 2));
    let span = |span: &[u8]| Span {
        trace: bytes(span, 1),
        id: bytes(span, 2),
        parent: bytes(span, 4),
        name: text(span, 5),
        attributes: messages(span, 9).into_iter().map(|pair| (text(pair, 1), value(&bytes(pair, 2)))).collect(),
        failed: !bytes(span, 15).is_empty(),
    };
    spans.map(span).collect()
}

fn value(any: &[u8]) -> String {
    match fields(any).pop() {
        Some((1, Field::Bytes(text))) => String::from_utf8(text.to_vec()).unwrap(),
        Some((3, Field::Number(number))) => number.to_string(),
        _ => panic!("neither text nor number"),
    }
}

fn config(collector: &str, receiver: &Receiver, more: &str) -> String {
    format!(
        "[telemetry]\notlp = '{collector}'\n{more}\n[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n\
         linger_ms = 0\nretry_every_ms = 10\n",
        receiver.url("/sms?key=hunter2")
    )
}

#[tokio::test]
async fn a_collector_sees_a_request_its_delivery_and_every_send() {
    let (collector, receiver) = (Collector::start().await, Receiver::uplink(1).await);
    let rig = Rig::start(&config(&collector.url, &receiver, "")).await;
    let submission = Request::post("/api/uplink/acme", uplink_batch(&["OK"]));
    let submission = submission.header("X-Request-ID", "order-77").header("traceparent", CALLER);
    let answer = rig.admin(submission).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    let delivery = answer.json()["ids"][0].as_str().unwrap().to_owned();
    rig.until_state(&delivery, "delivered").await;
    // Nothing is sent on: what a destination is asked is the vendor's to say.
    assert!(receiver.received().iter().all(|request| !request.headers.contains_key("traceparent")));
    within(rig.gateway.stop()).await;

    let spans = collector.until_has("attempt").await;
    let called = |name: &str| spans.iter().filter(|span| span.name == name).cloned().collect::<Vec<_>>();
    let [request] = &called("POST /api/uplink/{destination}")[..] else { panic!("{spans:?}") };
    assert_eq!(request.trace, 0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes());
    assert_eq!(request.parent, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert!(request.says("pushgate.request_id", "order-77") && request.says("http.response.status_code", "202"));
    let [accepted] = &called("delivery")[..] else { panic!("{spans:?}") };
    assert_eq!((&accepted.trace, &accepted.parent), (&request.trace, &request.id));
    assert!(accepted.says("pushgate.delivery", &delivery) && accepted.says("pushgate.lane", "uplink:acme"));
    let attempts = called("attempt");
    for (attempt, (number, class)) in attempts.iter().zip([("1", "code"), ("2", "delivered")]) {
        assert_eq!((&attempt.trace, &attempt.parent), (&request.trace, &accepted.id));
        assert!(
            attempt.says("pushgate.delivery", &delivery) && attempt.says("pushgate.attempt", number),
            "{attempt:?}"
        );
        assert!(attempt.says("pushgate.class", class), "{attempt:?}");
        assert_eq!(attempt.failed, class != "delivered");
    }
    assert_eq!(attempts.len(), 2);
    let bodies = collector.kept.lock().unwrap().concat();
    assert!(!String::from_utf8_lossy(&bodies).contains("hunter2"), "a query is in no trace");
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_nothing() {
    let receiver = Receiver::uplink(0).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let rig = Rig::start(&config(&format!("http://{nobody}"), &receiver, "")).await;
    for _ in 0..20 {
        let answer = rig.admin(Request::post("/api/uplink/acme", uplink_batch(&["OK"]))).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
    }
    receiver.wait_for(20).await;
    within(rig.gateway.stop()).await;
}

#[tokio::test]
async fn what_is_not_sampled_is_not_told() {
    let (collector, receiver) = (Collector::start().await, Receiver::uplink(0).await);
    let rig = Rig::start(&config(&collector.url, &receiver, "sampling = 0")).await;
    for headers in [None, Some(CALLER.replace("-01", "-00")), Some(CALLER.to_owned())] {
        let mut submission = Request::post("/api/uplink/acme", uplink_batch(&["OK"]));
        if let Some(parent) = &headers {
            submission = submission.header("traceparent", parent);
        }
        assert_eq!(rig.admin(submission).await.status, 202);
    }
    receiver.wait_for(3).await;
    within(rig.gateway.stop()).await;
    let spans = collector.until_has("attempt").await;
    let traces: Vec<_> = spans.iter().filter(|span| span.name.starts_with("POST")).collect();
    assert_eq!(traces.len(), 1, "the one whose caller records it: {spans:?}");
}
