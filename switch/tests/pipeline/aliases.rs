//! Look-ups and payments to aliases: what the engine debits, what it refuses, and whom it does not pay.

use std::collections::BTreeMap;

use adapters::message::{Answer, Outcome};
use switch::engine::effect::{Effect, News};
use switch::engine::{Batch, Engine};
use switch::entry::{self, AliasLookedUp, AliasResolution, EntryHead, EntryKind, ParticipantId, Sender};

use crate::language::{Desk, check, hash_of, number, write_answer, write_order_to_alias};
use crate::orders::{NS_PER_S, Random, START_NS, id, order};

#[test]
fn a_look_up_costs_both_buckets_and_a_refusal_costs_nothing() {
    check(
        "
        funds    ALPHA 100
        # Nobody has said what a look-up costs: waiting does not help.
        at 1     ALPHA looks up A1 for U1 found as T1   -> reply ALPHA limited T1 0
        at 2     directory                              ->
        buckets  ALPHA U1 400 100
        at 2     ALPHA looks up A1 for U1 found as T1   -> reply ALPHA granted T1
        buckets  ALPHA U1 399 99
        at 2     ALPHA looks up A2 for U1 missed as T2  -> reply ALPHA granted T2
        at 2     ALPHA looks up A2 for U1 missed as T3  -> reply ALPHA granted T3
        at 2     ALPHA looks up A2 for U1 missed as T4  -> reply ALPHA granted T4
        buckets  ALPHA U1 339 39
        at 2     ALPHA looks up A2 for U1 missed as T5  -> reply ALPHA granted T5
        # 19 are left: one less than the dearest answer, whatever this one would cost. Two come in a minute.
        at 2     ALPHA looks up A1 for U1 found as T6   -> reply ALPHA limited T6 30000
        at 2     ALPHA looks up A2 for U1 missed as T7  -> reply ALPHA limited T7 30000
        buckets  ALPHA U1 319 19
        at 31.999999999 ALPHA looks up A1 for U1 found as T6  -> reply ALPHA limited T6 1
        at 32    ALPHA looks up A1 for U1 found as T6   -> reply ALPHA granted T6
        # Another end user of it has a bucket of its own, and another participant, too.
        buckets  ALPHA U2 320 100
        buckets  BRAVO U1 400 100
        ",
    );
}

#[test]
fn a_participant_whose_bucket_is_empty_waits_whoever_asks() {
    check(
        "
        at 1     directory capacity 20 per_minute 7     ->
        at 1     ALPHA looks up A1 for U1 found as T1   -> reply ALPHA granted T1
        # A seventh of a minute, and not a millisecond less.
        at 1     ALPHA looks up A1 for U2 found as T2   -> reply ALPHA limited T2 8572
        at 9.571 ALPHA looks up A1 for U2 found as T2   -> reply ALPHA limited T2 1
        at 9.572 ALPHA looks up A1 for U2 found as T2   -> reply ALPHA granted T2
        # What it has used stays used, and what had come so far had come by the category that was.
        at 9.572 directory capacity 60                  ->
        buckets  ALPHA U3 19 100
        at 9.572 category ALPHA A                       ->
        buckets  ALPHA U3 19 100
        at 10.572 time                                  ->
        buckets  ALPHA U3 60 100
        ",
    );
}

#[test]
fn a_payment_to_an_alias_costs_what_is_found_and_gives_back_when_it_is_committed() {
    check(
        "
        funds    ALPHA 100
        at 1     directory payment_gives_back 5         ->
        at 1     ALPHA pays BRAVO T1 10 alias A1 user U1 -> BRAVO forward T1
        at 1     ALPHA pays BRAVO T2 10 alias A1 user U1 -> BRAVO forward T2
        at 1     ALPHA pays BRAVO T3 10 alias A1 user U1 -> BRAVO forward T3
        buckets  ALPHA U1 397 97
        at 1     BRAVO rejects T1 AC04                  -> ALPHA rejected T1 AC04, BRAVO rejected T1 AC04
        buckets  ALPHA U1 397 97
        # Never above what the buckets can hold.
        at 1     BRAVO accepts T2                       -> ALPHA committed T2, BRAVO committed T2
        buckets  ALPHA U1 400 100
        # What a rule refuses was debited before.
        at 1     ALPHA pays BRAVO T4 200 alias A1 user U1 -> ALPHA rejected T4 AM04 amount
        buckets  ALPHA U1 399 99
        at 11    time                                   -> ALPHA expired T3 AB05, BRAVO expired T3 AB05
        buckets  ALPHA U1 399 99
        ",
    );
}

#[test]
fn a_payment_is_resolved_again_once_its_alias_was_touched() {
    check(
        "
        funds    ALPHA 100
        at 1     directory                              ->
        at 2     BRAVO does register to A1              ->
        at 2     BRAVO does register to A2              ->
        # Positions: the genesis has five entries and its tick, each line after it two.
        at 3     ALPHA pays BRAVO T1 10 alias A1 user U1 resolved 0   -> reply ALPHA recheck T1
        buckets  ALPHA U1 400 100
        at 3     ALPHA pays BRAVO T1 10 alias A1 user U1              -> BRAVO forward T1
        at 3     BRAVO does report to A3                ->
        at 3     ALPHA pays BRAVO T2 10 alias A3 user U1 resolved 0   -> BRAVO forward T2
        at 3     BRAVO does erase to all                ->
        # Nobody knows which aliases went.
        at 3     ALPHA pays BRAVO T3 10 alias A3 user U1 resolved 0   -> reply ALPHA recheck T3
        at 3     ALPHA pays BRAVO T3 10 alias A3 user U1              -> BRAVO forward T3
        ",
    );
}

/// The account was that of the holder's phone number, and only the token was watched: the number could pass to somebody else, or the holder choose another account,
/// and the payment went where it had gone before.
#[test]
fn a_payment_to_a_token_is_resolved_again_once_what_its_holder_is_paid_by_was_touched() {
    check(
        "
        funds    ALPHA 100
        at 1     directory                              ->
        at 2     BRAVO does register to A1 of H1        ->
        at 2     BRAVO does register to A2 of H2        ->
        at 3     ALPHA pays BRAVO T1 10 alias A3 holder H3 default A4 user U1 resolved 0   -> BRAVO forward T1
        # What the holder is paid by has moved.
        at 3     ALPHA pays BRAVO T2 10 alias A3 holder H3 default A1 user U1 resolved 0   -> reply ALPHA recheck T2
        # The holder has something new, and may want to be paid there.
        at 3     ALPHA pays BRAVO T2 10 alias A3 holder H2 default A4 user U1 resolved 0   -> reply ALPHA recheck T2
        at 3     ALPHA pays BRAVO T2 10 alias A3 holder H2 user U1 resolved 0              -> reply ALPHA recheck T2
        at 3     ALPHA pays BRAVO T2 10 alias A3 holder H2 default A1 user U1              -> BRAVO forward T2
        # No token: the default of nobody is nothing.
        at 3     ALPHA pays BRAVO T3 10 alias A4 default A1 user U1 resolved 0             -> BRAVO forward T3
        ",
    );
}

/// A found alias was told by a `Status` and one that nobody has by an `Error`, so an empty bucket told everything; and orders under an id that was used told it
/// for nothing, because a duplicate was told before anything was debited.
#[test]
fn neither_an_empty_bucket_nor_a_used_id_tells_whether_an_alias_is_there() {
    check(
        "
        funds    ALPHA 100
        at 1     directory end_user_capacity 21 end_user_per_minute 2  ->
        at 1     ALPHA pays BRAVO T1 10 alias A1 user U1  -> BRAVO forward T1
        buckets  ALPHA U1 399 20
        # The same order again has told all it has to tell; the alias of another is asked for anew.
        at 1     ALPHA pays BRAVO T1 10 alias A1 user U1  -> reply ALPHA in_flight T1
        buckets  ALPHA U1 399 20
        at 1     ALPHA pays BRAVO T1 10 alias A2 user U1  -> reply ALPHA duplicate T1 AM05 payment_id
        buckets  ALPHA U1 398 19
        at 1     ALPHA pays BRAVO T1 10 alias A3 user U1  -> reply ALPHA limited T1 30000
        at 1     ALPHA pays BRAVO T2 10 alias A3 user U1  -> reply ALPHA limited T2 30000
        at 1     ALPHA looks up A4 for U1 missed as T2    -> reply ALPHA limited T2 30000
        buckets  ALPHA U1 398 19
        balance  ALPHA 90 10
        # It has left no trace: the id is new.
        at 31    ALPHA pays BRAVO T2 10 accepted 31 alias A3 user U1  -> ALPHA expired T1 AB05, BRAVO expired T1 AB05, BRAVO forward T2
        ",
    );
}

#[test]
fn what_became_of_payments_to_aliases_is_told_to_the_directory() {
    let mut desk = Desk::new(["funds ALPHA 100"].into_iter());
    desk.say("at 1 directory");
    for payment in ["T1", "T2", "T3"] {
        desk.say(&format!("at 1 ALPHA pays BRAVO {payment} 10 alias A{payment} user U1"));
    }
    assert!(desk.engine.told().alias_outcomes.is_empty() && desk.engine.told().is_directorys);
    desk.say("at 1 ALPHA pays BRAVO T4 10");
    assert!(!desk.engine.told().is_directorys);
    desk.say("at 1 ALPHA pays BRAVO T5 200 alias A5 user U1");
    assert!(desk.engine.told().alias_outcomes.is_empty(), "a rule says nothing about who was to be paid");
    let mut outcome = |line: &str| {
        desk.say(line);
        desk.engine.told().alias_outcomes.clone()
    };
    assert_eq!(outcome("at 2 BRAVO accepts T1"), [(hash_of("AT1"), Outcome::Committed)]);
    assert_eq!(outcome("at 2 BRAVO rejects T2 AC04"), [(hash_of("AT2"), Outcome::Rejected)]);
    assert_eq!(outcome("at 3 BRAVO accepts T4"), []);
    assert_eq!(outcome("at 11 time"), [(hash_of("AT3"), Outcome::Expired)]);
}

/// Traffic with many look-ups, payments to aliases and commands about them, a batch a line.
fn traffic(seed: u64, lines: usize) -> Vec<String> {
    let mut random = Random(seed);
    let mut said = vec![
        "at 1 directory end_user_capacity 30 cost_missed 10 end_user_per_minute 50 per_minute 300".to_owned(),
        "at 1 category ALPHA C".to_owned(),
    ];
    let mut payments = Vec::new();
    for line in 0..lines {
        let seconds = 1 + line / 4;
        let payer = if random.percent(70) { "ALPHA" } else { "BRAVO" };
        let (alias, user, name) = (random.below(6), random.below(5), 1 + line);
        let doing = match random.below(10) {
            0..4 => {
                let found = if random.percent(70) { "found" } else { "missed" };
                format!("{payer} looks up A{alias} for U{user} {found} as T{name}")
            }
            4..7 => {
                payments.push(name);
                let resolved = if random.percent(20) { " resolved 9" } else { "" };
                format!("{payer} pays CHARLIE T{name} 1 alias A{alias} user U{user}{resolved}")
            }
            7 => {
                let operation = ["update", "report", "pause"][random.below(3) as usize];
                format!("CHARLIE does {operation} to A{alias}")
            }
            8 if line % 50 == 9 => "CHARLIE does erase to all".to_owned(),
            _ => match payments.pop() {
                Some(name) if random.percent(80) => format!("CHARLIE accepts T{name}"),
                Some(name) => format!("CHARLIE rejects T{name} AC04"),
                None => "time".to_owned(),
            },
        };
        said.push(format!("at {seconds} {doing}"));
    }
    said
}

fn body_of(engine: &mut Engine, bytes_max: usize, mut beside: impl FnMut(&mut Engine)) -> Vec<u8> {
    let mut body = vec![0; engine.begin_capture() as usize];
    let mut take = |engine: &mut Engine| {
        engine.capture(bytes_max, |offset, piece| {
            body[offset as usize..offset as usize + piece.len()].copy_from_slice(piece);
        })
    };
    while take(engine) {
        beside(engine);
    }
    body
}

#[test]
fn an_engine_restored_at_any_batch_debits_and_rechecks_as_the_one_that_goes_on() {
    let lines = traffic(7, 400);
    let desk = || Desk::new(["funds ALPHA 1000", "funds BRAVO 1000"].into_iter());
    let (mut running, mut heard) = (desk(), BTreeMap::<String, u32>::new());
    for (place, line) in lines.iter().enumerate() {
        for told in running.say(line) {
            *heard.entry(told.split_whitespace().nth(2).unwrap().to_owned()).or_default() += 1;
        }
        let body = body_of(&mut running.engine, usize::MAX, |_| {});
        let digest = running.engine.digest();
        let mut restored = Engine::restore(0, body.as_slice()).unwrap();
        assert_eq!(restored.digest(), digest, "at {line}");
        assert!(body_of(&mut restored, usize::MAX, |_| {}) == body, "the same bytes again, at {line}");
        if place % 20 == 0 {
            // It goes on from there as the other does.
            let mut other = desk();
            other.engine = restored;
            let mut again = desk();
            lines[..=place].iter().for_each(|line| drop(again.say(line)));
            for line in &lines[place + 1..lines.len().min(place + 60)] {
                let told = |desk: &mut Desk| desk.say_unnumbered(line);
                assert_eq!(told(&mut other), told(&mut again), "at {line}");
                assert_eq!(other.engine.digest(), again.engine.digest(), "at {line}");
            }
        }
    }
    for what in ["granted", "limited", "recheck"] {
        assert!(heard.get(what).is_some_and(|&times| times > 5), "{what} in {heard:?}");
    }
}

/// Tables change beside the capture: what a snapshot has is the state of the batch at which it began.
#[test]
fn a_capture_beside_the_running_engine_has_the_state_of_its_beginning() {
    for seed in 1..=8 {
        let lines = traffic(seed, 300);
        let mut desk = Desk::new(["funds ALPHA 1000", "funds BRAVO 1000"].into_iter());
        let (before, after) = lines.split_at(60 + 20 * seed as usize);
        before.iter().for_each(|line| drop(desk.say(line)));
        let digest = desk.engine.digest();
        let mut rest = after.iter();
        let mut desk = Some(desk);
        let mut engine = std::mem::take(&mut desk.as_mut().unwrap().engine);
        let body = body_of(&mut engine, 200, |engine| {
            let desk = desk.as_mut().unwrap();
            std::mem::swap(engine, &mut desk.engine);
            if let Some(line) = rest.next() {
                drop(desk.say_unnumbered(line));
            }
            std::mem::swap(engine, &mut desk.engine);
        });
        assert!(rest.len() < after.len() - 10, "the engine went on beside");
        assert_eq!(Engine::restore(0, body.as_slice()).unwrap().digest(), digest, "seed {seed}");
    }
}

/// A batch of a second, entry by entry, and what became of each.
struct Second<'a> {
    engine: &'a mut Engine,
    payload: Vec<u8>,
}

impl<'a> Second<'a> {
    fn new(engine: &'a mut Engine) -> Second<'a> {
        Second { engine, payload: Vec::new() }
    }

    fn look_up(&mut self, who: ParticipantId, name: u64, end_user: u64, is_found: bool) {
        let lookup = AliasLookedUp {
            lookup_id: id(name).bytes(),
            alias: hash(b'a', name),
            end_user: hash(b'u', end_user),
            form: 1,
            purpose: 1,
            is_found: u8::from(is_found),
            resolved_at: self.engine.applied(),
            entry: u64::from(is_found),
        };
        let head = EntryHead { kind: EntryKind::AliasLookedUp, sender: Sender::Participant(who), seal_key: 0 };
        entry::write(&mut self.payload, head, &[], &lookup.bytes(), |_, _| {});
    }

    fn apply(self, time_ns: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        let first_sequence = self.engine.applied() + 1;
        self.engine.apply(Batch { first_sequence, time_ns, payload: &self.payload }, &mut effects).unwrap();
        effects
    }
}

fn hash(kind: u8, number: u64) -> [u8; 16] {
    let mut hash = [kind; 16];
    hash[..8].copy_from_slice(&number.to_le_bytes());
    hash
}

const HOUR_S: u64 = 3_600;

/// A participant that nobody knows yet asks for 1,000 guessed numbers a second, each for another of 100,000 end users, and always for one that it has not learned.
/// Of a range of 1,000,000 it learns less than a thousandth in an hour, however many of them are there.
#[test]
fn a_scanner_learns_less_than_a_thousandth_of_a_range_in_an_hour() {
    for (density_permille, learns_most) in [(0, 40), (10, 50), (500, 100), (1_000, 700)] {
        let mut desk = Desk::new(std::iter::empty());
        desk.say("at 0 directory");
        let (engine, who) = (&mut desk.engine, number("ALPHA"));
        let mut random = Random(density_permille + 1);
        let (mut learned, mut asked) = (0, 0);
        for second in 0..HOUR_S {
            let mut batch = Second::new(engine);
            for _ in 0..1_000 {
                asked += 1;
                batch.look_up(who, asked, random.below(100_000), random.below(1_000) < density_permille);
            }
            let effects = batch.apply(START_NS + (1 + second) * NS_PER_S);
            let granted = |effect: &&Effect| matches!(effect.news, News::LookedUp { is_granted: true, .. });
            learned += effects.iter().filter(granted).count();
        }
        assert!(0 < learned && learned <= learns_most, "{density_permille} of 1,000 are there: {learned} are learned");
        assert!(learned * 1_000 < 1_000_000, "{learned} of a million");
    }
}

/// A large participant that pays whom it looks up: 300 look-ups a second of 60,000 end users, 95 of 100 found, 90 of 100 of these paid to their alias and committed.
#[test]
fn who_pays_whom_it_looks_up_is_never_refused() {
    let mut desk = Desk::new(["funds ALPHA 1000000000"].into_iter());
    desk.say("at 0 directory");
    desk.say("at 0 category ALPHA A");
    let (engine, who) = (&mut desk.engine, number("ALPHA"));
    let (mut random, mut name, mut paid) = (Random(1), 1u64 << 20, 0);
    let (mut to_pay, mut to_accept): (Vec<(u64, u64)>, Vec<u64>) = (Vec::new(), Vec::new());
    for second in 0..HOUR_S {
        let time_ns = START_NS + (1 + second) * NS_PER_S;
        let resolved_at = engine.applied();
        let mut batch = Second::new(engine);
        for payment in to_accept.drain(..) {
            write_answer(&mut batch.payload, "BRAVO", &Answer::accept(id(payment)));
        }
        for (payment, end_user) in to_pay.drain(..) {
            let order = order(payment, "ALPHA", "BRAVO", 1, time_ns);
            let (alias, end_user) = (hash(b'a', payment), hash(b'u', end_user));
            let resolution = AliasResolution { alias, end_user, resolved_at, entry: 1, ..AliasResolution::NONE };
            write_order_to_alias(&mut batch.payload, "ALPHA", &order, u64::MAX, &resolution);
            to_accept.push(payment);
        }
        for _ in 0..300 {
            name += 2;
            let (end_user, is_found) = (random.below(60_000), random.percent(95));
            batch.look_up(who, name, end_user, is_found);
            if is_found && random.percent(90) {
                to_pay.push((name + 1, end_user));
            }
        }
        for effect in batch.apply(time_ns) {
            match effect.news {
                News::LookedUp { is_granted, .. } => assert!(is_granted, "in second {second}"),
                News::Status(status) => paid += u64::from(status.outcome == Outcome::Committed),
                News::Forward { .. } => {}
                other => panic!("{other:?} in second {second}"),
            }
        }
    }
    // Both are told.
    assert!(paid / 2 > HOUR_S * 300 * 95 / 100 * 89 / 100, "{paid}");
    assert!(engine.allowance(who, hash(b'u', 1)).unwrap().0 > 49_000, "nothing is lost to whoever pays");
}
