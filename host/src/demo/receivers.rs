//! The other side over HTTP: a customer's URL for uplink batches, and an application server's webhook.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use axum::{
    Router,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use pushgate_core::{
    lingyang::{Webhook, sign},
    uplink,
};

use super::timeline::{Line, Moment, Teller, Tone};
use crate::api::{
    body::UnreadBody,
    receive::{Refused, uplink_answer},
};

/// A customer's URL that refuses the first `refusals` batches.
pub(super) fn uplink(name: &'static str, refusals: u32, told: Teller) -> Router {
    let left = Arc::new(AtomicU32::new(refusals));
    let handler = move |body: UnreadBody| {
        let (left, told) = (Arc::clone(&left), told.clone());
        async move { uplink_answer(&take(name, &left, &told, body).await) }
    };
    Router::new().route("/sms", post(handler))
}

async fn take(name: &'static str, left: &AtomicU32, told: &Teller, body: UnreadBody) -> Result<(), Refused> {
    let body = body.read().await?;
    let summary = uplink::read(&body, |_| {})?;
    let refuses = left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok();
    if refuses {
        return Err(Refused::new(StatusCode::SERVICE_UNAVAILABLE, "not now"));
    }
    let what = format!("takes the batch of {} replies and answers code 0", summary.items);
    told.tell(Line::new(format!("receiver {name}"), what, Tone::Good).moment(Moment::BatchTaken));
    Ok(())
}

/// An application server's webhook, which takes nothing whose signature does not hold.
pub(super) fn webhook(app_id: &'static str, key: &'static str, told: Teller) -> Router {
    let handler = move |headers: HeaderMap, body: UnreadBody| {
        let told = told.clone();
        async move { call(app_id, key, &headers, body, &told).await }
    };
    Router::new().route("/hook", post(handler))
}

async fn call(app_id: &str, key: &str, headers: &HeaderMap, body: UnreadBody, told: &Teller) -> Response {
    let body = match body.read().await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    let header = headers.get(sign::SIGN_HEADER).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Err(error) = sign::verify(header, app_id, &body, [key.as_bytes()]) {
        told.tell(Line::new("webhook", format!("refuses the call: {error}"), Tone::Refused));
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(Webhook::DeviceMessage(message)) = Webhook::read(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let to: Vec<_> = message.to.iter().map(|cid| cid.to_string()).collect();
    let what = format!("called: device {} to {}; X-Event-Sign holds", message.from, to.join(", "));
    told.tell(Line::new("webhook", what, Tone::Good).moment(Moment::WebhookVerified));
    StatusCode::OK.into_response()
}
