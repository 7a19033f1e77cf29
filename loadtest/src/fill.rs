//! A large history, quickly: payments that are sealed, journaled and decided as the switch does it, without providers and sockets around.
//!
//! Each batch is written and synced to a real journal and applied by a real engine, so what `switch serve` and `switch ledger verify` find afterwards is
//! what years of payments would have left. Nobody is told anything: outboxes hold it until a provider connects.

use std::path::Path;

use adapters::check::{self, Request};
use adapters::message::{Answer, CreditTransfer, Lane, MessageKind, NO_ID, Part, ParticipantCode, PaymentId};
use adapters::native::frame::{Decoded, Head, decode, encode};
use ledger::journal::{DiskStorage, Journal, JournalOptions, Preparation, RecordBuffer};
use serde::Serialize;
use switch::clock::JournalClock;
use switch::config::Config;
use switch::data;
use switch::digest::OrderDigester;
use switch::engine::effect::Effect;
use switch::engine::{Batch, Engine};
use switch::entry::{self, EntryHead, EntryKind, PAYLOAD_FORMAT, ParticipantId, Sender, TransferAnnotation};
use switch::log::local::LocalLog;
use switch::seal::{KeyRing, Sealer, day_of};

use crate::SetUpError;
use crate::connection::CURRENCY;
use crate::draw::{Draw, private_parts};

/// Orders of one batch; the answers to those of the batch before go with them.
const ORDERS_PER_BATCH: u64 = 8_192;

/// What a payment takes on disk: two entries, with their share of a record. Measured, and rounded up.
const BYTES_PER_PAYMENT: u64 = 700;

/// Aliases that were imported.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ImportedAliases {
    /// How many.
    pub aliases: u64,
    /// How long the switch took, without the making of the files.
    pub seconds: f64,
    /// Aliases a second.
    pub per_second: f64,
}

/// What was done.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Filled {
    /// Payments committed by this run.
    pub payments: u64,
    /// How long that took.
    pub seconds: f64,
    /// Payments a second.
    pub per_second: f64,
    /// Of the journal, all of it.
    pub journal_bytes: u64,
    /// It was ended before its time.
    pub interrupted: bool,
    /// Before the payments; not there where nothing was imported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub imported: Option<ImportedAliases>,
}

/// Is there room for so many payments? Better before than after an hour.
pub(crate) fn check_room(directory: &Path, payments: u64) -> Result<(), SetUpError> {
    let unknown = |error: &dyn std::fmt::Display| SetUpError::new(format!("--data {}: {error}", directory.display()));
    let disk = rustix::fs::statvfs(directory).map_err(|error| unknown(&error))?;
    let (free, needed) = (disk.f_bavail.saturating_mul(disk.f_frsize), payments.saturating_mul(BYTES_PER_PAYMENT));
    if free < needed {
        let gib = |bytes: u64| bytes >> 30;
        return Err(unknown(&format!(
            "{payments} payments take about {} GiB and {} GiB are free; give fewer --payments or another disk",
            gib(needed) + 1,
            gib(free)
        )));
    }
    Ok(())
}

/// Fills a data directory, batch by batch.
pub(crate) struct Filler {
    engine: Engine,
    log: LocalLog<DiskStorage>,
    clock: JournalClock,
    digester: OrderDigester,
    codes: Vec<ParticipantCode>,
    sealers: Vec<Sealer>,
    private_parts: Vec<Vec<u8>>,
    draw: Draw,
    /// Orders that wait for the answer of this participant.
    unanswered: Vec<(usize, PaymentId)>,
    effects: Vec<Effect>,
    frame: Vec<u8>,
    committed_before: u64,
}

impl Filler {
    /// Opens a data directory that `switch init` made, and journals its genesis if nothing was journaled yet.
    pub(crate) fn open(data: &Path) -> Result<Filler, SetUpError> {
        let config = Config::read(&data.join("switch.toml")).map_err(SetUpError::new)?;
        let ring = genesis(&config)?;
        let storage = DiskStorage::create(&data::journal_directory(data)).map_err(SetUpError::new)?;
        let options = JournalOptions {
            segment_bytes: config.journal.segment_bytes,
            payload_format: PAYLOAD_FORMAT,
            preparation: Preparation::Ahead,
        };
        let mut engine = Engine::new();
        let mut effects = Vec::new();
        let (journal, _) = Journal::open(storage, options, |batch| {
            effects.clear();
            let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
            engine.apply(batch, &mut effects).map_err(|inapplicable| inapplicable.to_string())
        })
        .map_err(SetUpError::new)?;
        let codes: Vec<ParticipantCode> = engine.participants().map(|(_, code)| code).collect();
        if codes.len() < 2 {
            return Err(SetUpError::new("a payment needs two participants: `switch init --participants 2` or more"));
        }
        let clock = JournalClock::after(engine.time_ns());
        Ok(Filler {
            committed_before: engine.counts().committed,
            log: LocalLog::new(journal),
            digester: OrderDigester::new(ring.digest_key()),
            sealers: sealers(ring, &codes, clock.now_ns())?,
            engine,
            clock,
            codes,
            private_parts: private_parts(),
            draw: Draw::new(),
            unanswered: Vec::new(),
            effects,
            frame: Vec::new(),
        })
    }

    /// How many payments have been committed by this run.
    pub(crate) fn committed(&self) -> u64 {
        self.engine.counts().committed - self.committed_before
    }

    /// One batch: the answers that wait, and as many new orders as are still wanted and fit; gives their number.
    pub(crate) fn fill(&mut self, orders_wanted: u64) -> Result<u64, SetUpError> {
        let time_ns = self.clock.now_ns();
        let mut batch = RecordBuffer::default();
        let answers = std::mem::take(&mut self.unanswered);
        answers.iter().for_each(|&(payee, id)| write_answer(&mut batch, payee, id));
        let orders = orders_wanted.min(ORDERS_PER_BATCH);
        for _ in 0..orders {
            self.write_order(&mut batch, time_ns);
        }
        let count = u32::try_from(answers.len() as u64 + orders).unwrap_or_else(|_| unreachable!("a batch is bounded"));
        let appended = self.log.submit(&mut batch, count, time_ns).map_err(SetUpError::new)?;
        self.log.sync().map_err(SetUpError::new)?;
        self.effects.clear();
        let durable = Batch { first_sequence: appended.first_sequence, time_ns, payload: batch.payload() };
        self.engine.apply(durable, &mut self.effects).map_err(SetUpError::new)?;
        Ok(orders)
    }

    /// Answers what waits, and marks the journal's end.
    pub(crate) fn finish(&mut self) -> Result<(), SetUpError> {
        if !self.unanswered.is_empty() {
            self.fill(0)?;
        }
        let counts = self.engine.counts();
        assert!(counts.in_flight == 0, "every payment was answered in time");
        self.log.mark().map_err(SetUpError::new)
    }

    /// As the edge does it: checked, digested, its private part sealed.
    fn write_order(&mut self, batch: &mut RecordBuffer, time_ns: u64) {
        let count = self.codes.len();
        let payer = self.draw.below(count);
        let payee = (payer + 1 + self.draw.below(count - 1)) % count;
        let id = payment_id(&mut self.draw);
        let order = CreditTransfer {
            payment_id: id.bytes(),
            payer: *self.codes[payer].bytes(),
            payee: *self.codes[payee].bytes(),
            amount: 1 + self.draw.below(1_000) as u64,
            currency: CURRENCY,
            accepted_at_ns: time_ns,
            purpose: [0; 4],
            lane: Lane::Payments as u8,
            request_id: NO_ID,
        };
        let private = &self.private_parts[self.draw.below(self.private_parts.len())];
        self.frame.clear();
        encode(&mut self.frame, MessageKind::CreditTransfer, Head::PLAIN, &order, |out| out.extend_from_slice(private));
        let Decoded::Frame(frame, _) = decode(&self.frame) else { unreachable!("it was just encoded") };
        let Ok(Request::CreditTransfer(checked)) = check::request(&frame) else { unreachable!("it is a good order") };
        // The id is new, so nobody need look for it in what has left the window.
        let annotation = TransferAnnotation { digest: self.digester.digest(&checked), checked_through: u64::MAX };
        let sealer = &mut self.sealers[payer];
        let head = EntryHead { seal_key: sealer.key_id(), ..head(EntryKind::CreditTransfer, payer) };
        batch.extend_with(|out| {
            entry::write(out, head, &annotation.bytes(), frame.routing, |out, additional| {
                sealer.seal(private, out, additional);
            });
        });
        self.unanswered.push((payee, id));
    }
}

fn write_answer(batch: &mut RecordBuffer, payee: usize, id: PaymentId) {
    let mut routing = Vec::with_capacity(32);
    Answer::accept(id).write(&mut routing);
    batch.extend_with(|out| entry::write(out, head(EntryKind::Answer, payee), &[], &routing, |_, _| {}));
}

/// Of an entry without a private part.
fn head(kind: EntryKind, sender: usize) -> EntryHead {
    let number = u32::try_from(sender + 1).unwrap_or_else(|_| unreachable!("participants are bounded"));
    EntryHead { kind, sender: Sender::Participant(ParticipantId(number)), seal_key: 0 }
}

fn payment_id(draw: &mut Draw) -> PaymentId {
    let mut bytes = (u128::from(draw.next()) << 64 | u128::from(draw.next())).to_be_bytes();
    bytes[6] = 0x40 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    PaymentId::from_bytes(bytes).unwrap_or_else(|| unreachable!("version 4 of the right variant"))
}

/// Lets the switch's own code make what is missing: genesis and key ring. Gives the ring; everything else is closed again.
fn genesis(config: &Config) -> Result<KeyRing, SetUpError> {
    let mut opened = data::open(config).map_err(SetUpError::new)?;
    opened.pipeline.close().map_err(SetUpError::new)?;
    Ok(opened.ring)
}

/// Keys of the day for everybody.
fn sealers(mut ring: KeyRing, codes: &[ParticipantCode], now_ns: u64) -> Result<Vec<Sealer>, SetUpError> {
    let sealers = codes.iter().map(|code| ring.data_key(*code, day_of(now_ns)).map(Sealer::new));
    sealers.collect::<Result<_, _>>().map_err(SetUpError::new)
}
