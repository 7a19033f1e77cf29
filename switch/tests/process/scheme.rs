//! The scheme's money through `switch admin`: real processes, from money that comes in to a window that is settled, with kills between, and the stream of events
//! that tells of it: none is lost, none is there twice.

use std::process::{Child, Command, Stdio};

use adapters::message::Outcome;
use serde_json::Value;

use crate::harness::{BINARY, CURRENCY, Data, FUNDS, Switch, eventually};
use crate::operators::{BY, complaint, done, run, text};
use crate::wire::{Wire, order};

#[track_caller]
fn refused(data: &Data, words: &str, says: &str) {
    let (status, said) = complaint(data, words, &BY);
    assert!(status == 1 && said.contains(says) && said.contains("nothing is changed"), "{words}: {said}");
}

fn rows(data: &Data, words: &str) -> Vec<Value> {
    let said = text(data, words, &["--json"]);
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The stream from its beginning.
fn events(data: &Data, words: &str) -> Vec<Value> {
    let events = rows(data, &format!("events {words}"));
    let numbers: Vec<u64> = events.iter().map(|event| event["number"].as_u64().unwrap()).collect();
    assert!(numbers.iter().zip(numbers[0]..).all(|(number, expected)| *number == expected), "{numbers:?}");
    events
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap()).collect()
}

/// A scheme that settles net, and in which each may go as far below zero as it has money.
fn net_scheme() -> Data {
    let data = Data::new();
    let genesis = std::fs::read_to_string(data.path("genesis.toml")).unwrap();
    let lines = genesis.lines().map(|line| match line {
        line if line.starts_with("minor_digits") => format!("{line}\nmodel = \"net\""),
        line if line.starts_with("model") => String::new(),
        line => line.to_owned(),
    });
    std::fs::write(data.path("genesis.toml"), lines.collect::<Vec<_>>().join("\n")).unwrap();
    data
}

fn pay(data: &Data, payer: usize, payee: usize, amount: u64) -> Outcome {
    let (mut from, mut to) = (Wire::open(data, payer), Wire::open(data, payee));
    let id = from.pay(&order(payer, payee, amount));
    to.forward_of(id);
    to.accept(id);
    from.status_of(id).outcome
}

fn balance(data: &Data, participant: &str, account: &str, words: &str) -> String {
    let view = &rows(data, &format!("participants show {participant} {words}"))[0];
    let found = view["accounts"].as_array().unwrap().iter().find(|row| row["account"] == account);
    found.map_or_else(String::new, |row| row["balance"].as_str().unwrap().to_owned())
}

fn restarted(data: &Data, switch: Switch) -> Switch {
    switch.kill();
    data.serve()
}

#[test]
fn a_window_is_cut_and_settled_with_kills_between() {
    let data = net_scheme();
    let mut switch = data.serve();
    for code in ["PSP0001", "PSP0002"] {
        done(&data, &format!("participants terms {code} --currency {CURRENCY} --net-debit-cap 1000"));
    }
    assert_eq!(pay(&data, 1, 2, 600), Outcome::Committed);
    let (status, said) = complaint(&data, "settlement cut --currency XTS", &BY[..6]);
    assert!(status == 2 && said.contains("nothing is done"), "{said}");
    done(&data, "settlement cut --currency XTS");
    switch = restarted(&data, switch);
    let nets = rows(&data, "settlement nets --currency XTS --window 1");
    let nets: Vec<(&str, &str)> =
        nets.iter().map(|net| (net["participant"].as_str().unwrap(), net["net"].as_str().unwrap())).collect();
    assert_eq!(nets, [("PSP0001", "-600"), ("PSP0002", "600")]);
    refused(&data, "settlement confirm --currency XTS --window 1 --participant PSP0001", "refused with 53: ");
    done(&data, "settlement start --currency XTS --window 1");
    switch = restarted(&data, switch);
    refused(&data, "settlement confirm --currency XTS --window 1 --participant PSP0002", "refused with 59: ");
    refused(&data, "settlement start --currency XTS --window 1", "refused with 54: ");
    let said = done(&data, "settlement confirm --currency XTS --window 1 --all");
    let debtor = said.find("confirm      PSP0001 XTS -6.00").unwrap();
    assert!(debtor < said.find("confirm      PSP0002 XTS 6.00").unwrap(), "debtors first: {said}");
    refused(&data, "settlement abort --currency XTS --window 1", "refused with 52: ");
    assert_eq!(balance(&data, "PSP0001", "settlement", ""), (FUNDS - 600).to_string());
    assert_eq!(balance(&data, "PSP0002", "position", ""), "0");

    let before = events(&data, "");
    let settled = kinds(&before);
    let tail =
        ["SettlementStarted", "CommandRefused", "CommandRefused", "NetConfirmed", "NetConfirmed", "WindowSettled"];
    assert!(settled.windows(6).any(|six| six == tail), "{settled:?}");
    switch.kill();
    assert_eq!(events(&data, "--offline"), before, "what was not written is told by the replay");
    let switch = data.serve();
    assert_eq!(events(&data, ""), before, "none is lost, and none is there twice");
    switch.stop();
    data.verified();
}

#[test]
fn money_comes_in_and_goes_out_and_a_reference_counts_once() {
    let data = Data::new();
    let switch = data.serve();
    let said = done(&data, "money in PSP0001 250 --currency XTS --reference RTGS-1");
    assert!(said.contains("amount       XTS 2.50\nreference    RTGS-1\n"), "{said}");
    assert_eq!(balance(&data, "PSP0001", "settlement", ""), FUNDS.to_string(), "it is not there yet");
    let prepared = rows(&data, "money list");
    assert_eq!(
        (prepared.len(), &prepared[0]["reference"], &prepared[0]["amount"]),
        (1, &"RTGS-1".into(), &"250".into())
    );
    done(&data, "money in PSP0001 250 --currency XTS --reference RTGS-1");
    refused(&data, "money in PSP0001 251 --currency XTS --reference RTGS-1", "refused with 30: ");
    let switch = restarted(&data, switch);
    done(&data, "money confirm RTGS-1");
    assert_eq!(balance(&data, "PSP0001", "settlement", ""), (FUNDS + 250).to_string());
    refused(&data, "money confirm RTGS-1", "refused with 32: ");
    refused(&data, "money abort RTGS-2", "refused with 31: ");
    // Made by the program, and printed.
    let said = done(&data, "money block PSP0002 100 --currency XTS");
    let made = said.lines().find_map(|line| line.strip_prefix("reference    ")).unwrap().to_owned();
    assert_eq!(made.len(), 36);
    refused(&data, &format!("money confirm {made}"), "refused with 33: ");
    done(&data, &format!("money abort {made}"));
    refused(&data, "money transfer PSP0001 PSP0002 5 --currency XTS", "refused with 34: ");
    done(&data, "money allow PSP0001 PSP0002");
    done(&data, "money transfer PSP0001 PSP0002 5 --currency XTS");
    assert_eq!(balance(&data, "PSP0002", "settlement", ""), (FUNDS + 5).to_string());
    done(&data, "liquidity rules PSP0001 --currency XTS --floor 10 --target 20 --ceiling 1000 --automatic");
    assert_eq!(balance(&data, "PSP0001", "reserve", ""), (FUNDS + 225).to_string(), "swept");
    done(&data, "money from-reserve PSP0001 30 --currency XTS");
    let row = rows(&data, "liquidity show --currency XTS").remove(0);
    assert_eq!((&row["available"], &row["rule"]["is_automatic"]), (&"50".into(), &true.into()));
    switch.stop();
    done(&data, "money out PSP0002 7 --currency XTS --reference OUT --offline");
    done(&data, "money confirm OUT --offline");
    assert_eq!(balance(&data, "PSP0002", "settlement", "--offline"), (FUNDS - 2).to_string());
    let told = events(&data, "--offline");
    assert_eq!(kinds(&told)[told.len() - 2..], ["MoneyPrepared", "MoneyConfirmed"]);
    data.verified();
}

#[test]
fn a_participant_that_is_opened_connects_at_once() {
    let data = Data::with_participants(5);
    // The fifth has a certificate, and is not in the scheme yet.
    let genesis = std::fs::read_to_string(data.path("genesis.toml")).unwrap();
    let (others, fifth) = genesis.rsplit_once("[[participant]]").unwrap();
    assert!(fifth.contains("PSP0005"), "{genesis}");
    std::fs::write(data.path("genesis.toml"), others).unwrap();
    let switch = data.serve();
    let (status, said) = complaint(&data, "participants show PSP0005", &[]);
    assert!(status == 2 && said.contains("the scheme has no participant PSP0005"), "{said}");
    let alone = [&BY[..2], &BY[4..]].concat();
    let (status, said) = complaint(&data, "participants open PSP0005 --active", &alone);
    assert!(status == 1 && said.contains("refused with 102: "), "{said}");
    done(&data, "participants open PSP0005 --active --class 3");
    let (status, said) = complaint(&data, "participants open PSP0005 --active", &BY);
    assert!(status == 2 && said.contains("has a participant PSP0005 already"), "{said}");
    assert_eq!(pay(&data, 1, 5, 100), Outcome::Committed);
    assert_eq!(balance(&data, "PSP0005", "settlement", ""), "100");
    done(&data, "participants stand PSP0005 debits-suspended");
    refused(&data, "participants stand PSP0005 onboarding", "refused with 11: ");
    done(&data, "participants limits PSP0005 --orders-burst 9");
    let file = data.path("pki/PSP0005.pem");
    let said = done(&data, &format!("participants certificate PSP0005 --file {}", file.display()));
    let fingerprint = said.lines().find_map(|line| line.strip_prefix("fingerprint  ")).unwrap().to_owned();
    let (status, said) = complaint(&data, &format!("participants certificate PSP0004 --file {}", file.display()), &BY);
    assert!(status == 2 && said.contains("common name is PSP0005, and not PSP0004"), "{said}");
    let view = rows(&data, "participants show PSP0005").remove(0);
    assert_eq!(
        (&view["standing"], &view["class"], &view["orders_burst"]),
        (&"debits-suspended".into(), &3.into(), &9.into())
    );
    assert_eq!(view["certificates"][0]["fingerprint"], fingerprint.as_str());
    done(&data, &format!("participants certificate PSP0005 --fingerprint {fingerprint} --revoke"));
    done(&data, &format!("participants certificate PSP0005 --file {}", file.display()));
    done(&data, "currencies open KES --amount-max 100000");
    let switch = restarted(&data, switch);
    let mut fifth = Wire::open(&data, 5);
    let id = fifth.pay(&order(5, 1, 1));
    assert_eq!(fifth.status_of(id).outcome, Outcome::Rejected, "its debits are suspended");
    assert_eq!(rows(&data, "participants list").len(), 5);
    assert_eq!(rows(&data, "participants show PSP0005")[0]["terms"].as_array().unwrap().len(), 2);
    switch.stop();
    let told = events(&data, "--offline");
    let of_it: Vec<&str> = kinds(&told).into_iter().filter(|kind| kind.contains("Opened")).collect();
    assert_eq!(of_it.iter().filter(|kind| **kind == "ParticipantOpened").count(), 5);
    assert_eq!(of_it.iter().filter(|kind| **kind == "CurrencyOpened").count(), 2);
    data.verified();
}

#[test]
fn fees_are_set_from_a_file_and_collected() {
    let data = Data::new();
    let switch = data.serve();
    let row = "[[row]]\nflow = \"payment\"\ncurrency = \"XTS\"\nfrom = 1\nthrough = 999999999999999999\nfixed = 5\nbearer = \"payer\"\nto = \"scheme\"\n";
    let file = data.path("tariff.toml");
    std::fs::write(&file, row.replace("payment", "gift")).unwrap();
    let (status, said) = complaint(&data, &format!("fees set {}", file.display()), &BY);
    assert!(status == 2 && said.contains("tariff.toml: line 2: ") && said.contains("gift"), "{said}");
    std::fs::write(&file, row.replace("= 999999999999999999", "= 10")).unwrap();
    refused(&data, &format!("fees set {}", file.display()), "refused with 71: ");
    std::fs::write(&file, row).unwrap();
    done(&data, &format!("fees set {}", file.display()));
    // What is shown can be set again.
    std::fs::write(&file, text(&data, "fees show", &[])).unwrap();
    done(&data, &format!("fees set {}", file.display()));
    assert_eq!(pay(&data, 1, 2, 100), Outcome::Committed);
    let owed = rows(&data, "fees balances --currency XTS");
    assert_eq!((owed.len(), &owed[0]["participant"], &owed[0]["balance"]), (1, &"PSP0001".into(), &"-5".into()));
    done(&data, "fees collect --currency XTS");
    assert!(rows(&data, "fees balances --currency XTS").is_empty());
    assert_eq!(balance(&data, "PSP0001", "settlement", ""), (FUNDS - 105).to_string());
    done(&data, "settlement calendar --currency XTS --days mon-sun --at 00:00 --from 2100-01-01T00:00:00Z");
    let windows = rows(&data, "settlement windows");
    assert!(windows[0]["closes_at_ns"].as_u64().unwrap() >= 4_102_444_800_000_000_000, "{windows:?}");
    done(&data, "settlement calendar --currency XTS --none");
    assert!(rows(&data, "settlement windows")[0]["closes_at_ns"].is_null());
    switch.stop();
    data.verified();
}

/// A command that goes on until it is killed, and outlives no test.
struct Follower(Child);

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn events_are_followed_and_made_again_where_their_files_are_gone() {
    let data = Data::new();
    data.set("switch.toml", "snapshot_every_entries", 100);
    let switch = data.serve();
    let mut follower = Command::new(BINARY);
    follower.args(["admin", "events", "--follow", "--json", "--data"]).arg(data.path(""));
    let file = data.path("followed");
    let out = std::fs::File::create(&file).unwrap();
    let follower = Follower(follower.stdin(Stdio::null()).stdout(out).spawn().unwrap());
    done(&data, "money in PSP0001 250 --currency XTS --reference RTGS-1");
    done(&data, "money abort RTGS-1");
    eventually("the follower hears of it", || {
        let said = std::fs::read_to_string(&file).unwrap();
        said.contains("\"MoneyAborted\"").then_some(())
    });
    drop(follower);
    let all = events(&data, "");
    let after = all.len() - 2;
    assert_eq!(kinds(&events(&data, &format!("--after {after}"))), ["MoneyPrepared", "MoneyAborted"]);
    assert!(rows(&data, &format!("events --after {}", all.len())).is_empty());
    let (status, said) = complaint(&data, &format!("events --after {}", all.len() + 1), &[]);
    assert!(status == 2 && said.contains("there is no event"), "{said}");
    // A stop leaves a snapshot, behind which no event is replayed.
    switch.stop();
    let segment = data.path("events/00000000000000000001.events");
    let bytes = std::fs::read(&segment).unwrap();
    assert_eq!(bytes.len(), 64 * (all.len() + 1));
    for left in [0, 63, 64, 200, bytes.len() - 1] {
        std::fs::write(&segment, &bytes[..left]).unwrap();
        data.serve().kill();
        assert_eq!(std::fs::read(&segment).unwrap()[..bytes.len()], bytes, "{left} bytes were left");
    }
    std::fs::remove_dir_all(data.path("events")).unwrap();
    let switch = data.serve();
    assert!(events(&data, "").starts_with(&all));
    switch.stop();
    data.verified();
}

#[test]
fn what_is_typed_wrongly_is_said_in_a_line() {
    let data = Data::new();
    let switch = data.serve();
    let mistakes = [
        ("money in PSP0009 5 --currency XTS", "the scheme has no participant PSP0009"),
        ("money in PSP0001 5 --currency USD", "the scheme does not settle USD; it has XTS"),
        ("participants terms PSP0001 --currency XTS", "name what is to change"),
        ("participants certificate PSP0001 --file /nowhere.pem", "/nowhere.pem"),
        ("settlement nets --currency XTS --window 7", "XTS has had no window of payments yet"),
        ("fees set /nowhere.toml", "/nowhere.toml: "),
        ("currencies open XTS --amount-max 5", "the scheme has XTS already"),
    ];
    for (words, says) in mistakes {
        let more = if words.contains(" nets ") { &[][..] } else { &BY[..] };
        let (status, said) = complaint(&data, words, more);
        assert!(status == 2 && said.contains(says), "{words}: {said}");
    }
    for words in [
        "money in PSP0001 0 --currency XTS",
        "money in PSP0001 1.50 --currency XTS",
        "money in psp 5 --currency XTS",
        "money confirm 5f3c1f0e-8f0b-4d5e-9f57-0a1b2c3d4e5f",
        "participants stand PSP0001 gone",
        "settlement calendar --currency XTS --days someday --at 10:00",
        "settlement confirm --currency XTS --window 1",
        "participants limits PSP0001",
    ] {
        assert_eq!(run(&data, words, &BY).status.code(), Some(2), "{words}");
    }
    let began = events(&data, "").len();
    refused(&data, "settlement start --currency XTS --window 1", "refused with 50: ");
    // The stream is written behind the answer.
    let told = eventually("the refusal is told", || {
        let told = events(&data, "");
        kinds(&told).contains(&"CommandRefused").then_some(told)
    });
    assert_eq!(told.len(), began + 1, "all else left no trace");
    switch.stop();
}
