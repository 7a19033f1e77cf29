//! What a clerk answers where the directory changes while it reads: an entry as it was before or as it is behind, and nobody else's.
//!
//! The clerk reads lists, entries and secrets one after the other, and the directory's thread waits for nobody. So here batches are applied between two of these reads.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use adapters::directory::{AliasOutcome, AliasType, LookupForm, LookupPurpose, Operation};
use adapters::message::{
    AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, MessageKind, Part,
    ParticipantCode,
};
use switch::clerk::{Clerk, ClerkScheme, Found, Question, Renewal, Renewed, Reply};
use switch::directory::hashes::{HashKey, HashKeyRing, HashKeys};
use switch::directory::store::{Change, MemoryStore, Space, Store, StoreFault};
use switch::directory::vault::Vault;
use switch::directory::{Directory, DirectoryBatch, DirectoryLimits};
use switch::entry::{self, AliasCommanded, EntryHead, EntryKind, ParticipantId, SLOT_KEY, Sender, write_rehashed};
use switch::seal::{SealFault, Sealer};

/// A type and a text.
type Named = (AliasType, &'static str);

const PHONE: Named = (AliasType::Mobile, "+254700000001");
const MAIL: Named = (AliasType::Email, "amina@example.org");
const TOKEN: Named = (AliasType::NationalIdToken, "tok-amina-0123456789");

const AMINA: &str = "amina-at-alpha-01";
const BRIAN: &str = "brian-at-beta-001";

type Between = Box<dyn FnOnce() + Send>;

/// A store where things happen behind reads of a space, in their order.
#[derive(Clone, Default)]
struct Interrupted {
    store: MemoryStore,
    between: Arc<Mutex<VecDeque<(Space, Between)>>>,
    /// What happens reads the store, too: nothing happens in between of that.
    is_happening: Arc<AtomicBool>,
}

impl Store for Interrupted {
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        let value = self.store.get(space, key);
        if !self.is_happening.load(Ordering::Relaxed) {
            let next = self.between.lock().unwrap().pop_front_if(|(of, _)| *of == space);
            if let Some((_, happens)) = next {
                self.is_happening.store(true, Ordering::Relaxed);
                happens();
                self.is_happening.store(false, Ordering::Relaxed);
            }
        }
        value
    }

    fn scan(&self, space: Space, from: &[u8], visit: &mut dyn FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreFault> {
        self.store.scan(space, from, visit)
    }

    fn last_through(&self, space: Space, through: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        self.store.last_through(space, through)
    }

    fn write(&self, changes: Vec<Change>) -> Result<(), StoreFault> {
        self.store.write(changes)
    }

    fn persist(&self) -> Result<(), StoreFault> {
        self.store.persist()
    }
}

/// A command: of which participant, what, which alias, whose, to which account.
type Told = (u32, Operation, Named, &'static str, &'static str);

/// The directory and its vault.
struct Place {
    hashes: HashKeys,
    vault: Vault,
    directory: Directory<Interrupted>,
    commands: u64,
    /// What the entry of an alias is sealed under.
    slots: Vec<(Named, u64)>,
}

fn code(participant: u32) -> ParticipantCode {
    ParticipantCode::parse(["ALPHA", "BETA"][participant as usize - 1]).unwrap()
}

impl Place {
    /// Applies a command, alone in a batch; what its entry was sealed under before is destroyed.
    fn command(&mut self, told @ (participant, operation, alias, person, account): Told) {
        self.commands += 1;
        let private = AliasCommandPrivate {
            alias: alias.1.as_bytes().to_vec(),
            identity: person.as_bytes().to_vec(),
            account: account.as_bytes().to_vec(),
            name: person.as_bytes().to_vec(),
            attestation: Vec::new(),
        };
        let mut plaintext = Vec::new();
        private.write(&mut plaintext);
        let is_sealed = matches!(operation, Operation::Register | Operation::Update);
        let taken = is_sealed.then(|| self.vault.take());
        self.vault.sync().unwrap();
        let sender = Sender::Participant(ParticipantId(participant));
        let seal_key = taken.as_ref().map_or(0, |(slot, _)| slot | SLOT_KEY);
        let head = EntryHead { kind: EntryKind::AliasCommanded, sender, seal_key };
        let (routing, mut payload) = (self.routing(told), Vec::new());
        entry::write(&mut payload, head, &[], &routing.bytes(), |out, _| {
            taken.into_iter().for_each(|(_, key)| Sealer::new(key).seal(&plaintext, out, 0..0));
        });
        self.apply(payload);
        if matches!(operation, Operation::Update | Operation::Remove) {
            let gone: Vec<u64> = self.slots.extract_if(.., |held| held.0 == alias).map(|(_, slot)| slot).collect();
            self.vault.reader().destroy(&gone).unwrap();
        }
        if is_sealed {
            self.slots.push((alias, seal_key & !SLOT_KEY));
        }
    }

    fn routing(&self, (participant, operation, alias, person, account): Told) -> AliasCommanded {
        let of = code(participant);
        let mut command_id = [0; 16];
        command_id[..8].copy_from_slice(&self.commands.to_le_bytes());
        AliasCommanded {
            command_id,
            digest: command_id,
            participant,
            operation: operation as u8,
            alias_type: alias.0 as u8,
            generation: 1,
            alias: self.hashes.alias(alias.0 as u8, alias.1.as_bytes()).0,
            alias_before: [0; 16],
            identity: self.hashes.identity(&of, person.as_bytes()).0,
            identity_before: [0; 16],
            account: self.hashes.account(&of, account.as_bytes()).0,
            account_before: [0; 16],
            nonce: [0; 16],
            attested_until_ns: 0,
            defaults: 0,
            consent_purpose: 1,
            consent_until_ns: u64::MAX,
        }
    }

    /// Applies a portion of new hashes, alone in a batch.
    fn rehash(&mut self, renewed: &Renewed) {
        let Renewed::Rows { generation, rows, unreadable: 0 } = renewed else { panic!("{renewed:?}") };
        self.commands += 1;
        let mut payload = Vec::new();
        write_rehashed(&mut payload, *generation, rows);
        assert_eq!(self.applied(payload), []);
    }

    fn apply(&mut self, payload: Vec<u8>) {
        assert_eq!(self.applied(payload), [AliasOutcome::Done]);
    }

    fn applied(&mut self, payload: Vec<u8>) -> Vec<AliasOutcome> {
        let batch = DirectoryBatch {
            first_sequence: 2 * self.commands,
            last_sequence: 2 * self.commands + 1,
            time_ns: self.commands,
            payload,
            limits: DirectoryLimits { per_identity: 5, per_account: 5 },
            outcomes: Vec::new(),
            lookups: Vec::new(),
        };
        let mut results = Vec::new();
        self.directory.apply(&batch, &mut results).unwrap();
        results.iter().map(|result| result.outcome).collect()
    }
}

/// A ring whose keys are their numbers.
#[derive(Clone, Default)]
struct Ring {
    destroyed_before: Arc<Mutex<u8>>,
}

impl HashKeyRing for Ring {
    fn key(&self, generation: u8) -> Result<HashKey, SealFault> {
        assert!(generation >= *self.destroyed_before.lock().unwrap(), "key {generation} is gone");
        Ok(HashKey { generation, secret: [generation; 32] })
    }

    fn destroy_before(&self, generation: u8) -> Result<(), SealFault> {
        *self.destroyed_before.lock().unwrap() = generation;
        Ok(())
    }
}

struct Test {
    _folder: tempfile::TempDir,
    store: Interrupted,
    place: Arc<Mutex<Place>>,
    clerk: Clerk<Interrupted>,
    ring: Ring,
    scheme: Arc<ClerkScheme>,
}

impl Test {
    fn new(commands: &[Told]) -> Test {
        let folder = tempfile::tempdir().unwrap();
        let store = Interrupted::default();
        let hashes = HashKeys { current: HashKey { generation: 1, secret: [1; 32] }, before: None };
        let vault = Vault::open(&folder.path().join("vault"), [2; 32]).unwrap();
        let directory = Directory::open(store.clone()).unwrap();
        let ring = Ring::default();
        let clerk = Clerk::new(hashes.clone(), vault.reader(), directory.reader()).with_ring(Box::new(ring.clone()));
        let mut place = Place { hashes, vault, directory, commands: 0, slots: Vec::new() };
        commands.iter().for_each(|&command| place.command(command));
        let scheme = Arc::new(ClerkScheme { generation: 1, ..ClerkScheme::default() });
        Test { _folder: folder, store, place: Arc::new(Mutex::new(place)), clerk, ring, scheme }
    }

    /// Hashes are made anew under this key from now on, or that is done.
    fn set_key(&mut self, generation: u8, is_rehashing: bool) {
        self.scheme = Arc::new(ClerkScheme { generation, is_rehashing, ..ClerkScheme::default() });
    }

    /// The next portion of new hashes.
    fn renew(&mut self) -> Renewed {
        let (scheme, codes) = (Arc::clone(&self.scheme), [code(1), code(2)].into());
        self.clerk.renew(&Renewal { not_before: 0, scheme, codes }).unwrap()
    }

    /// Behind the clerk's next read of a space these commands are applied.
    fn behind(&self, space: Space, commands: &'static [Told]) {
        let place = Arc::clone(&self.place);
        let happens = move || commands.iter().for_each(|&command| place.lock().unwrap().command(command));
        self.store.between.lock().unwrap().push_back((space, Box::new(happens)));
    }

    fn ask(&mut self, kind: MessageKind, asked: &impl Part, with: &impl Part) -> Reply {
        let (mut routing, mut private) = (Vec::new(), Vec::new());
        asked.write(&mut routing);
        with.write(&mut private);
        let question = Question {
            ticket: 1,
            participant: ParticipantId(2),
            code: code(2),
            now_ns: 1,
            not_before: 0,
            digest: [0; 16],
            kind,
            routing,
            private,
            scheme: Arc::clone(&self.scheme),
        };
        let reply = self.clerk.answer(&question).unwrap();
        assert!(self.store.between.lock().unwrap().is_empty(), "what was to happen in between did");
        reply
    }

    /// Where a payment order to this alias goes: the payee provider and the account; none where the alias is nobody's.
    fn pay(&mut self, alias: Named) -> Option<(u32, String)> {
        let order = AliasTransfer {
            payment_id: [1; 16],
            payer: *code(2).bytes(),
            amount: 1,
            currency: *b"KES",
            accepted_at_ns: 1,
            purpose: [0; 4],
            lane: 0,
            request_id: [0; 16],
            alias_type: alias.0 as u8,
        };
        let private = AliasTransferPrivate {
            alias: alias.1.as_bytes().to_vec(),
            end_user: b"payer".to_vec(),
            ..AliasTransferPrivate::default()
        };
        match self.ask(MessageKind::AliasTransfer, &order, &private) {
            Reply::Resolved { payee, account, .. } => Some((payee.0, String::from_utf8(account).unwrap())),
            Reply::Missed(_) => None,
            other => panic!("{other:?}"),
        }
    }

    /// What a verification by account at the first participant finds: when that was registered.
    fn verify(&mut self, account: &str) -> Option<u64> {
        let lookup = AliasLookup {
            lookup_id: [1; 16],
            form: LookupForm::Verification as u8,
            purpose: LookupPurpose::PayeeVerification as u8,
            alias_type: 0,
            participant: *code(1).bytes(),
        };
        let private = AliasLookupPrivate {
            account: account.as_bytes().to_vec(),
            end_user: b"payer".to_vec(),
            name: AMINA.as_bytes().to_vec(),
            ..AliasLookupPrivate::default()
        };
        match self.ask(MessageKind::AliasLookup, &lookup, &private) {
            Reply::LookedUp { found, .. } => found.map(|found: Box<Found>| found.owned_since_ns),
            other => panic!("{other:?}"),
        }
    }
}

fn goes(participant: u32, account: &str) -> Option<(u32, String)> {
    Some((participant, account.to_owned()))
}

/// The entry was read, and before its secret was, an update destroyed that: the order was refused because the alias was said to be nobody's.
#[test]
fn an_alias_that_is_updated_meanwhile_is_found() {
    let mut test = Test::new(&[(1, Operation::Register, PHONE, AMINA, "OLD")]);
    assert_eq!(test.pay(PHONE), goes(1, "OLD"));
    test.behind(Space::Aliases, &[(1, Operation::Update, PHONE, AMINA, "NEW")]);
    assert_eq!(test.pay(PHONE), goes(1, "NEW"));
    // And once more, while it is read again.
    test.behind(Space::Aliases, &[(1, Operation::Update, PHONE, AMINA, "NEWER")]);
    test.behind(Space::Aliases, &[(1, Operation::Update, PHONE, AMINA, "NEWEST")]);
    assert_eq!(test.pay(PHONE), goes(1, "NEWEST"));
}

#[test]
fn an_alias_that_is_removed_or_passes_to_another_meanwhile_is_so() {
    let mut test = Test::new(&[(1, Operation::Register, PHONE, AMINA, "OLD")]);
    let passes: &[Told] =
        &[(1, Operation::Remove, PHONE, AMINA, "OLD"), (2, Operation::Register, PHONE, BRIAN, "BRIAN")];
    test.behind(Space::Aliases, passes);
    assert_eq!(test.pay(PHONE), goes(2, "BRIAN"));
    test.behind(Space::Aliases, &[(2, Operation::Remove, PHONE, BRIAN, "BRIAN")]);
    assert_eq!(test.pay(PHONE), None);
}

/// The holder's list named the phone number as where money for the token goes; before its entry was read the number had passed to somebody else, who was paid.
#[test]
fn who_is_paid_by_a_token_is_its_holder() {
    let mut test =
        Test::new(&[(1, Operation::Register, PHONE, AMINA, "PHONE"), (1, Operation::Register, TOKEN, AMINA, "TOKEN")]);
    assert_eq!(test.pay(TOKEN), goes(1, "PHONE"));
    let passes: &[Told] =
        &[(1, Operation::Remove, PHONE, AMINA, "PHONE"), (2, Operation::Register, PHONE, BRIAN, "BRIAN")];
    // The list is read for the purpose of the payment first, then for what is the default in general.
    test.behind(Space::Identities, &[]);
    test.behind(Space::Identities, passes);
    assert_eq!(test.pay(TOKEN), goes(1, "TOKEN"));
}

/// A verification by account gave the name of a paused entry, and of one that led to another account by then.
#[test]
fn a_verification_by_account_finds_what_everybody_may_find_there() {
    let mut test =
        Test::new(&[(1, Operation::Register, PHONE, AMINA, "ONE"), (1, Operation::Register, MAIL, AMINA, "ONE")]);
    assert_eq!(test.verify("ONE"), Some(1));
    assert_eq!(test.verify("TWO"), None);
    test.place.lock().unwrap().command((1, Operation::Pause, PHONE, AMINA, "ONE"));
    assert_eq!(test.verify("ONE"), Some(2), "the other one is active");
    test.behind(Space::Accounts, &[(1, Operation::Update, MAIL, AMINA, "TWO")]);
    assert_eq!(test.verify("ONE"), None, "it leads to another account now, and the one that is left is paused");
    assert_eq!(test.verify("TWO"), Some(2));
}

/// Between any two reads of the store the hashes go over to a new key: who is paid and what is verified stay the same, and at the end the key before is gone.
#[test]
fn hashes_that_are_made_anew_meanwhile_change_nothing_for_who_asks() {
    for (reads, space) in [(0, Space::Aliases), (1, Space::Aliases), (0, Space::Identities), (0, Space::Accounts)] {
        let mut test = Test::new(&[
            (1, Operation::Register, PHONE, AMINA, "PHONE"),
            (1, Operation::Register, TOKEN, AMINA, "TOKEN"),
        ]);
        test.set_key(2, true);
        let rows = test.renew();
        for _ in 0..reads {
            test.behind(space, &[]);
        }
        let place = Arc::clone(&test.place);
        let happens: Between = Box::new(move || place.lock().unwrap().rehash(&rows));
        test.store.between.lock().unwrap().push_back((space, happens));
        match space {
            Space::Accounts => assert_eq!(test.verify("TOKEN"), Some(2)),
            _ => assert_eq!(test.pay(TOKEN), goes(1, "PHONE"), "behind read {reads} of {space:?}"),
        }
        assert_eq!((test.pay(PHONE), test.verify("PHONE")), (goes(1, "PHONE"), Some(1)));
        assert!(matches!(test.renew(), Renewed::Done), "a whole round finds nothing");
        test.set_key(2, false);
        assert!(matches!(test.renew(), Renewed::KeyDestroyed));
        assert_eq!(*test.ring.destroyed_before.lock().unwrap(), 2);
        assert_eq!((test.pay(TOKEN), test.verify("TOKEN")), (goes(1, "PHONE"), Some(2)));
    }
}

/// What cannot be opened is left behind and counted; it must not keep the key before for ever.
#[test]
fn an_entry_whose_secret_is_lost_does_not_hold_up_a_new_key() {
    let mut test =
        Test::new(&[(1, Operation::Register, PHONE, AMINA, "ONE"), (1, Operation::Register, MAIL, AMINA, "TWO")]);
    let lost = test.place.lock().unwrap().slots[0].1;
    test.place.lock().unwrap().vault.reader().destroy(&[lost]).unwrap();
    test.set_key(2, true);
    let renewed = test.renew();
    let Renewed::Rows { rows, unreadable: 1, .. } = &renewed else { panic!("{renewed:?}") };
    assert_eq!(rows.len(), 1);
    let payload = {
        let mut payload = Vec::new();
        write_rehashed(&mut payload, 2, rows);
        payload
    };
    let mut place = test.place.lock().unwrap();
    place.commands += 1;
    place.applied(payload);
    drop(place);
    assert!(matches!(test.renew(), Renewed::Done));
    assert_eq!((test.pay(PHONE), test.pay(MAIL)), (None, goes(1, "TWO")));
}
