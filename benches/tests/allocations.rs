//! In steady state the hot loop asks for no memory per message: counted, not timed.
//!
//! `the_pipeline`: decode, check, seal, sequence, journal, apply, index, outbox and frames in one thread, without sockets. `the_running_switch`: the hot
//! loop's own thread in a real server, with real sockets and TLS, under a closed loop. `cargo test -p benches --test allocations -- --nocapture` prints what is
//! left, and which lines ask for it.

use std::collections::BTreeMap;
use std::path::Path;

use adapters::message::ParticipantCode;
use benches::room::{Furniture, Room};
use benches::{Random, counting, scheme};
use loadtest::generator::{Generator, Options};
use loadtest::interrupts::Interrupts;
use loadtest::plan::{Load, Plan};
use loadtest::view::View;
use switch::config::Config;
use switch::pipeline::Decisions;
use switch::server::Server;

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// The innermost lines of a stack that are code of ours or of a library we use, the innermost first.
fn lines_of(stack: &str) -> Vec<String> {
    let rooms = ["/ledger/src/", "/adapters/src/", "/switch/src/", "/registry/src/"];
    let lines = stack.lines().filter_map(|line| {
        let line = line.trim().strip_prefix("at ")?;
        let room = rooms.iter().find(|room| line.contains(**room))?;
        let from = line.find(room)? + 1;
        // Of a library: its name and version, without the registry's.
        let text = line[from..]
            .strip_prefix("registry/src/")
            .map_or(&line[from..], |path| path.split_once('/').map_or(path, |(_, path)| path));
        Some(text.rsplit_once(':').map_or(text, |(place, _)| place).to_owned())
    });
    lines.filter(|line| !line.starts_with("tikv-jemallocator")).collect()
}

/// How often each of these lines, with the one that called it, has asked.
fn by_place(stacks: &[String]) -> BTreeMap<String, u64> {
    let mut places = BTreeMap::new();
    for stack in stacks {
        *places.entry(lines_of(stack).into_iter().take(2).collect::<Vec<_>>().join(", from ")).or_default() += 1;
    }
    places.iter().for_each(|(place, count)| println!("{count:8}  {place}"));
    places
}

/// Counts what the switch does of an exchange, and keeps the stacks of it.
fn meter(is_beginning: bool) -> u64 {
    counting::trace(counting::place(), is_beginning);
    counting::count()
}

/// How often something may happen.
enum Often {
    /// So often for each run of the history that is cut, which is one in thousands of payments.
    PerRun(u64),
    /// For one payment in so many.
    OneIn(u64),
}

/// Who may ask in steady state, how often, and what for. Whoever is not here may not.
const NOT_PER_MESSAGE: [(&str, Often, &str); 10] = [
    ("ledger/src/index", Often::PerRun(4), "a run is cut: its records get an owner of their own"),
    ("ledger/src/journal/", Often::PerRun(2), "a segment is full: names of files"),
    ("ledger/src/book/window.rs", Often::PerRun(4), "a page of the window of final transfers"),
    (
        "switch/src/engine/deadlines.rs",
        Often::PerRun(4),
        "deadlines are spread over more time than ever: a spoke, or a node of their tree",
    ),
    ("switch/src/history.rs", Often::PerRun(4), "a run is on its way into files, and those before it were shorter"),
    (
        "switch/src/outbox.rs",
        Often::PerRun(64),
        "outboxes grow until a run is indexed, and give the memory back after it",
    ),
    (
        "switch/src/pipeline/intake.rs",
        Often::OneIn(100),
        "an order whose id the filters take for an old one waits for the history",
    ),
    ("switch/src/render.rs", Often::PerRun(1), "frames of a connection: more than ever before"),
    ("rkyv-", Often::PerRun(1), "the same, where the first of what is written is a layout"),
    ("switch/src/session.rs", Often::PerRun(1), "once a second the list of connections"),
];

fn is_named(place: &str) -> bool {
    NOT_PER_MESSAGE.iter().any(|(file, ..)| place.starts_with(file))
}

#[test]
fn the_pipeline() {
    const PER_ROUND: u64 = 64;
    const ROUNDS: u64 = 2_000;
    const RUN_RECORDS: u32 = 1 << 14;
    let furniture = Furniture { run_records: RUN_RECORDS, outcomes_kept: 1 << 16, meter };
    let mut room = Room::furnished(&furniture, Decisions::with_room(1 << 20));
    let mut random = Random::new(1);
    // With the turns in which the switch waits for its files: they are its own as well.
    let mut pay = |room: &mut Room| {
        let before = room.metered();
        let orders: Vec<_> = (0..PER_ROUND).map(|_| scheme::order(&mut random, room.now_ns())).collect();
        room.pay(&orders);
        room.wait_indexed(u64::from(RUN_RECORDS));
        room.metered() - before
    };
    // Until the window is full and several runs are in files.
    (0..ROUNDS).for_each(|_| _ = pay(&mut room));
    counting::take_stacks(counting::place());
    let (mut allocations, mut rounds_with_any) = (0, 0);
    for _ in 0..ROUNDS {
        let of_round = pay(&mut room);
        allocations += of_round;
        rounds_with_any += u64::from(of_round > 0);
    }
    let places = by_place(&counting::take_stacks(counting::place()));
    let payments = ROUNDS * PER_ROUND;
    // Two records a payment: the order that was forwarded, and the outcome.
    let runs = 1 + 2 * payments / u64::from(RUN_RECORDS);
    println!("{payments} payments, {runs} runs: {allocations} allocations, in {rounds_with_any} of {ROUNDS} rounds");

    assert_eq!(places.values().sum::<u64>(), allocations, "every stack was kept");
    for place in places.keys() {
        assert!(is_named(place), "the hot loop asks for memory at {place}");
    }
    for (file, often, what) in NOT_PER_MESSAGE {
        let count: u64 = places.iter().filter(|(place, _)| place.starts_with(file)).map(|(_, count)| count).sum();
        let count_max = match often {
            Often::PerRun(each) => runs * each,
            Often::OneIn(each) => payments / each,
        };
        assert!(count <= count_max, "{count} allocations of {file}, {count_max} are plenty: {what}");
    }
}

/// A data directory as `switch init` makes it.
fn make_data(data: &Path, participants: usize) -> Config {
    let pki = data.join("pki");
    std::fs::create_dir_all(&pki).expect("a directory");
    let authority = switch::pki::Authority::create(&pki).expect("an authority");
    authority.issue_server().expect("a certificate");
    let codes: Vec<String> = (0..participants).map(|number| scheme::code(number).to_string()).collect();
    let mut genesis = "[rules]\n[[currency]]\ncode = \"XTS\"\nminor_digits = 2\namount_max = 100000000000\n".to_owned();
    for code in &codes {
        authority.issue_participant(&ParticipantCode::parse(code).expect("a code")).expect("a certificate");
        genesis.push_str(&format!("[[participant]]\ncode = \"{code}\"\nfunds = {{ XTS = 100000000000000000 }}\n"));
    }
    switch::seal::create_key_file(&data.with_extension("key")).expect("a key");
    std::fs::write(data.join("genesis.toml"), genesis).expect("a file");
    let config = format!(
        "[listen]\nnative = \"127.0.0.1:0\"\n[tls]\nca = \"pki/ca.pem\"\ncertificate = \"pki/server.pem\"\nkey = \"pki/server.key\"\n\
         [seal]\nkey_file = \"{}\"\n",
        data.with_extension("key").display()
    );
    std::fs::write(data.join("switch.toml"), config).expect("a file");
    Config::read(&data.join("switch.toml")).expect("a configuration")
}

/// Waits until so many payments are committed. Gives how often it has asked.
fn wait_committed(server: &Server, payments: u64) -> u64 {
    let mut asked = 1;
    while server.report().expect("the switch runs").payments.committed < payments {
        std::thread::sleep(std::time::Duration::from_millis(5));
        asked += 1;
    }
    asked
}

#[test]
fn the_running_switch() {
    const WARM: u64 = 60_000;
    const TRACED: u64 = 20_000;
    const IN_FLIGHT: u32 = 512;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    let config = make_data(&data, 4);
    let server = Server::start(&config).expect("it starts");
    let options = Options {
        address: std::rc::Rc::new(std::cell::Cell::new(server.address())),
        pki: data.join("pki"),
        plan: Plan::plain(Load::Closed { in_flight: IN_FLIGHT, duration_s: 600 }, 4),
        watched: loadtest::samples::Watched::default(),
        kills: None,
    };
    let (stacks, asked) = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            wait_committed(&server, WARM);
            let hot_loop = counting::place_of("hot-loop").expect("it has asked for memory at its start");
            counting::trace(hot_loop, true);
            let asked = wait_committed(&server, WARM + TRACED);
            counting::trace(hot_loop, false);
            let stacks = counting::take_stacks(hot_loop);
            // Ends the load, as Ctrl-C would.
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::INT).expect("a signal");
            (stacks, asked)
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let outcome = runtime.block_on(tokio::task::unconstrained(async {
            let mut interrupts = Interrupts::new().expect("signals can be listened for");
            let mut generator = Generator::new(options, View::none()).expect("certificates are there");
            generator.connect(&mut interrupts).await.expect("it can be reached");
            generator.run(&mut interrupts).await.expect("it runs")
        }));
        assert!(outcome.tally.committed >= WARM + TRACED);
        watcher.join().expect("it does not panic")
    });
    server.drain().expect("it stops");
    // The test's own questions for the books are messages that may ask.
    let is_question =
        |stack: &String| lines_of(stack).iter().take(3).any(|line| line.starts_with("switch/src/server/hot_loop.rs"));
    let (questions, stacks): (Vec<String>, Vec<String>) = stacks.into_iter().partition(is_question);
    let places = by_place(&stacks);
    let (tls, others): (Vec<_>, Vec<_>) = places.iter().partition(|(place, _)| place.starts_with("rustls-"));
    let sum = |places: &[(&String, &u64)]| places.iter().map(|(_, count)| **count).sum::<u64>();
    println!(
        "{TRACED} payments: {} allocations of TLS, which are buffers of records, and {} others",
        sum(&tls),
        sum(&others)
    );
    // Tables still grow in a life so short. But nobody asks once a turn, and of those there were at least so many: each has at most one frame of a payment.
    let turns_min = 2 * TRACED / u64::from(IN_FLIGHT);
    for (place, count) in others {
        assert!(*count < turns_min, "the hot loop asks for memory at {place}, {count} times");
    }
    assert!(questions.len() as u64 <= 20 * asked, "{} allocations in {asked} reports", questions.len());
}
