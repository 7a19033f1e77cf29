//! Tests of the engine that a payments person can read and extend.
//!
//! ```text
//! funds    ALPHA 100                                     what each has at the start; first lines only
//! at 10.0  ALPHA pays BRAVO T1 60                        -> BRAVO forward T1
//! at 10.0  ALPHA pays BRAVO T1 60                        -> reply ALPHA in_flight T1
//! at 12.0  BRAVO accepts T1                              -> ALPHA committed T1, BRAVO committed T1
//! at 25.0  time                                          ->
//! at 26.0  rules keep 2 outcomes                         ->
//! at 27.0  ALPHA pays BRAVO T9 60 checked 12             -> reply ALPHA recheck T9
//! balance  ALPHA 40 0                                    available, reserved
//! at 28.0  BRAVO returns T2 of T1 20                     -> BRAVO committed T2, ALPHA returned T2 20 in all
//! at 28.0  ALPHA recalls T1 as T5 from BRAVO             -> ALPHA recall open T5 CUST, BRAVO asked T5
//! at 28.0  ALPHA inquires T1 as T6 from BRAVO            -> ALPHA information open T6 CUST, BRAVO asked T6
//! at 28.0  BRAVO requests T7 60 from ALPHA               -> BRAVO payment_request open T7, ALPHA asked T7
//! at 29.0  BRAVO answers T6 yes                          -> ALPHA information settled T6, BRAVO information settled T6
//! at 29.0  ALPHA cancels T5                              -> ALPHA recall cancelled T5 CUST, BRAVO recall cancelled T5 CUST
//! at 29.0  ALPHA pays BRAVO T8 60 request T7             -> BRAVO forward T8
//! at 29.0  BRAVO takes T8                                -> ...   accepts it without posting it
//! at 30.0  directory cost_missed 20                      ->       the default rules of the directory, with changes
//! at 30.0  category ALPHA A                              ->
//! at 30.0  BRAVO does remove to A1                       ->       a command about an alias
//! at 30.0  ALPHA looks up A1 for U1 found as T9          -> reply ALPHA granted T9
//! at 30.0  ALPHA looks up A2 for U1 missed as T10        -> reply ALPHA limited T10 600000
//! buckets  ALPHA U1 399 99                               tokens of the participant, and of its end user
//! ```
//!
//! Times are seconds since the start, up to nine decimals. An order may go on with `accepted 9.5` (default: when this payment was first
//! ordered), `alias A1 user U1` with `resolved 12` (the journal position at which the directory was read, default everything), `currency EUR`, `for CHARLIE` (the payer provider it names, default the sender), `purpose SALA`, `lane bulk`, `request T7` and `checked 12` (the journal position through which
//! history was asked for its id, default everything). A return may go on with `case T5`, `currency EUR` and `checked 12`; it and a case with `known ALPHA,BRAVO,60,20` (what the history says of
//! a committed payment: parties, amount, what was returned). A case may go on with `amount 10`, `upto 60`, `expires 20` (seconds since the start), `for CHARLIE` and `checked 12`. Everything that the engine
//! tells stands behind the arrow, in order: numbered messages as `WHO what PAYMENT [reason] [field]`, answers to the asker with `reply` before it.
//! Each line is a batch of its own. After each line numbers have no gap and the books balance.

use std::collections::BTreeMap;

use adapters::directory::{LookupForm, LookupPurpose, Operation};
use adapters::message::{
    AmountForm, Answer, CaseAnswer, CaseCancel, CaseKind, CaseOpen, CaseState, CreditTransfer, Field, Lane, NO_ID,
    Part, PaymentId, Reason, Return,
};
use switch::config::{GenesisDirectory, GenesisRules};
use switch::engine::effect::{Delivery, Effect, News};
use switch::engine::{Batch, Engine};
use switch::entry::{
    self, ActivateRules, AliasCommanded, AliasLookedUp, AliasResolution, EntryHead, EntryKind, LookupCategorySet,
    OriginalFound, ParticipantId, ReferenceAnnotation, Sender, Signature, TransferAnnotation,
};
use switch::genesis::{directory_rules, scheme_rules};

use crate::orders::{NAMES, NS_PER_S, START_NS, TIMEOUT_NS, WINDOW_DEFAULT, code, genesis, id, kes, number_of, order};

/// Plays a script and compares.
///
/// # Panics
/// At the first line that comes out otherwise.
pub(crate) fn check(script: &str) {
    let lines = script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut desk = Desk::new(lines.clone().take_while(|line| line.starts_with("funds")));
    for line in lines.skip_while(|line| line.starts_with("funds")) {
        desk.check_line(line);
    }
}

/// An engine, and what has been said to it.
pub(crate) struct Desk {
    pub(crate) engine: Engine,
    first_accepted_ns: BTreeMap<u64, u64>,
    told: BTreeMap<(u32, u8), u64>,
}

impl Desk {
    pub(crate) fn new<'a>(funds_lines: impl Iterator<Item = &'a str>) -> Desk {
        let mut funds = [0; NAMES.len()];
        for line in funds_lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            funds[place_of(words[1])] = words[2].parse().unwrap();
        }
        let mut engine = Engine::new();
        let payload = genesis(funds, WINDOW_DEFAULT).0;
        engine.apply(Batch { first_sequence: 1, time_ns: START_NS, payload: &payload }, &mut Vec::new()).unwrap();
        Desk { engine, first_accepted_ns: BTreeMap::new(), told: BTreeMap::new() }
    }

    pub(crate) fn check_line(&mut self, line: &str) {
        let (said, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = said.split_whitespace().collect();
        let expected: Vec<&str> = expected.split(',').map(str::trim).filter(|told| !told.is_empty()).collect();
        if words[0] == "balance" {
            let found = self.balance(words[1]);
            let wanted = (words[2].parse().unwrap(), words[3].parse().unwrap());
            assert_eq!(found, wanted, "available and reserved, in: {line}");
            return;
        }
        if words[0] == "buckets" {
            let wanted = (words[3].parse().unwrap(), words[4].parse().unwrap());
            assert_eq!(self.engine.allowance(number(words[1]), hash_of(words[2])), Some(wanted), "in: {line}");
            return;
        }
        assert_eq!(words[0], "at", "a line says `at`, `balance`, `buckets` or `funds`: {line}");
        let time_ns = time(words[1]);
        let payload = self.entry(time_ns, &words[2..]);
        assert_eq!(self.apply(time_ns, &payload), expected, "in: {line}");
    }

    /// Says a line that expects nothing, and gives what was told.
    pub(crate) fn say(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        // What has happened by then is not said again at an earlier time.
        let time_ns = time(words[1]).max(self.engine.time_ns());
        let payload = self.entry(time_ns, &words[2..]);
        self.apply(time_ns, &payload)
    }

    /// The same of an engine that was put in the place of another, whose numbers were told to others.
    pub(crate) fn say_unnumbered(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let time_ns = time(words[1]).max(self.engine.time_ns());
        let payload = self.entry(time_ns, &words[2..]);
        let mut effects = Vec::new();
        let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns, payload: &payload };
        self.engine.apply(batch, &mut effects).unwrap();
        effects.iter().map(text_of).collect()
    }

    /// Kind and state of a case that the engine holds.
    pub(crate) fn case_state(&self, name: &str) -> Option<(CaseKind, CaseState)> {
        self.engine.find_case(id(number_in(name))).map(|case| (case.kind, case.state))
    }

    /// Applies one batch, and says what was told.
    pub(crate) fn apply(&mut self, time_ns: u64, payload: &[u8]) -> Vec<String> {
        let mut effects = Vec::new();
        let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns, payload };
        self.engine.apply(batch, &mut effects).unwrap();
        for total in self.engine.totals() {
            assert_eq!((total.debits, total.debits_pending), (total.credits, total.credits_pending));
        }
        effects.iter().map(|effect| self.tell(effect)).collect()
    }

    pub(crate) fn balance(&self, name: &str) -> (u128, u128) {
        self.engine.balance_of(number(name), kes()).unwrap()
    }

    fn tell(&mut self, effect: &Effect) -> String {
        if let Delivery::Outbox { lane, number, .. } = effect.delivery {
            let last = self.told.entry((effect.participant.0, lane as u8)).or_default();
            assert_eq!(number, *last + 1, "numbers have no gap");
            *last = number;
            // The engine may have counted further already, within the batch.
            assert!(self.engine.enqueued(effect.participant)[lane as usize - 1] >= number);
        }
        text_of(effect)
    }

    fn entry(&mut self, time_ns: u64, words: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        match *words {
            ["time"] => {}
            ["rules", "keep", outcomes, "outcomes"] => write_rules(&mut out, outcomes.parse().unwrap()),
            ["rules", ref changes @ ..] => write_command_of_rules(&mut out, changes),
            ["directory", ref changes @ ..] => write_directory_rules(&mut out, changes),
            ["category", participant, letter] => {
                let category = letter.as_bytes()[0] - b'A';
                write_signed(
                    &mut out,
                    EntryKind::LookupCategorySet,
                    &LookupCategorySet { participant: number(participant).0, category },
                );
            }
            [sender, "does", operation, "to", alias] => write_alias_command(&mut out, sender, operation, (alias, None)),
            [sender, "does", operation, "to", alias, "of", holder] => {
                write_alias_command(&mut out, sender, operation, (alias, Some(holder)));
            }
            [sender, "looks", "up", alias, "for", user, found @ ("found" | "missed"), "as", name] => {
                let lookup = AliasLookedUp {
                    lookup_id: id(number_in(name)).bytes(),
                    alias: hash_of(alias),
                    end_user: hash_of(user),
                    form: LookupForm::Lookup as u8,
                    purpose: LookupPurpose::Payment as u8,
                    is_found: u8::from(found == "found"),
                    resolved_at: self.engine.applied(),
                    entry: u64::from(found == "found"),
                };
                entry::write(&mut out, head(EntryKind::AliasLookedUp, sender), &[], &lookup.bytes(), |_, _| {});
            }
            [sender, "takes", payment] => {
                let answer = Answer::accept_without_posting(id(number_in(payment)));
                write_answer(&mut out, sender, &answer);
            }
            [sender, "returns", name, "of", original, amount, ref rest @ ..] => {
                self.write_return(&mut out, (sender, name, original, amount), rest);
            }
            [sender, verb @ ("recalls" | "inquires"), original, "as", name, "from", responder, ref rest @ ..] => {
                let kind = if verb == "recalls" { CaseKind::Recall } else { CaseKind::Information };
                let case = case_of(kind, (name, sender, responder), original);
                self.write_case(&mut out, sender, case, rest);
            }
            [sender, "requests", name, amount, "from", responder, ref rest @ ..] => {
                let mut case = case_of(CaseKind::PaymentRequest, (name, sender, responder), "");
                (case.amount, case.amount_form) = (amount.parse().unwrap(), AmountForm::Fixed as u8);
                self.write_case(&mut out, sender, case, rest);
            }
            [sender, "answers", name, word, ref reason @ ..] => {
                let case_id = id(number_in(name));
                let answer = match (word, reason) {
                    ("yes", []) => CaseAnswer::accept(case_id),
                    ("no", [reason]) => CaseAnswer::refuse(case_id, reason_of(reason)),
                    _ => panic!("nobody answers so: {words:?}"),
                };
                write_message(&mut out, EntryKind::CaseAnswer, sender, &answer);
            }
            [sender, "cancels", name] => {
                let cancel = CaseCancel { case_id: id(number_in(name)).bytes(), reason: *b"CUST" };
                write_message(&mut out, EntryKind::CaseCancel, sender, &cancel);
            }
            [sender, "pays", payee, payment, amount, ref rest @ ..] => {
                let payment = number_in(payment);
                let mut order = order(payment, sender, payee, amount.parse().unwrap(), time_ns);
                order.accepted_at_ns = *self.first_accepted_ns.entry(payment).or_insert(time_ns);
                let mut checked_through = self.engine.applied();
                let mut resolution =
                    AliasResolution { resolved_at: self.engine.applied(), entry: 1, ..AliasResolution::NONE };
                for pair in rest.chunks(2) {
                    match pair[0] {
                        "checked" => checked_through = pair[1].parse().unwrap(),
                        "alias" => resolution.alias = hash_of(pair[1]),
                        "user" => resolution.end_user = hash_of(pair[1]),
                        "holder" => resolution.identity = hash_of(pair[1]),
                        "default" => resolution.default = hash_of(pair[1]),
                        "resolved" => resolution.resolved_at = pair[1].parse().unwrap(),
                        what => alter(&mut order, what, pair[1]),
                    }
                }
                if resolution.end_user == [0; 16] {
                    write_order(&mut out, sender, &order, checked_through);
                } else {
                    write_order_to_alias(&mut out, sender, &order, checked_through, &resolution);
                }
            }
            [sender, "accepts", payment] => write_answer(&mut out, sender, &Answer::accept(id(number_in(payment)))),
            [sender, "rejects", payment, reason] => {
                write_answer(&mut out, sender, &Answer::reject(id(number_in(payment)), reason_of(reason)));
            }
            _ => panic!("nobody does this: {words:?}"),
        }
        out
    }
}

/// Returns and cases.
impl Desk {
    fn write_return(
        &self,
        out: &mut Vec<u8>,
        (sender, name, original, amount): (&str, &str, &str, &str),
        rest: &[&str],
    ) {
        let mut message = Return {
            return_id: id(number_in(name)).bytes(),
            original_id: id(number_in(original)).bytes(),
            case_id: NO_ID,
            amount: amount.parse().unwrap(),
            currency: kes().bytes(),
            reason: *b"CUST",
        };
        let mut said = Said { checked_through: self.engine.applied(), original: OriginalFound::NONE };
        for pair in rest.chunks(2) {
            match pair[0] {
                "case" => message.case_id = id(number_in(pair[1])).bytes(),
                "currency" => message.currency = pair[1].as_bytes().try_into().unwrap(),
                what => said.take(what, pair[1]),
            }
        }
        write_reference(out, EntryKind::Return, sender, &message, said);
    }

    fn write_case(&self, out: &mut Vec<u8>, sender: &str, mut case: CaseOpen, rest: &[&str]) {
        let mut said = Said { checked_through: self.engine.applied(), original: OriginalFound::NONE };
        for pair in rest.chunks(2) {
            match pair[0] {
                "amount" => {
                    (case.amount, case.amount_form) = (pair[1].parse().unwrap(), AmountForm::Fixed as u8);
                    case.currency = kes().bytes();
                }
                "upto" => (case.amount, case.amount_form) = (pair[1].parse().unwrap(), AmountForm::UpTo as u8),
                "currency" => case.currency = pair[1].as_bytes().try_into().unwrap(),
                "expires" => case.expires_at_ns = time(pair[1]),
                "for" => case.opener = *code(pair[1]).bytes(),
                what => said.take(what, pair[1]),
            }
        }
        write_reference(out, EntryKind::CaseOpen, sender, &case, said);
    }
}

/// What the edge has learnt from the history.
#[derive(Clone, Copy)]
pub(crate) struct Said {
    pub(crate) checked_through: u64,
    pub(crate) original: OriginalFound,
}

impl Said {
    fn take(&mut self, what: &str, value: &str) {
        match what {
            "checked" => self.checked_through = value.parse().unwrap(),
            "known" => {
                let parts: Vec<&str> = value.split(',').collect();
                let [payer, payee, amount, returned] = parts[..] else { panic!("known PAYER,PAYEE,AMOUNT,RETURNED") };
                self.original = OriginalFound {
                    outcome: 1,
                    is_return: 0,
                    payer: number(payer).0,
                    payee: number(payee).0,
                    amount: amount.parse().unwrap(),
                    currency: kes().bytes(),
                    decided_at_ns: START_NS,
                    returned: returned.parse().unwrap(),
                };
            }
            _ => panic!("nobody learns `{what}`"),
        }
    }
}

fn case_of(kind: CaseKind, (name, opener, responder): (&str, &str, &str), original: &str) -> CaseOpen {
    let is_request = kind == CaseKind::PaymentRequest;
    CaseOpen {
        case_id: id(number_in(name)).bytes(),
        kind: kind as u8,
        original_id: if is_request { NO_ID } else { id(number_in(original)).bytes() },
        opener: *code(opener).bytes(),
        responder: *code(responder).bytes(),
        amount: 0,
        currency: if is_request { kes().bytes() } else { [0; 3] },
        amount_form: AmountForm::None as u8,
        reason: if is_request { [0; 4] } else { *b"CUST" },
        expires_at_ns: 0,
    }
}

/// Appends the entry of a return or of the opening of a case.
pub(crate) fn write_reference<P: Part>(out: &mut Vec<u8>, kind: EntryKind, sender: &str, message: &P, said: Said) {
    let mut routing = Vec::new();
    message.write(&mut routing);
    let Said { checked_through, original } = said;
    let annotation = ReferenceAnnotation { digest: digest_of(&routing), checked_through, original };
    entry::write(out, head(kind, sender), &annotation.bytes(), &routing, |_, _| {});
}

/// Appends the entry of a message without an annotation.
pub(crate) fn write_message<P: Part>(out: &mut Vec<u8>, kind: EntryKind, sender: &str, message: &P) {
    let mut routing = Vec::new();
    message.write(&mut routing);
    entry::write(out, head(kind, sender), &[], &routing, |_, _| {});
}

/// The digest is made of the routing part: a test's messages have no other content.
fn digest_of(routing: &[u8]) -> [u8; 16] {
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(routing).as_bytes()[..16]);
    digest
}

fn reason_of(text: &str) -> Reason {
    Reason::from_bytes(text.as_bytes().try_into().unwrap()).unwrap()
}

/// The default rules, with changes: `self_payments yes`, `bulk_purpose SALA`, or a time in seconds.
fn write_command_of_rules(out: &mut Vec<u8>, changes: &[&str]) {
    let mut rules = scheme_rules(&GenesisRules::default());
    for pair in changes.chunks(2) {
        let seconds = || pair[1].parse::<u64>().unwrap() * NS_PER_S;
        match pair[0] {
            "self_payments" => rules.has_self_payments = u8::from(pair[1] == "yes"),
            "bulk_purpose" => rules.bulk_purposes[0] = pair[1].as_bytes().try_into().unwrap(),
            "bulk_timeout" => rules.bulk_timeout_ns = seconds(),
            "posting_follow_up" => rules.posting_follow_up_ns = seconds(),
            "recall_window" => rules.recall_window_ns = seconds(),
            "recall_answer" => rules.recall_answer_ns = seconds(),
            "information_answer" => rules.information_answer_ns = seconds(),
            "request_expiry_max" => rules.request_expiry_max_ns = seconds(),
            "outcomes" => rules.outcomes_kept = pair[1].parse().unwrap(),
            what => panic!("rules have no `{what}`"),
        }
    }
    entry::write_command(out, EntryKind::ActivateRules, &rules);
}

/// Stands for an alias or an end user.
pub(crate) fn hash_of(name: &str) -> [u8; 16] {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::hash(name.as_bytes()).as_bytes()[..16]);
    hash
}

fn write_signed<C>(out: &mut Vec<u8>, kind: EntryKind, command: &C)
where
    C: for<'a> rkyv::Serialize<
            rkyv::api::low::LowSerializer<
                &'a mut Vec<u8>,
                rkyv::ser::allocator::SubAllocator<'a>,
                rkyv::rancor::Failure,
            >,
        >,
{
    let signature = Signature { operator: [b'o'; 35], approver: [b'a'; 35], reason: [b'r'; 140] };
    entry::write_signed_command(out, kind, &signature, command);
}

/// The default rules of the directory, with changes; `capacity` and `per_minute` are of all participants.
fn write_directory_rules(out: &mut Vec<u8>, changes: &[&str]) {
    let mut rules = directory_rules(&GenesisDirectory::default());
    for pair in changes.chunks(2) {
        let value: u32 = pair[1].parse().unwrap();
        match pair[0] {
            "cost_found" => rules.cost_found = value,
            "cost_missed" => rules.cost_missed = value,
            "payment_gives_back" => rules.payment_gives_back = value,
            "end_user_capacity" => rules.end_user_capacity = value,
            "end_user_per_minute" => rules.end_user_per_minute = value,
            "capacity" => rules.category_capacity = [value; 8],
            "per_minute" => rules.category_per_minute = [value; 8],
            what => panic!("the directory has no `{what}`"),
        }
    }
    write_signed(out, EntryKind::DirectoryRulesSet, &rules);
}

fn write_alias_command(out: &mut Vec<u8>, sender: &str, operation: &str, (alias, holder): (&str, Option<&str>)) {
    let operation = Operation::ALL.iter().find(|known| known.name() == operation).unwrap();
    let is_erasure = *operation == Operation::Erase;
    let command = AliasCommanded {
        command_id: id(1).bytes(),
        digest: [0; 16],
        participant: number(sender).0,
        operation: *operation as u8,
        alias_type: u8::from(!is_erasure),
        generation: 1,
        alias: if is_erasure { [0; 16] } else { hash_of(alias) },
        alias_before: [0; 16],
        identity: holder.map_or([0; 16], hash_of),
        identity_before: [0; 16],
        account: [0; 16],
        account_before: [0; 16],
        nonce: [0; 16],
        attested_until_ns: 0,
        defaults: 0,
        consent_purpose: 0,
        consent_until_ns: 0,
    };
    entry::write(out, head(EntryKind::AliasCommanded, sender), &[], &command.bytes(), |_, _| {});
}

/// Appends the entry of an order to an alias, of which the edge has said what it stands for.
pub(crate) fn write_order_to_alias(
    out: &mut Vec<u8>,
    sender: &str,
    order: &CreditTransfer,
    checked_through: u64,
    resolution: &AliasResolution,
) {
    let mut routing = Vec::new();
    order.write(&mut routing);
    let digest = digest_of(&[&routing[..], &resolution.alias, &resolution.end_user].concat());
    let annotation = resolution.annotation(&TransferAnnotation { digest, checked_through });
    entry::write(out, head(EntryKind::CreditTransfer, sender), &annotation, &routing, |_, _| {});
}

fn alter(order: &mut CreditTransfer, what: &str, value: &str) {
    match what {
        "lane" => order.lane = if value == "bulk" { Lane::Bulk as u8 } else { Lane::Payments as u8 },
        "request" => order.request_id = id(number_in(value)).bytes(),
        "accepted" => order.accepted_at_ns = time(value),
        "currency" => order.currency = value.as_bytes().try_into().unwrap(),
        "for" => order.payer = *code(value).bytes(),
        "purpose" => order.purpose = value.as_bytes().try_into().unwrap(),
        _ => panic!("an order has no `{what}`"),
    }
}

/// Appends the entry of an order. The digest is made of the routing part: a test's orders have no other content.
pub(crate) fn write_order(out: &mut Vec<u8>, sender: &str, order: &CreditTransfer, checked_through: u64) {
    let mut routing = Vec::new();
    order.write(&mut routing);
    let annotation = TransferAnnotation { digest: digest_of(&routing), checked_through };
    entry::write(out, head(EntryKind::CreditTransfer, sender), &annotation.bytes(), &routing, |_, _| {});
}

/// Appends an operator's command: the default rules with another window.
pub(crate) fn write_rules(out: &mut Vec<u8>, outcomes_kept: u32) {
    let rules = ActivateRules {
        rules_version: 1,
        timeout_ns: TIMEOUT_NS,
        payee_share_ns: 2 * NS_PER_S,
        skew_ns: NS_PER_S,
        outcomes_kept,
        ..scheme_rules(&GenesisRules::default())
    };
    entry::write_command(out, EntryKind::ActivateRules, &rules);
}

pub(crate) fn write_answer(out: &mut Vec<u8>, sender: &str, answer: &Answer) {
    let mut routing = Vec::new();
    answer.write(&mut routing);
    entry::write(out, head(EntryKind::Answer, sender), &[], &routing, |_, _| {});
}

fn head(kind: EntryKind, sender: &str) -> EntryHead {
    EntryHead { kind, sender: Sender::Participant(number(sender)), seal_key: 0 }
}

fn place_of(name: &str) -> usize {
    NAMES.iter().position(|known| *known == name).unwrap_or_else(|| panic!("{name} is not in the scheme"))
}

pub(crate) fn number(name: &str) -> ParticipantId {
    ParticipantId(place_of(name) as u32 + 1)
}

fn number_in(payment: &str) -> u64 {
    payment.strip_prefix('T').and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no payment: {payment}"))
}

/// Nanoseconds of a time in seconds since the start.
pub(crate) fn time(text: &str) -> u64 {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, ""));
    START_NS + seconds.parse::<u64>().unwrap() * NS_PER_S + format!("{fraction:0<9}").parse::<u64>().unwrap()
}

/// An effect as the language has it.
pub(crate) fn text_of(effect: &Effect) -> String {
    let who = NAMES[effect.participant.0 as usize - 1];
    let payment = payment_name(effect.id);
    let mut text = match effect.delivery {
        Delivery::Outbox { .. } => format!("{who} "),
        Delivery::Reply { .. } => format!("reply {who} "),
    };
    match effect.news {
        News::Forward { .. } => text += &format!("forward {payment}"),
        News::Recheck => text += &format!("recheck {payment}"),
        News::LookedUp { is_granted: true, .. } => text += &format!("granted {payment}"),
        News::LookedUp { is_granted: false, retry_after_ms } => text += &format!("limited {payment} {retry_after_ms}"),
        News::Status(status) => {
            text += &format!("{} {payment}", status.outcome.name());
            text += &because(status.reason, status.field);
        }
        News::Returned { total } => text += &format!("returned {payment} {total} in all"),
        News::CaseForward { .. } => text += &format!("asked {payment}"),
        News::CaseStatus(news) => {
            let kind = news.kind.map_or("case", CaseKind::name);
            text += &format!("{kind} {} {payment}", news.state.name());
            text += &because(news.reason, news.field);
        }
    }
    text
}

fn because(reason: Reason, field: Field) -> String {
    let mut text = String::new();
    if reason != Reason::NONE {
        text += &format!(" {}", reason.as_str());
    }
    if field != Field::None {
        text += &format!(" {}", field.name());
    }
    text
}

fn payment_name(id: PaymentId) -> String {
    format!("T{}", number_of(id))
}
