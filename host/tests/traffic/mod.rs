//! Traffic of every kind through a gateway that is ended again and again, and the ledger of all that was said and came.

mod audit;
mod caller;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use pushgate_tests::{Place, Process, Random, Received, Receiver, texts};
use tokio::task::JoinHandle;

pub(crate) use audit::check;
use caller::{Caller, be_device};

const CID: u32 = 5_003_062;

/// Submitters at a time.
const CALLERS: u64 = 16;

/// One of this many requests is refused by a destination, and one of this many messages not acknowledged, so that
/// retries are under way whenever the gateway ends.
const REFUSES_ONE_OF: u64 = 4;

/// Sends of a delivery to a destination: the first, and three retries.
const SENDS: usize = 4;

/// The wait between them in this configuration; a forward has the protocol's own second.
pub(crate) const RETRY_EVERY: Duration = Duration::from_millis(250);

/// The destinations, which outlive every gateway, and the place of these.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) book: Book,
    _receivers: [Receiver; 3],
}

impl World {
    pub(crate) async fn new(seed: u64) -> Self {
        let book = Book::default();
        let acme = book.receiver(Lane::Uplink, seed + 1).await;
        let im = book.receiver(Lane::Tencent, seed + 2).await;
        let forward = book.receiver(Lane::Forward, seed + 3).await;
        let sending = format!("retries = {}\nretry_every_ms = {}\n", SENDS - 1, RETRY_EVERY.as_millis());
        let rest = format!(
            "forward = '{}'\n[[uplink.destinations]]\nname = 'acme'\nurl = '{}'\n{sending}\
             [[tencent.destinations]]\nname = 'im'\nurl = '{}'\nsdk_app_id = '1'\n{sending}",
            forward.url("/"),
            acme.url("/"),
            im.url("/")
        );
        let place = Place::new(env!("CARGO_BIN_EXE_pushgate"), &rest);
        Self { place, book, _receivers: [acme, im, forward] }
    }

    /// Sets submitters and a device on a gateway; they end when it does.
    pub(crate) fn load(&self, gateway: &Process, random: &mut Random) -> Vec<JoinHandle<()>> {
        let mut fork = || Random::new(random.below(u64::MAX >> 33));
        let life = self.book.open().life;
        let mut tasks = vec![self.device(gateway, fork())];
        tasks.extend((0..CALLERS).map(|caller| {
            let (book, name, random) = (self.book.clone(), format!("{life}-{caller}"), fork());
            tokio::spawn(Caller { book, name, random, public: gateway.public, admin: gateway.admin }.call())
        }));
        tasks
    }

    /// Sets the device alone on a gateway.
    pub(crate) fn device(&self, gateway: &Process, random: Random) -> JoinHandle<()> {
        tokio::spawn(be_device(self.book.clone(), gateway.link, random))
    }
}

/// Where an item goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Uplink,
    Tencent,
    Forward,
    Device,
}

impl Lane {
    fn name(self) -> String {
        match self {
            Self::Uplink => "uplink:acme".to_owned(),
            Self::Tencent => "tencent:im".to_owned(),
            Self::Forward => "forward:ucloud".to_owned(),
            Self::Device => format!("device:{CID}"),
        }
    }

    /// "Sent up to 5 times" (the Lingyang page), "after 3 retries pushing stops" (the uplink page).
    fn sends(self) -> usize {
        if self == Self::Device { 5 } else { SENDS }
    }
}

/// A request that was made, and what was said to it.
struct Asked {
    lane: Lane,
    items: Vec<String>,
    life: usize,
    told: Told,
}

enum Told {
    /// Accepted, with the ids of its deliveries where the answer has them.
    Accepted(Vec<String>),
    Refused,
    /// The gateway was killed before its answer.
    Nothing,
}

/// Everything that happened, across all the lives of the gateway.
#[derive(Default)]
pub(crate) struct Ledger {
    asked: Vec<Asked>,
    /// In which lives an item came to its destination, once for each time.
    arrived: BTreeMap<(Lane, String), Vec<usize>>,
    pub(crate) life: usize,
}

#[derive(Clone, Default)]
pub(crate) struct Book(Arc<Mutex<Ledger>>);

impl Book {
    pub(crate) fn open(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().expect("no test panics while it holds the ledger")
    }

    fn arrived(&self, lane: Lane, items: Vec<String>) {
        let mut ledger = self.open();
        let life = ledger.life;
        for item in items {
            ledger.arrived.entry((lane, item)).or_default().push(life);
        }
    }

    /// A receiver that counts every item and refuses now and then.
    async fn receiver(&self, lane: Lane, seed: u64) -> Receiver {
        let (book, random) = (self.clone(), Mutex::new(Random::new(seed)));
        Receiver::start(move |_, received: &Received| {
            book.arrived(lane, texts(&received.body));
            let no = u8::from(random.lock().expect("nobody panics").below(REFUSES_ONE_OF) == 0);
            let word = if no == 1 { "FAIL" } else { "OK" };
            (200, format!(r#"{{"code":{no},"message":"","ActionStatus":"{word}","ErrorInfo":"","ErrorCode":{no}}}"#))
        })
        .await
    }
}
