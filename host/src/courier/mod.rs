//! How a body goes out to a destination, and what came back.
//!
//! The engine decides *when* to send *what*; a courier sends it once and reports either the whole answer or why
//! there is none. A courier never decides what an answer means (the core reads it into a verdict) and never sends
//! twice on its own.
//!
//! One request passes through one room after the other:
//!
//! | file | its one idea |
//! | --- | --- |
//! | [`http`] | a POST, the bounded answer, one timeout over everything |
//! | `clients` | a pool for each way of being known to a peer |
//! | `parcel` | the body of a request, which tells how far it has come |
//! | [`failure`] | why there was no answer, as a word for metrics and a sentence for people |
//! | [`target`] | a URL that can be sent to |
//! | `resolver` | names to addresses, asked once, checked before they are used |
//! | [`address`] | which addresses are on the public Internet |
//! | `dial` | TCP to the first address that answers |
//! | [`tls`] | TLS on top, with roots loaded when the first `https` needs them |
//! | `route` | the request each protocol makes of a body, and what the answer means |
//! | `drive` | one delivery driven to its end here and now, for commands |

pub mod address;
mod clients;
mod dial;
mod drive;
pub mod failure;
pub mod http;
mod parcel;
mod resolver;
mod route;
pub mod target;
pub mod tls;

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

pub use self::drive::{Attempt, drive};
pub use self::failure::{Class, Failure};
pub use self::http::{HttpCourier, Post, Reply, Settings};
pub use self::route::{Report, Route};
pub use self::target::Target;
pub use self::tls::Roots;
pub(crate) use self::tls::cause as tls_cause;

/// Sends a body once on a route, and judges the answer: what the engine needs of a courier.
pub trait Courier: Send + Sync + 'static {
    /// Sends `body` and reports what came of it within `timeout`. `now` is in unix seconds.
    fn send<'s>(
        &'s self,
        route: &'s Route,
        body: Bytes,
        now: u64,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + 's>>;
}

impl Courier for HttpCourier {
    fn send<'s>(
        &'s self,
        route: &'s Route,
        body: Bytes,
        now: u64,
        timeout: Duration,
    ) -> Pin<Box<dyn Future<Output = Report> + Send + 's>> {
        Box::pin(route.send(self, body, now, timeout))
    }
}
