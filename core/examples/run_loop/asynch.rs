//! A device that waits for several things at once: two futures over streams of `embedded-io-async`, for any executor.

use core::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
};

use embedded_io_async::{Read, Write};
use pushgate_core::{
    Instant, Outbox,
    http::{Connection, Exchange, Method, Part, Request, asynch::next},
    lingyang,
    link::{
        Device, LineBuffer, MAX_LINE_LEN, Message,
        device::{End, Event, Step},
    },
    outbox::{self, Ticket},
};

/// What the board has, and what the application does.
pub trait Board {
    type Stream: Read + Write;
    fn now(&self) -> Instant;
    fn random(&self) -> u32;
    async fn open(&self, server: Server) -> Option<Self::Stream>;
    async fn wait_until(&self, then: Instant);
    /// Waits for the application to push something.
    async fn pushed(&self);
    /// Takes a message; false = not now, let it come again.
    fn take(&self, message: &Message<'_>) -> bool;
}

/// Whom to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    Link,
    Api,
}

/// How long a stream may take to open, or to take a line.
const STUCK: u32 = 10_000;

/// Holds the link until the gateway refuses the token. Dropped, it closes the stream; called again, it connects anew,
/// and what the device knows of its messages has lasted.
pub async fn listen<'t, B: Board>(
    board: &B,
    device: &mut Device<'t>,
    token: &'t str,
    lines: &mut LineBuffer,
    line: &mut [u8; MAX_LINE_LEN],
) -> End {
    let mut stream: Option<B::Stream> = None;
    device.renew(token);
    loop {
        let now = board.now();
        let lasts = match device.poll(now) {
            Step::Connect => {
                lines.clear();
                let open = before(board.wait_until(now.plus(STUCK)), board.open(Server::Link));
                stream = open.await.flatten();
                if stream.is_some() {
                    device.opened(board.now());
                }
                stream.is_some()
            }
            Step::Send(frame) => {
                let line = frame.write(line).unwrap_or_default();
                // Given up in the middle of a line, the stream is closed.
                let written =
                    before(board.wait_until(now.plus(STUCK)), write(stream.as_mut(), line)).await == Some(true);
                if written {
                    device.sent(board.now());
                }
                written
            }
            Step::WaitUntil(later) => match &mut stream {
                Some(stream) => {
                    let mut chunk = [0; 64];
                    match before(board.wait_until(later), stream.read(&mut chunk)).await {
                        Some(Ok(len @ 1..)) => hear(board, device, lines, chunk.get(..len).unwrap_or_default()),
                        Some(_) => false, // the end of the stream
                        None => true,     // there is something else to do
                    }
                }
                None => {
                    board.wait_until(later).await;
                    true
                }
            },
            Step::Close(_) => false,
            Step::Stop(end) => return end,
        };
        if !lasts {
            stream = None;
            device.closed(board.now(), board.random());
        }
    }
}

/// Takes what the stream had.
fn hear<B: Board>(board: &B, device: &mut Device<'_>, lines: &mut LineBuffer, mut bytes: &[u8]) -> bool {
    while let Some(line) = lines.feed(&mut bytes) {
        if let Event::Message(message) = device.received(line, board.now())
            && board.take(&message)
        {
            device.acknowledge(message.id);
        }
    }
    true
}

async fn write<S: Write>(stream: Option<&mut S>, line: &[u8]) -> bool {
    let Some(stream) = stream else { return false };
    stream.write_all(line).await.is_ok() && stream.flush().await.is_ok()
}

/// Sends what the outbox holds, for ever. Dropped, it gives up the request under way, which fails by its schedule.
pub async fn push<B: Board>(board: &B, outbox: &RefCell<Outbox<4, 512>>, token: &str) {
    let mut body = [0; 512];
    loop {
        // No borrow is held while it waits: the application pushes meanwhile.
        let due = due(&mut outbox.borrow_mut(), board.now(), &mut body);
        let (ticket, len) = match due {
            Ok(send) => send,
            Err(later) => {
                before(board.wait_until(later), board.pushed()).await;
                continue;
            }
        };
        // A ticket that a poll gave is there until it is removed, and nobody else removes it.
        let _ = outbox.borrow_mut().sent(ticket, board.now());
        let deadline = outbox.borrow().deadline(ticket).unwrap_or(Instant::NEVER);
        let asked = before(board.wait_until(deadline), ask(board, token, body.get(..len).unwrap_or_default())).await;
        let (mut outbox, now) = (outbox.borrow_mut(), board.now());
        let _ = match asked {
            Some(Some(status)) => outbox.answered(ticket, lingyang::verdict(status), now),
            Some(None) => outbox.failed(ticket, now),
            None => Ok(()), // its deadline has passed, as the next poll sees
        };
    }
}

/// What is to be sent now, copied out, or when to look again.
fn due(outbox: &mut Outbox<4, 512>, now: Instant, body: &mut [u8; 512]) -> Result<(Ticket, usize), Instant> {
    loop {
        match outbox.poll(now) {
            outbox::Step::Send { ticket, payload, .. } => {
                body.iter_mut().zip(payload).for_each(|(to, from)| *to = *from);
                return Ok((ticket, payload.len()));
            }
            outbox::Step::Done { ticket, .. } => {
                let _ = outbox.remove(ticket);
            }
            outbox::Step::WaitUntil(later) => return Err(later),
            outbox::Step::Idle => return Err(Instant::NEVER),
        }
    }
}

/// Pushes over HTTP. The status of the answer; `None` = there was none.
async fn ask<B: Board>(board: &B, token: &str, body: &[u8]) -> Option<u16> {
    let request = Request {
        method: Method::Post,
        target: "/v2/message/client/push",
        host: "push.example.com",
        headers: &[("Content-Type", "application/json"), ("X-Client-Token", token)],
        body_len: 0, // the exchange knows it
        connection: Connection::Close,
    };
    let (mut buf, mut line) = ([0; 320], [0; 64]);
    let mut stream = board.open(Server::Api).await?;
    let mut exchange = Exchange::new(&request, body, &mut buf, &mut line).ok()?;
    let mut answered = None;
    loop {
        match next(&mut exchange, &mut stream).await.ok()? {
            Part::Status(status) => answered = Some(status),
            Part::Header(_) | Part::Body(_) => {}
            Part::End(_) => return answered,
        }
    }
}

/// Does `work`, but gives it up at the `end`.
async fn before<T>(end: impl Future<Output = ()>, work: impl Future<Output = T>) -> Option<T> {
    let (mut end, mut work) = (pin!(end), pin!(work));
    poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => end.as_mut().poll(context).map(|()| None),
    })
    .await
}
