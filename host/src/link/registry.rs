//! Which device is connected: one connection a cid, the newest.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Lines that a connection may be behind before its device counts as not reading.
const LINES_KEPT: usize = 256;

/// Knows the connection of every device that is connected. A cheap handle on one table.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    table: Arc<Mutex<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    connections: HashMap<u32, Entry>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    /// Tells this connection from the next one of the same device.
    number: u64,
    lines: mpsc::Sender<Bytes>,
    peer: SocketAddr,
    since: u64,
    /// Whether nobody has been [greeted](Registry::greet) on it yet.
    is_new: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The device's connection has it.
    Sent,
    /// The device is not connected.
    Absent,
    /// The device does not read what it is sent.
    Busy,
}

/// A connection's side of its place in the registry; giving it back is dropping it.
#[derive(Debug)]
pub struct Connection {
    registry: Registry,
    cid: u32,
    number: u64,
    /// The lines to send; they end when another connection of the same device has taken over.
    pub lines: mpsc::Receiver<Bytes>,
}

/// A device that is connected, as an operator sees it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Connected {
    /// The device.
    pub cid: u32,
    /// Where it connects from.
    pub peer: SocketAddr,
    /// Since when, in unix milliseconds.
    pub connected_at: u64,
}

impl Registry {
    /// Gives a device's new connection its place, in which it replaces an older one. `now` is in unix milliseconds.
    #[must_use]
    pub fn connect(&self, cid: u32, peer: SocketAddr, now: u64) -> Connection {
        let (lines, to_send) = mpsc::channel(LINES_KEPT);
        let mut table = self.lock();
        table.last += 1;
        let number = table.last;
        table.connections.insert(cid, Entry { number, lines, peer, since: now, is_new: true });
        Connection { registry: self.clone(), cid, number, lines: to_send }
    }

    /// Says whether the device has a connection that nobody has asked about before.
    #[must_use]
    pub fn greet(&self, cid: u32) -> bool {
        self.lock().connections.get_mut(&cid).is_some_and(|entry| std::mem::take(&mut entry.is_new))
    }

    /// Hands a line to a device's connection, without waiting.
    pub fn send(&self, cid: u32, line: Bytes) -> Link {
        match self.lock().connections.get(&cid).map(|entry| entry.lines.try_send(line)) {
            Some(Ok(())) => Link::Sent,
            Some(Err(mpsc::error::TrySendError::Full(_))) => Link::Busy,
            Some(Err(mpsc::error::TrySendError::Closed(_))) | None => Link::Absent,
        }
    }

    /// Lists the devices that are connected, by cid.
    #[must_use]
    pub fn connected(&self) -> Vec<Connected> {
        let table = self.lock();
        let mut devices: Vec<_> = table
            .connections
            .iter()
            .map(|(&cid, entry)| Connected { cid, peer: entry.peer, connected_at: entry.since })
            .collect();
        drop(table);
        devices.sort_unstable_by_key(|device| device.cid);
        devices
    }

    /// How many devices are connected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().connections.len()
    }

    /// Whether no device is connected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        // Every change is one insertion or removal: a panic elsewhere leaves the table right.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let mut table = self.registry.lock();
        if table.connections.get(&self.cid).is_some_and(|entry| entry.number == self.number) {
            table.connections.remove(&self.cid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }

    #[test]
    fn the_newest_connection_of_a_device_counts() {
        let registry = Registry::default();
        let line = || Bytes::from_static(b"{}\n");
        assert_eq!(registry.send(7, line()), Link::Absent);
        let mut first = registry.connect(7, peer(), 1);
        assert_eq!(registry.send(7, line()), Link::Sent);
        let mut second = registry.connect(7, peer(), 2);
        // What the first one was given is still its own to send; then its lines end.
        assert!(first.lines.try_recv().is_ok());
        assert_eq!(first.lines.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
        drop(first);
        assert_eq!(registry.send(7, line()), Link::Sent);
        assert!(second.lines.try_recv().is_ok());
        assert_eq!(registry.connected().len(), 1);
        drop(second);
        assert!(registry.is_empty());
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
    fn a_device_that_does_not_read_holds_up_nobody() {
        let registry = Registry::default();
        let connection = registry.connect(7, peer(), 1);
        let sent = (0..LINES_KEPT + 10).filter(|_| registry.send(7, Bytes::new()) == Link::Sent);
        assert_eq!(sent.count(), LINES_KEPT);
        assert_eq!(registry.send(7, Bytes::new()), Link::Busy);
        drop(connection);
    }
}
