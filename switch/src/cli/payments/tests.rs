//! The commands over journals made by hand, with more and less of them in the history's files: every payment and every filter beside a recount.

#![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]

use std::collections::BTreeMap;
use std::path::Path;

use adapters::message::{Lane, Outcome, PaymentId};
use clap::Parser;
use ledger::index::IndexWork;
use ledger::journal::{DiskStorage, lineage_of, scan};
use tempfile::TempDir;

use super::super::ledger::tests::history::{NAMES, NS_PER_S, Office, START_NS, id};
use super::{List, Show, list, show};
use crate::config::GenesisRules;
use crate::data::{batch_of, history_directory, journal_directory};
use crate::engine::Engine;
use crate::engine::effect::{Delivery, News};
use crate::entry::{Body, Entries, EntryKind, write_command};
use crate::genesis::scheme_rules;
use crate::history::{History, HistoryOptions};
use crate::lookup::{ListQuery, OutcomeFilter, PaymentRow, StepKind, Trouble, open_offline};
use crate::pipeline::Decisions;

#[derive(clap::Parser)]
enum Line {
    Show(Show),
    List(List),
}

/// How a command ended: its output, or its status and complaint.
fn say(data: &Path, words: &str) -> Result<String, (u8, String)> {
    let data = data.display().to_string();
    let words = ["switch"].into_iter().chain(words.split_whitespace()).chain(["--data", &data]);
    say_all(&words.collect::<Vec<_>>())
}

fn say_all(words: &[&str]) -> Result<String, (u8, String)> {
    let line = Line::try_parse_from(words.iter()).map_err(|error| (2, error.to_string()))?;
    let mut out = Vec::new();
    let told = match &line {
        Line::Show(arguments) => show(arguments, &mut out),
        Line::List(arguments) => super::check_period(arguments.from, arguments.to)
            .map_err(|failure| Trouble::Asked(failure.message))
            .and_then(|()| list(arguments, &mut out)),
    };
    match told {
        Ok(()) => Ok(String::from_utf8(out).unwrap()),
        Err(trouble) => Err((if matches!(trouble, Trouble::Asked(_)) { 2 } else { 1 }, trouble.to_string())),
    }
}

/// Brings as much of a journal into files as runs of so many records hold.
fn index(data: &Path, run_records: u32) {
    let storage = DiskStorage::open(&journal_directory(data)).unwrap();
    let files = DiskStorage::create(&history_directory(data)).unwrap();
    let options =
        HistoryOptions { run_records, keys_in_memory: 7, seed: 5, work: IndexWork::Inline, looks_all_up: false };
    let (mut history, _) = History::open(files, lineage_of(&storage).unwrap().unwrap(), options).unwrap();
    let mut decisions = Decisions::default();
    scan(&storage, |batch| {
        decisions.absorb(batch_of(&batch)).unwrap();
        history.follow(&mut decisions).unwrap();
        Ok(())
    })
    .unwrap();
}

/// A payment, as effects and entries alone tell.
#[derive(Clone, Debug)]
struct Known {
    id: PaymentId,
    outcome: Outcome,
    reason: String,
    time_ns: u64,
    position: u64,
    order: u64,
    payer: String,
    payee: Option<String>,
    amount: u64,
    forward: Option<u64>,
    statuses: [Option<u64>; 2],
}

impl Known {
    fn is_row(&self, row: &PaymentRow) -> bool {
        let reason = Some(self.reason.clone()).filter(|reason| !reason.is_empty());
        (row.id.as_str(), row.outcome.as_str(), &row.reason) == (&self.id.to_string(), self.outcome.name(), &reason)
            && (row.time_ns, row.position, row.order) == (self.time_ns, self.position, self.order)
            && (&row.payer, &row.payee, row.amount) == (&self.payer, &self.payee, self.amount)
    }
}

/// All payments: outcomes in order, then what is in flight.
fn recount(data: &Path) -> Vec<Known> {
    let storage = DiskStorage::open(&journal_directory(data)).unwrap();
    let (mut engine, mut decided, mut open) = (Engine::new(), Vec::<Known>::new(), Vec::<Known>::new());
    let mut orders = BTreeMap::new();
    scan(&storage, |batch| {
        for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(batch.payload)) {
            if let Body::CreditTransfer(order, _) = entry.unwrap().body {
                let payer = adapters::message::ParticipantCode::from_bytes(order.payer).unwrap().to_string();
                orders.entry(order.payment_id).or_insert((position, order.amount.to_native(), payer));
            }
        }
        let mut effects = Vec::new();
        engine.apply(batch_of(&batch), &mut effects).unwrap();
        for effect in effects {
            let Delivery::Outbox { lane: Lane::Payments, number, .. } = effect.delivery else { continue };
            let who = NAMES[effect.participant.0 as usize - 1].to_owned();
            let (order, amount, payer) = orders[&effect.id.bytes()].clone();
            match effect.news {
                News::Forward { .. } => open.push(Known {
                    id: effect.id,
                    outcome: Outcome::InFlight,
                    reason: String::new(),
                    time_ns: batch.time_ns,
                    position: order,
                    order,
                    payer,
                    payee: Some(who),
                    amount,
                    forward: Some(number),
                    statuses: [None; 2],
                }),
                News::Status(status) => match decided.last_mut() {
                    Some(known) if known.id == effect.id => known.statuses[1] = Some(number),
                    _ => {
                        let forwarded = open.iter().position(|known| known.id == effect.id);
                        let forwarded = forwarded.map(|place| open.remove(place));
                        decided.push(Known {
                            id: effect.id,
                            outcome: status.outcome,
                            reason: status.reason.as_str().to_owned(),
                            time_ns: batch.time_ns,
                            position: status.position,
                            order,
                            payer,
                            payee: forwarded.as_ref().and_then(|known| known.payee.clone()),
                            amount,
                            forward: forwarded.and_then(|known| known.forward),
                            statuses: [Some(number), None],
                        });
                    }
                },
                other => unreachable!("nothing else is in this journal: {other:?}"),
            }
        }
        Ok(())
    })
    .unwrap();
    decided.extend(open);
    decided
}

/// Payments of every kind, several in a batch, some that expire together with the clock of a batch that has entries.
fn busy() -> TempDir {
    let mut office = Office::new(1_000_000_000);
    let mut at_ms = 0;
    let name = |number: u64| NAMES[usize::try_from(number % 3).unwrap()];
    let payee = |number: u64| name(number + 1 + number % 2);
    for round in 0..6 {
        let first = 1 + round * 10;
        for number in first..first + 10 {
            // One in ten is above the scheme's limit.
            let amount = if number % 10 == 7 { 1_000_001 } else { 100 + number };
            office.pay(number, name(number), payee(number), amount, at_ms);
        }
        office.batch(at_ms);
        for number in (first..first + 10).filter(|number| number % 10 != 7) {
            match number % 10 {
                // Answered late, by time; in flight in the last round.
                0 | 5 => {}
                1 | 2 => {
                    office.reject(number, payee(number), b"AC04");
                }
                _ => {
                    office.accept(number, payee(number));
                }
            }
        }
        // An answer that comes once more, in the batch of the decision, and an order again.
        office.accept(first + 2, payee(first + 2));
        office.batch(at_ms + 500);
        at_ms += 4_000;
    }
    office.closed()
}

fn rows(data: &Path, query: &ListQuery) -> (Vec<PaymentRow>, Option<String>) {
    let mut rows = Vec::new();
    let next = open_offline(data).unwrap().list(query, &mut |row| {
        rows.push(row.clone());
        Ok(())
    });
    (rows, next.unwrap().map(|next| next.to_string()))
}

fn everything() -> ListQuery {
    ListQuery { limit: u64::MAX, ..ListQuery::default() }
}

/// All filters alone and together, with the payments that they must find.
fn filters(known: &[Known]) -> Vec<(ListQuery, Vec<Known>)> {
    let outcomes = [
        None,
        Some(OutcomeFilter::Committed),
        Some(OutcomeFilter::Rejected),
        Some(OutcomeFilter::Expired),
        Some(OutcomeFilter::InFlight),
    ];
    let participants = [None, Some("ALPHA"), Some("CHARLIE")];
    let periods = [(None, None), (Some(START_NS + 4 * NS_PER_S), Some(START_NS + 16 * NS_PER_S))];
    let mut filters = Vec::new();
    for outcome in outcomes {
        for participant in participants {
            for (from_ns, to_ns) in periods {
                for reason in [None, Some("AC04")] {
                    let is_in = |known: &&Known| {
                        let is_party =
                            |who: &str| known.payer == who || known.payee.as_deref().is_some_and(|payee| payee == who);
                        outcome.is_none_or(|outcome| outcome.outcome() == known.outcome)
                            && participant.is_none_or(is_party)
                            && from_ns.is_none_or(|from_ns| from_ns <= known.time_ns)
                            && to_ns.is_none_or(|to_ns| known.time_ns < to_ns)
                            && reason.is_none_or(|reason| reason == known.reason)
                    };
                    let participant = participant.map(str::to_owned);
                    let reason = reason.map(str::to_owned);
                    let query = ListQuery { participant, from_ns, to_ns, outcome, reason, ..everything() };
                    filters.push((query, known.iter().filter(is_in).cloned().collect()));
                }
            }
        }
    }
    filters
}

fn check_rows(query: &ListQuery, rows: &[PaymentRow], expected: &[Known]) {
    let ids = |ids: &mut dyn Iterator<Item = String>| ids.collect::<Vec<_>>();
    assert_eq!(
        ids(&mut rows.iter().map(|row| row.id.clone())),
        ids(&mut expected.iter().map(|known| known.id.to_string())),
        "{query:?}"
    );
    rows.iter().zip(expected).for_each(|(row, known)| assert!(known.is_row(row), "{query:?}: {row:?} {known:?}"));
}

/// Nothing is indexed, some of it, all that can be: the answers are those of the recount.
#[test]
fn every_filter_finds_what_a_recount_finds_however_much_is_indexed() {
    let data = busy();
    let known = recount(data.path());
    let count = |outcome| known.iter().filter(|known| known.outcome == outcome).count();
    assert!(
        [Outcome::Committed, Outcome::Rejected, Outcome::Expired, Outcome::InFlight].map(count).iter().all(|n| *n > 1)
    );
    for run_records in [None, Some(1_000), Some(40), Some(1)] {
        if let Some(run_records) = run_records {
            let _ = std::fs::remove_dir_all(history_directory(data.path()));
            index(data.path(), run_records);
        }
        for (query, expected) in filters(&known) {
            let (found, next) = rows(data.path(), &query);
            assert_eq!(next, None, "{query:?}");
            check_rows(&query, &found, &expected);
        }
    }
}

#[test]
fn pages_of_every_size_make_the_whole() {
    let data = busy();
    let known = recount(data.path());
    for run_records in [None, Some(40)] {
        run_records.into_iter().for_each(|run_records| index(data.path(), run_records));
        let alone = ListQuery { participant: Some("BRAVO".to_owned()), ..everything() };
        for whole in [everything(), alone] {
            let (expected, _) = rows(data.path(), &whole);
            for limit in 1..=expected.len() as u64 + 1 {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let (page, next) = rows(data.path(), &ListQuery { limit, after, ..whole.clone() });
                    assert!(page.len() as u64 == limit || next.is_none(), "only the last page is shorter");
                    found.extend(page);
                    after = next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, expected, "pages of {limit}");
            }
        }
    }
    assert!(!known.is_empty());
}

#[test]
fn every_trace_is_what_the_journal_did() {
    let data = busy();
    let known = recount(data.path());
    for run_records in [None, Some(40), Some(1)] {
        if let Some(run_records) = run_records {
            let _ = std::fs::remove_dir_all(history_directory(data.path()));
            index(data.path(), run_records);
        }
        let mut lookup = open_offline(data.path()).unwrap();
        for known in &known {
            let trace = lookup.show(known.id, false).unwrap();
            let row =
                PaymentRow { payee: trace.row.payee.clone().filter(|_| known.payee.is_some()), ..trace.row.clone() };
            assert!(known.is_row(&row), "{row:?} {known:?}");
            let told = |kind, who: Option<&String>| {
                let step = trace.steps.iter().find(|step| step.kind == kind && step.participant.as_ref() == who);
                step.map(|step| (step.number.unwrap(), step.position))
            };
            let payee = known.payee.as_ref();
            assert_eq!(told(StepKind::Forward, payee), known.forward.map(|number| (number, known.order)));
            let statuses =
                [told(StepKind::Status, Some(&known.payer)), payee.and_then(|_| told(StepKind::Status, payee))];
            assert_eq!(statuses, known.statuses.map(|number| number.map(|number| (number, known.position))));
            assert_eq!((trace.steps[0].kind, trace.steps[0].position), (StepKind::CreditTransfer, known.order));
            assert!(trace.steps.iter().all(|step| step.position >= known.order && step.time_ns >= trace.ordered_ns));
            let late = trace.steps.iter().filter(|step| step.kind == StepKind::LateAnswer).count();
            let is_second = known.id.bytes()[15] % 10 == 3 && known.outcome == Outcome::Committed;
            assert_eq!(late, usize::from(is_second), "{trace:?}");
        }
    }
}

/// What comes behind the batch of the decision is found where it is asked for.
#[test]
fn repeated_orders_and_late_answers_are_found_through_the_journal() {
    let mut office = Office::new(1_000_000);
    office.pay(1, "ALPHA", "BRAVO", 500, 0).batch(0);
    office.accept(1, "BRAVO").batch(10);
    office.pay(1, "ALPHA", "BRAVO", 500, 0).accept(1, "BRAVO").batch(20);
    let data = office.closed();
    let kinds = |is_through_journal| {
        let trace = open_offline(data.path()).unwrap().show(id(1), is_through_journal).unwrap();
        trace.steps.iter().map(|step| step.kind).collect::<Vec<_>>()
    };
    use StepKind::{Answer, CreditTransfer, Forward, LateAnswer, Repeated, Status};
    assert_eq!(kinds(false), [CreditTransfer, Forward, Answer, Status, Status]);
    assert_eq!(kinds(true), [CreditTransfer, Forward, Answer, Status, Status, Repeated, LateAnswer]);
}

/// A payment in the bulk lane that was returned in part, a recall that was refused, and a request that is open.
fn with_cases() -> TempDir {
    let mut office = Office::new(1_000_000);
    office.pay_in_bulk(1, "ALPHA", "BRAVO", 500).batch(0);
    office.accept(1, "BRAVO").batch(10);
    office.give_back((2, 1), "BRAVO", 200).batch(20);
    office.recall((3, 1), ["ALPHA", "BRAVO"]).batch(30);
    office.pay(5, "CHARLIE", "BRAVO", 7, 40).batch(40);
    office.refuse_case(3, "BRAVO").batch(50);
    office.request(4, ["BRAVO", "CHARLIE"], 70).batch(60);
    office.give_back((6, 1), "BRAVO", 301).batch(70);
    office.closed()
}

#[test]
fn returns_and_cases_have_their_stories_however_much_is_indexed() {
    use StepKind::{
        Answer, CaseAnswer, CaseForward, CaseOpen, CaseStatus, CreditTransfer, Forward, Return, Returned, Status,
    };
    for run_records in [1_000, 1, 2, 3] {
        let data = with_cases();
        index(data.path(), run_records);
        let story = |number: u64, is_through_journal| {
            let trace = open_offline(data.path()).unwrap().show(id(number), is_through_journal).unwrap();
            let kinds: Vec<_> = trace.steps.iter().map(|step| step.kind).collect();
            (trace, kinds)
        };
        let (paid, kinds) = story(1, false);
        assert_eq!((paid.row.kind.as_str(), paid.row.lane, paid.returned), ("payment", Lane::Bulk as u8, 200));
        assert_eq!(kinds, [CreditTransfer, Forward, Answer, Status, Status]);
        let numbers: Vec<_> = paid.steps.iter().filter_map(|step| step.number).collect();
        assert_eq!(numbers, [1, 1, 2], "each in the bulk lane of its outbox");
        let (_, kinds) = story(1, true);
        assert_eq!(kinds[5..], [Return, CaseOpen, Return], "all that names it");
        let (back, kinds) = story(2, false);
        assert_eq!((back.row.kind.as_str(), back.row.outcome.as_str(), back.row.amount), ("return", "committed", 200));
        assert_eq!(kinds, [Return, Status, Returned]);
        assert_eq!(back.steps[2].says, "200 minor units in all");
        let (refused, kinds) = story(6, false);
        assert_eq!((refused.row.outcome.as_str(), refused.row.reason.as_deref()), ("rejected", Some("RCON")));
        assert_eq!(kinds, [Return, Status]);
        let (recall, kinds) = story(3, false);
        assert_eq!((recall.row.kind.as_str(), recall.row.outcome.as_str()), ("recall", "refused"));
        assert_eq!(kinds, [CaseOpen, CaseAnswer, CaseStatus, CaseStatus]);
        assert!(recall.is_decided() && recall.deadline_ns.is_some());
        let (request, kinds) = story(4, true);
        assert_eq!((request.row.outcome.as_str(), request.is_decided()), ("open", false));
        assert_eq!(kinds, [CaseOpen, CaseStatus, CaseForward]);
        assert!(request.deadline_ns.is_some());

        let list = |participant: Option<&str>| {
            let query = ListQuery { participant: participant.map(str::to_owned), limit: 100, ..everything() };
            let (rows, next) = rows(data.path(), &query);
            assert_eq!(next, None);
            rows.into_iter().map(|row| (row.kind, row.outcome, row.id)).collect::<Vec<_>>()
        };
        let row = |kind: &str, outcome: &str, number| (kind.to_owned(), outcome.to_owned(), id(number).to_string());
        let all = [
            row("payment", "committed", 1),
            row("return", "committed", 2),
            row("return", "rejected", 6),
            row("payment", "in_flight", 5),
        ];
        assert_eq!(list(None), all);
        assert_eq!(list(Some("BRAVO")), all);
        assert_eq!(list(Some("ALPHA")), all[..2], "two lanes in one order");
    }
}

/// A request that is paid, and is not paid after all: neither changes what its providers are told, and the trace used to say that they were.
#[test]
fn what_nobody_was_told_of_a_case_stands_in_no_trace() {
    use StepKind::{CaseForward, CaseOpen, CaseStatus, CreditTransfer, Deadline};
    let kinds = |until: u8| {
        let mut office = Office::new(1_000_000);
        office.request(4, ["BRAVO", "CHARLIE"], 70).batch(0);
        if until > 0 {
            office.pay_request((5, 4), ["CHARLIE", "BRAVO"], 70).batch(10);
        }
        if until > 1 {
            office.reject(5, "BRAVO", b"AC04").batch(20);
        }
        if until > 2 {
            office.batch(365 * 86_400_000);
        }
        let data = office.closed();
        let mut shown = Vec::new();
        for run_records in [1_000, 1] {
            index(data.path(), run_records);
            let trace = open_offline(data.path()).unwrap().show(id(4), true).unwrap();
            assert!(trace.deadline_ns.is_some());
            shown.push((trace.row.outcome, trace.steps.iter().map(|step| step.kind).collect::<Vec<_>>()));
        }
        assert_eq!(shown[0], shown[1]);
        shown.remove(0)
    };
    assert_eq!(kinds(0), ("open".to_owned(), vec![CaseOpen, CaseStatus, CaseForward]));
    assert_eq!(kinds(1), ("paying".to_owned(), vec![CaseOpen, CreditTransfer]));
    assert_eq!(kinds(2), ("accepted".to_owned(), vec![CaseOpen, CreditTransfer]));
    assert_eq!(kinds(3), ("expired".to_owned(), vec![CaseOpen, CreditTransfer, Deadline, CaseStatus, CaseStatus]));
}

/// A case that has left a small window, beside a history that was removed: it used to be no case at all.
#[test]
fn a_case_that_has_left_memory_is_found_without_a_history() {
    let mut office = Office::new(1_000_000);
    let rules = scheme_rules(&GenesisRules { outcomes_kept: 1, ..GenesisRules::default() });
    office.entry(|out| write_command(out, EntryKind::ActivateRules, &rules));
    office.pay(1, "ALPHA", "BRAVO", 500, 0).batch(0);
    office.accept(1, "BRAVO").batch(10);
    office.recall((3, 1), ["ALPHA", "BRAVO"]).batch(30);
    office.recall((3, 1), ["ALPHA", "BRAVO"]).refuse_case(3, "BRAVO").batch(50);
    for number in 4..7 {
        office.pay(number, "ALPHA", "BRAVO", 1_000_001, 60).batch(60);
    }
    let data = office.closed();
    let shown = || {
        let trace = open_offline(data.path()).unwrap().show(id(3), false).unwrap();
        let kinds: Vec<_> = trace.steps.iter().map(|step| step.kind).collect();
        (trace.row, trace.deadline_ns, kinds)
    };
    let without = shown();
    use StepKind::{CaseAnswer, CaseOpen, CaseStatus, Repeated};
    assert_eq!((without.0.outcome.as_str(), without.1.is_some()), ("refused", true));
    assert_eq!(without.2, [CaseOpen, Repeated, CaseAnswer, CaseStatus, CaseStatus]);
    index(data.path(), 1);
    assert_eq!(shown(), without);
}

#[test]
fn a_payment_for_people_and_for_programs() {
    let data = Office::small().closed();
    let shown = say(data.path(), &format!("show {}", id(1))).unwrap();
    let lines: Vec<&str> = shown.lines().collect();
    let head = [
        format!("payment   {}", id(1)),
        "outcome   committed".to_owned(),
        "amount    1,234.56 XTS".to_owned(),
        "payer     ALPHA".to_owned(),
        "payee     BRAVO".to_owned(),
        "accepted  2026-11-22T12:00:01.000000000Z".to_owned(),
    ];
    assert_eq!(lines[..6], head.each_ref().map(String::as_str), "{shown}");
    assert!(lines.contains(&"took      1,500.000 ms"), "{shown}");
    assert_eq!(lines.len(), 10 + 2 + 5, "{shown}");
    let open = say(data.path(), &format!("show {}", id(5))).unwrap();
    assert!(open.contains("outcome   in flight\n") && !open.contains("decided"), "{open}");
    let refused = say(data.path(), &format!("show {}", id(4))).unwrap();
    assert!(refused.contains("outcome   rejected, AM13, amount\n") && refused.contains("payee     BRAVO"), "{refused}");
    let json: serde_json::Value =
        serde_json::from_str(&say(data.path(), &format!("show {} --json", id(3))).unwrap()).unwrap();
    assert_eq!((&json["outcome"], &json["reason"]), (&"expired".into(), &"AB05".into()));
    let steps: Vec<_> = json["trace"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["credit_transfer", "forward", "deadline", "status", "status"]);
    let csv = say(data.path(), "list --csv --outcome rejected").unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with(
        "time,position,id,kind,lane,outcome,reason,field,payer,payee,amount,currency,minor_digits,order_position\r\n"
    ));
    let page = say(data.path(), "list --limit 2").unwrap();
    let after = page.lines().last().unwrap().strip_prefix("more: --after ").unwrap();
    let rest = say(data.path(), &format!("list --after {after}")).unwrap();
    assert!(page.contains("payments: 2\n") && rest.contains("payments: 3\n"), "{page}{rest}");
    let json: serde_json::Value = serde_json::from_str(&say(data.path(), "list --json --limit 2").unwrap()).unwrap();
    assert_eq!((json["payments"].as_array().unwrap().len(), &json["next"]), (2, &after.into()));
}

#[test]
fn what_is_asked_wrongly_is_one_complaint() {
    let data = Office::small().closed();
    let uetr = id(1).to_string();
    let cases = [
        ("show T1", "expected a UETR"),
        ("show 11111111-1111-1a11-9b11-000000000001", "a UUID of version 4"),
        ("list --participant DELTA", "--participant DELTA is not in the scheme; known: ALPHA, BRAVO, CHARLIE"),
        ("list --participant delta", "expected a participant's code"),
        ("list --from yesterday", "expected a time by RFC 3339"),
        ("list --from 2026-11-22T14:00:00Z --to 2026-11-22T13:00:00Z", "is after --to"),
        ("list --outcome lost", "possible values: committed, rejected, expired, in_flight"),
        ("list --reason because", "expected a reason code"),
        ("list --limit 0", "--limit"),
        ("list --after there", "expected the cursor"),
        ("list --json --csv", "cannot be used"),
        ("list --config switch.toml", "cannot be used"),
    ];
    for (words, complaint) in cases {
        let (status, text) = say(data.path(), words).unwrap_err();
        assert!(status == 2 && text.contains(complaint), "{words}: {status} {text}");
    }
    let (status, text) = say_all(&["switch", "list"]).unwrap_err();
    assert!(status == 2 && text.contains("--data") && text.contains("--config"), "{text}");
    let (status, text) = say(&data.path().join("nowhere"), "list").unwrap_err();
    assert!(status == 2 && text.contains("is missing"), "{text}");
    let (status, text) = say(data.path(), &format!("show {}", id(6))).unwrap_err();
    assert_eq!((status, text), (1, format!("there is no payment {} through journal position 28", id(6))));
    // No switch runs here.
    std::fs::write(data.path().join("switch.toml"), "").unwrap();
    let config = data.path().join("switch.toml").display().to_string();
    let (status, _) = say_all(&["switch", "show", &uetr, "--config", &config]).unwrap_err();
    assert_eq!(status, 2);
    // Somebody is at work there.
    let office = Office::small();
    let (status, text) = say(&office.path(""), "list").unwrap_err();
    assert!(status == 2 && text.contains("is in use"), "{text}");
}

/// The history says something else than the journal: that is said, with the place.
#[test]
fn a_history_of_another_journal_is_a_contradiction() {
    let written = |amount| {
        let mut office = Office::new(1_000_000);
        office.pay(1, "ALPHA", "BRAVO", amount, 0).batch(0);
        office.accept(1, "BRAVO").batch(10);
        office.closed()
    };
    let (data, other) = (written(500), written(501));
    index(other.path(), 1);
    std::fs::rename(history_directory(other.path()), history_directory(data.path())).unwrap();
    let (status, text) = say(data.path(), &format!("show {}", id(1))).unwrap_err();
    assert_eq!(status, 1);
    for words in [&id(1).to_string(), "journal position", "another one", "remove the directory `history`"] {
        assert!(text.contains(words), "{text}");
    }
}
