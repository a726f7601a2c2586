//! What the whole-system tests share: a gateway, in the test's own process or as one of its own, and the peers around it.
//!
//! Everything between them is real: sockets, HTTP, the store's file. A test waits for a thing with a [bound](BOUND),
//! never for a time to pass.

mod device;
mod failing;
mod faulty;
mod http;
mod load;
mod pages;
mod process;
mod receiver;
mod rig;
mod websocket;

use std::time::Duration;

use tokio::task::{JoinSet, LocalSet};

pub use device::{Device, message_id};
pub use failing::{FailingStore, Failure, When};
pub use faulty::{Fault, Faulty};
pub use http::{Answer, Request, admin_json, exchange};
pub use load::{Random, tencent_batch, texts, uplink_batch};
pub use pages::{all_deliveries, whole_inbox};
pub use process::{Place, Process, Starting};
pub use receiver::{Received, Receiver};
pub use rig::{APP_ID, KEY, NEXT_KEY, Rig, now, token, token_with};
pub use websocket::Socket;

/// The longest any wait takes, unless a test says otherwise; nothing comes near it unless it hangs.
pub const BOUND: Duration = Duration::from_secs(10);

/// Waits for `wait`, within [`BOUND`].
///
/// # Panics
///
/// When it takes longer.
pub async fn within<T>(wait: impl Future<Output = T>) -> T {
    within_bound(BOUND, wait).await
}

/// Waits for `wait`, within `bound`.
///
/// # Panics
///
/// When it takes longer.
pub async fn within_bound<T>(bound: Duration, wait: impl Future<Output = T>) -> T {
    tokio::time::timeout(bound, wait).await.unwrap_or_else(|_| panic!("nothing happened for {bound:?}"))
}

/// Asks again and again until there is an answer, within [`BOUND`].
///
/// # Panics
///
/// When there is none in time.
pub async fn until<T>(what: &str, ask: impl AsyncFnMut() -> Option<T>) -> T {
    until_bound(BOUND, what, ask).await
}

/// Asks again and again until there is an answer, within `bound`.
///
/// # Panics
///
/// When there is none in time.
pub async fn until_bound<T>(bound: Duration, what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    /// Between two questions: often enough to lose no time, seldom enough to leave the gateway some.
    const PAUSE: Duration = Duration::from_millis(10);
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::time::timeout(bound, asking).await.unwrap_or_else(|_| panic!("not within {bound:?}: {what}"))
}

/// Runs cases beside each other, all to their end, and returns how many of them failed; each says why when it does.
pub async fn side_by_side(cases: impl IntoIterator<Item = impl Future<Output = ()> + 'static>) -> usize {
    let run = async {
        let mut running = JoinSet::new();
        for case in cases {
            running.spawn_local(case);
        }
        let mut failed = 0;
        while let Some(case) = running.join_next().await {
            failed += usize::from(case.is_err());
        }
        failed
    };
    LocalSet::new().run_until(run).await
}
