//! A network in virtual time, as bad as chance makes it, until it is healed.

use std::collections::{BTreeMap, VecDeque};

use crate::chance::Chance;

/// What lies between the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Medium {
    /// As TCP: what arrives is in order and whole. It is cut anywhere, comes late, ends at any byte, or falls silent
    /// without a word to either end.
    Stream,
    /// As a serial line, or a modem that keeps its connection over a restart of the device: always there, so that neither
    /// end sees the other one open or close it; bytes and lines are lost, changed, doubled and overtaken.
    Wire,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the device.
    Up,
    /// To the device.
    Down,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parcel {
    Open,
    Bytes(Vec<u8>),
    End,
}

/// The one connection of a [`Medium::Wire`].
pub(crate) const WIRE: u64 = 0;

/// The longest that a stream holds bytes back, in milliseconds: longer than a device waits for its welcome.
pub(crate) const LONGEST_STALL: u64 = 20_000;

#[derive(Debug)]
pub(crate) struct Network {
    medium: Medium,
    chance: Chance,
    connections: BTreeMap<u64, Connection>,
    opened: u64,
    pub(crate) healed: bool,
}

#[derive(Debug, Default)]
struct Connection {
    up: Pipe,
    down: Pipe,
    /// Whatever is written vanishes, ends of the stream too.
    silent: bool,
}

#[derive(Debug, Default)]
struct Pipe {
    parcels: VecDeque<(u64, Parcel)>,
}

impl Network {
    pub(crate) fn new(medium: Medium, chance: Chance) -> Self {
        let connections = match medium {
            Medium::Stream => BTreeMap::new(),
            Medium::Wire => BTreeMap::from([(WIRE, Connection::default())]),
        };
        Self { medium, chance, connections, opened: 0, healed: false }
    }

    /// The device opens a stream: its number, and when the device knows that it is open.
    pub(crate) fn open(&mut self, now: u64) -> (u64, u64) {
        if self.medium == Medium::Wire {
            return (WIRE, now);
        }
        self.opened += 1;
        let id = self.opened;
        self.connections.insert(id, Connection::default());
        let heard = now + self.delay();
        self.push(id, Way::Up, heard, Parcel::Open);
        (id, now + 1 + self.chance.below(100))
    }

    pub(crate) fn write(&mut self, id: u64, way: Way, bytes: &[u8], now: u64) {
        if self.medium == Medium::Wire {
            return self.write_on_wire(way, bytes, now);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = now + self.delay();
            let len = if self.chance.one_in(3) { 1 + self.chance.index(rest.len()) } else { rest.len() };
            let (chunk, after) = rest.split_at(len);
            self.push(id, way, at, Parcel::Bytes(chunk.to_vec()));
            rest = after;
        }
    }

    fn write_on_wire(&mut self, way: Way, line: &[u8], now: u64) {
        if line.is_empty() {
            return;
        }
        let mut bytes = line.to_vec();
        let mut copies = 1;
        if !self.healed {
            match self.chance.below(40) {
                0 => return,
                1 => copies = 2,
                2 => bytes.truncate(self.chance.index(line.len())),
                3 => drop(bytes.remove(self.chance.index(line.len()))),
                4 => bytes[self.chance.index(line.len())] ^= 1 << self.chance.below(8),
                5 => bytes.insert(self.chance.index(line.len()), self.chance.byte()),
                _ => {}
            }
        }
        for _ in 0..copies {
            let at = now + self.delay();
            let connection = self.connections.entry(WIRE).or_default();
            let parcels = &mut connection.pipe(way).parcels;
            // A late line is overtaken; lines do not mix.
            let place = parcels.partition_point(|(other, _)| *other <= at);
            parcels.insert(place, (at, Parcel::Bytes(bytes.clone())));
        }
    }

    /// One end closes its stream: the other one finds out in time, if ever.
    pub(crate) fn close(&mut self, id: u64, way: Way, now: u64) {
        if self.medium == Medium::Stream {
            let at = now + self.delay();
            self.push(id, way, at, Parcel::End);
        }
    }

    /// Loses what is under way, from any byte on. A stream ends with it, for both.
    pub(crate) fn reset(&mut self, id: u64, now: u64) {
        for way in [Way::Up, Way::Down] {
            let Some(connection) = self.connections.get_mut(&id) else { return };
            let pipe = connection.pipe(way);
            let first = pipe.parcels.pop_front();
            pipe.parcels.clear();
            if let Some((_, Parcel::Bytes(mut bytes))) = first {
                bytes.truncate(self.chance.index(bytes.len() + 1));
                self.push(id, way, now, Parcel::Bytes(bytes));
            }
            if self.medium == Medium::Stream {
                let at = now + self.chance.below(50);
                self.push(id, way, at, Parcel::End);
            }
        }
    }

    /// Loses what is under way and whatever else is written, and tells nobody.
    pub(crate) fn silence(&mut self, id: u64) {
        if let Some(connection) = self.connections.get_mut(&id).filter(|_| self.medium == Medium::Stream) {
            connection.silent = true;
            connection.up.parcels.clear();
            connection.down.parcels.clear();
        }
    }

    /// What has arrived by now.
    pub(crate) fn arrived(&mut self, now: u64) -> Vec<(u64, Way, Parcel)> {
        let mut arrived = Vec::new();
        for (&id, connection) in &mut self.connections {
            for way in [Way::Up, Way::Down] {
                let parcels = &mut connection.pipe(way).parcels;
                let due = parcels.partition_point(|(at, _)| *at <= now);
                for (_, parcel) in parcels.drain(..due) {
                    match (arrived.last_mut(), parcel) {
                        // What has come is read as one.
                        (Some((other, other_way, Parcel::Bytes(bytes))), Parcel::Bytes(more))
                            if (*other, *other_way) == (id, way) =>
                        {
                            bytes.extend(more);
                        }
                        (_, parcel) => arrived.push((id, way, parcel)),
                    }
                }
            }
        }
        arrived
    }

    /// When something arrives next.
    pub(crate) fn next(&self) -> Option<u64> {
        let pipes = self.connections.values().flat_map(|connection| [&connection.up, &connection.down]);
        pipes.filter_map(|pipe| pipe.parcels.front()).map(|(at, _)| *at).min()
    }

    fn push(&mut self, id: u64, way: Way, at: u64, parcel: Parcel) {
        let Some(connection) = self.connections.get_mut(&id).filter(|connection| !connection.silent) else { return };
        let parcels = &mut connection.pipe(way).parcels;
        // Nothing overtakes on a stream.
        let at = parcels.back().map_or(at, |(last, _)| at.max(*last));
        parcels.push_back((at, parcel));
    }

    fn delay(&mut self) -> u64 {
        match self.chance.below(60) {
            0 if !self.healed => self.chance.below(LONGEST_STALL),
            1..4 if !self.healed => self.chance.below(2000),
            _ => self.chance.below(40),
        }
    }
}

impl Connection {
    fn pipe(&mut self, way: Way) -> &mut Pipe {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}
