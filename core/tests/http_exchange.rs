//! An exchange over streams that take and give little at a time, that make one wait, and that are waited for in vain.

use std::{
    cell::Cell,
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    pin::pin,
    task::{Context, Poll, Waker},
};

use pushgate_core::http::{
    Connection, Exchange, ExchangeError, Method, Part, Request, RequestError, ResponseError, asynch, blocking,
};

const PUSH: Request<'_> = Request {
    method: Method::Post,
    target: "/push",
    host: "h",
    headers: &[],
    body_len: 0,
    connection: Connection::KeepAlive,
};

/// Takes and gives `step` bytes at a time, and makes every second asynchronous call wait.
struct Stream {
    step: usize,
    sent: Vec<u8>,
    flushed: Vec<u8>,
    answer: VecDeque<u8>,
    waits: Cell<bool>,
}

impl Stream {
    fn new(step: usize, answer: &[u8]) -> Self {
        Self {
            step,
            sent: Vec::new(),
            flushed: Vec::new(),
            answer: answer.iter().copied().collect(),
            waits: Cell::new(false),
        }
    }

    fn take(&mut self, bytes: &[u8]) -> usize {
        let len = bytes.len().min(self.step);
        self.sent.extend_from_slice(&bytes[..len]);
        len
    }

    fn give(&mut self, room: &mut [u8]) -> usize {
        assert_eq!(self.flushed, self.sent, "nothing is waited for before all is on its way");
        assert!(!room.is_empty());
        let len = room.len().min(self.step).min(self.answer.len());
        for (place, byte) in room.iter_mut().zip(self.answer.drain(..len)) {
            *place = byte;
        }
        len
    }

    fn wait(&self) -> impl Future<Output = ()> {
        poll_fn(|_| if self.waits.replace(!self.waits.get()) { Poll::Ready(()) } else { Poll::Pending })
    }
}

impl embedded_io::ErrorType for Stream {
    type Error = Infallible;
}

impl embedded_io::Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.give(room))
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.take(bytes))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.flushed.clone_from(&self.sent);
        Ok(())
    }
}

impl embedded_io_async::Read for Stream {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        self.wait().await;
        Ok(self.give(room))
    }
}

impl embedded_io_async::Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.wait().await;
        Ok(self.take(bytes))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.wait().await;
        self.flushed.clone_from(&self.sent);
        Ok(())
    }
}

type Told = Result<(u16, Vec<u8>, Connection), ExchangeError<Infallible>>;
type Next = fn(&mut Exchange<'_>, &mut Stream, &mut dyn FnMut(Part<'_, '_>)) -> Result<(), ExchangeError<Infallible>>;

/// The ways to come to the next part.
const WAYS: [Next; 3] = [
    |exchange, stream, told| blocking::next(exchange, stream).map(told),
    |exchange, stream, told| {
        let mut next = pin!(asynch::next(exchange, stream));
        loop {
            if let Poll::Ready(part) = next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return part.map(told);
            }
        }
    },
    // Each wait is given up and begun anew.
    |exchange, stream, told| {
        loop {
            let next = pin!(asynch::next(exchange, stream));
            if let Poll::Ready(part) = next.poll(&mut Context::from_waker(Waker::noop())) {
                return part.map(told);
            }
        }
    },
];

fn exchange(next: Next, step: usize, answer: &[u8]) -> Told {
    let (mut buf, mut line) = ([0; 64], [0; 32]);
    let mut exchange = Exchange::new(&PUSH, b"{\"a\":1}", &mut buf, &mut line).unwrap();
    let mut stream = Stream::new(step, answer);
    let (mut seen, mut body, mut end) = (0, Vec::new(), None);
    while end.is_none() {
        next(&mut exchange, &mut stream, &mut |part| match part {
            Part::Status(status) => seen = status,
            Part::Header(_) => {}
            Part::Body(piece) => body.extend_from_slice(piece),
            Part::End(connection) => end = Some(connection),
        })?;
    }
    assert_eq!(stream.sent, b"POST /push HTTP/1.1\r\nHost: h\r\nContent-Length: 7\r\n\r\n{\"a\":1}");
    Ok((seen, body, end.unwrap()))
}

#[test]
fn an_answer_is_the_same_over_every_stream() {
    let end = |error| Err(ExchangeError::Response(error));
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Ok((200, "ok", Connection::KeepAlive))),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            Ok((200, "ok", Connection::KeepAlive)),
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 503 X\r\n\r\nuntil it ends",
            Ok((503, "until it ends", Connection::Close)),
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", Connection::KeepAlive))),
        ("", end(ResponseError::Closed)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", end(ResponseError::EndsInHead)),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no", end(ResponseError::EndsInBody)),
        ("HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", end(ResponseError::ContentLength)),
    ] {
        let expected: Told = expected.map(|(status, body, end)| (status, body.as_bytes().to_vec(), end));
        for way in WAYS {
            for step in [1, 2, 7, 1000] {
                assert_eq!(exchange(way, step, answer.as_bytes()), expected, "{step} bytes at a time: {answer:?}");
            }
        }
    }
}

#[test]
fn a_connection_with_bytes_that_nobody_asked_for_is_not_used_again() {
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n";
    for way in WAYS {
        assert_eq!(exchange(way, 1000, answer), Ok((200, b"ok".to_vec(), Connection::Close)));
    }
}

#[test]
fn what_follows_an_upgrade_is_not_lost() {
    let (mut buf, mut line) = ([0; 128], [0; 32]);
    let upgrade = Request { method: Method::Get, connection: Connection::Upgrade, ..PUSH };
    let mut exchange = Exchange::new(&upgrade, b"", &mut buf, &mut line).unwrap();
    let mut stream = Stream::new(128, b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nrest");
    while blocking::next(&mut exchange, &mut stream).unwrap() != Part::End(Connection::Upgrade) {}
    assert_eq!(exchange.rest(), b"rest");
}

#[test]
fn a_stream_that_takes_nothing_and_a_buffer_too_small_are_errors() {
    let (mut buf, mut line) = ([0; 64], [0; 32]);
    let mut exchange = Exchange::new(&PUSH, b"", &mut buf, &mut line).unwrap();
    let told = blocking::next(&mut exchange, &mut Stream::new(0, b""));
    assert_eq!(told, Err(ExchangeError::NotWritten));
    let full = Exchange::new(&PUSH, b"", &mut [0; 8], &mut []).map(drop);
    assert_eq!(full, Err(RequestError::BufferFull { needed: 51, capacity: 8 }));
}
