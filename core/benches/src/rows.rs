//! The rows of the table: what is read and written, and what pushgate shall reach.

use serde::Serialize;

use crate::model::{Batch, ClientPush, Event, Events, Message, Proxied, ServerPush, Uplinks};

/// One row: a name, the work, the goal.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) input: Input,
    pub(crate) target: Target,
}

/// What an operation starts from: a body to read, or values to write.
pub(crate) enum Input {
    /// Events in their documented order, texts in ASCII.
    Events(Vec<u8>),
    /// Replies with Chinese texts in UTF-8.
    Uplinks(Vec<u8>),
    /// The same as PHP sends them: every character beyond ASCII as `\uXXXX`.
    EscapedUplinks(Vec<u8>),
    /// A device's push.
    ClientPush(Vec<u8>),
    /// The application server's push to many.
    ServerPush(Vec<u8>),
    /// The application server's push in devices' names.
    ProxiedPush(Vec<u8>),
    /// Events to write.
    WriteEvents(Events<Vec<Event<'static>>>),
    /// Replies to write.
    WriteUplinks(Uplinks<Vec<Message<'static>>>),
}

/// What pushgate shall reach in a row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    /// Speed relative to serde_json.
    pub(crate) ratio: f64,
    /// Instructions of one run.
    pub(crate) instructions: Option<u64>,
    /// A peer that shall not be faster.
    pub(crate) not_behind: Option<&'static str>,
}

impl Target {
    const fn ratio(ratio: f64) -> Self {
        Self { ratio, instructions: None, not_behind: None }
    }

    const fn push() -> Self {
        Self { ratio: 1.5, instructions: None, not_behind: Some("sonic-rs") }
    }
}

/// All rows, in the order of the table.
pub(crate) fn all() -> Vec<Row> {
    let events = Target { instructions: Some(260_000), ..Target::ratio(3.3) };
    let row = |name, input, target| Row { name, input, target };
    vec![
        row("read 100 events", Input::Events(json(&event_batch(100))), events),
        row("read 1 event", Input::Events(json(&event_batch(1))), Target::ratio(3.5)),
        row("read 10 uplinks, Chinese", Input::Uplinks(json(&uplink_batch(10))), Target::ratio(2.3)),
        row("read 100 uplinks, escapes", Input::EscapedUplinks(escaped(&json(&uplink_batch(100)))), Target::ratio(2.8)),
        row("read client push, 3 tokens", Input::ClientPush(client_push()), Target::push()),
        row("read server push, 50 ids", Input::ServerPush(server_push()), Target::push()),
        row("read 10 proxied messages", Input::ProxiedPush(proxied_push()), Target::push()),
        row("write 100 events", Input::WriteEvents(event_batch(100)), Target::ratio(3.4)),
        row("write 100 uplinks", Input::WriteUplinks(uplink_batch(100)), Target::ratio(3.0)),
    ]
}

impl Input {
    /// Bytes of the body that is read or written.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Events(body)
            | Self::Uplinks(body)
            | Self::EscapedUplinks(body)
            | Self::ClientPush(body)
            | Self::ServerPush(body)
            | Self::ProxiedPush(body) => body.len(),
            Self::WriteEvents(events) => json(events).len(),
            Self::WriteUplinks(uplinks) => json(uplinks).len(),
        }
    }
}

/// Every third event in a group chat, every tenth push failed.
fn event_batch(count: u32) -> Events<Vec<Event<'static>>> {
    let event = |n: u32| {
        let group = n % 3 == 2;
        let seq = 48_374 + n * 17;
        let random = 2_837_546 + n * 7919;
        let time = 1_557_481_126 + u64::from(n);
        let failed = n % 10 == 9;
        Event {
            callback_command: "Push.OfflinePush",
            event_type: if group { 2 } else { 1 },
            event_time: time + 1,
            from_account: Some(kept(format!("user{}", 1000 + n))),
            to_account: kept(format!("user{}", 7000 + n * 3)),
            push_platform: Some(i64::from(1 + n % 8)),
            push_stage: i64::from(1 + n % 3),
            msg_key: (!group).then(|| kept(format!("{seq}_{random}_{time}"))),
            group_id: group.then(|| kept(format!("@TGS#12DEVUDHQ{n}"))),
            msg_seq: Some(seq),
            msg_random: Some(random),
            msg_time: Some(time),
            push_id: Some(kept(format!("67120c46_{random:08x}_9bf5fb50_{seq:015x}_2000005d8d46421"))),
            err_code: if failed { 800 } else { 0 },
            err_info: Some(if failed { "the device's token is no longer valid" } else { "OK" }),
        }
    };
    Events { events: (0..count).map(event).collect() }
}

/// What people answer to an SMS: mostly a few words, now and then a sentence or a smile.
const REPLIES: [&str; 10] = [
    "收到,谢谢",
    "好的,我会准时到",
    "请问明天下午三点可以改成四点吗?地址还是原来的科技园二号楼",
    "1",
    "已付款,订单号 20191112/8841,麻烦尽快发货",
    "谢谢😀",
    "不需要,退订",
    "包裹放在门口的柜子里就行,我晚上八点以后才回家",
    "OK,周五见",
    "你好,我的会员卡余额不对,请帮我查询一下最近三个月的消费记录,谢谢",
];

fn uplink_batch(count: u32) -> Uplinks<Vec<Message<'static>>> {
    let message = |n: u32| Message {
        extend_code: n.is_multiple_of(2).then(|| kept(format!("{}", 12_345 + n))),
        user_id: Some(kept(format!("xxx-uhost-{n:03}"))),
        phone: kept(format!("185{:08}", 12_345_678 + u64::from(n) * 104_729)),
        reply_content: REPLIES[n as usize % REPLIES.len()],
        reply_time: 1_563_867_000 + u64::from(n),
    };
    Uplinks { msg_type: 0, data: (0..count).map(message).collect() }
}

/// 63 bytes of binary, in base64.
const MSG: &str = "AAcOFRwjKjE4P0ZNVFtiaXB3foWMk5qhqK+2vcTL0tng5+71/AMKERgfJi00O0JJUFdeZWxzeoGIj5adpKuy";

fn client_push() -> Vec<u8> {
    let token = |n: u32| format!("{}_0_{}_a91f4dbe1a3fb949d7f570cfb39f07{n:02x}", 5_001_234 + n, 1_952_755_824 + n);
    let tokens: Vec<String> = (0..3).map(token).collect();
    json(&ClientPush { msg: MSG, flag: Some(3), callback: 1, access_tokens: tokens })
}

fn server_push() -> Vec<u8> {
    let clients: Vec<u32> = (0..50).map(|n| 5_003_062 + n * 37).collect();
    json(&ServerPush { proxy: 0, payload: Batch { msg: MSG, flag: Some(2), clients } })
}

fn proxied_push() -> Vec<u8> {
    let message = |n: u32| Proxied { from: 1_003_200 + n, to: 5_003_062 + n * 37, flag: Some(2 + n % 2), msg: MSG };
    let payload: Vec<Proxied<'_>> = (0..10).map(message).collect();
    json(&ServerPush { proxy: 1, payload })
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("payloads are plain objects")
}

/// The body as PHP's `json_encode` writes it by default: beyond ASCII only escapes, and `/` escaped too.
fn escaped(body: &[u8]) -> Vec<u8> {
    let mut escaped = String::new();
    for char in std::str::from_utf8(body).expect("JSON is UTF-8").chars() {
        match char {
            '/' => escaped.push_str("\\/"),
            ' '..='~' => escaped.push(char),
            beyond => {
                let mut units = [0; 2];
                let units = beyond.encode_utf16(&mut units).iter();
                escaped.extend(units.map(|unit| format!("\\u{unit:04x}")));
            }
        }
    }
    escaped.into_bytes()
}

/// The values to write live as long as the program, as a table of constants would.
fn kept(text: String) -> &'static str {
    text.leak()
}
