//! `switch payment` and `switch payments`: a running switch and its data directory tell the same; whoever misuses the socket harms nobody.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use adapters::message::{CreditTransfer, Outcome, PaymentId};
use serde_json::Value;

use crate::harness::{BINARY, Data, code, eventually};
use crate::wire::{Wire, order};

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
    let output = run(data, is_live, words);
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(data: &Data, is_live: bool, words: &str) -> Value {
    let text = text(data, is_live, words);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn complaint(data: &Data, is_live: bool, words: &str) -> (i32, String) {
    let output = run(data, is_live, words);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("switch: ") && said.lines().count() == 1, "{words}: {said}");
    (output.status.code().unwrap(), said)
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

/// What is said on a connection that asks this.
fn answer_to(data: &Data, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(data.path("payments.socket")).unwrap();
    // Whoever is refused may be refused before all was sent.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = String::new();
    let _ = stream.read_to_string(&mut said);
    said
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
        let said = answer_to(&data, bytes);
        assert!(said.contains("\"trouble\"") && said.contains(words), "{words}: {said}");
    }
    // Who says nothing takes a place, of which there are a few.
    let idle: Vec<UnixStream> = (0..4).map(|_| UnixStream::connect(data.path("payments.socket")).unwrap()).collect();
    let (status, said) = complaint(&data, LIVE, "payments list");
    assert!(status == 1 && said.contains("4 others are looking payments up"), "{said}");
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
