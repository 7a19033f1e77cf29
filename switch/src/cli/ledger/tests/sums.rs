//! Random histories: the statements of all accounts together are the engine's totals, wherever they are cut.

use std::collections::BTreeMap;

use ledger::CurrencyTotals;
use ledger::journal::{DiskStorage, scan};
use proptest::prelude::*;

use super::history::{CURRENCIES, NAMES, NS_PER_S, Office, START_NS, id};
use crate::cli::ledger::arguments::time_text;
use crate::engine::{Batch, Engine};

/// One thing that somebody does.
#[derive(Clone, Debug)]
enum Deed {
    Pay { payer: usize, step: usize, currency: usize, amount: u64 },
    Accept { number: u64 },
    Reject { number: u64 },
    Fund { reference: u8, participant: usize, currency: usize },
    Pass { ms: u64 },
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        5 => (0..3usize, 1..4usize, 0..2usize, 1..900u64).prop_map(|(payer, step, currency, amount)| Deed::Pay { payer, step, currency, amount }),
        4 => (0..12u64).prop_map(|number| Deed::Accept { number }),
        2 => (0..12u64).prop_map(|number| Deed::Reject { number }),
        1 => (1..9u8, 0..3usize, 0..2usize).prop_map(|(reference, participant, currency)| Deed::Fund { reference, participant, currency }),
        4 => prop_oneof![9 => 0..900u64, 1 => Just(9_000)].prop_map(|ms| Deed::Pass { ms }),
    ]
}

/// Journals the deeds. A batch ends whenever time passes; the amount of money under a reference is made of it, so that a repetition is one.
fn play(deeds: &[Deed]) -> Office {
    let mut office = Office::new(2_000);
    let (mut now_ms, mut payees) = (0, Vec::new());
    let mut references = BTreeMap::new();
    for deed in deeds {
        match *deed {
            Deed::Pay { payer, step, currency, amount } => {
                let payee = NAMES[(payer + step) % 3];
                office.pay_in(CURRENCIES[currency].0, payees.len() as u64, [NAMES[payer], payee], amount, now_ms);
                payees.push(payee);
            }
            // Of the last payments, one whose number ends so.
            Deed::Accept { number } | Deed::Reject { number } => {
                let Some(of_last) = (payees.len() as u64).checked_sub(number + 1) else { continue };
                let payee = payees[usize::try_from(of_last).unwrap()];
                match deed {
                    Deed::Accept { .. } => office.accept(of_last, payee),
                    _ => office.reject(of_last, payee, b"AC04"),
                };
            }
            Deed::Fund { reference, participant, currency } => {
                let (participant, currency) = *references.entry(reference).or_insert((participant, currency));
                office.fund(reference, NAMES[participant], CURRENCIES[currency].0, u64::from(reference) * 10);
            }
            Deed::Pass { ms } => {
                office.batch(now_ms);
                now_ms += ms;
            }
        }
    }
    office.batch(now_ms);
    office
}

/// What the engine has at the end, which knows nothing of statements.
fn totals(office: &Office) -> (Vec<CurrencyTotals>, u64) {
    let mut engine = Engine::new();
    let report = scan(&DiskStorage::open(&office.path("journal")).unwrap(), |batch| {
        let batch = Batch { first_sequence: batch.first_sequence, time_ns: batch.time_ns, payload: batch.payload };
        engine.apply(batch, &mut Vec::new()).map_err(|inapplicable| inapplicable.to_string())
    });
    (engine.totals(), report.unwrap().last_time_ns)
}

/// Sums of a CSV statement's lines: credits, debits, and the pending sides after the last line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Lines {
    booked: [u128; 2],
    /// What the funding account has given: the other side of what came from it.
    funded: u128,
    pending: [u128; 2],
}

fn lines(csv: &str) -> Lines {
    let mut lines = Lines::default();
    for line in csv.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let (event, kind, side, amount) = (cells[2], cells[3], cells[6], cells[7].parse::<u128>().unwrap());
        let place = usize::from(side == "DBIT");
        match event {
            "booked" => lines.booked[place] += amount,
            _ => assert!(event == "reserved" || event == "released"),
        }
        if kind == "order" {
            lines.funded += amount;
        }
        lines.pending = [cells[11], cells[10]].map(|pending| pending.parse().unwrap());
    }
    lines
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn statements_of_all_accounts_are_the_totals_of_the_engine(deeds in prop::collection::vec(deed(), 1..120), cut_s in 0..40u64) {
        let office = play(&deeds);
        let (totals, last_time_ns) = totals(&office);
        let cut = time_text((START_NS + cut_s * NS_PER_S).min(last_time_ns));
        for (currency, _) in CURRENCIES {
            let total = totals.iter().find(|total| total.currency.as_str() == currency).unwrap();
            let mut sum = Lines::default();
            for name in NAMES {
                let command = format!("statement --participant {name} --currency {currency}");
                let of_account = lines(&office.say(&format!("{command} --pending --csv")).fine());
                for side in [0, 1] {
                    sum.booked[side] += of_account.booked[side];
                    sum.pending[side] += of_account.pending[side];
                }
                sum.funded += of_account.funded;
                // Cut in two, the one ends where the other begins, and nothing is lost between.
                let [before, after] = ["--to", "--from"].map(|end| {
                    office.say(&format!("{command} --pending --json {end} {cut}"))
                });
                if cut != time_text(START_NS) {
                    let (before, after) = (before.json(), after.json());
                    prop_assert_eq!(&before["closing_balance"]["amount"], &after["opening_balance"]["amount"]);
                    let counted = [before, after].map(|half| half["entries"].as_array().unwrap().len()).iter().sum::<usize>();
                    prop_assert_eq!(counted, office.say(&format!("{command} --pending --csv")).fine().lines().count() - 1);
                }
            }
            prop_assert_eq!(sum.booked, [total.credits, total.debits - sum.funded], "{}", currency);
            prop_assert_eq!(sum.pending, [total.credits_pending, total.debits_pending], "{}", currency);
        }
        every_payment_is_one_row(&office, &deeds);
    }
}

/// Each payment is one row of the export, or was refused before it came to the ledger.
fn every_payment_is_one_row(office: &Office, deeds: &[Deed]) {
    let csv = office.say("export").fine();
    let ids: Vec<&str> = csv.lines().skip(1).map(|line| line.split(',').next().unwrap()).collect();
    let payments = deeds.iter().filter(|deed| matches!(deed, Deed::Pay { .. })).count() as u64;
    for number in 0..payments {
        let id = id(number).to_string();
        match ids.iter().filter(|other| **other == id).count() {
            0 => {
                let said = office.say(&format!("transfer {id}")).fine();
                assert!(said.contains("never reserved (payment rejected"), "{said}");
            }
            rows => assert_eq!(rows, 1, "{id}"),
        }
    }
}
