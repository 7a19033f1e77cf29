//! The virtual network: byte streams with delays, in pieces of any size. Within a direction of a connection order is kept, between connections
//! it is not. A cut loses what was on its way, and each side learns of it later, or only by its own time-outs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::auditor::Shown;
use super::invariants::pauses::LastRead;
use super::queue::{ConnectionId, Event, Queue};
use super::random::Random;
use super::wire::Id;
use crate::limits::NS_PER_MS;
use crate::session::SessionKey;

/// Bytes of one direction that are on their way or not yet read: more than a longest frame, and little enough that a turn fits a small segment.
const WINDOW_BYTES: usize = 16 << 10;

/// The same where queues are tiny.
const WINDOW_BYTES_TINY: usize = 3 << 10;

/// The longest additional delay while messages are delayed.
const DELAY_MAX_NS: u64 = 2_500 * NS_PER_MS;

/// A frame of a provider that the switch has taken and not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Taken {
    pub(super) number: u64,
    pub(super) kind: u8,
    pub(super) id: Id,
    /// Of an answer.
    pub(super) decision: u8,
    /// The last position that was on disk then.
    pub(super) through: u64,
    /// A reply about this payment has left since.
    pub(super) is_answered: bool,
}

/// One connection: both ends and what is between them.
pub(super) struct Connection {
    pub(super) provider: usize,
    /// The switch's session, while the switch knows the connection.
    pub(super) key: Option<SessionKey>,
    /// What the provider has shown: the number of the certificate's holder, and its fingerprint.
    pub(super) shown: Shown,
    /// Nothing arrives any more, in either direction.
    pub(super) is_cut: bool,
    is_left: bool,
    pub(super) distance_ns: u64,
    to_switch_ns: u64,
    to_provider_ns: u64,
    on_way_to_switch: usize,
    /// On the way to the provider, or there and not read.
    on_way_to_provider: usize,
    /// What the switch has received and not dealt with.
    pub(super) inbound: Vec<u8>,
    pub(super) has_unread: bool,
    pub(super) last_read: LastRead,
    /// What the switch has written and the network has not taken.
    pub(super) waiting: Vec<u8>,
    /// The switch has written its last frame.
    pub(super) is_ending: bool,
    pub(super) blocked_since_ns: Option<u64>,
    /// What the switch took from it and has not acknowledged.
    pub(super) taken: VecDeque<Taken>,
    pub(super) refused: BTreeSet<u64>,
    /// Questions, and submissions of what was known, that were acknowledged in this turn and not answered before: their answers leave in the same one.
    pub(super) owed: Vec<Id>,
    /// The provider has sent what is no frame: its numbers mean nothing any more.
    pub(super) is_garbled: bool,
}

/// All connections.
pub(super) struct Network {
    pub(super) connections: BTreeMap<ConnectionId, Connection>,
    opened: u64,
    random: Random,
    window_bytes: usize,
    pub(super) is_delayed: bool,
}

impl Network {
    pub(super) fn new(random: Random, is_tiny: bool) -> Network {
        let window_bytes = if is_tiny { WINDOW_BYTES_TINY } else { WINDOW_BYTES };
        Network { connections: BTreeMap::new(), opened: 0, random, window_bytes, is_delayed: false }
    }

    /// The newest connection.
    pub(super) fn opened(&self) -> ConnectionId {
        self.opened
    }

    /// A provider connects. Its first bytes arrive after the handshake.
    pub(super) fn open(&mut self, provider: usize, distance_ns: u64, now_ns: u64, queue: &mut Queue) -> ConnectionId {
        self.opened += 1;
        let there_ns = now_ns + 3 * distance_ns + self.delay(distance_ns);
        let connection = Connection {
            provider,
            key: None,
            shown: (0, [0; 32]),
            is_cut: false,
            is_left: false,
            distance_ns,
            to_switch_ns: there_ns,
            to_provider_ns: there_ns,
            on_way_to_switch: 0,
            on_way_to_provider: 0,
            inbound: Vec::new(),
            has_unread: false,
            last_read: LastRead::default(),
            waiting: Vec::new(),
            is_ending: false,
            blocked_since_ns: None,
            taken: VecDeque::new(),
            refused: BTreeSet::new(),
            owed: Vec::new(),
            is_garbled: false,
        };
        self.connections.insert(self.opened, connection);
        queue.add(there_ns, Event::Opened(self.opened));
        self.opened
    }

    /// Takes as many of a provider's bytes as there is room for.
    pub(super) fn send_to_switch(&mut self, id: ConnectionId, bytes: &mut Vec<u8>, now_ns: u64, queue: &mut Queue) {
        let Some(connection) = self.connections.get(&id) else { return };
        // What the switch has looked at and keeps, the start of a frame, is in no socket any more.
        let unread = if connection.has_unread { connection.inbound.len() } else { 0 };
        let room = self.window_bytes.saturating_sub(connection.on_way_to_switch + unread);
        let mut sent: Vec<u8> = bytes.drain(..room.min(bytes.len())).collect();
        let distance_ns = connection.distance_ns;
        while !sent.is_empty() {
            let piece = self.piece(&mut sent);
            let delay_ns = self.delay(distance_ns);
            let Some(connection) = self.connections.get_mut(&id) else { return };
            connection.to_switch_ns = connection.to_switch_ns.max(now_ns + delay_ns);
            connection.on_way_to_switch += piece.len();
            queue.add(connection.to_switch_ns, Event::ToSwitch(id, piece));
        }
    }

    /// Bytes arrive at the switch; false where nobody is there to take them.
    pub(super) fn arrive_at_switch(&mut self, id: ConnectionId, bytes: &[u8]) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        connection.on_way_to_switch -= bytes.len();
        if connection.is_cut || connection.key.is_none() {
            return false;
        }
        connection.inbound.extend_from_slice(bytes);
        connection.has_unread = true;
        true
    }

    /// Takes as many of the bytes that wait for a provider as there is room for. True if it took any.
    pub(super) fn flush_to_provider(&mut self, id: ConnectionId, now_ns: u64, queue: &mut Queue) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        let room = self.window_bytes.saturating_sub(connection.on_way_to_provider);
        let mut sent: Vec<u8> = connection.waiting.drain(..room.min(connection.waiting.len())).collect();
        let distance_ns = connection.distance_ns;
        let has_taken = !sent.is_empty();
        while !sent.is_empty() {
            let piece = self.piece(&mut sent);
            let delay_ns = self.delay(distance_ns);
            let Some(connection) = self.connections.get_mut(&id) else { return has_taken };
            connection.to_provider_ns = connection.to_provider_ns.max(now_ns + delay_ns);
            connection.on_way_to_provider += piece.len();
            queue.add(connection.to_provider_ns, Event::ToProvider(id, piece));
        }
        has_taken
    }

    /// Would bytes reach the provider of this connection now?
    pub(super) fn reaches_provider(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.is_cut)
    }

    /// The provider has read so many bytes.
    pub(super) fn read_by_provider(&mut self, id: ConnectionId, bytes: usize) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.on_way_to_provider = connection.on_way_to_provider.saturating_sub(bytes);
        }
    }

    /// The provider is done with a connection. `quietly`: the switch hears nothing of it.
    pub(super) fn leave(&mut self, id: ConnectionId, quietly: bool, now_ns: u64, queue: &mut Queue) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.is_left = true;
        if quietly {
            connection.is_cut = true;
        } else {
            queue.add(connection.to_switch_ns.max(now_ns) + 1, Event::SwitchLoses(id));
        }
        self.forget(id);
    }

    /// The switch is done with a connection: its provider learns it after the last byte.
    pub(super) fn end(&mut self, id: ConnectionId, now_ns: u64, queue: &mut Queue) {
        let Some(connection) = self.connections.get_mut(&id) else { return };
        connection.key = None;
        queue.add(connection.to_provider_ns.max(now_ns) + 1, Event::ProviderLoses(id));
        self.forget(id);
    }

    /// The line is cut. Each side learns it after a while, or (half open) not at all.
    pub(super) fn cut(&mut self, id: ConnectionId, now_ns: u64, queue: &mut Queue) -> bool {
        let [switch, provider] = [self.random.percent(70), self.random.percent(70)];
        let [late, later] = [self.random.around(300 * NS_PER_MS), self.random.around(300 * NS_PER_MS)];
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        connection.is_cut = true;
        connection.waiting.clear();
        if switch {
            queue.add(now_ns + late, Event::SwitchLoses(id));
        }
        if provider {
            queue.add(now_ns + later, Event::ProviderLoses(id));
        }
        !(switch && provider)
    }

    /// The line dies, and nobody is told.
    pub(super) fn die(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_cut = true;
            connection.waiting.clear();
        }
    }

    /// Nothing that is sent arrives before then. Nothing is lost.
    pub(super) fn stall(&mut self, id: ConnectionId, until_ns: u64) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.to_switch_ns = connection.to_switch_ns.max(until_ns);
            connection.to_provider_ns = connection.to_provider_ns.max(until_ns);
        }
    }

    /// The switch's process is gone, and with it every connection; providers learn it soon.
    pub(super) fn cut_all(&mut self, now_ns: u64, queue: &mut Queue) {
        for (id, connection) in &mut self.connections {
            connection.is_cut = true;
            connection.key = None;
            queue.add(now_ns + connection.distance_ns + NS_PER_MS, Event::ProviderLoses(*id));
        }
    }

    /// A connection that neither side knows any more.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(|connection| connection.is_left && connection.key.is_none()) {
            self.connections.remove(&id);
        }
    }

    fn piece(&mut self, bytes: &mut Vec<u8>) -> Vec<u8> {
        let length = if self.random.percent(70) { bytes.len() } else { 1 + self.random.index(bytes.len()) };
        let rest = bytes.split_off(length);
        std::mem::replace(bytes, rest)
    }

    fn delay(&mut self, distance_ns: u64) -> u64 {
        let spike_ns = if self.is_delayed && self.random.percent(30) { self.random.below(DELAY_MAX_NS) } else { 0 };
        distance_ns + self.random.below(distance_ns / 2 + 20_000) + spike_ns
    }
}
