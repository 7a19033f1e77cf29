//! The command line: help, `init`, the line that says ready, and everything that keeps a switch from starting: one line, what to do, status 2.

use std::net::TcpListener;
use std::process::{Command, Output};

use crate::harness::{BINARY, Data, Ended, eventually};
use crate::wire::{Wire, order};

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn every_command_explains_itself() {
    let commands: [(&[&str], &[&str]); 8] = [
        (&[], &["demo", "init", "serve", "ledger"]),
        (&["demo"], &["--data", "--payments", "--exit"]),
        (&["init"], &["--data", "--participants", "--funds", "--currency", "--listen"]),
        (&["serve"], &["--config", "--status-file", "ready native=HOST:PORT"]),
        (&["ledger"], &["verify"]),
        (&["admin", "rules"], &["show", "activate"]),
        (
            &["admin", "rules", "activate"],
            &["--set", "--file", "--operator", "--approver", "--reason", "--yes", "--offline"],
        ),
        (&["ledger", "verify"], &["--data", "--json"]),
    ];
    for (command, words) in commands {
        let output = run(&[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {output:?}");
        let help = text(&output.stdout);
        words.iter().for_each(|word| assert!(help.contains(word), "{command:?} does not explain {word}:\n{help}"));
        assert_eq!(text(&output.stderr), "", "{command:?}");
    }
    for wrong in [&[][..], &["serve"], &["pay"], &["init", "--data", "x", "--participants", "0"]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

/// Twice over one directory: what was made and registered by the first is there for the second.
#[test]
fn the_demo_tells_its_stories_to_the_end_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("demo");
    for (registered, books) in [
        ("6 customers have registered their mobile numbers, as", "51 payments committed, 0 rejected"),
        ("6 customers have registered their mobile numbers before", "102 payments committed, 0 rejected"),
    ] {
        // Too few for the one in fifty that goes to nobody; two more come of the stories.
        let output = run(&["demo", "--data", data.to_str().unwrap(), "--payments", "49", "--exit"]);
        let said = text(&output.stdout);
        assert_eq!((output.status.code(), text(&output.stderr).as_str()), (Some(0), ""), "{said}");
        for words in [registered, "goes back", "to pay XTS 125.00", "hears: F**** H****, at CORALMFI", "settled", books]
        {
            assert!(said.contains(words), "no `{words}` in {said}");
        }
        assert!(said.contains("they balance") && !said.contains("DO NOT"), "{said}");
    }
}

#[test]
fn init_touches_nothing_that_is_there() {
    let data = Data::new();
    let files = ["switch.toml", "genesis.toml", "pki/ca.pem", "pki/ca.key", "pki/PSP0001.key"];
    let read = || {
        let read = |path| std::fs::read(path).unwrap();
        let mut contents: Vec<_> = files.iter().map(|file| read(data.path(file))).collect();
        contents.push(read(data.sealing_key()));
        contents
    };
    let before = read();
    let output = run(&["init", "--data", data.path("").to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let complaint = text(&output.stderr);
    assert!(
        complaint.starts_with("switch: ") && complaint.contains("is there already; choose another --data"),
        "{complaint}"
    );
    assert!(complaint.lines().count() == 1 && output.stdout.is_empty(), "{output:?}");
    assert!(read() == before);
}

#[test]
fn what_init_cannot_make_is_said() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("data");
    let cases = [(["--currency", "xts"], "--currency xts"), (["--funds", "0"], "--funds")];
    for (arguments, words) in cases {
        let output = run(&[&["init", "--data", data.to_str().unwrap()], &arguments[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(words), "{output:?}");
        assert!(!data.join("switch.toml").exists());
    }
}

#[test]
fn serve_says_where_it_is_ready_and_nothing_else() {
    let data = Data::new();
    let switch = data.serve();
    assert_eq!(switch.ready_line(), format!("ready native={}", data.address()));
    switch.stop();
    // Port 0 takes a free one, and says which.
    data.edit("switch.toml", &format!("\"{}\"", data.address()), "\"127.0.0.1:0\"");
    let switch = data.serve();
    let port = switch.ready_line().strip_prefix("ready native=127.0.0.1:").unwrap();
    assert!(port.parse::<u16>().unwrap() > 0, "{port}");
    switch.stop();
}

/// The switch did not start, and says why in one line with all of `words`.
fn expect_no_start(ended: &Ended, words: &[&str]) {
    let (status, complaint) = ended.complaint();
    assert_eq!(status, Some(2), "{ended:?}");
    words.iter().for_each(|word| assert!(complaint.contains(word), "`{word}` is not in: {complaint}"));
}

#[test]
fn what_keeps_a_switch_from_starting_is_said_in_one_line() {
    let good = Data::new();
    good.serve().stop();
    let config = std::fs::read_to_string(good.path("switch.toml")).unwrap();
    let port_taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let taken = port_taken.local_addr().unwrap().to_string();
    let missing_genesis = good.path("genesis.toml");
    let genesis = std::fs::read_to_string(&missing_genesis).unwrap();
    let with_config = |from: &str, to: &str, words: &[&str]| {
        assert!(config.contains(from), "{from}");
        std::fs::write(good.path("switch.toml"), config.replace(from, to)).unwrap();
        expect_no_start(&good.serve_in_vain(), words);
        std::fs::write(good.path("switch.toml"), &config).unwrap();
    };
    with_config("[journal]", "[journal]\nsegment_size = 7", &["switch.toml: line", "unknown field `segment_size`"]);
    let (now, usual) = (4 * switch::limits::BATCH_BYTES_MAX, switch::limits::SEGMENT_BYTES_DEFAULT);
    with_config(&now.to_string(), &usual.to_string(), &["the journal's options do not fit", &now.to_string()]);
    with_config(&now.to_string(), "4096", &["journal.segment_bytes must be", "at least"]);
    with_config("key_file = \"../", "key_file = \"../no-", &["no-data.sealing-key is missing", "restore it"]);
    with_config("server.pem", "nothing.pem", &["nothing.pem", "give a PEM file"]);
    with_config("\"pki/ca.pem\"", "\"genesis.toml\"", &["genesis.toml", "certificate"]);
    with_config("server.key", "PSP0001.key", &["tls", "section [tls]"]);
    with_config(&good.address().to_string(), &taken, &[&taken, "in use", "choose another listen.native"]);
    std::fs::remove_file(good.path("switch.toml")).unwrap();
    expect_no_start(&good.serve_in_vain(), &["switch.toml", "switch init"]);
    std::fs::write(good.path("switch.toml"), &config).unwrap();

    // The genesis is read when there is no journal yet, and never again.
    std::fs::remove_dir_all(good.path("journal")).unwrap();
    std::fs::remove_dir_all(good.path("keys")).unwrap();
    std::fs::remove_file(&missing_genesis).unwrap();
    expect_no_start(&good.serve_in_vain(), &["genesis.toml"]);
    std::fs::write(&missing_genesis, genesis.replace("timeout_ms", "time_out_ms")).unwrap();
    expect_no_start(&good.serve_in_vain(), &["genesis.toml: line", "time_out_ms"]);
    std::fs::write(&missing_genesis, &genesis).unwrap();
    good.serve().stop();
    std::fs::remove_file(&missing_genesis).unwrap();
    good.serve().stop();
}

#[test]
fn a_data_directory_has_one_switch() {
    let data = Data::new();
    let switch = data.serve();
    // Another address, so that it is the directory that says no.
    data.edit("switch.toml", &data.address().to_string(), "127.0.0.1:0");
    expect_no_start(&data.serve_in_vain(), &["journal", "open in another process", "stop that one first"]);
    // The first is unharmed, and may be looked at while it runs.
    let mut payer = Wire::open(&data, 1);
    payer.pay(&order(1, 2, 1));
    payer.fence();
    assert_eq!(data.verified()["payments"]["in_flight"], 1);
    switch.stop();
}

#[test]
fn another_sealing_key_or_none_is_refused_and_the_right_one_opens_everything() {
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    payer.pay(&order(1, 2, 1));
    payer.fence();
    switch.stop();
    let right = std::fs::read(data.sealing_key()).unwrap();
    let cases: [(Option<&str>, &[&str]); 4] = [
        (None, &["data.sealing-key is missing", "restore it"]),
        (Some(&"5a".repeat(32)), &["the sealing key does not open", "restore the key file"]),
        (Some("not a key"), &["64 hexadecimal digits"]),
        (Some(""), &["64 hexadecimal digits"]),
    ];
    for (key, words) in cases {
        match key {
            Some(key) => std::fs::write(data.sealing_key(), key).unwrap(),
            None => std::fs::remove_file(data.sealing_key()).unwrap(),
        }
        let ended = data.serve_in_vain();
        expect_no_start(&ended, words);
        assert!(ended.log.iter().all(|line| !line.contains("5a5a5a")), "no key in the log: {ended:?}");
    }
    std::fs::write(data.sealing_key(), right).unwrap();
    let switch = data.serve();
    let (mut payee, _) = Wire::resume(&data, 2, adapters::native::session::Resume::FROM_THE_START);
    eventually("what was sealed comes back", || payee.next().unwrap().forwarded());
    switch.stop();
}

/// For whoever watches from outside: one line, written anew, with queues and watermarks in their order.
#[test]
fn the_status_file_says_how_far_the_switch_is() {
    let data = Data::new();
    let path = data.path("status.json");
    let mut command = data.serve_command();
    command.arg("--status-file").arg(&path);
    let switch = crate::harness::Switch::start(command);
    let status: serde_json::Value = eventually("a status", || serde_json::from_slice(&std::fs::read(&path).ok()?).ok());
    let position = |key: &str| status[key].as_u64().unwrap();
    assert!(position("sequenced") >= position("durable") && position("durable") >= position("applied"), "{status}");
    assert!(position("applied") > 0, "the genesis is decided: {status}");
    assert!(position("applied") >= position("indexed"), "{status}");
    for queue in ["waiting_for_history", "waiting_for_renderer", "outbox_records_held", "outcomes_unindexed"] {
        assert_eq!(position(queue), 0, "nobody has paid yet: {status}");
    }
    for key in ["connections", "pending_bytes", "in_flight", "committed", "rejected", "expired"] {
        assert_eq!(position(key), 0, "{status}");
    }
    assert_eq!(switch.stop().status.code(), Some(0));
}

#[test]
fn a_status_file_that_cannot_be_written_keeps_the_switch_from_starting() {
    let data = Data::new();
    let mut command = data.serve_command();
    let output = command.args(["--status-file", "/nowhere/status.json"]).output().unwrap();
    let complaint = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{complaint}");
    assert!(complaint.lines().last().unwrap().starts_with("switch: --status-file /nowhere/status.json"), "{complaint}");
}
