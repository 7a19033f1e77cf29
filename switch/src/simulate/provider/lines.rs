//! A provider's one or two connections: the product's own pair of sessions, and what lies between it and the network.

use adapters::native::pair::PairTicket;
use adapters::native::session::{Broken, Idle, Resume};

use super::{Around, News, Provider, SLOW_READ_BYTES};
use crate::limits::NS_PER_MS;
use crate::simulate::plan::{Character, NS_PER_S};
use crate::simulate::queue::ConnectionId;
use crate::simulate::wire::{self, kind};

/// One of the connections, from one to the next.
#[derive(Default)]
pub(super) struct Line {
    connection: Option<ConnectionId>,
    unread: Vec<u8>,
    /// What was read and is no whole frame yet, for who looks at the bytes themselves.
    partial: Vec<u8>,
    sent_at_ns: u64,
    heard_at_ns: u64,
    next_connect_ns: u64,
    out_of_reach_until_ns: u64,
}

impl Provider {
    /// Bytes have arrived.
    pub(in super::super) fn arrive(
        &mut self,
        id: ConnectionId,
        bytes: &[u8],
        around: &mut Around<'_>,
    ) -> Result<(), String> {
        let Some(slot) = self.slot_of(id) else {
            around.network.read_by_provider(id, bytes.len());
            return Ok(());
        };
        self.lines[slot].unread.extend_from_slice(bytes);
        let is_awake = around.now_ns >= self.frozen_until_ns && self.plan.character != Character::Slow;
        if is_awake || around.is_draining {
            self.read(slot, around)?;
            self.send(around);
        }
        Ok(())
    }

    /// The connection is gone.
    pub(in super::super) fn lose(&mut self, id: ConnectionId, around: &mut Around<'_>) {
        match self.slot_of(id) {
            Some(slot) => self.disconnect(slot, false, around),
            None => around.network.leave(id, false, around.now_ns, around.queue),
        }
    }

    /// It connects anew, on one line or on both; an older connection is left, perhaps without a word.
    pub(in super::super) fn reconnect(&mut self, quietly: bool, around: &mut Around<'_>) {
        for slot in self.some_slots() {
            self.disconnect(slot, quietly, around);
            self.lines[slot].next_connect_ns = around.now_ns;
        }
    }

    /// This line cannot be made again for so long.
    pub(in super::super) fn is_out_of_reach(&mut self, slot: usize, until_ns: u64) {
        if let Some(line) = self.lines.get_mut(slot) {
            line.out_of_reach_until_ns = until_ns;
        }
    }

    pub(in super::super) fn connections(&self) -> impl Iterator<Item = ConnectionId> {
        self.lines.iter().filter_map(|line| line.connection)
    }

    /// Is every connection welcomed?
    pub(super) fn is_whole(&self) -> bool {
        (0..self.lines.len()).all(|slot| self.pair.session(slot).is_open())
    }

    /// Is any connection welcomed?
    pub(super) fn is_open(&self) -> bool {
        (0..self.lines.len()).any(|slot| self.pair.session(slot).is_open())
    }

    /// Would a submission be taken now?
    pub(super) fn has_room(&self) -> bool {
        (0..self.lines.len()).any(|slot| self.pair.session(slot).has_room())
    }

    /// A line on which it misbehaves: one that is open, where one is.
    pub(super) fn some_slot(&mut self) -> usize {
        let open: Vec<usize> = (0..self.lines.len()).filter(|&slot| self.pair.session(slot).is_open()).collect();
        match open.len() {
            0 => 0,
            1 => open[0],
            _ => *self.of_lines.pick(&open),
        }
    }

    /// One line of two, or both.
    fn some_slots(&mut self) -> std::ops::Range<usize> {
        if self.lines.len() == 1 {
            return 0..1;
        }
        match self.of_lines.below(3) {
            2 => 0..2,
            slot => {
                if slot == 0 {
                    0..1
                } else {
                    1..2
                }
            }
        }
    }

    fn slot_of(&self, id: ConnectionId) -> Option<usize> {
        self.lines.iter().position(|line| line.connection == Some(id))
    }

    /// Makes what connections are to be made, one after the other.
    pub(super) fn connect_if_due(&mut self, around: &mut Around<'_>) -> Result<(), String> {
        for slot in 0..self.lines.len() {
            let line = &mut self.lines[slot];
            let due_ns = line.next_connect_ns.max(line.out_of_reach_until_ns);
            if line.connection.is_some() || around.now_ns < due_ns || !self.pair.may_connect(slot) {
                continue;
            }
            let distance_ns = self.plan.distances_ns[slot];
            line.connection = Some(around.network.open(self.place, distance_ns, around.now_ns, around.queue));
            (line.sent_at_ns, line.heard_at_ns) = (around.now_ns, around.now_ns);
            self.pair.connected(slot);
            self.check_hello(slot)?;
            if slot == 1 {
                around.coverage.count("second connection begun");
            }
        }
        Ok(())
    }

    /// `Hello` says that the provider is alone where it has no other connection, and not beside one that is welcomed.
    fn check_hello(&mut self, slot: usize) -> Result<(), String> {
        let has_other = self.lines.iter().enumerate().any(|(other, line)| other != slot && line.connection.is_some());
        let is_beside = self.is_open();
        let hello = wire::frame(self.pair.outgoing(slot)).map(|(frame, _)| (frame.kind, frame.routing[75] & 2 != 0));
        match hello {
            Some((kind::HELLO, is_alone)) if (is_alone || has_other) && !(is_alone && is_beside) => Ok(()),
            said => {
                Err(format!("{} says {said:?} in slot {slot}, with another connection: {has_other}", self.plan.code))
            }
        }
    }

    pub(super) fn disconnect_all(&mut self, quietly: bool, around: &mut Around<'_>) {
        (0..self.lines.len()).for_each(|slot| self.disconnect(slot, quietly, around));
    }

    fn disconnect(&mut self, slot: usize, quietly: bool, around: &mut Around<'_>) {
        let line = &mut self.lines[slot];
        if let Some(id) = line.connection.take() {
            around.network.leave(id, quietly, around.now_ns, around.queue);
        }
        line.unread.clear();
        line.partial.clear();
        line.next_connect_ns = around.now_ns + self.random.around(200 * NS_PER_MS);
        let moved = self.pair.disconnected(slot);
        self.moved(slot, &moved, around);
    }

    /// What waits for a connection of one slot goes over the other, as far as there is room.
    pub(super) fn take_over(&mut self, around: &mut Around<'_>) {
        for slot in 0..self.lines.len() {
            let moved = self.pair.move_from(slot);
            self.moved(slot, &moved, around);
        }
    }

    /// The oldest submissions of a slot have these tickets now.
    fn moved(&mut self, from: usize, to: &[PairTicket], around: &mut Around<'_>) {
        for to in to {
            let Some((&oldest, &ticket)) = self.tickets.range((from, 0)..(from + 1, 0)).next() else { return };
            around.coverage.count("submission sent again on the other connection");
            self.tickets.remove(&oldest);
            self.tickets.insert((to.slot, to.ticket), ticket);
        }
    }

    pub(super) fn read_all(&mut self, around: &mut Around<'_>) -> Result<(), String> {
        (0..self.lines.len()).try_for_each(|slot| self.read(slot, around))
    }

    /// Takes what has arrived on a line, all of it or as much as it can.
    fn read(&mut self, slot: usize, around: &mut Around<'_>) -> Result<(), String> {
        let line = &mut self.lines[slot];
        let Some(id) = line.connection else { return Ok(()) };
        let is_slow = self.plan.character == Character::Slow && !around.is_draining;
        let length = if is_slow { line.unread.len().min(SLOW_READ_BYTES) } else { line.unread.len() };
        if length == 0 {
            return Ok(());
        }
        let bytes: Vec<u8> = line.unread.drain(..length).collect();
        around.network.read_by_provider(id, length);
        line.heard_at_ns = around.now_ns;
        line.partial.extend_from_slice(&bytes);
        while let Some((frame, length)) = wire::frame(&self.lines[slot].partial) {
            around.deliveries.arrived(self.place, &frame);
            self.lines[slot].partial.drain(..length);
        }
        let mut news = Vec::new();
        match self.pair.receive(slot, &bytes, &mut |heard| news.push(News::of(&heard))) {
            Err(Broken::TooFarAhead { .. }) if self.lines.len() > 1 => {
                around.coverage.count("too much ahead of a gap");
                self.disconnect_all(false, around);
            }
            // The switch has heard a `Hello` of an earlier life, late, beside this one, and believes what that has seen.
            Err(Broken::Gap { .. }) if self.lines.len() > 1 && around.deliveries.is_mixed(self.place) => {
                around.coverage.count("Welcome ahead of what this life has seen");
                self.disconnect_all(false, around);
            }
            received => received.map_err(|broken| format!("{} cannot go on: {broken}", self.plan.code))?,
        }
        news.into_iter().try_for_each(|news| self.take(slot, news, around))
    }

    pub(super) fn keep_alive(&mut self, around: &mut Around<'_>) {
        if self.connections().next().is_none() {
            return;
        }
        for slot in 0..self.lines.len() {
            if self.lines[slot].connection.is_none() {
                continue;
            }
            if self.random.percent(20) {
                self.pair.acknowledge_now(slot);
            }
            let since_ms = |then_ns: u64| (around.now_ns - then_ns) / NS_PER_MS;
            let Line { sent_at_ns, heard_at_ns, .. } = self.lines[slot];
            let idle = Idle { sent_ms: since_ms(sent_at_ns), received_ms: since_ms(heard_at_ns) };
            if self.pair.tick(slot, idle).is_err() {
                // The switch was silent for too long: a line that was cut without a word.
                around.coverage.count("connection given up by the provider");
                self.disconnect(slot, false, around);
            }
        }
        if around.now_ns >= self.next_store_ns {
            self.stored = self.pair.resume();
            self.next_store_ns = around.now_ns + self.random.around(NS_PER_S);
        }
    }

    pub(super) fn send(&mut self, around: &mut Around<'_>) {
        for (slot, line) in self.lines.iter_mut().enumerate() {
            let Some(id) = line.connection else { continue };
            let outgoing = self.pair.outgoing(slot);
            let before = outgoing.len();
            around.network.send_to_switch(id, outgoing, around.now_ns, around.queue);
            if outgoing.len() < before {
                line.sent_at_ns = around.now_ns;
            }
        }
    }

    /// It tries everything again at once.
    pub(super) fn heal_lines(&mut self) {
        self.lines.iter_mut().for_each(|line| (line.next_connect_ns, line.out_of_reach_until_ns) = (0, 0));
    }

    /// A new life begins with what was stored.
    pub(super) fn begin_life(&mut self, resume: Resume, around: &mut Around<'_>) {
        around.deliveries.begins_life(self.place, around.network.opened());
        self.pair = super::pair(&self.plan, around.plan, resume);
        self.stored = resume;
        self.tickets.clear();
    }
}
