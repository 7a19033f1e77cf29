//! Participants, money, orders, and the journal entries that carry them.

use std::collections::BTreeMap;

use adapters::message::{
    AmountForm, Answer, CaseKind, CaseOpen, CreditTransfer, NO_ID, Part, ParticipantCode, PaymentId, PaymentPrivate,
    Return,
};
use ledger::{Amount, Currency};
use switch::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisParticipant, GenesisRules};
use switch::engine::Batch;
use switch::engine::scheme::Model;
use switch::entry::{
    self, CutOff, EntryHead, EntryKind, OriginalFound, ParticipantId, ReferenceAnnotation, Sender, SettlementStep,
    Signature, TariffRow, TariffSet, TermsSet, TransferAnnotation,
};
use switch::genesis;
use switch::limits::{LOOKUP_CAPACITY_MAX, LOOKUP_CATEGORIES};
use switch::pipeline::Decisions;

use crate::Random;

/// Participants of the scheme: each pays and is paid.
pub const PARTICIPANTS: usize = 16;

/// A moment in 2026, at which every bench begins.
pub const START_NS: u64 = 1_790_000_000_000_000_000;

/// Length of a sealed private part beyond its own: nonce and tag.
const SEAL_BYTES: usize = 28;

/// The code of a participant, counted from 0.
pub fn code(participant: usize) -> ParticipantCode {
    ParticipantCode::parse(&format!("BANK{participant:02}")).expect("letters and digits")
}

/// The currency of the scheme.
pub fn currency() -> Currency {
    Currency::parse(b"KES").expect("three capital letters")
}

/// A payment id.
pub fn payment_id(random: &mut Random) -> PaymentId {
    let mut bytes = random.bytes();
    bytes[6] = 0x40 | bytes[6] & 0x0f;
    bytes[8] = 0x80 | bytes[8] & 0x3f;
    PaymentId::from_bytes(bytes).expect("a version-4 UUID")
}

/// An order between two participants, for an amount that never exhausts them.
pub fn order(random: &mut Random, accepted_at_ns: u64) -> (usize, usize, CreditTransfer) {
    order_among(PARTICIPANTS, random, accepted_at_ns)
}

/// As `order`, among so many.
pub fn order_among(participants: usize, random: &mut Random, accepted_at_ns: u64) -> (usize, usize, CreditTransfer) {
    let payer = random.below(participants);
    let payee = (payer + 1 + random.below(participants - 1)) % participants;
    let amount = Amount::new(1 + random.draw() % 10_000).expect("more than nothing");
    let id = payment_id(random);
    (payer, payee, CreditTransfer::new(id, code(payer), code(payee), amount, currency(), accepted_at_ns))
}

/// A private part of everyday length.
pub fn private() -> PaymentPrivate {
    PaymentPrivate {
        payer_name: b"Amina Diallo".to_vec(),
        payer_account: b"KE43ABCD0000000000012345678".to_vec(),
        payee_name: b"Joseph Otieno Trading".to_vec(),
        payee_account: b"KE87EFGH0000000000087654321".to_vec(),
        end_to_end_id: b"INV-2026-000117".to_vec(),
        remittance: b"Invoice 117, two bags of maize".to_vec(),
        extension: Vec::new(),
    }
}

/// The first batch, and how many entries it has: default rules, one currency, everyone rich.
pub fn genesis() -> (Vec<u8>, u32) {
    genesis_with(GenesisRules::default())
}

/// As `genesis`, with other rules.
pub fn genesis_with(rules: GenesisRules) -> (Vec<u8>, u32) {
    genesis_of(PARTICIPANTS, Model::Gross, rules)
}

fn genesis_of(participants: usize, model: Model, rules: GenesisRules) -> (Vec<u8>, u32) {
    genesis_and(participants, model, rules, None)
}

fn genesis_and(
    participants: usize,
    model: Model,
    rules: GenesisRules,
    directory: Option<GenesisDirectory>,
) -> (Vec<u8>, u32) {
    let cap = (model == Model::Net).then(|| (currency().to_string(), 900_000_000_000_000_000));
    let participant = |number| GenesisParticipant {
        code: code(number).to_string(),
        funds: BTreeMap::from([(currency().to_string(), 900_000_000_000_000_000)]),
        net_debit_cap: cap.clone().into_iter().collect(),
        ..GenesisParticipant::default()
    };
    let genesis = Genesis {
        directory,
        rules,
        currency: vec![GenesisCurrency {
            code: currency().to_string(),
            minor_digits: 2,
            amount_max: 100_000_000,
            model,
            ..GenesisCurrency::default()
        }],
        participant: (0..participants).map(participant).collect(),
    };
    let commands = genesis::commands(&genesis);
    let entries = u32::try_from(commands.len()).expect("few entries");
    (commands.concat(), entries)
}

/// Decisions that have absorbed the genesis.
pub fn decisions() -> Decisions {
    decisions_among(PARTICIPANTS)
}

/// As `decisions`, with so many participants.
pub fn decisions_among(participants: usize) -> Decisions {
    decisions_of(participants, Model::Gross)
}

/// As `decisions_among`, in a currency that settles so.
pub fn decisions_of(participants: usize, model: Model) -> Decisions {
    let mut decisions = Decisions::default();
    let genesis = genesis_of(participants, model, GenesisRules::default());
    let batch = Batch { first_sequence: 1, time_ns: START_NS, payload: &genesis.0 };
    decisions.absorb(batch).expect("the genesis applies");
    decisions
}

/// As `decisions`, with a directory whose buckets hold enough for everything.
pub fn decisions_with_directory() -> Decisions {
    let directory = GenesisDirectory {
        end_user_capacity: LOOKUP_CAPACITY_MAX,
        category_capacity: [LOOKUP_CAPACITY_MAX; LOOKUP_CATEGORIES],
        ..GenesisDirectory::default()
    };
    let mut decisions = Decisions::default();
    let genesis = genesis_and(PARTICIPANTS, Model::Gross, GenesisRules::default(), Some(directory));
    let batch = Batch { first_sequence: 1, time_ns: START_NS, payload: &genesis.0 };
    decisions.absorb(batch).expect("the genesis applies");
    decisions
}

/// A batch with limits of one payment and of the day for everybody, far above what is paid.
pub fn limits(participants: usize) -> Vec<u8> {
    let mut payload = Vec::new();
    for participant in (1u32..).take(participants) {
        let terms = TermsSet {
            participant,
            currency: currency().bytes(),
            is_offered: 1,
            amount_max: 90_000_000,
            intraday_max: 800_000_000_000_000_000,
            net_debit_cap: 0,
            sub_limit: 0,
        };
        entry::write_signed_command(&mut payload, EntryKind::TermsSet, &signature(), &terms);
    }
    payload
}

/// A batch with a tariff: a fee to the scheme in two bands, shared by both sides, and one to the payee's provider, so that each payment has three.
pub fn tariff() -> Vec<u8> {
    let row = TariffRow {
        flow: 1,
        payer_class: 0,
        payee_class: 0,
        currency: currency().bytes(),
        from: 1,
        through: 5_000,
        fixed: 2,
        parts_per_million: 2_500,
        rounding: 1,
        fee_min: 0,
        fee_max: 0,
        bearer: 3,
        to: 1,
    };
    let rows = [
        row,
        TariffRow { from: 5_001, through: u64::MAX, ..row },
        TariffRow { through: u64::MAX, bearer: 1, to: 2, ..row },
    ];
    let mut payload = Vec::new();
    let tariff = TariffSet { tariff: 1, effective_at_ns: 0, rows: 3 };
    entry::write_tariff(&mut payload, &signature(), &tariff, &rows);
    payload
}

/// A batch that closes the window of payments.
pub fn cut_off() -> Vec<u8> {
    let mut payload = Vec::new();
    let command = CutOff { currency: currency().bytes(), cycle: 1 };
    entry::write_signed_command(&mut payload, EntryKind::CutOff, &signature(), &command);
    payload
}

/// A command that starts the settlement of a window of payments (1), confirms a participant's net (2), or gives it up (3).
pub fn settlement_step(window: u32, step: u8, participant: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let command = SettlementStep { currency: currency().bytes(), cycle: 1, window, step, participant };
    entry::write_signed_command(&mut payload, EntryKind::SettlementStep, &signature(), &command);
    payload
}

/// Two people.
fn signature() -> Signature {
    let mut signature = Signature { operator: [0; 35], approver: [0; 35], reason: [b'r'; 140] };
    (signature.operator[0], signature.approver[0]) = (b'j', b'm');
    signature
}

/// Appends the entry of an order as the edge writes it; the sealed part is random bytes of the right length.
pub fn write_order(out: &mut Vec<u8>, payer: usize, order: &CreditTransfer, random: &mut Random) {
    let annotation = TransferAnnotation { digest: random.bytes(), checked_through: 0 };
    let mut private_bytes = Vec::new();
    private().write(&mut private_bytes);
    let mut routing = Vec::new();
    order.write(&mut routing);
    entry::write(out, head(EntryKind::CreditTransfer, payer), &annotation.bytes(), &routing, |out, _| {
        out.resize(out.len() + private_bytes.len() + SEAL_BYTES, 0x5a);
    });
}

/// Appends the entry of an acceptance.
pub fn write_accept(out: &mut Vec<u8>, payee: usize, id: PaymentId) {
    let mut routing = Vec::new();
    Answer::accept(id).write(&mut routing);
    entry::write(out, EntryHead { seal_key: 0, ..head(EntryKind::Answer, payee) }, &[], &routing, |_, _| {});
}

/// Appends the entry of a return of all that was paid.
pub fn write_return(out: &mut Vec<u8>, payee: usize, order: &CreditTransfer, random: &mut Random) {
    let (return_id, original_id) = (payment_id(random).bytes(), order.payment_id);
    let (amount, currency) = (order.amount, order.currency);
    let message = Return { return_id, original_id, case_id: NO_ID, amount, currency, reason: *b"CUST" };
    write_reference(out, EntryKind::Return, payee, &message, random);
}

/// Appends the entry of a request to pay, from the payee, and gives its id.
pub fn write_request(
    out: &mut Vec<u8>,
    (payer, payee): (usize, usize),
    order: &CreditTransfer,
    random: &mut Random,
) -> [u8; 16] {
    let case_id = payment_id(random).bytes();
    let request = CaseOpen {
        case_id,
        kind: CaseKind::PaymentRequest as u8,
        original_id: NO_ID,
        opener: *code(payee).bytes(),
        responder: *code(payer).bytes(),
        amount: order.amount,
        currency: order.currency,
        amount_form: AmountForm::Fixed as u8,
        reason: [0; 4],
        expires_at_ns: 0,
    };
    write_reference(out, EntryKind::CaseOpen, payee, &request, random);
    case_id
}

fn write_reference<M: Part>(out: &mut Vec<u8>, kind: EntryKind, sender: usize, message: &M, random: &mut Random) {
    let (digest, original) = (random.bytes(), OriginalFound::NONE);
    // Whatever has left the window was asked for.
    let annotation = ReferenceAnnotation { digest, checked_through: u64::MAX, original }.bytes();
    let mut routing = Vec::new();
    message.write(&mut routing);
    entry::write(out, EntryHead { seal_key: 0, ..head(kind, sender) }, &annotation, &routing, |_, _| {});
}

fn head(kind: EntryKind, sender: usize) -> EntryHead {
    let number = u32::try_from(sender + 1).expect("few participants");
    EntryHead { kind, sender: Sender::Participant(ParticipantId(number)), seal_key: 2 }
}
