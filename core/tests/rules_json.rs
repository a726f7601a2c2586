//! The page "Rules for all three", sentence by sentence.
//!
//! What holds for each member of each payload (unknown, repeated, `null`, in another order) is tried on all of them in
//! the tests of the three pages; here are the grammar and its limits.

mod samples;
mod table;

use pushgate_core::{
    Error, ErrorKind, Expected, Text,
    json::{self, MAX_DEPTH, Raw},
    lingyang::{ClientPush, MAX_RECEIVERS, Reply, ServerPush, Webhook},
    link::Frame,
    tencent, uplink,
};
use samples::{Kind, SAMPLES};
use table::{hold, written};

fn compact(document: &[u8]) -> Result<String, Error> {
    let compacted = written(|buf| json::compact(document, buf));
    assert_eq!(json::check(document).err(), compacted.as_ref().err().copied(), "check and compact agree");
    compacted
}

#[test]
fn bodies_are_rfc_8259_json_strictly() {
    hold(
        "unquoted keys are refused with the byte offset",
        compact,
        &[
            ("{▲a:1}", Err("body: expected a key in double quotes, found `a`")),
            ("{▲'a':1}", Err("body: expected a key in double quotes, found `'`")),
            ("{▲1:1}", Err("body: expected a key in double quotes, found `1`")),
            (r#"{"a":1,▲b:2}"#, Err("body: expected a key in double quotes, found `b`")),
        ],
    );
    hold(
        "comments",
        compact,
        &[
            ("[1 ▲// one\n]", Err("body: expected `,` or `]`, found `/`")),
            ("▲/* all */ 1", Err("body: expected a value, found `/`")),
            (r#"{"a":1▲/**/}"#, Err("body: expected `,` or `}`, found `/`")),
            ("1▲// one", Err("body: bytes follow the end of the document")),
            ("[▲#]", Err("body: expected a value, found `#`")),
        ],
    );
    hold(
        "trailing commas",
        compact,
        &[
            ("[1,▲]", Err("body: expected a value, found `]`")),
            ("[▲,1]", Err("body: expected a value, found `,`")),
            ("[1,▲,2]", Err("body: expected a value, found `,`")),
            (r#"{"a":1,▲}"#, Err("body: expected a key in double quotes, found `}`")),
            ("{▲,}", Err("body: expected a key in double quotes, found `,`")),
            ("1▲,", Err("body: bytes follow the end of the document")),
        ],
    );
    hold(
        "raw control characters in strings",
        compact,
        &[
            ("\"a▲\u{0}\"", Err("body: a control character in a string must be escaped")),
            ("\"▲\n\"", Err("body: a control character in a string must be escaped")),
            ("\"▲\t\"", Err("body: a control character in a string must be escaped")),
            ("{\"▲\u{1f}\":1}", Err("body: a control character in a string must be escaped")),
            ("\" \u{7f}\u{80}\"", Ok("\" \u{7f}\u{80}\"")),
        ],
    );
    hold(
        "lone surrogates",
        compact,
        &[
            (r#""▲\ud83d""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\ude00""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\ud800""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\udbff""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\udc00""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\udfff""#, Err("body: half of a surrogate pair stands alone")),
            (r#""\ud7ff\ue000""#, Ok("\"\u{d7ff}\u{e000}\"")),
            (r#""▲\ud83d\ud83d""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\ud83d\u0041""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\ud83d\n""#, Err("body: half of a surrogate pair stands alone")),
            (r#""▲\ud83dude00""#, Err("body: half of a surrogate pair stands alone")),
            (r#""\ud83d\ude00▲\ude00""#, Err("body: half of a surrogate pair stands alone")),
            (r#"{"▲\ud800":1}"#, Err("body: half of a surrogate pair stands alone")),
        ],
    );
    hold(
        "leading zeros, and all else that is no number",
        compact,
        &[
            ("0▲1", Err("body: bytes follow the end of the document")),
            ("[-0▲1]", Err("body: expected `,` or `]`, found `1`")),
            ("▲+1", Err("body: expected a value, found `+`")),
            ("▲.5", Err("body: expected a value, found `.`")),
            ("[1.▲]", Err("body: expected a digit, found `]`")),
            ("[1e▲]", Err("body: expected a digit, found `]`")),
            ("[1e+▲]", Err("body: expected a digit, found `]`")),
            ("-▲", Err("body: the input ends too early")),
            ("-▲x", Err("body: expected a digit, found `x`")),
            ("1▲_000", Err("body: bytes follow the end of the document")),
            ("0▲x10", Err("body: bytes follow the end of the document")),
            ("▲NaN", Err("body: expected a value, found `N`")),
            ("-▲Infinity", Err("body: expected a digit, found `I`")),
        ],
    );
    hold(
        "literals are spelled out",
        compact,
        &[
            ("tru▲", Err("body: the input ends too early")),
            ("[tr▲ee]", Err("body: expected `true`, `false` or `null`, found `e`")),
            ("▲True", Err("body: expected a value, found `T`")),
            ("null▲l", Err("body: bytes follow the end of the document")),
        ],
    );
    hold(
        "bytes after the value",
        compact,
        &[
            ("{}▲{}", Err("body: bytes follow the end of the document")),
            ("[]▲]", Err("body: bytes follow the end of the document")),
            ("1 ▲2", Err("body: bytes follow the end of the document")),
            ("\"a\"▲x", Err("body: bytes follow the end of the document")),
            ("1▲\u{0}", Err("body: bytes follow the end of the document")),
            (" 1 \t\r\n", Ok("1")),
        ],
    );
    hold(
        "what ends too early, and white space of other kinds",
        compact,
        &[
            ("▲", Err("body: the input ends too early")),
            (" \n▲", Err("body: the input ends too early")),
            ("[▲", Err("body: the input ends too early")),
            (r#"{"a"▲"#, Err("body: the input ends too early")),
            (r#"{"a":▲"#, Err("body: the input ends too early")),
            (r#""\▲"#, Err("body: the input ends too early")),
            (r#""\u00▲"#, Err("body: the input ends too early")),
            (r#""\ud83d▲"#, Err("body: the input ends too early")),
            (r#""\ud83d\▲"#, Err("body: the input ends too early")),
            (r#""\ud83d\ude0▲"#, Err("body: the input ends too early")),
            (r#"{"a"▲1}"#, Err("body: expected `:`, found `1`")),
            ("[1▲}", Err("body: expected `,` or `]`, found `}`")),
            ("▲\u{feff}{}", Err("body: expected a value, found byte 0xef")),
            ("[▲\u{b}]", Err("body: expected a value, found byte 0x0b")),
            ("[▲\u{a0}]", Err("body: expected a value, found byte 0xc2")),
        ],
    );
}

#[test]
fn bodies_are_utf_8() {
    let at = |document: &[u8]| compact(document).map_err(|error| (error.kind(), error.offset()));
    for (document, offset) in [
        (&b"\"\xff\""[..], 1),
        (b"\"a\x80\"", 2),
        (b"\"\xc0\xaf\"", 1),
        (b"\"\xe4\xbd\"", 1),
        (b"\"\xed\xa0\x80\"", 1),
        (b"\"\xf5\x80\x80\x80\"", 1),
        (b"{\"\xe9\":1}", 2),
        (b"[\"ok\",\"\\n\xfc\"]", 9),
        // What comes first is told first.
        (b"\"\xff\\x\"", 1),
    ] {
        assert_eq!(at(document), Err((ErrorKind::InvalidUtf8, offset)), "{document:?}");
    }
    assert_eq!(at(b"\"\\x\xff\""), Err((ErrorKind::BadEscape, 1)));
    assert_eq!(at(b"\"\xe4\xbd"), Err((ErrorKind::UnexpectedEnd, 3)), "the rest may come");
    let outside = ErrorKind::UnexpectedByte { found: 0xff, expected: Expected::Value };
    assert_eq!(at(b"[\xff]"), Err((outside, 1)));
}

#[test]
fn all_escapes_are_understood_and_output_has_the_fewest() {
    hold(
        "All JSON escapes are understood on input, surrogate pairs included. Output escapes only what JSON requires and \
         is UTF-8.",
        compact,
        &[
            (r#""\"\\\/\b\f\n\r\t""#, Ok(r#""\"\\/\b\f\n\r\t""#)),
            (r#""\u0022\u005C\u002f\u0008\u000C\u000a\u000D\u0009""#, Ok(r#""\"\\/\b\f\n\r\t""#)),
            (r#""\u0000\u001F\u0020\u007f""#, Ok("\"\\u0000\\u001f \u{7f}\"")),
            // PHP and Python: every non-ASCII character as \uXXXX.
            (r#"{"\u77ed\u4fe1":"\u6536\u5230\ud83d\ude00"}"#, Ok(r#"{"短信":"收到😀"}"#)),
            (r#""\uD83D\uDE00\udbff\uDFFF\uffff\ufeff""#, Ok("\"😀\u{10ffff}\u{ffff}\u{feff}\"")),
            (r#""\u00E9\u00e9é""#, Ok(r#""ééé""#)),
            (r#""▲\x41""#, Err("body: no such escape in JSON")),
            (r#""▲\'""#, Err("body: no such escape in JSON")),
            (r#""▲\U0041""#, Err("body: no such escape in JSON")),
            (r#""\u00▲g0""#, Err("body: no such escape in JSON")),
            (r#""\u004▲""#, Err("body: no such escape in JSON")),
            (r#""\u▲+041""#, Err("body: no such escape in JSON")),
        ],
    );
}

#[test]
fn text_handed_to_the_user_is_always_unescaped() {
    let body = br#"[{"Phone":"1","ReplyContent":"\u6536\u5230\t\"\ud83d\ude00\/","ReplyTime":0}]"#;
    let plain = "收到\t\"😀/";
    let summary = uplink::read(body, |item| {
        let uplink::Item::Message(message) = item else { panic!("{item:?}") };
        let text: Text<'_> = message.reply_content;
        assert_eq!(text, plain);
        assert_eq!((text.to_string(), text.to_cow().as_ref()), (plain.to_owned(), plain));
        assert!(text.chars().eq(plain.chars()));
        assert_eq!((text.len(), text.as_str()), (plain.len(), None));
        assert_eq!(text.copy_to(&mut [0; 64]).unwrap(), plain);
        assert_eq!(message.phone.as_str(), Some("1"), "what has no escapes is borrowed");
        assert_eq!(serde_json::to_value(text).unwrap(), plain);
    });
    assert!(summary.is_ok());
}

/// `depth` brackets around nothing, an array and an object by turns.
fn nested(depth: usize) -> String {
    let pairs = [("[", "]"), (r#"{"a":"#, "}")];
    let open: String = (0..depth).map(|level| pairs[level % 2].0).collect();
    let close: String = (0..depth).rev().map(|level| pairs[level % 2].1).collect();
    if depth.is_multiple_of(2) { format!("{open}null{close}") } else { format!("{open}{close}") }
}

#[test]
fn nesting_is_bounded() {
    assert_eq!(MAX_DEPTH, 32, "with nesting bounded (default 32)");
    for depth in [1, 2, 31, 32] {
        assert_eq!(compact(nested(depth).as_bytes()).unwrap(), nested(depth));
        assert!(Raw::parse(nested(depth).as_bytes()).is_ok());
    }
    for depth in [33, 34, 100] {
        let error = compact(nested(depth).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "body: nested deeper than 32 levels");
        assert_eq!(error.offset(), nested(32).find("null").unwrap(), "the first bracket too many");
    }

    // Levels of the payload itself count too: each body with an unknown member, and how deep that member stands.
    type Read = fn(&[u8]) -> Result<(), Error>;
    let places: [(Read, &str, usize, &str); 9] = [
        (|b| uplink::read(b, |_| {}).map(drop), r#"{"x":▲,"MsgType":0,"Data":[]}"#, 1, "body"),
        (
            |b| uplink::read(b, |_| {}).map(drop),
            r#"{"MsgType":0,"Data":[{"x":▲,"Phone":"","ReplyContent":"","ReplyTime":0}]}"#,
            3,
            "Data[0]",
        ),
        (|b| uplink::read(b, |_| {}).map(drop), r#"{"MsgType":9,"Data":[▲]}"#, 2, "Data[0]"),
        (|b| ClientPush::read(b, 0).map(drop), r#"{"msg":"","callback":0,"access_tokens":[],"x":▲}"#, 1, "body"),
        (|b| ServerPush::read(b, 0).map(drop), r#"{"proxy":0,"payload":{"msg":"","clients":[],"x":▲}}"#, 2, "payload"),
        (|b| Webhook::read(b).map(drop), r#"{"event":"other","x":▲}"#, 1, "body"),
        (|b| Reply::read(b).map(drop), r#"{"request_id":"","x":▲}"#, 1, "body"),
        (|b| tencent::read(b, |_| {}).map(drop), r#"{"Events":[{"CallbackCommand":"other","x":▲}]}"#, 3, "Events[0]"),
        (|b| Frame::read(b).map(drop), r#"{"x":▲}"#, 1, "body"),
    ];
    for (read, body, levels, path) in places {
        let at_limit = nested(32 - levels);
        assert_eq!(read(body.replace('▲', &at_limit).as_bytes()), Ok(()), "{body}");
        let error = read(body.replace('▲', &format!("[{at_limit}]")).as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), format!("{path}: nested deeper than 32 levels"), "{body}");
        assert_eq!(error.kind(), ErrorKind::TooDeep { limit: MAX_DEPTH });
    }
}

#[test]
fn what_has_no_schema_may_repeat_itself() {
    hold(
        "A repeated member of the schema is an error: a document without a schema has none",
        compact,
        &[(r#"{ "a":1, "a":2, "\u0061":3 }"#, Ok(r#"{"a":1,"a":2,"a":3}"#))],
    );
}

#[test]
fn numbers_stay_as_they_are_spelled() {
    for number in ["0", "-0", "1E400", "-1.50e-007", "123456789012345678901234567890", "0.0"] {
        let number = format!("[{number}]");
        hold("compact", compact, &[(&number, Ok(&number))]);
    }
}

#[test]
fn errors_are_told_in_one_line_with_member_and_limit() {
    for (body, shown) in [
        (r#"{"MsgType":0,"Data":[{"Phone":1}]}"#, "Data[0].Phone: must be a string (byte 30)"),
        (
            r#"{"MsgType":0,"Data":[{"ReplyTime":-1}]}"#,
            "Data[0].ReplyTime: must be from 0 to 18446744073709551615 (byte 34)",
        ),
    ] {
        assert_eq!(format!("{:?}", uplink::read(body.as_bytes(), |_| {}).unwrap_err()), shown);
    }
}

#[test]
fn every_body_may_have_white_space_around_and_nothing_else() {
    let read = |kind, body: &[u8]| match kind {
        Kind::Json => json::check(body),
        Kind::Uplink => uplink::read(body, |_| {}).map(drop),
        Kind::UplinkReply => uplink::Reply::read(body).map(drop),
        Kind::ClientPush => ClientPush::read(body, MAX_RECEIVERS).map(drop),
        Kind::ServerPush => ServerPush::read(body, MAX_RECEIVERS).map(drop),
        Kind::PushReply => Reply::read(body).map(drop),
        Kind::Webhook => Webhook::read(body).map(drop),
        Kind::Tencent => tencent::read(body, |_| {}).map(drop),
        Kind::TencentReply => tencent::Reply::read(body).map(drop),
        Kind::Frame => Frame::read(body).map(drop),
        Kind::Token | Kind::Query => Ok(()),
    };
    for &(kind, body) in SAMPLES {
        assert_eq!(read(kind, format!(" \t\r\n{body} \t\r\n").as_bytes()), Ok(()), "{body}");
        if matches!(kind, Kind::Token | Kind::Query) {
            continue;
        }
        for junk in ["x", "{}", ",", "\0", "\u{feff}"] {
            let error = read(kind, format!("{body}{junk}").as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.offset()), (ErrorKind::TrailingBytes, body.len()), "{body}{junk}");
            assert_eq!(error.to_string(), "body: bytes follow the end of the document");
            let error = read(kind, format!("\u{feff}{body}").as_bytes()).unwrap_err();
            assert_eq!(error.offset(), 0, "a byte order mark is no white space");
        }
    }
}
