//! One connection from its first line to its goodbye, on whatever it travels.
//!
//! What is said when is the [session](pushgate_core::link::host)'s to decide; here it meets a socket, the clock, and
//! what the rest of the gateway has for the device. An idle connection holds its session, its socket and one timer,
//! and no buffer.

use std::{
    future::poll_fn,
    io,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use pushgate_core::{
    Instant, Text,
    link::{
        MAX_LINE_LEN, Refusal,
        host::{Event, Host, Step},
    },
};
use tokio::time::{self, Sleep};

use super::{
    Links,
    registry::Connection,
    wire::{Ended, Heard, Wire},
};
use crate::{
    metrics::{Line, LinkCounts, Reason},
    store::DeliveryId,
};

/// Milliseconds a device may take to read what it is sent (ours).
const READ_WITHIN: u32 = 10_000;

/// How long a connection that was refused is read on, so that the device reads why and not a reset (ours).
const LINGER: Duration = Duration::from_secs(2);

/// Chunks taken from one connection before the others have their turn.
const CHUNKS: usize = 8;

/// Serves a connection to its end.
pub(super) async fn serve<W: Wire>(mut wire: W, mut talk: Talk) -> Ended {
    let alarm = pin!(time::sleep(Duration::ZERO));
    let ended = {
        let mut driver = Driver { wire: &mut wire, talk: &mut talk, alarm, stalled: None, refused: None };
        poll_fn(|cx| driver.poll(cx)).await
    };
    if talk.place.cid().is_some() {
        talk.counts().left();
    }
    talk.place.leave();
    talk.counts().closed(Reason::from(&ended));
    let code = match &ended {
        Ended::Refused(refusal) => Some(refusal.code()),
        Ended::Left => None,
        Ended::Io(_) | Ended::Abandoned => return ended,
    };
    // Whoever makes room for another does it at once.
    let lingers = matches!(&ended, Ended::Refused(refusal) if !matches!(refusal, Refusal::Full));
    let goodbye = async {
        let closed = poll_fn(|cx| wire.poll_close(cx, code)).await;
        if lingers && closed.is_ok() {
            // Closing with input unread resets the connection, and a reset may overtake the reason on its way.
            while poll_fn(|cx| wire.poll_receive(cx, &mut |_| {})).await.is_ok() {}
        }
    };
    tokio::select! {
        _ = time::timeout(LINGER, goodbye) => {}
        () = talk.abandoned() => {}
    }
    ended
}

/// What a connection says and hears, apart from how it travels.
pub(super) struct Talk {
    pub(super) links: Arc<Links>,
    pub(super) place: Connection,
    pub(super) session: Host,
    pub(super) peer: SocketAddr,
    /// What the device has shown, from its hello on: keys may change.
    pub(super) token: Box<str>,
}

impl Talk {
    fn hear(&mut self, heard: Heard<'_>, now: Instant) {
        let line = match heard {
            Heard::Line(line) => line,
            Heard::NoText => return self.session.refuse(Refusal::NoText),
            Heard::Sign => return self.session.heard(now),
        };
        let bytes = line.map_or(MAX_LINE_LEN, |line| line.len() + 1);
        match self.session.received(line, now) {
            Event::Hello(token) => {
                self.links.metrics.link.line(Line::Hello, bytes);
                self.hello(token, now);
            }
            Event::Ack(id) => {
                self.links.metrics.link.line(Line::Ack, bytes);
                if let (Some(cid), Ok(id)) = (self.place.cid(), id.to_cow().parse::<DeliveryId>()) {
                    self.links.engine.acknowledge(cid, id);
                }
            }
            Event::Nothing => self.links.metrics.link.line(Line::Sign, bytes),
        }
    }

    /// Lets a device in, or tells it why not.
    pub(super) fn hello(&mut self, token: Text<'_>, now: Instant) {
        if let Err(refusal) = self.try_hello(token, now) {
            self.session.refuse(refusal);
        }
    }

    fn try_hello(&mut self, token: Text<'_>, now: Instant) -> Result<(), Refusal> {
        let secs = self.links.clock.unix_secs();
        let (cid, expire) = self.links.check(token, secs)?;
        self.place.identify(cid.value(), self.peer, now.as_millis())?;
        self.token = token.to_cow().into();
        self.session.welcome(cid, secs, expire, now);
        self.counts().welcomed();
        self.links.engine.connected(cid.value());
        Ok(())
    }

    /// Looks whether the token still holds.
    fn recheck(&mut self) {
        if self.place.cid().is_some()
            && let Err(refusal) = self.links.check(Text::from(&*self.token), self.links.clock.unix_secs())
        {
            self.session.refuse(refusal);
        }
    }

    fn counts(&self) -> &LinkCounts {
        &self.links.metrics.link
    }

    async fn abandoned(&self) {
        poll_fn(|cx| if self.place.mailbox.poll(cx).abandon { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

struct Driver<'c, W> {
    wire: &'c mut W,
    talk: &'c mut Talk,
    alarm: Pin<&'c mut Sleep>,
    /// Since when the device has not read what it was sent.
    stalled: Option<Instant>,
    /// What the device was told at the end.
    refused: Option<Refusal>,
}

impl<W: Wire> Driver<'_, W> {
    /// Does all that can be done without waiting.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        loop {
            let now = self.talk.links.clock.now();
            let news = self.talk.place.mailbox.poll(cx);
            if news.abandon {
                return Poll::Ready(Ended::Abandoned);
            }
            if news.recheck {
                self.talk.recheck();
            }
            if let Some(refusal) = news.refusal {
                self.talk.session.refuse(refusal);
            }
            let next = self.receive(cx, now).and_then(|()| self.send(cx, now));
            match next {
                Ok(Next::Again) => {}
                Ok(Next::WaitUntil(later)) => ready!(self.wait(cx, later)),
                Err(ended) => return Poll::Ready(ended),
            }
        }
    }

    /// Takes in what has come.
    fn receive(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<(), Ended> {
        let Self { wire, talk, .. } = self;
        for _ in 0..CHUNKS {
            match wire.poll_receive(cx, &mut |heard| talk.hear(heard, now)) {
                Poll::Ready(received) => received?,
                Poll::Pending => return Ok(()),
            }
        }
        // There may be more: the others first.
        cx.waker().wake_by_ref();
        Ok(())
    }

    /// Writes what there is to say.
    fn send(&mut self, cx: &mut Context<'_>, now: Instant) -> Result<Next, Ended> {
        let said = self.say(now)?;
        if let Poll::Ready(flushed) = self.wire.poll_flush(cx) {
            flushed?;
            self.stalled = None;
            return match said {
                Said::AllUntil(later) => Ok(Next::WaitUntil(later)),
                Said::Some => Ok(Next::Again),
                Said::Last(refusal) => Err(Ended::Refused(refusal)),
            };
        }
        let until = self.stalled.get_or_insert(now).plus(READ_WITHIN);
        if now >= until {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the device does not read what it is sent").into());
        }
        Ok(Next::WaitUntil(match said {
            Said::AllUntil(later) => until.min(later),
            Said::Some | Said::Last(_) => until,
        }))
    }

    /// Puts what there is to say on the wire, as far as there is room.
    fn say(&mut self, now: Instant) -> Result<Said, Ended> {
        let Self { wire, talk, refused, .. } = self;
        while wire.has_room() {
            let mut line = [0; MAX_LINE_LEN];
            match talk.session.poll(now) {
                Step::Send(frame) => {
                    // A welcome, a ping and a pong fit a line, and so does every refusal.
                    let line = frame.write(&mut line).unwrap_or_default();
                    talk.counts().line(Line::Course, line.len());
                    wire.put(line)?;
                    talk.session.sent(now);
                }
                Step::Refuse(refusal) => {
                    let line = refusal.write(&mut line).unwrap_or_default();
                    talk.counts().line(Line::Refusal, line.len());
                    wire.put(line)?;
                    talk.session.sent(now);
                    *refused = Some(refusal);
                }
                Step::WaitUntil(later) => {
                    let mail = if talk.session.is_open() { talk.place.mailbox.pop() } else { None };
                    let Some(mail) = mail else { return Ok(Said::AllUntil(later)) };
                    talk.counts().line(Line::Message, mail.len());
                    wire.put(&mail)?;
                    talk.session.wrote_message();
                }
                Step::Close => return Ok(refused.map_or(Said::Some, Said::Last)),
            }
        }
        Ok(Said::Some)
    }

    fn wait(&mut self, cx: &mut Context<'_>, later: Instant) -> Poll<()> {
        let at = self.talk.links.clock.runtime(later);
        // Most deadlines move away with every line: an alarm that rings too early costs a look, moving it costs more.
        if self.alarm.is_elapsed() || at < self.alarm.deadline() {
            self.alarm.as_mut().reset(at);
        }
        self.alarm.as_mut().poll(cx)
    }
}

/// What a look at a connection leads to.
enum Next {
    /// Another one.
    Again,
    /// Nothing before this instant, unless something comes.
    WaitUntil(Instant),
}

/// How much of what there is to say was said.
enum Said {
    /// All there is before this instant.
    AllUntil(Instant),
    /// What there was room for.
    Some,
    /// The last there will be.
    Last(Refusal),
}
