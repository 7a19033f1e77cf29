//! The golden journal: what this release makes of a journal, every later one makes of it, too.
//!
//! `tests/golden/journal-v1/` holds a journal with every kind of entry, in compressed segments, and `expected.txt`: the digests of the state at its end and
//! of everything that was told on the way. `make golden` makes it anew, which is right only while nothing is deployed, or where a new one is added beside it.

use std::path::{Path, PathBuf};

use adapters::message::{
    AmountForm, Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, Lane, NO_ID, Part, Reason, Return,
};
use ledger::journal::{
    DiskStorage, Journal, JournalOptions, Lineage, Preparation, RecordBuffer, compress, list_segments, scan,
};
use switch::engine::effect::{CaseNews, Delivery, Effect, News, Status};
use switch::engine::{Batch, Engine};
use switch::entry::{
    self, CurrencyOpened, EntryHead, EntryKind, FundsIn, OriginalFound, PAYLOAD_FORMAT, ParticipantId,
    ParticipantOpened, Sender, TransferAnnotation,
};
use switch::log::local::LocalLog;

use crate::language::{Said, write_message, write_reference, write_rules};
use crate::orders::{NAMES, NS_PER_MS, NS_PER_S, Random, START_NS, code, genesis, id, order};

const SEED: u64 = 20_261_122;
const FUNDS: [u64; 4] = [4_000, 4_000, 4_000, 90];
const LINEAGE: Lineage = Lineage(*b"golden journal 1");
/// Small, so that most segments are closed and can be compressed.
const SEGMENT_BYTES: u64 = 128 << 10;
const BATCHES: usize = 120;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal-v1")
}

/// What the entries of the journal are drawn from.
struct Script {
    random: Random,
    time_ns: u64,
    payments: u64,
}

impl Script {
    /// The next batch: its entries, and how many they are.
    fn batch(&mut self, batch: usize, applied: u64) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        self.time_ns += if self.random.percent(8) { 6 * NS_PER_S } else { self.random.below(90) * NS_PER_MS };
        match batch {
            0 => return genesis(FUNDS, 1_000),
            10 => write_rules(&mut out, 9),
            20 => {
                let euro = CurrencyOpened { currency: *b"EUR", minor_digits: 2, amount_max: 5_000, model: 1 };
                entry::write_command(&mut out, EntryKind::CurrencyOpened, &euro);
            }
            21 => {
                let echo = ParticipantOpened {
                    participant: 5,
                    code: *code("ECHO").bytes(),
                    standing: 2,
                    class: 0,
                    sponsor: 0,
                    is_technical: 0,
                };
                entry::write_command(&mut out, EntryKind::ParticipantOpened, &echo);
            }
            22 | 23 => {
                let (participant, currency, amount) = (1, *b"EUR", 700);
                let funds = FundsIn { participant, currency, amount, reference: *b"paid in once\0\0\0\0" };
                entry::write_command(&mut out, EntryKind::FundsIn, &funds);
            }
            _ => return self.traffic(applied),
        }
        (out, 1)
    }

    fn traffic(&mut self, applied: u64) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        let entries = self.random.below(6) as u32;
        for _ in 0..entries {
            match self.random.below(100) {
                0..45 => self.order(&mut out, applied),
                45..75 => self.answer(&mut out),
                75..85 => self.give_back(&mut out, applied),
                85..93 => self.open_case(&mut out, applied),
                _ => self.change_case(&mut out),
            }
        }
        (out, entries)
    }

    /// An order that is new, or a repetition, changed or not.
    fn order(&mut self, out: &mut Vec<u8>, applied: u64) {
        let names = ["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "NOBODY"];
        let number = if self.random.percent(15) { self.random.below(self.payments + 1) } else { self.payments };
        self.payments = self.payments.max(number + 1);
        // What is repeated is drawn the same again, most of the time.
        let mut drawn = Random(number + self.random.below(12) / 11);
        let payer = drawn.below(NAMES.len() as u64) as usize;
        let payee = names[drawn.below(names.len() as u64) as usize];
        let accepted_at_ns = self.time_ns - drawn.below(3) * NS_PER_S;
        let mut order = order(number, NAMES[payer], payee, 1 + drawn.below(300), accepted_at_ns);
        if drawn.percent(20) {
            order.currency = *b"EUR";
        }
        if drawn.percent(15) {
            order.lane = Lane::Bulk as u8;
        }
        if self.random.percent(10) {
            order.request_id = id(20_000 + self.random.below(40)).bytes();
        }
        let mut routing = Vec::new();
        order.write(&mut routing);
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&(number * 31 + payer as u64).to_le_bytes());
        let checked_through = if self.random.percent(90) { applied } else { 0 };
        let annotation = TransferAnnotation { digest, checked_through };
        let sealed = *b"sealed, to this engine";
        let head = EntryHead { kind: EntryKind::CreditTransfer, sender: sender(payer), seal_key: 1 + number / 40 };
        entry::write(out, head, &annotation.bytes(), &routing, |out, _| out.extend_from_slice(&sealed));
    }

    /// Who was paid in a payment, as its order was drawn, and the number of a lately ordered one.
    fn lately(&mut self) -> (u64, [&'static str; 2]) {
        let number = self.payments.saturating_sub(1 + self.random.below(12));
        (number, parties_of(number))
    }

    fn said(&self, applied: u64) -> Said {
        Said { checked_through: applied, original: OriginalFound::NONE }
    }

    fn give_back(&mut self, out: &mut Vec<u8>, applied: u64) {
        let (original, [_, payee]) = self.lately();
        let (return_id, original_id) = (id(10_000 + self.random.below(90)).bytes(), id(original).bytes());
        let amount = 1 + self.random.below(60);
        let message = Return { return_id, original_id, case_id: NO_ID, amount, currency: *b"KES", reason: *b"CUST" };
        write_reference(out, EntryKind::Return, payee, &message, self.said(applied));
    }

    fn open_case(&mut self, out: &mut Vec<u8>, applied: u64) {
        let (original, [payer, payee]) = self.lately();
        let kind = [CaseKind::Recall, CaseKind::Information, CaseKind::PaymentRequest][self.random.below(3) as usize];
        let is_request = kind == CaseKind::PaymentRequest;
        let (opener, responder) = if is_request { (payee, payer) } else { (payer, payee) };
        let case = CaseOpen {
            case_id: id(20_000 + self.random.below(40)).bytes(),
            kind: kind as u8,
            original_id: if is_request { NO_ID } else { id(original).bytes() },
            opener: *code(opener).bytes(),
            responder: *code(responder).bytes(),
            amount: if is_request { 20 } else { 0 },
            currency: if is_request { *b"KES" } else { [0; 3] },
            amount_form: if is_request { AmountForm::UpTo as u8 } else { AmountForm::None as u8 },
            reason: if is_request { [0; 4] } else { *b"DUPL" },
            expires_at_ns: self.time_ns + (1 + self.random.below(20)) * NS_PER_S,
        };
        write_reference(out, EntryKind::CaseOpen, opener, &case, self.said(applied));
    }

    fn change_case(&mut self, out: &mut Vec<u8>) {
        let case = id(20_000 + self.random.below(40));
        let sender = NAMES[self.random.below(NAMES.len() as u64) as usize];
        match self.random.below(3) {
            0 => write_message(out, EntryKind::CaseAnswer, sender, &CaseAnswer::accept(case)),
            1 => write_message(out, EntryKind::CaseAnswer, sender, &CaseAnswer::refuse(case, Reason::of(b"NARR"))),
            _ => {
                let cancel = CaseCancel { case_id: case.bytes(), reason: *b"CUST" };
                write_message(out, EntryKind::CaseCancel, sender, &cancel);
            }
        }
    }

    fn answer(&mut self, out: &mut Vec<u8>) {
        let number = self.payments.saturating_sub(1 + self.random.below(6));
        let payment = id(number);
        let is_accepted = self.random.percent(75);
        let answer = match is_accepted {
            true if self.random.percent(20) => Answer::accept_without_posting(payment),
            true => Answer::accept(payment),
            false => Answer::reject(payment, Reason::of(b"AC04")),
        };
        let mut routing = Vec::new();
        answer.write(&mut routing);
        let kind = EntryKind::Answer;
        let payee = NAMES.iter().position(|name| *name == parties_of(number)[1]).unwrap_or(0);
        let anybody = self.random.below(NAMES.len() as u64 + 1) as usize;
        let sender = sender(if self.random.percent(70) { payee } else { anybody });
        let has_note = self.random.percent(30);
        let head = EntryHead { kind, sender, seal_key: u64::from(has_note) };
        entry::write(out, head, &[], &routing, |out, _| {
            if has_note {
                out.extend_from_slice(b"a note");
            }
        });
    }
}

/// Payer and payee as an order with this number is mostly drawn; a payee that cannot be is the payer.
fn parties_of(number: u64) -> [&'static str; 2] {
    let mut drawn = Random(number);
    let payer = NAMES[drawn.below(NAMES.len() as u64) as usize];
    let payee = NAMES.get(drawn.below(6) as usize).copied().unwrap_or(payer);
    [payer, payee]
}

fn sender(place: usize) -> Sender {
    Sender::Participant(ParticipantId(place as u32 + 1))
}

/// Every effect in its order, integers little-endian, a number before each variant. A handle of memory is no part of it.
fn hash_effect(hasher: &mut blake3::Hasher, effect: &Effect) {
    let Effect { participant, delivery, id, news, source } = effect;
    hasher.update(&participant.0.to_le_bytes()).update(&id.bytes()).update(&source.to_le_bytes());
    match delivery {
        Delivery::Outbox { lane, number, subject: _, order } => {
            hasher.update(&[1, *lane as u8]).update(&number.to_le_bytes()).update(&order.to_le_bytes())
        }
        Delivery::Reply { entry } => hasher.update(&[2]).update(&entry.to_le_bytes()),
    };
    match news {
        News::Forward { deadline_ns } => hasher.update(&[1]).update(&deadline_ns.to_le_bytes()),
        News::Status(Status { outcome, reason, field, decided_at_ns, position }) => {
            hasher.update(&[2, *outcome as u8, *field as u8]).update(&reason.bytes());
            hasher.update(&decided_at_ns.to_le_bytes()).update(&position.to_le_bytes())
        }
        News::Recheck => hasher.update(&[3]),
        News::LookedUp { is_granted, retry_after_ms } => {
            hasher.update(&[7, u8::from(*is_granted)]).update(&retry_after_ms.to_le_bytes())
        }
        News::Returned { total } => hasher.update(&[4]).update(&total.to_le_bytes()),
        News::CaseForward { deadline_ns } => hasher.update(&[5]).update(&deadline_ns.to_le_bytes()),
        News::CaseStatus(CaseNews { kind, state, reason, field, at_ns, position }) => {
            let kind = kind.map_or(0, |kind| kind as u8);
            hasher.update(&[6, kind, *state as u8, *field as u8]).update(&reason.bytes());
            hasher.update(&at_ns.to_le_bytes()).update(&position.to_le_bytes())
        }
    };
}

/// What an engine makes of the journal in a directory, as `expected.txt` says it.
fn found_in(directory: &Path) -> (String, Engine) {
    let (mut engine, mut hasher, mut told) = (Engine::new(), blake3::Hasher::new(), 0);
    let absorb = |batch: ledger::journal::Batch<'_>| {
        let mut effects = Vec::new();
        let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
        engine.apply(batch, &mut effects).map_err(|inapplicable| inapplicable.to_string())?;
        effects.iter().for_each(|effect| hash_effect(&mut hasher, effect));
        told += effects.len();
        Ok(())
    };
    let report = scan(&DiskStorage::open(directory).unwrap(), absorb).unwrap();
    let hex = |bytes: &[u8; 32]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let state = hex(&engine.digest());
    let (chain, effects) = (hex(&report.chain_digest), hex(hasher.finalize().as_bytes()));
    let batches = report.batches;
    let text =
        format!("batches {batches}\neffects {told}\nchain {chain}\neffects-digest {effects}\nstate-digest {state}\n");
    (text, engine)
}

/// Makes the journal in a directory, which is emptied first.
fn make(directory: &Path) {
    if directory.exists() {
        std::fs::remove_dir_all(directory).unwrap();
    }
    let storage = DiskStorage::create(directory).unwrap();
    let options = JournalOptions {
        segment_bytes: SEGMENT_BYTES,
        payload_format: PAYLOAD_FORMAT,
        preparation: Preparation::WhenNeeded,
    };
    let mut log = LocalLog::new(Journal::create(storage.clone(), options, LINEAGE).unwrap());
    let mut script = Script { random: Random(SEED), time_ns: START_NS, payments: 0 };
    let mut buffer = RecordBuffer::default();
    let mut batch = 0;
    // On to the end of a segment: the last one, which cannot be compressed, is then empty, and left away.
    while batch < BATCHES || list_segments(&storage).unwrap().len() < 4 {
        let applied = log.last_sequence();
        let (payload, entries) = script.batch(batch, applied);
        buffer.clear();
        buffer.extend_from_slice(&payload);
        log.submit(&mut buffer, entries, script.time_ns).unwrap();
        log.sync().unwrap();
        batch += 1;
    }
    drop(log);
    let segments = list_segments(&storage).unwrap();
    let (last, closed) = segments.split_last().unwrap();
    for segment in closed {
        compress(&storage, segment.first_sequence).unwrap();
    }
    std::fs::remove_file(directory.join(last.name())).unwrap();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_segment = path.file_name().unwrap().to_str().unwrap().contains(".segment");
        if !is_segment {
            std::fs::remove_file(path).unwrap();
        }
    }
    std::fs::write(directory.join("expected.txt"), found_in(directory).0).unwrap();
}

#[test]
fn the_golden_journal_gives_the_state_and_the_effects_that_it_always_gave() {
    let (found, engine) = found_in(&directory());
    assert_eq!(found, std::fs::read_to_string(directory().join("expected.txt")).unwrap());
    let counts = engine.counts();
    let payments = [counts.committed, counts.rejected, counts.expired, counts.in_flight, engine.floor()];
    let others = [counts.returned, counts.returns_rejected, counts.cases_open, counts.cases_closed];
    let some = [&payments[..], &others].concat();
    assert!(some.iter().all(|&count| count > 0), "it has something of everything: {counts:?}");
}

/// What is kept is what the script below makes: whoever changes the script makes the journal anew.
#[test]
fn the_golden_journal_is_what_its_script_makes() {
    let made = tempfile::tempdir().unwrap();
    make(&made.path().join("journal"));
    let expected = |directory: &Path| std::fs::read_to_string(directory.join("expected.txt")).unwrap();
    assert_eq!(expected(&made.path().join("journal")), expected(&directory()), "`make golden` makes it anew");
}

#[test]
#[ignore = "it replaces the golden journal: make golden"]
fn make_the_golden_journal() {
    make(&directory());
}
