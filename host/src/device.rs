//! A device, as an application would be one: on the link, printing or answering what comes.
//!
//! [`Device::run`] keeps a connection to a gateway's device link over TCP: it says hello, gives each message to the
//! application once, acknowledges every copy, answers pings, and connects again when the connection is lost. It plays
//! the other side for people and for tests; it is not firmware, which links `pushgate-core` alone.

use std::{convert::Infallible, io, time::Duration};

use pushgate_core::{
    Text, Verdict,
    lingyang::{self, MAX_MSG_BYTES},
    link::{Frame, Hello, LineBuffer, MAX_LINE_LEN, Message, SILENT_HEARTBEATS, Welcome},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{self, Instant},
};

use crate::{config::Secret, recent::Recent};

/// How long connecting, and then the welcome, may take (ours).
pub const WELCOME_WITHIN: Duration = Duration::from_secs(10);

/// Ids of messages that are remembered, to give each to the application once (ours).
pub const REMEMBERED_IDS: usize = 1024;

/// The wait after the first connection lost in a row; each further one doubles it, up to [`LONGEST_WAIT`] (ours).
pub const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest wait before connecting again (ours).
pub const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long the gateway may take to read a line (ours).
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// Who a device is and how it answers.
#[derive(Clone, Debug)]
pub struct Device {
    /// `HOST:PORT` of the gateway's device link.
    pub address: String,
    /// The device's token.
    pub token: Secret,
    /// How it answers messages.
    pub answering: Answering,
}

/// How a device answers messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answering {
    /// Every copy is acknowledged, as the link has it.
    #[default]
    Always,
    /// A message's first copies are left without an answer, this many of them: a device that is slow to answer.
    AfterCopies(u32),
    /// Nothing is acknowledged: a device that is deaf.
    Never,
}

/// What a device tells its application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The gateway said welcome.
    Welcome {
        /// Who it takes the device for.
        cid: u32,
        /// Its clock, in unix seconds.
        time: u64,
        /// The time between two signs of life.
        heartbeat: Duration,
    },
    /// A copy of a message came.
    Message {
        /// What identifies it.
        id: String,
        /// Who sent it; 0 = the application server.
        from: u32,
        /// When it was accepted, in unix seconds.
        created: u64,
        /// The message.
        msg: Vec<u8>,
        /// Which copy this is, counted from 1. An application looks at the first and passes over the rest.
        copy: u32,
    },
    /// What became of a message that this device sent with callback 1, for one receiver.
    Receipt {
        /// The id that its push was answered with.
        id: String,
        /// The receiver.
        to: u32,
        /// `delivered` or `dropped`.
        state: String,
    },
    /// The connection is lost, or there was none.
    Lost {
        /// Why.
        reason: String,
        /// When the next try is made.
        again_in: Duration,
    },
}

/// Why a device gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// The gateway refuses the device, and would again.
    Refused {
        /// The code, in the manner of an HTTP status.
        code: u32,
        /// The gateway's words.
        message: String,
    },
    /// The hello does not fit a line: the token is far too long to be one.
    TokenTooLong,
    /// The application wants no more.
    Stopped,
}

/// The application wants no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

impl Device {
    /// Is the device until the gateway refuses it for good or the application stops it; a lost connection is made
    /// again. To end it earlier, drop the future.
    ///
    /// `tell` gets each event before it is answered: a message that the application did not take is not acknowledged.
    pub async fn run(&self, mut tell: impl FnMut(Event) -> Result<(), Stop>) -> GaveUp {
        let mut recent = Recent::new(REMEMBERED_IDS);
        let mut waits = Waits::default();
        loop {
            let mut session = Session { device: self, recent: &mut recent, tell: &mut tell, welcomed: false };
            let ended = match self.connect().await {
                Ok(stream) => session.run(stream).await,
                Err(ended) => ended,
            };
            if session.welcomed {
                waits = Waits::default();
            }
            let reason = match ended {
                Ended::Lost(reason) => reason,
                Ended::GaveUp(gave_up) => return gave_up,
            };
            let again_in = waits.take();
            if tell(Event::Lost { reason, again_in }).is_err() {
                return GaveUp::Stopped;
            }
            time::sleep(again_in).await;
        }
    }

    async fn connect(&self) -> Result<TcpStream, Ended> {
        let address = &self.address;
        let stream = match time::timeout(WELCOME_WITHIN, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(Ended::Lost(format!("cannot connect to {address}: {error}"))),
            Err(_) => return Err(Ended::Lost(format!("cannot connect to {address} within {WELCOME_WITHIN:?}"))),
        };
        // Acknowledgements are small and each should go out when it is written.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }
}

/// The waits between tries: each twice the one before, without chance, so that what is seen can be foretold.
#[derive(Clone, Copy, Debug)]
struct Waits(Duration);

impl Default for Waits {
    fn default() -> Self {
        Self(FIRST_WAIT)
    }
}

impl Waits {
    fn take(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(LONGEST_WAIT);
        wait
    }
}

/// How a connection ended.
#[derive(Debug)]
enum Ended {
    /// It is worth another try.
    Lost(String),
    /// It is not.
    GaveUp(GaveUp),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Lost(format!("the connection failed: {error}"))
    }
}

impl From<Stop> for Ended {
    fn from(_: Stop) -> Self {
        Self::GaveUp(GaveUp::Stopped)
    }
}

/// One connection, from connecting to its end.
struct Session<'d, F> {
    device: &'d Device,
    recent: &'d mut Recent<String>,
    tell: &'d mut F,
    welcomed: bool,
}

impl<F: FnMut(Event) -> Result<(), Stop>> Session<'_, F> {
    async fn run<S: AsyncRead + AsyncWrite + Unpin>(&mut self, stream: S) -> Ended {
        match self.converse(stream).await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(&mut self, mut stream: S) -> Result<Infallible, Ended> {
        send(&mut stream, &Frame::Hello(Hello { token: Text::from(self.device.token.reveal()) }))
            .await?
            .map_err(|TooLong| Ended::GaveUp(GaveUp::TokenTooLong))?;

        let mut lines = LineBuffer::<MAX_LINE_LEN>::new();
        let mut chunk = [0; MAX_LINE_LEN];
        let mut beat = WELCOME_WITHIN;
        let mut next_beat = Instant::now() + beat;
        let mut heard = Instant::now();
        let mut pings = 0;
        loop {
            tokio::select! {
                read = stream.read(&mut chunk) => {
                    let mut input = match read? {
                        0 => return Err(Ended::Lost("the gateway closed the connection".to_owned())),
                        read => &chunk[..read],
                    };
                    heard = Instant::now();
                    while let Some(line) = lines.feed(&mut input) {
                        let line = line.map_err(|error| Ended::Lost(format!("the gateway sent a line {}", error.kind())))?;
                        let frame = Frame::read(line)
                            .map_err(|error| Ended::Lost(format!("no line of the device link: {error}; is {} its port?", self.device.address)))?;
                        if let Frame::Welcome(welcome) = frame {
                            beat = Duration::from_secs(u64::from(welcome.heartbeat.max(1)));
                            next_beat = heard + beat;
                        }
                        if let Some(answer) = self.answer(frame)? {
                            // The answer has no text that was not in a line before.
                            let _ = send(&mut stream, &answer).await?;
                        }
                    }
                }
                () = time::sleep_until(next_beat) => {
                    if !self.welcomed {
                        return Err(Ended::Lost(format!("no welcome within {WELCOME_WITHIN:?}")));
                    }
                    if heard.elapsed() >= beat * SILENT_HEARTBEATS {
                        return Err(Ended::Lost(format!("the gateway was silent for {SILENT_HEARTBEATS} heartbeats")));
                    }
                    pings += 1;
                    let _ = send(&mut stream, &Frame::Ping(pings)).await?;
                    next_beat = Instant::now() + beat;
                }
            }
        }
    }

    /// Tells the application what came, and returns what to answer.
    fn answer<'a>(&mut self, frame: Frame<'a>) -> Result<Option<Frame<'a>>, Ended> {
        match frame {
            Frame::Welcome(Welcome { cid, time, heartbeat }) => {
                self.welcomed = true;
                let heartbeat = Duration::from_secs(u64::from(heartbeat));
                (self.tell)(Event::Welcome { cid: cid.value(), time, heartbeat })?;
                Ok(None)
            }
            Frame::Message(message) => self.take(&message),
            Frame::Receipt(receipt) => {
                let (id, state) = (receipt.id.to_cow().into_owned(), receipt.state.text().to_cow().into_owned());
                (self.tell)(Event::Receipt { id, to: receipt.to.value(), state })?;
                Ok(None)
            }
            Frame::Ping(number) => Ok(Some(Frame::Pong(number))),
            Frame::Error(problem) => Err(refused(problem.code, problem.message.to_cow().into_owned())),
            Frame::Pong(_) | Frame::Unknown | Frame::Hello(_) | Frame::Ack(_) => Ok(None),
        }
    }

    fn take<'a>(&mut self, message: &Message<'a>) -> Result<Option<Frame<'a>>, Ended> {
        let id = message.id.to_cow().into_owned();
        let before = self.recent.note(id.clone());
        let mut msg = [0; MAX_MSG_BYTES];
        let msg = message.msg.copy_to(&mut msg).map(<[u8]>::to_vec).unwrap_or_default();
        let copy = before.saturating_add(1);
        (self.tell)(Event::Message { id, from: message.from, created: message.created, msg, copy })?;
        let answers = match self.device.answering {
            Answering::Always => true,
            Answering::AfterCopies(silent) => before >= silent,
            Answering::Never => false,
        };
        Ok(answers.then_some(Frame::Ack(message.id)))
    }
}

/// What a refusal means: what a client would try again after the same HTTP status is tried again here too (ours). Among
/// the rest is 409, a newer connection of the same device: two that replace each other would never end.
fn refused(code: u32, message: String) -> Ended {
    match u16::try_from(code).map_or(Verdict::GiveUp, lingyang::verdict) {
        Verdict::GiveUp => Ended::GaveUp(GaveUp::Refused { code, message }),
        Verdict::TryAgain | Verdict::Delivered => Ended::Lost(format!("the gateway said {code}: {message}")),
    }
}

/// A frame does not fit a line.
#[derive(Debug)]
struct TooLong;

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, frame: &Frame<'_>) -> io::Result<Result<(), TooLong>> {
    let mut line = [0; MAX_LINE_LEN];
    let Ok(line) = frame.write(&mut line) else { return Ok(Err(TooLong)) };
    let written = time::timeout(WRITE_WITHIN, stream.write_all(line)).await;
    written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map(Ok)
}

#[cfg(test)]
mod tests;
