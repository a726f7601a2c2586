//! What comes into the store in one piece: bodies, the deliveries that send them, and items for the inbox.

use bytes::Bytes;

use super::{DeliveryId, ErrorKind, Millis, StoreError};

/// Caps a lane's name in bytes (ours).
pub const MAX_LANE: usize = 256;

/// Caps what the engine remembers with a delivery, in bytes (ours).
pub const MAX_META: usize = 16 * 1024;

/// Caps a receiver's name, an item's kind and an idempotency scope, in bytes (ours).
pub const MAX_NAME: usize = 256;

/// Caps an idempotency key in bytes (ours).
pub const MAX_IDEMPOTENCY_KEY: usize = 255;

/// Is everything one request brings, stored together or not at all.
#[derive(Clone, Debug, Default)]
pub struct Accept {
    /// What is to be sent. A body shared by many deliveries is stored once; one that none refers to is not stored.
    pub bodies: Vec<Bytes>,
    /// Who is to get which body.
    pub deliveries: Vec<NewDelivery>,
    /// Whether the deliveries depend on the items.
    pub deliveries_when: DeliveriesWhen,
    /// What goes into the inbox.
    pub items: Vec<NewItem>,
    /// For how many milliseconds an item, once stored, makes later ones with its receiver and identity duplicates.
    /// Counted from the stored one, so that a sender that repeats for ever is heard once per window; 0 = no duplicates.
    pub dedup_window_ms: u64,
    /// Makes the request safe to repeat.
    pub idempotency: Option<Idempotency>,
}

impl Accept {
    /// Checks the request against the limits every store has.
    ///
    /// # Errors
    /// Fails with [`ErrorKind::Invalid`], naming what is too long or refers to nothing.
    pub fn check(&self) -> Result<(), StoreError> {
        for delivery in &self.deliveries {
            fits("lane", &delivery.lane, MAX_LANE)?;
            fits("meta", &delivery.meta, MAX_META)?;
            if delivery.body >= self.bodies.len() {
                let message = format!(
                    "delivery {}: body {} of {}: refer to a body of the same request",
                    delivery.id,
                    delivery.body,
                    self.bodies.len()
                );
                return Err(StoreError::new(ErrorKind::Invalid, message));
            }
        }
        for item in &self.items {
            fits("receiver", &item.receiver, MAX_NAME)?;
            fits("kind", &item.kind, MAX_NAME)?;
        }
        if let Some(idempotency) = &self.idempotency {
            fits("idempotency scope", &idempotency.scope, MAX_NAME)?;
            fits("Idempotency-Key", &idempotency.key, MAX_IDEMPOTENCY_KEY)?;
        }
        Ok(())
    }
}

/// Is a delivery to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Names it.
    pub id: DeliveryId,
    /// The destination or device it goes to: `uplink:acme`, `device:5003062`. At most [`MAX_LANE`] bytes.
    pub lane: String,
    /// Whatever the engine wants back with it. At most [`MAX_META`] bytes.
    pub meta: String,
    /// What it sends: an index into [`Accept::bodies`].
    pub body: usize,
    /// Now.
    pub created_at: Millis,
}

/// Says when the deliveries of an [`Accept`] are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeliveriesWhen {
    /// Whatever the items are.
    #[default]
    Always,
    /// Unless there are items and every one is a duplicate: a receiver that forwards what it gets does not forward a
    /// repeated batch again.
    UnlessAllDuplicate,
}

/// Is something received, for the operator's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewItem {
    /// Who received it. At most [`MAX_NAME`] bytes.
    pub receiver: String,
    /// What it is: a message, a report, an event. At most [`MAX_NAME`] bytes.
    pub kind: String,
    /// Equal for two items of one receiver exactly if they are the same thing sent twice.
    pub identity: [u8; 16],
    /// Now.
    pub received_at: Millis,
    /// The item itself, a JSON object.
    pub item: String,
}

/// Makes an [`Accept`] safe to repeat: the first with a key counts, later ones get its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose keys: equal keys of two scopes have nothing to do with each other. At most [`MAX_NAME`] bytes.
    pub scope: String,
    /// The caller's key. At most [`MAX_IDEMPOTENCY_KEY`] bytes.
    pub key: String,
    /// A digest of the request, to tell a repetition from another request with the same key.
    pub fingerprint: [u8; 32],
    /// Now.
    pub now: Millis,
    /// For how many milliseconds the key is remembered.
    pub keep_ms: u64,
}

/// Answers [`Store::accept`](super::Store::accept).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// Stored for good.
    Stored {
        /// The deliveries to send: all of them, or none if [`DeliveriesWhen`] said so.
        ids: Vec<DeliveryId>,
        /// Which of [`Accept::items`] are in the inbox now, in order.
        new_items: Vec<usize>,
        /// How many of them were there already.
        duplicate_items: usize,
    },
    /// The same request came before, with the same key: nothing new was stored.
    Repeated {
        /// The first answer's deliveries.
        ids: Vec<DeliveryId>,
    },
    /// Another request came before, with the same key: nothing was stored.
    KeyReused,
}

/// Says whether a lane's name can be stored.
pub(super) fn check_lane(lane: &str) -> Result<(), StoreError> {
    fits("lane", lane, MAX_LANE)
}

fn fits(name: &str, text: &str, limit: usize) -> Result<(), StoreError> {
    if text.len() <= limit {
        return Ok(());
    }
    let message = format!("{name}: {} bytes, at most {limit} are stored: shorten it", text.len());
    Err(StoreError::new(ErrorKind::Invalid, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery() -> NewDelivery {
        NewDelivery {
            id: DeliveryId::from_bytes([7; 16]),
            lane: String::new(),
            meta: String::new(),
            body: 0,
            created_at: 0,
        }
    }

    fn item() -> NewItem {
        NewItem { receiver: String::new(), kind: String::new(), identity: [0; 16], received_at: 0, item: "{}".into() }
    }

    fn idempotency() -> Idempotency {
        Idempotency { scope: String::new(), key: String::new(), fingerprint: [0; 32], now: 0, keep_ms: 0 }
    }

    #[test]
    fn a_name_fits_up_to_its_limit_and_not_a_byte_more() {
        type Place = fn(&mut Accept) -> &mut String;
        let places: [(&str, usize, Place); 6] = [
            ("lane", MAX_LANE, |a| &mut a.deliveries[0].lane),
            ("meta", MAX_META, |a| &mut a.deliveries[0].meta),
            ("receiver", MAX_NAME, |a| &mut a.items[0].receiver),
            ("kind", MAX_NAME, |a| &mut a.items[0].kind),
            ("idempotency scope", MAX_NAME, |a| &mut a.idempotency.as_mut().unwrap().scope),
            ("Idempotency-Key", MAX_IDEMPOTENCY_KEY, |a| &mut a.idempotency.as_mut().unwrap().key),
        ];
        for (name, limit, place) in places {
            let mut accept = Accept {
                bodies: vec![Bytes::new()],
                deliveries: vec![delivery()],
                items: vec![item()],
                idempotency: Some(idempotency()),
                ..Accept::default()
            };
            *place(&mut accept) = "x".repeat(limit);
            assert_eq!(accept.check(), Ok(()), "{name}");
            place(&mut accept).push('x');
            let error = accept.check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert_eq!(
                error.to_string(),
                format!("{name}: {} bytes, at most {limit} are stored: shorten it", limit + 1)
            );
        }
    }

    #[test]
    fn a_delivery_refers_to_a_body_of_its_request() {
        let accept = Accept { deliveries: vec![delivery()], ..Accept::default() };
        let error = accept.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "delivery 07070707070707070707070707070707: body 0 of 0: refer to a body of the same request"
        );
    }
}
