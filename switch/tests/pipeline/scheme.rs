//! The scheme's money, in a table language that a central bank's operator can read and extend (`docs/scheme-rules.md`).
//!
//! ```text
//! at 1  limits ALPHA XTS cap 100                       -> TermsChanged ALPHA 100
//! at 1  orders in R1 ALPHA XTS 50                      -> MoneyPrepared ALPHA 50
//! at 1  confirms R1                                    -> MoneyConfirmed ALPHA 50
//! at 2  cuts XTS payments                              -> WindowClosed w1 60, NetDetermined w1 ALPHA -60, ...
//! at 3  starts XTS payments 1                          -> SettlementStarted w1
//! at 4  settles BRAVO XTS payments 1                   -> refused DebtorsFirst
//! pays  ALPHA BRAVO 60 XTS                             -> committed
//! holds ALPHA position XTS -60 0                       balance, held
//! ```
//!
//! XTS settles net, KES gross. ALPHA to DELTA have 100 each on their settlement accounts in both, ECHO settles through ALPHA, TECH is a technical provider.
//! Each line is a batch of its own; after each line the books balance and a snapshot of the engine gives the same engine.

mod histories;

use std::collections::BTreeMap;

use adapters::message::{Answer, CreditTransfer, Part, ParticipantCode, Reason, Return};
use ledger::{Amount, Currency};
use switch::config::{Genesis, GenesisCurrency, GenesisParticipant, GenesisRules};
use switch::engine::accounts::AccountKind;
use switch::engine::effect::{Effect, News};
use switch::engine::scheme::Model;
use switch::engine::scheme::events::{Event, EventKind};
use switch::engine::scheme::members::ConnectionReject;
use switch::engine::scheme::rejects::CommandReject;
use switch::engine::{Batch, Engine};
use switch::entry::{
    AgencySet, CalendarSet, CertificateSet, CutOff, EntryHead, EntryKind, FeesCollected, LimitsSet, LiquidityRulesSet,
    MoneyDecided, MoneyOrdered, OriginalFound, ParticipantId, ReferenceAnnotation, Sender, SettlementStep, Signature,
    StandingSet, TariffRow, TariffSet, TermsSet, TransferAllowed, TransferAnnotation, write, write_command,
    write_signed_command, write_tariff,
};
use switch::genesis;
use switch::limits::{CUT_OFFS_PER_DAY_MAX, HOLIDAYS_MAX};

use crate::orders::{NS_PER_S, START_NS, id};

const MEMBERS: [&str; 6] = ["ALPHA", "BRAVO", "CHARLIE", "DELTA", "ECHO", "TECH"];

/// Plays a script and compares.
#[track_caller]
fn check(script: &str) {
    let mut desk = SchemeDesk::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        desk.check_line(line);
    }
}

struct SchemeDesk {
    engine: Engine,
    payments: u64,
}

impl SchemeDesk {
    fn new() -> SchemeDesk {
        let currency = |code: &str, model| GenesisCurrency {
            code: code.to_owned(),
            minor_digits: 2,
            amount_max: 1_000,
            model,
            ..GenesisCurrency::default()
        };
        let both = |amount| BTreeMap::from([("XTS".to_owned(), amount), ("KES".to_owned(), amount)]);
        let direct = |code: &str| GenesisParticipant {
            code: code.to_owned(),
            funds: both(100),
            net_debit_cap: BTreeMap::from([("XTS".to_owned(), 80)]),
            class: u8::from(code == "DELTA"),
            ..GenesisParticipant::default()
        };
        let mut participant: Vec<GenesisParticipant> = MEMBERS[..4].iter().map(|code| direct(code)).collect();
        let other = |code: &str| GenesisParticipant { code: code.to_owned(), ..GenesisParticipant::default() };
        participant.push(GenesisParticipant {
            sponsor: Some("ALPHA".to_owned()),
            sub_limit: both(30),
            ..other("ECHO")
        });
        participant.push(GenesisParticipant { technical: true, ..other("TECH") });
        let currency = vec![currency("XTS", Model::Net), currency("KES", Model::Gross)];
        let genesis = Genesis { rules: GenesisRules::default(), directory: None, currency, participant };
        let mut desk = SchemeDesk { engine: Engine::new(), payments: 0 };
        desk.apply(START_NS, &genesis::commands(&genesis).concat());
        desk
    }

    #[track_caller]
    fn check_line(&mut self, line: &str) {
        let (said, expected) = line.split_once("->").unwrap_or((line, ""));
        let words: Vec<&str> = said.split_whitespace().collect();
        let expected: Vec<&str> = expected.split(',').map(str::trim).filter(|told| !told.is_empty()).collect();
        match *words {
            ["pays", payer, payee, amount, currency] => {
                assert_eq!([self.pay(payer, payee, amount, currency)], *expected, "in: {line}");
            }
            ["returns", name, of, amount, currency] => {
                assert_eq!([self.give_back(name, of, amount, currency)], *expected, "in: {line}");
            }
            ["holds", name, kind, currency, balance, held] => {
                let wanted = (balance.parse().unwrap(), held.parse().unwrap());
                assert_eq!(self.balance(name, kind, currency), wanted, "balance and held, in: {line}");
            }
            ["at", seconds, ref command @ ..] => {
                let mut payload = Vec::new();
                write_words(&mut payload, command);
                assert_eq!(self.hear(at(seconds), &payload), expected, "in: {line}");
            }
            _ => panic!("nobody says this: {line}"),
        }
    }

    fn hear(&mut self, time_ns: u64, payload: &[u8]) -> Vec<String> {
        self.apply(time_ns, payload);
        self.engine.told().events.iter().map(text_of).collect()
    }

    fn apply(&mut self, time_ns: u64, payload: &[u8]) -> Vec<Effect> {
        let mut effects = Vec::new();
        let time_ns = time_ns.max(self.engine.time_ns());
        let batch = Batch { first_sequence: self.engine.applied() + 1, time_ns, payload };
        self.engine.apply(batch, &mut effects).unwrap();
        self.engine.totals();
        let restored = self.restored();
        assert_eq!(restored.digest(), self.engine.digest(), "a snapshot has all of it");
        effects
    }

    /// The engine of a snapshot.
    fn restored(&mut self) -> Engine {
        let mut bytes = Vec::new();
        self.engine.begin_capture();
        while self.engine.capture(usize::MAX, |_, piece| bytes.extend_from_slice(piece)) {}
        Engine::restore(0, &bytes[..]).unwrap()
    }

    /// The switch starts anew from a snapshot.
    fn restart(&mut self) {
        self.engine = self.restored();
    }

    /// A payment and its answer; what became of it.
    fn pay(&mut self, payer: &str, payee: &str, amount: &str, currency: &str) -> String {
        self.payments += 1;
        let (payment, time_ns) = (id(self.payments), self.engine.time_ns());
        let currency = Currency::parse(currency.as_bytes()).unwrap();
        let amount = Amount::new(amount.parse().unwrap()).unwrap();
        let order = CreditTransfer::new(payment, code(payer), code(payee), amount, currency, time_ns);
        let mut payload = Vec::new();
        let annotation = TransferAnnotation { digest: [1; 16], checked_through: self.engine.applied() };
        put(&mut payload, EntryKind::CreditTransfer, payer, &annotation.bytes(), |routing| order.write(routing));
        let effects = self.apply(time_ns, &payload);
        if let Some(refused) = status(&effects) {
            return refused;
        }
        let mut payload = Vec::new();
        put(&mut payload, EntryKind::Answer, payee, &[], |routing| Answer::accept(payment).write(routing));
        status(&self.apply(time_ns, &payload)).unwrap()
    }

    /// A return of a payment by its number.
    fn give_back(&mut self, name: &str, of: &str, amount: &str, currency: &str) -> String {
        self.payments += 1;
        let message = Return {
            return_id: id(self.payments).bytes(),
            original_id: id(of.parse().unwrap()).bytes(),
            case_id: [0; 16],
            amount: amount.parse().unwrap(),
            currency: currency.as_bytes().try_into().unwrap(),
            reason: *b"CUST",
        };
        let checked_through = self.engine.applied();
        let annotation = ReferenceAnnotation { digest: [2; 16], checked_through, original: OriginalFound::NONE };
        let mut payload = Vec::new();
        put(&mut payload, EntryKind::Return, name, &annotation.bytes(), |routing| message.write(routing));
        status(&self.apply(self.engine.time_ns(), &payload)).unwrap()
    }

    fn balance(&self, name: &str, kind: &str, currency: &str) -> (i128, u128) {
        let kind = AccountKind::ALL.into_iter().find(|known| known.name() == kind).unwrap();
        let owner = if name == "scheme" { ParticipantId(0) } else { ParticipantId(number(name)) };
        let Some(index) = self.engine.find_account(owner, letters(currency), kind) else { return (0, 0) };
        let account = self.engine.account(index);
        let balance = account.credits_posted() as i128 - account.debits_posted() as i128;
        (balance, account.debits_pending())
    }
}

/// What the first provider that is told hears of a payment that is decided: the outcome, or the reason why not.
fn status(effects: &[Effect]) -> Option<String> {
    effects.iter().find_map(|effect| match effect.news {
        News::Status(status) if status.reason == Reason::NONE => Some(status.outcome.name().to_owned()),
        News::Status(status) => Some(status.reason.as_str().to_owned()),
        _ => None,
    })
}

/// Two people, and why.
fn signature() -> Signature {
    signed(b"j.doe", b"m.roe")
}

fn signed(operator: &[u8], approver: &[u8]) -> Signature {
    let mut signature = Signature { operator: [0; 35], approver: [0; 35], reason: [b'r'; 140] };
    signature.operator[..operator.len()].copy_from_slice(operator);
    signature.approver[..approver.len()].copy_from_slice(approver);
    signature
}

fn put(out: &mut Vec<u8>, kind: EntryKind, sender: &str, annotation: &[u8], body: impl FnOnce(&mut Vec<u8>)) {
    let mut routing = Vec::new();
    body(&mut routing);
    let head = EntryHead { kind, sender: Sender::Participant(ParticipantId(number(sender))), seal_key: 0 };
    write(out, head, annotation, &routing, |_, _| {});
}

/// An event as the language has it.
fn text_of(event: &Event) -> String {
    let mut text = format!("{:?}", event.kind);
    if event.kind == EventKind::CommandRefused {
        return format!("refused {:?}", CommandReject::from_number(event.code).unwrap());
    }
    if event.window != 0 {
        text += &format!(" w{}", event.window);
    }
    for who in [event.participant, event.other] {
        if who != 0 {
            text += &format!(" {}", MEMBERS[who as usize - 1]);
        }
    }
    if event.amount != 0 {
        text += &format!(" {}", event.amount);
    }
    text
}

fn at(seconds: &str) -> u64 {
    START_NS + seconds.parse::<u64>().unwrap() * NS_PER_S
}

fn code(name: &str) -> ParticipantCode {
    ParticipantCode::parse(name).unwrap()
}

fn number(name: &str) -> u32 {
    MEMBERS.iter().position(|known| *known == name).map_or(99, |place| place as u32 + 1)
}

fn letters(currency: &str) -> [u8; 3] {
    currency.as_bytes().try_into().unwrap()
}

fn cycle(name: &str) -> u8 {
    match name {
        "payments" => 1,
        "disputes" => 2,
        _ => 9,
    }
}

fn reference(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..name.len()].copy_from_slice(name.as_bytes());
    bytes
}

fn yes(word: &str) -> u8 {
    u8::from(word == "yes")
}

/// Writes the operator's command.
fn write_words(out: &mut Vec<u8>, words: &[&str]) {
    let writers = [write_of_members, write_of_money, write_of_settlement, write_of_fees];
    let is_said = *words == ["time"] || writers.iter().any(|write| write(out, words));
    assert!(is_said, "no operator says this: {words:?}");
}

/// Commands about participants; false where it is none of these.
fn write_of_members(out: &mut Vec<u8>, words: &[&str]) -> bool {
    let two = &signature();
    match *words {
        ["stands", name, standing] => {
            let command = StandingSet { participant: number(name), standing: standing.parse().unwrap() };
            write_signed_command(out, EntryKind::StandingSet, two, &command);
        }
        ["limits", name, currency, ref changes @ ..] => write_terms(out, name, currency, changes),
        ["throttles", name, in_flight_max] => {
            let in_flight_max = in_flight_max.parse().unwrap();
            let command = LimitsSet { participant: number(name), in_flight_max, orders_per_second: 0, orders_burst: 0 };
            write_signed_command(out, EntryKind::LimitsSet, two, &command);
        }
        ["connects", technical, name, granted] => {
            let (technical, participant) = (number(technical), number(name));
            let command = AgencySet { technical, participant, is_granted: yes(granted) };
            write_signed_command(out, EntryKind::AgencySet, two, &command);
        }
        ["registers", name, certificate, valid] => {
            let fingerprint = [certificate.parse().unwrap(); 32];
            let (not_before_s, not_after_s) = (100, 200);
            let (participant, is_valid) = (number(name), yes(valid));
            let command = CertificateSet { participant, fingerprint, not_before_s, not_after_s, is_valid };
            write_signed_command(out, EntryKind::CertificateSet, two, &command);
        }
        _ => return false,
    }
    true
}

/// Commands about orders of money and what it takes to give some away; false where it is none of these.
fn write_of_money(out: &mut Vec<u8>, words: &[&str]) -> bool {
    let two = &signature();
    match *words {
        ["orders", operation, name, from, ref rest @ .., currency, amount] => {
            let command = MoneyOrdered {
                reference: reference(name),
                operation: ["", "in", "out", "to-reserve", "from-reserve", "transfer", "dispute", "block"]
                    .into_iter()
                    .position(|known| known == operation)
                    .unwrap_or(99) as u8,
                participant: number(from),
                other: rest.first().map_or(0, |other| number(other)),
                currency: letters(currency),
                amount: amount.parse().unwrap(),
            };
            write_signed_command(out, EntryKind::MoneyOrdered, two, &command);
        }
        [verb @ ("confirms" | "aborts"), name] => {
            let decision = if verb == "confirms" { 1 } else { 2 };
            let command = MoneyDecided { reference: reference(name), decision };
            write_signed_command(out, EntryKind::MoneyDecided, two, &command);
        }
        ["levels", name, currency, floor, target, ceiling, automatic] => {
            let command = LiquidityRulesSet {
                participant: number(name),
                currency: letters(currency),
                floor: floor.parse().unwrap(),
                target: target.parse().unwrap(),
                ceiling: ceiling.parse().unwrap(),
                is_automatic: yes(automatic),
            };
            write_signed_command(out, EntryKind::LiquidityRulesSet, two, &command);
        }
        ["allows", from, to, granted] => {
            let command = TransferAllowed { from: number(from), to: number(to), is_granted: yes(granted) };
            write_signed_command(out, EntryKind::TransferAllowed, two, &command);
        }
        _ => return false,
    }
    true
}

/// Commands about windows; false where it is none of these.
fn write_of_settlement(out: &mut Vec<u8>, words: &[&str]) -> bool {
    match *words {
        ["cuts", currency, name] => {
            let command = CutOff { currency: letters(currency), cycle: cycle(name) };
            write_signed_command(out, EntryKind::CutOff, &signature(), &command);
        }
        ["starts", currency, name, window] => write_step(out, (currency, name, window), 1, 0),
        ["settles", who, currency, name, window] => write_step(out, (currency, name, window), 2, number(who)),
        ["gives-up", currency, name, window] => write_step(out, (currency, name, window), 3, 0),
        ["calendar", currency, name, weekdays, from, ref times @ ..] => {
            let mut command = CalendarSet {
                currency: letters(currency),
                cycle: cycle(name),
                weekdays: weekdays.parse().unwrap(),
                from_ns: at(from),
                times_min: [u16::MAX; CUT_OFFS_PER_DAY_MAX],
                holidays: [0; HOLIDAYS_MAX],
            };
            for (place, time) in command.times_min.iter_mut().zip(times) {
                *place = time.parse().unwrap();
            }
            write_signed_command(out, EntryKind::CalendarSet, &signature(), &command);
        }
        _ => return false,
    }
    true
}

/// Commands about fees; false where it is none of these.
fn write_of_fees(out: &mut Vec<u8>, words: &[&str]) -> bool {
    match *words {
        ["tariff", tariff, from, ref rows @ ..] => {
            let rows: Vec<TariffRow> = rows.iter().map(|row| tariff_row(row)).collect();
            let (tariff, effective_at_ns, count) = (tariff.parse().unwrap(), at(from), rows.len() as u16);
            write_tariff(out, &signature(), &TariffSet { tariff, effective_at_ns, rows: count }, &rows);
        }
        ["collects", currency] => {
            let command = FeesCollected { currency: letters(currency) };
            write_signed_command(out, EntryKind::FeesCollected, &signature(), &command);
        }
        _ => return false,
    }
    true
}

/// `flow/payer class/payee class/currency/from-through/fixed/parts/bearer/to`.
fn tariff_row(text: &str) -> TariffRow {
    let parts: Vec<&str> = text.split('/').collect();
    let (from, through) = parts[4].split_once('-').unwrap();
    TariffRow {
        flow: parts[0].parse().unwrap(),
        payer_class: parts[1].parse().unwrap(),
        payee_class: parts[2].parse().unwrap(),
        currency: letters(parts[3]),
        from: from.parse().unwrap(),
        through: through.parse().unwrap(),
        fixed: parts[5].parse().unwrap(),
        parts_per_million: parts[6].parse().unwrap(),
        rounding: 1,
        fee_min: 0,
        fee_max: 0,
        bearer: parts[7].parse().unwrap(),
        to: parts[8].parse().unwrap(),
    }
}

fn write_step(out: &mut Vec<u8>, (currency, name, window): (&str, &str, &str), step: u8, participant: u32) {
    let window = window.parse().unwrap();
    let command = SettlementStep { currency: letters(currency), cycle: cycle(name), window, step, participant };
    write_signed_command(out, EntryKind::SettlementStep, &signature(), &command);
}

fn write_terms(out: &mut Vec<u8>, name: &str, currency: &str, changes: &[&str]) {
    let mut command = TermsSet {
        participant: number(name),
        currency: letters(currency),
        is_offered: 1,
        amount_max: 0,
        intraday_max: 0,
        net_debit_cap: 0,
        sub_limit: 0,
    };
    for pair in changes.chunks(2) {
        let value = pair[1].parse::<u64>().unwrap();
        match pair[0] {
            "offered" => command.is_offered = value as u8,
            "amount" => command.amount_max = value,
            "intraday" => command.intraday_max = value,
            "cap" => command.net_debit_cap = value,
            "lent" => command.sub_limit = value,
            what => panic!("terms have no `{what}`"),
        }
    }
    write_signed_command(out, EntryKind::TermsSet, &signature(), &command);
}

#[test]
fn a_window_is_closed_and_settled_debtors_first() {
    check(
        "
        pays  ALPHA BRAVO 60 XTS                -> committed
        pays  BRAVO CHARLIE 20 XTS              -> committed
        holds ALPHA position XTS -60 0
        # Settlement money stands still until the window is settled.
        holds ALPHA settlement XTS 100 0
        # The net debit cap is 80.
        pays  ALPHA BRAVO 21 XTS                -> AM04
        at 1  cuts XTS payments                 -> WindowClosed w1 60, NetDetermined w1 ALPHA -60, NetDetermined w1 BRAVO 40, NetDetermined w1 CHARLIE 20
        # What comes now belongs to the next window.
        pays  ALPHA CHARLIE 15 XTS              -> committed
        at 2  settles ALPHA XTS payments 1      -> refused WindowNotSettling
        at 2  starts XTS payments 1             -> SettlementStarted w1
        holds ALPHA settlement XTS 100 60
        # What is held still stands behind the position.
        pays  ALPHA CHARLIE 5 XTS               -> committed
        pays  ALPHA CHARLIE 1 XTS               -> AM04
        at 2  starts XTS payments 1             -> refused WindowSettling
        at 3  settles BRAVO XTS payments 1      -> refused DebtorsFirst
        at 3  settles DELTA XTS payments 1      -> refused NetUnknown
        at 3  settles ALPHA XTS payments 1      -> NetConfirmed w1 ALPHA -60
        at 3  settles ALPHA XTS payments 1      -> refused NetConfirmed
        holds ALPHA settlement XTS 40 0
        holds ALPHA position XTS -20 0
        holds scheme transit XTS 60 0
        at 4  settles BRAVO XTS payments 1      -> NetConfirmed w1 BRAVO 40
        holds BRAVO settlement XTS 140 0
        at 5  settles CHARLIE XTS payments 1    -> NetConfirmed w1 CHARLIE 20, WindowSettled w1
        holds scheme transit XTS 0 0
        holds scheme clearing XTS 0 0
        holds CHARLIE position XTS 20 0
        at 5  starts XTS payments 1             -> refused WindowFinal
        at 5  starts XTS payments 7             -> refused WindowUnknown
        # The money behind ALPHA's position is 40 now, so it may go to -40.
        pays  ALPHA BRAVO 20 XTS                -> committed
        pays  ALPHA BRAVO 1 XTS                 -> AM04
        at 6  cuts XTS payments                 -> WindowClosed w2 40, NetDetermined w2 ALPHA -40, NetDetermined w2 BRAVO 20, NetDetermined w2 CHARLIE 20
        at 7  cuts XTS payments                 -> WindowClosed w3, WindowSettled w3
        ",
    );
}

#[test]
fn an_aborted_window_opens_again_what_was_not_settled() {
    check(
        "
        pays  ALPHA CHARLIE 30 XTS              -> committed
        pays  BRAVO DELTA 50 XTS                -> committed
        at 1  cuts XTS payments                 -> WindowClosed w1 80, NetDetermined w1 ALPHA -30, NetDetermined w1 BRAVO -50, NetDetermined w1 CHARLIE 30, NetDetermined w1 DELTA 50
        pays  CHARLIE ALPHA 10 XTS              -> committed
        at 2  starts XTS payments 1             -> SettlementStarted w1
        at 3  settles ALPHA XTS payments 1      -> NetConfirmed w1 ALPHA -30
        at 4  gives-up XTS payments 1           -> WindowAborted w1
        holds BRAVO settlement XTS 100 0
        holds scheme transit XTS 30 0
        # ALPHA has paid; the scheme's own row has what it brought.
        at 5  cuts XTS payments                 -> WindowClosed w2 80, NetDetermined w2 ALPHA 10, NetDetermined w2 BRAVO -50, NetDetermined w2 CHARLIE 20, NetDetermined w2 DELTA 50
        at 6  starts XTS payments 2             -> SettlementStarted w2
        # 30 lie there already, so CHARLIE need not wait for BRAVO.
        at 6  settles CHARLIE XTS payments 2    -> NetConfirmed w2 CHARLIE 20
        at 6  settles DELTA XTS payments 2      -> refused DebtorsFirst
        at 6  settles BRAVO XTS payments 2      -> NetConfirmed w2 BRAVO -50
        at 6  settles DELTA XTS payments 2      -> NetConfirmed w2 DELTA 50
        at 6  settles ALPHA XTS payments 2      -> NetConfirmed w2 ALPHA 10, WindowSettled w2
        holds scheme transit XTS 0 0
        holds scheme clearing XTS 0 0
        holds ALPHA settlement XTS 80 0
        holds CHARLIE settlement XTS 120 0
        at 7  gives-up XTS payments 2           -> refused WindowFinal
        ",
    );
}

#[test]
fn disputes_settle_apart_and_may_find_a_debtor_short() {
    check(
        "
        at 1  orders dispute D1 ALPHA BRAVO KES 130 -> MoneyConfirmed ALPHA BRAVO 130
        holds ALPHA dispute KES -130 0
        pays  ALPHA BRAVO 10 KES                -> committed
        holds ALPHA settlement KES 90 0
        at 2  cuts KES disputes                 -> WindowClosed w1 130, NetDetermined w1 ALPHA -130, NetDetermined w1 BRAVO 130
        at 3  starts KES disputes 1             -> DebtorShort w1 ALPHA 40, refused DebtorUnfunded
        holds ALPHA settlement KES 90 0
        at 4  orders in R1 ALPHA KES 50         -> MoneyPrepared ALPHA 50
        at 4  confirms R1                       -> MoneyConfirmed ALPHA 50
        at 5  starts KES disputes 1             -> SettlementStarted w1
        at 6  settles ALPHA KES disputes 1      -> NetConfirmed w1 ALPHA -130
        at 6  settles BRAVO KES disputes 1      -> NetConfirmed w1 BRAVO 130, WindowSettled w1
        holds ALPHA dispute KES 0 0
        holds ALPHA settlement KES 10 0
        holds BRAVO settlement KES 240 0
        ",
    );
}

/// Two disputes of the largest amount are lawful, and their sum is no amount: starting the settlement of their window stopped the switch, and each start after it, for the command
/// was in the journal.
#[test]
fn a_net_that_no_movement_can_carry_is_not_settled() {
    check(
        "
        at 1  orders in R1 ALPHA KES 999999999999999999 -> MoneyPrepared ALPHA 999999999999999999
        at 1  confirms R1                               -> MoneyConfirmed ALPHA 999999999999999999
        at 1  orders in R2 ALPHA KES 999999999999999999 -> MoneyPrepared ALPHA 999999999999999999
        at 1  confirms R2                               -> MoneyConfirmed ALPHA 999999999999999999
        at 2  orders dispute D1 ALPHA BRAVO KES 999999999999999999 -> MoneyConfirmed ALPHA BRAVO 999999999999999999
        at 2  orders dispute D2 ALPHA BRAVO KES 1       -> MoneyConfirmed ALPHA BRAVO 1
        at 3  cuts KES disputes                         -> WindowClosed w1 1000000000000000000, NetDetermined w1 ALPHA -1000000000000000000, NetDetermined w1 BRAVO 1000000000000000000
        at 4  starts KES disputes 1                     -> refused NetTooLarge
        at 5  gives-up KES disputes 1                   -> WindowAborted w1
        at 6  orders dispute D3 BRAVO ALPHA KES 1       -> MoneyConfirmed BRAVO ALPHA 1
        at 7  cuts KES disputes                         -> WindowClosed w2 999999999999999999, NetDetermined w2 ALPHA -999999999999999999, NetDetermined w2 BRAVO 999999999999999999
        at 8  starts KES disputes 2                     -> SettlementStarted w2
        ",
    );
}

#[test]
fn orders_of_money_have_two_steps_and_one_reference() {
    check(
        "
        at 1  orders in R1 ALPHA KES 50         -> MoneyPrepared ALPHA 50
        holds ALPHA settlement KES 100 0
        at 1  orders in R1 ALPHA KES 50         ->
        at 1  orders in R1 ALPHA KES 51         -> refused ReferenceUsed
        at 1  confirms R1                       -> MoneyConfirmed ALPHA 50
        at 1  confirms R1                       -> refused OrderDecided
        at 1  aborts R9                         -> refused ReferenceUnknown
        holds ALPHA settlement KES 150 0
        at 2  orders out R2 ALPHA KES 151       -> refused MoneyInsufficient
        at 2  orders out R2 ALPHA KES 150       -> MoneyPrepared ALPHA 150
        pays  ALPHA BRAVO 1 KES                 -> AM04
        at 2  aborts R2                         -> MoneyAborted ALPHA 150
        at 3  orders block R3 ALPHA KES 140     -> MoneyPrepared ALPHA 140
        pays  ALPHA BRAVO 11 KES                -> AM04
        at 3  confirms R3                       -> refused BlockedNotConfirmed
        at 3  aborts R3                         -> MoneyAborted ALPHA 140
        at 4  orders to-reserve R4 ALPHA KES 100 -> MoneyConfirmed ALPHA 100
        holds ALPHA reserve KES 100 0
        at 4  orders from-reserve R5 ALPHA KES 101 -> refused MoneyInsufficient
        at 4  orders from-reserve R5 ALPHA KES 40 -> MoneyConfirmed ALPHA 40
        at 5  orders transfer R6 ALPHA BRAVO KES 10 -> refused TransferNotAllowed
        at 5  allows ALPHA BRAVO yes            -> TransferPermissionChanged ALPHA BRAVO
        at 5  orders transfer R6 ALPHA BRAVO KES 10 -> MoneyConfirmed ALPHA BRAVO 10
        at 5  allows ALPHA BRAVO no             -> TransferPermissionChanged ALPHA BRAVO
        at 5  orders transfer R7 ALPHA BRAVO KES 10 -> refused TransferNotAllowed
        holds BRAVO settlement KES 110 0
        at 6  orders in R8 ECHO KES 10          -> refused ParticipantNotDirect
        at 6  orders in R8 NOBODY KES 10        -> refused ParticipantUnknown
        at 6  orders in R8 ALPHA EUR 10         -> refused CurrencyUnknown
        at 6  orders in R8 ALPHA KES 0          -> refused ValueMeaningless
        at 6  orders in R8 ALPHA BRAVO KES 1    -> refused ValueMeaningless
        at 6  orders wish R8 ALPHA KES 1        -> refused ValueMeaningless
        at 6  orders transfer R8 ALPHA ALPHA KES 1 -> refused ValueMeaningless
        ",
    );
}

#[test]
fn money_behind_a_position_cannot_leave() {
    check(
        "
        pays  ALPHA BRAVO 70 XTS                -> committed
        at 1  orders out R1 ALPHA XTS 31        -> refused MoneyInsufficient
        at 1  orders out R1 ALPHA XTS 30        -> MoneyPrepared ALPHA 30
        # 70 stand behind the position: it cannot go further than that.
        pays  ALPHA BRAVO 1 XTS                 -> AM04
        at 2  aborts R1                         -> MoneyAborted ALPHA 30
        pays  ALPHA BRAVO 10 XTS                -> committed
        at 3  limits ALPHA XTS cap 20           -> refused LimitBelowUse
        pays  BRAVO ALPHA 65 XTS                -> committed
        at 3  limits ALPHA XTS cap 20           -> TermsChanged ALPHA 20
        pays  ALPHA BRAVO 5 XTS                 -> committed
        pays  ALPHA BRAVO 1 XTS                 -> AM04
        ",
    );
}

#[test]
fn standings_and_what_they_allow() {
    check(
        "
        at 1  stands BRAVO 3                    -> StandingChanged BRAVO
        pays  BRAVO ALPHA 1 KES                 -> AG10
        pays  ALPHA BRAVO 1 KES                 -> committed
        at 2  stands BRAVO 4                    -> StandingChanged BRAVO
        pays  BRAVO ALPHA 1 KES                 -> committed
        pays  ALPHA BRAVO 1 KES                 -> AG11
        at 3  stands BRAVO 5                    -> StandingChanged BRAVO
        pays  BRAVO ALPHA 1 KES                 -> AG10
        pays  ALPHA BRAVO 1 KES                 -> AG11
        returns BRAVO 2 1 KES                   -> AG10
        at 4  stands BRAVO 1                    -> refused TransitionNotPermitted
        at 4  stands BRAVO 5                    -> refused TransitionNotPermitted
        at 4  stands BRAVO 9                    -> refused ValueMeaningless
        at 4  stands BRAVO 6                    -> refused ParticipantHasMoney
        at 4  stands ALPHA 6                    -> refused ParticipantSponsors
        at 4  stands BRAVO 2                    -> StandingChanged BRAVO
        returns BRAVO 2 1 KES                   -> committed
        # ALPHA's suspension is that of ECHO, which settles through it.
        pays  ECHO BRAVO 1 KES                  -> committed
        at 5  stands ALPHA 3                    -> StandingChanged ALPHA
        pays  ECHO BRAVO 1 KES                  -> AG10
        pays  BRAVO ECHO 1 KES                  -> committed
        at 5  stands ALPHA 4                    -> StandingChanged ALPHA
        pays  ECHO BRAVO 1 KES                  -> committed
        pays  BRAVO ECHO 1 KES                  -> AG11
        at 6  stands ECHO 6                     -> StandingChanged ECHO
        at 6  stands ECHO 2                     -> refused ParticipantClosed
        pays  BRAVO ECHO 1 KES                  -> AG11
        at 7  limits DELTA KES offered 0        -> TermsChanged DELTA
        pays  BRAVO DELTA 1 KES                 -> AM03
        pays  DELTA BRAVO 1 KES                 -> AM03
        pays  DELTA BRAVO 1 XTS                 -> committed
        pays  BRAVO TECH 1 KES                  -> AM03
        ",
    );
}

#[test]
fn a_participant_leaves_only_with_nothing_open() {
    check(
        "
        pays  DELTA BRAVO 20 XTS                -> committed
        at 1  cuts XTS payments                 -> WindowClosed w1 20, NetDetermined w1 BRAVO 20, NetDetermined w1 DELTA -20
        at 2  stands DELTA 6                    -> refused ParticipantInSettlement
        at 3  starts XTS payments 1             -> SettlementStarted w1
        at 3  settles DELTA XTS payments 1      -> NetConfirmed w1 DELTA -20
        at 3  settles BRAVO XTS payments 1      -> NetConfirmed w1 BRAVO 20, WindowSettled w1
        at 4  orders out R1 DELTA XTS 80        -> MoneyPrepared DELTA 80
        at 4  orders out R2 DELTA KES 100       -> MoneyPrepared DELTA 100
        at 4  stands DELTA 6                    -> refused ParticipantHasBusiness
        at 5  confirms R1                       -> MoneyConfirmed DELTA 80
        at 5  confirms R2                       -> MoneyConfirmed DELTA 100
        at 6  stands DELTA 6                    -> StandingChanged DELTA
        at 6  orders in R3 DELTA KES 1          -> refused ParticipantClosed
        pays  DELTA BRAVO 1 KES                 -> AG10
        pays  BRAVO DELTA 1 KES                 -> AG11
        ",
    );
}

#[test]
fn limits_of_one_payment_of_the_day_and_of_the_sponsor() {
    check(
        "
        at 1  limits ALPHA KES amount 20 intraday 45 -> TermsChanged ALPHA
        pays  ALPHA BRAVO 21 KES                -> AM14
        pays  ALPHA BRAVO 20 KES                -> committed
        pays  ALPHA BRAVO 20 KES                -> committed
        pays  ALPHA BRAVO 6 KES                 -> AM21
        pays  ALPHA BRAVO 5 KES                 -> committed
        pays  ALPHA BRAVO 1 KES                 -> AM21
        at 2  cuts KES payments                 -> WindowClosed w1, WindowSettled w1
        pays  ALPHA BRAVO 20 KES                -> committed
        # ECHO's payments move ALPHA's account, which has 35: no further than 30 beyond what it was paid.
        pays  ECHO BRAVO 31 KES                 -> AM21
        pays  ECHO BRAVO 30 KES                 -> committed
        holds ALPHA settlement KES 5 0
        pays  ECHO BRAVO 1 KES                  -> AM21
        pays  BRAVO ECHO 10 KES                 -> committed
        holds ALPHA settlement KES 15 0
        pays  ECHO BRAVO 10 KES                 -> committed
        at 3  cuts KES payments                 -> WindowClosed w2, WindowSettled w2
        # Between ECHO and its sponsor nothing moves, and all of it counts.
        pays  ECHO ALPHA 30 KES                 -> committed
        holds ALPHA settlement KES 5 0
        pays  ECHO ALPHA 1 KES                  -> AM21
        pays  ALPHA ECHO 5 KES                  -> committed
        pays  ECHO BRAVO 5 KES                  -> committed
        holds ALPHA settlement KES 0 0
        pays  ALPHA BRAVO 1 KES                 -> AM04
        at 4  limits ECHO KES cap 5             -> refused ValueMeaningless
        at 4  limits ALPHA KES cap 5            -> refused ValueMeaningless
        at 4  limits ALPHA KES lent 5           -> refused ValueMeaningless
        at 4  limits TECH KES amount 5          -> refused ValueMeaningless
        at 4  limits ALPHA EUR amount 5         -> refused CurrencyUnknown
        at 4  limits ALPHA KES offered 2        -> refused ValueMeaningless
        ",
    );
}

#[test]
fn floors_and_ceilings_are_told_once_and_level_themselves() {
    check(
        "
        at 1  levels ALPHA KES 50 60 120 no     -> LiquidityRulesChanged ALPHA
        pays  ALPHA BRAVO 50 KES                -> committed
        at 2  time                              ->
        pays  ALPHA BRAVO 1 KES                 -> committed
        at 3  levels BRAVO KES 0 100 140 yes    -> LiquidityRulesChanged BRAVO, Swept BRAVO 51
        holds BRAVO reserve KES 51 0
        at 4  orders in R1 ALPHA KES 80         -> MoneyPrepared ALPHA 80
        at 4  confirms R1                       -> MoneyConfirmed ALPHA 80, AboveCeiling ALPHA 129
        at 5  levels ALPHA KES 0 0 0 no         -> LiquidityRulesChanged ALPHA
        at 6  levels BRAVO KES 90 95 0 yes      -> LiquidityRulesChanged BRAVO
        at 7  orders out R2 BRAVO KES 100       -> MoneyPrepared BRAVO 100, ToppedUp BRAVO 51, BelowFloor BRAVO 51
        at 8  time                              ->
        at 8  aborts R2                         -> MoneyAborted BRAVO 100, BackWithin BRAVO 151
        at 9  levels BRAVO KES 90 80 0 no       -> refused ValueMeaningless
        at 9  levels BRAVO KES 90 95 94 no      -> refused ValueMeaningless
        at 9  levels BRAVO XTS 90 95 0 yes      -> refused ValueMeaningless
        at 9  levels BRAVO XTS 90 95 0 no       -> LiquidityRulesChanged BRAVO
        ",
    );
}

#[test]
fn no_limit_is_set_below_what_is_in_use() {
    check(
        "
        pays  ALPHA BRAVO 60 XTS                -> committed
        at 1  limits ALPHA XTS cap 59           -> refused LimitBelowUse
        at 1  limits ALPHA XTS cap 60           -> TermsChanged ALPHA 60
        at 1  limits ALPHA XTS cap 60 intraday 59    -> refused LimitBelowUse
        at 1  limits ALPHA XTS cap 60 intraday 60    -> TermsChanged ALPHA 60
        pays  ALPHA BRAVO 1 XTS                 -> AM21
        # What was sent counts until the cut-off.
        at 2  cuts XTS payments                 -> WindowClosed w1 60, NetDetermined w1 ALPHA -60, NetDetermined w1 BRAVO 60
        at 2  limits ALPHA XTS cap 60 intraday 1     -> TermsChanged ALPHA 60
        # The position is below zero until the window is settled.
        at 2  limits ALPHA XTS cap 0            -> refused LimitBelowUse
        # An indirect participant, under its sponsor.
        pays  ECHO BRAVO 20 KES                 -> committed
        at 3  limits ECHO KES lent 19            -> refused LimitBelowUse
        at 3  limits ECHO KES lent 20            -> TermsChanged ECHO
        pays  BRAVO ECHO 5 KES                  -> committed
        at 3  limits ECHO KES lent 15            -> TermsChanged ECHO
        at 3  limits ECHO KES lent 14            -> refused LimitBelowUse
        ",
    );
}

#[test]
fn certificates_and_technical_providers() {
    let mut desk = SchemeDesk::new();
    let (alpha, tech) = (ParticipantId(1), ParticipantId(6));
    let check = |desk: &SchemeDesk, holder, number: u8, now_s| {
        desk.engine.check_connection((holder, &[number; 32]), alpha, now_s)
    };
    assert_eq!(check(&desk, alpha, 9, 150), Ok(()), "none is registered, so any of its name may");
    assert_eq!(check(&desk, tech, 9, 150), Err(ConnectionReject::NotItsAgent));
    for line in [
        "at 1  registers ALPHA 1 yes -> CertificateChanged ALPHA",
        "at 1  registers ALPHA 2 yes -> CertificateChanged ALPHA",
        "at 1  registers ALPHA 3 no  -> refused CertificateUnknown",
        "at 2  connects TECH ALPHA yes -> AgencyChanged TECH ALPHA",
        "at 2  connects BRAVO ALPHA yes -> refused ParticipantNotTechnical",
        "at 3  throttles ALPHA 7 -> LimitsChanged ALPHA",
    ] {
        desk.check_line(line);
    }
    assert!([1, 2].into_iter().all(|number| check(&desk, alpha, number, 150) == Ok(())));
    for (number, now_s) in [(9, 150), (1, 99), (1, 201)] {
        assert_eq!(check(&desk, alpha, number, now_s), Err(ConnectionReject::CertificateRefused));
    }
    assert_eq!(check(&desk, tech, 9, 150), Ok(()));
    assert_eq!(desk.engine.limits_of(alpha).in_flight_max, 7);
    desk.check_line("at 4  registers ALPHA 1 no -> CertificateChanged ALPHA");
    assert_eq!(check(&desk, alpha, 1, 150), Err(ConnectionReject::CertificateRefused));
    assert_eq!(check(&desk, alpha, 2, 150), Ok(()));
    for number in 3..10 {
        desk.check_line(&format!("at 5  registers ALPHA {number} yes -> CertificateChanged ALPHA"));
    }
    desk.check_line("at 5  registers ALPHA 11 yes -> refused CertificatesFull");
}

#[test]
fn the_calendar_closes_windows_by_journal_time() {
    // The start is 2026-09-21, a Monday, 14:13:20 UTC; the cut-offs are at 15:00 and 16:00 of Mondays and Tuesdays.
    check(
        "
        at 0     calendar XTS payments 3 0 900 960 -> CalendarChanged
        pays     ALPHA BRAVO 10 XTS             -> committed
        at 2799  time                           ->
        at 2800  time                           -> WindowClosed w1 10, NetDetermined w1 ALPHA -10, NetDetermined w1 BRAVO 10
        pays     ALPHA BRAVO 5 XTS              -> committed
        # Two were missed: one window is closed.
        at 90000 time                           -> WindowClosed w2 5, NetDetermined w2 ALPHA -5, NetDetermined w2 BRAVO 5
        at 92800 time                           -> WindowClosed w3, WindowSettled w3
        at 92801 calendar XTS payments 3 0 900 840 -> refused ValueMeaningless
        at 92801 calendar XTS payments 3 0 1440 -> refused ValueMeaningless
        at 92801 calendar XTS payments 128 0 840 -> refused ValueMeaningless
        at 92801 calendar XTS payments 3 0      -> refused ValueMeaningless
        at 92801 calendar XTS wishes 3 0 840    -> refused ValueMeaningless
        at 92801 calendar XTS payments 0 0      -> CalendarChanged
        at 999999 time                          ->
        ",
    );
}

#[test]
fn fees_go_along_with_postings() {
    check(
        "
        # Everybody pays 2 and 1 %, the payer's provider; DELTA's class pays 1 to the other provider as well.
        at 1  tariff 1 5 1/0/0/KES/1-1000/2/10000/1/1 1/1/0/KES/1-1000/1/0/1/2 2/0/0/KES/1-1000/3/0/3/1 -> TariffSet
        pays  ALPHA BRAVO 50 KES                -> committed
        holds ALPHA fees KES 0 0
        at 5  time                              -> TariffInForce
        pays  ALPHA BRAVO 50 KES                -> committed
        # 2 + 0.5, half up.
        holds ALPHA fees KES -3 0
        holds scheme income KES 3 0
        # Fees are no reason to refuse: ALPHA has nothing left.
        holds ALPHA settlement KES 0 0
        pays  DELTA ALPHA 100 KES               -> committed
        holds DELTA fees KES -4 0
        holds ALPHA fees KES -2 0
        returns ALPHA 3 10 KES                  -> committed
        # 3, shared: the one that returns bears the rest.
        holds ALPHA fees KES -4 0
        holds DELTA fees KES -5 0
        holds scheme income KES 9 0
        at 6  collects KES                      -> FeesCollected ALPHA -4, FeesCollected DELTA -5
        holds ALPHA settlement KES 86 0
        holds ALPHA fees KES 0 0
        at 7  tariff 3 9 1/0/0/KES/1-1000/2/0/1/1 -> refused TariffOutOfOrder
        at 7  tariff 2 1 1/0/0/KES/1-1000/2/0/1/1 -> refused TariffOutOfOrder
        at 7  tariff 2 9 1/0/0/KES/1-999/2/0/1/1 -> refused BandsIncomplete
        at 7  tariff 2 9 1/0/0/EUR/1-1000/2/0/1/1 -> refused CurrencyUnknown
        at 7  tariff 2 9 3/0/0/KES/1-1000/2/0/1/1 -> refused ValueMeaningless
        at 7  tariff 2 9                        -> TariffSet
        at 9  time                              -> TariffInForce
        pays  BRAVO ALPHA 50 KES                -> committed
        holds BRAVO fees KES 0 0
        ",
    );
}

#[test]
fn creditors_of_fees_wait_for_debtors() {
    check(
        "
        # The payee's provider gets 20 of each payment from the payer's.
        at 0  tariff 1 0 1/0/0/KES/1-1000/20/0/1/2 -> TariffSet, TariffInForce
        pays  ALPHA BRAVO 90 KES                -> committed
        pays  CHARLIE BRAVO 10 KES              -> committed
        at 1  collects KES                      -> FeesCollected ALPHA -10, FeesUnpaid ALPHA 10, FeesCollected CHARLIE -20, FeesCollected BRAVO 30
        holds BRAVO fees KES 10 0
        pays  BRAVO ALPHA 50 KES                -> committed
        at 2  collects KES                      -> FeesCollected BRAVO -10, FeesCollected ALPHA 10
        holds ALPHA fees KES 0 0
        ",
    );
}

#[test]
fn what_moves_money_takes_two_people() {
    let mut desk = SchemeDesk::new();
    let cut = CutOff { currency: *b"XTS", cycle: 1 };
    let order = MoneyDecided { reference: [7; 16], decision: 1 };
    for (signature, cut_off, decision) in [
        (signed(b"j.doe", b""), "WindowClosed w1", "refused ApproverMissing"),
        (signed(b"j.doe", b"j.doe"), "refused ApproverIsOperator", "refused ApproverIsOperator"),
        (signed(b"", b"m.roe"), "refused OperatorMissing", "refused OperatorMissing"),
        (signed(b"j.doe", b"m.roe"), "WindowClosed w2", "refused ReferenceUnknown"),
    ] {
        let mut payload = Vec::new();
        write_signed_command(&mut payload, EntryKind::CutOff, &signature, &cut);
        assert_eq!(desk.hear(at("1"), &payload)[0], cut_off);
        let mut payload = Vec::new();
        write_signed_command(&mut payload, EntryKind::MoneyDecided, &signature, &order);
        assert_eq!(desk.hear(at("1"), &payload), [decision]);
    }
    let mut payload = Vec::new();
    write_command(&mut payload, EntryKind::CutOff, &cut);
    assert_eq!(desk.hear(at("1"), &payload), ["refused OperatorMissing"], "only the genesis is signed by nobody");
}
