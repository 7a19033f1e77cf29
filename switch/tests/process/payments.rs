//! `switch payment` and `switch payments`: a running switch and its data directory tell the same; whoever misuses the socket harms nobody.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use adapters::message::{
    Answer, CaseAnswer, CaseState, CreditTransfer, MessageKind, NO_ID, Outcome, PaymentId, Return,
};
use serde_json::Value;

use crate::harness::{BINARY, Data, all_places, answer_to, code, eventually, line_of, text_of};
use crate::history::decided;
use crate::operators;
use crate::wire::{Wire, order, written};

const LIVE: bool = true;

fn run(data: &Data, is_live: bool, words: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace()).stdin(Stdio::null());
    if is_live {
        command.arg("--config").arg(data.path("switch.toml"));
    } else {
        command.arg("--data").arg(data.path(""));
    }
    command.output().unwrap()
}

fn text(data: &Data, is_live: bool, words: &str) -> String {
    text_of(run(data, is_live, words), words)
}

fn json(data: &Data, is_live: bool, words: &str) -> Value {
    let text = text(data, is_live, words);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn complaint(data: &Data, is_live: bool, words: &str) -> (i32, String) {
    line_of(run(data, is_live, words), words)
}

/// Ids of a list, in its order.
fn ids(list: &Value) -> Vec<String> {
    assert_eq!(list["next"], Value::Null);
    list["payments"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

fn steps(trace: &Value) -> Vec<&str> {
    trace["trace"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect()
}

fn commit(payer: &mut Wire, payee: &mut Wire, order: &CreditTransfer) -> PaymentId {
    let id = payer.pay(order);
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    id
}

#[test]
fn a_running_switch_and_its_directory_tell_the_same() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let open = payer.pay(&order(1, 2, 678));
    payee.forward_of(open);
    let trace = json(&data, LIVE, &format!("payment show {open} --json"));
    assert_eq!((&trace["outcome"], &trace["decided"]), (&"in_flight".into(), &Value::Null));
    assert_eq!(steps(&trace), ["credit_transfer", "forward"]);
    assert_eq!((&trace["trace"][1]["number"], &trace["trace"][1]["participant"]), (&1.into(), &"PSP0002".into()));

    let committed = commit(&mut payer, &mut payee, &order(1, 2, 12_345));
    let refused = payer.pay(&order(1, 2, 50));
    payee.forward_of(refused);
    payee.reject(refused, b"AC04", "closed last week");
    assert_eq!(payer.status_of(refused).outcome, Outcome::Rejected);
    let unknown = payer.pay(&CreditTransfer { payee: *code(77).bytes(), ..order(1, 2, 5) });
    assert_eq!(payer.status_of(unknown).outcome, Outcome::Rejected);

    // Others pay meanwhile: what is asked for stays what it is.
    let [committed, refused, unknown, open] = [committed, refused, unknown, open].map(|id| id.to_string());
    let others = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let (mut payer, mut payee) = (Wire::open(&data, 3), Wire::open(&data, 4));
            (0..60).map(|_| commit(&mut payer, &mut payee, &order(3, 4, 7)).to_string()).collect::<Vec<_>>()
        });
        while !others.is_finished() {
            let mine = ids(&json(&data, LIVE, "payments list --participant PSP0001 --json"));
            assert_eq!(mine, [&committed, &refused, &unknown, &open].map(String::as_str));
            let all = ids(&json(&data, LIVE, "payments list --json"));
            let mut once = all.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), all.len(), "everybody is there once: {all:?}");
        }
        others.join().unwrap()
    });

    let all = ids(&json(&data, LIVE, "payments list --json"));
    let mut expected = vec![committed.clone(), refused.clone(), unknown.clone()];
    expected.extend(others.iter().cloned());
    expected.push(open.clone());
    assert_eq!(all, expected);
    assert_eq!(
        steps(&json(&data, LIVE, &format!("payment show {committed} --json"))),
        ["credit_transfer", "forward", "answer", "status", "status"]
    );
    let (status, said) = complaint(&data, !LIVE, "payments list");
    assert!(status == 2 && said.contains("is in use") && said.contains("--config"), "{said}");

    let questions: Vec<String> = [&committed, &refused, &unknown, &open]
        .iter()
        .flat_map(|id| [format!("payment show {id}"), format!("payment show {id} --json --through-journal")])
        .chain(
            ["", " --json", " --csv", " --limit 3", " --outcome in_flight", " --reason AC04 --csv"]
                .map(|words| format!("payments list{words}")),
        )
        .collect();
    let look = |is_live| questions.iter().map(|words| text(&data, is_live, words)).collect::<Vec<_>>();
    let running = look(LIVE);
    assert!(running.iter().all(|said| !said.contains("closed last week")), "what is sealed stays so");
    switch.stop();
    assert!(!data.path("payments.socket").exists(), "it is removed at the stop");
    assert_eq!(look(!LIVE), running);
    let (status, said) = complaint(&data, LIVE, "payments list");
    assert!(status == 2 && said.contains("no switch runs on"), "{said}");
    std::fs::remove_dir_all(data.path("history")).unwrap();
    assert_eq!(look(!LIVE), running, "without what is indexed");
    assert!(!data.path("history").exists(), "nothing is made by looking");
}

#[test]
fn who_misuses_the_socket_is_told_and_harms_nobody() {
    let data = Data::new();
    let mut switch = data.serve();
    let mode = std::fs::metadata(data.path("payments.socket")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let long = vec![b'x'; 8_192];
    let cases: [(&[u8], &str); 6] = [
        (b"hello\n", "a request that is none"),
        (b"{\"version\":9}\n", "a request of version 9"),
        (b"{\"version\":1,\"list\":{\"limit\":0}}\n", "--limit must be at least 1"),
        (b"{\"version\":1,\"list\":{\"limit\":1,\"participant\":\"PSP0099\"}}\n", "known: PSP0001"),
        (b"{\"version\":1", "ends before the end of its line"),
        (&long, "more than 4096 bytes"),
    ];
    for (bytes, words) in cases {
        let said = answer_to(&data.path("payments.socket"), bytes);
        assert!(said.contains("\"trouble\"") && said.contains(words), "{words}: {said}");
    }
    // Who says nothing takes a place, of which there are a few.
    let words = "4 others are looking payments up";
    let idle = all_places(&data.path("payments.socket"), words, || run(&data, LIVE, "payments list"));
    drop(idle);
    eventually("there is room again", || run(&data, LIVE, "payments list").status.success().then_some(()));
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let id = commit(&mut payer, &mut payee, &order(1, 2, 7));
    let (status, said) = complaint(&data, LIVE, &format!("payment show {}", PaymentId::random()));
    assert!(status == 1 && said.contains("there is no payment"), "{said}");
    // One who is killed leaves the socket; the next one replaces it.
    switch.kill();
    assert!(data.path("payments.socket").exists());
    let (status, said) = complaint(&data, LIVE, "payments list");
    assert!(status == 2 && said.contains("no switch runs on"), "{said}");
    switch = data.serve();
    assert!(text(&data, LIVE, &format!("payment show {id}")).contains("outcome   committed"));
    // Who is being served when the switch stops does not hold it up.
    let _idle = UnixStream::connect(data.path("payments.socket")).unwrap();
    switch.stop();
}

/// A page of a list, and the cursor of the next.
fn page(data: &Data, is_live: bool, words: &str, after: Option<&str>) -> (Vec<Value>, Option<String>) {
    let after = after.map(|after| format!("--after {after}")).unwrap_or_default();
    let list = json(data, is_live, &format!("payments list --json {words} {after}"));
    (list["payments"].as_array().unwrap().clone(), list["next"].as_str().map(str::to_owned))
}

/// All pages, behind each other.
fn pages(data: &Data, is_live: bool, words: &str) -> Vec<Value> {
    let (mut rows, mut next) = page(data, is_live, words, None);
    while let Some(after) = next {
        let (more, behind) = page(data, is_live, words, Some(&after));
        assert!(!more.is_empty() || behind.is_none());
        rows.extend(more);
        next = behind;
    }
    rows
}

fn id_of_row(row: &Value) -> String {
    row["id"].as_str().unwrap().to_owned()
}

#[test]
fn a_list_is_paged_through_while_others_pay() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let before: Vec<String> = (0..40).map(|_| commit(&mut payer, &mut payee, &order(1, 2, 5)).to_string()).collect();
    let others = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let (mut payer, mut payee) = (Wire::open(&data, 3), Wire::open(&data, 4));
            (0..200).map(|_| commit(&mut payer, &mut payee, &order(3, 4, 7)).to_string()).collect::<Vec<_>>()
        });
        while !others.is_finished() {
            let rows = pages(&data, LIVE, "--limit 29");
            // Who is in flight on one page may come again, decided.
            let decided: Vec<String> = rows.iter().filter(|row| row["outcome"] != "in_flight").map(id_of_row).collect();
            assert_eq!(decided[..before.len()], before[..]);
            let mut once = decided.clone();
            once.sort();
            once.dedup();
            assert_eq!(once.len(), decided.len(), "everybody is decided once");
        }
        others.join().unwrap()
    });
    let expected: Vec<String> = before.into_iter().chain(others).collect();
    let quiet: Vec<String> = pages(&data, LIVE, "--limit 29").iter().map(id_of_row).collect();
    assert_eq!(quiet, expected);
    switch.stop();
    let offline: Vec<String> = pages(&data, !LIVE, "--limit 29").iter().map(id_of_row).collect();
    assert_eq!(offline, expected);
}

#[test]
fn a_list_longer_than_what_is_asked_of_memory_at_once_is_whole() {
    let data = Data::new();
    // Nothing comes into files by itself: all of it is in memory.
    data.set("switch.toml", "snapshot_every_entries", 0);
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let mut expected = Vec::new();
    for _ in 0..(switch::limits::LOOKUP_RECORDS_MAX / 1_000 + 2) {
        let orders = (0..1_000).map(|_| CreditTransfer { payee: *code(77).bytes(), ..order(1, 2, 5) });
        let ids: Vec<PaymentId> = orders.map(|order| payer.pay(&order)).collect();
        for id in ids {
            assert_eq!(payer.status_of(id).outcome, Outcome::Rejected);
            expected.push(id.to_string());
        }
    }
    assert!(expected.len() > switch::limits::LOOKUP_RECORDS_MAX);
    assert_eq!(ids(&json(&data, LIVE, "payments list --json --limit 100000")), expected);
    let paged: Vec<String> = pages(&data, LIVE, "--limit 999").iter().map(id_of_row).collect();
    assert_eq!(paged, expected);
    let last = expected.last().unwrap();
    assert!(text(&data, LIVE, &format!("payment show {last}")).contains("rejected"));
    switch.stop();
}

#[test]
fn a_connection_that_cannot_be_taken_ends_no_look_ups() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let id = commit(&mut payer, &mut payee, &order(1, 2, 7)).to_string();
    assert_eq!(ids(&json(&data, LIVE, "payments list --json")), [id.as_str()]);
    let limit = switch.take_file_descriptors();
    let waiting = std::thread::scope(|scope| {
        let waiting = scope.spawn(|| json(&data, LIVE, "payments list --json"));
        eventually("it says that it takes nobody", || {
            switch.log().iter().any(|line| line.contains("no connection for looking payments up")).then_some(())
        });
        switch.give_file_descriptors(limit);
        waiting.join().unwrap()
    });
    assert_eq!(ids(&waiting), [id.as_str()], "who came meanwhile is served");
    assert_eq!(ids(&json(&data, LIVE, "payments list --json")), [id.as_str()]);
    commit(&mut payer, &mut payee, &order(1, 2, 7));
    switch.stop();
}

/// Flips bits of the first place where a file has these bytes.
fn damage(path: &std::path::Path, bytes: &[u8]) -> bool {
    let mut content = std::fs::read(path).unwrap();
    let Some(place) = content.windows(bytes.len()).position(|window| window == bytes) else { return false };
    content[place] ^= 0x55;
    std::fs::write(path, content).unwrap();
    true
}

fn files_in(data: &Data, directory: &str) -> Vec<std::path::PathBuf> {
    std::fs::read_dir(data.path(directory)).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_damaged_history_is_told_and_ends_neither_look_ups_nor_payments() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let known: Vec<PaymentId> = (0..5).map(|_| commit(&mut payer, &mut payee, &order(1, 2, 7))).collect();
    switch.stop();
    let switch = data.serve();
    let records =
        files_in(&data, "history").into_iter().filter(|path| path.extension().is_some_and(|e| e == "records"));
    assert_eq!(records.filter(|path| damage(path, &known[2].bytes())).count(), 1, "it is in one file");
    let (status, said) = complaint(&data, LIVE, "payments list");
    assert!(status == 1 && said.contains(".records") && said.contains("remove"), "{said}");
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let new = commit(&mut payer, &mut payee, &order(1, 2, 7));
    let (status, said) = complaint(&data, LIVE, &format!("payment show {}", known[2]));
    assert!(status == 1 && said.contains(".records"), "{said}");
    switch.kill();
    let expected: Vec<String> = known.iter().chain([&new]).map(PaymentId::to_string).collect();
    assert_eq!(ids(&json(&data, !LIVE, "payments list --json")), expected, "whoever opens such a file leaves it out");
    std::fs::remove_dir_all(data.path("history")).unwrap();
    let switch = data.serve();
    assert_eq!(ids(&json(&data, LIVE, "payments list --json")), expected, "it is made again");
    switch.stop();
}

#[test]
fn several_may_look_at_a_stopped_switch_and_nobody_starts_it_meanwhile() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let id = commit(&mut payer, &mut payee, &order(1, 2, 7)).to_string();
    switch.stop();
    let looking = switch::lookup::open_offline(&data.path("")).unwrap();
    assert_eq!(ids(&json(&data, !LIVE, "payments list --json")), [id.as_str()]);
    assert!(text(&data, !LIVE, &format!("payment show {id}")).contains("committed"));
    let ended = data.serve_in_vain();
    let (status, said) = ended.complaint();
    assert!(status == Some(2) && said.contains("is open in another process"), "{said}");
    drop(looking);
    data.serve().stop();
}

#[test]
fn a_look_up_without_a_switch_begins_at_a_snapshot() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let early = commit(&mut payer, &mut payee, &order(1, 2, 7));
    let open = payer.pay(&order(1, 2, 9));
    payee.forward_of(open);
    commit(&mut payer, &mut payee, &order(1, 2, 7));
    switch.stop();
    let questions =
        [format!("payment show {early} --json"), format!("payment show {open} --json"), "payments list --json".into()];
    let unknown = format!("payment show {}", PaymentId::random());
    let look = || {
        let (status, said) = complaint(&data, !LIVE, &unknown);
        assert!(status == 1 && said.contains("there is no payment"), "{said}");
        let end: u64 = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
        let answers = questions.each_ref().map(|words| json(&data, !LIVE, words));
        (end, answers, switch::lookup::open_offline(&data.path("")).unwrap().replays_behind().unwrap())
    };
    // A snapshot was taken at the stop, so nothing is replayed.
    let (end, answers, behind) = look();
    assert_eq!(behind, end);
    assert_eq!(ids(&answers[2]).len(), 3);
    // One that cannot be used is passed over, and is left to the next start to remove.
    let snapshots = files_in(&data, "snapshots");
    for path in &snapshots {
        std::fs::write(path, [7; 4_096]).unwrap();
    }
    assert_eq!(look(), (end, answers.clone(), 0));
    assert_eq!(files_in(&data, "snapshots"), snapshots);
    std::fs::remove_dir_all(data.path("snapshots")).unwrap();
    assert_eq!(look(), (end, answers, 0));
    assert!(!data.path("snapshots").exists(), "nothing is made by looking");
}

#[test]
fn what_was_returned_behind_the_files_is_known_without_a_switch() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let paid = commit(&mut payer, &mut payee, &order(1, 2, 1_000));
    switch.stop();
    let switch = data.serve();
    let mut payee = Wire::open(&data, 2);
    let id = give_back(&mut payee, paid, 300);
    assert_eq!(payee.status_of(id).outcome, Outcome::Committed);
    let shown = |is_live| json(&data, is_live, &format!("payment show {paid} --json"));
    let running = shown(LIVE);
    assert_eq!(running["returned"], "300");
    switch.kill();
    assert_eq!(shown(!LIVE), running);
}

fn give_back(payee: &mut Wire, paid: PaymentId, minor_units: u64) -> PaymentId {
    let message = Return {
        return_id: PaymentId::random().bytes(),
        original_id: paid.bytes(),
        case_id: NO_ID,
        amount: minor_units,
        currency: *b"XTS",
        reason: *b"FOCR",
    };
    payee.send(MessageKind::Return, &written(&message), &[]);
    PaymentId::from_bytes(message.return_id).unwrap()
}

/// A payment that is committed and not posted yet.
fn unposted(payer: &mut Wire, payee: &mut Wire) -> PaymentId {
    let id = payer.pay(&order(1, 2, 300));
    payee.forward_of(id);
    payee.send(MessageKind::Answer, &written(&Answer::accept_without_posting(id)), &[]);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    assert_eq!(payee.case_of(id).state, CaseState::Open);
    id
}

fn activate(data: &Data, change: &str) {
    let words = format!("rules activate --yes --set {change} --operator j.doe --reason");
    operators::text(data, &words, &["a test"]);
}

#[test]
fn a_payment_shows_what_became_of_its_posting_however_old_it_is() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let [posted, sent_back, owed] = [(); 3].map(|()| unposted(&mut payer, &mut payee));
    payee.send(MessageKind::CaseAnswer, &written(&CaseAnswer::accept(posted)), &[]);
    assert_eq!(payee.case_of(posted).state, CaseState::Settled);
    give_back(&mut payee, sent_back, 300);
    assert_eq!(payee.case_of(sent_back).state, CaseState::Settled);
    activate(&data, "posting_follow_up_ms=1");
    let late = unposted(&mut payer, &mut payee);
    assert_eq!(payee.case_of(late).state, CaseState::Expired);

    let accepted = ["credit_transfer", "forward", "answer", "status", "status", "case_status", "case_status"];
    let expected = [
        (posted, vec!["case_answer", "case_status", "case_status"]),
        (sent_back, vec!["return", "case_status", "case_status"]),
        (owed, vec![]),
        (late, vec!["deadline", "case_status", "case_status"]),
    ];
    let check = |is_live: bool| {
        for (id, more) in &expected {
            let trace = json(&data, is_live, &format!("payment show {id} --json"));
            assert_eq!(steps(&trace), [&accepted[..], more].concat(), "{trace}");
            let told: Vec<&Value> =
                trace["trace"].as_array().unwrap().iter().filter(|step| step["step"] == "case_status").collect();
            assert!(told.iter().all(|step| step["says"].as_str().unwrap().starts_with("posting ")), "{trace}");
        }
    };
    check(LIVE);
    // They leave memory: what is shown then comes from files.
    activate(&data, "outcomes_kept=4");
    for _ in 0..12 {
        let order = CreditTransfer { payee: *code(77).bytes(), ..order(1, 2, 7) };
        assert_eq!(decided(&mut payer, &order).outcome, Outcome::Rejected);
    }
    check(LIVE);
    switch.stop();
    check(!LIVE);
    std::fs::remove_dir_all(data.path("history")).unwrap();
    check(!LIVE);
}
