//! Snapshots of the engine: whatever is taken whenever is the state of its position, and who starts from it decides and tells what everybody else does.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use adapters::message::Answer;
use ledger::index::IndexWork;
use ledger::journal::faulty::{FaultPlan, FaultyStorage};
use ledger::journal::{DiskStorage, JournalPlace, Lineage, Position, Storage};
use ledger::snapshot::{SnapshotWork, snapshot_name};
use switch::engine::effect::Effect;
use switch::engine::{Batch, Engine};
use switch::events::{EventFiles, EventLog};
use switch::history::{History, HistoryOptions};
use switch::limits::{NS_PER_MS, OUTCOMES_KEPT_DEFAULT, PAYMENTS_EXPECTED};
use switch::pipeline::{Decisions, PipelineLimits};
use switch::snapshots::{self, SnapshotNews, SnapshotTaker};

use crate::hub::{Began, Hub, Keys, LINEAGE, OPTIONS_LARGE, SnapshotDisk, found, patient, remove_all};
use crate::language::{Desk, write_answer, write_order};
use crate::orders::{NAMES, START_NS, TIMEOUT_NS, genesis, id, order};
use crate::replay::{Recorded, everything, recorded};
use crate::traffic::Traffic;

const FUNDS: [u64; 4] = [20_000, 20_000, 20_000, 500];

/// A journal of random traffic over a window that is soon full, so that slots are used again.
fn busy_journal(seed: u64, turns: usize) -> Vec<Recorded> {
    let storage = FaultyStorage::new(seed);
    found(&storage, OPTIONS_LARGE, FUNDS, 12);
    let disks = [storage.clone(), FaultyStorage::new(2)];
    let limits = patient();
    let mut hub = Hub::open_with_history(disks, true, OPTIONS_LARGE, &Keys::new(), START_NS, limits).unwrap();
    let mut traffic = Traffic::new(seed, FUNDS);
    for turn in 1..=turns {
        // What is in flight now and then expires.
        hub.pass_ms(if turn % 60 == 0 { TIMEOUT_NS / NS_PER_MS } else { 0 });
        traffic.step(&mut hub).unwrap();
    }
    recorded(&storage)
}

fn apply(engine: &mut Engine, recorded: &Recorded) -> Vec<Effect> {
    let Recorded { first_sequence, time_ns, payload } = recorded;
    let mut effects = Vec::new();
    engine.apply(Batch { first_sequence: *first_sequence, time_ns: *time_ns, payload }, &mut effects).unwrap();
    effects
}

/// Puts the pieces of a capture together.
struct Body {
    bytes: Vec<u8>,
    given: Vec<bool>,
}

impl Body {
    fn begin(engine: &mut Engine) -> Body {
        let bytes = engine.begin_capture() as usize;
        Body { bytes: vec![0; bytes], given: vec![false; bytes] }
    }

    /// Takes a portion; false when it was the last.
    fn go_on(&mut self, engine: &mut Engine, bytes_max: usize) -> bool {
        engine.capture(bytes_max, |offset, piece| {
            let place = offset as usize..offset as usize + piece.len();
            assert!(self.given[place.clone()].iter().all(|given| !given), "each byte comes once");
            self.given[place.clone()].fill(true);
            self.bytes[place].copy_from_slice(piece);
        })
    }

    fn of(engine: &mut Engine) -> Vec<u8> {
        let mut body = Body::begin(engine);
        while body.go_on(engine, usize::MAX) {}
        body.finish()
    }

    fn finish(self) -> Vec<u8> {
        assert!(self.given.iter().all(|given| *given), "no byte is left out");
        self.bytes
    }
}

/// What a state is, and what an engine with this state does with a batch.
type After = ([u8; 32], [u8; 32], String);

fn step(engine: &mut Engine, recorded: &Recorded) -> After {
    let effects = apply(engine, recorded);
    (engine.digest(), engine.snapshot_digest(), format!("{effects:?} {:?} {}", engine.counts(), engine.seal_key_max()))
}

#[test]
fn an_engine_restored_at_any_batch_goes_on_as_the_one_that_replayed_everything() {
    let (mut left, mut expired) = (0, 0);
    for seed in 1..=5 {
        let batches = busy_journal(seed, 180);
        let mut engine = Engine::new();
        let mut bodies = Vec::new();
        let mut after = Vec::new();
        for batch in &batches {
            after.push(step(&mut engine, batch));
            bodies.push(Body::of(&mut engine));
        }
        left += u32::from(engine.floor() > 0);
        expired += engine.counts().expired;
        for (place, body) in bodies.iter().enumerate() {
            let mut restored = Engine::restore(0, body.as_slice()).unwrap();
            assert_eq!(restored.digest(), after[place].0, "seed {seed}, batch {place}");
            assert!(Body::of(&mut restored) == *body, "seed {seed}, batch {place}: the same bytes again");
            // To the end of some, a few batches of each.
            let until = if place % 10 == 0 { batches.len() } else { batches.len().min(place + 6) };
            for next in place + 1..until {
                assert_eq!(step(&mut restored, &batches[next]), after[next], "seed {seed}, from {place} to {next}");
            }
        }
    }
    assert!(left == 5 && expired > 0, "outcomes have left ({left}), payments have expired ({expired})");
}

/// While payments come, are decided and leave: what was begun is taken as it was.
#[test]
fn a_capture_over_many_batches_is_of_the_batch_where_it_began() {
    for (seed, portion) in [(11, 100), (12, 400), (13, 1_500), (14, 5_000)] {
        let batches = busy_journal(seed, 80);
        let mut engine = Engine::new();
        let mut began: Option<(Vec<u8>, Body)> = None;
        let (mut longest, mut lasted, mut compared) = (0, 0, 0);
        for batch in &batches {
            apply(&mut engine, batch);
            if began.is_none() {
                let whole = Body::of(&mut engine);
                began = Some((whole, Body::begin(&mut engine)));
                lasted = 0;
                continue;
            }
            lasted += 1;
            let (_, body) = began.as_mut().unwrap();
            if !body.go_on(&mut engine, portion) {
                let (whole, body) = began.take().unwrap();
                assert!(body.finish() == whole, "seed {seed}");
                longest = longest.max(lasted);
                compared += 1;
            }
        }
        if let Some((whole, mut body)) = began {
            while body.go_on(&mut engine, portion) {}
            assert!(body.finish() == whole, "seed {seed}, at the end");
            compared += 1;
        }
        assert!(compared > 0 && (portion > 1_000 || longest.max(lasted) > 20), "{compared} in {longest} batches");
    }
}

#[test]
fn a_capture_that_was_given_up_leaves_nothing_behind() {
    let batches = busy_journal(21, 20);
    let (mut engine, mut other) = (Engine::new(), Engine::new());
    for batch in &batches {
        apply(&mut engine, batch);
        let mut body = Body::begin(&mut engine);
        body.go_on(&mut engine, 300);
        engine.abandon_capture();
        assert!(!engine.is_capturing());
        assert_eq!(step(&mut other, batch).1, engine.snapshot_digest());
    }
}

/// Whatever the bytes say: they are refused, or an engine comes of them that has these bytes.
#[test]
fn bytes_that_were_changed_are_refused_or_read_as_what_they_say() {
    let batches = busy_journal(31, 12);
    let mut engine = Engine::new();
    batches.iter().for_each(|batch| drop(apply(&mut engine, batch)));
    let body = Body::of(&mut engine);
    let (mut refused, mut read) = (0, 0);
    for at in 0..body.len() {
        for flip in [1, 0x80] {
            let mut changed = body.clone();
            changed[at] ^= flip;
            match Engine::restore(0, changed.as_slice()) {
                Err(_) => refused += 1,
                Ok(mut restored) => {
                    assert!(Body::of(&mut restored) == changed, "byte {at}");
                    read += 1;
                }
            }
        }
    }
    assert!(refused > read && read > 0, "{refused} refused, {read} read");
    for cut in (0..body.len()).step_by(97) {
        assert!(Engine::restore(0, &body[..cut]).is_err(), "cut at {cut}");
    }
    assert!(Engine::restore(0, [body.as_slice(), &[0]].concat().as_slice()).is_err(), "a byte too many");
}

/// A participant or a currency that does not exist would stop the switch only later, with the first answer, return or decision that meets it.
#[test]
fn bytes_that_name_what_does_not_exist_are_refused() {
    let mut desk = Desk::new(["funds ALPHA 100"].into_iter());
    let story = [
        "at 10 ALPHA pays BRAVO T1 60",
        "at 11 BRAVO accepts T1",
        "at 12 ALPHA recalls T1 as T2 from BRAVO",
        "at 13 BRAVO returns T3 of T1 10",
    ];
    story.into_iter().for_each(|line| drop(desk.say(line)));
    let body = Body::of(&mut desk.engine);
    assert!(Engine::restore(0, body.as_slice()).is_ok());
    let last = |number: u64| body.windows(16).rposition(|bytes| bytes == id(number).bytes()).unwrap();
    let (original, case, payment) = (last(1), last(2), last(3));
    let named =
        [case + 64, case + 68, payment + 32, payment + 36, payment + 48, original + 16, original + 20, original + 56];
    for at in named {
        let mut changed = body.clone();
        changed[at] = b'Z';
        let fault = Engine::restore(0, changed.as_slice()).err().unwrap_or_else(|| panic!("byte {at} was believed"));
        assert!(["nobody", "does not exist"].iter().any(|words| fault.what.contains(words)), "byte {at}: {fault}");
    }
}

/// A switch that takes snapshots, and what is needed to start it again.
struct Site {
    disks: [FaultyStorage; 2],
    snapshots: FaultyStorage,
    keys: Rc<Keys>,
    every_entries: u64,
}

impl Site {
    fn new(seed: u64, every_entries: u64) -> Site {
        let disks = [FaultyStorage::new(seed), FaultyStorage::new(seed + 100)];
        found(&disks[0], OPTIONS_LARGE, FUNDS, 50);
        Site { disks, snapshots: FaultyStorage::new(seed + 200), keys: Keys::new(), every_entries }
    }

    fn start(&self, now_ns: u64) -> Hub {
        let disk = SnapshotDisk { disk: self.snapshots.clone(), every_entries: self.every_entries };
        let limits = PipelineLimits::default();
        Hub::open_with_snapshots(self.disks.clone(), Some(disk), false, OPTIONS_LARGE, &self.keys, now_ns, limits)
            .unwrap()
    }

    /// The disks as they would be after a kill, or after a power cut, on their own.
    fn copy(&self, cuts_power: bool) -> Site {
        let copy = |storage: &FaultyStorage| {
            let copy = storage.copy(7);
            copy.set_plan(FaultPlan::default());
            if cuts_power {
                copy.cut_power();
            } else {
                copy.kill();
            }
            copy
        };
        let disks = self.disks.each_ref().map(copy);
        Site { disks, snapshots: copy(&self.snapshots), keys: self.keys.clone(), every_entries: self.every_entries }
    }

    fn names(&self) -> Vec<String> {
        self.snapshots.list().unwrap().into_iter().map(|file| file.name).collect()
    }

    fn positions(&self) -> Vec<u64> {
        snapshots::open(self.snapshots.clone(), LINEAGE, SnapshotWork::Inline).positions().unwrap()
    }

    fn change(&self, position: u64, change: impl FnOnce(&mut Vec<u8>)) {
        let name = snapshot_name(position);
        let bytes = self.snapshots.list().unwrap().iter().find(|file| file.name == name).unwrap().bytes;
        let file = self.snapshots.open(&name, ledger::journal::Access::Read).unwrap();
        let mut content = vec![0; bytes as usize];
        self.snapshots.read_exact_at(&file, 0, &mut content).unwrap();
        change(&mut content);
        self.snapshots.remove(&name).unwrap();
        let file = self.snapshots.create(&name, 0).unwrap();
        self.snapshots.write_at(&file, 0, &content).unwrap();
        self.snapshots.sync_data(&file).unwrap();
        self.snapshots.sync_dir().unwrap();
    }
}

/// Traffic of so many turns; what came of snapshots meanwhile.
fn run(hub: &mut Hub, traffic: &mut Traffic, turns: usize) -> Vec<SnapshotNews> {
    let mut news = Vec::new();
    for _ in 0..turns {
        traffic.step(hub).unwrap();
        news.extend(hub.pipeline.take_snapshot_news());
    }
    news
}

/// A start from the newest snapshot is as the live switch; and so is one from the journal's beginning.
fn check_restart(site: &Site, live: &mut Hub) -> Began {
    let told = NAMES.map(|name| everything(live, name));
    let mut restarted = site.copy(false).start(live.now_ns);
    assert_eq!(restarted.pipeline.engine().digest(), live.pipeline.engine().digest());
    assert_eq!(NAMES.map(|name| everything(&mut restarted, name)), told, "outboxes");
    let without = site.copy(false);
    remove_all(&without.snapshots);
    let replayed = without.start(live.now_ns);
    assert_eq!(replayed.began.snapshot, None);
    assert_eq!(replayed.pipeline.engine().digest(), live.pipeline.engine().digest());
    restarted.began.clone()
}

#[test]
fn a_start_from_a_snapshot_replays_the_tail_only_and_tells_the_same() {
    for seed in 1..=4 {
        let site = Site::new(seed, 60);
        let mut hub = site.start(START_NS);
        let mut traffic = Traffic::new(seed, FUNDS);
        let news = run(&mut hub, &mut traffic, 120);
        assert!(news.len() > 5 && news.iter().all(|news| matches!(news, SnapshotNews::Taken { .. })), "{news:?}");
        let positions = site.positions();
        assert_eq!(positions.len(), 2, "two are kept");
        traffic.settle(&mut hub).unwrap();
        let began = check_restart(&site, &mut hub);
        assert_eq!((began.snapshot, began.refused.len()), (site.positions().last().copied(), 0));
        assert!(began.batches < 100, "{} batches replayed", began.batches);

        // Once more from the restarted one, with nothing of the live one's memory.
        let second = site.copy(true);
        let mut hub = second.start(hub.now_ns);
        hub.pipeline.close().unwrap();
        hub.pipeline.take_last_snapshot().unwrap();
        let last = hub.pipeline.engine().applied();
        let began = check_restart(&second, &mut hub);
        assert_eq!((began.snapshot, began.batches), (Some(last), 0), "a clean stop leaves nothing to replay");
    }
}

#[test]
fn a_snapshot_that_cannot_be_used_is_passed_over_and_named() {
    let site = Site::new(5, 60);
    let mut hub = site.start(START_NS);
    let mut traffic = Traffic::new(5, FUNDS);
    run(&mut hub, &mut traffic, 100);
    let [older, newer] = site.positions()[..] else { panic!("two are kept") };
    let digest = hub.pipeline.engine().digest();
    let now_ns = hub.now_ns;
    let check = |change: &dyn Fn(&Site), snapshot: Option<u64>, reasons: &[&str]| {
        let copy = site.copy(false);
        change(&copy);
        let restarted = copy.start(now_ns);
        assert_eq!(restarted.pipeline.engine().digest(), digest, "{:?}", restarted.began);
        assert_eq!(restarted.began.snapshot, snapshot, "{:?}", restarted.began);
        assert_eq!(restarted.began.refused.len(), reasons.len(), "{:?}", restarted.began);
        for (refused, reason) in restarted.began.refused.iter().zip(reasons) {
            assert!(refused.contains(reason) && refused.contains(".snapshot: "), "{refused}");
        }
    };
    check(&|_| {}, Some(newer), &[]);
    // A bit of a page, somewhere in the middle.
    let flip = |content: &mut Vec<u8>| content[6_000] ^= 4;
    check(&|site| site.change(newer, flip), Some(older), &["page 0 of its body is damaged"]);
    let cut = |content: &mut Vec<u8>| content.truncate(5_000);
    check(&|site| site.change(newer, cut), Some(older), &["its size of 5000 bytes"]);
    let both = |site: &Site| [older, newer].iter().for_each(|&at| site.change(at, flip));
    check(&both, None, &["page 0", "page 0"]);
    // Of another journal: its lineage says so.
    let foreign = |site: &Site| {
        remove_all(&site.snapshots);
        let others = snapshots::open(site.snapshots.clone(), Lineage([9; 16]), SnapshotWork::Inline);
        others.begin(newer, &[0; 88], 0).unwrap().finish().wait().unwrap();
    };
    check(&foreign, None, &["it is of another journal"]);
    // With the right lineage, and a place that is none.
    let nowhere = |site: &Site| {
        remove_all(&site.snapshots);
        let others = snapshots::open(site.snapshots.clone(), LINEAGE, SnapshotWork::Inline);
        others.begin(newer, &[0; 88], 0).unwrap().finish().wait().unwrap();
    };
    check(&nowhere, None, &["another place in the journal"]);
    // Whoever removes the history gets it made again, and that takes the whole journal.
    let without_history = |site: &Site| remove_all(&site.disks[1]);
    check(&without_history, None, &["the history's files reach to position 0", "the history's files reach"]);
}

/// The journal was put back as it was before: what was taken since is of a state that it does not have.
#[test]
fn a_snapshot_ahead_of_the_journal_is_passed_over() {
    let site = Site::new(6, 60);
    let mut hub = site.start(START_NS);
    let mut traffic = Traffic::new(6, FUNDS);
    run(&mut hub, &mut traffic, 60);
    let early = site.copy(false);
    run(&mut hub, &mut traffic, 60);
    let ahead = Site { snapshots: site.copy(false).snapshots, ..early.copy(false) };
    let newest = early.start(hub.now_ns);
    let restarted = ahead.start(hub.now_ns);
    assert_eq!(restarted.pipeline.engine().digest(), newest.pipeline.engine().digest());
    assert_eq!(restarted.began.snapshot, None, "{:?}", restarted.began);
    assert_eq!(restarted.began.refused.len(), 2);
    // The same, where the history has gone on as well: a history that is ahead of its journal refuses the start, and nothing hides it.
    let [_, history] = site.copy(false).disks;
    let place_refused = {
        let mut snapshots = snapshots::open(ahead.snapshots.clone(), LINEAGE, SnapshotWork::Inline);
        snapshots::find(&mut snapshots, &ahead.disks[0], u64::MAX, 0).unwrap()
    };
    assert!(place_refused.start.is_none(), "the journal has no such place, however far the history reaches");
    assert_eq!(place_refused.refused.len(), 2);
    drop(history);
}

/// The power fails at any operation on the snapshots' disk: the switch starts, from the one before if need be, and nothing is refused.
#[test]
fn after_a_power_cut_in_the_middle_of_a_snapshot_the_older_one_serves() {
    let mut starts = Vec::new();
    for crash_at in 1.. {
        let site = Site::new(8, 60);
        let mut hub = site.start(START_NS);
        let mut traffic = Traffic::new(8, FUNDS);
        run(&mut hub, &mut traffic, 40);
        let before = site.positions();
        let begin = site.snapshots.operations();
        site.snapshots.set_plan(FaultPlan { crash_at_operation: Some(begin + crash_at), ..FaultPlan::default() });
        let mut news = Vec::new();
        for _ in 0..40 {
            news.extend(run(&mut hub, &mut traffic, 1));
            if news.iter().any(|news| matches!(news, SnapshotNews::Failed(_))) {
                break;
            }
        }
        let taken = news.iter().filter(|news| matches!(news, SnapshotNews::Taken { .. })).count();
        let copy = site.copy(true);
        let restarted = copy.start(hub.now_ns);
        assert_eq!(restarted.pipeline.engine().digest(), hub.pipeline.engine().digest(), "operation {crash_at}");
        assert_eq!(restarted.began.refused, Vec::<String>::new(), "operation {crash_at}");
        assert!(restarted.began.snapshot >= before.last().copied(), "operation {crash_at}: the older one serves");
        starts.push(restarted.began.snapshot);
        // Payments never noticed, and the next one can be taken.
        let mut restarted = restarted;
        restarted.pipeline.take_last_snapshot().unwrap();
        let news = restarted.pipeline.take_snapshot_news();
        let has_more = restarted.began.batches > 0;
        assert_eq!(matches!(news, Some(SnapshotNews::Taken { .. })), has_more, "operation {crash_at}: {news:?}");
        assert!(copy.names().iter().filter(|name| name.ends_with(".snapshot")).count() <= 2);
        if taken >= 2 {
            break;
        }
    }
    assert!(starts.len() > 10 && starts.first() != starts.last(), "{starts:?}");
}

/// A place in a journal that ends where the engine is.
fn some_place(engine: &Engine) -> JournalPlace {
    let (position, next_sequence) = (Position { segment: 1, offset: 0 }, engine.applied() + 1);
    JournalPlace { lineage: LINEAGE, position, next_sequence, time_ns: engine.time_ns(), epoch: 0, digest: [0; 32] }
}

/// Journal time of a batch behind this position: a million entries a second.
fn time_at(applied: u64) -> u64 {
    START_NS + applied * 1_000
}

/// Orders and answers of `NAMES[0]` and `NAMES[1]` about these payments, as one batch.
fn batch_of(orders: std::ops::Range<u64>, answers: std::ops::Range<u64>, applied: u64) -> Vec<u8> {
    let mut payload = Vec::new();
    let accepted_ns = time_at(applied);
    orders.for_each(|number| {
        write_order(&mut payload, NAMES[0], &order(number, NAMES[0], NAMES[1], 1, accepted_ns), applied);
    });
    answers.for_each(|number| write_answer(&mut payload, NAMES[1], &Answer::accept(id(number))));
    payload
}

/// A snapshot that is covered may wait for events. Meanwhile the history was cut with every turn, into files of one batch each.
#[test]
fn who_waits_for_events_leaves_the_history_alone() {
    let directory = tempfile::tempdir().unwrap();
    // Nobody writes the events of the genesis.
    let events = EventLog::start(EventFiles::open(directory.path(), LINEAGE.0).unwrap()).unwrap();
    let options = HistoryOptions { work: IndexWork::Inline, ..HistoryOptions::beside(1) };
    let (mut history, _) = History::open(FaultyStorage::new(1), LINEAGE, options).unwrap();
    let files = snapshots::open(FaultyStorage::new(2), LINEAGE, SnapshotWork::Inline);
    let mut taker = SnapshotTaker::new(files, 1, 0).with_events(Some(Arc::clone(events.progress())));
    let (mut decisions, mut covered) = (Decisions::default(), BTreeSet::new());
    for turn in 0..20 {
        let applied = decisions.engine.applied();
        let payload = if turn == 0 { genesis([1_000; 4], 50).0 } else { batch_of(turn..turn + 1, 0..0, applied) };
        let batch = Batch { first_sequence: applied + 1, time_ns: time_at(applied), payload: &payload };
        decisions.absorb(batch).unwrap();
        history.follow(&mut decisions).unwrap();
        let place = some_place(&decisions.engine);
        taker.go_on(&mut decisions.engine, &mut history, || place).unwrap();
        covered.insert(history.covered_through());
    }
    assert!(taker.is_under_way() && covered.len() <= 2, "{covered:?}");
}

/// How long this thread was ready to run, and another one had its processor.
fn waited_us() -> u128 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let waited_ns: u128 = times.split_whitespace().nth(1).unwrap().parse().unwrap();
    waited_ns / 1_000
}

/// How long the hot loop stood still, in microseconds.
#[derive(Default)]
struct Stood {
    /// When the snapshot began.
    begin_us: u128,
    /// At each portion.
    steps_us: Vec<u128>,
    /// At the longest look while it waited for files.
    waiting_us: u128,
    /// For the decisions of a turn, while it was captured and otherwise.
    turns_us: Vec<u128>,
    others_us: Vec<u128>,
}

impl Stood {
    /// The portion that so many percent of all did not exceed.
    fn at(&self, percent: usize) -> u128 {
        let mut sorted = self.steps_us.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() - 1) * percent / 100]
    }

    fn print(&self) {
        let Stood { begin_us, steps_us, waiting_us, turns_us, others_us } = self;
        let mean = |turns: &[u128]| turns.iter().sum::<u128>() / (turns.len() as u128).max(1);
        let longest = (0..steps_us.len()).max_by_key(|&step| steps_us[step]).unwrap();
        println!(
            "{} portions, us without what other threads had of the processor: {} median, {} 90th percentile, {} longest, which is number {longest}",
            steps_us.len(),
            self.at(50),
            self.at(90),
            self.at(100)
        );
        println!("begun in {begin_us} us; the longest look while it waits for files: {waiting_us} us");
        println!("a turn's decisions: {} us while it is captured, {} us otherwise", mean(turns_us), mean(others_us));
    }
}

/// An engine under load, and its history.
struct Loaded {
    decisions: Decisions,
    history: History<DiskStorage>,
    ordered: u64,
    answered: u64,
}

impl Loaded {
    /// Applies a batch. Gives how long its decisions took, in microseconds.
    #[allow(clippy::disallowed_methods, reason = "it measures")]
    fn apply(&mut self, payload: &[u8]) -> u128 {
        let applied = self.decisions.engine.applied();
        let began = Instant::now();
        self.decisions.absorb(Batch { first_sequence: applied + 1, time_ns: time_at(applied), payload }).unwrap();
        let us = began.elapsed().as_micros();
        self.history.follow(&mut self.decisions).unwrap();
        us
    }

    /// A turn of so many orders and answers, as `apply`.
    fn turn(&mut self, orders: u64, answers: u64) -> u128 {
        let (ordered, answered) = (self.ordered, self.answered);
        (self.ordered, self.answered) = (ordered + orders, answered + answers);
        let applied = self.decisions.engine.applied();
        self.apply(&batch_of(ordered..ordered + orders, answered..answered + answers, applied))
    }
}

/// Takes a snapshot beside turns of so many orders and answers.
#[allow(clippy::disallowed_methods, reason = "it measures")]
fn stood_still(loaded: &mut Loaded, mut taker: SnapshotTaker<DiskStorage>, turn: u64) -> (SnapshotNews, Stood) {
    let mut stood = Stood::default();
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        assert!(Instant::now() < until, "it takes less than a minute");
        let engine = &mut loaded.decisions.engine;
        let place = some_place(engine);
        let (is_capturing, was_under_way) = (engine.is_capturing(), taker.is_under_way());
        let (began, waited_before) = (Instant::now(), waited_us());
        taker.go_on(engine, &mut loaded.history, || place).unwrap();
        let us = began.elapsed().as_micros().saturating_sub(waited_us() - waited_before);
        match (is_capturing, was_under_way) {
            (true, _) => stood.steps_us.push(us),
            (false, true) => stood.waiting_us = stood.waiting_us.max(us),
            (false, false) => stood.begin_us = us,
        }
        if let Some(news) = taker.take_news() {
            return (news, stood);
        }
        let turns_us = if is_capturing { &mut stood.turns_us } else { &mut stood.others_us };
        turns_us.push(loaded.turn(turn, turn));
    }
}

/// How long the hot loop stands still for a snapshot, at the most: with a full table, at 4,096 payments a turn.
#[test]
#[ignore = "a measurement, of minutes where nothing is optimised: run it alone"]
fn the_longest_step_of_a_snapshot_of_a_full_table() {
    const OUTCOMES: u64 = OUTCOMES_KEPT_DEFAULT as u64;
    const OPEN: u64 = 200_000;
    const TURN: u64 = 4_096;
    let directory = tempfile::tempdir().unwrap();
    let disk = |name: &str| DiskStorage::create(&directory.path().join(name)).unwrap();
    let (history, _) = History::open(disk("history"), LINEAGE, HistoryOptions::beside(1)).unwrap();
    let mut loaded = Loaded { decisions: Decisions::with_room(PAYMENTS_EXPECTED), history, ordered: 0, answered: 0 };
    loaded.apply(&genesis([1_000_000_000; 4], OUTCOMES_KEPT_DEFAULT).0);
    while loaded.answered < OUTCOMES + 8 * TURN {
        let answers = if loaded.ordered < OPEN { 0 } else { TURN };
        loaded.turn(TURN, answers);
    }
    let files = snapshots::open(disk("snapshots"), LINEAGE, SnapshotWork::Beside);
    let (news, stood) = stood_still(&mut loaded, SnapshotTaker::new(files, 1, 0), TURN);
    println!("{news:?}");
    stood.print();
    assert!(matches!(news, SnapshotNews::Taken { .. }), "{news:?}");
    assert!(stood.at(50) < 2_500, "the hot loop stood still for {} us", stood.at(50));
}
