//! The other side over HTTP: a customer's URL for uplink batches, and an application server's webhook.

use axum::Router;

use super::timeline::{Line, Moment, Teller, Tone};
use crate::{
    clock::Clock,
    receiver::{self, AppKey, Outcome, Protocol, Settings},
};

/// A customer's URL that refuses the first `fail` batches.
pub(super) fn uplink(name: &'static str, fail: u32, clock: Clock, told: Teller) -> Router {
    receiver::router(Settings { protocol: Protocol::Uplink, fail }, clock, move |received| {
        if let Outcome::Taken(items) = received.outcome {
            let what = format!("takes the batch of {} replies and answers code 0", items.len());
            told.tell(Line::new(format!("receiver {name}"), what, Tone::Good).moment(Moment::BatchTaken));
        }
        Ok(())
    })
}

/// An application server's webhook, which takes nothing whose signature does not hold.
pub(super) fn webhook(app: AppKey, clock: Clock, told: Teller) -> Router {
    let settings = Settings { protocol: Protocol::Webhook { app: Some(app) }, fail: 0 };
    receiver::router(settings, clock, move |received| {
        match received.outcome {
            Outcome::Taken(items) => {
                for item in items {
                    let what = format!("called, and X-Event-Sign holds: {}", item.line);
                    told.tell(Line::new("webhook", what, Tone::Good).moment(Moment::WebhookVerified));
                }
            }
            Outcome::Refused { status, reason } => {
                told.tell(Line::new("webhook", format!("refuses the call with {status}: {reason}"), Tone::Refused));
            }
            Outcome::RefusedOnPurpose(_) => {}
        }
        Ok(())
    })
}
