//! Names to addresses: asked of the system once for each connection, and checked before they are used.
//!
//! The addresses that leave here are the ones that are connected to; nothing asks again. A name server that says
//! something public first and something private later (DNS rebinding) therefore gains nothing.
//!
//! The system's resolver blocks a thread for as long as a name server keeps silent, tens of seconds at worst. Those
//! threads belong to everyone, so lookups of one name at one time are one lookup, and only [`LOOKUPS`] run at once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Semaphore, watch};

use super::address::{Reach, kind};
use super::failure::{Class, Failure};
use super::target::{Host, Place};

/// Lookups that run at once, out of tokio's 512 blocking threads. The others wait, within the timeout of their send.
const LOOKUPS: usize = 64;

/// Addresses of one name that are tried; a name with more is served by these just as well.
const ADDRESSES: usize = 8;

#[derive(Clone)]
pub(super) struct Resolver {
    reach: Reach,
    lookup: Arc<Lookup>,
    in_flight: Arc<Mutex<HashMap<Box<str>, Flight>>>,
    permits: Arc<Semaphore>,
}

/// Asks for the addresses of a name and blocks until they are known.
type Lookup = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;

/// A lookup under way: `None` until it has an answer.
type Flight = watch::Receiver<Option<Answer>>;

type Answer = Result<Arc<[SocketAddr]>, Arc<str>>;

impl Resolver {
    pub(super) fn new(reach: Reach) -> Self {
        Self::with_lookup(reach, |name| Ok((name, 0).to_socket_addrs()?.collect()))
    }

    pub(super) fn with_lookup(
        reach: Reach,
        lookup: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Self {
        Self { reach, lookup: Arc::new(lookup), in_flight: Arc::default(), permits: Arc::new(Semaphore::new(LOOKUPS)) }
    }

    /// Finds the addresses of a place that may be connected to, at least one, best first.
    pub(super) async fn addresses(&self, place: &Place) -> Result<Vec<SocketAddr>, Failure> {
        let found = match &place.host {
            Host::Address(address) => Arc::from([SocketAddr::new(*address, place.port)]),
            Host::Name(name) => self.look_up(name).await.map_err(|reason| {
                let detail =
                    format!("the host of {place} has no address: {reason}; check its name and the name server");
                Failure::new(Class::Dns, detail)
            })?,
        };
        let mut allowed: Vec<_> =
            found.iter().copied().filter(|found| self.reach.allows(found.ip())).take(ADDRESSES).collect();
        if allowed.is_empty() {
            return Err(blocked(place, &found));
        }
        for address in &mut allowed {
            address.set_port(place.port);
        }
        Ok(allowed)
    }

    async fn look_up(&self, name: &str) -> Answer {
        let mut flight = self.join_flight(name);
        let answer = flight.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone());
        answer.unwrap_or_else(|| Err("the lookup was given up".into()))
    }

    fn join_flight(&self, name: &str) -> Flight {
        let mut in_flight = self.in_flight.lock().unwrap_or_else(PoisonError::into_inner);
        match in_flight.entry(name.into()) {
            Entry::Occupied(entry) if entry.get().has_changed().is_ok() => entry.get().clone(),
            // A flight whose task is gone was lost with its runtime.
            Entry::Occupied(mut entry) => {
                entry.insert(self.take_off(name));
                entry.get().clone()
            }
            Entry::Vacant(entry) => entry.insert(self.take_off(name)).clone(),
        }
    }

    /// Starts a lookup on a task of its own: it ends when the system answers, even if whoever asked has left, and
    /// only then gives its thread back.
    fn take_off(&self, name: &str) -> Flight {
        let (land, flight) = watch::channel(None);
        let name: Box<str> = name.into();
        let Self { lookup, in_flight, permits, .. } = self.clone();
        tokio::spawn(async move {
            let _permit = permits.acquire().await;
            let asked = name.clone();
            let answer = match tokio::task::spawn_blocking(move || lookup(&asked)).await {
                Ok(Ok(found)) if found.is_empty() => Err("the name exists without an address".into()),
                Ok(Ok(found)) => Ok(found.into()),
                Ok(Err(error)) => Err(error.to_string().into()),
                Err(error) => Err(error.to_string().into()),
            };
            // Off the list first, so that nobody joins a flight that has landed and takes its answer for a fresh one.
            in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
            land.send_replace(Some(answer));
        });
        flight
    }
}

fn blocked(place: &Place, found: &[SocketAddr]) -> Failure {
    let what = found.first().map_or_else(String::new, |first| {
        let range = kind(first.ip()).unwrap_or("private");
        match place.host {
            Host::Address(_) => format!("{place} is a {range} address"),
            Host::Name(_) => format!("{place} has only blocked addresses, such as {} ({range})", first.ip()),
        }
    });
    Failure::new(Class::Blocked, format!("{what}: set network.allow_private = true if it may be sent to"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use super::*;

    fn place(host: &str) -> Place {
        Place::of(&format!("http://{host}:8080/").parse().expect("a URI")).expect("a place")
    }

    fn sockets(addresses: &[&str]) -> Vec<SocketAddr> {
        addresses.iter().map(|address| SocketAddr::new(address.parse().expect(address), 0)).collect()
    }

    #[tokio::test]
    async fn only_public_addresses_of_a_name_are_connected_to() {
        let found = ["10.0.0.1", "8.8.8.8", "::1", "2400:3200::1", "::ffff:192.168.0.1"];
        let public = Resolver::with_lookup(Reach::Public, move |_| Ok(sockets(&found)));
        let expected: Vec<SocketAddr> =
            ["8.8.8.8:8080", "[2400:3200::1]:8080"].iter().map(|text| text.parse().expect(text)).collect();
        assert_eq!(public.addresses(&place("acme.example")).await, Ok(expected));

        let anywhere = Resolver::with_lookup(Reach::Anywhere, move |_| Ok(sockets(&found)));
        assert_eq!(anywhere.addresses(&place("acme.example")).await.map(|all| all.len()), Ok(5));
    }

    #[tokio::test]
    async fn a_name_with_private_addresses_alone_is_blocked_by_name_and_setting() {
        let resolver = Resolver::with_lookup(Reach::Public, |_| Ok(sockets(&["169.254.169.254", "127.0.0.1"])));
        let failure = resolver.addresses(&place("acme.example")).await.expect_err("blocked");
        assert_eq!(failure.class, Class::Blocked);
        assert!(failure.detail.contains("acme.example:8080"), "{failure}");
        assert!(failure.detail.contains("network.allow_private"), "{failure}");
    }

    #[tokio::test]
    async fn an_address_in_the_url_is_checked_without_a_lookup() {
        let resolver = Resolver::with_lookup(Reach::Public, |name| panic!("{name} was looked up"));
        for host in
            ["127.0.0.1", "10.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:ffff:7f00:1]", "169.254.169.254"]
        {
            let failure = resolver.addresses(&place(host)).await.expect_err(host);
            assert_eq!(failure.class, Class::Blocked, "{host}: {failure}");
        }
        let public = resolver.addresses(&place("8.8.8.8")).await;
        assert_eq!(public, Ok(vec!["8.8.8.8:8080".parse().expect("an address")]));
    }

    #[tokio::test]
    async fn other_spellings_of_loopback_are_blocked_or_no_address_at_all() {
        let resolver = Resolver::new(Reach::Public);
        for host in ["127.1", "2130706433", "0x7f000001", "0177.0.0.1", "127.0.0.1.", "localhost", "LOCALHOST"] {
            let failure = resolver.addresses(&place(host)).await.expect_err(host);
            assert!(matches!(failure.class, Class::Blocked | Class::Dns), "{host}: {failure}");
        }
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_a_dns_failure() {
        let silent = Resolver::with_lookup(Reach::Public, |_| Err(io::Error::other("no such host")));
        let failure = silent.addresses(&place("acme.example")).await.expect_err("no address");
        assert_eq!(failure.class, Class::Dns);
        assert!(failure.detail.contains("acme.example:8080") && failure.detail.contains("no such host"), "{failure}");

        let empty = Resolver::with_lookup(Reach::Anywhere, |_| Ok(Vec::new()));
        assert_eq!(empty.addresses(&place("acme.example")).await.expect_err("no address").class, Class::Dns);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_once_however_many_ask_and_anew_for_the_next() {
        let asked = Arc::new(AtomicUsize::new(0));
        let (answer, answers) = mpsc::channel::<()>();
        let (count, answers) = (Arc::clone(&asked), Mutex::new(answers));
        let resolver = Resolver::with_lookup(Reach::Public, move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            answers.lock().expect("one lookup at a time").recv().map_err(io::Error::other)?;
            Ok(sockets(&["8.8.8.8"]))
        });
        let place = place("acme.example");
        // All three have asked before the answer is let go.
        let (first, second, third, ()) =
            tokio::join!(resolver.addresses(&place), resolver.addresses(&place), resolver.addresses(&place), async {
                answer.send(()).expect("the lookup waits");
            },);
        assert!(first.is_ok() && first == second && second == third);
        assert_eq!(asked.load(Ordering::SeqCst), 1);

        answer.send(()).expect("the resolver lives");
        assert!(resolver.addresses(&place).await.is_ok());
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }
}
