//! A device, as an application would be one: on the link, printing or answering what comes.
//!
//! [`Device::run`] keeps a connection to a gateway's device link over TCP, TLS or a WebSocket. What is said when, what
//! the application is told and when to connect again is decided by [`pushgate_core::link::Device`]; this adds
//! the network and the clock. It plays the other side for people and for tests; it is not firmware, which links
//! `pushgate-core` alone.
//!
//! | file | its one idea |
//! | --- | --- |
//! | [`Link`] | where a gateway's device link is, and over what |
//! | `session` | the machine driven: lines, events and waits |
//! | `dial` | TCP, TLS on top of it, a WebSocket on top of either |
//! | `wire` | lines over whatever carries them |

mod dial;
mod link;
mod session;
mod wire;

use std::time::Duration;

use self::{
    dial::{Dial, Network},
    session::Session,
};
use crate::config::{ClientTls, Secret};

pub use self::link::{Link, NotALink, WEBSOCKET_PATH};

/// Ids of messages that are remembered, to give each to the application once (ours).
pub const REMEMBERED_IDS: usize = 1024;

/// Who a device is and how it answers.
#[derive(Clone, Debug)]
pub struct Device {
    /// Where the gateway is, and over what.
    pub link: Link,
    /// The device's token.
    pub token: Secret,
    /// Whom to trust beside the system's authorities, over TLS.
    pub tls: Option<ClientTls>,
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
    /// The token fits no hello or no header: it is far too long to be one, or of other characters.
    UnsendableToken,
    /// The application wants no more.
    Stopped,
}

/// The application wants no more events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It has not taken this one: a message is not acknowledged.
    Untaken,
    /// It has taken this one: a message is acknowledged before the device leaves.
    Taken,
}

impl Device {
    /// Makes a device that answers always and trusts the system's authorities.
    #[must_use]
    pub const fn new(link: Link, token: Secret) -> Self {
        Self { link, token, tls: None, answering: Answering::Always }
    }

    /// Is the device until the gateway refuses it for good or the application stops it; a lost connection is made
    /// again. To end it earlier, drop the future.
    ///
    /// `tell` gets each event before it is answered: a message that the application did not take is not acknowledged.
    pub async fn run(&self, tell: impl FnMut(Event) -> Result<(), Stop>) -> GaveUp {
        self.run_on(Network::of(self), tell).await
    }

    async fn run_on(&self, network: impl Dial, tell: impl FnMut(Event) -> Result<(), Stop>) -> GaveUp {
        match Session::new(self, tell).run(network).await {
            Ok(never) => match never {},
            Err(gave_up) => gave_up,
        }
    }
}

#[cfg(test)]
mod tests;
