//! What of a participant's outbox left for which of its connections, and what of it arrived: decided anew from `docs/formats/native.md`, section 2, and from the bytes
//! on the network alone.
//!
//! A number leaves once, in its place, for one of the live connections. It leaves again only where the connection that had it is gone. What the participant
//! acknowledges has arrived, all of it, over both.

use std::collections::{BTreeMap, BTreeSet};

use super::super::queue::ConnectionId;
use super::wire::{self, Frame, LANES, kind};

/// Where a provider asks for nothing old.
const FROM_THE_END: u64 = u64::MAX;

/// Connections that one participant may have.
const SLOTS: usize = 2;

/// Is a connection let in that says `Hello` now?
#[derive(Clone, Copy)]
pub(in super::super) enum Door {
    Open,
    Shut,
    /// Once a key is there.
    WaitsForKey,
}

/// How far a connection has come; one that has said nothing yet has none of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// `Hello` waits for a key.
    WaitsForKey,
    /// It has a slot.
    Live,
    /// Another has taken its place.
    Replaced,
    /// The switch has ended it for what came on it.
    Over,
}

/// Numbers of a lane that have arrived.
#[derive(Default)]
struct Arrived {
    /// All up to here, in any life; what was asked not to be told counts.
    through: u64,
    ahead: BTreeSet<u64>,
}

impl Arrived {
    fn add(&mut self, number: u64) {
        if number > self.through {
            self.ahead.insert(number);
            self.go_on();
        }
    }

    fn skip(&mut self, through: u64) {
        self.through = self.through.max(through);
        self.ahead.retain(|number| *number > through);
        self.go_on();
    }

    fn go_on(&mut self) {
        while self.ahead.remove(&(self.through + 1)) {
            self.through += 1;
        }
    }
}

/// One lane of one participant.
#[derive(Default)]
struct LaneOf {
    sent: u64,
    acknowledged: u64,
    /// Which connection has what.
    given: BTreeMap<u64, ConnectionId>,
    /// The connection that had these is gone.
    again: BTreeSet<u64>,
    /// Acknowledged before they left for a connection that is there: they may have been on their way to it.
    overtaken: BTreeSet<u64>,
    arrived: Arrived,
}

/// One participant.
#[derive(Default)]
struct Of {
    lines: [Option<ConnectionId>; SLOTS],
    /// How often the participant has come, with its first connection, or gone, with its last.
    changes: u64,
    lanes: [LaneOf; LANES],
    /// The last connection of an earlier life of the participant.
    earlier: ConnectionId,
    /// Has the switch heard a `Hello` of an earlier life since this one began? What that one says it has seen this one may not have.
    is_mixed: bool,
    /// What left in this turn: the place of the lane, the number, and for whom.
    leaving: Vec<(usize, u64, ConnectionId)>,
}

impl Of {
    fn is_live(&self) -> bool {
        self.lines != [None; SLOTS]
    }

    /// A connection is gone: what it had is to leave again, where another is there.
    fn leave(&mut self, id: ConnectionId) {
        let Some(slot) = self.lines.iter().position(|line| *line == Some(id)) else { return };
        self.lines[slot] = None;
        self.changes += u64::from(!self.is_live());
        self.take_back(id);
    }

    /// What left for a connection that is gone is to leave again.
    fn take_back(&mut self, id: ConnectionId) {
        for lane in &mut self.lanes {
            let numbers: Vec<u64> = lane.given.iter().filter(|(_, of)| **of == id).map(|(number, _)| *number).collect();
            for number in numbers {
                lane.given.remove(&number);
                lane.again.insert(number);
            }
        }
    }

    fn acknowledge(&mut self, place: usize, number: u64) {
        let lane = &mut self.lanes[place];
        lane.acknowledged = lane.acknowledged.max(number);
        lane.overtaken.extend(lane.sent + 1..=number);
        lane.sent = lane.sent.max(number);
        // What is on its way to be sent again may still leave.
        lane.given.retain(|given, _| *given > number);
    }
}

/// See the module.
pub(in super::super) struct Deliveries {
    lineage: [u8; 16],
    of: Vec<Of>,
    phases: BTreeMap<ConnectionId, Phase>,
    /// Connections whose `Hello` waits for a key, in the order in which it was said: whose, and its routing part.
    waiting: Vec<(usize, ConnectionId, Vec<u8>)>,
    /// Where a `Welcome` must say that the numbers go on.
    welcomes: BTreeMap<ConnectionId, [u64; LANES]>,
    /// The first thing that was wrong with what came in.
    finding: Option<String>,
    rare: Vec<&'static str>,
}

impl Deliveries {
    pub(in super::super) fn new(lineage: [u8; 16], participants: usize) -> Deliveries {
        Deliveries {
            lineage,
            of: (0..participants).map(|_| Of::default()).collect(),
            phases: BTreeMap::new(),
            waiting: Vec::new(),
            welcomes: BTreeMap::new(),
            finding: None,
            rare: Vec::new(),
        }
    }

    /// The switch has taken these bytes of a connection, to which the door is open now, or not. So much exists for its participant now.
    pub(in super::super) fn taken(
        &mut self,
        (place, id): (usize, ConnectionId),
        door: Door,
        bytes: &[u8],
        enqueued: [u64; LANES],
    ) {
        let mut rest = bytes;
        while !rest.is_empty() && !matches!(self.phases.get(&id), Some(Phase::Over | Phase::Replaced)) {
            let Some((frame, length)) = wire::frame(rest) else { return self.over(place, id) };
            if frame.kind == kind::HELLO && !self.phases.contains_key(&id) {
                match door {
                    Door::Open => self.hello((place, id), frame.routing, enqueued),
                    Door::Shut => self.over(place, id),
                    Door::WaitsForKey => {
                        self.phases.insert(id, Phase::WaitsForKey);
                        self.waiting.push((place, id, frame.routing.to_vec()));
                    }
                }
            } else {
                self.acknowledged((place, id), (frame.acknowledged_lane, frame.acknowledged), enqueued);
            }
            if frame.kind == kind::ACK && frame.routing.len() == 8 * LANES {
                for lane in 0..LANES {
                    let number = wire::u64_at(frame.routing, 8 * lane);
                    self.acknowledged((place, id), (u8::try_from(lane + 1).unwrap_or(0), number), enqueued);
                }
            }
            rest = &rest[length..];
        }
    }

    /// A participant's key is there: the doors of those that wait for it are open now, or not.
    pub(in super::super) fn key_came(
        &mut self,
        place: usize,
        enqueued: [u64; LANES],
        may_connect: impl Fn(ConnectionId) -> bool,
    ) {
        let waiting = std::mem::take(&mut self.waiting);
        let (served, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(of, ..)| *of == place);
        self.waiting = others;
        for (place, id, routing) in served {
            if self.phases.get(&id) != Some(&Phase::WaitsForKey) {
                continue;
            }
            match may_connect(id) {
                true => self.hello((place, id), &routing, enqueued),
                false => self.over(place, id),
            }
        }
    }

    fn hello(&mut self, (place, id): (usize, ConnectionId), routing: &[u8], enqueued: [u64; LANES]) {
        let seen: [u64; LANES] = std::array::from_fn(|lane| wire::u64_at(routing, 51 + 8 * lane));
        let (slot, is_alone) = (usize::from(routing[75] & 1), routing[75] & 2 != 0);
        let is_ours = wire::array::<16>(routing, 35) == self.lineage;
        let of = &mut self.of[place];
        if id <= of.earlier {
            self.rare.push("Hello of an earlier life");
            of.is_mixed = true;
        }
        if let Some(older) = of.lines[slot] {
            self.phases.insert(older, Phase::Replaced);
            of.leave(older);
        }
        let could_be = of.lanes.iter().zip(seen).all(|(lane, seen)| seen <= lane.sent || seen == FROM_THE_END);
        let after = if of.is_live() && !is_alone && is_ours && could_be {
            self.rare.push("two connections");
            for (lane, seen) in seen.into_iter().enumerate().filter(|(_, seen)| *seen != FROM_THE_END) {
                of.acknowledge(lane, seen);
            }
            of.lanes.each_ref().map(|lane| lane.acknowledged)
        } else {
            let others: Vec<ConnectionId> = of.lines.into_iter().flatten().collect();
            if is_alone && !others.is_empty() {
                self.rare.push("connection that is alone takes another's place");
            }
            for other in others {
                self.phases.insert(other, Phase::Replaced);
                of.leave(other);
            }
            let is_known = is_ours && (0..LANES).all(|lane| seen[lane] <= enqueued[lane] || seen[lane] == FROM_THE_END);
            for (place, lane) in of.lanes.iter_mut().enumerate() {
                let after = match seen[place] {
                    FROM_THE_END => enqueued[place],
                    number if is_known => number,
                    _ => 0,
                };
                (lane.sent, lane.acknowledged) = (after, after);
                lane.given.clear();
                lane.again.clear();
                lane.overtaken.clear();
                if seen[place] == FROM_THE_END {
                    lane.arrived.skip(after);
                }
            }
            of.lanes.each_ref().map(|lane| lane.sent)
        };
        of.changes += u64::from(!of.is_live());
        of.lines[slot] = Some(id);
        self.phases.insert(id, Phase::Live);
        self.welcomes.insert(id, after);
        if is_ours {
            (0..LANES).for_each(|lane| self.check_arrived(place, lane, seen[lane]));
        }
    }

    /// A participant says what it has. It can have what left for a connection that is no more, but not what does not exist: that ends the connection.
    fn acknowledged(&mut self, (place, id): (usize, ConnectionId), (lane, number): (u8, u64), enqueued: [u64; LANES]) {
        let Some(lane) = usize::from(lane).checked_sub(1).filter(|lane| *lane < LANES) else { return };
        if self.phases.get(&id) != Some(&Phase::Live) {
            return;
        }
        if number > enqueued[lane] {
            return self.over(place, id);
        }
        if number > self.of[place].lanes[lane].sent {
            self.rare.push("acknowledgement of what an earlier connection brought");
        }
        self.of[place].acknowledge(lane, number);
        self.check_arrived(place, lane, number);
    }

    fn check_arrived(&mut self, place: usize, lane: usize, said: u64) {
        let through = self.of[place].lanes[lane].arrived.through;
        if said != FROM_THE_END && said > through {
            let what =
                format!("participant {place} says that it has {said} of lane {lane}, and has all up to {through}");
            self.finding.get_or_insert(what);
        }
    }

    /// The switch ends a connection for what came on it, or because its time is over.
    fn over(&mut self, place: usize, id: ConnectionId) {
        self.phases.insert(id, Phase::Over);
        self.of[place].leave(id);
    }

    /// The switch is done with a connection.
    pub(in super::super) fn gone(&mut self, place: usize, id: ConnectionId) {
        self.of[place].leave(id);
        self.phases.remove(&id);
        self.waiting.retain(|(_, other, _)| *other != id);
        self.welcomes.remove(&id);
    }

    /// The process has ended, and with it all connections.
    pub(in super::super) fn all_gone(&mut self) {
        self.of.iter_mut().for_each(|of| of.lines = [None; SLOTS]);
        self.phases.clear();
        self.waiting.clear();
        self.welcomes.clear();
    }

    /// A frame leaves for a connection.
    pub(in super::super) fn leaves(
        &mut self,
        (place, id): (usize, ConnectionId),
        frame: &Frame<'_>,
    ) -> Result<(), String> {
        let phase = self.phases.get(&id).copied();
        match frame.kind {
            kind::WELCOME => {
                let said: [u64; LANES] = std::array::from_fn(|lane| wire::u64_at(frame.routing, 16 + 8 * lane));
                let right = self.welcomes.remove(&id);
                let is_right = right == Some(said) || matches!(phase, Some(Phase::Over | Phase::Replaced));
                return if is_right { Ok(()) } else { Err(format!("Welcome says {said:?}, and not {right:?}")) };
            }
            kind::ERROR if wire::u16_at(frame.routing, 0) == 12 && phase != Some(Phase::Replaced) => {
                return Err(format!("connection {id} of participant {place} is replaced, and has its place"));
            }
            // Fatal.
            kind::ERROR if frame.routing[3] == 1 && phase != Some(Phase::Replaced) => self.over(place, id),
            _ => {}
        }
        match frame.lane {
            0 if frame.number == 0 => Ok(()),
            0 => Err(format!("a reply has number {}", frame.number)),
            1 | 2 if phase != Some(Phase::Live) => Err(format!(
                "number {} for participant {place} leaves for a connection that is not there",
                frame.number
            )),
            1 | 2 => {
                self.of[place].leaving.push((usize::from(frame.lane) - 1, frame.number, id));
                Ok(())
            }
            lane => Err(format!("lane {lane} is used by nobody")),
        }
    }

    /// A turn's frames have left: each number was in its place.
    pub(in super::super) fn settle(&mut self) -> Result<(), String> {
        if let Some(finding) = self.finding.take() {
            return Err(finding);
        }
        for (place, of) in self.of.iter_mut().enumerate() {
            let mut new: [BTreeMap<u64, ConnectionId>; LANES] = Default::default();
            let mut ended = BTreeSet::new();
            for (lane, number, id) in std::mem::take(&mut of.leaving) {
                let what = || format!("number {number} of lane {lane} for participant {place}");
                if self.phases.get(&id) != Some(&Phase::Live) {
                    // It was ended later in the turn.
                    ended.insert(id);
                }
                let of_lane = &mut of.lanes[lane];
                if of_lane.again.remove(&number) {
                    self.rare.push("number sent again on the other connection");
                    of_lane.given.insert(number, id);
                    continue;
                }
                if of_lane.overtaken.remove(&number) {
                    continue;
                }
                if number <= of_lane.sent {
                    return Err(format!("{} leaves again, after {}", what(), of_lane.sent));
                }
                let before = new[lane].iter().rev().find(|(_, other)| **other == id).map(|(number, _)| *number);
                if before.is_some_and(|before| before >= number) {
                    return Err(format!("{} leaves behind {before:?}", what()));
                }
                new[lane].insert(number, id);
            }
            for (lane, new) in of.lanes.iter_mut().zip(new) {
                for (number, id) in new {
                    if number != lane.sent + 1 {
                        return Err(format!("number {number} for participant {place} follows {}", lane.sent));
                    }
                    lane.sent = number;
                    lane.given.insert(number, id);
                }
            }
            ended.into_iter().for_each(|id| of.take_back(id));
        }
        Ok(())
    }

    /// A frame was read by its participant.
    pub(in super::super) fn arrived(&mut self, place: usize, frame: &Frame<'_>) {
        if let Some(lane) = usize::from(frame.lane).checked_sub(1).filter(|lane| *lane < LANES) {
            self.of[place].lanes[lane].arrived.add(frame.number);
        }
    }

    /// The participant begins a new life: all connections up to this one are of an earlier.
    pub(in super::super) fn begins_life(&mut self, place: usize, earlier: ConnectionId) {
        (self.of[place].earlier, self.of[place].is_mixed) = (earlier, false);
    }

    /// May the switch take for acknowledged what an earlier life of the participant has seen, and this one has not?
    pub(in super::super) fn is_mixed(&self, place: usize) -> bool {
        self.of[place].is_mixed
    }

    pub(in super::super) fn participants(&self) -> usize {
        self.of.len()
    }

    /// Has the participant a connection?
    pub(in super::super) fn is_live(&self, place: usize) -> bool {
        self.of[place].is_live()
    }

    /// How often the participant has come or gone.
    pub(in super::super) fn changes(&self, place: usize) -> u64 {
        self.of[place].changes
    }

    /// What was sent and what was acknowledged of a lane, while a connection is there.
    pub(in super::super) fn marks(&self, place: usize, lane: usize) -> (u64, u64) {
        let lane = &self.of[place].lanes[lane];
        (lane.sent, lane.acknowledged)
    }

    /// What happened since somebody last asked.
    pub(in super::super) fn take_rare(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.rare)
    }
}
