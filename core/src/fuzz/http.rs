//! An answer is the same however it is cut, and nothing in a request's head ends a line that is not its own.

use alloc::{vec, vec::Vec};

use crate::http::{Connection, Limits, Method, Part, Request, RequestError, Response, ResponseError};

use super::chunks::by_own_bytes;

/// Takes bytes as an answer, and a text as each part of a request's head.
///
/// # Panics
///
/// When an answer depends on where it is cut, when the reader takes bytes after the end or forgets an error, or when a
/// head that is written has other lines than it was given.
pub fn http(data: &[u8]) {
    for method in [Method::Get, Method::Head] {
        for capacity in [24, 64] {
            let whole = read(method, capacity, &[data]);
            assert_eq!(read(method, capacity, &data.chunks(1).collect::<Vec<_>>()), whole);
            assert_eq!(read(method, capacity, &by_own_bytes(data)), whole);
            cut_short(method, capacity, data, &whole);
        }
    }
    if let Ok(text) = core::str::from_utf8(data) {
        heads(text);
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    status: u16,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    body: Vec<u8>,
    end: Result<Connection, ResponseError>,
    /// Bytes taken from the input.
    taken: usize,
}

/// Reads the pieces and then the end of the stream.
fn read(method: Method, capacity: usize, pieces: &[&[u8]]) -> Outcome {
    let mut line = vec![0; capacity];
    // Limits that an input of a few hundred bytes can reach.
    let mut reader = Response::with_limits(method, &mut line, Limits { head: 256, headers: 5, chunk: 0xfff });
    let mut seen =
        Outcome { status: 0, headers: Vec::new(), body: Vec::new(), end: Err(ResponseError::Closed), taken: 0 };
    for mut piece in pieces.iter().copied() {
        loop {
            let before = piece.len();
            let part = reader.feed(&mut piece);
            seen.taken += before - piece.len();
            match part {
                Ok(None) => break,
                Ok(Some(Part::Status(status))) => {
                    assert!(seen.status == 0 && (100..600).contains(&status));
                    seen.status = status;
                }
                Ok(Some(Part::Header(header))) => {
                    assert!(header.name.len() < capacity && header.value.is_none_or(|value| value.len() < capacity));
                    seen.headers.push((header.name.to_vec(), header.value.map(<[u8]>::to_vec)));
                }
                Ok(Some(Part::Body(piece))) => {
                    assert!(!piece.is_empty());
                    seen.body.extend_from_slice(piece);
                }
                Ok(Some(Part::End(connection))) => {
                    seen.end = Ok(connection);
                    assert_eq!(reader.feed(&mut piece), Ok(None));
                    assert_eq!(reader.closed(), Ok(connection));
                    return seen;
                }
                Err(error) => {
                    seen.end = Err(error);
                    assert_eq!(reader.feed(&mut piece), Err(error));
                    assert_eq!(reader.closed(), Err(error));
                    return seen;
                }
            }
        }
        assert!(piece.is_empty());
    }
    seen.end = reader.closed();
    seen
}

/// A complete answer without its last byte is incomplete, unless it lasts as long as the connection.
fn cut_short(method: Method, capacity: usize, data: &[u8], whole: &Outcome) {
    let (Ok(_), Some(short)) = (whole.end, data.get(..whole.taken.saturating_sub(1))) else { return };
    let cut = read(method, capacity, &[short]);
    if cut.end == Ok(Connection::Close) {
        assert_eq!((Ok(Connection::Close), whole.status, &whole.headers), (whole.end, cut.status, &cut.headers));
        return;
    }
    let ends = [ResponseError::Closed, ResponseError::EndsInHead, ResponseError::EndsInBody];
    assert!(cut.end.is_err_and(|error| ends.contains(&error)));
}

/// Writes `text` as each part of a head in turn.
fn heads(text: &str) {
    let plain = Request {
        method: Method::Post,
        target: "/",
        host: "h",
        headers: &[("A", "b")],
        body_len: text.len(),
        connection: Connection::Close,
    };
    let (name, value) = ([(text, "b")], [("A", text)]);
    for request in [
        Request { target: text, ..plain },
        Request { host: text, ..plain },
        Request { headers: &name, ..plain },
        Request { headers: &value, ..plain },
    ] {
        let needed = match request.write(&mut []) {
            Err(RequestError::BufferFull { needed, capacity: 0 }) => needed,
            other => {
                assert!(other.is_err(), "no head is empty");
                continue;
            }
        };
        assert_eq!(
            request.write(&mut vec![0; needed - 1]),
            Err(RequestError::BufferFull { needed, capacity: needed - 1 })
        );
        let mut buf = vec![0; needed];
        let head = request.write(&mut buf).unwrap_or_default();
        assert_eq!(head.len(), needed);
        assert!(head.ends_with(b"\r\n\r\n"));
        // The request's line, Host, A, Connection, Content-Length, and the empty one.
        let ends = |end: u8| head.iter().filter(|&&byte| byte == end).count();
        assert_eq!((ends(b'\r'), ends(b'\n'), ends(0)), (6, 6, 0));
    }
}
