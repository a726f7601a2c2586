//! Every answer in the tables is read whole, cut in two at each place, byte by byte, and cut off at each length.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use proptest::prelude::*;

use super::*;

/// An answer in one line: status, headers as `name=value` (`name` alone when the value is not held), body in brackets.
type Told = Result<(String, Connection), ResponseError>;

/// Reads `pieces` and then the end of the stream. Also returns how many bytes were taken.
fn read<'i>(mut reader: Response<'_>, pieces: impl Iterator<Item = &'i [u8]>) -> (Told, usize) {
    let (mut head, mut body, mut taken) = (String::new(), Vec::new(), 0);
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for mut piece in pieces {
        loop {
            let before = piece.len();
            let part = reader.feed(&mut piece);
            taken += before - piece.len();
            match part {
                Ok(None) => break,
                Ok(Some(Part::Status(status))) => head = status.to_string(),
                Ok(Some(Part::Header(header))) => {
                    head += &format!(" {}", shown(header.name));
                    head += &header.value.map_or(String::new(), |value| format!("={}", shown(value)));
                }
                Ok(Some(Part::Body(piece))) => {
                    assert!(!piece.is_empty());
                    body.extend_from_slice(piece);
                }
                Ok(Some(Part::End(connection))) => {
                    assert_eq!(reader.closed(), Ok(connection));
                    assert_eq!(reader.feed(&mut &b"more"[..]), Ok(None), "after the end nothing is taken");
                    return (Ok((format!("{head} [{}]", shown(&body)), connection)), taken);
                }
                Err(error) => {
                    assert_eq!(reader.feed(&mut &b"more"[..]), Err(error), "a failed reader fails again alike");
                    assert_eq!(reader.closed(), Err(error));
                    return (Err(error), taken);
                }
            }
        }
        assert!(piece.is_empty(), "what is left belongs to no answer under way");
    }
    (reader.closed().map(|connection| (format!("{head} [{}]", shown(&body)), connection)), taken)
}

const LIMITS: Limits = Limits { head: 256, headers: 4, chunk: 0x1000 };
const LINE: usize = 40;

fn outcome<'i>(method: Method, pieces: impl Iterator<Item = &'i [u8]>) -> (Told, usize) {
    read(Response::with_limits(method, &mut [0; LINE], LIMITS), pieces)
}

/// Reads `answer` however cut; returns what it is, and what follows it.
#[track_caller]
fn told(method: Method, answer: &[u8]) -> (Told, &[u8]) {
    let whole = outcome(method, [answer].into_iter());
    for cut in 0..=answer.len() {
        let (first, second) = answer.split_at(cut);
        let pieces = [first, &[], second].into_iter();
        assert_eq!(outcome(method, pieces), whole, "cut at {cut}: {}", answer.escape_ascii());
    }
    for size in 1..=3 {
        assert_eq!(outcome(method, answer.chunks(size)), whole, "in {size}s: {}", answer.escape_ascii());
    }
    (whole.0, &answer[whole.1..])
}

/// Holds that `answer` is read as `expected`, and that it is no whole answer when cut off anywhere.
#[track_caller]
fn taken(rule: &str, method: Method, answer: &str, expected: &str, connection: Connection) {
    let (told, rest) = told(method, answer.as_bytes());
    assert_eq!(told, Ok((expected.to_string(), connection)), "{rule}: {answer:?}");
    assert!(rest.is_empty(), "{rule}: {rest:?}");
    let head_len = answer.rfind("HTTP/1.").and_then(|at| answer[at..].find("\r\n\r\n").map(|len| at + len + 4));
    for len in 0..answer.len() {
        let (told, _) = outcome(method, [&answer.as_bytes()[..len]].into_iter());
        let until_close = !answer.contains("Content-Length") && !answer.contains("chunked");
        match told {
            Err(ResponseError::Closed) => assert_eq!(len, 0, "{rule}: {answer:?}"),
            Err(ResponseError::EndsInHead) => assert!(head_len.is_none_or(|head| len < head), "{len} of {answer:?}"),
            Err(ResponseError::EndsInBody) => assert!(head_len.is_none_or(|head| len >= head), "{len} of {answer:?}"),
            Ok((_, Connection::Close)) if until_close => {}
            other => panic!("{rule}: {len} of {answer:?} is {other:?}"),
        }
    }
}

#[track_caller]
fn refused(rule: &str, answer: &str, error: ResponseError) {
    assert_eq!(told(Method::Get, answer.as_bytes()).0, Err(error), "{rule}: {answer:?}");
}

const KEEP: Connection = Connection::KeepAlive;
const CLOSE: Connection = Connection::Close;

#[test]
fn a_status_line_is_a_version_and_three_digits() {
    let rule = "status-line = HTTP-version SP status-code SP [ reason-phrase ]";
    for (line, expected) in [
        ("HTTP/1.1 200 OK", "200 Content-Length=0 []"),
        ("HTTP/1.1 200 ", "200 Content-Length=0 []"),
        ("HTTP/1.1 200", "200 Content-Length=0 []"),
        ("HTTP/1.1 599 Odd", "599 Content-Length=0 []"),
        ("HTTP/1.1 404 Not there, and more words than the buffer has room for", "404 Content-Length=0 []"),
        ("HTTP/1.1 200 G\u{fc}ltig\t!", "200 Content-Length=0 []"),
    ] {
        taken(rule, Method::Get, &format!("{line}\r\nContent-Length: 0\r\n\r\n"), expected, KEEP);
    }
    for line in [
        "",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/1 200",
        "http/1.1 200 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1",
        "HTTP/1.11 200 OK",
        "ICY 200 OK",
        " HTTP/1.1 200 OK",
        "SSH-2.0-OpenSSH_9.6",
        "HTTP/2.0 200 with a reason that the buffer has no room for",
    ] {
        refused(rule, &format!("{line}\r\n\r\n"), ResponseError::StatusLine);
    }
    let rule = "\"the valid range of status codes is 100 to 599\"";
    for status in ["000", "099", "600", "999"] {
        refused(rule, &format!("HTTP/1.1 {status} X\r\n\r\n"), ResponseError::Status);
    }
}

#[test]
fn an_interim_answer_is_passed_over_and_101_is_the_last() {
    let rule = "\"A client MUST be able to parse one or more 1xx responses received prior to a final response\"";
    let end = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 199 X\r\n\r\n",
    ] {
        taken(rule, Method::Get, &format!("{interim}{end}"), "200 Content-Length=2 [ok]", KEEP);
    }
    let upgraded = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let (told, rest) = told(Method::Get, [upgraded.as_bytes(), b"\x81\x05hello"].concat().leak());
    assert_eq!(told, Ok(("101 Upgrade=websocket Connection=Upgrade []".to_string(), Connection::Upgrade)));
    assert_eq!(rest, b"\x81\x05hello", "what follows is of the other protocol");
    let many = "HTTP/1.1 100 Continue\r\n\r\n".repeat(11);
    refused("the limit is on all heads together (ours)", &many, ResponseError::HeadTooLong);
}

#[test]
fn a_header_is_a_name_a_colon_and_a_value() {
    let rule = "field-line = field-name \":\" OWS field-value OWS";
    for (headers, expected) in [
        ("A:b\r\n", "200 A=b Content-Length=0 []"),
        ("A: \t b c \t\r\n", "200 A=b c Content-Length=0 []"),
        ("A:\r\nB: :\r\n", "200 A= B=: Content-Length=0 []"),
        ("!#$%&'*+-.^_`|~9: \u{e9}\r\n", "200 !#$%&'*+-.^_`|~9=\u{e9} Content-Length=0 []"),
        ("Set-Cookie: a value that has no room in forty bytes\r\n", "200 Set-Cookie Content-Length=0 []"),
        ("A: 1\r\nA: 2\r\n", "200 A=1 A=2 Content-Length=0 []"),
    ] {
        taken(rule, Method::Get, &format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: 0\r\n\r\n"), expected, KEEP);
    }
    let lone = b"HTTP/1.1 200 OK\nA: 1\r\nContent-Length: 0\n\n";
    assert_eq!(
        told(Method::Get, lone).0,
        Ok(("200 A=1 Content-Length=0 []".to_string(), KEEP)),
        "\"a recipient MAY recognize a single LF as a line terminator\""
    );
    for (headers, error) in [
        ("A\r\n", ResponseError::HeaderName),
        (": b\r\n", ResponseError::HeaderName),
        ("A : b\r\n", ResponseError::HeaderName),
        ("A b: c\r\n", ResponseError::HeaderName),
        ("(A): c\r\n", ResponseError::HeaderName),
        ("\u{e9}: c\r\n", ResponseError::HeaderName),
        ("A: b\r\n c\r\n", ResponseError::Folded),
        (" A: b\r\n", ResponseError::Folded),
        ("A: b\r\n\t\r\n", ResponseError::Folded),
        ("A: b\0\r\n", ResponseError::Control),
        ("A: b\x7f\r\n", ResponseError::Control),
        ("A: b\rc\r\n", ResponseError::Control),
        ("A: b\r\r\n", ResponseError::Control),
        ("A\0: b\r\n", ResponseError::Control),
        ("A-name-that-has-no-room-in-forty-bytes-of-line: b\r\n", ResponseError::LineTooLong),
        ("Connection: a value that has no room in forty bytes\r\n", ResponseError::LineTooLong),
    ] {
        refused(rule, &format!("HTTP/1.1 200 OK\r\n{headers}\r\n"), error);
    }
}

#[test]
fn a_head_is_no_longer_than_its_limits() {
    let padded = |len: usize| {
        let fixed = "HTTP/1.1 200 OK\r\nA: \r\nContent-Length: 0\r\n\r\n".len();
        format!("HTTP/1.1 200 OK\r\nA: {}\r\nContent-Length: 0\r\n\r\n", "x".repeat(len - fixed))
    };
    taken("256 bytes", Method::Get, &padded(256), "200 A Content-Length=0 []", KEEP);
    refused("256 bytes", &padded(257), ResponseError::HeadTooLong);
    let headers = |count: usize| format!("HTTP/1.1 204 X\r\n{}\r\n", "A: b\r\n".repeat(count));
    assert!(told(Method::Get, headers(4).as_bytes()).0.is_ok());
    refused("4 headers", &headers(5), ResponseError::TooManyHeaders);
}

#[test]
fn content_length_is_one_number() {
    let rule = "Content-Length = 1*DIGIT";
    for (headers, expected) in [
        ("Content-Length: 2\r\n", "200 Content-Length=2 [ok]"),
        ("content-length:002\r\n", "200 content-length=002 [ok]"),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", "200 Content-Length=2 Content-Length=2 [ok]"),
        ("Content-Length: 2, 2\r\n", "200 Content-Length=2, 2 [ok]"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{headers}\r\nok");
        assert_eq!(told(Method::Get, answer.as_bytes()).0, Ok((expected.to_string(), KEEP)), "{rule}: {answer:?}");
        for len in 0..answer.len() {
            assert!(outcome(Method::Get, [&answer.as_bytes()[..len]].into_iter()).0.is_err(), "{len} of {answer:?}");
        }
    }
    for value in
        ["", "abc", "-1", "+1", "0x2", "2 2", "2,", ",2", "2;", "1.0", "4294967296", "18446744073709551616", "2\u{b2}"]
    {
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {value}\r\n\r\nok");
        refused(rule, &answer, ResponseError::ContentLength);
    }
    let long = b"HTTP/1.1 200 OK\r\nContent-Length: 4294967295\r\n\r\nok";
    assert_eq!(told(Method::Get, long).0, Err(ResponseError::EndsInBody));
    let rule = "\"If a message is received without Transfer-Encoding and with an invalid Content-Length\"";
    for headers in ["Content-Length: 2\r\nContent-Length: 3\r\n", "Content-Length: 2, 3\r\n"] {
        refused(rule, &format!("HTTP/1.1 200 OK\r\n{headers}\r\nok!"), ResponseError::ContentLengths);
    }
}

#[test]
fn transfer_encoding_is_chunked_and_alone() {
    for (headers, error) in [
        ("Transfer-Encoding: gzip\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: gzip, chunked\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: chunked, chunked\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: identity\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: xchunked\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding:\r\n", ResponseError::TransferEncoding),
        ("Transfer-Encoding: chunked\r\nContent-Length: 2\r\n", ResponseError::TwoLengths),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", ResponseError::TwoLengths),
    ] {
        refused("RFC 9112, section 6", &format!("HTTP/1.1 200 OK\r\n{headers}\r\n0\r\n\r\n"), error);
    }
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    refused("\"MUST treat the message as if the framing is faulty\"", old, ResponseError::TransferEncoding);
}

#[test]
fn chunks_are_put_together() {
    let rule = "chunked-body = *chunk last-chunk trailer-section CRLF";
    for (chunks, expected) in [
        ("0\r\n\r\n", "[]"),
        ("2\r\nok\r\n0\r\n\r\n", "[ok]"),
        ("00000002\r\nok\r\n00000000\r\n\r\n", "[ok]"),
        ("1\r\no\r\nA\r\nk123456789\r\n000\r\n\r\n", "[ok123456789]"),
        ("2;a=b;c=\"d\"\r\n\r\n\r\n0;x\r\n\r\n", "[\r\n]"),
        ("2 \t;a\r\nok\r\n0  \r\n\r\n", "[ok]"),
        ("2\r\nok\r\n0\r\nDigest: x\r\nContent-Length: 7\r\n\r\n", "[ok]"),
        ("2;an=extension-that-has-no-room-in-forty-bytes\r\nok\r\n0\r\n\r\n", "[ok]"),
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n{chunks}");
        let (told, rest) = told(Method::Get, answer.as_bytes());
        assert_eq!(told, Ok((format!("200 Transfer-Encoding=Chunked {expected}"), KEEP)), "{rule}: {chunks:?}");
        assert!(rest.is_empty(), "{rule}: {chunks:?}");
        for len in 0..answer.len() {
            let told = outcome(Method::Get, [&answer.as_bytes()[..len]].into_iter()).0;
            assert!(told.is_err(), "\"incomplete if the zero-sized chunk has not been received\": {len} of {answer:?}");
        }
    }
    let headers = "X: y\r\n".repeat(5);
    let bytes = format!("X: {}\r\n", "y".repeat(256));
    for (chunks, error) in [
        ("\r\n", ResponseError::ChunkSize),
        (";a\r\n", ResponseError::ChunkSize),
        ("g\r\n", ResponseError::ChunkSize),
        ("-1\r\n", ResponseError::ChunkSize),
        ("0x2\r\nok\r\n", ResponseError::ChunkSize),
        (" 2\r\nok\r\n", ResponseError::ChunkSize),
        ("2 2\r\nok\r\n", ResponseError::ChunkSize),
        ("000000002\r\nok\r\n", ResponseError::ChunkSize),
        ("ffffffffffffffff1\r\n", ResponseError::ChunkSize),
        ("2\nok\r\n0\r\n\r\n", ResponseError::ChunkSize),
        ("1001\r\n", ResponseError::ChunkTooLarge),
        ("ffffffff\r\n", ResponseError::ChunkTooLarge),
        ("2\r\nok!\r\n0\r\n\r\n", ResponseError::ChunkEnd),
        ("2\r\nok0\r\n\r\n", ResponseError::ChunkEnd),
        ("2\r\nok\n0\r\n\r\n", ResponseError::ChunkEnd),
        ("2\r\nok\r\r\n0\r\n\r\n", ResponseError::ChunkEnd),
        ("2;\0\r\nok\r\n0\r\n\r\n", ResponseError::Control),
        ("2\r", ResponseError::EndsInBody),
        ("0\r\nA: b\r\n", ResponseError::EndsInBody),
        ("0\r\nA\r\n\r\n", ResponseError::HeaderName),
        ("0\r\n A: b\r\n\r\n", ResponseError::Folded),
        (&format!("0\r\n{headers}\r\n"), ResponseError::TooManyHeaders),
        (&format!("0\r\n{bytes}\r\n"), ResponseError::HeadTooLong),
        (&format!("2;{}\r\nok", "x".repeat(256)), ResponseError::ChunkSize),
        (&format!("2{}\r\nok", " ".repeat(100)), ResponseError::LineTooLong),
    ] {
        refused(rule, &format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"), error);
    }
}

#[test]
fn some_answers_have_no_body() {
    let rule = "\"always terminated by the first empty line after the header fields\"";
    for (method, head) in [
        (Method::Head, "HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n"),
        (Method::Head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (Method::Head, "HTTP/1.1 200 OK\r\n\r\n"),
        (Method::Get, "HTTP/1.1 204 No Content\r\n\r\n"),
        (Method::Post, "HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"),
        (Method::Get, "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n"),
    ] {
        let next = [head.as_bytes(), b"HTTP/1.1 500"].concat();
        let (told, rest) = told(method, &next);
        assert!(
            told.as_ref().is_ok_and(|(told, connection)| told.ends_with(" []") && *connection == KEEP),
            "{rule}: {told:?}"
        );
        assert_eq!(rest, b"HTTP/1.1 500", "{rule}: what follows is the caller's");
    }
}

#[test]
fn the_end_says_what_becomes_of_the_connection() {
    let rule = "RFC 9112, section 9.3";
    for (version, headers, connection) in [
        ("1.1", "", KEEP),
        ("1.1", "Connection: close\r\n", CLOSE),
        ("1.1", "connection: x,  CLOSE\r\n", CLOSE),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", CLOSE),
        ("1.1", "Connection: closed\r\n", KEEP),
        ("1.0", "", CLOSE),
        ("1.0", "Connection: Keep-Alive\r\n", KEEP),
        ("1.0", "Connection: keep-alive, close\r\n", CLOSE),
    ] {
        let answer = format!("HTTP/{version} 200 OK\r\n{headers}Content-Length: 1\r\n\r\nx");
        let (told, _) = told(Method::Get, answer.as_bytes());
        assert_eq!(told.map(|(_, connection)| connection), Ok(connection), "{rule}: {answer:?}");
    }
    taken("until close", Method::Get, "HTTP/1.1 200 OK\r\n\r\nas long as it comes", "200 [as long as it comes]", CLOSE);
    taken("until close", Method::Get, "HTTP/1.1 200 OK\r\n\r\n", "200 []", CLOSE);
}

#[test]
fn a_reader_is_small_and_an_error_too() {
    assert!(size_of::<Response<'_>>() <= 64, "{}", size_of::<Response<'_>>());
    assert!(size_of::<ResponseError>() <= 8);
}

#[test]
fn a_line_buffer_without_room_is_an_error_and_no_guess() {
    let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\r\nok\r\n0\r\n\r\n";
    let expected = Ok(("200 Transfer-Encoding=chunked [ok]".to_string(), KEEP));
    for capacity in 0..64 {
        let told = read(Response::new(Method::Get, &mut vec![0; capacity]), [&answer[..]].into_iter()).0;
        let needed = "Transfer-Encoding: chunked".len();
        let full = Err(ResponseError::LineTooLong);
        assert_eq!(told, if capacity < needed { full } else { expected.clone() }, "{capacity} bytes");
    }
}

/// How an answer says how long its body is.
#[derive(Clone, Debug)]
enum Way {
    Length,
    Chunks(Vec<usize>),
    Close,
}

proptest! {
    #[test]
    fn what_a_server_writes_is_read_however_it_is_cut(
        interim in prop::collection::vec(102_u16..200, 0..3),
        status in (200_u16..600).prop_filter("has a body", |status| ![204, 304].contains(status)),
        headers in prop::collection::vec(("x-[a-z]{1,8}", "[!-~]{0,12}"), 0..4),
        way in prop_oneof![
            Just(Way::Length),
            prop::collection::vec(1_usize..40, 1..6).prop_map(Way::Chunks),
            Just(Way::Close),
        ],
        body in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(1_usize..50, 1..8),
    ) {
        let mut wire: Vec<u8> = interim.iter().flat_map(|status| format!("HTTP/1.1 {status} X\r\n\r\n").into_bytes()).collect();
        wire.extend(format!("HTTP/1.1 {status} X\r\n").bytes());
        let mut expected = status.to_string();
        for (name, value) in &headers {
            wire.extend(format!("{name}: {value}\r\n").bytes());
            expected += &format!(" {name}={value}");
        }
        let connection = if let Way::Close = way { CLOSE } else { KEEP };
        match way {
            Way::Length => {
                wire.extend(format!("Content-Length: {}\r\n\r\n", body.len()).bytes());
                expected += &format!(" Content-Length={}", body.len());
                wire.extend_from_slice(&body);
            }
            Way::Chunks(sizes) => {
                wire.extend(b"Transfer-Encoding: chunked\r\n\r\n");
                expected += " Transfer-Encoding=chunked";
                let mut rest = &body[..];
                for size in sizes.into_iter().cycle() {
                    let (chunk, after) = rest.split_at(size.min(rest.len()));
                    wire.extend(format!("{:x}\r\n", chunk.len()).bytes());
                    wire.extend_from_slice(chunk);
                    wire.extend(b"\r\n");
                    rest = after;
                    if chunk.is_empty() {
                        break;
                    }
                }
            }
            Way::Close => {
                wire.extend(b"\r\n");
                wire.extend_from_slice(&body);
            }
        }
        expected += &format!(" [{}]", String::from_utf8_lossy(&body));
        let mut sizes = cuts.into_iter().cycle();
        let mut rest = &wire[..];
        let pieces = core::iter::from_fn(|| {
            let (piece, after) = rest.split_at(sizes.next()?.min(rest.len()));
            rest = after;
            (!piece.is_empty()).then_some(piece)
        });
        let (told, taken) = read(Response::new(Method::Get, &mut [0; 64]), pieces);
        prop_assert_eq!(told, Ok((expected, connection)));
        prop_assert_eq!(taken, wire.len());
    }
}
