//! The whole switch in one room with its providers: a real pipeline, real client sessions, no socket, no TLS, no disk, no clock.

use std::time::Duration;

use adapters::message::{Answer, CreditTransfer, MessageKind, Part, PaymentId};
use adapters::native::session::{ClientSession, Event, Resume};
use ledger::journal::{Journal, JournalOptions, Lineage, Preparation, RecordBuffer};
use switch::config::GenesisRules;
use switch::engine::Batch;
use switch::entry::PAYLOAD_FORMAT;
use switch::history::{History, HistoryAsker, HistoryOptions};
use switch::limits::{HISTORY_RUN_RECORDS, OUTCOMES_KEPT_DEFAULT};
use switch::log::local::LocalLog;
use switch::pipeline::{Decisions, Pipeline, PipelineLimits};
use switch::seal::{KeyRing, create_key_file};
use switch::session::{PeerCertificate, SessionKey};

use crate::nowhere::Nowhere;
use crate::scheme;

const LINEAGE: Lineage = Lineage([7; 16]);

/// Asked, sequenced, answered, told: four turns, and `pay` makes two.
const TURNS_LATE_MAX: usize = 4;

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
    meter: Meter,
    metered: u64,
}

/// Reads whatever is metered of the calling thread, a number that grows. Told whether the switch's part begins or ends.
pub type Meter = fn(is_beginning: bool) -> u64;

/// How the room is furnished.
pub struct Furniture {
    /// Records in a run of the history.
    pub run_records: u32,
    /// Outcomes that the engine holds.
    pub outcomes_kept: u32,
    /// What is metered.
    pub meter: Meter,
}

impl Default for Furniture {
    fn default() -> Furniture {
        Furniture { run_records: HISTORY_RUN_RECORDS, outcomes_kept: OUTCOMES_KEPT_DEFAULT, meter: |_| 0 }
    }
}

impl Room {
    /// A new journal, the genesis in it, and every provider welcomed.
    pub fn new() -> Room {
        Room::furnished(&Furniture::default(), Decisions::default())
    }

    /// As `new`; `decisions` are empty, and may have room.
    pub fn furnished(furniture: &Furniture, mut decisions: Decisions) -> Room {
        let mut log = LocalLog::new(new_journal());
        let mut batch = RecordBuffer::default();
        let rules = GenesisRules { outcomes_kept: furniture.outcomes_kept, ..GenesisRules::default() };
        let (payload, entries) = scheme::genesis_with(rules);
        batch.extend_from_slice(&payload);
        let appended = log.submit(&mut batch, entries, scheme::START_NS).expect("nothing fails here");
        log.sync().expect("nothing fails here");
        let first =
            Batch { first_sequence: appended.first_sequence, time_ns: scheme::START_NS, payload: batch.payload() };
        decisions.absorb(first).expect("the genesis applies");
        let options = HistoryOptions { run_records: furniture.run_records, ..HistoryOptions::beside(11) };
        let opened = History::open(Nowhere::default(), LINEAGE, options);
        let (mut history, _) = opened.expect("a new history");
        history.follow(&mut decisions).expect("nothing fails here");

        let keys = tempfile::tempdir().expect("a temporary directory");
        let key_file = keys.path().join("sealing.key");
        create_key_file(&key_file).expect("a key file");
        let mut ring = KeyRing::create(keys.path(), &key_file).expect("a key ring");
        let mut pipeline = Pipeline::new(log, decisions, history, ring.digest_key(), PipelineLimits::default());
        let providers = (0..scheme::PARTICIPANTS).map(|number| {
            let data_key = ring.data_key(scheme::code(number), 1).expect("a data key");
            let certificate = PeerCertificate { holder: scheme::code(number), fingerprint: [0; 32] };
            let key = pipeline.attach(certificate, data_key, scheme::START_NS);
            let mut session = ClientSession::new(scheme::code(number), Resume::FROM_THE_START);
            session.connected();
            Provider { session, key, inbound: Vec::new() }
        });
        let providers = providers.collect();
        let mut private = Vec::new();
        scheme::private().write(&mut private);
        let asker = HistoryAsker::new(pipeline.history_reader());
        let mut room = Room {
            pipeline,
            asker,
            providers,
            private,
            now_ns: scheme::START_NS,
            asked: Vec::new(),
            committed: 0,
            meter: furniture.meter,
            metered: 0,
        };
        room.exchange();
        room
    }

    /// Journal time.
    pub fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Turns until at most so many outcomes are not in the history's files, which another thread writes.
    pub fn wait_indexed(&mut self, outcomes_unindexed_max: u64) {
        while self.pipeline.queues().outcomes_unindexed > outcomes_unindexed_max {
            std::thread::sleep(Duration::from_millis(1));
            self.exchange();
        }
    }

    /// What the switch has used so far of what is metered: its part of each exchange, not the providers'.
    pub fn metered(&self) -> u64 {
        self.metered
    }

    /// The switch.
    pub fn pipeline(&self) -> &Pipeline<Nowhere> {
        &self.pipeline
    }

    /// Has every provider of this many payments heard that they are committed? Orders that the history was asked about, because a filter could not deny
    /// their ids, come some turns later than the others.
    pub fn assert_committed(&mut self, payments: u64) {
        for _ in 0..TURNS_LATE_MAX {
            if self.committed == 2 * payments {
                return;
            }
            self.pay(&[]);
        }
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
        let before = (self.meter)(true);
        for provider in &mut self.providers {
            let bytes = provider.session.outgoing();
            let taken = self.pipeline.receive(provider.key, bytes, self.now_ns);
            assert_eq!(taken, bytes.len(), "whole frames only");
            bytes.clear();
        }
        self.pipeline.tick(self.now_ns).expect("nothing fails here");
        self.metered += (self.meter)(false) - before;
        while let Some(question) = self.pipeline.take_history_question() {
            self.pipeline.history_answered(self.asker.answer(question).expect("nothing fails here"));
        }
        let (providers, meter, metered) = (&mut self.providers, self.meter, &mut self.metered);
        let (mut before, mut taken) = (meter(true), true);
        while taken {
            taken = self.pipeline.transmit(|key, frames, _| {
                *metered += meter(false) - before;
                providers[key.index()].inbound.extend_from_slice(frames);
                before = meter(true);
                0
            });
        }
        *metered += meter(false) - before;
        for (number, provider) in self.providers.iter_mut().enumerate() {
            let (asked, committed) = (&mut self.asked, &mut self.committed);
            let received = provider.session.receive(&provider.inbound, &mut |event| match event {
                Event::Forward { routing, .. } => {
                    asked.push((number, PaymentId::from_bytes(routing.payment_id).expect("the switch checks ids")));
                }
                Event::Status { .. } => *committed += 1,
                Event::Refused { .. } => panic!("nothing is refused here"),
                Event::Returned { .. } | Event::CaseForward { .. } | Event::CaseStatus { .. } => {
                    panic!("nothing is returned or asked here")
                }
                Event::AliasResult { .. }
                | Event::AliasFound { .. }
                | Event::AccountReport { .. }
                | Event::DirectoryAnswer { .. } => {
                    panic!("nobody has asked for aliases here")
                }
                Event::Welcomed(_) | Event::Acknowledged { .. } | Event::Echo { .. } | Event::Numbered(..) => {}
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
