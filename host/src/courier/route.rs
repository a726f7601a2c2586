//! Where a body goes and on whose terms: the request each protocol makes of it, and what the answer means.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use pushgate_core::{
    Verdict,
    lingyang::{self, sign},
    tencent::{self, query},
    uplink,
};

use super::{Failure, HttpCourier, Post};
use crate::config::{SdkAppId, Secret, Target};

/// A destination, with what its protocol needs to be sent to.
#[derive(Clone, Debug)]
pub enum Route {
    /// A customer's URL for UCloud batches.
    Uplink {
        /// The customer's URL.
        url: Target,
    },
    /// An app's backend for Tencent events.
    Events {
        /// The backend's URL, to whose query the callback's parameters are added.
        url: Target,
        /// The app.
        sdk_app_id: SdkAppId,
        /// What the callback is signed with, if it is.
        token: Option<Secret>,
    },
    /// A Lingyang app's own server.
    Webhook {
        /// The app's webhook.
        url: Target,
        /// The app.
        app_id: String,
        /// The key the call is signed with.
        key: Secret,
    },
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
}

impl Report {
    /// The word for a send that succeeded.
    pub const DELIVERED: &'static str = "delivered";
}

impl Route {
    /// Sends `body` and judges the answer by the protocol's own rule. `now` is in unix seconds: a signed callback
    /// carries the time of its sending.
    pub async fn send(&self, courier: &HttpCourier, body: Bytes, now: u64, timeout: Duration) -> Report {
        let (url, headers) = match self.request(&body, now) {
            Ok(request) => request,
            Err(error) => return Report::failed("config", error.to_string()),
        };
        match courier.post(Post { url, headers, body, timeout }).await {
            Ok(reply) => self.judge(reply.status, &reply.body),
            Err(Failure { class, detail }) => Report::failed(class.as_str(), detail),
        }
    }

    /// The URL without its query, which may hold secrets.
    #[must_use]
    pub fn destination(&self) -> String {
        match self {
            Self::Uplink { url } | Self::Events { url, .. } | Self::Webhook { url, .. } => url.to_string(),
        }
    }

    fn request(&self, body: &[u8], now: u64) -> Result<(String, HeaderMap), pushgate_core::Error> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let url = match self {
            Self::Uplink { url } => url.uri().to_string(),
            Self::Events { url, sdk_app_id, token } => {
                let command = tencent::first_command(body)?;
                let command = command.to_cow();
                let url = url.uri().to_string();
                let mut out = vec![0; query::max_url_len(url.len(), sdk_app_id.as_str().len(), command.len())];
                let auth = token.as_ref().map(|token| (token.reveal().as_bytes(), now));
                query::write_url(&mut out, &url, sdk_app_id.as_str(), &command, auth)?.to_owned()
            }
            Self::Webhook { url, app_id, key } => {
                let event_sign = sign::sign(app_id, body, key.reveal().as_bytes());
                headers.insert(header::USER_AGENT, HeaderValue::from_static(lingyang::USER_AGENT));
                headers.insert(
                    HeaderName::from_static("x-topvdn-event"),
                    HeaderValue::from_static(lingyang::DEVICE_MESSAGE),
                );
                for (name, value) in [("x-app-id", app_id.as_str()), ("x-event-sign", &event_sign.to_string())] {
                    // The configuration takes no app id that is not visible ASCII, and a sign is hexadecimal.
                    if let Ok(value) = HeaderValue::from_str(value) {
                        headers.insert(HeaderName::from_static(name), value);
                    }
                }
                url.uri().to_string()
            }
        };
        Ok((url, headers))
    }

    fn judge(&self, status: u16, body: &[u8]) -> Report {
        match self {
            Self::Uplink { .. } => Report::of(&uplink::Answer::read(status, body), status),
            Self::Events { .. } => Report::of(&tencent::Answer::read(status, body), status),
            Self::Webhook { .. } => {
                let verdict = lingyang::webhook_verdict(status);
                let class = if verdict == Verdict::Delivered { Report::DELIVERED } else { "status" };
                Report { verdict, class, status: Some(status), detail: format!("HTTP {status}") }
            }
        }
    }
}

impl Report {
    fn of<R: std::fmt::Display>(answer: &pushgate_core::Answer<R>, status: u16) -> Self {
        use pushgate_core::Answer;
        let class = match answer {
            Answer::Accepted => Self::DELIVERED,
            Answer::Refused(_) => "code",
            Answer::Status(..) => "status",
            Answer::NotAReply(_) => "body",
        };
        Self { verdict: answer.verdict(), class, status: Some(status), detail: answer.to_string() }
    }

    fn failed(class: &'static str, detail: String) -> Self {
        Self { verdict: Verdict::TryAgain, class, status: None, detail }
    }
}
