//! The devices: as many as are wanted in one process, each one task with a small buffer.
//!
//! A device says who it is, acknowledges what comes (or keeps silent, when the scenario wants that), answers pings, and
//! connects again when its connection is lost. What came is noted with its time, to be counted when nothing is measured
//! any more.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use pushgate_core::{
    Text,
    link::{Frame, ReceiptState},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{self, Instant},
};

use super::{
    CannotRun, Progress,
    roster::Roster,
    stream::{Stream, Tcp, WebSocket},
};

/// How long connecting, with the welcome, may take before a device tries again (ours).
const WELCOME_WITHIN: Duration = Duration::from_secs(10);

/// How long all of them together may take to connect for the first time (ours).
const ALL_WITHIN: Duration = Duration::from_secs(120);

/// The wait after the first connection lost in a row; each further one doubles it, up to [`LONGEST_WAIT`] (ours).
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Devices that connect at a time at the start (ours). A listener's queue is finite, and what does not fit is tried
/// again by the kernel after a second; how a herd comes back is a row of its own.
const CONNECTING: usize = 128;

/// What an acknowledgement, the longest line that a device sends after its hello, takes.
const ANSWER: usize = 64;

/// What devices connect over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Tcp,
    WebSocket,
}

/// Whether devices acknowledge what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    Always,
    Never,
}

/// A copy of a message that came to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copy {
    pub(super) device: usize,
    pub(super) id: u128,
    pub(super) at: Instant,
}

/// A receipt of a message that was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    /// What the push was answered with.
    pub(super) push: u128,
    pub(super) at: Instant,
}

/// Devices; they are gone when this is dropped.
#[derive(Debug)]
pub(super) struct Fleet {
    devices: JoinSet<()>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    roster: Arc<Roster>,
    /// How many are welcome.
    welcome: watch::Sender<usize>,
    /// Why one could not connect in the first place.
    refused: watch::Sender<Option<String>>,
    acknowledges: AtomicBool,
    lost: AtomicUsize,
    copies: Mutex<Vec<Copy>>,
    receipts: Mutex<Vec<Receipt>>,
}

impl Fleet {
    /// Connects a device for each of the roster, and returns when all are welcome.
    pub(super) async fn connect(
        roster: &Arc<Roster>,
        over: Over,
        address: SocketAddr,
        progress: &Progress,
    ) -> Result<Self, CannotRun> {
        let all = roster.len();
        let shared = Arc::new(Shared {
            roster: Arc::clone(roster),
            welcome: watch::Sender::new(0),
            refused: watch::Sender::new(None),
            acknowledges: AtomicBool::new(true),
            lost: AtomicUsize::new(0),
            copies: Mutex::default(),
            receipts: Mutex::default(),
        });
        let mut fleet = Self { devices: JoinSet::new(), shared };
        progress.stage("connecting", all as u64);
        let gate = Arc::new(Semaphore::new(CONNECTING));
        for number in 0..all {
            let device = Device { number, over, address, shared: Arc::clone(&fleet.shared) };
            fleet.devices.spawn(device.live(Arc::clone(&gate)));
        }
        let mut refused = fleet.shared.refused.subscribe();
        let mut welcome = fleet.shared.welcome.subscribe();
        let all_welcome = welcome.wait_for(|welcome| {
            progress.reach(*welcome as u64);
            *welcome == all
        });
        let connected = tokio::select! {
            _ = time::timeout(ALL_WITHIN, all_welcome) => fleet.welcome(),
            Ok(refused) = refused.wait_for(Option::is_some) => {
                return Err(CannotRun(refused.clone().unwrap_or_default()));
            }
        };
        if connected == all {
            return Ok(fleet);
        }
        Err(CannotRun(format!("of {all} devices only {connected} were welcome within {ALL_WITHIN:?}")))
    }

    /// How many devices are connected and welcome.
    pub(super) fn welcome(&self) -> usize {
        *self.shared.welcome.borrow()
    }

    /// Waits until so many devices are connected and welcome, and says whether that came in time.
    pub(super) async fn until_welcome(&self, devices: usize, within: Duration) -> bool {
        let mut welcome = self.shared.welcome.subscribe();
        let reached = welcome.wait_for(|welcome| *welcome == devices);
        matches!(time::timeout(within, reached).await, Ok(Ok(_)))
    }

    /// Has the devices acknowledge from now on, or keep silent.
    pub(super) fn answer(&self, answering: Answering) {
        self.shared.acknowledges.store(answering == Answering::Always, Ordering::Relaxed);
    }

    /// How many connections were lost.
    pub(super) fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed) as u64
    }

    /// How many copies of messages came and are not [taken](Self::take_copies).
    pub(super) fn copies(&self) -> usize {
        lock(&self.shared.copies).len()
    }

    /// How many receipts came and are not [taken](Self::take_receipts).
    pub(super) fn receipts(&self) -> usize {
        lock(&self.shared.receipts).len()
    }

    /// The copies of messages that came since the last time.
    pub(super) fn take_copies(&self) -> Vec<Copy> {
        std::mem::take(&mut lock(&self.shared.copies))
    }

    /// The receipts that came since the last time.
    pub(super) fn take_receipts(&self) -> Vec<Receipt> {
        std::mem::take(&mut lock(&self.shared.receipts))
    }
}

fn lock<T>(notes: &Mutex<Vec<T>>) -> std::sync::MutexGuard<'_, Vec<T>> {
    // A note is one push: a panic elsewhere leaves the notes right.
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One device.
struct Device {
    number: usize,
    over: Over,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Device {
    /// Keeps the device connected. Only a device that was never welcome gives up.
    async fn live(self, gate: Arc<Semaphore>) {
        let mut permit = gate.acquire_owned().await.ok();
        let (mut ever, mut tries) = (false, 0);
        loop {
            let mut welcome = false;
            let Err(why) = self.connection(&mut permit, &mut welcome).await;
            if welcome {
                (ever, tries) = (true, 0);
                self.shared.lost.fetch_add(1, Ordering::Relaxed);
                self.shared.welcome.send_modify(|welcome| *welcome -= 1);
            }
            if !ever {
                self.shared.refused.send_replace(Some(format!("device {}: {why}", self.number)));
                return;
            }
            time::sleep(wait(self.number, tries)).await;
            tries += 1;
        }
    }

    async fn connection(
        &self,
        permit: &mut Option<OwnedSemaphorePermit>,
        welcome: &mut bool,
    ) -> Result<Infallible, String> {
        let token = self.shared.roster.token(self.number);
        let slow = |_| format!("no welcome within {WELCOME_WITHIN:?}");
        let deadline = Instant::now() + WELCOME_WITHIN;
        match self.over {
            Over::Tcp => {
                let stream = time::timeout_at(deadline, Tcp::open(self.address, token)).await.map_err(slow)??;
                self.session(stream, deadline, permit, welcome).await
            }
            Over::WebSocket => {
                // The handshake needs more than what comes after it: boxed, it does not stay.
                let open = Box::pin(WebSocket::open(self.address, token));
                let stream = time::timeout_at(deadline, open).await.map_err(slow)??;
                self.session(stream, deadline, permit, welcome).await
            }
        }
    }

    async fn session(
        &self,
        mut stream: impl Stream,
        deadline: Instant,
        permit: &mut Option<OwnedSemaphorePermit>,
        welcome: &mut bool,
    ) -> Result<Infallible, String> {
        let failed = |error: io::Error| format!("the connection failed: {error}");
        let mut answer = [0; ANSWER];
        loop {
            let line = match *welcome {
                true => stream.next().await.map_err(failed)?,
                false => time::timeout_at(deadline, stream.next())
                    .await
                    .map_err(|_| format!("no welcome within {WELCOME_WITHIN:?}"))?
                    .map_err(failed)?,
            };
            let frame = Frame::read(line).map_err(|error| format!("no line of the device link: {error}"))?;
            let answer = match self.take(frame)? {
                Taken::Welcome if !*welcome => {
                    *welcome = true;
                    drop(permit.take());
                    self.shared.welcome.send_modify(|welcome| *welcome += 1);
                    continue;
                }
                Taken::Welcome | Taken::Silently => continue,
                Taken::Answer(frame) => frame.write(&mut answer).map_err(|error| error.to_string())?,
            };
            stream.send(answer).await.map_err(failed)?;
        }
    }

    /// Notes what came and says what to answer.
    fn take<'l>(&self, frame: Frame<'l>) -> Result<Taken<'l>, String> {
        match frame {
            Frame::Welcome(_) => return Ok(Taken::Welcome),
            Frame::Message(message) => {
                // What has another id is not counted, and so missed.
                if let Some(id) = id(message.id) {
                    lock(&self.shared.copies).push(Copy { device: self.number, id, at: Instant::now() });
                }
                if self.shared.acknowledges.load(Ordering::Relaxed) {
                    return Ok(Taken::Answer(Frame::Ack(message.id)));
                }
            }
            Frame::Receipt(receipt) if receipt.state == ReceiptState::Delivered => {
                if let Some(push) = id(receipt.id) {
                    lock(&self.shared.receipts).push(Receipt { push, at: Instant::now() });
                }
            }
            Frame::Ping(number) => return Ok(Taken::Answer(Frame::Pong(number))),
            Frame::Error(problem) => {
                return Err(format!("refused with {}: {}", problem.code, problem.message.to_cow()));
            }
            _ => {}
        }
        Ok(Taken::Silently)
    }
}

/// What a device makes of a line.
enum Taken<'l> {
    Welcome,
    Silently,
    Answer(Frame<'l>),
}

/// An id of 32 hexadecimal digits, as messages and pushes have.
pub(super) fn id(text: Text<'_>) -> Option<u128> {
    u128::from_str_radix(&text.to_cow(), 16).ok()
}

/// How long a device waits before it connects again after so many tries in vain: twice as long each time, and each
/// device its own part of the second half, so that a fleet does not come back as one.
fn wait(number: usize, tries: u32) -> Duration {
    let longest = FIRST_WAIT.saturating_mul(1_u32.checked_shl(tries).unwrap_or(u32::MAX)).min(LONGEST_WAIT);
    let chance = mixed((number as u64) << 8 | u64::from(tries)) >> 32;
    // 32 bits as a part of one.
    longest / 2 + (longest / 2).mul_f64(chance as f64 / f64::from(u32::MAX))
}

/// Spreads numbers over all of 64 bits: the same for the same number, so that a run can be made again.
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_spread_over_their_second_half() {
        for (tries, longest) in [(0, 500), (1, 1_000), (3, 4_000), (6, 30_000), (40, 30_000)] {
            let longest = Duration::from_millis(longest);
            let waits: Vec<_> = (0..10_000).map(|number| wait(number, tries)).collect();
            assert!(waits.iter().all(|wait| (longest / 2..=longest).contains(wait)), "{tries}");
            // A quarter of the range has a quarter of the devices, about.
            let first_quarter = waits.iter().filter(|wait| **wait < longest / 2 + longest / 8).count();
            assert!((2_300..2_700).contains(&first_quarter), "{tries}: {first_quarter}");
        }
    }

    #[test]
    fn ids_are_hexadecimal() {
        assert_eq!(id("000000000000000000000000000000ff".into()), Some(255));
        assert_eq!(id("an id".into()), None);
    }
}
