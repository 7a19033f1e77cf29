//! The open batch: entries that wait to be sequenced, with what the edge must remember about each until it has been told.
//!
//! It is bounded: what does not fit is refused as busy (payment orders) or left in the socket (everything else).

use std::ops::Range;

use adapters::stages;
use ledger::journal::RecordBuffer;

use crate::entry::{self, Entry, EntryHead, EntryKind};
use crate::limits::{BATCH_BYTES_CUT, BATCH_BYTES_MAX};
use crate::seal::Sealer;
use crate::session::SessionKey;

/// Where an entry of the open batch came from and where its parts are.
#[derive(Clone, Copy, Debug)]
struct Origin {
    session: SessionKey,
    /// Number of the frame on that connection.
    number: u64,
    /// Start of the entry in the payload.
    offset: usize,
    /// Start and end of its private part in `clear`.
    clear: (usize, usize),
}

/// The open batch.
pub struct Ingress {
    batch: RecordBuffer,
    origins: Vec<Origin>,
    /// Private parts as received: what a Forward or a Status that leaves with this very batch needs, so that it need not be opened again.
    clear: Vec<u8>,
    transfers: usize,
    orders: usize,
}

impl Ingress {
    /// An empty batch.
    pub fn new() -> Ingress {
        Ingress { batch: RecordBuffer::default(), origins: Vec::new(), clear: Vec::new(), transfers: 0, orders: 0 }
    }

    /// Adds the entry of a frame; its private part is sealed on the way.
    pub fn add(
        &mut self,
        (session, number): (SessionKey, u64),
        head: EntryHead,
        [annotation, routing, private]: [&[u8]; 3],
        sealer: &mut Sealer,
    ) {
        let offset = self.batch.payload().len();
        let clear_start = self.clear.len();
        self.clear.extend_from_slice(private);
        self.origins.push(Origin { session, number, offset, clear: (clear_start, self.clear.len()) });
        self.transfers += usize::from(head.kind == EntryKind::CreditTransfer);
        self.orders +=
            usize::from(matches!(head.kind, EntryKind::CreditTransfer | EntryKind::Return | EntryKind::CaseOpen));
        let head = EntryHead { seal_key: if private.is_empty() { 0 } else { sealer.key_id() }, ..head };
        self.batch.extend_with(|out| {
            entry::write(out, head, annotation, routing, |out, additional: Range<usize>| {
                if !private.is_empty() {
                    stages::seal(|| sealer.seal(private, out, additional));
                }
            });
        });
        assert!(self.batch.payload().len() <= BATCH_BYTES_MAX, "a turn is bounded, so the batch is");
    }

    /// Adds the entry of a frame that is bytes already; returns its place in the batch, from 1.
    pub fn add_written(&mut self, (session, number): (SessionKey, u64), entry: &[u8]) -> usize {
        let offset = self.batch.payload().len();
        self.origins.push(Origin { session, number, offset, clear: (0, 0) });
        self.batch.extend_with(|out| out.extend_from_slice(entry));
        assert!(self.batch.payload().len() <= BATCH_BYTES_MAX, "a turn is bounded, so the batch is");
        self.origins.len()
    }

    /// Adds an operator's command.
    pub fn add_command(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let offset = self.batch.payload().len();
        self.origins.push(Origin { session: SessionKey::NONE, number: 0, offset, clear: (0, 0) });
        self.batch.extend_with(write);
    }

    /// Entries in the batch.
    pub fn count(&self) -> u32 {
        u32::try_from(self.origins.len()).unwrap_or_else(|_| unreachable!("a batch is bounded in bytes"))
    }

    /// Payment orders in the batch.
    pub fn transfers(&self) -> usize {
        self.transfers
    }

    /// Payment orders, returns and openings of cases in the batch: each of them can be an outcome at once.
    pub fn orders(&self) -> usize {
        self.orders
    }

    /// Has it grown so far that nothing more should be read before it is journaled?
    pub fn is_full(&self) -> bool {
        self.batch.payload().len() >= BATCH_BYTES_CUT
    }

    /// The batch, for the log.
    pub fn batch_mut(&mut self) -> &mut RecordBuffer {
        &mut self.batch
    }

    /// The entries' bytes.
    pub fn payload(&self) -> &[u8] {
        self.batch.payload()
    }

    /// The connection that sent an entry, and the number of its frame there, by the entry's place in the batch, from 1.
    pub fn origin_of(&self, place: usize) -> (SessionKey, u64) {
        let Origin { session, number, .. } = self.origins[place - 1];
        (session, number)
    }

    /// An entry by its place in the batch, from 1, and its private part as received.
    pub fn entry(&self, place: usize) -> (Entry<'_>, &[u8]) {
        let origin = self.origins[place - 1];
        let read = entry::read(&self.batch.payload()[origin.offset..]);
        let (entry, _) = read.unwrap_or_else(|reason| panic!("an entry that was just written: {reason}"));
        (entry, &self.clear[origin.clear.0..origin.clear.1])
    }

    /// Ready for the next batch; the memory is kept.
    pub fn clear(&mut self) {
        self.batch.clear();
        self.origins.clear();
        self.clear.clear();
        self.transfers = 0;
        self.orders = 0;
    }
}

impl Default for Ingress {
    fn default() -> Ingress {
        Ingress::new()
    }
}
