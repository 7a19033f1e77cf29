//! Random histories, with settlement and fees: what every report adds up is what the engine has.

use std::collections::BTreeMap;

use ledger::journal::{DiskStorage, scan};
use proptest::prelude::*;
use serde_json::Value;

use super::day::{ROW, genesis, tariff};
use crate::cli::ledger::tests::history::Office;
use crate::engine::accounts::AccountKind;
use crate::engine::scheme::money::Operation;
use crate::engine::{Batch, Engine};
use crate::entry::{ParticipantId, TariffRow};

const NAMES: [&str; 4] = ["ALPHA", "BRAVO", "CHARLIE", "DELTA"];

/// Returns have numbers from here on.
const RETURNS: u64 = 100_000;

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Pay { payer: usize, step: usize, is_net: bool, amount: u64 },
    Answer { of_last: u64, is_yes: bool },
    Return { of_last: u64, amount: u64 },
    Dispute { from: usize, step: usize, amount: u64 },
    ToReserve { who: usize, amount: u64 },
    FundsOut { who: usize, amount: u64 },
    Confirm,
    Cut { cycle: u8 },
    Settle { cycle: u8, window: u32, step: u8, who: usize },
    Tariff { is_dear: bool },
    Collect { is_net: bool },
    Presence { who: usize, present: u8 },
    Pass { ms: u64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        10 => (0..4usize, 1..4usize, any::<bool>(), 1..900u64).prop_map(|(payer, step, is_net, amount)| Deed::Pay { payer, step, is_net, amount }),
        12 => (0..6u64, prop::bool::weighted(0.8)).prop_map(|(of_last, is_yes)| Deed::Answer { of_last, is_yes }),
        2 => (0..9u64, 1..300u64).prop_map(|(of_last, amount)| Deed::Return { of_last, amount }),
        1 => (0..3usize, 1..3usize, 1..90u64).prop_map(|(from, step, amount)| Deed::Dispute { from, step, amount }),
        1 => (0..3usize, 1..90u64).prop_map(|(who, amount)| Deed::ToReserve { who, amount }),
        1 => (0..3usize, 1..90u64).prop_map(|(who, amount)| Deed::FundsOut { who, amount }),
        1 => Just(Deed::Confirm),
        2 => (1..3u8).prop_map(|cycle| Deed::Cut { cycle }),
        6 => (1..3u8, 1..5u32, 1..4u8, 0..3usize).prop_map(|(cycle, window, step, who)| Deed::Settle { cycle, window, step, who }),
        1 => any::<bool>().prop_map(|is_dear| Deed::Tariff { is_dear }),
        1 => any::<bool>().prop_map(|is_net| Deed::Collect { is_net }),
        1 => (0..4usize, 0..2u8).prop_map(|(who, present)| Deed::Presence { who, present }),
        6 => prop_oneof![9 => 0..900u64, 1 => Just(9_000)].prop_map(|ms| Deed::Pass { ms }),
    ]
}

fn dear() -> Vec<TariffRow> {
    let kes = TariffRow { currency: *b"KES", fixed: 0, parts_per_million: 40_000, rounding: 2, ..ROW };
    let back = TariffRow { fixed: 3, payer_class: 1, bearer: 2, to: 2, ..ROW };
    [&tariff()[..], &[kes, back]].concat()
}

/// What a player has to remember.
#[derive(Default)]
struct Player {
    now_ms: u64,
    payees: Vec<&'static str>,
    returns: u64,
    orders: u8,
    tariffs: u32,
}

impl Player {
    fn recent(&self, of_last: u64) -> Option<u64> {
        (self.payees.len() as u64).checked_sub(of_last + 1)
    }

    fn order(&mut self, office: &mut Office, operation: Operation, who: [&str; 2], amount: u64) {
        if self.orders < u8::MAX {
            self.orders += 1;
            office.order_money(self.orders, operation, who, "XTS", amount);
        }
    }

    fn play(&mut self, office: &mut Office, deed: &Deed) {
        let net = |is_net: bool| if is_net { "XTS" } else { "KES" };
        match *deed {
            Deed::Pay { payer, step, is_net, amount } => {
                let payee = NAMES[(payer + step) % 4];
                office.pay_in(net(is_net), self.payees.len() as u64, [NAMES[payer], payee], amount, self.now_ms);
                self.payees.push(payee);
            }
            Deed::Answer { of_last, is_yes } => {
                let Some(number) = self.recent(of_last) else { return };
                let payee = self.payees[usize::try_from(number).unwrap()];
                if is_yes {
                    office.accept(number, payee)
                } else {
                    office.reject(number, payee, b"AC04")
                };
            }
            Deed::Return { of_last, amount } => {
                let Some(number) = self.recent(of_last) else { return };
                self.returns += 1;
                office.give_back(
                    (RETURNS + self.returns, number),
                    self.payees[usize::try_from(number).unwrap()],
                    amount,
                );
            }
            Deed::Dispute { from, step, amount } => {
                self.order(office, Operation::Dispute, [NAMES[from], NAMES[(from + step) % 3]], amount);
            }
            Deed::ToReserve { who, amount } => self.order(office, Operation::ToReserve, [NAMES[who], ""], amount),
            Deed::FundsOut { who, amount } => self.order(office, Operation::FundsOut, [NAMES[who], ""], amount),
            Deed::Confirm => drop(office.confirm_money(self.orders)),
            Deed::Cut { cycle } => drop(office.cut("XTS", cycle)),
            Deed::Settle { cycle, window, step, who } => {
                office.settle("XTS", (cycle, window), step, if step == 2 { NAMES[who] } else { "" });
            }
            Deed::Tariff { is_dear } => {
                self.tariffs += 1;
                office.tariff(self.tariffs, self.now_ms, &if is_dear { dear() } else { tariff().to_vec() });
            }
            Deed::Collect { is_net } => drop(office.collect(net(is_net))),
            Deed::Presence { who, present } => drop(office.observe(NAMES[who], present)),
            Deed::Pass { ms } => {
                office.batch(self.now_ms);
                self.now_ms += ms;
            }
        }
    }
}

fn play(deeds: &[Deed]) -> Office {
    let mut office = Office::of(&genesis(2_000));
    let mut player = Player::default();
    deeds.iter().for_each(|deed| player.play(&mut office, deed));
    office.batch(player.now_ms);
    office
}

/// What the engine has at the end, which knows nothing of reports.
fn engine(office: &Office) -> Engine {
    let mut engine = Engine::new();
    let report = scan(&DiskStorage::open(&office.path("journal")).unwrap(), |batch| {
        let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
        engine.apply(batch, &mut Vec::new()).map_err(|inapplicable| inapplicable.to_string())
    });
    report.unwrap();
    engine
}

fn rows(json: &Value) -> &Vec<Value> {
    json["rows"].as_array().unwrap()
}

fn number(value: &Value) -> i128 {
    value.as_str().map_or_else(|| value.as_i64().unwrap_or(0).into(), |text| text.parse().unwrap())
}

fn sum(rows: &[Value], key: &str, is_it: impl Fn(&Value) -> bool) -> i128 {
    rows.iter().filter(|row| is_it(row)).map(|row| number(&row[key])).sum()
}

fn balance(engine: &Engine, name: u32, currency: &str, kind: AccountKind) -> i128 {
    let account = engine.find_account(ParticipantId(name), currency.as_bytes().try_into().unwrap(), kind);
    account.map_or(0, |account| {
        let balances = engine.account(account).balances();
        balances.credits_posted as i128 - balances.debits_posted as i128
    })
}

/// Every account: as the report has it, as its statement has it, as the last of its notifications says.
fn check_accounts(office: &Office, engine: &Engine) {
    let report = office.report("accounts --json").json();
    assert_eq!(rows(&report).len(), engine.accounts_count());
    let mut booked = 0;
    for row in rows(&report).iter().filter(|row| row["participant"].is_string()) {
        let text = |key: &str| row[key].as_str().unwrap();
        let (name, currency, kind) = (text("participant"), text("currency"), text("kind"));
        let (place, _) = (1..).zip(NAMES).find(|(_, known)| *known == name).unwrap();
        let known = AccountKind::ALL.into_iter().find(|known| known.name() == kind).unwrap();
        let closing = balance(engine, place, currency, known);
        assert_eq!(number(&row["closing"]), closing, "{row}");
        booked += number(&row["credits_count"]) + number(&row["debits_count"]);
        let statement =
            office.say(&format!("statement --participant {name} --currency {currency} --account {kind} --json")).json();
        assert_eq!(number(&statement["closing_balance"]["amount"]), closing);
        for (side, total) in [("credits", "credits"), ("debits", "debits")] {
            assert_eq!(number(&statement[side]["sum"]), number(&row[total]), "{row}");
        }
        let told = format!("notifications --participant {name} --currency {currency} --account {kind} --json");
        let told = office.report(&told).json();
        assert_eq!(rows(&told).len() as i128, number(&row["credits_count"]) + number(&row["debits_count"]));
        assert_eq!(rows(&told).last().map_or(0, |last| number(&last["balance"])), closing);
    }
    let told: usize = NAMES
        .iter()
        .map(|name| rows(&office.report(&format!("notifications --participant {name} --json")).json()).len())
        .sum();
    assert_eq!(told as i128, booked);
}

/// What is told in two portions is what is told at once.
fn check_following(office: &Office) {
    let all = office.report("notifications --participant ALPHA --json").json();
    let half = office.report("notifications --participant ALPHA --json --to 2026-11-22T12:00:02Z").json();
    let next = number(&half["follow_from"]);
    let rest = office.report(&format!("notifications --participant ALPHA --json --follow-from {next}")).json();
    assert_eq!([&rows(&half)[..], &rows(&rest)[..]].concat(), *rows(&all));
    assert_eq!(all["follow_from"], rest["follow_from"]);
    // From a booking on, that one included.
    let Some(middle) = rows(&all).get(rows(&all).len() / 2) else { return };
    let position = number(&middle["position"]);
    let rest = office.report(&format!("notifications --participant ALPHA --json --follow-from {position}")).json();
    let expected: Vec<&Value> = rows(&all).iter().filter(|row| number(&row["position"]) >= position).collect();
    assert_eq!(rows(&rest).iter().collect::<Vec<_>>(), expected);
}

/// Consecutive periods have the time of the whole, and nothing twice.
fn check_periods(office: &Office) {
    let of = |report: &str, key: &str, period: &str| {
        sum(rows(&office.report(&format!("{report} --json {period}")).json()), key, |_| true)
    };
    for (report, key) in [
        ("availability", "observed_ms"),
        ("availability", "reachable_ms"),
        ("availability", "asked"),
        ("accounts", "credits"),
        ("outcomes", "number"),
        ("fees --participant ALPHA --currency XTS", "fee"),
        ("activity --participant BRAVO", "sum"),
    ] {
        let periods = [
            "--to 2026-11-22T12:00:01.5Z",
            "--from 2026-11-22T12:00:01.5Z --to 2026-11-22T12:00:04Z",
            "--from 2026-11-22T12:00:04Z",
        ];
        assert_eq!(
            periods.map(|period| of(report, key, period)).iter().sum::<i128>(),
            of(report, key, ""),
            "{report} {key}"
        );
    }
}

/// Invoices are the accounts of fees, and together what the scheme has earned.
fn check_fees(office: &Office, engine: &Engine) {
    for currency in ["XTS", "KES"] {
        let mut income = 0;
        for (place, name) in (1..).zip(NAMES) {
            let invoice = office.report(&format!("fees --participant {name} --currency {currency} --json")).json();
            assert_eq!(number(&invoice["closing_balance"]), balance(engine, place, currency, AccountKind::Fees));
            let fee = |side: &str| sum(rows(&invoice), "fee", |row| row["credit_debit"] == side);
            assert_eq!([fee("DBIT"), fee("CRDT")], [number(&invoice["charged"]), number(&invoice["earned"])]);
            assert!(
                rows(&invoice).iter().all(|row| number(&row["tariff"]) > 0 && number(&row["row"]) > 0),
                "{invoice}"
            );
            income += fee("DBIT") - fee("CRDT");
        }
        assert_eq!(income, balance(engine, 0, currency, AccountKind::Income));
        // All of them at once are each of them.
        let all = office.report(&format!("fees --currency {currency} --json")).json();
        for invoice in all["invoices"].as_array().unwrap() {
            let name = invoice["participant"].as_str().unwrap();
            let alone = office.report(&format!("fees --participant {name} --currency {currency} --json")).json();
            assert_eq!(*invoice, alone);
        }
        assert_eq!(sum_of_fees(&all), -income);
    }
}

fn sum_of_fees(all: &Value) -> i128 {
    let rows = all["invoices"].as_array().unwrap().iter().flat_map(rows);
    rows.map(|row| if row["credit_debit"] == "DBIT" { -number(&row["fee"]) } else { number(&row["fee"]) }).sum()
}

/// The dear tariff, as a file: what it would have cost is what it did cost where it was in force from the beginning.
const DEAR: &str = r#"
[[row]]
flow = "payment"
currency = "XTS"
through = 99999
fixed = 10
bearer = "shared"
[[row]]
flow = "payment"
currency = "XTS"
from = 100000
fixed = 10
parts_per_million = 1000
fee_max = 500
bearer = "shared"
[[row]]
flow = "payment"
currency = "XTS"
payee_class = 1
fixed = 25
bearer = "payer"
to = "other"
[[row]]
flow = "return"
currency = "XTS"
fixed = 5
bearer = "payer"
[[row]]
flow = "payment"
currency = "KES"
parts_per_million = 40000
rounding = "half-even"
bearer = "payer"
[[row]]
flow = "payment"
currency = "XTS"
payer_class = 1
fixed = 3
bearer = "payee"
to = "other"
"#;

fn check_trial(office: &Office, engine: &Engine, is_dear_throughout: bool) {
    let file = office.path("dear.toml");
    std::fs::write(&file, DEAR).unwrap();
    let trial = office.report(&format!("tariff-trial {} --json", file.display())).json();
    let is_scheme = |row: &Value| row["participant"].is_null();
    for currency in ["XTS", "KES"] {
        let of = |key: &str, is_it: &dyn Fn(&Value) -> bool| {
            sum(rows(&trial), key, |row| row["currency"] == currency && is_it(row))
        };
        assert_eq!(-of("old_fee", &is_scheme), balance(engine, 0, currency, AccountKind::Income));
        for key in ["old_fee", "new_fee"] {
            assert_eq!(of(key, &|_| true), 0, "what some pay others get: {trial}");
        }
    }
    if is_dear_throughout {
        let differing = rows(&trial).iter().find(|row| {
            [("old_charged", "new_charged"), ("old_earned", "new_earned")]
                .iter()
                .any(|(old, new)| row[*old] != row[*new])
        });
        assert_eq!(differing, None);
    }
}

/// Numbers of payments and returns, from four reports, are the engine's.
fn check_numbers(office: &Office, engine: &Engine) {
    let counts = engine.counts();
    let outcomes = office.report("outcomes --json").json();
    let of = |flow: &'static str, outcome: &'static str| {
        sum(rows(&outcomes), "number", |row| row["flow"] == flow && row["outcome"] == outcome)
    };
    let expected = [counts.committed, counts.rejected, counts.expired, counts.returned, counts.returns_rejected];
    let payments = ["committed", "rejected", "expired"].map(|outcome| of("payment", outcome));
    let returns = ["committed", "rejected"].map(|outcome| of("return", outcome));
    assert_eq!([&payments[..], &returns[..]].concat(), expected.map(i128::from));
    let in_flight = office.report("in-flight --json").json();
    assert_eq!(number(&in_flight["payments"]), i128::from(counts.in_flight));
    let mut sent = BTreeMap::new();
    for name in NAMES {
        let activity = office.report(&format!("activity --participant {name} --json --every 1s")).json();
        for row in rows(&activity).iter().filter(|row| row["direction"] == "sent") {
            let key = (row["flow"].as_str().unwrap().to_owned(), row["outcome"].as_str().unwrap().to_owned());
            let entry: &mut [i128; 2] = sent.entry(key).or_default();
            entry[0] += number(&row["number"]);
            entry[1] += number(&row["sum"]);
        }
    }
    let mut told: BTreeMap<(String, String), [i128; 2]> = BTreeMap::new();
    for row in rows(&outcomes) {
        let entry = told
            .entry((row["flow"].as_str().unwrap().to_owned(), row["outcome"].as_str().unwrap().to_owned()))
            .or_default();
        entry[0] += number(&row["number"]);
        entry[1] += number(&row["sum"]);
    }
    assert_eq!(sent, told);
    let timeouts = office.report("timeouts --json").json();
    assert_eq!(sum(rows(&timeouts), "expired", |_| true), i128::from(counts.expired));
    let by_payees = sum(rows(&outcomes), "number", |row| row["flow"] == "payment" && row["by"] == "payee");
    assert_eq!(sum(rows(&timeouts), "answered", |_| true), by_payees);
    let availability = office.report("availability --json").json();
    assert_eq!(sum(rows(&availability), "asked", |_| true), sum(rows(&timeouts), "asked", |_| true));
    let concentration = office.report("concentration --json").json();
    for side in ["payer", "payee"] {
        assert_eq!(sum(rows(&concentration), "number", |row| row["side"] == side), i128::from(counts.committed));
    }
}

/// Windows, what participants gave each other in them, instructions, and liquidity.
fn check_settlement(office: &Office, engine: &Engine) {
    let windows = office.report("windows --json").json();
    let mut nets: BTreeMap<(String, u64), i128> = BTreeMap::new();
    for row in rows(&windows) {
        let key = (row["cycle"].as_str().unwrap().to_owned(), row["window"].as_u64().unwrap());
        *nets.entry(key).or_default() += number(&row["net"]);
    }
    for ((cycle, window), sum_of_nets) in nets {
        assert_eq!(sum_of_nets, 0, "nets sum to zero in window {window} of {cycle}");
        let one = format!("--currency XTS --cycle {cycle} --window {window} --json");
        let between = office.report(&format!("bilateral {one}")).json();
        let in_window = |row: &Value| row["window"].as_u64() == Some(window) && row["cycle"] == *cycle;
        for name in NAMES {
            let net = sum(rows(&windows), "net", |row| in_window(row) && row["participant"] == name);
            assert_eq!(sum(rows(&between), "net", |row| row["participant"] == name), net, "{name} in {between}");
        }
        if between["state"] == "closed" {
            let instructions = office.report(&format!("instructions {one}")).json();
            let owed = sum(rows(&windows), "net", |row| {
                in_window(row) && row["participant"].is_string() && number(&row["net"]) > 0
            });
            assert_eq!(number(&instructions["to_creditors"]), owed);
        }
    }
    for (place, name) in (1..).zip(&NAMES[..3]) {
        for currency in ["XTS", "KES"] {
            let last = |rows: &[Value]| {
                let own = rows.iter().rfind(|row| row["participant"] == *name && row["currency"] == currency);
                own.map(|row| [number(&row["minimum"]), number(&row["maximum"]), number(&row["closing"])]).unwrap()
            };
            let whole = last(rows(&office.report("liquidity --json").json()));
            let account = engine.find_account(
                ParticipantId(place),
                currency.as_bytes().try_into().unwrap(),
                AccountKind::Settlement,
            );
            let available = engine.account(account.unwrap()).headroom().unwrap() as i128;
            assert_eq!(whole[2], available);
            // After every line of the statement: what stands there, less what is held.
            let lines = format!("statement --participant {name} --currency {currency} --pending --json");
            let lines = office.say(&lines).json();
            let lines = lines["entries"].as_array().unwrap().iter();
            let free: Vec<i128> =
                lines.map(|line| number(&line["balance"]) - number(&line["debits_pending"])).collect();
            let (least, most) = (free.iter().min().copied(), free.iter().max().copied());
            assert_eq!([whole[0], whole[1]], [least.unwrap_or(0).min(0), most.unwrap_or(0).max(0)]);
            let by_second = office.report("liquidity --json --every 1s").json();
            let own: Vec<&Value> = rows(&by_second)
                .iter()
                .filter(|row| row["participant"] == *name && row["currency"] == currency)
                .collect();
            assert_eq!(own.iter().map(|row| number(&row["minimum"])).min(), Some(whole[0]));
            assert_eq!(own.iter().map(|row| number(&row["maximum"])).max(), Some(whole[1]));
            assert!(own.windows(2).all(|pair| pair[0]["closing"] == pair[1]["opening"]), "{by_second}");
        }
    }
    // A position is the sum of its nets: said by the report itself.
    assert_eq!(office.report("positions --json").json()["ok"], true);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_reports_add_up_is_what_the_engine_has(deeds in prop::collection::vec(deed(), 1..150), is_dear in any::<bool>()) {
        let mut deeds = deeds;
        if is_dear {
            deeds.retain(|deed| !matches!(deed, Deed::Tariff { .. }));
            deeds.insert(0, Deed::Tariff { is_dear });
        }
        let office = play(&deeds);
        let engine = engine(&office);
        check_accounts(&office, &engine);
        check_following(&office);
        check_periods(&office);
        check_fees(&office, &engine);
        check_trial(&office, &engine, is_dear);
        check_numbers(&office, &engine);
        check_settlement(&office, &engine);
    }
}
