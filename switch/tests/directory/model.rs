//! What the rules say, in plain maps: no hashes but where they are told, nothing kept twice. Its whole state is also written as `docs/formats/directory.md` has it.

use std::collections::{BTreeMap, BTreeSet};

use adapters::directory::{AliasOutcome, Claim, Operation};
use switch::directory::store::Space;
use switch::engine::lookups::LookupMade;

use crate::edge::{HOUR_NS, Sent, Telling, Told, account_hash, alias_hash, identity_hash, kind_of};

/// An entry.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) participant: u32,
    pub(crate) identity: u8,
    pub(crate) account: u8,
    /// Under which key's hashes it is; its identity's may be newer.
    pub(crate) generation: u8,
    pub(crate) is_paused: bool,
    pub(crate) consent_purpose: u8,
    pub(crate) owned_since_ns: u64,
    pub(crate) slot: u64,
    /// Of the entry with its sealed part, and of its registration.
    pub(crate) position: u64,
    pub(crate) entry: u64,
    pub(crate) sealed: Vec<u8>,
    /// Grows with each entry that is put in its place: lists are in this order.
    placed: u64,
}

/// A result that is kept.
#[derive(Clone, Debug)]
struct Kept {
    digest: [u8; 16],
    outcome: AliasOutcome,
    claim: Claim,
    at_ns: u64,
}

/// Payments committed, reports, payments rejected, of a day.
type Counts = [u32; 3];

/// What became of a command: outcome, claim, time.
pub(crate) type Answer = (AliasOutcome, Claim, u64);

#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    /// By alias.
    pub(crate) held: BTreeMap<u8, Held>,
    /// By participant and identity: under which key's hash it is, with all that it has.
    persons: BTreeMap<(u32, u8), u8>,
    /// By participant, identity and bit: which alias is the default.
    defaults: BTreeMap<(u32, u8, u8), u8>,
    results: BTreeMap<(u32, [u8; 16]), Kept>,
    result_order: Vec<(u32, [u8; 16])>,
    nonces: BTreeMap<[u8; 16], u64>,
    /// By alias, generation of its hash, and who has reported it: when.
    reports: BTreeMap<(u8, u8, u32), u64>,
    /// By alias and generation of its hash, and day.
    counted: BTreeMap<(u8, u8), BTreeMap<u32, Counts>>,
    /// Identity's hash, position, time, how many.
    erasures: Vec<([u8; 16], u64, u64, u32)>,
    pub(crate) lookups: Vec<LookupMade>,
    placings: u64,
    pub(crate) applied: u64,
}

const NOBODY: Answer = (AliasOutcome::AliasNotYours, Claim::None, 0);
const DONE: Answer = (AliasOutcome::Done, Claim::None, 0);

fn day_of(time_ns: u64) -> u32 {
    (time_ns / (24 * HOUR_NS)) as u32
}

impl Model {
    /// What becomes of a batch, command by command.
    pub(crate) fn apply(&mut self, batch: &Telling) -> Vec<Answer> {
        let mut answers = Vec::new();
        self.nonces.retain(|_, until_ns| *until_ns > batch.time_ns);
        for (position, told) in (batch.first_sequence + 1..).zip(&batch.entries) {
            match told {
                Told::Command { sent, slot, sealed } => {
                    answers.push(self.command(batch, position, sent, (*slot, sealed)));
                }
                Told::Rehash(aliases) => aliases.iter().for_each(|&alias| self.rehash(alias, batch.generation)),
            }
        }
        for &(place, is_committed) in &batch.outcomes {
            self.count(place, day_of(batch.time_ns), if is_committed { 0 } else { 2 });
        }
        self.lookups.extend(&batch.lookups);
        self.applied = batch.last_sequence;
        answers
    }

    fn command(&mut self, batch: &Telling, position: u64, sent: &Sent, sealed: (u64, &[u8])) -> Answer {
        let key = (sent.participant, sent.id);
        // A file's rows are not remembered.
        let is_kept = sent.operation != Operation::Import;
        if is_kept && let Some(first) = self.results.get(&key) {
            return match first.digest == sent.digest {
                true => (first.outcome, first.claim, first.at_ns),
                false => (AliasOutcome::CommandDiffers, Claim::None, batch.time_ns),
            };
        }
        let (outcome, claim, _) = self.decide(batch, position, sent, sealed);
        if is_kept {
            self.results.insert(key, Kept { digest: sent.digest, outcome, claim, at_ns: batch.time_ns });
            self.result_order.push(key);
        }
        (outcome, claim, batch.time_ns)
    }

    fn decide(&mut self, batch: &Telling, position: u64, sent: &Sent, sealed: (u64, &[u8])) -> Answer {
        match sent.operation {
            Operation::Register | Operation::Import => self.register(batch, position, sent, sealed),
            Operation::Update => self.update(batch, position, sent, sealed),
            Operation::Pause => self.set_paused(sent, true),
            Operation::Resume => self.set_paused(sent, false),
            Operation::Remove => match self.is_own(sent) {
                true => {
                    self.take_out(sent.alias);
                    DONE
                }
                false => NOBODY,
            },
            Operation::Erase => self.erase(batch, position, sent),
            Operation::Report => self.report(batch, sent),
        }
    }

    fn is_own(&self, sent: &Sent) -> bool {
        self.held.get(&sent.alias).is_some_and(|held| held.participant == sent.participant)
    }

    fn register(&mut self, batch: &Telling, position: u64, sent: &Sent, (slot, sealed): (u64, &[u8])) -> Answer {
        use AliasOutcome::{
            AccountFull, AliasTaken, AliasTakenHere, AttestationExpired, AttestationReplayed, IdentityFull,
        };
        if let Some((nonce, until_ns)) = sent.attested {
            if until_ns <= batch.time_ns {
                return (AttestationExpired, Claim::None, 0);
            }
            if self.nonces.contains_key(&nonce) {
                return (AttestationReplayed, Claim::None, 0);
            }
        }
        if let Some(held) = self.held.get(&sent.alias) {
            // Numbers and e-mail addresses pass to others, the rest does not.
            let claim = if matches!(kind_of(sent.alias), 1 | 2) { Claim::Ownership } else { Claim::Portability };
            let is_here = held.participant == sent.participant;
            return if is_here { (AliasTakenHere, Claim::None, 0) } else { (AliasTaken, claim, 0) };
        }
        if self.of(sent).count() >= usize::from(batch.limits.0) {
            return (IdentityFull, Claim::None, 0);
        }
        if self.at(sent).count() >= usize::from(batch.limits.1) {
            return (AccountFull, Claim::None, 0);
        }
        let held = Held {
            participant: sent.participant,
            identity: sent.identity,
            account: sent.account,
            generation: batch.generation,
            is_paused: false,
            consent_purpose: sent.consent_purpose,
            owned_since_ns: batch.time_ns,
            slot,
            position,
            entry: position,
            sealed: sealed.to_vec(),
            placed: 0,
        };
        self.put(sent.alias, held, sent.defaults);
        self.nonces.extend(sent.attested);
        DONE
    }

    fn update(&mut self, batch: &Telling, position: u64, sent: &Sent, (slot, sealed): (u64, &[u8])) -> Answer {
        if !self.is_own(sent) {
            return NOBODY;
        }
        if !self.of(sent).any(|alias| alias == sent.alias) {
            return (AliasOutcome::IdentityDiffers, Claim::None, 0);
        }
        if self.at(sent).filter(|&alias| alias != sent.alias).count() >= usize::from(batch.limits.1) {
            return (AliasOutcome::AccountFull, Claim::None, 0);
        }
        let old = self.held.remove(&sent.alias).unwrap();
        self.move_traces(sent.alias, old.generation, batch.generation);
        let sealed = sealed.to_vec();
        let held = Held { account: sent.account, generation: batch.generation, slot, position, sealed, ..old };
        self.put(sent.alias, held, sent.defaults);
        DONE
    }

    fn set_paused(&mut self, sent: &Sent, is_paused: bool) -> Answer {
        if !self.is_own(sent) {
            return NOBODY;
        }
        let held = self.held.get_mut(&sent.alias).unwrap();
        if held.is_paused == is_paused {
            return (AliasOutcome::StateUnchanged, Claim::None, 0);
        }
        held.is_paused = is_paused;
        DONE
    }

    fn erase(&mut self, batch: &Telling, position: u64, sent: &Sent) -> Answer {
        let gone: Vec<u8> = self.of(sent).collect();
        if gone.is_empty() {
            return NOBODY;
        }
        gone.iter().for_each(|&alias| self.take_out(alias));
        let whose = identity_hash(sent.participant, sent.identity, batch.generation);
        self.erasures.push((whose, position, batch.time_ns, gone.len() as u32));
        DONE
    }

    fn report(&mut self, batch: &Telling, sent: &Sent) -> Answer {
        let generations = if batch.is_rolling {
            batch.generation - 1..=batch.generation
        } else {
            batch.generation..=batch.generation
        };
        for generation in generations {
            let last_ns = self.reports.get(&(sent.alias, generation, sent.participant));
            if last_ns.is_some_and(|last_ns| batch.time_ns - last_ns < 24 * HOUR_NS) {
                return (AliasOutcome::ReportRepeated, Claim::None, 0);
            }
        }
        let generation = self.held.get(&sent.alias).map_or(batch.generation, |held| held.generation);
        self.reports.insert((sent.alias, generation, sent.participant), batch.time_ns);
        self.count((sent.alias, generation), day_of(batch.time_ns), 1);
        DONE
    }

    fn rehash(&mut self, alias: u8, generation: u8) {
        let Some(held) = self.held.get_mut(&alias).filter(|held| held.generation < generation) else { return };
        let before = std::mem::replace(&mut held.generation, generation);
        self.placings += 1;
        held.placed = self.placings;
        self.persons.insert((held.participant, held.identity), generation);
        self.move_traces(alias, before, generation);
    }

    /// Puts an entry in. Who has no default in general is paid here.
    fn put(&mut self, alias: u8, held: Held, defaults: u16) {
        let whose = (held.participant, held.identity);
        for bit in (0..16).filter(|bit| defaults & (1 << bit) != 0) {
            self.defaults.insert((whose.0, whose.1, bit), alias);
        }
        self.defaults.entry((whose.0, whose.1, 0)).or_insert(alias);
        self.placings += 1;
        self.persons.insert(whose, held.generation);
        self.held.insert(alias, Held { placed: self.placings, ..held });
    }

    fn take_out(&mut self, alias: u8) {
        self.held.remove(&alias);
        self.defaults.retain(|_, default| *default != alias);
    }

    fn move_traces(&mut self, alias: u8, from: u8, to: u8) {
        if from == to {
            return;
        }
        if let Some(counts) = self.counted.remove(&(alias, from)) {
            self.counted.insert((alias, to), counts);
        }
        let moving = |&(of, generation, _): &(u8, u8, u32)| of == alias && generation == from;
        let moved: Vec<_> = self.reports.extract_if(.., |key, _| moving(key)).collect();
        for ((alias, _, participant), time_ns) in moved {
            let last_ns = self.reports.entry((alias, to, participant)).or_default();
            *last_ns = time_ns.max(*last_ns);
        }
    }

    fn count(&mut self, place: (u8, u8), today: u32, what: usize) {
        let days = self.counted.entry(place).or_default();
        days.retain(|day, _| day + 184 > today);
        days.entry(today).or_default()[what] += 1;
    }

    /// What the sender's customer has.
    fn of(&self, sent: &Sent) -> impl Iterator<Item = u8> {
        let whose = (sent.participant, sent.identity);
        let own = self.held.iter().filter(move |(_, held)| (held.participant, held.identity) == whose);
        own.map(|(&alias, _)| alias)
    }

    /// What leads to an account.
    fn at(&self, sent: &Sent) -> impl Iterator<Item = u8> {
        let place = (sent.participant, sent.account);
        let there = self.held.iter().filter(move |(_, held)| (held.participant, held.account) == place);
        there.map(|(&alias, _)| alias)
    }

    /// Under which key's hash the identity of an entry is.
    fn person(&self, held: &Held) -> u8 {
        self.persons[&(held.participant, held.identity)]
    }

    /// Which aliases an identity has, and which is its default, by the hash of a generation; in the order of its list.
    pub(crate) fn listed(&self, participant: u32, identity: u8, generation: u8) -> Vec<(u8, u16)> {
        let whose =
            |held: &&Held| (held.participant, held.identity, self.person(held)) == (participant, identity, generation);
        self.in_order(|held| whose(&held))
            .into_iter()
            .map(|alias| {
                let bits = self
                    .defaults
                    .iter()
                    .filter(|&(&(of, person, _), &default)| (of, person, default) == (participant, identity, alias));
                (alias, bits.fold(0, |bits, (&(_, _, bit), _)| bits | 1 << bit))
            })
            .collect()
    }

    /// Which aliases lead to an account, by the hash of a generation; in the order of its list.
    pub(crate) fn leading(&self, participant: u32, account: u8, generation: u8) -> Vec<u8> {
        self.in_order(|held| (held.participant, held.account, held.generation) == (participant, account, generation))
    }

    fn in_order(&self, is_meant: impl Fn(&Held) -> bool) -> Vec<u8> {
        let mut meant: Vec<(u64, u8)> =
            self.held.iter().filter(|(_, held)| is_meant(held)).map(|(&alias, held)| (held.placed, alias)).collect();
        meant.sort_unstable();
        meant.into_iter().map(|(_, alias)| alias).collect()
    }

    /// Settled, reported, rejected, each over 3, 30 and 184 days, in classes.
    pub(crate) fn classes(&self, place: (u8, u8), today: u32) -> [u8; 9] {
        let over = |what: usize, days: u32| -> u32 {
            let counted = self.counted.get(&place).into_iter().flatten();
            counted.filter(|&(day, _)| today - day < days).map(|(_, counts)| counts[what]).sum()
        };
        let class = |count| [1, 3, 10, 30, 100, 300].iter().filter(|&&from| count >= from).count() as u8;
        std::array::from_fn(|place| class(over(place / 3, [3, 30, 184][place % 3])))
    }

    /// Slots of what is held.
    pub(crate) fn slots(&self) -> BTreeSet<u64> {
        self.held.values().map(|held| held.slot).collect()
    }

    /// All that the store holds, but slots that are to be destroyed, as the format has it.
    pub(crate) fn stored(&self) -> BTreeMap<(Space, Vec<u8>), Vec<u8>> {
        let mut stored = BTreeMap::new();
        let mut put =
            |space: Space, key: Vec<u8>, value: Vec<u8>| assert!(stored.insert((space, key), value).is_none());
        let mut lists = BTreeSet::new();
        for (&alias, held) in &self.held {
            put(Space::Aliases, alias_hash(alias, held.generation).to_vec(), record(alias, held, self.person(held)));
            lists.insert((held.participant, held.account, held.generation));
        }
        let identities: BTreeSet<_> =
            self.held.values().map(|held| (held.participant, held.identity, self.person(held))).collect();
        for (participant, identity, of) in identities {
            let listed = self.listed(participant, identity, of).into_iter();
            let value = listed.flat_map(|(alias, bits)| {
                let hash = alias_hash(alias, self.held[&alias].generation);
                [&hash[..], &bits.to_le_bytes()].concat()
            });
            put(Space::Identities, identity_hash(participant, identity, of).to_vec(), value.collect());
        }
        for (participant, account, of) in lists {
            let leading = self.leading(participant, account, of).into_iter();
            let value = leading.flat_map(|alias| [&alias_hash(alias, of)[..], &[0; 2]].concat());
            put(Space::Accounts, account_hash(participant, account, of).to_vec(), value.collect());
        }
        for (number, (participant, id)) in self.result_order.iter().enumerate() {
            let (key, kept) = ([&participant.to_be_bytes()[..], id].concat(), &self.results[&(*participant, *id)]);
            let value = [&kept.digest[..], &[kept.outcome as u8, kept.claim as u8], &kept.at_ns.to_le_bytes()].concat();
            put(Space::Commands, key.clone(), value);
            put(Space::CommandOrder, (number as u64).to_be_bytes().to_vec(), key);
        }
        for (nonce, until_ns) in &self.nonces {
            put(Space::Nonces, nonce.to_vec(), until_ns.to_be_bytes().to_vec());
            put(Space::NonceEnds, [&until_ns.to_be_bytes()[..], nonce].concat(), Vec::new());
        }
        for (&(alias, of, participant), time_ns) in &self.reports {
            let key = [&alias_hash(alias, of)[..], &participant.to_be_bytes()].concat();
            put(Space::Reports, key, time_ns.to_le_bytes().to_vec());
        }
        for (&(alias, of), days) in &self.counted {
            let words = days.iter().flat_map(|(&day, counts)| [day, counts[0], counts[1], counts[2]]);
            put(Space::Counters, alias_hash(alias, of).to_vec(), words.flat_map(u32::to_le_bytes).collect());
        }
        for (whose, position, time_ns, gone) in &self.erasures {
            let value = [&time_ns.to_le_bytes()[..], &gone.to_le_bytes()].concat();
            put(Space::Erasures, [&whose[..], &position.to_be_bytes()].concat(), value);
        }
        let digest = self.digest(&stored);
        let mut head = self.applied.to_le_bytes().to_vec();
        head.extend_from_slice(&digest);
        for word in [self.held.len() as u64, 0, self.result_order.len() as u64] {
            head.extend_from_slice(&word.to_le_bytes());
        }
        stored.insert((Space::Meta, b"meta".to_vec()), head);
        stored
    }

    /// The sum of all entries' hashes, byte by byte as on paper.
    fn digest(&self, stored: &BTreeMap<(Space, Vec<u8>), Vec<u8>>) -> [u8; 32] {
        let mut digest = [0u8; 32];
        for ((space, key), value) in stored {
            let whole = [&[*space as u8][..], &(key.len() as u32).to_le_bytes(), key, value].concat();
            let mut carry = 0;
            for (place, byte) in digest.iter_mut().zip(blake3::hash(&whole).as_bytes()) {
                let sum = u16::from(*place) + u16::from(*byte) + carry;
                (*place, carry) = (sum as u8, sum >> 8);
            }
        }
        digest
    }
}

fn record(alias: u8, held: &Held, person: u8) -> Vec<u8> {
    let mut bytes = held.participant.to_le_bytes().to_vec();
    bytes.extend([kind_of(alias), u8::from(held.is_paused), held.generation, held.consent_purpose]);
    bytes.extend((u64::from(held.consent_purpose) * HOUR_NS).to_le_bytes());
    bytes.extend(held.owned_since_ns.to_le_bytes());
    bytes.extend(held.slot.to_le_bytes());
    bytes.extend(held.position.to_le_bytes());
    bytes.extend(identity_hash(held.participant, held.identity, person));
    bytes.extend(account_hash(held.participant, held.account, held.generation));
    bytes.extend(held.entry.to_le_bytes());
    bytes.extend(&held.sealed);
    bytes
}
