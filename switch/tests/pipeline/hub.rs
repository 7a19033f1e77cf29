//! The switch of a test: a real pipeline and renderer over a directory in memory, a virtual clock, and wires to whoever is connected.
//!
//! After every turn the watermarks are validated: those of the stages, and those of every lane of every connection.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use adapters::message::{Outcome, ParticipantCode, PaymentId};
use ledger::index::IndexWork;
use ledger::journal::Storage;
use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{Journal, JournalOptions, JournalReader, Lineage, Preparation, RecordBuffer};
use ledger::snapshot::SnapshotWork;
use switch::engine::Batch;
use switch::engine::effect::{News, Status};
use switch::entry::{PAYLOAD_FORMAT, ParticipantId};
use switch::history::{History, HistoryAnswer, HistoryAsker, HistoryOptions, HistoryQuestion};
use switch::log::local::LocalLog;
use switch::pipeline::{Decisions, Pipeline, PipelineLimits, PresenceTimes};
use switch::render::{RenderRequest, Renderer};
use switch::seal::{DataKey, KeyRing, SealFault, create_key_file};
use switch::session::{PeerCertificate, SessionKey};
use switch::snapshots::{self, SnapshotTaker};

use crate::orders::{NS_PER_MS, START_NS, WINDOW_DEFAULT, genesis};

/// Small, so that a test of a second goes over many.
pub(crate) const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 64 << 10, payload_format: PAYLOAD_FORMAT, preparation: Preparation::WhenNeeded };

/// As `OPTIONS`, for tests that send much.
pub(crate) const OPTIONS_LARGE: JournalOptions = JournalOptions { segment_bytes: 8 << 20, ..OPTIONS };

/// Small, so that a test of a second makes and merges many files.
const HISTORY: HistoryOptions =
    HistoryOptions { run_records: 100, keys_in_memory: 50, seed: 5, work: IndexWork::Inline, looks_all_up: false };

pub(crate) const LINEAGE: Lineage = Lineage([0x42; 16]);

/// The usual limits, of a switch that waits for its participants for ever: who is away can be paid.
pub(crate) fn patient() -> PipelineLimits {
    let presence = PresenceTimes { absence_grace_ms: u64::MAX, presence_settle_ms: 0 };
    PipelineLimits { presence, ..PipelineLimits::default() }
}

/// Keys on disk: the only files that a test makes.
pub(crate) struct Keys {
    ring: RefCell<KeyRing>,
    _directory: tempfile::TempDir,
}

impl Keys {
    pub(crate) fn new() -> Rc<Keys> {
        let directory = tempfile::tempdir().unwrap();
        let key_file = directory.path().join("sealing.key");
        create_key_file(&key_file).unwrap();
        let ring = RefCell::new(KeyRing::create(directory.path(), &key_file).unwrap());
        Rc::new(Keys { ring, _directory: directory })
    }
}

/// Where snapshots go, and after how many entries each.
#[derive(Clone)]
pub(crate) struct SnapshotDisk {
    pub(crate) disk: FaultyStorage,
    pub(crate) every_entries: u64,
}

/// What a start has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Began {
    /// The snapshot's position.
    pub(crate) snapshot: Option<u64>,
    /// Why others were passed over.
    pub(crate) refused: Vec<String>,
    /// Batches that were replayed.
    pub(crate) batches: u64,
}

/// The machine has stopped, or the journal cannot be written: the process would end here.
#[derive(Debug)]
pub(crate) struct Stopped;

/// What is on its way between the switch and one connection.
#[derive(Default)]
struct Wire {
    to_switch: Vec<u8>,
    /// Did anything arrive since the switch last read?
    has_unread: bool,
    to_provider: Vec<u8>,
    is_last: bool,
}

pub(crate) struct Hub {
    pub(crate) pipeline: Pipeline<FaultyStorage>,
    pub(crate) now_ns: u64,
    /// The disks of the journal and of the history.
    pub(crate) disks: [FaultyStorage; 2],
    /// What the start found.
    pub(crate) began: Began,
    /// Has the key been erased that sealed everything so far?
    pub(crate) is_erased: bool,
    renderer: Renderer<FaultyStorage>,
    asker: HistoryAsker<FaultyStorage>,
    /// What the history has answered, as if it were on another thread; it arrives once so many turns have passed.
    answers: VecDeque<(u64, HistoryAnswer)>,
    pub(crate) history_turns: u64,
    turns: u64,
    /// What the renderer does during the next turn, as if it were on another thread.
    rendering: Vec<RenderRequest>,
    keys: Rc<Keys>,
    wires: Vec<Wire>,
}

impl Hub {
    /// A new journal with the genesis in it.
    pub(crate) fn new(storage: FaultyStorage, options: JournalOptions, keys: &Rc<Keys>, funds: [u64; 4]) -> Hub {
        found(&storage, options, funds, WINDOW_DEFAULT);
        Hub::open(storage, options, keys, START_NS, patient()).unwrap()
    }

    /// A switch with ample funds and nothing that breaks.
    pub(crate) fn steady() -> Hub {
        Hub::limited(patient())
    }

    /// As `steady`, with lower limits.
    pub(crate) fn limited(limits: PipelineLimits) -> Hub {
        let storage = FaultyStorage::new(1);
        found(&storage, OPTIONS_LARGE, [1_000_000_000; 4], WINDOW_DEFAULT);
        Hub::open(storage, OPTIONS_LARGE, &Keys::new(), START_NS, limits).unwrap()
    }

    /// A switch that holds so many outcomes, with ample funds and nothing that breaks. It may look up everything in the history, new ids too.
    pub(crate) fn with_window(outcomes_kept: u32, looks_all_up: bool) -> Hub {
        let disks = [FaultyStorage::new(1), FaultyStorage::new(2)];
        found(&disks[0], OPTIONS_LARGE, [1_000_000_000; 4], outcomes_kept);
        let limits = patient();
        Hub::open_with_history(disks, looks_all_up, OPTIONS_LARGE, &Keys::new(), START_NS, limits).unwrap()
    }

    /// The process starts: replays the journal and goes on where it ends. Its history is made anew.
    pub(crate) fn open(
        storage: FaultyStorage,
        options: JournalOptions,
        keys: &Rc<Keys>,
        now_ns: u64,
        limits: PipelineLimits,
    ) -> Result<Hub, Stopped> {
        Hub::open_with_history([storage, FaultyStorage::new(2)], false, options, keys, now_ns, limits)
    }

    /// As `open`, with what is in the history already; it may look up everything, new ids too.
    pub(crate) fn open_with_history(
        disks: [FaultyStorage; 2],
        looks_all_up: bool,
        options: JournalOptions,
        keys: &Rc<Keys>,
        now_ns: u64,
        limits: PipelineLimits,
    ) -> Result<Hub, Stopped> {
        Hub::open_with_snapshots(disks, None, looks_all_up, options, keys, now_ns, limits)
    }

    /// As `open_with_history`, and snapshots are taken and used.
    pub(crate) fn open_with_snapshots(
        disks: [FaultyStorage; 2],
        snapshot_disk: Option<SnapshotDisk>,
        looks_all_up: bool,
        options: JournalOptions,
        keys: &Rc<Keys>,
        now_ns: u64,
        limits: PipelineLimits,
    ) -> Result<Hub, Stopped> {
        let [storage, history] = disks.clone();
        let opened = History::open(history, LINEAGE, HistoryOptions { looks_all_up, ..HISTORY });
        let (mut history, _) = opened.map_err(|fault| stopped(&fault.to_string()))?;
        let (mut decisions, mut place, mut began) = (Decisions::default(), None, Began::default());
        if let Some(SnapshotDisk { disk, .. }) = &snapshot_disk {
            let mut snapshots = snapshots::open(disk.clone(), LINEAGE, SnapshotWork::Inline);
            let found = snapshots::find(&mut snapshots, &storage, history.covered_through(), 0).map_err(|_| Stopped)?;
            began.refused = found.refused.iter().map(ToString::to_string).collect();
            if let Some(start) = found.start {
                began.snapshot = Some(start.engine.applied());
                (decisions, place) = (Decisions::behind(start.engine), Some(start.place));
                history.begin_behind(&mut decisions).map_err(|fault| stopped(&fault.to_string()))?;
            }
        }
        let absorb = |batch: ledger::journal::Batch<'_>| {
            let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
            decisions.absorb(batch).map_err(|inapplicable| inapplicable.to_string())?;
            history.follow(&mut decisions).map_err(|fault| fault.to_string())
        };
        let opened = Journal::open_after(storage.clone(), options, place, absorb);
        let (journal, report) = opened.map_err(|fault| stopped(&fault.to_string()))?;
        began.batches = report.batches;
        history.check_followed(&decisions.engine).unwrap();
        let journal_reader = JournalReader::open(storage).map_err(|fault| stopped(&fault.to_string()))?;
        let renderer = Renderer::new(journal_reader, history.reader());
        let asker = HistoryAsker::new(history.reader());
        let digest_key = keys.ring.borrow().digest_key();
        let mut pipeline = Pipeline::new(LocalLog::new(journal), decisions, history, digest_key, limits);
        if let Some(SnapshotDisk { disk, every_entries }) = snapshot_disk {
            let snapshots = snapshots::open(disk, LINEAGE, SnapshotWork::Inline);
            pipeline =
                pipeline.with_snapshots(SnapshotTaker::new(snapshots, every_entries, began.snapshot.unwrap_or(0)));
        }
        Ok(Hub {
            pipeline,
            now_ns,
            disks,
            began,
            is_erased: false,
            renderer,
            asker,
            answers: VecDeque::new(),
            history_turns: 1,
            turns: 0,
            rendering: Vec::new(),
            keys: keys.clone(),
            wires: Vec::new(),
        })
    }

    /// Another process on copies of the disks, as they would be after a kill, changed by `change`.
    pub(crate) fn restarted(&self, change: impl FnOnce(&[FaultyStorage; 2])) -> Hub {
        let disks = self.disks.each_ref().map(|disk| disk.copy(77));
        disks.iter().for_each(FaultyStorage::kill);
        change(&disks);
        Hub::open_with_history(disks, false, OPTIONS_LARGE, &self.keys, self.now_ns, patient()).unwrap()
    }

    /// A connection whose certificate names `code`.
    pub(crate) fn attach(&mut self, code: ParticipantCode) -> SessionKey {
        self.attach_with(PeerCertificate { holder: code, fingerprint: [0; 32] })
    }

    /// A connection that has shown this certificate.
    pub(crate) fn attach_with(&mut self, certificate: PeerCertificate) -> SessionKey {
        let data_key = self.data_key(certificate.holder);
        let key = self.pipeline.attach(certificate, data_key, self.now_ns);
        if self.wires.len() <= key.index() {
            self.wires.resize_with(key.index() + 1, Wire::default);
        }
        self.wires[key.index()] = Wire::default();
        key
    }

    /// The key that seals what a participant sends.
    pub(crate) fn data_key(&self, code: ParticipantCode) -> DataKey {
        self.keys.ring.borrow_mut().data_key(code, 1).unwrap()
    }

    /// The connection is cut; what was on its way is lost.
    pub(crate) fn detach(&mut self, key: SessionKey) {
        self.pipeline.detach(key);
        self.wires[key.index()] = Wire::default();
    }

    /// Bytes of a provider arrive, and the switch reads as long as it wants any now.
    pub(crate) fn deliver(&mut self, key: SessionKey, bytes: &[u8]) {
        let wire = &mut self.wires[key.index()];
        wire.to_switch.extend_from_slice(bytes);
        wire.has_unread |= !bytes.is_empty();
        while wire.has_unread {
            let wanted = self.pipeline.bytes_wanted(key, self.now_ns);
            if wanted == 0 {
                return;
            }
            let length = wanted.min(wire.to_switch.len());
            wire.has_unread = length < wire.to_switch.len();
            let taken = self.pipeline.receive(key, &wire.to_switch[..length], self.now_ns);
            wire.to_switch.drain(..taken);
        }
    }

    /// One turn, as the hot loop makes it.
    pub(crate) fn turn(&mut self) -> Result<(), Stopped> {
        self.hand_answers_in();
        self.pipeline.tick(self.now_ns).map_err(|_| Stopped)?;
        self.pipeline.watermarks().validate();
        self.ask_history()?;
        self.render()?;
        self.transmit();
        self.pipeline.check_sessions(self.now_ns);
        self.transmit();
        Ok(())
    }

    fn hand_answers_in(&mut self) {
        self.turns += 1;
        while let Some((_, answer)) = self.answers.pop_front_if(|(due, _)| *due <= self.turns) {
            self.pipeline.history_answered(answer);
        }
    }

    fn ask_history(&mut self) -> Result<(), Stopped> {
        while let Some(question) = self.pipeline.take_history_question() {
            let answer = self.asker.answer(question).map_err(|_| Stopped)?;
            self.answers.push_back((self.turns + self.history_turns, answer));
        }
        Ok(())
    }

    /// What a participant would be told of a payment of any age.
    pub(crate) fn status_for(&self, participant: ParticipantId, id: PaymentId) -> Status {
        if self.pipeline.engine().holds(id) {
            return self.pipeline.engine().status_for(participant, id);
        }
        let answer = self.asker.answer(HistoryQuestion { payment_id: id, original: None }).unwrap();
        assert!(answer.checked_through >= self.pipeline.engine().floor(), "what has left is in the history");
        match answer.outcome.map(|record| record.news_for(participant)) {
            Some(News::Status(status)) => status,
            Some(other) => unreachable!("a payment is told as a payment: {other:?}"),
            None => Status::undecided(Outcome::Unknown),
        }
    }

    fn render(&mut self) -> Result<(), Stopped> {
        for request in std::mem::take(&mut self.rendering) {
            let (ring, is_erased) = (&self.keys.ring, self.is_erased);
            let find = |id| if is_erased { Err(SealFault::Erased(id)) } else { ring.borrow().find(id) };
            let rendered = self.renderer.render(&request, find).map_err(|_| Stopped)?;
            self.pipeline.rendered(&rendered);
        }
        while let Some(request) = self.pipeline.take_render_request() {
            self.rendering.push(request);
        }
        Ok(())
    }

    fn transmit(&mut self) {
        let wires = &mut self.wires;
        while self.pipeline.transmit(|key, frames, is_last| {
            let wire = &mut wires[key.index()];
            assert!(!wire.is_last, "nothing is sent after the last frame");
            wire.to_provider.extend_from_slice(frames);
            wire.is_last = is_last;
            wire.to_provider.len()
        }) {}
    }

    /// At most `limit` bytes of what waits for a connection, and whether the switch has ended it after them.
    pub(crate) fn take(&mut self, key: SessionKey, limit: usize) -> (Vec<u8>, bool) {
        let wire = &mut self.wires[key.index()];
        let taken = wire.to_provider.drain(..limit.min(wire.to_provider.len())).collect();
        self.pipeline.link_pending(key, wire.to_provider.len());
        (taken, wire.is_last && wire.to_provider.is_empty())
    }

    /// How much of what a connection has sent was not dealt with.
    pub(crate) fn unread_bytes(&self, key: SessionKey) -> usize {
        self.wires[key.index()].to_switch.len()
    }

    /// How much waits for a connection.
    pub(crate) fn waiting_bytes(&self, key: SessionKey) -> usize {
        self.wires[key.index()].to_provider.len()
    }

    pub(crate) fn pass_ms(&mut self, milliseconds: u64) {
        self.now_ns += milliseconds * NS_PER_MS;
    }
}

/// Makes a journal with the genesis in it.
pub(crate) fn found(storage: &FaultyStorage, options: JournalOptions, funds: [u64; 4], outcomes_kept: u32) {
    let mut log = LocalLog::new(Journal::create(storage.clone(), options, LINEAGE).unwrap());
    let (payload, entries) = genesis(funds, outcomes_kept);
    let mut batch = RecordBuffer::default();
    batch.extend_from_slice(&payload);
    log.submit(&mut batch, entries, START_NS).unwrap();
    log.sync().unwrap();
}

/// A planned fault stops the machine; anything else that recovery says is a bug.
fn stopped(text: &str) -> Stopped {
    assert!(text.contains("the machine has stopped") || text.contains("input/output error"), "recovery: {text}");
    Stopped
}

/// Contents of a directory, so that `Storage` need not be imported for it.
pub(crate) fn segments(storage: &FaultyStorage) -> usize {
    storage.list().unwrap().iter().filter(|file| file.name.ends_with(".segment")).count()
}

/// Nothing is left of a directory.
pub(crate) fn remove_all(storage: &FaultyStorage) {
    storage.set_plan(FaultPlan::default());
    storage.list().unwrap().iter().for_each(|file| storage.remove(&file.name).unwrap());
}
