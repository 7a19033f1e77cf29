//! A scheme with a net and a gross currency, what its operator says, and a short day of it.

use std::collections::BTreeMap;

use adapters::message::{CreditTransfer, Part};
use clap::Parser;

use super::super::{Command, tell};
use crate::cli::ledger::tests::history::{Office, START_NS, Said, digest_of, id, number_of, order_of, said};
use crate::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisParticipant, GenesisRules};
use crate::engine::scheme::Model;
use crate::engine::scheme::money::Operation;
use crate::entry::{
    self, AliasLookedUp, AliasResolution, CutOff, EntryHead, EntryKind, FeesCollected, MoneyDecided, MoneyOrdered,
    Presence, Sender, SettlementStep, Signature, TariffRow, TariffSet, TransferAnnotation, write_observation,
    write_signed_command, write_tariff,
};
use crate::genesis::directory_rules;

/// XTS settles net, KES gross, both with two digits. ALPHA, BRAVO and CHARLIE (of class 1) settle on their own accounts, DELTA through ALPHA.
pub(super) fn genesis(funds: u64) -> Genesis {
    let currency = |code: &str, model| GenesisCurrency {
        code: code.to_owned(),
        minor_digits: 2,
        amount_max: 1_000_000,
        model,
        ..GenesisCurrency::default()
    };
    let both = |amount| BTreeMap::from([("XTS".to_owned(), amount), ("KES".to_owned(), amount)]);
    let direct = |code: &str, class| GenesisParticipant {
        code: code.to_owned(),
        funds: both(funds),
        net_debit_cap: BTreeMap::from([("XTS".to_owned(), funds / 2)]),
        class,
        ..GenesisParticipant::default()
    };
    let delta = GenesisParticipant {
        code: "DELTA".to_owned(),
        sponsor: Some("ALPHA".to_owned()),
        sub_limit: both(funds / 10),
        ..GenesisParticipant::default()
    };
    Genesis {
        directory: None,
        rules: GenesisRules::default(),
        currency: vec![currency("XTS", Model::Net), currency("KES", Model::Gross)],
        participant: vec![direct("ALPHA", 0), direct("BRAVO", 0), direct("CHARLIE", 1), delta],
    }
}

fn letters(currency: &str) -> [u8; 3] {
    currency.as_bytes().try_into().unwrap()
}

/// A reference of an order: never one of a payment.
fn reference(number: u8) -> [u8; 16] {
    let mut reference = *b"order\0\0\0\0\0\0\0\0\0\0\0";
    reference[15] = number;
    reference
}

/// Two people, and why.
fn signature() -> Signature {
    let mut signature = Signature { operator: [0; 35], approver: [0; 35], reason: [b'r'; 140] };
    signature.operator[..5].copy_from_slice(b"j.doe");
    signature.approver[..5].copy_from_slice(b"m.roe");
    signature
}

/// What the operator says.
impl Office {
    pub(super) fn order_money(
        &mut self,
        number: u8,
        operation: Operation,
        who: [&str; 2],
        currency: &str,
        amount: u64,
    ) -> &mut Office {
        let [participant, other] = who.map(|name| if name.is_empty() { 0 } else { number_of(name).0 });
        let (reference, currency, operation) = (reference(number), letters(currency), operation as u8);
        let command = MoneyOrdered { reference, operation, participant, other, currency, amount };
        self.entry(|out| write_signed_command(out, EntryKind::MoneyOrdered, &signature(), &command))
    }

    pub(super) fn confirm_money(&mut self, number: u8) -> &mut Office {
        let command = MoneyDecided { reference: reference(number), decision: 1 };
        self.entry(|out| write_signed_command(out, EntryKind::MoneyDecided, &signature(), &command))
    }

    pub(super) fn cut(&mut self, currency: &str, cycle: u8) -> &mut Office {
        let command = CutOff { currency: letters(currency), cycle };
        self.entry(|out| write_signed_command(out, EntryKind::CutOff, &signature(), &command))
    }

    /// 1 starts the settlement of a window, 2 confirms somebody's net, 3 gives it up.
    pub(super) fn settle(&mut self, currency: &str, (cycle, window): (u8, u32), step: u8, name: &str) -> &mut Office {
        let participant = if name.is_empty() { 0 } else { number_of(name).0 };
        let command = SettlementStep { currency: letters(currency), cycle, window, step, participant };
        self.entry(|out| write_signed_command(out, EntryKind::SettlementStep, &signature(), &command))
    }

    /// Look-ups become possible.
    pub(super) fn open_directory(&mut self) -> &mut Office {
        let rules = directory_rules(&GenesisDirectory::default());
        self.entry(|out| write_signed_command(out, EntryKind::DirectoryRulesSet, &signature(), &rules))
    }

    /// Somebody asks for an alias, for an end user.
    pub(super) fn look_up(
        &mut self,
        number: u64,
        name: &str,
        (alias, end_user): (u8, u8),
        is_found: bool,
    ) -> &mut Office {
        let lookup = AliasLookedUp {
            lookup_id: id(number).bytes(),
            alias: [alias; 16],
            end_user: [end_user; 16],
            form: 1,
            purpose: 1,
            is_found: u8::from(is_found),
            resolved_at: 1,
            entry: u64::from(is_found),
        };
        let head =
            EntryHead { kind: EntryKind::AliasLookedUp, sender: Sender::Participant(number_of(name)), seal_key: 0 };
        self.entry(|out| entry::write(out, head, &[], &lookup.bytes(), |_, _| {}))
    }

    /// A payment to an alias, for an end user.
    pub(super) fn pay_alias(
        &mut self,
        number: u64,
        [payer, payee]: [&str; 2],
        (alias, end_user): (u8, u8),
        at_ms: u64,
    ) -> &mut Office {
        let accepted_at_ns = START_NS + at_ms * 1_000_000;
        let order = CreditTransfer { accepted_at_ns, ..order_of(number, [payer, payee], 700) };
        let mut routing = Vec::new();
        order.write(&mut routing);
        let annotation = TransferAnnotation { digest: digest_of(&routing), checked_through: u64::MAX };
        let (alias, end_user) = ([alias; 16], [end_user; 16]);
        let resolution = AliasResolution { alias, end_user, resolved_at: u64::MAX, entry: 1, ..AliasResolution::NONE };
        let head =
            EntryHead { kind: EntryKind::CreditTransfer, sender: Sender::Participant(number_of(payer)), seal_key: 0 };
        self.entry(|out| entry::write(out, head, &resolution.annotation(&annotation), &routing, |_, _| {}))
    }

    pub(super) fn collect(&mut self, currency: &str) -> &mut Office {
        let command = FeesCollected { currency: letters(currency) };
        self.entry(|out| write_signed_command(out, EntryKind::FeesCollected, &signature(), &command))
    }

    /// A tariff that is in force from so many milliseconds after the start.
    pub(super) fn tariff(&mut self, number: u32, at_ms: u64, rows: &[TariffRow]) -> &mut Office {
        let (effective_at_ns, count) = (START_NS + at_ms * 1_000_000, u16::try_from(rows.len()).unwrap());
        let tariff = TariffSet { tariff: number, effective_at_ns, rows: count };
        self.entry(|out| write_tariff(out, &signature(), &tariff, rows))
    }

    pub(super) fn observe(&mut self, name: &str, present: u8) -> &mut Office {
        let presence = Presence { participant: number_of(name).0, present };
        self.entry(|out| write_observation(out, EntryKind::Presence, &presence.bytes()))
    }

    /// Runs `switch report` with these words; `--data` is added.
    pub(super) fn report(&self, words: &str) -> Said {
        let data = self.path("").display().to_string();
        say(&[&words.split_whitespace().collect::<Vec<_>>()[..], &["--data", &data]].concat())
    }
}

#[derive(clap::Parser)]
#[command(name = "report")]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// Runs `switch report` with these words.
fn say(words: &[&str]) -> Said {
    match Line::try_parse_from([&["report"], words].concat()) {
        Ok(line) => said(|out| tell(&line.command, out)),
        Err(error) => {
            let status = u8::try_from(error.exit_code()).unwrap();
            Said { status, out: String::new(), complaint: error.to_string() }
        }
    }
}

/// What all rows begin with: a fee to the scheme that the payer's provider bears.
pub(super) const ROW: TariffRow = TariffRow {
    flow: 1,
    payer_class: 0,
    payee_class: 0,
    currency: *b"XTS",
    from: 1,
    through: u64::MAX,
    fixed: 10,
    parts_per_million: 0,
    rounding: 1,
    fee_min: 0,
    fee_max: 0,
    bearer: 1,
    to: 1,
};

/// Payments in XTS: 0.10 and 0.1 % to the scheme, shared, in two bands; 0.25 to providers of class 1 that are paid. Returns: 0.05.
pub(super) fn tariff() -> [TariffRow; 4] {
    [
        TariffRow { through: 99_999, bearer: 3, ..ROW },
        TariffRow { from: 100_000, parts_per_million: 1_000, fee_max: 500, bearer: 3, ..ROW },
        TariffRow { payee_class: 1, fixed: 25, to: 2, ..ROW },
        TariffRow { flow: 2, fixed: 5, ..ROW },
    ]
}

/// A short day: payments in both currencies, refused, expired and returned; a provider that is away; a window that is settled in part, and the next one.
pub(super) fn day() -> Office {
    let mut office = Office::of(&genesis(10_000_000));
    office.tariff(1, 0, &tariff()).batch(100);
    office.pay(1, "ALPHA", "BRAVO", 120_000, 1_000).pay(2, "ALPHA", "CHARLIE", 50_000, 1_000).batch(1_000);
    office.accept(1, "BRAVO").accept(2, "CHARLIE").batch(1_400);
    office.pay(3, "BRAVO", "CHARLIE", 30_000, 2_000).pay(4, "CHARLIE", "ALPHA", 7_500, 2_000);
    office.pay(5, "DELTA", "BRAVO", 20_000, 2_000).batch(2_000);
    office.accept(3, "CHARLIE").reject(4, "ALPHA", b"AC04").accept(5, "BRAVO").batch(2_250);
    office.pay(6, "ALPHA", "BRAVO", 2_000, 3_000).batch(3_000);
    office.pay_in("KES", 7, ["BRAVO", "ALPHA"], 99_000, 4_000).pay(8, "ALPHA", "BRAVO", 1_000_001, 4_000).batch(4_000);
    office.accept(7, "ALPHA").batch(4_300);
    office.give_back((9, 1), "BRAVO", 20_000).batch(6_000);
    office.observe("CHARLIE", 0).batch(7_000);
    office.pay(10, "ALPHA", "CHARLIE", 100, 8_000).batch(8_000);
    office.observe("CHARLIE", 1).batch(9_000);
    office.batch(13_100);
    office.cut("XTS", 1).batch(20_000);
    office.pay(11, "CHARLIE", "BRAVO", 15_000, 21_000).settle("XTS", (1, 1), 1, "").batch(21_000);
    office.accept(11, "BRAVO").settle("XTS", (1, 1), 2, "ALPHA").batch(22_000);
    office.collect("XTS").batch(23_000);
    office.order_money(1, Operation::FundsOut, ["ALPHA", ""], "KES", 5_000).batch(24_000);
    office.pay(12, "BRAVO", "DELTA", 4_400, 25_000).batch(25_000);
    // Three are found and one is not; one of them is paid in time, one too late, by what a report with `--within 2s` calls late.
    office.open_directory().batch(26_000);
    office.look_up(13, "ALPHA", (1, 1), true).look_up(14, "ALPHA", (2, 1), true).look_up(15, "BRAVO", (2, 1), true);
    office.look_up(16, "BRAVO", (3, 1), false).batch(27_000);
    office.pay_alias(17, ["ALPHA", "BRAVO"], (1, 1), 28_000).batch(28_000);
    office.accept(17, "BRAVO").pay_alias(18, ["ALPHA", "BRAVO"], (2, 1), 30_000).batch(30_000);
    office.accept(18, "BRAVO").look_up(19, "BRAVO", (1, 1), true).batch(31_000);
    office
}
