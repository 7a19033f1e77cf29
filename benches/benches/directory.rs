//! The directory: what decides about aliases, what reads them, and what stands before and behind both; one thread each.
//!
//! ```text
//!   batch of 2,048 commands, or of 2,048 look-ups that were let pass, made beforehand --> Directory::apply --> store
//!   alias, written --> canonical form --> keyed hashes --> DirectoryReader::find --> record
//!   batch of 512 look-ups, made beforehand --> Engine::apply --> granted
//! ```
//!
//! `apply` is once on the store in memory, which the simulator has, and once on that on disk, as it is in use, without `persist`: the disk is not waited for, but its threads write and compact beside
//! what is measured. A registration has an attestation's nonce and a result that is kept, as one of a provider has; a directory that holds 500,000 is begun anew (not timed). An element is one entry.
//! `find` is of a directory on disk with a million entries, in random order, all of it in the page cache. The hashes are those of one command, or of one look-up. An attestation is compact JWS, with all its claims
//! checked. The engine debits end user and participant of look-ups that found something: of 200,000 end users, whose buckets do not refill meanwhile.

use std::hint::black_box;
use std::time::Duration;

use adapters::alias::Alias;
use adapters::attestation::{self, Algorithm, Expected};
use adapters::directory::{AliasType, LookupForm, LookupPurpose, Operation};
use adapters::sandbox::issuer::{DevelopmentIssuer, PersonClaims};
use benches::filling::{ENTRIES_PER_BATCH, Filling, alias_of, keys, participant_of};
use benches::{Random, scheme, timed};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use loadtest::aliases::{account_of, number_of, token_of};
use switch::directory::hashes::{KeyedHash, nonce_hash};
use switch::directory::store::{DiskStore, MemoryStore, Store};
use switch::engine::Batch;
use switch::engine::effect::{Effect, News};
use switch::entry::{self, AliasLookedUp, EntryHead, EntryKind, Sender};

const ENTRIES_MAX: u64 = 500_000;
const LOOKUPS_PER_BATCH: u64 = 512;
const END_USERS: usize = 200_000;

/// The three things that are applied, on stores of a kind.
fn apply<S: Store>(group: &mut BenchmarkGroup<'_, WallTime>, kind: &str, new_store: impl Fn() -> S) {
    group.throughput(Throughput::Elements(ENTRIES_PER_BATCH));
    for what in ["register", "look-up", "remove"] {
        // None where this row is not asked for.
        let mut asked = None;
        group.bench_function(format!("apply {what}/{kind}"), |bencher| {
            let filling = asked.get_or_insert_with(|| Filling::new(new_store()));
            bencher.iter_custom(|rounds| {
                let mut total = Duration::ZERO;
                for _ in 0..rounds {
                    if filling.rows >= ENTRIES_MAX && what != "look-up" {
                        *filling = Filling::new(new_store());
                    }
                    let is_new = what != "look-up" || filling.rows < ENTRIES_PER_BATCH * 50;
                    let registered = is_new.then(|| filling.next_rows());
                    if what == "register" {
                        let batch = registered.expect("it is always new");
                        timed(&mut total, || filling.apply(&batch));
                    } else {
                        registered.iter().for_each(|batch| filling.apply(batch));
                        let rows = filling.rows - ENTRIES_PER_BATCH..filling.rows;
                        let batch = if what == "remove" {
                            filling.commands(Operation::Remove, rows)
                        } else {
                            filling.lookups()
                        };
                        timed(&mut total, || filling.apply(&batch));
                    }
                    filling.check();
                }
                total
            });
        });
        if let Some(filling) = asked {
            let left = if what == "remove" { 0 } else { filling.rows };
            assert_eq!(filling.directory.entries(), left, "what was registered and not removed is there");
        }
    }
}

fn applies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(10).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    apply(&mut group, "memory", MemoryStore::default);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let count = std::cell::Cell::new(0);
    apply(&mut group, "disk", || {
        count.set(count.get() + 1);
        DiskStore::open(&directory.path().join(count.get().to_string())).expect("an empty directory")
    });
    group.finish();
}

/// Entries that are read.
const HELD: u64 = 1_000_000;

fn reads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(1));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut asked = None;
    for (name, is_there) in [("find/found of 1M", true), ("find/not found of 1M", false)] {
        group.bench_function(name, |bencher| {
            let filling = asked.get_or_insert_with(|| {
                let mut filling = Filling::new(DiskStore::open(directory.path()).expect("an empty directory"));
                while filling.rows < HELD {
                    let batch = filling.next_rows();
                    filling.apply(&batch);
                    filling.check();
                }
                filling.directory.persist().expect("a disk that takes it");
                filling
            });
            let (reader, mut random) = (filling.directory.reader(), Random::new(2));
            bencher.iter_custom(|rounds| {
                let wanted: Vec<KeyedHash> = (0..rounds)
                    .map(|_| if is_there { alias_of(random.draw() % HELD) } else { KeyedHash(random.bytes()) })
                    .collect();
                let (mut total, mut found) = (Duration::ZERO, 0);
                timed(&mut total, || {
                    for &hash in &wanted {
                        found += u64::from(reader.find(hash).expect("a store that can be read").is_some());
                    }
                });
                assert_eq!(found, if is_there { rounds } else { 0 });
                total
            });
        });
    }
    group.finish();
}

fn hashes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    let (keys, code) = (keys(), scheme::code(0));
    let (alias, token, account) = (number_of(7), token_of(code.as_str(), 7), account_of(7));
    let mobile = AliasType::Mobile as u8;
    group.bench_function("hashes of a registration", |bencher| {
        bencher.iter(|| {
            let keys = black_box(&keys);
            let alias = keys.alias(mobile, black_box(alias.as_bytes()));
            let identity = keys.identity(&code, black_box(token.as_bytes()));
            let account = keys.account(&code, black_box(account.as_bytes()));
            (alias, identity, account, nonce_hash(b"dev-id", black_box(b"nonce-0123456789")))
        });
    });
    group.bench_function("hashes of a look-up", |bencher| {
        bencher.iter(|| {
            let keys = black_box(&keys);
            let alias = keys.alias(mobile, black_box(alias.as_bytes()));
            (alias, keys.end_user(&code, black_box(b"customer-000001234")))
        });
    });
    group.finish();
}

fn attestations(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    let (code, now_s) = (scheme::code(0), scheme::START_NS / 1_000_000_000);
    let (number, subject) = (number_of(7), token_of(code.as_str(), 7));
    let alias = Alias::parse(AliasType::Mobile, &number).expect("a number");
    for algorithm in [Algorithm::Ed25519, Algorithm::Es256] {
        let issuer = DevelopmentIssuer::generate("dev-id", "k1", algorithm);
        let jws = issuer.attest(&PersonClaims {
            audience: code.as_str(),
            subject: &subject,
            alias: Some((AliasType::Mobile.name(), &number)),
            issued_at_s: now_s - 10,
            expires_at_s: now_s + 60,
            nonce: "nonce-0123456789",
        });
        let expected = Expected { audience: code.as_str(), alias: Some(&alias), subject: &subject, now_s };
        let keys = [issuer.key()];
        assert!(attestation::verify(jws.as_bytes(), &expected, &keys).is_ok(), "it is right");
        group.bench_function(format!("attestation/{}", algorithm.name()), |bencher| {
            bencher.iter(|| attestation::verify(black_box(jws.as_bytes()), &expected, &keys).is_ok());
        });
    }
    group.finish();
}

fn debits(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(LOOKUPS_PER_BATCH));
    let mut asked = None;
    group.bench_function("engine, 512 look-ups", |bencher| {
        let (engine, random) = asked.get_or_insert_with(|| (scheme::decisions_with_directory().engine, Random::new(3)));
        let (mut effects, mut time_ns) = (Vec::<Effect>::new(), engine.time_ns());
        bencher.iter_custom(|rounds| {
            let mut total = Duration::ZERO;
            for _ in 0..rounds {
                let mut payload = Vec::new();
                for _ in 0..LOOKUPS_PER_BATCH {
                    write_lookup(&mut payload, engine.applied(), random);
                }
                time_ns += 1_000_000;
                effects.clear();
                let batch = Batch { first_sequence: engine.applied() + 1, time_ns, payload: &payload };
                timed(&mut total, || engine.apply(batch, &mut effects).expect("the batch applies"));
                let granted =
                    effects.iter().filter(|effect| matches!(effect.news, News::LookedUp { is_granted: true, .. }));
                assert_eq!(granted.count() as u64, LOOKUPS_PER_BATCH, "every bucket holds enough");
            }
            total
        });
    });
    group.finish();
}

/// A look-up that found something, of somebody at somebody's.
fn write_lookup(out: &mut Vec<u8>, applied: u64, random: &mut Random) {
    let user = random.below(END_USERS);
    let participant = participant_of(user as u64);
    let mut end_user = [0x11; 16];
    end_user[..8].copy_from_slice(&(user as u64).to_le_bytes());
    let lookup = AliasLookedUp {
        lookup_id: scheme::payment_id(random).bytes(),
        alias: random.bytes(),
        end_user,
        form: LookupForm::Lookup as u8,
        purpose: LookupPurpose::Payment as u8,
        is_found: 1,
        resolved_at: applied,
        entry: 1 + random.draw() % 1_000_000,
    };
    let head = EntryHead { kind: EntryKind::AliasLookedUp, sender: Sender::Participant(participant), seal_key: 0 };
    entry::write(out, head, &[], &lookup.bytes(), |_, _| {});
}

fn canonical_forms(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("directory");
    group.sample_size(30).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group.throughput(Throughput::Elements(1));
    for &kind in AliasType::ALL {
        let written = match kind {
            AliasType::Mobile => "+254 (712) 345-678",
            AliasType::Email => "Amina.Diallo@B\u{fc}cher.Example",
            AliasType::NationalIdToken | AliasType::IdToken => "f3A9-kQ0_zzT81bbR7x",
            AliasType::Corporate => "kra-p051234567x",
            AliasType::CountryId => "keP051234567X",
            AliasType::Customer | AliasType::Wallet => "cust-0001.2345_6789",
            AliasType::Merchant => "TILL503201",
            AliasType::Random => "6FA459EA-EE8A-4CA4-894E-DB77E160355E",
        };
        assert!(Alias::parse(kind, written).is_ok(), "{}", kind.name());
        group.bench_function(format!("canonical form/{}", kind.name()), |bencher| {
            bencher.iter(|| Alias::parse(kind, black_box(written)).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, applies, reads, hashes, attestations, debits, canonical_forms);
criterion_main!(benches);
