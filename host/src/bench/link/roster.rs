//! Who the devices are: their cids, their tokens, and the gateway's configuration that knows them.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use pushgate_core::lingyang::{Cid, Token};

use super::CannotRun;
use crate::bench::wire::request;

/// The app that owns every device, and its key. Any will do: the gateway is started for the measurement.
const APP: &str = "Bench";
const KEY: &str = "00112233445566778899aabbccddeeff";

/// The first device's cid; the others follow.
const FIRST_CID: u32 = 1_000_000;

/// How long tokens are good for, in seconds (ours): longer than any measurement.
const GOOD_FOR: u64 = 7 * 86_400;

/// Connections that a gateway takes beyond those of the devices (ours): what is over may still be there when its
/// successor comes.
const SPARE: usize = 1_000;

/// Every message: "hello".
const MSG: &str = "aGVsbG8=";

/// The devices.
#[derive(Debug)]
pub(super) struct Roster {
    tokens: Vec<String>,
}

impl Roster {
    /// Makes so many devices.
    pub(super) fn new(devices: usize) -> Result<Self, CannotRun> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let expire = u32::try_from(now + GOOD_FOR).unwrap_or(u32::MAX);
        let token = |number| {
            let cid = Cid::new(cid(number)).ok_or_else(|| CannotRun::because("a device without a cid"))?;
            Ok(Token::issue(KEY.as_bytes(), cid, 0, expire).to_string())
        };
        Ok(Self { tokens: (0..devices).map(token).collect::<Result<_, CannotRun>>()? })
    }

    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// A device's token; devices are numbered from 0, and from 0 again after the last.
    pub(super) fn token(&self, number: usize) -> &str {
        self.tokens.get(number % self.len().max(1)).map_or("", String::as_str)
    }

    /// The configuration of a gateway that knows them.
    pub(super) fn configuration(&self) -> String {
        let last = cid(self.len().saturating_sub(1));
        let connections = self.len() + SPARE;
        format!(
            "[listen]\npublic = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n\
             [limits]\nconnections = {connections}\n\
             [[lingyang.apps]]\nid = '{APP}'\nkeys = ['{KEY}']\ncids = [[{FIRST_CID}, {last}]]\n"
        )
    }

    /// The request with which one device pushes to another and asks for a receipt.
    pub(super) fn client_push(&self, host: &str, from: usize, to: usize) -> Bytes {
        let (from, to) = (self.token(from), self.token(to));
        let headers = format!("X-Client-Token: {from}\r\nContent-Type: application/json\r\n");
        let body = format!(r#"{{"msg":"{MSG}","flag":2,"callback":1,"access_tokens":["{to}"]}}"#);
        request("POST", host, "/v2/message/client/push", &headers, &body)
    }

    /// The request with which the application server pushes to these devices.
    pub(super) fn server_push(host: &str, to: impl IntoIterator<Item = usize>) -> Bytes {
        let clients: Vec<_> = to.into_iter().map(|number| cid(number).to_string()).collect();
        let headers = format!("X-APP-ID: {APP}\r\nX-APP-Key: {KEY}\r\nContent-Type: application/json\r\n");
        let clients = clients.join(",");
        let body = format!(r#"{{"proxy":0,"payload":{{"msg":"{MSG}","flag":2,"clients":[{clients}]}}}}"#);
        request("POST", host, "/v2/message/server/push", &headers, &body)
    }
}

/// A device's cid.
pub(super) fn cid(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX).saturating_add(FIRST_CID)
}

#[cfg(test)]
mod tests {
    use pushgate_core::{
        Text,
        lingyang::{Callback, ClientPush, Flag, ServerPush},
    };

    use super::*;
    use crate::{auth, config::Config};

    fn body(request: &[u8]) -> &[u8] {
        let head = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        &request[head + 4..]
    }

    #[test]
    fn the_gateway_knows_every_device() {
        let roster = Roster::new(3).unwrap();
        let config = Config::parse(&roster.configuration(), "bench").unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        for number in 0..3 {
            let device = auth::device(&config.lingyang, Text::from(roster.token(number)), now).unwrap();
            assert_eq!(device.cid.value(), cid(number));
        }
        assert!(auth::app(&config.lingyang, APP, KEY).is_some());
        assert!(config.limits.connections >= 3);
    }

    #[test]
    fn pushes_are_right() {
        let roster = Roster::new(3).unwrap();
        let request = roster.client_push("h", 0, 2);
        let push = ClientPush::read(body(&request), 100).unwrap();
        assert_eq!((push.flag, push.callback), (Some(Flag::UntilAnswered), Callback::Yes));
        assert!(push.access_tokens.iter().eq([Text::from(roster.token(2))]));

        let request = Roster::server_push("h", 0..3);
        let ServerPush::Batch(batch) = ServerPush::read(body(&request), 100).unwrap() else { panic!("a batch") };
        assert!(batch.clients.iter().map(Cid::value).eq([0, 1, 2].map(cid)));
    }
}
