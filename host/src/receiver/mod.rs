//! A receiver of one protocol, as a customer would run one: it checks what its page says, hands over what came, and
//! answers.
//!
//! [`router`] serves it on any path, for `pushgate receive` and for the demo, which need a receiver that is not the
//! gateway. It can refuse the first requests on purpose, to show how a sender retries.
//!
//! A request's items are handed over before it is answered, so whoever keeps them can say no by failing.

mod item;

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::any,
};
use pushgate_core::{
    Identity, Text,
    json::to_vec,
    lingyang::sign::{self, SIGN_HEADER},
    tencent::{self, ActionStatus, query::CallbackQuery},
    uplink::{self, Code},
};

use crate::{
    api::{
        body::UnreadBody,
        receive::{Refused, check_callback, tencent_answer, uplink_answer},
    },
    clock::Clock,
    config::{FailureStatus, SdkAppId, Secret},
    recent::Recent,
};

pub use item::{Item, Seen};

/// Items whose copies are recognised: the last this many (ours; a gateway counts by time).
pub const REMEMBERED_ITEMS: usize = 10_000;

/// Which protocol a receiver speaks, and what it checks.
#[derive(Clone, Debug)]
pub enum Protocol {
    /// A customer's URL for UCloud batches.
    Uplink,
    /// An app's backend for Tencent events.
    Events {
        /// The app whose callbacks are taken; every app's when `None`.
        sdk_app_id: Option<SdkAppId>,
        /// What callbacks are signed with; signatures are ignored when `None`.
        token: Option<Secret>,
    },
    /// A Lingyang app's own server.
    Webhook {
        /// The app whose signature is asked for; none is when `None`.
        app: Option<AppKey>,
    },
}

/// An app's id and one of its keys.
#[derive(Clone, Debug)]
pub struct AppKey {
    /// The app.
    pub id: String,
    /// The key.
    pub key: Secret,
}

/// How a receiver behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What it speaks and checks.
    pub protocol: Protocol,
    /// How many requests it refuses on purpose: the first that it would have taken.
    pub fail: u32,
}

/// A request, once it is known how it will be answered.
#[derive(Clone, Debug)]
pub struct Received {
    /// Which request, counted from 1 in the order of their arrival.
    pub number: u64,
    /// When it arrived, in unix milliseconds.
    pub at: u64,
    /// Who sent it.
    pub peer: SocketAddr,
    /// What it brought.
    pub outcome: Outcome,
}

/// What a request brought.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Items that are taken.
    Taken(Vec<Item>),
    /// Items that are refused on purpose.
    RefusedOnPurpose(Vec<Item>),
    /// Something that is refused by the rules.
    Refused {
        /// The answer's HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

/// What was received could not be kept: the request is refused, so that it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotKept;

/// Builds a receiver that hands what it receives to `keep`, one request at a time, before it answers.
///
/// Serve it with [`Server`](crate::api::server::Server), which also bounds the bodies.
pub fn router(
    settings: Settings,
    clock: Clock,
    keep: impl FnMut(Received) -> Result<(), NotKept> + Send + 'static,
) -> Router {
    let Settings { protocol, fail } = settings;
    let book = Book { requests: 0, to_refuse: fail, recent: Recent::new(REMEMBERED_ITEMS), keep: Box::new(keep) };
    let receiver = Arc::new(Receiver { protocol, clock, book: Mutex::new(book) });
    Router::new().fallback(any(receive)).with_state(receiver)
}

struct Receiver {
    protocol: Protocol,
    clock: Clock,
    book: Mutex<Book>,
}

/// What changes from request to request.
struct Book {
    requests: u64,
    to_refuse: u32,
    recent: Recent<Identity>,
    keep: Box<dyn FnMut(Received) -> Result<(), NotKept> + Send>,
}

async fn receive(
    State(receiver): State<Arc<Receiver>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    head: Parts,
    body: UnreadBody,
) -> Response {
    let at = receiver.clock.millis();
    let number = receiver.book().count();
    let items = receiver.read(&head, body).await;
    let decision = receiver.book().settle(items, |outcome| Received { number, at, peer, outcome });
    receiver.answer(decision)
}

/// What a request is told.
enum Decision {
    Taken,
    RefusedOnPurpose,
    Refused(Refused),
}

impl Receiver {
    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        // A panic while a request was noted leaves at worst a number unused.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads a request's items, checking everything in the order of the protocol's page.
    async fn read(&self, head: &Parts, body: UnreadBody) -> Result<Vec<Item>, Refused> {
        if head.method != Method::POST {
            return Err(Refused::new(StatusCode::METHOD_NOT_ALLOWED, "method: must be POST"));
        }
        if let Protocol::Events { sdk_app_id, token } = &self.protocol {
            let query = head.uri.query().unwrap_or_default();
            check_query(query, sdk_app_id.as_ref(), token.as_ref(), self.clock.unix_secs())?;
        }
        let body = body.read().await?;
        Ok(match &self.protocol {
            Protocol::Uplink => item::of_uplink(&body)?,
            Protocol::Events { .. } => item::of_events(&body)?,
            Protocol::Webhook { app } => {
                if let Some(app) = app {
                    check_sign(&head.headers, &body, app)?;
                }
                item::of_webhook(&body)?
            }
        })
    }

    fn answer(&self, decision: Decision) -> Response {
        let outcome = match decision {
            Decision::Taken => Ok(()),
            Decision::RefusedOnPurpose => return self.refusal_on_purpose(),
            Decision::Refused(refused) => Err(refused),
        };
        let mut response = match self.protocol {
            Protocol::Uplink => uplink_answer(&outcome),
            Protocol::Events { .. } => tencent_answer(&outcome, FailureStatus::default()),
            Protocol::Webhook { .. } => match &outcome {
                Ok(()) => StatusCode::OK.into_response(),
                Err(refused) => (refused.status, format!("{}\n", refused.message)).into_response(),
            },
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("POST"));
        }
        response
    }

    /// Refuses in the protocol's own way. Where the body decides, the status says 200: a sender that looks at the
    /// status alone is then found out.
    fn refusal_on_purpose(&self) -> Response {
        let reason = "refused on purpose";
        let words = Text::from(reason);
        let body = match self.protocol {
            Protocol::Uplink => to_vec(|buf| uplink::Reply::refusal(Code(1), words).write(buf)),
            Protocol::Events { .. } => to_vec(|buf| tencent::Reply::refusal(ActionStatus::Failure, words).write(buf)),
            Protocol::Webhook { .. } => {
                return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response();
            }
        };
        ([(header::CONTENT_TYPE, "application/json")], body.unwrap_or_default()).into_response()
    }
}

impl Book {
    fn count(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Decides on a request, and hands it over.
    fn settle(&mut self, items: Result<Vec<Item>, Refused>, received: impl FnOnce(Outcome) -> Received) -> Decision {
        let (outcome, decision) = match items {
            Err(refused) => {
                let (status, reason) = (refused.status.as_u16(), refused.message.clone());
                (Outcome::Refused { status, reason }, Decision::Refused(refused))
            }
            Ok(items) if self.to_refuse > 0 => {
                self.to_refuse -= 1;
                (Outcome::RefusedOnPurpose(items), Decision::RefusedOnPurpose)
            }
            Ok(mut items) => {
                for item in &mut items {
                    if item.identity.is_some_and(|identity| self.recent.note(identity) > 0) {
                        item.seen = Seen::Again;
                    }
                }
                (Outcome::Taken(items), Decision::Taken)
            }
        };
        match ((self.keep)(received(outcome)), decision) {
            (Err(NotKept), Decision::Taken) => {
                Decision::Refused(Refused::new(StatusCode::SERVICE_UNAVAILABLE, NotKept.to_string()))
            }
            (_, decision) => decision,
        }
    }
}

impl fmt::Display for NotKept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("could not be kept; send it again")
    }
}

impl std::error::Error for NotKept {}

/// Checks a callback's query, by an app's own id or, where every app's callbacks are taken, by the one it claims.
fn check_query(query: &str, sdk_app_id: Option<&SdkAppId>, token: Option<&Secret>, now: u64) -> Result<(), Refused> {
    let token = token.map(|token| token.reveal().as_bytes());
    if let Some(own) = sdk_app_id {
        return check_callback(query, own.as_str(), token, now);
    }
    let claimed = CallbackQuery::parse(query).ok().and_then(|query| query.sdk_app_id());
    let claimed = claimed.and_then(|id| String::from_utf8(id.bytes().collect()).ok()).unwrap_or_default();
    check_callback(query, &claimed, token, now)
}

/// Checks a webhook's signature over its raw body: 403 when it is missing or wrong (ours, as for callbacks).
fn check_sign(headers: &HeaderMap, body: &[u8], app: &AppKey) -> Result<(), Refused> {
    let header = headers.get(SIGN_HEADER).ok_or_else(|| {
        let missing =
            format!("{SIGN_HEADER}: missing, and this receiver has the app's key; sign the raw bytes of the body");
        Refused::new(StatusCode::FORBIDDEN, missing)
    })?;
    // What is no visible ASCII is no signature either.
    let header = header.to_str().unwrap_or_default();
    sign::verify(header, &app.id, body, [app.key.reveal().as_bytes()])
        .map_err(|error| Refused::new(StatusCode::FORBIDDEN, error.to_string()))
}

#[cfg(test)]
mod tests;
