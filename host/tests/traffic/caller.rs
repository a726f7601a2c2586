//! Who makes the traffic: submitters, and a device.

use std::net::SocketAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use pushgate_tests::{APP_ID, Device, KEY, Random, Request, tencent_batch, token, uplink_batch};
use serde_json::json;

use super::{Asked, Book, CID, Lane, REFUSES_ONE_OF, Told};

/// Items of a submission that makes more than one delivery.
const MANY: u64 = 120;

/// One of the submitters: calls one endpoint after the other until the gateway is gone.
pub(super) struct Caller {
    pub(super) book: Book,
    pub(super) name: String,
    pub(super) random: Random,
    pub(super) public: SocketAddr,
    pub(super) admin: SocketAddr,
}

impl Caller {
    pub(super) async fn call(mut self) {
        for n in 0.. {
            let item = |i: u64| format!("{}-{n}-{i}", self.name);
            let few = 1 + self.random.below(3);
            let (lane, items, request, address) = match self.random.below(8) {
                0 | 1 => self.uplink((0..few).map(item).collect()),
                2 if few == 1 => self.uplink((0..MANY).map(item).collect()),
                2 | 3 => {
                    let items: Vec<_> = (0..few).map(item).collect();
                    (Lane::Tencent, items.clone(), Request::post("/api/tencent/im", tencent_batch(&items)), self.admin)
                }
                4 | 5 => {
                    let items: Vec<_> = (0..few).map(item).collect();
                    let request = Request::post("/receive/uplink/ucloud", uplink_batch(&items));
                    (Lane::Forward, items, request, self.public)
                }
                6 => (Lane::Device, vec![item(0)], self.push(&item(0)), self.public),
                _ => {
                    // The last item is wrong: nothing of the request may be taken.
                    let items: Vec<_> = (0..=few).map(item).collect();
                    let body = uplink_batch(&items);
                    let place = body.rfind("1563867000").expect("a time");
                    let body = format!("{}\"soon\"{}", &body[..place], &body[place + 10..]);
                    if self.random.below(2) == 0 {
                        (Lane::Uplink, items, Request::post("/api/uplink/acme", body), self.admin)
                    } else {
                        (Lane::Forward, items, Request::post("/receive/uplink/ucloud", body), self.public)
                    }
                }
            };
            let answer = request.try_send(address).await;
            let told = match &answer {
                None => Told::Nothing,
                Some(answer) if matches!(answer.status, 200 | 202) => {
                    let ids = answer.json()["ids"].as_array().cloned().unwrap_or_default();
                    Told::Accepted(ids.iter().filter_map(|id| id.as_str().map(str::to_owned)).collect())
                }
                Some(answer) => {
                    // What is wrong, and what comes while there is no room or the gateway is about to end.
                    assert!(matches!(answer.status, 400 | 503), "{}: {}", answer.status, answer.body);
                    Told::Refused
                }
            };
            let mut ledger = self.book.open();
            let life = ledger.life;
            ledger.asked.push(Asked { lane, items, life, told });
            if answer.is_none() {
                return;
            }
        }
    }

    fn uplink(&self, items: Vec<String>) -> (Lane, Vec<String>, Request, SocketAddr) {
        let request = Request::post("/api/uplink/acme", uplink_batch(&items));
        (Lane::Uplink, items, request, self.admin)
    }

    /// As the application server, or as a device.
    fn push(&mut self, item: &str) -> Request {
        let msg = BASE64_STANDARD.encode(item);
        if self.random.below(2) == 0 {
            let body = json!({ "msg": msg, "flag": 2, "callback": 0, "access_tokens": [token(CID)] });
            return Request::post("/v2/message/client/push", body.to_string()).header("X-Client-Token", &token(CID));
        }
        let body = json!({ "proxy": 0, "payload": { "msg": msg, "flag": 2, "clients": [CID] } });
        let request = Request::post("/v2/message/server/push", body.to_string());
        request.header("X-APP-ID", APP_ID).header("X-APP-Key", KEY)
    }
}

/// A device that takes its messages until the gateway is gone, and now and then forgets to say so.
pub(super) async fn be_device(book: Book, link: SocketAddr, mut random: Random) {
    let Some(mut device) = Device::try_hello(link, &token(CID)).await else { return };
    while let Some(frame) = device.try_next().await {
        let message = &frame["message"];
        let Some(msg) = message["msg"].as_str() else { continue };
        let msg = BASE64_STANDARD.decode(msg).expect("base64");
        book.arrived(Lane::Device, vec![String::from_utf8(msg).expect("a text")]);
        if random.below(REFUSES_ONE_OF) > 0 {
            device.send(&json!({ "ack": message["id"] })).await;
        }
    }
}
