//! A device that blocks: one turn of its loop, over streams of `embedded-io`.

use embedded_io::{Read, ReadReady, Write};
use pushgate_core::{
    Instant, Outbox,
    http::{Connection, Exchange, Method, Part, Request, blocking::next},
    lingyang,
    link::{
        Device, LineBuffer, MAX_LINE_LEN, Message,
        device::{End, Event, Step},
    },
    outbox,
};

/// What the board has, and what the application does.
pub trait Board {
    /// Its reads and writes fail after a few seconds: neither side waits for ever.
    type Stream: Read + Write + ReadReady;
    fn now(&self) -> Instant;
    fn random(&mut self) -> u32;
    fn open(&mut self, server: Server) -> Option<Self::Stream>;
    /// Takes a message; false = not now, let it come again.
    fn take(&mut self, message: &Message<'_>, outbox: &mut Outbox<4, 512>) -> bool;
}

/// Whom to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Link,
    Api,
}

/// All that such a device keeps. Made as a `static` it takes no stack.
pub struct Client<'t, S> {
    pub device: Device<'t>,
    pub outbox: Outbox<4, 512>,
    pub token: &'t str,
    pub stream: Option<S>,
    pub lines: LineBuffer,
    pub line: [u8; MAX_LINE_LEN],
}

impl<S: Read + Write + ReadReady> Client<'_, S> {
    /// Does what is due, and says until when nothing is, unless a byte comes or something is pushed: sleep so long.
    ///
    /// # Errors
    ///
    /// The gateway refuses the token, and would again.
    pub fn turn(&mut self, board: &mut impl Board<Stream = S>) -> Result<Instant, End> {
        loop {
            let due = self.push(board);
            let lasts = match self.device.poll(board.now()) {
                Step::Connect => {
                    self.lines.clear();
                    self.stream = board.open(Server::Link);
                    if self.stream.is_some() {
                        self.device.opened(board.now());
                    }
                    self.stream.is_some()
                }
                Step::Send(frame) => {
                    let line = frame.write(&mut self.line).unwrap_or_default();
                    let stream = self.stream.as_mut();
                    let written = stream.is_some_and(|s| s.write_all(line).is_ok() && s.flush().is_ok());
                    if written {
                        self.device.sent(board.now());
                    }
                    written
                }
                Step::WaitUntil(later) => match self.stream.as_mut().map_or(Ok(false), S::read_ready) {
                    Ok(false) => return Ok(later.min(due)),
                    Ok(true) => self.hear(board),
                    Err(_) => false,
                },
                Step::Close(_) => false,
                Step::Stop(end) => return Err(end),
            };
            if !lasts {
                self.stream = None;
                self.device.closed(board.now(), board.random());
            }
        }
    }

    /// Takes what the stream has. False = it has ended.
    fn hear(&mut self, board: &mut impl Board<Stream = S>) -> bool {
        let mut chunk = [0; 64];
        let Some(Ok(len @ 1..)) = self.stream.as_mut().map(|stream| stream.read(&mut chunk)) else { return false };
        let mut bytes = chunk.get(..len).unwrap_or_default();
        while let Some(line) = self.lines.feed(&mut bytes) {
            if let Event::Message(message) = self.device.received(line, board.now())
                && board.take(&message, &mut self.outbox)
            {
                self.device.acknowledge(message.id);
            }
        }
        true
    }

    /// Sends what is due, and says when more is.
    fn push(&mut self, board: &mut impl Board<Stream = S>) -> Instant {
        loop {
            let now = board.now();
            match self.outbox.poll(now) {
                outbox::Step::Send { ticket, payload, .. } => {
                    let status = ask(board, self.token, payload);
                    // A ticket that a poll gave is there until it is removed.
                    let _ = match status {
                        Some(status) => {
                            let _ = self.outbox.sent(ticket, now);
                            self.outbox.answered(ticket, lingyang::verdict(status), board.now())
                        }
                        None => self.outbox.failed(ticket, board.now()),
                    };
                }
                outbox::Step::Done { ticket, .. } => {
                    let _ = self.outbox.remove(ticket);
                }
                outbox::Step::WaitUntil(later) => return later,
                outbox::Step::Idle => return Instant::NEVER,
            }
        }
    }
}

/// Pushes over HTTP. The status of the answer; `None` = there was none.
fn ask<B: Board>(board: &mut B, token: &str, body: &[u8]) -> Option<u16> {
    let request = Request {
        method: Method::Post,
        target: "/v2/message/client/push",
        host: "push.example.com",
        headers: &[("Content-Type", "application/json"), ("X-Client-Token", token)],
        body_len: 0, // the exchange knows it
        connection: Connection::Close,
    };
    let (mut buf, mut line) = ([0; 320], [0; 64]);
    let mut stream = board.open(Server::Api)?;
    let mut exchange = Exchange::new(&request, body, &mut buf, &mut line).ok()?;
    let mut answered = None;
    loop {
        match next(&mut exchange, &mut stream).ok()? {
            Part::Status(status) => answered = Some(status),
            Part::Header(_) | Part::Body(_) => {}
            Part::End(_) => return answered,
        }
    }
}
