//! Who is connected: every connection has a place here, and a device the newest of its own.

use std::{
    collections::{BTreeSet, HashMap},
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use pushgate_core::link::Refusal;
use tokio::sync::Notify;

use super::{
    connects::Connects,
    mailbox::{Link, Mailbox},
};

/// Knows every connection, and which of them reaches a device. A cheap handle on one table.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    table: Mutex<Table>,
    /// Told when the last connection is gone.
    empty: Notify,
}

#[derive(Debug, Default)]
struct Table {
    connections: HashMap<u64, Arc<Mailbox>>,
    /// Those that have not said who they are, oldest first.
    strangers: BTreeSet<u64>,
    devices: HashMap<u32, Device>,
    /// The same devices in their order, to page through. What is sent finds its device faster without one.
    cids: BTreeSet<u32>,
    connects: Connects,
    /// The number of the newest connection.
    last: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Device {
    /// Tells this connection from the next one of the same device.
    number: u64,
    mailbox: Arc<Mailbox>,
    peer: SocketAddr,
    since: u64,
    /// Whether nobody has been [greeted](Registry::greet) on it yet.
    is_new: bool,
}

/// A connection's place. Dropping it gives it back.
#[derive(Debug)]
pub struct Connection {
    registry: Registry,
    number: u64,
    /// Who it is, once that is known.
    cid: Option<u32>,
    /// What waits for it.
    pub(super) mailbox: Arc<Mailbox>,
}

/// A device that is connected, as an operator sees it.
#[derive(Clone, Debug, serde::Serialize, utoipa::ToSchema)]
#[schema(as = Device)]
pub struct Connected {
    /// The device.
    #[schema(minimum = 1, maximum = 4_294_967_295_u64, example = 5_003_062)]
    pub cid: u32,
    /// The address and port it connects from.
    #[schema(value_type = String, example = "192.0.2.7:49152")]
    pub peer: SocketAddr,
    /// Since when, in unix milliseconds.
    #[schema(example = 1_700_000_000_000_u64)]
    pub connected_at: u64,
}

impl Registry {
    /// Gives a new connection a place among `most` at the most.
    ///
    /// When all are taken, the oldest that has not said who it is makes room: a device says so at once, so those that
    /// hold places and say nothing keep nobody out.
    ///
    /// # Errors
    ///
    /// [`Refusal::Full`] when every place is a device's; [`Refusal::Stopping`].
    pub(super) fn admit(&self, most: usize) -> Result<Connection, Refusal> {
        let mut table = self.lock();
        if table.stopping {
            return Err(Refusal::Stopping);
        }
        if table.connections.len() >= most {
            let oldest = table.strangers.pop_first().ok_or(Refusal::Full)?;
            if let Some(mailbox) = table.connections.get(&oldest) {
                mailbox.refuse(Refusal::Full);
            }
        }
        table.last += 1;
        let number = table.last;
        let mailbox = Arc::<Mailbox>::default();
        table.connections.insert(number, Arc::clone(&mailbox));
        table.strangers.insert(number);
        Ok(Connection { registry: self.clone(), number, cid: None, mailbox })
    }

    /// Says whether the device has a connection that nobody has asked about before.
    #[must_use]
    pub fn greet(&self, cid: u32) -> bool {
        self.lock().devices.get_mut(&cid).is_some_and(|device| std::mem::take(&mut device.is_new))
    }

    /// Hands a line to a device's connection, without waiting.
    pub fn send(&self, cid: u32, line: Bytes) -> Link {
        let mailbox = self.lock().devices.get(&cid).map(|device| Arc::clone(&device.mailbox));
        mailbox.map_or(Link::Absent, |mailbox| mailbox.push(line))
    }

    /// Lists the devices that are connected in these ranges of cids, one after the other, behind `after`: at most `limit`,
    /// and whether there are more. The table is held for as long as it takes to copy those, however many are connected.
    #[must_use]
    pub fn connected(&self, cids: &[RangeInclusive<u32>], after: Option<u32>, limit: usize) -> (Vec<Connected>, bool) {
        let table = self.lock();
        let first = |range: &RangeInclusive<u32>| {
            after.map_or(Some(*range.start()), |after| after.checked_add(1).map(|next| next.max(*range.start())))
        };
        let ranges =
            cids.iter().filter_map(|range| Some(first(range)?..=*range.end())).filter(|range| !range.is_empty());
        let mut found = ranges.flat_map(|range| table.cids.range(range));
        let devices = found.by_ref().take(limit).filter_map(|cid| {
            let device = table.devices.get(cid)?;
            Some(Connected { cid: *cid, peer: device.peer, connected_at: device.since })
        });
        (devices.collect(), found.next().is_some())
    }

    /// How many devices are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().devices.len()
    }

    /// How many connections have not said who they are.
    #[must_use]
    pub fn strangers(&self) -> usize {
        self.lock().strangers.len()
    }

    /// Whether no device is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes every connection look again whether its token holds: keys have changed.
    pub fn recheck(&self) {
        for mailbox in self.lock().connections.values() {
            mailbox.recheck();
        }
    }

    /// Admits nobody any more and tells everybody to go.
    pub(super) fn stop(&self) {
        let mut table = self.lock();
        table.stopping = true;
        for mailbox in table.connections.values() {
            mailbox.refuse(Refusal::Stopping);
        }
    }

    /// Cuts off whoever is left.
    pub(super) fn abandon(&self) {
        for mailbox in self.lock().connections.values() {
            mailbox.abandon();
        }
    }

    /// Returns once no connection is left.
    pub(super) async fn empty(&self) {
        loop {
            let told = self.shared.empty.notified();
            if self.lock().connections.is_empty() {
                return;
            }
            told.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one insertion or removal: a panic elsewhere leaves the table right.
        self.shared.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    /// Makes this the device's connection, in place of an older one. `now` is in unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`Refusal::TooManyConnects`] for a device that keeps coming back, [`Refusal::Full`] for one that has made room for
    /// another meanwhile; the connection it has stays.
    pub(super) fn identify(&mut self, cid: u32, peer: SocketAddr, now: u64) -> Result<(), Refusal> {
        let mut table = self.registry.lock();
        if !table.strangers.contains(&self.number) {
            return Err(Refusal::Full);
        }
        if !table.connects.allow(cid, now) {
            return Err(Refusal::TooManyConnects);
        }
        table.strangers.remove(&self.number);
        let mailbox = Arc::clone(&self.mailbox);
        let device = Device { number: self.number, mailbox, peer, since: now, is_new: true };
        match table.devices.insert(cid, device) {
            Some(older) => older.mailbox.refuse(Refusal::Replaced),
            None => _ = table.cids.insert(cid),
        }
        self.cid = Some(cid);
        Ok(())
    }

    /// The device, once it is known.
    pub(super) fn cid(&self) -> Option<u32> {
        self.cid
    }

    /// Gives up the device's name, while the connection says goodbye.
    pub(super) fn leave(&mut self) {
        let mut table = self.registry.lock();
        table.leave(self.number, self.cid.take());
    }
}

impl Table {
    fn leave(&mut self, number: u64, cid: Option<u32>) {
        self.strangers.remove(&number);
        if let Some(cid) = cid
            && self.devices.get(&cid).is_some_and(|device| device.number == number)
        {
            self.devices.remove(&cid);
            self.cids.remove(&cid);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        table.leave(self.number, self.cid);
        table.connections.remove(&self.number);
        if table.connections.is_empty() {
            drop(table);
            self.registry.shared.empty.notify_waiters();
        }
    }
}

/// A device's side without a socket, for tests of what is sent to it.
#[cfg(test)]
impl Registry {
    pub(crate) fn connect(&self, cid: u32, peer: SocketAddr, now: u64) -> Connection {
        // How often it may do so is no matter of these tests.
        self.lock().connects = Connects::default();
        let mut connection = self.admit(usize::MAX).unwrap();
        connection.identify(cid, peer, now).unwrap();
        connection
    }
}

#[cfg(test)]
impl Connection {
    /// The next line that waits for the device.
    pub(crate) fn next_line(&mut self) -> Option<Bytes> {
        self.mailbox.pop()
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    fn peer() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    fn told(connection: &Connection) -> Option<Refusal> {
        connection.mailbox.poll(&Context::from_waker(Waker::noop())).refusal
    }

    #[test]
    fn the_newest_connection_of_a_device_counts() {
        let registry = Registry::default();
        let line = || Bytes::from_static(b"{}\n");
        assert_eq!(registry.send(7, line()), Link::Absent);
        let first = registry.connect(7, peer(), 1);
        assert_eq!(registry.send(7, line()), Link::Sent);
        let mut second = registry.connect(7, peer(), 2);
        assert_eq!((told(&first), told(&second)), (Some(Refusal::Replaced), None));
        drop(first);
        assert_eq!(registry.send(7, line()), Link::Sent);
        assert!(second.next_line().is_some() && second.next_line().is_none());
        assert_eq!(registry.connected(&[0..=u32::MAX], None, 10).0.len(), 1);
        drop(second);
        assert!(registry.is_empty());
    }

    #[test]
    fn devices_are_listed_by_cid_a_page_at_a_time() {
        let registry = Registry::default();
        let mut held: Vec<_> = [50, 7, 5, 51, 5000].map(|cid| registry.connect(cid, peer(), 1)).into();
        let listed = |cids: &[RangeInclusive<u32>], after, limit| {
            let (devices, more) = registry.connected(cids, after, limit);
            (devices.iter().map(|device| device.cid).collect::<Vec<_>>(), more)
        };
        let all = [0..=u32::MAX];
        let fives = [5..=5, 50..=59, 500..=599, 5000..=5999];
        assert_eq!(listed(&all, None, 10), (vec![5, 7, 50, 51, 5000], false));
        assert_eq!(listed(&all, None, 2), (vec![5, 7], true));
        assert_eq!(listed(&all, Some(7), 2), (vec![50, 51], true));
        assert_eq!(listed(&all, Some(u32::MAX), 2), (vec![], false));
        assert_eq!(listed(&fives, None, 10), (vec![5, 50, 51, 5000], false));
        assert_eq!(listed(&fives, Some(50), 1), (vec![51], true));
        held.truncate(1);
        assert_eq!(listed(&all, None, 10), (vec![50], false));
    }

    #[test]
    fn each_connection_is_greeted_once_and_none_that_is_gone() {
        let registry = Registry::default();
        assert!(!registry.greet(7));
        let first = registry.connect(7, peer(), 1);
        assert!(registry.greet(7) && !registry.greet(7));
        let second = registry.connect(7, peer(), 2);
        drop(first);
        assert!(registry.greet(7));
        drop(second);
        assert!(!registry.greet(7));
    }

    #[test]
    fn who_says_nothing_makes_room_and_a_device_does_not() {
        let registry = Registry::default();
        let mut device = registry.admit(3).unwrap();
        device.identify(7, peer(), 0).unwrap();
        let (older, newer) = (registry.admit(3).unwrap(), registry.admit(3).unwrap());
        let next = registry.admit(3).unwrap();
        assert_eq!((told(&device), told(&older), told(&newer)), (None, Some(Refusal::Full), None));
        let mut older = older;
        assert_eq!(older.identify(7, peer(), 0), Err(Refusal::Full), "too late");
        assert_eq!(told(&device), None);
        drop((older, newer, next));
        let mut devices: Vec<_> = (8..10).map(|cid| (cid, registry.admit(3).unwrap())).collect();
        for (cid, connection) in &mut devices {
            connection.identify(*cid, peer(), 0).unwrap();
        }
        assert!(matches!(registry.admit(3), Err(Refusal::Full)));
        device.leave();
        assert!(matches!(registry.admit(3), Err(Refusal::Full)), "who says goodbye still has a place");
        drop(device);
        assert!(registry.admit(3).is_ok());
    }

    #[test]
    fn a_device_that_keeps_coming_back_keeps_what_it_has() {
        let registry = Registry::default();
        let mut held: Vec<_> = (0..10).map(|_| registry.admit(100).unwrap()).collect();
        for connection in &mut held {
            connection.identify(7, peer(), 0).unwrap();
        }
        let mut again = registry.admit(100).unwrap();
        assert_eq!(again.identify(7, peer(), 0), Err(Refusal::TooManyConnects));
        assert_eq!(told(held.last().unwrap()), None, "the connection it has stays");
        assert_eq!(again.identify(8, peer(), 0), Ok(()), "another device is another device");
    }

    #[tokio::test]
    async fn a_registry_that_stops_admits_nobody_and_sees_everybody_off() {
        let registry = Registry::default();
        registry.empty().await;
        let connection = registry.connect(7, peer(), 1);
        registry.stop();
        assert_eq!(told(&connection), Some(Refusal::Stopping));
        assert!(matches!(registry.admit(9), Err(Refusal::Stopping)));
        let (emptied, ()) =
            tokio::join!(tokio::time::timeout(std::time::Duration::from_secs(10), registry.empty()), async {
                drop(connection);
            });
        emptied.unwrap();
    }
}
