//! Where a body goes and on whose terms: the request each protocol makes of it, and what the answer means.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use pushgate_core::{
    Verdict,
    lingyang::{self, sign},
    tencent::{self, query},
    uplink,
};

use super::http::{CONTENT_TYPE, Ready, USER_AGENT};
use super::target::Target;
use super::{Class, Failure, HttpCourier, Reply};
use crate::config::{self, ClientTls, SdkAppId, Secret};

/// A destination, with what its protocol needs to be sent to. Clones share it.
///
/// What is the same for every send is made once: the checked URL, the host and port, and the constant headers.
#[derive(Clone)]
pub struct Route(Arc<Parts>);

struct Parts {
    url: config::Target,
    /// The same, as the courier reads it.
    target: Result<Target, Failure>,
    tls: Option<ClientTls>,
    headers: HeaderMap,
    protocol: Protocol,
}

enum Protocol {
    Uplink,
    Events { sdk_app_id: SdkAppId, token: Option<Secret> },
    Webhook { app_id: String, key: Secret },
}

/// What came of one send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// What it means for the delivery.
    pub verdict: Verdict,
    /// One word for attempts and metrics: `delivered`, `code`, `status`, `body`, or a failure's own.
    pub class: &'static str,
    /// The HTTP status, when there was an answer.
    pub status: Option<u16>,
    /// What was answered, or why there was none, for people.
    pub detail: String,
    /// The answer's body, unless it was taken.
    pub answer: Option<Bytes>,
}

impl Report {
    /// The word for a send that succeeded.
    pub const DELIVERED: &'static str = "delivered";
}

impl Route {
    /// A customer's URL for UCloud batches.
    #[must_use]
    pub fn uplink(url: config::Target, tls: Option<ClientTls>) -> Self {
        Self::new(url, tls, constant_headers(), Protocol::Uplink)
    }

    /// An app's backend for Tencent events: the callback's parameters are added to the query of `url`, signed with
    /// `token` when there is one.
    #[must_use]
    pub fn events(url: config::Target, sdk_app_id: SdkAppId, token: Option<Secret>, tls: Option<ClientTls>) -> Self {
        Self::new(url, tls, constant_headers(), Protocol::Events { sdk_app_id, token })
    }

    /// A Lingyang app's own server, the calls to which are signed with `key`.
    #[must_use]
    pub fn webhook(url: config::Target, app_id: String, key: Secret, tls: Option<ClientTls>) -> Self {
        let mut headers = constant_headers();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(lingyang::USER_AGENT));
        headers.insert(EVENT_SIGN, HeaderValue::from_static(""));
        headers.insert(EVENT, HeaderValue::from_static(lingyang::DEVICE_MESSAGE));
        // The configuration takes no app id that is not visible ASCII.
        if let Ok(id) = HeaderValue::from_str(&app_id) {
            headers.insert(APP_ID, id);
        }
        Self::new(url, tls, headers, Protocol::Webhook { app_id, key })
    }

    fn new(url: config::Target, tls: Option<ClientTls>, mut headers: HeaderMap, protocol: Protocol) -> Self {
        let target = Target::of(url.uri().clone());
        if let Ok(target) = &target
            && let Some(host) = target.http_host()
        {
            headers.insert(header::HOST, host);
        }
        Self(Arc::new(Parts { url, target, tls, headers, protocol }))
    }

    /// Sends `body` and judges the answer by the protocol's own rule. `now` is in unix seconds: a signed callback
    /// carries the time of its sending.
    pub async fn send(&self, courier: &HttpCourier, body: Bytes, now: u64, timeout: Duration) -> Report {
        match self.exchange(courier, body, now, timeout).await {
            Ok(reply) => {
                let report = self.judge(reply.status, &reply.body);
                let answer = Some(reply.body).filter(|_| report.verdict != Verdict::Delivered);
                Report { answer, ..report }
            }
            Err(NoReply::Unsendable(error)) => Report::failed("config", error.to_string()),
            Err(NoReply::Failed(Failure { class, detail })) => Report::failed(class.as_str(), detail),
        }
    }

    /// The URL without its query, which may hold secrets.
    #[must_use]
    pub fn destination(&self) -> String {
        self.0.url.to_string()
    }

    async fn exchange(
        &self,
        courier: &HttpCourier,
        body: Bytes,
        now: u64,
        timeout: Duration,
    ) -> Result<Reply, NoReply> {
        let Parts { target, tls, headers, protocol, .. } = &*self.0;
        let target = target.as_ref().map_err(|failure| NoReply::Failed(failure.clone()))?;
        let mut headers = headers.clone();
        let uri = match protocol {
            Protocol::Uplink => target.uri().clone(),
            Protocol::Events { sdk_app_id, token } => callback(target.uri(), sdk_app_id, token.as_ref(), &body, now)?,
            Protocol::Webhook { app_id, key } => {
                let event_sign = sign::sign(app_id, &body, key.reveal().as_bytes()).to_string();
                // It is hexadecimal.
                if let Ok(event_sign) = HeaderValue::from_maybe_shared(Bytes::from(event_sign)) {
                    headers.insert(EVENT_SIGN, event_sign);
                }
                target.uri().clone()
            }
        };
        let ready = Ready { uri, place: target.place(), headers, body, timeout, tls: tls.as_ref() };
        courier.send(ready).await.map_err(NoReply::Failed)
    }

    fn judge(&self, status: u16, body: &[u8]) -> Report {
        match self.0.protocol {
            Protocol::Uplink => Report::of(&uplink::Answer::read(status, body), status),
            Protocol::Events { .. } => Report::of(&tencent::Answer::read(status, body), status),
            Protocol::Webhook { .. } => {
                let verdict = lingyang::webhook_verdict(status);
                let class = if verdict == Verdict::Delivered { Report::DELIVERED } else { "status" };
                Report { verdict, class, status: Some(status), detail: format!("HTTP {status}"), answer: None }
            }
        }
    }
}

/// Shows where to, and nothing that is signed with.
impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.0.protocol {
            Protocol::Uplink => "uplink",
            Protocol::Events { .. } => "events",
            Protocol::Webhook { .. } => "webhook",
        };
        write!(f, "Route({protocol}, {}, {:?})", self.0.url, self.0.tls)
    }
}

/// Why there is nothing to judge.
enum NoReply {
    /// The body or the settings make no request.
    Unsendable(pushgate_core::Error),
    Failed(Failure),
}

impl From<pushgate_core::Error> for NoReply {
    fn from(error: pushgate_core::Error) -> Self {
        Self::Unsendable(error)
    }
}

const EVENT: HeaderName = HeaderName::from_static("x-topvdn-event");
const APP_ID: HeaderName = HeaderName::from_static("x-app-id");
const EVENT_SIGN: HeaderName = HeaderName::from_static("x-event-sign");

fn constant_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, CONTENT_TYPE);
    headers.insert(header::USER_AGENT, USER_AGENT);
    // Keeps the place of what each send writes: a copy of a map has no room to spare, so one more header would move all.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    headers
}

/// The URL of one callback: `base` with the callback's parameters in its query.
fn callback(base: &Uri, sdk_app_id: &SdkAppId, token: Option<&Secret>, body: &[u8], now: u64) -> Result<Uri, NoReply> {
    let command = tencent::first_command(body)?;
    let command = command.to_cow();
    let (mut parts, auth) = (base.clone().into_parts(), token.map(|token| (token.reveal().as_bytes(), now)));
    let path = parts.path_and_query.as_ref().map_or("/", PathAndQuery::as_str);
    let mut out = vec![0; query::max_url_len(path.len(), sdk_app_id.as_str().len(), command.len())];
    let length = query::write_url(&mut out, path, sdk_app_id.as_str(), &command, auth)?.len();
    out.truncate(length);
    // What was written is percent-encoded: only its length can be wrong.
    let written = PathAndQuery::from_maybe_shared(Bytes::from(out)).map_err(|_| too_long(length))?;
    parts.path_and_query = Some(written);
    Uri::from_parts(parts).map_err(|_| too_long(length))
}

fn too_long(length: usize) -> NoReply {
    let detail =
        format!("the callback's URL has {length} bytes after the host, more than can be sent: shorten the URL");
    NoReply::Failed(Failure::new(Class::Url, detail))
}

impl Report {
    fn of<R: fmt::Display>(answer: &pushgate_core::Answer<R>, status: u16) -> Self {
        use pushgate_core::Answer;
        let class = match answer {
            Answer::Accepted => Self::DELIVERED,
            Answer::Refused(_) => "code",
            Answer::Status(..) => "status",
            Answer::NotAReply(_) => "body",
        };
        Self { verdict: answer.verdict(), class, status: Some(status), detail: answer.to_string(), answer: None }
    }

    fn failed(class: &'static str, detail: String) -> Self {
        Self { verdict: Verdict::TryAgain, class, status: None, detail, answer: None }
    }
}
