//! One hyper client, with its pool, for each way of being known to a peer.
//!
//! A connection on which a certificate was shown, or for which another authority was trusted, must carry nobody else's
//! requests, and hyper's pool knows connections by scheme, host and port alone. So everything that is sent on
//! the system's terms shares one client, and each distinct [`ClientTls`] has one of its own.
//!
//! Those are found by what the files hold: a reload that changed nothing finds its connections open, a renewed
//! certificate starts afresh. A client whose certificate no configuration holds any more goes when the next one is made,
//! and its idle connections within twice [`IDLE_FOR`](super::http::IDLE_FOR), so there are never more clients than
//! the configuration had sets of files.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use http::Request;
use hyper_util::client::legacy::{Client, ResponseFuture};

use super::dial::Dialer;
use super::parcel::Parcel;
use super::tls::{Connector, Roots, Terms, Trust};
use crate::config::{ClientTls, Fingerprint, InUse};

type Hyper = Client<Connector, Parcel>;

/// Makes a client that connects with the given connector.
type Build = fn(Connector) -> Hyper;

pub(super) struct Clients {
    dialer: Dialer,
    trust: Arc<Trust>,
    build: Build,
    common: Hyper,
    own: Mutex<HashMap<Fingerprint, Own>>,
}

struct Own {
    user: InUse,
    client: Arc<Hyper>,
}

impl Clients {
    pub(super) fn new(dialer: Dialer, roots: Roots, build: Build) -> Self {
        let trust = Arc::new(Trust::new(roots));
        let common = build(Connector::new(dialer.clone(), Terms::default(), Arc::clone(&trust)));
        Self { dialer, trust, build, common, own: Mutex::default() }
    }

    pub(super) fn request(&self, request: Request<Parcel>, tls: Option<&ClientTls>) -> ResponseFuture {
        match tls {
            None => self.common.request(request),
            Some(tls) => self.own(tls).request(request),
        }
    }

    fn own(&self, tls: &ClientTls) -> Arc<Hyper> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = own.get_mut(tls.fingerprint()) {
            // The same files read again: the client lives as long as the latest reading.
            if !found.user.is_of(tls) {
                found.user = tls.in_use();
            }
            return Arc::clone(&found.client);
        }
        own.retain(|_, own| !own.user.is_over());
        let connector = Connector::new(self.dialer.clone(), Terms::of(tls), Arc::clone(&self.trust));
        let client = Arc::new((self.build)(connector));
        own.insert(*tls.fingerprint(), Own { user: tls.in_use(), client: Arc::clone(&client) });
        client
    }

    #[cfg(test)]
    pub(super) fn own_clients(&self) -> usize {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
