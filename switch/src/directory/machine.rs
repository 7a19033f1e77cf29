//! What a batch of the journal does to the directory: commands in, results out, and one atomic change of the store.
//!
//! A command is decided in the order of `AliasOutcome`, the first that applies, and changes nothing unless it is done. Every change goes through [`Changes`], which sees
//! what a batch has changed before it is written, and keeps the digest.

use std::collections::btree_map::Entry as Known;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use adapters::directory::{AliasOutcome, AliasType, Claim, Operation};
use adapters::message::Outcome;

use super::counters::{Counted, Counters};
use super::hashes::KeyedHash;
use super::looked_up::LookedUp;
use super::reader::{DirectoryProgress, DirectoryReader};
use super::record::{Listed, Record, list_bytes, read_list};
use super::store::{Change, Space, Store, StoreFault};
use crate::engine::Engine;
use crate::engine::lookups::LookupMade;
use crate::entry::{
    ArchivedAliasCommanded, ArchivedRehashedRow, Body, Entries, Entry, ParticipantId, SLOT_KEY, holds_directory,
    rehashed_rows,
};
use crate::limits::{DIRECTORY_COMMANDS_KEPT, LOOKUPS_PER_VOLUME, NONCES_PURGED_PER_BATCH_MAX, NS_PER_MS};
use crate::seal::day_of;

/// How long a report of a participant keeps another one of the same alias from counting.
const REPORT_AGAIN_NS: u64 = 86_400_000 * NS_PER_MS;

/// How many aliases there may be: of the scheme's rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryLimits {
    /// Of one identity.
    pub per_identity: u16,
    /// Leading to one account.
    pub per_account: u16,
}

/// What the directory needs of a batch of the journal.
#[derive(Clone, Debug)]
pub struct DirectoryBatch {
    /// Journal position of the batch's tick.
    pub first_sequence: u64,
    /// Journal position of its last entry.
    pub last_sequence: u64,
    /// Journal time.
    pub time_ns: u64,
    /// The entries' bytes; empty where none is the directory's.
    pub payload: Vec<u8>,
    /// The rules behind the batch.
    pub limits: DirectoryLimits,
    /// Payments by alias that the engine has decided in it.
    pub outcomes: Vec<([u8; 16], Outcome)>,
    /// Look-ups that the engine has let pass in it, of what was found.
    pub lookups: Vec<LookupMade>,
}

impl DirectoryBatch {
    /// What a batch that the engine has just applied holds for the directory; none where that is nothing.
    pub fn of(first_sequence: u64, time_ns: u64, payload: &[u8], engine: &Engine) -> Option<DirectoryBatch> {
        let (outcomes, lookups) = (&engine.told().alias_outcomes, &engine.told().lookups);
        if engine.directory().due() != engine.applied() {
            return None;
        }
        let has_entries = holds_directory(payload);
        let rules = engine.directory().rules();
        let limits = rules.map_or(DirectoryLimits::default(), |rules| DirectoryLimits {
            per_identity: rules.aliases_per_identity,
            per_account: rules.aliases_per_account,
        });
        Some(DirectoryBatch {
            first_sequence,
            last_sequence: engine.applied(),
            time_ns,
            payload: if has_entries { payload.to_vec() } else { Vec::new() },
            limits,
            outcomes: outcomes.clone(),
            lookups: lookups.clone(),
        })
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// Journal position of the command.
    pub position: u64,
    /// For whom it was.
    pub participant: ParticipantId,
    /// Its id.
    pub command_id: [u8; 16],
    /// What became of it, or of the first one with this id.
    pub outcome: AliasOutcome,
    /// What can be done about an alias that another participant has.
    pub claim: Claim,
    /// Journal time of the decision.
    pub at_ns: u64,
}

/// The state machine, and the store that is its state.
pub struct Directory<S: Store> {
    store: S,
    progress: Arc<DirectoryProgress>,
    meta: Meta,
    /// As far as the store says that it has come. What was applied since has changed nothing but what was looked up.
    written: u64,
    looked_up: LookedUp,
    /// No attestation ends before this journal time.
    nonces_end_ns: u64,
}

/// What is kept beside the entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Meta {
    /// Journal position of the last batch that was applied.
    applied: u64,
    /// Sum of all entries' digests, modulo 2^256.
    digest: [u64; 4],
    /// Aliases.
    entries: u64,
    /// Numbers of the oldest command whose result is kept, and of the next.
    commands: (u64, u64),
}

const META_BYTES: usize = 64;
const META_KEY: &[u8] = b"meta";

impl Meta {
    fn bytes(&self) -> Vec<u8> {
        let Meta { applied, digest, entries, commands: (oldest, next) } = *self;
        let words = [applied, digest[0], digest[1], digest[2], digest[3], entries, oldest, next];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    fn change(&self) -> Change {
        Change { space: Space::Meta, key: META_KEY.to_vec(), value: Some(self.bytes()) }
    }

    fn read(bytes: &[u8]) -> Result<Meta, StoreFault> {
        let bytes =
            <&[u8; META_BYTES]>::try_from(bytes).map_err(|_| StoreFault::damaged("a head of another length"))?;
        let (words, _) = bytes.as_chunks::<8>();
        let word = |place: usize| u64::from_le_bytes(words[place]);
        let digest = [word(1), word(2), word(3), word(4)];
        Ok(Meta { applied: word(0), digest, entries: word(5), commands: (word(6), word(7)) })
    }
}

/// What a key held, and what it will hold; none for nothing.
type OldAndNew = (Option<Vec<u8>>, Option<Vec<u8>>);

/// What a batch changes, before it is written.
struct Changes<'a, S: Store> {
    store: &'a S,
    meta: Meta,
    /// What was looked at or changed: what was there, and what will be.
    changed: BTreeMap<(Space, Vec<u8>), OldAndNew>,
}

impl<S: Store> Changes<'_, S> {
    /// What a key holds. The store is asked once in a batch.
    fn get(&mut self, space: Space, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        match self.changed.entry((space, key.to_vec())) {
            Known::Occupied(known) => Ok(known.get().1.clone()),
            Known::Vacant(unknown) => {
                let held = self.store.get(space, key)?;
                unknown.insert((held.clone(), held.clone()));
                Ok(held)
            }
        }
    }

    /// Reads what registrations of a batch will ask for, in the order of keys: neighbours lie together, and a large batch is read in half the time.
    fn read_ahead(&mut self, payload: &[u8]) -> Result<(), StoreFault> {
        let mut keys = Vec::new();
        for entry in Entries::new(payload) {
            let Ok(Entry { body: Body::AliasCommanded(command), .. }) = entry else { continue };
            if matches!(Operation::from_number(command.operation), Some(Operation::Register | Operation::Import)) {
                keys.push((Space::Aliases, command.alias));
                keys.push((Space::Identities, command.identity));
                keys.push((Space::Accounts, command.account));
            }
        }
        keys.sort_unstable();
        for (space, key) in keys {
            self.get(space, &key)?;
        }
        Ok(())
    }

    fn set(&mut self, space: Space, key: &[u8], value: Option<Vec<u8>>) -> Result<(), StoreFault> {
        match self.changed.entry((space, key.to_vec())) {
            Known::Occupied(mut known) => known.get_mut().1 = value,
            Known::Vacant(unknown) => {
                let held = self.store.get(space, key)?;
                unknown.insert((held, value));
            }
        }
        Ok(())
    }

    fn record(&mut self, alias: KeyedHash) -> Result<Option<Record>, StoreFault> {
        self.get(Space::Aliases, &alias.0)?.map(|bytes| Record::read(&bytes)).transpose()
    }

    fn list(&mut self, space: Space, of: KeyedHash) -> Result<Vec<Listed>, StoreFault> {
        read_list(self.get(space, &of.0)?.as_deref())
    }

    /// Keys that begin with a hash, as they are now.
    fn keys_of(&self, space: Space, of: KeyedHash) -> Result<BTreeSet<Vec<u8>>, StoreFault> {
        let mut keys = BTreeSet::new();
        self.store.scan(space, &of.0, &mut |key, _| {
            let is_of = key.starts_with(&of.0);
            if is_of {
                keys.insert(key.to_vec());
            }
            is_of
        })?;
        let changed = self.changed.range((space, of.0.to_vec())..);
        for ((_, key), (_, new)) in
            changed.take_while(|((in_space, key), _)| *in_space == space && key.starts_with(&of.0))
        {
            if new.is_some() {
                keys.insert(key.clone())
            } else {
                keys.remove(key)
            };
        }
        Ok(keys)
    }

    fn set_list(&mut self, space: Space, of: KeyedHash, list: &[Listed]) -> Result<(), StoreFault> {
        self.set(space, &of.0, list_bytes(list))
    }

    /// Everything that is not as it was, as the store takes it, and the new head.
    fn finish(mut self) -> (Meta, Vec<Change>) {
        self.changed.retain(|_, (old, new)| old != new);
        for ((space, key), (old, new)) in self.changed.iter().filter(|((space, _), _)| space.is_state()) {
            if let Some(old) = old {
                let gone = digest_of(*space, key, old);
                self.meta.digest = sum(self.meta.digest, gone.map(|word| !word));
                self.meta.digest = sum(self.meta.digest, [1, 0, 0, 0]);
            }
            if let Some(new) = new {
                self.meta.digest = sum(self.meta.digest, digest_of(*space, key, new));
            }
        }
        let changes = self.changed.into_iter().map(|((space, key), (_, value))| Change { space, key, value });
        (self.meta, changes.collect())
    }
}

/// BLAKE3 of an entry, as four words.
fn digest_of(space: Space, key: &[u8], value: &[u8]) -> [u64; 4] {
    let mut hasher = blake3::Hasher::new();
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX);
    hasher.update(&[space as u8]).update(&length.to_le_bytes()).update(key).update(value);
    let hash = hasher.finalize();
    let (words, _) = hash.as_bytes().as_chunks::<8>();
    std::array::from_fn(|place| u64::from_le_bytes(words[place]))
}

fn digest_bytes(words: [u64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (place, word) in bytes.chunks_mut(8).zip(words) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

/// Modulo 2^256.
fn sum(one: [u64; 4], other: [u64; 4]) -> [u64; 4] {
    let mut carry = false;
    std::array::from_fn(|place| {
        let (word, first) = one[place].overflowing_add(other[place]);
        let (word, second) = word.overflowing_add(u64::from(carry));
        carry = first || second;
        word
    })
}

impl<S: Store> Drop for Directory<S> {
    fn drop(&mut self) {
        self.progress.end();
    }
}

impl<S: Store> Directory<S> {
    /// The directory of a store, where it stands.
    pub fn open(store: S) -> Result<Directory<S>, StoreFault> {
        Directory::with_volumes(store, LOOKUPS_PER_VOLUME)
    }

    /// The same, with so many look-ups to a volume.
    pub fn with_volumes(store: S, volume_lookups: usize) -> Result<Directory<S>, StoreFault> {
        let meta = store.get(Space::Meta, META_KEY)?.map_or(Ok(Meta::default()), |bytes| Meta::read(&bytes))?;
        let looked_up = LookedUp::open(&store, volume_lookups)?;
        let progress = Arc::new(DirectoryProgress::default());
        progress.apply(meta.applied);
        progress.persist(meta.applied);
        Ok(Directory { store, progress, meta, written: meta.applied, looked_up, nonces_end_ns: 0 })
    }

    /// Journal position of the last batch that was applied.
    pub fn applied(&self) -> u64 {
        self.meta.applied
    }

    /// How many aliases there are.
    pub fn entries(&self) -> u64 {
        self.meta.entries
    }

    /// Of all its state: equal wherever the same journal was applied.
    pub fn digest(&self) -> [u8; 32] {
        digest_bytes(self.meta.digest)
    }

    /// The same, from every entry: it takes as long as they are many.
    pub fn recount(&self) -> Result<[u8; 32], StoreFault> {
        let mut digest = [0; 4];
        for space in Space::ALL.into_iter().filter(|space| space.is_state()) {
            self.store.scan(space, &[], &mut |key, value| {
                digest = sum(digest, digest_of(space, key, value));
                true
            })?;
        }
        Ok(digest_bytes(digest))
    }

    /// Who reads it.
    pub fn reader(&self) -> DirectoryReader<S> {
        DirectoryReader {
            store: self.store.clone(),
            fresh_lookups: self.looked_up.fresh(),
            progress: Arc::clone(&self.progress),
        }
    }

    /// How far it has come, for who hands batches over.
    pub fn progress(&self) -> Arc<DirectoryProgress> {
        Arc::clone(&self.progress)
    }

    /// What was applied survives the machine.
    pub fn persist(&mut self) -> Result<(), StoreFault> {
        if self.written < self.meta.applied {
            self.write(vec![self.meta.change()])?;
        }
        self.store.persist()?;
        self.progress.persist(self.meta.applied);
        Ok(())
    }

    /// Applies a batch; appends what became of its commands, in their order. One that was applied before changes nothing and has no results.
    pub fn apply(&mut self, batch: &DirectoryBatch, results: &mut Vec<CommandResult>) -> Result<(), StoreFault> {
        if batch.last_sequence <= self.meta.applied {
            return Ok(());
        }
        let mut applying = Applying {
            changes: Changes { store: &self.store, meta: self.meta, changed: BTreeMap::new() },
            time_ns: batch.time_ns,
            limits: batch.limits,
            nonces_end_ns: self.nonces_end_ns,
        };
        applying.purge_nonces()?;
        applying.changes.read_ahead(&batch.payload)?;
        for (position, entry) in (batch.first_sequence + 1..).zip(Entries::new(&batch.payload)) {
            let entry = entry.map_err(|unreadable| StoreFault::damaged(unreadable.to_string()))?;
            match entry.body {
                Body::AliasCommanded(command) => results.push(applying.command(position, command, &entry)?),
                Body::Rehashed(head, rows) => {
                    for row in rehashed_rows(rows) {
                        let row = row.ok_or_else(|| StoreFault::damaged("a row that is none"))?;
                        applying.rehash(head.generation, row)?;
                    }
                }
                _ => {}
            }
        }
        let today = day_of(batch.time_ns);
        for &(alias, outcome) in &batch.outcomes {
            let what = if outcome == Outcome::Committed { Counted::Settled } else { Counted::Rejected };
            applying.count(KeyedHash(alias), today, what)?;
        }
        applying.changes.meta.applied = batch.last_sequence;
        self.nonces_end_ns = applying.nonces_end_ns;
        let (meta, changes) = applying.changes.finish();
        self.meta = meta;
        self.looked_up.note(&batch.lookups);
        // Look-ups change no entry: they are written together, at the latest when the store is synced.
        if !changes.is_empty() || self.looked_up.is_due() {
            let meta = self.meta.change();
            self.write(changes.into_iter().chain([meta]).collect())?;
        }
        self.progress.apply(batch.last_sequence);
        Ok(())
    }

    /// Writes changes, the new head among them, with what was looked up since the last were written.
    fn write(&mut self, mut changes: Vec<Change>) -> Result<(), StoreFault> {
        self.looked_up.changes(&mut changes);
        self.store.write(changes)?;
        self.looked_up.written();
        self.written = self.meta.applied;
        Ok(())
    }

    /// Slots of the vault that are to be destroyed, at most so many.
    pub fn free_slots(&self, count_max: usize) -> Result<Vec<u64>, StoreFault> {
        let mut slots = Vec::new();
        self.store.scan(Space::FreeSlots, &[], &mut |key, _| {
            if slots.len() == count_max {
                return false;
            }
            slots.extend(<[u8; 8]>::try_from(key).map(u64::from_be_bytes));
            true
        })?;
        Ok(slots)
    }

    /// They were destroyed.
    pub fn slots_destroyed(&self, slots: &[u64]) -> Result<(), StoreFault> {
        let gone = |slot: &u64| Change { space: Space::FreeSlots, key: slot.to_be_bytes().to_vec(), value: None };
        self.store.write(slots.iter().map(gone).collect())
    }
}

/// A batch that is being applied.
struct Applying<'a, S: Store> {
    changes: Changes<'a, S>,
    time_ns: u64,
    limits: DirectoryLimits,
    /// No attestation ends before this journal time.
    nonces_end_ns: u64,
}

/// Where an entry is, and what it is.
type Found = (KeyedHash, Record);

/// Why a command is not done.
struct Refused(AliasOutcome, Claim);

impl From<AliasOutcome> for Refused {
    fn from(outcome: AliasOutcome) -> Refused {
        Refused(outcome, Claim::None)
    }
}

/// A command's decision: the inner no is the directory's, the outer one the store's.
type Decided<T> = Result<Result<T, Refused>, StoreFault>;

impl<S: Store> Applying<'_, S> {
    /// Decides a command. Its slot is freed unless what it sealed was taken in.
    fn command(
        &mut self,
        position: u64,
        command: &ArchivedAliasCommanded,
        entry: &Entry<'_>,
    ) -> Result<CommandResult, StoreFault> {
        let slot = entry.seal_key & !SLOT_KEY;
        let participant = ParticipantId(command.participant.to_native());
        let operation = Operation::from_number(command.operation)
            .ok_or_else(|| StoreFault::damaged("an operation that this program does not know"))?;
        let result = CommandResult {
            position,
            participant,
            command_id: command.command_id,
            outcome: AliasOutcome::Done,
            claim: Claim::None,
            at_ns: self.time_ns,
        };
        let key = command_key(participant, &command.command_id);
        let is_remembered = operation != Operation::Import;
        if is_remembered && let Some(first) = self.changes.get(Space::Commands, &key)? {
            self.free_slot(slot)?;
            return repeated(&first, &command.digest, result);
        }
        let decided = match operation {
            Operation::Register | Operation::Import => {
                self.register(position, participant, command, (slot, entry.sealed))?
            }
            Operation::Update => self.update(position, participant, command, (slot, entry.sealed))?,
            Operation::Pause => self.set_paused(participant, command, true)?,
            Operation::Resume => self.set_paused(participant, command, false)?,
            Operation::Remove => self.remove(participant, command)?,
            Operation::Erase => self.erase(position, participant, command)?,
            Operation::Report => self.report(participant, command)?,
        };
        let Refused(outcome, claim) = decided.err().unwrap_or(Refused(AliasOutcome::Done, Claim::None));
        if outcome != AliasOutcome::Done {
            self.free_slot(slot)?;
        }
        let result = CommandResult { outcome, claim, ..result };
        if is_remembered {
            self.remember(&key, &command.digest, &result)?;
        }
        Ok(result)
    }

    /// Keeps the result for whoever repeats the command, and lets the oldest go.
    fn remember(&mut self, key: &[u8], digest: &[u8; 16], result: &CommandResult) -> Result<(), StoreFault> {
        let mut value = digest.to_vec();
        value.extend_from_slice(&[result.outcome as u8, result.claim as u8]);
        value.extend_from_slice(&result.at_ns.to_le_bytes());
        self.changes.set(Space::Commands, key, Some(value))?;
        let (mut oldest, next) = self.changes.meta.commands;
        self.changes.set(Space::CommandOrder, &next.to_be_bytes(), Some(key.to_vec()))?;
        if next + 1 - oldest > DIRECTORY_COMMANDS_KEPT {
            let leaving = oldest.to_be_bytes();
            let key = self.changes.get(Space::CommandOrder, &leaving)?;
            let key = key.ok_or_else(|| StoreFault::damaged("a command that is missing from its order"))?;
            self.changes.set(Space::Commands, &key, None)?;
            self.changes.set(Space::CommandOrder, &leaving, None)?;
            oldest += 1;
        }
        self.changes.meta.commands = (oldest, next + 1);
        Ok(())
    }

    fn free_slot(&mut self, slot: u64) -> Result<(), StoreFault> {
        if slot == 0 {
            return Ok(());
        }
        self.changes.set(Space::FreeSlots, &slot.to_be_bytes(), Some(Vec::new()))
    }

    /// The entry of a command's alias, under whichever key it is hashed.
    fn find(&mut self, command: &ArchivedAliasCommanded) -> Result<Option<Found>, StoreFault> {
        for alias in [KeyedHash(command.alias), KeyedHash(command.alias_before)] {
            if !alias.is_none()
                && let Some(record) = self.changes.record(alias)?
            {
                return Ok(Some((alias, record)));
            }
        }
        Ok(None)
    }

    /// The same, if it is the sender's.
    fn find_own(&mut self, participant: ParticipantId, command: &ArchivedAliasCommanded) -> Decided<Found> {
        let found = self.find(command)?.filter(|(_, record)| record.participant == participant);
        Ok(found.ok_or(AliasOutcome::AliasNotYours.into()))
    }

    fn register(
        &mut self,
        position: u64,
        participant: ParticipantId,
        command: &ArchivedAliasCommanded,
        (slot, sealed): (u64, &[u8]),
    ) -> Decided<()> {
        let (attested_until_ns, nonce) = (command.attested_until_ns.to_native(), KeyedHash(command.nonce));
        if !nonce.is_none() {
            if attested_until_ns <= self.time_ns {
                return Ok(Err(AliasOutcome::AttestationExpired.into()));
            }
            if self.changes.get(Space::Nonces, &nonce.0)?.is_some() {
                return Ok(Err(AliasOutcome::AttestationReplayed.into()));
            }
        }
        if let Some((_, taken)) = self.find(command)? {
            return Ok(Err(if taken.participant == participant {
                AliasOutcome::AliasTakenHere.into()
            } else {
                Refused(AliasOutcome::AliasTaken, claim_for(command.alias_type))
            }));
        }
        let (identity, account) = (KeyedHash(command.identity), KeyedHash(command.account));
        let owned = self.changes.list(Space::Identities, identity)?.len()
            + self.changes.list(Space::Identities, KeyedHash(command.identity_before))?.len();
        if owned >= usize::from(self.limits.per_identity) {
            return Ok(Err(AliasOutcome::IdentityFull.into()));
        }
        if self.leading_beside(None, command)? >= usize::from(self.limits.per_account) {
            return Ok(Err(AliasOutcome::AccountFull.into()));
        }

        // From here it must succeed.
        self.bring_over(KeyedHash(command.identity_before), identity)?;
        let record = Record {
            participant,
            alias_type: command.alias_type,
            is_paused: false,
            generation: command.generation,
            consent_purpose: command.consent_purpose,
            consent_until_ns: command.consent_until_ns.to_native(),
            owned_since_ns: self.time_ns,
            slot,
            identity,
            account,
            position,
            entry: position,
            sealed: sealed.to_vec(),
        };
        let defaults = self.defaults_of(identity, command.defaults.to_native())?;
        self.add(KeyedHash(command.alias), &record, defaults)?;
        if !nonce.is_none() {
            self.nonces_end_ns = self.nonces_end_ns.min(attested_until_ns);
            let end = attested_until_ns.to_be_bytes();
            self.changes.set(Space::Nonces, &nonce.0, Some(end.to_vec()))?;
            self.changes.set(Space::NonceEnds, &[&end[..], &nonce.0].concat(), Some(Vec::new()))?;
        }
        Ok(Ok(()))
    }

    /// Puts an entry in, and into the lists that lead to it.
    fn add(&mut self, alias: KeyedHash, record: &Record, defaults: u16) -> Result<(), StoreFault> {
        self.changes.set(Space::Aliases, &alias.0, Some(record.bytes()))?;
        let mut owned = self.changes.list(Space::Identities, record.identity)?;
        owned.iter_mut().for_each(|listed| listed.defaults &= !defaults);
        owned.push(Listed { alias, defaults });
        self.changes.set_list(Space::Identities, record.identity, &owned)?;
        let mut leading = self.changes.list(Space::Accounts, record.account)?;
        leading.push(Listed { alias, defaults: 0 });
        self.changes.set_list(Space::Accounts, record.account, &leading)?;
        self.changes.meta.entries += 1;
        Ok(())
    }

    /// An identity goes over to its hash under a new key, with all that it has: it has one list at any time, and so one default for each purpose.
    fn bring_over(&mut self, before: KeyedHash, identity: KeyedHash) -> Result<(), StoreFault> {
        let mut moving = self.changes.list(Space::Identities, before)?;
        if before.is_none() || before == identity || moving.is_empty() {
            return Ok(());
        }
        for listed in &moving {
            let Some(record) = self.changes.record(listed.alias)? else {
                return Err(StoreFault::damaged("an identity's list names an alias that is not there"));
            };
            self.changes.set(Space::Aliases, &listed.alias.0, Some(Record { identity, ..record }.bytes()))?;
        }
        let there = self.changes.list(Space::Identities, identity)?;
        let taken = there.iter().fold(0, |all, listed| all | listed.defaults);
        moving.iter_mut().for_each(|listed| listed.defaults &= !taken);
        self.changes.set_list(Space::Identities, before, &[])?;
        self.changes.set_list(Space::Identities, identity, &[moving, there].concat())
    }

    /// For what an alias is to be the default, of what was asked: who has none in general is paid there.
    fn defaults_of(&mut self, identity: KeyedHash, asked: u16) -> Result<u16, StoreFault> {
        let owned = self.changes.list(Space::Identities, identity)?;
        let has_default = owned.iter().any(|listed| listed.defaults & 1 != 0);
        Ok(asked | u16::from(!has_default))
    }

    /// How many aliases lead to a command's account, under whichever key it is hashed, beside one.
    fn leading_beside(
        &mut self,
        alias: Option<KeyedHash>,
        command: &ArchivedAliasCommanded,
    ) -> Result<usize, StoreFault> {
        let mut leading = self.changes.list(Space::Accounts, KeyedHash(command.account))?;
        leading.extend(self.changes.list(Space::Accounts, KeyedHash(command.account_before))?);
        Ok(leading.iter().filter(|listed| Some(listed.alias) != alias).count())
    }

    /// Takes an entry out, and out of the lists; gives for what it was the default. Its slot is the caller's.
    fn take_out(&mut self, alias: KeyedHash, record: &Record) -> Result<u16, StoreFault> {
        self.changes.set(Space::Aliases, &alias.0, None)?;
        let mut defaults = 0;
        for (space, of) in [(Space::Identities, record.identity), (Space::Accounts, record.account)] {
            let mut list = self.changes.list(space, of)?;
            defaults |= list.iter().filter(|listed| listed.alias == alias).fold(0, |all, listed| all | listed.defaults);
            list.retain(|listed| listed.alias != alias);
            self.changes.set_list(space, of, &list)?;
        }
        self.changes.meta.entries -= 1;
        Ok(defaults)
    }

    fn update(
        &mut self,
        position: u64,
        participant: ParticipantId,
        command: &ArchivedAliasCommanded,
        (slot, sealed): (u64, &[u8]),
    ) -> Decided<()> {
        let (alias, old) = match self.find_own(participant, command)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        let identities = [KeyedHash(command.identity), KeyedHash(command.identity_before)];
        if !identities.contains(&old.identity) {
            return Ok(Err(AliasOutcome::IdentityDiffers.into()));
        }
        if self.leading_beside(Some(alias), command)? >= usize::from(self.limits.per_account) {
            return Ok(Err(AliasOutcome::AccountFull.into()));
        }

        // From here it must succeed. The entry goes over to the newest hashes, whatever it had.
        let (identity, account) = (KeyedHash(command.identity), KeyedHash(command.account));
        self.bring_over(KeyedHash(command.identity_before), identity)?;
        let old = Record { identity, ..old };
        let was_default = self.take_out(alias, &old)?;
        self.free_slot(old.slot)?;
        let record = Record {
            slot,
            identity,
            account,
            position,
            generation: command.generation,
            sealed: sealed.to_vec(),
            ..old
        };
        let defaults = self.defaults_of(identity, command.defaults.to_native() | was_default)?;
        self.add(KeyedHash(command.alias), &record, defaults)?;
        self.move_traces(alias, KeyedHash(command.alias))?;
        Ok(Ok(()))
    }

    /// What is counted of an alias, and who has reported it, goes along where its hash changes.
    fn move_traces(&mut self, from: KeyedHash, to: KeyedHash) -> Result<(), StoreFault> {
        if from == to {
            return Ok(());
        }
        if let Some(counters) = self.changes.get(Space::Counters, &from.0)? {
            self.changes.set(Space::Counters, &to.0, Some(counters))?;
            self.changes.set(Space::Counters, &from.0, None)?;
        }
        for key in self.changes.keys_of(Space::Reports, from)? {
            let there = [&to.0[..], &key[from.0.len()..]].concat();
            let last = self.last_report(&key)?.max(self.last_report(&there)?);
            self.changes.set(Space::Reports, &there, last.map(|last| last.to_le_bytes().to_vec()))?;
            self.changes.set(Space::Reports, &key, None)?;
        }
        Ok(())
    }

    fn set_paused(
        &mut self,
        participant: ParticipantId,
        command: &ArchivedAliasCommanded,
        is_paused: bool,
    ) -> Decided<()> {
        let (alias, record) = match self.find_own(participant, command)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        if record.is_paused == is_paused {
            return Ok(Err(AliasOutcome::StateUnchanged.into()));
        }
        self.changes.set(Space::Aliases, &alias.0, Some(Record { is_paused, ..record }.bytes()))?;
        Ok(Ok(()))
    }

    fn remove(&mut self, participant: ParticipantId, command: &ArchivedAliasCommanded) -> Decided<()> {
        let (alias, record) = match self.find_own(participant, command)? {
            Ok(found) => found,
            Err(refused) => return Ok(Err(refused)),
        };
        self.take_out(alias, &record)?;
        self.free_slot(record.slot)?;
        Ok(Ok(()))
    }

    /// Takes out all that a person has, and keeps the proof that it was done.
    fn erase(&mut self, position: u64, participant: ParticipantId, command: &ArchivedAliasCommanded) -> Decided<()> {
        let mut gone: u32 = 0;
        for identity in [KeyedHash(command.identity), KeyedHash(command.identity_before)] {
            for listed in self.changes.list(Space::Identities, identity)? {
                let Some(record) = self.changes.record(listed.alias)? else {
                    return Err(StoreFault::damaged("an identity's list names an alias that is not there"));
                };
                assert!(record.participant == participant, "a token is made for one participant");
                self.take_out(listed.alias, &record)?;
                self.free_slot(record.slot)?;
                gone += 1;
            }
        }
        if gone == 0 {
            return Ok(Err(AliasOutcome::AliasNotYours.into()));
        }
        let mut proof = self.time_ns.to_le_bytes().to_vec();
        proof.extend_from_slice(&gone.to_le_bytes());
        let key = [&command.identity[..], &position.to_be_bytes()].concat();
        self.changes.set(Space::Erasures, &key, Some(proof))?;
        Ok(Ok(()))
    }

    /// Counts a report. Of an alias that nobody has too: the answer must not tell.
    fn report(&mut self, participant: ParticipantId, command: &ArchivedAliasCommanded) -> Decided<()> {
        let key = |alias: [u8; 16]| [&alias[..], &participant.0.to_be_bytes()].concat();
        for alias in [command.alias, command.alias_before] {
            if self.last_report(&key(alias))?.is_some_and(|last| last + REPORT_AGAIN_NS > self.time_ns) {
                return Ok(Err(AliasOutcome::ReportRepeated.into()));
            }
        }
        let alias = self.find(command)?.map_or(KeyedHash(command.alias), |(alias, _)| alias);
        self.changes.set(Space::Reports, &key(alias.0), Some(self.time_ns.to_le_bytes().to_vec()))?;
        self.count(alias, day_of(self.time_ns), Counted::Reported)?;
        Ok(Ok(()))
    }

    /// When a participant has last reported an alias.
    fn last_report(&mut self, key: &[u8]) -> Result<Option<u64>, StoreFault> {
        let Some(bytes) = self.changes.get(Space::Reports, key)? else { return Ok(None) };
        let bytes = <[u8; 8]>::try_from(bytes).map_err(|_| StoreFault::damaged("a report that is none"))?;
        Ok(Some(u64::from_le_bytes(bytes)))
    }

    fn count(&mut self, alias: KeyedHash, today: u32, what: Counted) -> Result<(), StoreFault> {
        let mut counters = Counters::read(self.changes.get(Space::Counters, &alias.0)?.as_deref())?;
        counters.count(today, what);
        self.changes.set(Space::Counters, &alias.0, counters.bytes())
    }

    /// An entry goes over to the hashes of a new key. One that has gone, or has gone over by itself, is left alone. Where its alias was registered under both keys, by a command
    /// that was hashed before the new key came and journaled behind it, the first registration stays.
    fn rehash(&mut self, generation: u8, row: &ArchivedRehashedRow) -> Result<(), StoreFault> {
        let before = KeyedHash(row.alias_before);
        if self.changes.record(before)?.is_none_or(|record| record.generation >= generation) {
            return Ok(());
        }
        self.bring_over(KeyedHash(row.identity_before), KeyedHash(row.identity))?;
        let Some(old) = self.changes.record(before)? else {
            unreachable!("an identity that goes over keeps what it has")
        };
        let defaults = self.take_out(before, &old)?;
        if let Some(twin) = self.changes.record(KeyedHash(row.alias))? {
            if twin.entry < old.entry {
                return self.free_slot(old.slot);
            }
            self.take_out(KeyedHash(row.alias), &twin)?;
            self.free_slot(twin.slot)?;
        }
        let (identity, account) = (KeyedHash(row.identity), KeyedHash(row.account));
        let record = Record { generation, identity, account, ..old };
        self.add(KeyedHash(row.alias), &record, defaults)?;
        self.move_traces(before, KeyedHash(row.alias))
    }

    /// Lets attestations go that have ended, in bounded portions.
    fn purge_nonces(&mut self) -> Result<(), StoreFault> {
        if self.time_ns < self.nonces_end_ns {
            return Ok(());
        }
        let (mut ended, time_ns, mut next_ns) = (Vec::new(), self.time_ns, u64::MAX);
        self.changes.store.scan(Space::NonceEnds, &[], &mut |key, _| {
            let end_ns = key.first_chunk::<8>().map_or(u64::MAX, |end| u64::from_be_bytes(*end));
            let has_ended = end_ns <= time_ns && ended.len() < NONCES_PURGED_PER_BATCH_MAX;
            if has_ended {
                ended.push(key.to_vec());
            } else {
                next_ns = end_ns;
            }
            has_ended
        })?;
        self.nonces_end_ns = next_ns;
        for key in ended {
            self.changes.set(Space::Nonces, &key[8..], None)?;
            self.changes.set(Space::NonceEnds, &key, None)?;
        }
        Ok(())
    }
}

fn command_key(participant: ParticipantId, command_id: &[u8; 16]) -> Vec<u8> {
    [&participant.0.to_be_bytes()[..], command_id].concat()
}

/// What whoever repeats a command is told: what became of the first, or that it was another.
fn repeated(first: &[u8], digest: &[u8; 16], result: CommandResult) -> Result<CommandResult, StoreFault> {
    let damaged = || StoreFault::damaged("a result that is none");
    let (&known, rest) = first.split_first_chunk::<16>().ok_or_else(damaged)?;
    let &[outcome, claim, ref at @ ..] = rest else { return Err(damaged()) };
    if known != *digest {
        return Ok(CommandResult { outcome: AliasOutcome::CommandDiffers, ..result });
    }
    let outcome = AliasOutcome::from_number(outcome).ok_or_else(damaged)?;
    let claim = Claim::from_number(claim).ok_or_else(damaged)?;
    let at_ns = u64::from_le_bytes(<[u8; 8]>::try_from(at).map_err(|_| damaged())?);
    Ok(CommandResult { outcome, claim, at_ns, ..result })
}

/// What can be done about an alias that another participant has: numbers and e-mail addresses pass from one person to another, the rest stays with its owner.
fn claim_for(alias_type: u8) -> Claim {
    match AliasType::from_number(alias_type) {
        Some(AliasType::Mobile | AliasType::Email) => Claim::Ownership,
        _ => Claim::Portability,
    }
}
