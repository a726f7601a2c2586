//! The client of every load: HTTP/1.1 on one kept connection, one request at a time, as little as will do.
//!
//! A load client shares the machine with what it measures, so each microsecond of it flatters nobody but hides the
//! difference between the two servers it is held to. Requests are written once and sent as bytes; of an answer only the
//! status and the length are read.

use std::{io, net::SocketAddr};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// Bytes of an answer that are read (ours): a gateway's page of lanes is the largest asked for here.
const ANSWER_BYTES: usize = 64 << 20;

/// A connection that is kept.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    /// The answer read last, and what came after it.
    read: BytesMut,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
}

impl Connection {
    pub(super) async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: BytesMut::with_capacity(4096) })
    }

    /// Sends a request that [`request`] wrote, and reads its answer.
    pub(super) async fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        loop {
            if let Some(answer) = take_answer(&mut self.read)? {
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the connection was closed without an answer",
                ));
            }
        }
    }
}

/// Writes a request. `headers` are whole lines, each with its end.
pub(super) fn request(method: &str, host: &str, path: &str, headers: &str, body: &str) -> Bytes {
    let length = body.len();
    let framing = if method == "GET" { String::new() } else { format!("Content-Length: {length}\r\n") };
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{headers}{framing}\r\n{body}").into()
}

/// Takes an answer off the front, once it is there whole.
fn take_answer(read: &mut BytesMut) -> io::Result<Option<Answer>> {
    let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = read.get(..end).unwrap_or_default();
    let status = head.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|text| text.parse().ok());
    let status: u16 = status.filter(|_| head.starts_with(b"HTTP/1.")).ok_or_else(|| strange("no HTTP/1 status"))?;
    let length = match status {
        204 | 304 => 0,
        _ => content_length(head).ok_or_else(|| strange("an answer without Content-Length"))?,
    };
    if length > ANSWER_BYTES {
        return Err(strange("an answer of more than 64 MiB"));
    }
    let start = end + 4;
    if read.len() < start + length {
        read.reserve(start + length - read.len());
        return Ok(None);
    }
    read.advance(start);
    Ok(Some(Answer { status, body: read.split_to(length).freeze() }))
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    head.split(|byte| *byte == b'\n').find_map(|line| {
        let (name, value) = line.split_at_checked(NAME.len())?;
        if !name.eq_ignore_ascii_case(NAME) {
            return None;
        }
        std::str::from_utf8(value).ok()?.trim().parse().ok()
    })
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}, which this client cannot read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_taken_once_it_is_whole() {
        let whole =
            b"HTTP/1.1 202 Accepted\r\ncontent-type: x\r\nContent-LENGTH: 4\r\n\r\nbodyHTTP/1.1 204 No Content\r\n\r\n";
        let end = whole.len() - 27;
        for cut in 0..end {
            let mut read = BytesMut::from(&whole[..cut]);
            assert_eq!(take_answer(&mut read).unwrap(), None, "{cut}");
        }
        let mut read = BytesMut::from(&whole[..]);
        let first = take_answer(&mut read).unwrap();
        assert_eq!(first, Some(Answer { status: 202, body: Bytes::from_static(b"body") }));
        assert_eq!(take_answer(&mut read).unwrap(), Some(Answer { status: 204, body: Bytes::new() }));
        assert!(read.is_empty());
    }

    #[test]
    fn what_it_cannot_read_is_an_error() {
        for head in ["SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"] {
            assert!(take_answer(&mut BytesMut::from(head)).is_err(), "{head}");
        }
    }
}
