//! Journals made by hand, and the commands as people type them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use adapters::message::{
    AmountForm, Answer, CaseAnswer, CaseKind, CaseOpen, CreditTransfer, Lane, NO_ID, Part, ParticipantCode, PaymentId,
    Reason, Return,
};
use clap::Parser;
use ledger::journal::{
    BatchHead, DiskStorage, Journal, JournalOptions, Lineage, Preparation, RecordBuffer, segment_name,
};
use ledger::{Amount, Currency};
use tempfile::TempDir;

use super::super::{Command, Ended, tell};
use crate::config::{Genesis, GenesisCurrency, GenesisParticipant, GenesisRules};
use crate::entry::{
    self, EntryHead, EntryKind, OriginalFound, PAYLOAD_FORMAT, ParticipantId, ReferenceAnnotation, Sender,
    TransferAnnotation,
};
use crate::genesis;

/// 2026-11-22T12:00:00Z, when every journal here begins.
pub(in crate::cli) const START_NS: u64 = 1_795_348_800_000_000_000;

pub(in crate::cli) const NS_PER_S: u64 = 1_000_000_000;

/// Participants in the order of their numbers.
pub(in crate::cli) const NAMES: [&str; 3] = ["ALPHA", "BRAVO", "CHARLIE"];

/// Everybody whom a genesis of a test may have, in the order of their numbers.
const EVERYBODY: [&str; 5] = ["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO"];

/// Currencies with their digits; the scheme's greatest payment is the same number in all.
pub(in crate::cli) const CURRENCIES: [(&str, u8); 2] = [("XTS", 2), ("JPY", 0)];

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 1 << 20, payload_format: PAYLOAD_FORMAT, preparation: Preparation::WhenNeeded };

#[derive(clap::Parser)]
#[command(name = "ledger")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// How a command ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::cli) struct Said {
    pub(in crate::cli) status: u8,
    pub(in crate::cli) out: String,
    pub(in crate::cli) complaint: String,
}

impl Said {
    /// The output of a command that must succeed.
    pub(in crate::cli) fn fine(self) -> String {
        assert_eq!((self.status, self.complaint.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// As `fine`, as JSON.
    pub(in crate::cli) fn json(self) -> serde_json::Value {
        let out = self.fine();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }
}

/// A data directory with a journal that is written batch by batch.
pub(in crate::cli) struct Office {
    directory: TempDir,
    journal: Journal<DiskStorage>,
    payload: Vec<u8>,
    entries: u32,
}

impl Office {
    /// The genesis at the start: all participants have `funds` in every currency.
    pub(in crate::cli) fn new(funds: u64) -> Office {
        let funds: BTreeMap<String, u64> = CURRENCIES.iter().map(|(code, _)| ((*code).to_owned(), funds)).collect();
        let currency = |&(code, minor_digits): &(&str, u8)| GenesisCurrency {
            code: code.to_owned(),
            minor_digits,
            amount_max: 1_000_000,
            ..GenesisCurrency::default()
        };
        let participant = |name: &&str| GenesisParticipant {
            code: (*name).to_owned(),
            funds: funds.clone(),
            ..GenesisParticipant::default()
        };
        let genesis = Genesis {
            directory: None,
            rules: GenesisRules::default(),
            currency: CURRENCIES.iter().map(currency).collect(),
            participant: NAMES.iter().map(participant).collect(),
        };
        Office::of(&genesis)
    }

    /// A scheme of its own, whose participants stand in the order of `EVERYBODY`.
    pub(in crate::cli) fn of(genesis: &Genesis) -> Office {
        let directory = tempfile::tempdir().unwrap();
        let storage = DiskStorage::create(&directory.path().join("journal")).unwrap();
        let journal = Journal::create(storage, OPTIONS, Lineage([7; 16])).unwrap();
        let mut office = Office { directory, journal, payload: Vec::new(), entries: 0 };
        for command in genesis::commands(genesis) {
            office.payload.extend_from_slice(&command);
            office.entries += 1;
        }
        office.batch(0);
        office
    }

    /// What a whole day of a small scheme holds: paid, refused by the payee provider, expired, refused by a rule, in flight.
    pub(in crate::cli) fn small() -> Office {
        let mut office = Office::new(10_000_000);
        office.pay(1, "ALPHA", "BRAVO", 123_456, 1_000).batch(1_000);
        office.accept(1, "BRAVO").batch(2_500);
        office.pay(2, "ALPHA", "CHARLIE", 5_000, 3_000).pay(3, "BRAVO", "ALPHA", 700, 3_000).batch(3_000);
        office.reject(2, "CHARLIE", b"AC04").batch(4_000);
        office.batch(13_100);
        office.pay(4, "ALPHA", "BRAVO", 1_000_001, 14_000).pay(4, "ALPHA", "BRAVO", 1_000_001, 14_000).batch(14_000);
        office.pay(5, "BRAVO", "CHARLIE", 1, 15_000).batch(15_000);
        office
    }

    /// An order, accepted so many milliseconds after the start, in the next batch.
    pub(in crate::cli) fn pay(
        &mut self,
        number: u64,
        payer: &str,
        payee: &str,
        amount: u64,
        at_ms: u64,
    ) -> &mut Office {
        self.pay_in("XTS", number, [payer, payee], amount, at_ms)
    }

    pub(in crate::cli) fn pay_in(
        &mut self,
        currency: &str,
        number: u64,
        [payer, payee]: [&str; 2],
        amount: u64,
        at_ms: u64,
    ) -> &mut Office {
        let accepted_at_ns = START_NS + at_ms * 1_000_000;
        let currency = currency.as_bytes().try_into().unwrap();
        self.order(payer, &CreditTransfer { accepted_at_ns, currency, ..order_of(number, [payer, payee], amount) })
    }

    fn order(&mut self, payer: &str, order: &CreditTransfer) -> &mut Office {
        let mut routing = Vec::new();
        order.write(&mut routing);
        let annotation = TransferAnnotation { digest: digest_of(&routing), checked_through: u64::MAX }.bytes();
        self.add(EntryKind::CreditTransfer, payer, &annotation, &routing)
    }

    pub(in crate::cli) fn accept(&mut self, number: u64, payee: &str) -> &mut Office {
        self.answer(payee, &Answer::accept(id(number)))
    }

    pub(in crate::cli) fn reject(&mut self, number: u64, payee: &str, reason: &[u8; 4]) -> &mut Office {
        self.answer(payee, &Answer::reject(id(number), Reason::of(reason)))
    }

    /// As `pay`, in the bulk lane, accepted at the start.
    pub(in crate::cli) fn pay_in_bulk(&mut self, number: u64, payer: &str, payee: &str, amount: u64) -> &mut Office {
        self.order(payer, &CreditTransfer { lane: Lane::Bulk as u8, ..order_of(number, [payer, payee], amount) })
    }

    /// As `pay`, for a request to pay, accepted at the start.
    pub(in crate::cli) fn pay_request(
        &mut self,
        (number, request): (u64, u64),
        parties: [&str; 2],
        amount: u64,
    ) -> &mut Office {
        let order = CreditTransfer { request_id: id(request).bytes(), ..order_of(number, parties, amount) };
        self.order(parties[0], &order)
    }

    /// The return with one number of so much of the payment with another.
    pub(in crate::cli) fn give_back(&mut self, (number, original): (u64, u64), by: &str, amount: u64) -> &mut Office {
        let (return_id, original_id, case_id) = (id(number).bytes(), id(original).bytes(), NO_ID);
        let message = Return { return_id, original_id, case_id, amount, currency: *b"XTS", reason: *b"CUST" };
        self.refer(EntryKind::Return, by, &message)
    }

    /// The recall with one number of the payment with another.
    pub(in crate::cli) fn recall(&mut self, (number, original): (u64, u64), parties: [&str; 2]) -> &mut Office {
        let case = case_of((number, CaseKind::Recall), parties);
        let case = CaseOpen { original_id: id(original).bytes(), reason: *b"DUPL", ..case };
        self.refer(EntryKind::CaseOpen, parties[0], &case)
    }

    /// A request to pay.
    pub(in crate::cli) fn request(&mut self, number: u64, parties: [&str; 2], amount: u64) -> &mut Office {
        let case = case_of((number, CaseKind::PaymentRequest), parties);
        let amount_form = AmountForm::Fixed as u8;
        self.refer(EntryKind::CaseOpen, parties[0], &CaseOpen { amount, amount_form, currency: *b"XTS", ..case })
    }

    pub(in crate::cli) fn refuse_case(&mut self, number: u64, by: &str) -> &mut Office {
        let mut routing = Vec::new();
        CaseAnswer::refuse(id(number), Reason::of(b"CUST")).write(&mut routing);
        self.add(EntryKind::CaseAnswer, by, &[], &routing)
    }

    fn refer<M: Part>(&mut self, kind: EntryKind, sender: &str, message: &M) -> &mut Office {
        let mut routing = Vec::new();
        message.write(&mut routing);
        let (digest, original) = (digest_of(&routing), OriginalFound::NONE);
        let annotation = ReferenceAnnotation { digest, checked_through: u64::MAX, original }.bytes();
        self.add(kind, sender, &annotation, &routing)
    }

    /// Money paid in, under a reference that carries a number.
    pub(in crate::cli) fn fund(&mut self, number: u8, participant: &str, currency: &str, amount: u64) -> &mut Office {
        let currency = currency.as_bytes().try_into().unwrap();
        let command =
            entry::FundsIn { participant: number_of(participant).0, currency, amount, reference: [number; 16] };
        entry::write_command(&mut self.payload, EntryKind::FundsIn, &command);
        self.entries += 1;
        self
    }

    /// An entry that somebody else writes.
    pub(in crate::cli) fn entry(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Office {
        write(&mut self.payload);
        self.entries += 1;
        self
    }

    fn answer(&mut self, payee: &str, answer: &Answer) -> &mut Office {
        let mut routing = Vec::new();
        answer.write(&mut routing);
        self.add(EntryKind::Answer, payee, &[], &routing)
    }

    fn add(&mut self, kind: EntryKind, sender: &str, annotation: &[u8], routing: &[u8]) -> &mut Office {
        let head = EntryHead { kind, sender: Sender::Participant(number_of(sender)), seal_key: 0 };
        entry::write(&mut self.payload, head, annotation, routing, |_, _| {});
        self.entries += 1;
        self
    }

    /// Journals what was added, so many milliseconds after the start.
    pub(in crate::cli) fn batch(&mut self, at_ms: u64) {
        let mut buffer = RecordBuffer::default();
        buffer.extend_from_slice(&self.payload);
        self.payload.clear();
        let head =
            BatchHead { count: std::mem::take(&mut self.entries), time_ns: START_NS + at_ms * 1_000_000, epoch: 0 };
        self.journal.append(&mut buffer, head).unwrap();
        self.journal.sync().unwrap();
    }

    /// The data directory, with nobody at work in it.
    pub(in crate::cli) fn closed(self) -> TempDir {
        self.directory
    }

    /// A file of the data directory.
    pub(in crate::cli) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The journal's first segment.
    pub(in crate::cli) fn segment(&self) -> PathBuf {
        self.path("journal").join(segment_name(1))
    }

    /// Runs `switch ledger` with these words; `--data` is added.
    pub(in crate::cli) fn say(&self, words: &str) -> Said {
        let data = self.directory.path().display().to_string();
        say(&[&words.split_whitespace().collect::<Vec<_>>()[..], &["--data", &data]].concat())
    }
}

/// Runs `switch ledger` with these words.
pub(in crate::cli) fn say(words: &[&str]) -> Said {
    let line = match Line::try_parse_from([&["ledger"], words].concat()) {
        Ok(line) => line,
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap();
            return Said { status, out: String::new(), complaint: error.to_string() };
        }
    };
    said(|out| tell(&line.command, out))
}

/// What a command says that writes as it reads.
pub(in crate::cli) fn said(tell: impl FnOnce(&mut dyn Write) -> Result<(), Ended>) -> Said {
    let mut out = Vec::new();
    let (status, complaint) = match tell(&mut out) {
        Ok(()) => (0, String::new()),
        Err(ended) => {
            let failure = ended.into_failure();
            (failure.status, failure.message)
        }
    };
    Said { status, out: String::from_utf8(out).unwrap(), complaint }
}

/// As the edge would digest a message that has no private part; the key makes no difference here.
pub(in crate::cli) fn digest_of(routing: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(routing).as_bytes()[..16]);
    digest
}

/// An order that was accepted at the start.
pub(in crate::cli) fn order_of(number: u64, parties: [&str; 2], amount: u64) -> CreditTransfer {
    let [payer, payee] = parties.map(|name| ParticipantCode::parse(name).unwrap());
    let (amount, currency) = (Amount::new(amount).unwrap(), Currency::parse(b"XTS").unwrap());
    CreditTransfer::new(id(number), payer, payee, amount, currency, START_NS)
}

fn case_of((number, kind): (u64, CaseKind), [opener, responder]: [&str; 2]) -> CaseOpen {
    let [opener, responder] = [opener, responder].map(|name| *ParticipantCode::parse(name).unwrap().bytes());
    CaseOpen {
        case_id: id(number).bytes(),
        kind: kind as u8,
        original_id: NO_ID,
        opener,
        responder,
        amount: 0,
        currency: [0; 3],
        amount_form: AmountForm::None as u8,
        reason: [0; 4],
        expires_at_ns: 0,
    }
}

/// A payment id that carries a number.
pub(in crate::cli) fn id(number: u64) -> PaymentId {
    let mut bytes = [0x11; 16];
    bytes[10..].copy_from_slice(&number.to_be_bytes()[2..]);
    bytes[6] = 0x4a;
    bytes[8] = 0x9b;
    PaymentId::from_bytes(bytes).unwrap()
}

pub(in crate::cli) fn number_of(name: &str) -> ParticipantId {
    let place = EVERYBODY.iter().position(|known| *known == name).unwrap();
    ParticipantId(u32::try_from(place).unwrap() + 1)
}
