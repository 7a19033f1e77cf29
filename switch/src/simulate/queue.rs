//! What is going to happen, in the order of virtual time; at one time, in the order in which it was decided.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::faults::Fault;

/// Number of a connection; never used again.
pub(super) type ConnectionId = u64;

/// Something that happens at a moment.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// The switch's process starts.
    Start,
    /// The switch makes a turn, unless another one was set since.
    Turn,
    /// The thread of the history's files does its next portion; the number says of which start of the process.
    WriteHistory(u64),
    /// A provider looks around.
    Tick(usize),
    /// A connection's handshake is done at the switch.
    Opened(ConnectionId),
    /// Bytes arrive at the switch.
    ToSwitch(ConnectionId, Vec<u8>),
    /// Bytes arrive at a provider.
    ToProvider(ConnectionId, Vec<u8>),
    /// The switch learns that a connection is gone.
    SwitchLoses(ConnectionId),
    /// A provider learns that its connection is gone.
    ProviderLoses(ConnectionId),
    /// The operator gives a command.
    Operate,
    /// The operator gives a command about the directory.
    OperateDirectory,
    /// Something goes wrong.
    Fault(Fault),
    /// Something that went wrong for a while is over.
    Calm(Fault),
}

/// The queue of events.
#[derive(Default)]
pub(super) struct Queue {
    heap: BinaryHeap<Reverse<Scheduled>>,
    decided: u64,
}

struct Scheduled {
    at_ns: u64,
    order: u64,
    event: Event,
}

impl Queue {
    pub(super) fn add(&mut self, at_ns: u64, event: Event) {
        self.decided += 1;
        self.heap.push(Reverse(Scheduled { at_ns, order: self.decided, event }));
    }

    /// The next event and its time.
    pub(super) fn take(&mut self) -> Option<(u64, Event)> {
        self.heap.pop().map(|Reverse(next)| (next.at_ns, next.event))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Scheduled) -> bool {
        self.order == other.order
    }
}

impl Eq for Scheduled {}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Scheduled) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Scheduled) -> std::cmp::Ordering {
        (self.at_ns, self.order).cmp(&(other.at_ns, other.order))
    }
}
