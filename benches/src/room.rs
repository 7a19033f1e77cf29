//! The whole switch in one room with its providers: a real pipeline, real client sessions, no socket, no TLS, no disk, no clock.

use adapters::message::{Answer, CreditTransfer, MessageKind, Part, PaymentId};
use adapters::native::session::{ClientSession, Event, Resume};
use ledger::journal::{Journal, JournalOptions, Lineage, Preparation, RecordBuffer};
use switch::engine::Batch;
use switch::entry::PAYLOAD_FORMAT;
use switch::history::{History, HistoryAsker, HistoryOptions};
use switch::log::local::LocalLog;
use switch::pipeline::{Decisions, Pipeline, PipelineLimits};
use switch::seal::{KeyRing, create_key_file};
use switch::session::SessionKey;

use crate::nowhere::Nowhere;
use crate::scheme;

const LINEAGE: Lineage = Lineage([7; 16]);

/// A provider and its connection.
struct Provider {
    session: ClientSession,
    key: SessionKey,
    inbound: Vec<u8>,
}

/// The switch and everyone connected to it.
pub struct Room {
    pipeline: Pipeline<Nowhere>,
    asker: HistoryAsker<Nowhere>,
    providers: Vec<Provider>,
    private: Vec<u8>,
    now_ns: u64,
    asked: Vec<(usize, PaymentId)>,
    committed: u64,
}

impl Room {
    /// A new journal, the genesis in it, and every provider welcomed.
    pub fn new() -> Room {
        let mut log = LocalLog::new(new_journal());
        let mut decisions = Decisions::default();
        let mut batch = RecordBuffer::default();
        let (payload, entries) = scheme::genesis();
        batch.extend_from_slice(&payload);
        let appended = log.submit(&mut batch, entries, scheme::START_NS).expect("nothing fails here");
        log.sync().expect("nothing fails here");
        let first =
            Batch { first_sequence: appended.first_sequence, time_ns: scheme::START_NS, payload: batch.payload() };
        decisions.absorb(first).expect("the genesis applies");
        let opened = History::open(Nowhere::default(), LINEAGE, HistoryOptions::beside(11));
        let (mut history, _) = opened.expect("a new history");
        history.follow(&mut decisions).expect("nothing fails here");

        let keys = tempfile::tempdir().expect("a temporary directory");
        let key_file = keys.path().join("sealing.key");
        create_key_file(&key_file).expect("a key file");
        let mut ring = KeyRing::create(keys.path(), &key_file).expect("a key ring");
        let mut pipeline = Pipeline::new(log, decisions, history, ring.digest_key(), PipelineLimits::default());
        let providers = (0..scheme::PARTICIPANTS).map(|number| {
            let data_key = ring.data_key(scheme::code(number), 1).expect("a data key");
            let key = pipeline.attach(scheme::code(number), data_key, scheme::START_NS);
            let mut session = ClientSession::new(scheme::code(number), Resume::FROM_THE_START);
            session.connected();
            Provider { session, key, inbound: Vec::new() }
        });
        let providers = providers.collect();
        let mut private = Vec::new();
        scheme::private().write(&mut private);
        let asker = HistoryAsker::new(pipeline.history_reader());
        let mut room =
            Room { pipeline, asker, providers, private, now_ns: scheme::START_NS, asked: Vec::new(), committed: 0 };
        room.exchange();
        room
    }

    /// Journal time.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Has every provider of this many payments heard that they are committed?
    pub fn assert_committed(&self, payments: u64) {
        assert_eq!(self.committed, 2 * payments, "both sides hear of each payment");
    }

    /// Brings payments from order to final status: two turns of the switch, everything received by everyone.
    pub fn pay(&mut self, orders: &[(usize, usize, CreditTransfer)]) {
        for (payer, _, order) in orders {
            let session = &mut self.providers[*payer].session;
            let mut routing = Vec::with_capacity(128);
            order.write(&mut routing);
            let taken = session.submit_raw(MessageKind::CreditTransfer, &routing, &self.private);
            taken.expect("the window holds a round");
        }
        self.exchange();
        for (payee, id) in std::mem::take(&mut self.asked) {
            let taken = self.providers[payee].session.submit(MessageKind::Answer, &Answer::accept(id), |_| {});
            taken.expect("the window holds a round");
        }
        self.exchange();
    }

    /// Everything that providers have to send goes in, one turn, everything that the switch has to send goes out.
    fn exchange(&mut self) {
        self.now_ns += 1_000_000;
        for provider in &mut self.providers {
            let bytes = provider.session.outgoing();
            let taken = self.pipeline.receive(provider.key, bytes, self.now_ns);
            assert_eq!(taken, bytes.len(), "whole frames only");
            bytes.clear();
        }
        self.pipeline.tick(self.now_ns).expect("nothing fails here");
        while let Some(question) = self.pipeline.take_history_question() {
            self.pipeline.history_answered(self.asker.answer(question).expect("nothing fails here"));
        }
        let providers = &mut self.providers;
        while self.pipeline.transmit(|key, frames, _| {
            providers[key.index()].inbound.extend_from_slice(frames);
            0
        }) {}
        for (number, provider) in self.providers.iter_mut().enumerate() {
            let (asked, committed) = (&mut self.asked, &mut self.committed);
            let received = provider.session.receive(&provider.inbound, &mut |event| match event {
                Event::Forward { routing, .. } => {
                    asked.push((number, PaymentId::from_bytes(routing.payment_id).expect("the switch checks ids")));
                }
                Event::Status { .. } => *committed += 1,
                Event::Refused { .. } => panic!("nothing is refused here"),
                Event::Welcomed(_) | Event::Acknowledged { .. } | Event::Echo { .. } => {}
            });
            received.expect("the switch keeps to the protocol");
            provider.inbound.clear();
        }
    }
}

impl Default for Room {
    fn default() -> Room {
        Room::new()
    }
}

fn new_journal() -> Journal<Nowhere> {
    let options = JournalOptions {
        payload_format: PAYLOAD_FORMAT,
        preparation: Preparation::WhenNeeded,
        ..JournalOptions::default()
    };
    Journal::create(Nowhere::default(), options, LINEAGE).expect("nothing fails here")
}
