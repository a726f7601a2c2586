//! Both ends, what is between them, and one seed's worth of trouble.

use pushgate_core::{Schedule, delivery::Outcome};

use crate::{
    chance::Chance,
    device_end::{DeviceEnd, RENEW_AFTER},
    gateway::{Gateway, Sent},
    network::{LONGEST_STALL, Medium, Network, Parcel, Way},
    record::{Record, Tally},
};

/// Turns that a run may take: far more than one takes, so that only a storm or an endless loop ends here.
const MOST_TURNS: u32 = 100_000;

#[derive(Debug)]
pub(crate) struct World {
    medium: Medium,
    seed: u64,
    heartbeat: u64,
    chance: Chance,
    now: u64,
    turns: u32,
    network: Network,
    gateway: Gateway,
    device: DeviceEnd,
    record: Record,
    /// From when to when the gateway was down.
    downs: Vec<(u64, u64)>,
}

#[derive(Clone, Copy, Debug)]
enum Trouble {
    Message,
    Burst,
    Reset,
    Silence,
    Restart,
    Crash,
}

impl World {
    pub(crate) fn new(medium: Medium, seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let heartbeat = [1, 2, 5, 30][chance.index(4)];
        Self {
            medium,
            seed,
            heartbeat: heartbeat.into(),
            now: 0,
            turns: 0,
            network: Network::new(medium, Chance::new(chance.number())),
            gateway: Gateway::new(medium, heartbeat, Chance::new(chance.number())),
            device: DeviceEnd::new(medium, heartbeat, Chance::new(chance.number())),
            record: Record::default(),
            downs: Vec::new(),
            chance,
        }
    }

    /// A rough time, a healed network, a quiet one, and what must then be true.
    pub(crate) fn run(mut self) -> Tally {
        self.rough();
        self.heal();
        self.check_messages();
        if self.medium == Medium::Stream {
            self.check_order();
        }
        self.record.tally
    }

    fn rough(&mut self) {
        let lasts = 5000 + self.chance.below(60_000);
        let mut plan: Vec<(u64, Trouble)> = Vec::new();
        for (trouble, most) in [
            (Trouble::Message, 12),
            (Trouble::Burst, 2),
            (Trouble::Reset, 5),
            (Trouble::Silence, 2),
            (Trouble::Restart, 2),
            (Trouble::Crash, 2),
        ] {
            let times = self.chance.below(most + 1);
            plan.extend((0..times).map(|_| (self.chance.below(lasts), trouble)));
        }
        plan.sort_by_key(|(when, _)| *when);
        for (when, trouble) in plan {
            self.run_until(when);
            self.meet(trouble);
        }
        self.run_until(lasts);
    }

    fn meet(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Message => self.accept(),
            Trouble::Burst => (0..self.chance.below(12)).for_each(|_| self.accept()),
            Trouble::Reset => {
                if let Some(stream) = self.device.stream() {
                    self.network.reset(stream, self.now);
                }
            }
            Trouble::Silence => {
                if let Some(stream) = self.device.stream() {
                    self.network.silence(stream);
                }
            }
            Trouble::Restart => {
                let lasts = if self.chance.one_in(2) { 0 } else { self.chance.below(8000) };
                self.gateway.stop(self.now + lasts, self.now, &mut self.network);
                self.downs.push((self.now, self.now + lasts));
            }
            Trouble::Crash => {
                if let Some(stream) = self.device.stream().filter(|_| self.chance.one_in(2)) {
                    self.network.silence(stream);
                }
                self.device.crash(&mut self.record);
            }
        }
    }

    fn accept(&mut self) {
        let schedule = if self.chance.one_in(4) { Schedule::FLAG_3 } else { Schedule::FLAG_2 };
        self.accept_with(schedule);
    }

    fn accept_with(&mut self, schedule: Schedule<'static>) -> usize {
        let number = self.gateway.messages.len();
        let id = format!(
            "{:032x}",
            u128::from(Chance::new(self.seed ^ ((number as u64) << 32)).number()) << 64 | number as u128
        );
        self.gateway.accept(id, schedule, self.now);
        number
    }

    /// Nobody is stuck, whatever has been: the network heals, and soon all is well again.
    fn heal(&mut self) {
        self.network.healed = true;
        self.device.steady = true;
        // What is late comes, silence is noticed, the longest wait passes, and a welcome is waited for twice.
        let heartbeats = 3 * self.heartbeat * 1000;
        self.run_until(self.now + LONGEST_STALL + heartbeats + RENEW_AFTER + 2 * 40_000);
        assert!(self.device.is_welcome(), "the device is not back: {self:#?}");
        assert!(self.gateway.is_open(), "the gateway does not know that the device is back");

        let new = [Schedule::FLAG_2, Schedule::FLAG_3].map(|schedule| self.accept_with(schedule));
        self.run_until(self.now + 1000);
        for number in new {
            let message = &self.gateway.messages[number];
            assert_eq!(message.ended.map(|(_, outcome)| outcome), Some(Outcome::Delivered), "a new message");
            assert_eq!(message.sends.len(), 1);
        }

        // An idle link stays, with a ping a heartbeat from each end at most, and its answer.
        let (opened, since) = (self.gateway.opened.len(), self.now + 1000);
        self.run_until(self.now + 10 * self.heartbeat * 1000 + 1000);
        assert_eq!(self.gateway.opened.len(), opened, "an idle link is lost");
        assert!(self.device.is_welcome() && self.gateway.is_open(), "an idle link is lost");
        // On a wire the welcome may have named another heartbeat than the host's.
        let lines = self.record.lines_since(since);
        assert!(self.medium == Medium::Wire || lines <= 44, "an idle link is not quiet: {lines} lines");
    }

    /// "Sent up to 5 times until the receiver answers (t = 0, 1, 3, 6, 11 s); no answer within 5 s of the last send =
    /// dropped"; "sent once, then dropped whether or not it arrived" (the Lingyang page).
    fn check_messages(&mut self) {
        for message in &self.gateway.messages {
            let Sent { schedule, accepted, sends, ended, .. } = message;
            let (ended, _) = ended.unwrap_or_else(|| panic!("pending for ever: {message:?}"));
            assert!(sends.len() <= usize::from(schedule.sends()), "{message:?}");
            assert!(*schedule != Schedule::FLAG_3 || sends.len() == 1, "{message:?}");
            let downs = self.downs.iter().filter(|(down, back)| down < back && *down <= ended && back >= accepted);
            let down: u64 = downs.map(|(down, back)| back - down).sum();
            assert!(ended - accepted <= 16_000 + down, "pending too long: {message:?}");
            for (send, attempt) in sends.iter().zip(1..).filter(|_| down == 0) {
                let planned = sends[0] + schedule.planned(attempt).unwrap();
                let brought_forward = *send < planned && self.gateway.opened.contains(send);
                assert!(*send == planned || brought_forward, "send {attempt} at a time of its own: {message:?}");
                self.record.tally.brought_forward += u32::from(brought_forward);
            }
        }
    }

    /// "A device's messages go out in the order they were accepted": on a stream the application is shown each for the
    /// first time after all that were accepted before, but for those whose sends were used up unseen.
    fn check_order(&self) {
        let place = |id: &String| self.gateway.messages.iter().position(|message| message.id == *id);
        let places: Vec<_> = self.record.shown.iter().map(place).collect();
        assert!(places.is_sorted(), "out of order: {places:?}");
        assert!(places.iter().all(Option::is_some), "a message nobody sent");
    }

    fn run_until(&mut self, end: u64) {
        loop {
            self.turns += 1;
            assert!(self.turns < MOST_TURNS, "an endless run");
            self.deliver();
            if self.gateway.down.is_some_and(|back| self.now >= back) {
                self.gateway.start(self.now);
            }
            let gateway = self.gateway.drive(self.now, &mut self.network, &mut self.record);
            let device = self.device.drive(self.now, &mut self.network, &mut self.record);
            let next = self.network.next().into_iter().chain([gateway, device]).fold(u64::MAX, u64::min);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
        }
        self.now = end;
    }

    fn deliver(&mut self) {
        for (id, way, parcel) in self.network.arrived(self.now) {
            match (way, parcel) {
                (Way::Up, Parcel::Open) if self.gateway.down.is_some() => self.network.reset(id, self.now),
                (Way::Up, Parcel::Open) => self.gateway.open(id, self.now),
                (Way::Up, Parcel::Bytes(bytes)) => self.gateway.received(id, &bytes, self.now, &mut self.record),
                (Way::Up, Parcel::End) => self.gateway.ended(id),
                (Way::Down, Parcel::Bytes(bytes)) => {
                    self.device.received(id, &bytes, self.now, &mut self.network, &mut self.record);
                }
                (Way::Down, Parcel::End) => self.device.ended(id, self.now),
                (Way::Down, Parcel::Open) => {}
            }
        }
    }
}
