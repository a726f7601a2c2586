//! Pushes: an outbox whose sends are HTTP requests over a UART.
//!
//! The stream behind the UART is opened by what is at its other end, which the device can neither ask for nor see. So a
//! request is one that has to be given up after a time, and bytes that nobody asked for are thrown away before each.

use pushgate_core::{
    Error, Instant, Outbox, Schedule,
    delivery::Outcome,
    http::{Connection, Method, Part, Request, RequestError, Response, ResponseError},
    json::ChunkReader,
    lingyang::{self, Callback, ClientPush, Flag, Msg},
    outbox::{PushError, Step, Ticket},
};

use crate::{
    board::{self, OPEN_AGAIN_WITHIN, Uart},
    console::{Check, Console, Ends},
};

/// Payloads at a time, and bytes of each: a push to one device with the longest message, base64 of 256 bytes, takes
/// 479.
const SLOTS: usize = 4;
const BYTES: usize = 512;

/// The outbox that the caller keeps.
pub(crate) type Memory = Outbox<SLOTS, BYTES>;

/// Sends at 0, 1, 3, 6 and 11 s until there is an answer, as the gateway itself sends to devices; each has 5 s for it.
const SCHEDULE: &Schedule<'static> = &Schedule::FLAG_2;

/// Bytes of the head of a request with a token of the longest kind.
const HEAD_LEN: usize = 256;
/// Bytes of the answer's body that are kept: the request's id, or what is wrong with it.
const REPLY_LEN: usize = 256;

/// Pushes in this device's name.
#[derive(Debug)]
pub(crate) struct Pusher {
    uart: Uart,
    token: &'static str,
    outbox: &'static mut Memory,
    /// Those that must end badly, by their numbers' last bits.
    doomed: u32,
    /// A request that was given up: until then its answer may still come.
    owed: Option<(Ticket, Instant)>,
    /// When the stream is open, which the gateway may have said it closes.
    open_at: Instant,
}

/// What came of a request.
enum Answered {
    /// An answer with this status, and what becomes of the stream.
    Status(u16, Connection),
    /// None in time.
    Late,
    /// Something that is no answer.
    Not(ResponseError),
}

impl Pusher {
    pub(crate) fn new(uart: Uart, outbox: &'static mut Memory) -> Self {
        Self { uart, token: "", outbox, doomed: 0, owed: None, open_at: Instant::from_millis(0) }
    }

    /// From now on the device is this one.
    pub(crate) fn renew(&mut self, token: &'static str) {
        self.token = token;
    }

    /// Accepts a text to be pushed to one device.
    pub(crate) fn push(&mut self, to: &str, text: &str, ends: Ends) -> Result<Ticket, PushError<Error>> {
        let ticket = self.outbox.push(SCHEDULE, board::now(), |slot| {
            let receivers = [to.into()];
            let push = ClientPush {
                msg: Msg::from_bytes(text.as_bytes())?,
                flag: Some(Flag::UntilAnswered),
                callback: Callback::No,
                access_tokens: receivers.as_slice().into(),
            };
            push.write(slot).map(<[u8]>::len)
        })?;
        if let Ends::Badly = ends {
            self.doomed |= mark(ticket);
        }
        Ok(ticket)
    }

    /// Whether nothing is left to be sent.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Does what is to be done now, a request with its answer at the most, and `meanwhile` while it waits for that.
    // Called, as other parts of the loop are: what is inlined into it has its buffers on the stack for good.
    #[inline(never)]
    pub(crate) fn turn(&mut self, console: &mut Console, meanwhile: &mut dyn FnMut(&mut Console)) {
        let now = board::now();
        match self.outbox.poll(now) {
            Step::Send { ticket, attempt, payload } => {
                // Answers carry no number. A late one to another copy of this delivery does no harm; one to another
                // delivery would pass for this one's.
                if now < self.open_at || self.owed.is_some_and(|(owed, until)| owed != ticket && now < until) {
                    return;
                }
                console.event("send").number("push", ticket.number()).number("attempt", attempt.into());
                discard(&mut self.uart);
                let written = request(&mut self.uart, self.token, payload);
                if let Err(error) = written {
                    console.event("no-request").says("why", &error);
                    console.check("a request can be written", Check::Fails);
                }
                // The time for the answer starts here.
                let _ = self.outbox.sent(ticket, now);
                let until = self.outbox.deadline(ticket).unwrap_or(now);
                let answered = answer(&mut self.uart, until, console, meanwhile);
                self.take(ticket, &answered, console);
            }
            Step::Done { ticket, outcome } => {
                let delivered = outcome == Outcome::Delivered;
                console.event(if delivered { "accepted" } else { "gave-up" }).number("push", ticket.number());
                let doomed = self.doomed & mark(ticket) != 0;
                self.doomed &= !mark(ticket);
                console.check("a push ends as it must", Check::from(delivered != doomed));
                let _ = self.outbox.remove(ticket);
            }
            Step::WaitUntil(_) | Step::Idle => {}
        }
    }

    /// Tells the outbox. A ticket that it does not know any more is nothing to worry about.
    fn take(&mut self, ticket: Ticket, answered: &Answered, console: &mut Console) {
        let now = board::now();
        match answered {
            Answered::Status(status, connection) => {
                if *connection == Connection::Close {
                    self.open_at = now.plus(OPEN_AGAIN_WITHIN);
                }
                let _ = self.outbox.answered(ticket, lingyang::verdict(*status), now);
                return;
            }
            // The outbox knows by itself that the time has passed.
            Answered::Late => drop(console.event("no-answer").number("push", ticket.number())),
            Answered::Not(error) => {
                console.event("no-answer").number("push", ticket.number()).says("why", error);
                let _ = self.outbox.failed(ticket, now);
            }
        }
        self.owed = Some((ticket, now.plus(SCHEDULE.answer_within())));
    }
}

/// The bit of a push: there are fewer slots than bits.
fn mark(ticket: Ticket) -> u32 {
    1 << (ticket.number() % 32)
}

fn discard(uart: &mut Uart) {
    while uart.read(&mut [0; 16]) > 0 {}
}

/// Writes a push as a whole request.
#[inline(never)]
fn request(uart: &mut Uart, token: &str, body: &[u8]) -> Result<(), RequestError> {
    let mut head = [0; HEAD_LEN];
    let request = Request {
        method: Method::Post,
        target: "/v2/message/client/push",
        host: "gateway",
        headers: &[("Content-Type", "application/json"), ("X-Client-Token", token)],
        body_len: body.len(),
        connection: Connection::KeepAlive,
    };
    uart.write(request.write(&mut head)?);
    uart.write(body);
    Ok(())
}

/// Reads the answer as it comes.
#[inline(never)]
fn answer(uart: &mut Uart, until: Instant, console: &mut Console, meanwhile: &mut dyn FnMut(&mut Console)) -> Answered {
    let (mut line, mut body, mut chunk) = ([0; 64], [0; REPLY_LEN], [0; 64]);
    let mut response = Response::new(Method::Post, &mut line);
    let mut reply = ChunkReader::<lingyang::Reply<'_>>::new(&mut body);
    let mut status = 0;
    while board::now() < until {
        let len = uart.read(&mut chunk);
        if len == 0 {
            meanwhile(console);
            board::sleep();
            continue;
        }
        let mut input = chunk.get(..len).unwrap_or_default();
        loop {
            match response.feed(&mut input) {
                Ok(None) => break,
                Ok(Some(Part::Status(found))) => status = found,
                Ok(Some(Part::Header(_))) => {}
                // What has failed fails again, at the end.
                Ok(Some(Part::Body(piece))) => drop(reply.feed(piece)),
                Ok(Some(Part::End(connection))) => {
                    tell(status, reply.finish(), console);
                    return Answered::Status(status, connection);
                }
                Err(error) => return Answered::Not(error),
            }
        }
    }
    Answered::Late
}

/// Clients judge by the status alone; the body is for people.
fn tell(status: u16, reply: Result<lingyang::Reply<'_>, Error>, console: &mut Console) {
    let line = console.event("answer").number("status", status.into());
    match reply {
        Ok(lingyang::Reply { request_id, error: None }) => line.text("request", request_id),
        Ok(lingyang::Reply { request_id, error: Some(refusal) }) => {
            line.text("request", request_id).text("why", refusal.message)
        }
        Err(error) => line.says("no-reply", &error),
    };
}
