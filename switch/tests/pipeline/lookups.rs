//! What look-ups cost, through the engine and its journal entries: nobody can scan, who pays whom it looks up loses nothing, and nobody is paid under an alias that has moved.

use adapters::message::{Answer, CreditTransfer, Outcome, Part, ParticipantCode, PaymentId};
use ledger::{Amount, Currency};
use switch::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisParticipant, GenesisRules};
use switch::engine::effect::{Effect, News};
use switch::engine::{Batch, Engine};
use switch::entry::{
    self, AliasCommanded, AliasLookedUp, AliasResolution, EntryHead, EntryKind, ParticipantId, Sender,
    TransferAnnotation,
};
use switch::genesis;

const START_NS: u64 = 1_790_000_000_000_000_000;
const S: u64 = 1_000_000_000;
const HOUR_S: u64 = 3_600;

/// Participant 1 may look up a lot, 2 what everybody may from the start.
struct Bench {
    engine: Engine,
    payload: Vec<u8>,
    effects: Vec<Effect>,
    payments: u64,
}

fn id(number: u64) -> PaymentId {
    let mut bytes = [0x22; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    (bytes[6], bytes[8]) = (0x42, 0x80 | (bytes[8] & 0x3f));
    PaymentId::from_bytes(bytes).unwrap()
}

fn hash(kind: u8, number: u64) -> [u8; 16] {
    let mut bytes = [kind; 16];
    bytes[..8].copy_from_slice(&number.to_le_bytes());
    bytes
}

const NAMES: [&str; 2] = ["ALPHA", "BETA"];

impl Bench {
    fn new() -> Bench {
        let participant = |(name, lookups): (&str, Option<char>)| GenesisParticipant {
            code: name.to_owned(),
            funds: [("KES".to_owned(), 1 << 50)].into(),
            lookups,
            ..GenesisParticipant::default()
        };
        let genesis = Genesis {
            rules: GenesisRules { outcomes_kept: 1_000, ..GenesisRules::default() },
            directory: Some(GenesisDirectory::default()),
            currency: vec![GenesisCurrency {
                code: "KES".to_owned(),
                minor_digits: 2,
                amount_max: 1_000_000,
                ..GenesisCurrency::default()
            }],
            participant: NAMES.into_iter().zip([Some('A'), None]).map(participant).collect(),
        };
        let mut bench = Bench { engine: Engine::new(), payload: Vec::new(), effects: Vec::new(), payments: 0 };
        bench.payload = genesis::commands(&genesis).concat();
        bench.apply(0);
        bench
    }

    /// Applies what was written, at this moment, and gives the effects.
    fn apply(&mut self, at_ns: u64) -> &[Effect] {
        self.effects.clear();
        let first_sequence = self.engine.applied() + 1;
        let batch = Batch { first_sequence, time_ns: START_NS + at_ns, payload: &self.payload };
        self.engine.apply(batch, &mut self.effects).unwrap();
        self.payload.clear();
        &self.effects
    }

    fn write(&mut self, kind: EntryKind, sender: u32, annotation: &[u8], routing: &[u8]) {
        let head = EntryHead { kind, sender: Sender::Participant(ParticipantId(sender)), seal_key: 0 };
        entry::write(&mut self.payload, head, annotation, routing, |_, _| {});
    }

    fn look_up(&mut self, sender: u32, end_user: u64, alias: u64, is_found: bool) {
        let lookup = AliasLookedUp {
            lookup_id: id(alias).bytes(),
            alias: hash(1, alias),
            end_user: hash(2, end_user),
            form: 1,
            purpose: 1,
            is_found: u8::from(is_found),
            resolved_at: self.engine.applied(),
            entry: u64::from(is_found),
        };
        self.write(EntryKind::AliasLookedUp, sender, &[], &lookup.bytes());
    }

    /// A payment of participant 1 to an alias of participant 2, resolved at this position; gives its id.
    fn pay(&mut self, end_user: u64, alias: u64, resolved_at: u64, at_ns: u64) -> PaymentId {
        self.payments += 1;
        let id = id(1 << 40 | self.payments);
        let [payer, payee] = NAMES.map(|name| ParticipantCode::parse(name).unwrap());
        let (amount, currency) = (Amount::new(100).unwrap(), Currency::parse(b"KES").unwrap());
        let order = CreditTransfer::new(id, payer, payee, amount, currency, START_NS + at_ns);
        let mut routing = Vec::new();
        order.write(&mut routing);
        let annotation = TransferAnnotation { digest: id.bytes(), checked_through: u64::MAX };
        let resolution =
            AliasResolution { alias: hash(1, alias), end_user: hash(2, end_user), resolved_at, entry: 1 };
        self.write(EntryKind::CreditTransfer, 1, &resolution.annotation(&annotation), &routing);
        id
    }

    fn accept(&mut self, id: PaymentId) {
        let mut routing = Vec::new();
        Answer::accept(id).write(&mut routing);
        self.write(EntryKind::Answer, 2, &[], &routing);
    }

    /// A command about an alias of participant 2.
    fn command(&mut self, operation: u8, alias: u64) {
        let command = AliasCommanded {
            command_id: id(7).bytes(),
            digest: [7; 16],
            participant: 2,
            operation,
            alias_type: 1,
            generation: 1,
            alias: if alias == 0 { [0; 16] } else { hash(1, alias) },
            alias_before: [0; 16],
            identity: [3; 16],
            identity_before: [0; 16],
            account: [4; 16],
            nonce: [5; 16],
            attested_until_ns: 0,
            defaults: 0,
            consent_purpose: 1,
            consent_until_ns: 0,
        };
        self.write(EntryKind::AliasCommanded, 2, &[], &command.bytes());
    }

    /// The same engine, out of its own snapshot.
    fn restored(&mut self) -> Engine {
        let bytes = self.engine.begin_capture();
        let mut body = vec![0; usize::try_from(bytes).unwrap()];
        let mut more = true;
        while more {
            more = self.engine.capture(1 << 12, |offset, piece| {
                let at = usize::try_from(offset).unwrap();
                body[at..at + piece.len()].copy_from_slice(piece);
            });
        }
        Engine::restore(0, &mut &body[..]).unwrap()
    }
}

fn granted(effects: &[Effect]) -> u64 {
    effects.iter().filter(|effect| matches!(effect.news, News::LookedUp { is_granted: true, .. })).count() as u64
}

/// A participant that has just been admitted asks for a thousand guessed numbers a second, for a hundred thousand end users in turn.
#[test]
fn a_scanner_learns_less_than_a_thousandth_of_a_million_numbers_in_an_hour() {
    const RANGE: u64 = 1_000_000;
    for registered_percent in [0, 1, 50, 100] {
        let mut bench = Bench::new();
        let (mut guess, mut learned) = (0, 0);
        for second in 1..=HOUR_S {
            for _ in 0..1_000 {
                guess += 1;
                let number = guess % RANGE;
                bench.look_up(2, guess % 100_000, number, number % 100 < registered_percent);
            }
            learned += granted(bench.apply(second * S));
        }
        assert!(0 < learned && learned < RANGE / 1_000, "{registered_percent} %: {learned} numbers");
    }
}

/// A large provider whose customers look up 300 a second: 95 of 100 are found, and 90 of 100 of these are paid.
#[test]
fn who_pays_whom_it_looks_up_is_never_refused() {
    let mut bench = Bench::new();
    let mut open = Vec::new();
    let mut number = 0;
    for second in 1..=HOUR_S {
        let at_ns = second * S;
        for id in std::mem::take(&mut open) {
            bench.accept(id);
        }
        for _ in 0..300 {
            number += 1;
            let is_found = number % 20 != 0;
            bench.look_up(1, number % 60_000, number, is_found);
            if is_found && number % 10 != 1 {
                let resolved_at = bench.engine.applied();
                open.push(bench.pay(number % 60_000, number, resolved_at, at_ns));
            }
        }
        let effects = bench.apply(at_ns);
        assert_eq!(granted(effects), 300, "second {second}");
        let rejected = effects.iter().find(|effect| match effect.news {
            News::Status(status) => status.outcome != Outcome::Committed,
            _ => false,
        });
        assert_eq!(rejected, None, "second {second}");
    }
}

#[test]
fn a_refusal_costs_nothing_and_says_when_to_come_again() {
    let mut bench = Bench::new();
    // Five that are not found empty the bucket of an end user; not what others of the participant have.
    for alias in 1..=6 {
        bench.look_up(1, 1, alias, false);
    }
    let news: Vec<News> = bench.apply(S).iter().map(|effect| effect.news).collect();
    let answered = News::LookedUp { is_granted: true, retry_after_ms: 0 };
    assert_eq!(news[..5], [answered; 5]);
    // Twenty tokens at two a minute.
    assert_eq!(news[5], News::LookedUp { is_granted: false, retry_after_ms: 600_000 });
    bench.look_up(1, 2, 7, true);
    assert_eq!(granted(bench.apply(2 * S)), 1, "another end user");
    bench.look_up(1, 1, 8, true);
    assert_eq!(granted(bench.apply(S + 599_999_999_999)), 0, "found or not, it is too early");
    bench.look_up(1, 1, 8, true);
    assert_eq!(granted(bench.apply(S + 600 * S)), 1);
    let [level, capacity, per_minute] = bench.engine.participant_allowance(ParticipantId(1));
    assert_eq!((level, capacity, per_minute), (49_999, 50_000, 25_000), "what it used has long been refilled");
}

#[test]
fn a_payment_by_alias_is_resolved_once_more_where_the_alias_was_touched() {
    let mut bench = Bench::new();
    let resolved_at = bench.engine.applied();
    bench.command(2, 7);
    bench.pay(1, 7, resolved_at, S);
    bench.pay(1, 8, resolved_at, S);
    let news: Vec<News> = bench.apply(S).iter().map(|effect| effect.news).collect();
    assert_eq!(news[0], News::Recheck, "it was touched in the same batch, before");
    assert!(matches!(news[1], News::Forward { .. }), "another was not");
    assert_eq!(bench.engine.counts().in_flight, 1);
    let resolved_at = bench.engine.applied();
    bench.pay(1, 7, resolved_at, 2 * S);
    assert!(matches!(bench.apply(2 * S)[0].news, News::Forward { .. }), "resolved behind the touch");
    // A report touches nothing, an erasure everything.
    bench.command(7, 9);
    bench.pay(1, 9, resolved_at, 3 * S);
    assert!(matches!(bench.apply(3 * S)[0].news, News::Forward { .. }));
    bench.command(6, 0);
    bench.pay(1, 10, resolved_at, 4 * S);
    assert_eq!(bench.apply(4 * S)[0].news, News::Recheck);
}

#[test]
fn a_committed_payment_gives_back_and_others_do_not() {
    let mut bench = Bench::new();
    let spend = |bench: &mut Bench, at_ns| {
        for alias in 1..=50 {
            bench.look_up(1, 1, alias, true);
        }
        bench.apply(at_ns);
    };
    spend(&mut bench, S);
    let level = |bench: &Bench| bench.engine.participant_allowance(ParticipantId(1))[0];
    let before = level(&bench);
    let (committed, expired) = (bench.pay(1, 1, u64::MAX, S), bench.pay(1, 2, u64::MAX, S));
    bench.apply(S);
    assert_eq!(level(&bench), before - 2, "each costs what is found");
    bench.accept(committed);
    bench.apply(S);
    assert_eq!(level(&bench), before, "one gave back two");
    assert_eq!(bench.engine.told().alias_outcomes, [(hash(1, 1), Outcome::Committed)]);
    bench.apply(12 * S);
    assert_eq!(bench.engine.told().alias_outcomes, [(hash(1, 2), Outcome::Expired)]);
    let _ = expired;
}

/// Buckets, payments by alias and touched aliases go on out of a snapshot as if nothing had been.
#[test]
fn a_restored_engine_decides_as_the_one_that_ran_on() {
    let mut bench = Bench::new();
    let mut open = Vec::new();
    for second in 1..=40 {
        bench.look_up(1, second % 7, second, second % 3 != 0);
        bench.look_up(2, second % 3, second, second % 2 == 0);
        bench.command(2, second);
        let resolved_at = bench.engine.applied();
        open.push(bench.pay(second % 5, 1_000 + second, resolved_at, second * S));
        if second > 3 {
            let answered = open.remove(0);
            bench.accept(answered);
        }
        let mut other = bench.restored();
        assert_eq!(other.digest(), bench.engine.digest(), "second {second}");
        let (payload, first_sequence) = (bench.payload.clone(), bench.engine.applied() + 1);
        let expected = bench.apply(second * S).to_vec();
        let mut effects = Vec::new();
        other.apply(Batch { first_sequence, time_ns: START_NS + second * S, payload: &payload }, &mut effects).unwrap();
        assert_eq!(effects, expected, "second {second}");
        assert_eq!(other.digest(), bench.engine.digest(), "second {second}");
    }
}
