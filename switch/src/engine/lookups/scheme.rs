//! What the operator sets for the directory, and the buckets of participants.

use adapters::directory::MaskRule;
use rkyv::{Archive, Deserialize, Serialize};

use super::buckets::Bucket;
use super::touched::Touch;
use crate::engine::scheme::events::{Event, EventKind};
use crate::engine::scheme::rejects::CommandReject;
use crate::engine::snapshot::{Checked, ensure};
use crate::engine::{Engine, Moment};
use crate::entry::{
    ArchivedDirectoryRulesSet, ArchivedHashKeySet, ArchivedIssuerKeySet, ArchivedLookupCategorySet, ParticipantId,
};
use crate::limits::{ISSUER_KEYS_MAX, LOOKUP_CAPACITY_MAX, LOOKUP_CATEGORIES};

/// What look-ups cost, and what the directory allows.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryRules {
    /// Tokens of an answer that is found.
    pub cost_found: u32,
    /// Of one that is not: the dearest.
    pub cost_missed: u32,
    /// What a committed payment by alias gives back.
    pub payment_gives_back: u32,
    /// What an end user's bucket holds.
    pub end_user_capacity: u32,
    /// What comes to it in a minute.
    pub end_user_per_minute: u32,
    /// The same of participants, by category.
    pub category_capacity: [u32; LOOKUP_CATEGORIES],
    /// The same of participants, by category.
    pub category_per_minute: [u32; LOOKUP_CATEGORIES],
    /// Aliases of an identity.
    pub aliases_per_identity: u16,
    /// Aliases that lead to an account.
    pub aliases_per_account: u16,
    /// How names are masked.
    pub mask: u8,
}

impl DirectoryRules {
    /// Can a directory have these?
    fn mean_something(&self) -> bool {
        let dearest = self.cost_missed;
        // Who pays less for what is not there could ask until it is; a bucket below the dearest cost never opens.
        let is_costly = (1..=dearest).contains(&self.cost_found);
        let can_hold = dearest..=LOOKUP_CAPACITY_MAX;
        let mut capacities = self.category_capacity.iter().chain([&self.end_user_capacity]);
        let has_room = 0 < self.aliases_per_identity && 0 < self.aliases_per_account;
        // A bucket to which nothing comes would stay empty for ever.
        let mut refills = self.category_per_minute.iter().chain([&self.end_user_per_minute]);
        let is_refilled = refills.all(|&per_minute| per_minute > 0);
        let is_mask = MaskRule::from_number(self.mask).is_some();
        is_costly && capacities.all(|capacity| can_hold.contains(capacity)) && is_refilled && has_room && is_mask
    }
}

/// A key of an ID system whose attestations count.
#[derive(Archive, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct TrustedKey {
    /// The ID system; zeros behind its end.
    pub issuer: [u8; 64],
    /// Which of its keys; zeros behind its end.
    pub key_id: [u8; 64],
    /// 1 Ed25519, 2 ES256.
    pub algorithm: u8,
    /// The key; zeros behind its end.
    pub public_key: [u8; 65],
    /// From when it counts, in seconds since 1970.
    pub not_before_s: u64,
    /// Through when.
    pub not_after_s: u64,
}

/// A name of a key without the zeros behind its end.
pub fn unpadded(name: &[u8; 64]) -> &[u8] {
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    &name[..end]
}

/// All of it.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct DirectoryScheme {
    /// Grows with each change of rules and keys.
    version: u64,
    /// None before they are set: then nobody looks anything up.
    pub(super) rules: Option<DirectoryRules>,
    /// In the order in which they were trusted.
    issuers: Vec<TrustedKey>,
    /// Hash keys that were set after the first.
    rehashes: u8,
    /// Are hashes being made under the last of them?
    is_rehashing: bool,
    /// By the participant's number; those that are missing are full, and of the last category.
    buckets: Vec<ParticipantBucket>,
    /// Journal position of the last batch that the directory has to apply.
    pub(in crate::engine) due: u64,
    /// The highest slot of the vault of any entry: what the vault must at least hold.
    slot_max: u64,
    /// Of the ring of touched aliases: only in a snapshot.
    pub(in crate::engine) touched_floor: u64,
    /// The same.
    pub(in crate::engine) touched: Vec<Touch>,
}

/// A participant's bucket.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParticipantBucket {
    /// 0 for A to 7 for H.
    pub(super) category: u8,
    /// What it holds; none where it is full.
    pub(super) bucket: Option<Bucket>,
}

/// What a `HashKeySet` says. The numbers are in the journal and in events.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RehashStep {
    /// There is a new key, and the hashes of what is there are made under it.
    Begin = 1,
    /// All are; the key before is gone.
    Done = 2,
}

impl RehashStep {
    /// The step with a number.
    pub fn from_number(number: u8) -> Option<RehashStep> {
        match number {
            1 => Some(RehashStep::Begin),
            2 => Some(RehashStep::Done),
            _ => None,
        }
    }
}

impl ParticipantBucket {
    /// Takes in what has come to it until now.
    fn settle(&mut self, rules: &DirectoryRules, now_ns: u64) {
        self.bucket = rules.size_of(self.category).refilled(self.bucket, now_ns);
    }
}

/// Whoever is new learns little.
const LAST_CATEGORY: u8 = 7;

const _: () = assert!(LAST_CATEGORY as usize + 1 == LOOKUP_CATEGORIES);

const NEW: ParticipantBucket = ParticipantBucket { category: LAST_CATEGORY, bucket: None };

impl DirectoryScheme {
    /// Grows with each change of what clerks must know.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Journal position of the last batch that has anything for the directory: where it has come so far, it has come as far as the engine.
    pub fn due(&self) -> u64 {
        self.due
    }

    /// The highest slot of the vault of any entry; 0 for none.
    pub fn slot_max(&self) -> u64 {
        self.slot_max
    }

    pub(in crate::engine) fn note_slot(&mut self, slot: u64) {
        self.slot_max = self.slot_max.max(slot);
    }

    /// What look-ups cost; none before that is set.
    pub fn rules(&self) -> Option<&DirectoryRules> {
        self.rules.as_ref()
    }

    /// Keys of ID systems whose attestations count.
    pub fn issuers(&self) -> &[TrustedKey] {
        &self.issuers
    }

    /// Which hash key new hashes are made under, from 1.
    pub fn generation(&self) -> u8 {
        self.rehashes + 1
    }

    /// Are hashes being made anew? Then some are of this generation, and some of the one before.
    pub fn is_rehashing(&self) -> bool {
        self.is_rehashing
    }

    /// How many look-ups a participant may make: 0 for A to 7 for H.
    pub fn category(&self, participant: ParticipantId) -> u8 {
        self.bucket(participant).category
    }

    fn bucket(&self, participant: ParticipantId) -> ParticipantBucket {
        let place = (participant.0 as usize).checked_sub(1);
        place.and_then(|place| self.buckets.get(place)).copied().unwrap_or(NEW)
    }

    /// What a restored one says of so many participants can be so.
    pub(super) fn check(&self, participants: u32) -> Checked<()> {
        ensure(self.rules.is_none_or(|rules| rules.mean_something()), "rules of the directory that mean nothing")?;
        ensure(self.issuers.len() <= ISSUER_KEYS_MAX, "more keys of ID systems than may be")?;
        ensure(self.buckets.len() <= participants as usize, "a bucket of nobody")?;
        ensure(self.buckets.iter().all(|bucket| bucket.category <= LAST_CATEGORY), "a category that does not exist")
    }

    pub(super) fn bucket_mut(&mut self, participant: ParticipantId) -> &mut ParticipantBucket {
        let place = participant.0 as usize - 1;
        if self.buckets.len() <= place {
            self.buckets.resize(place + 1, NEW);
        }
        &mut self.buckets[place]
    }

    /// What a participant's bucket holds, what it can hold, and what comes to it in a minute.
    pub(super) fn allowance(&self, participant: ParticipantId, now_ns: u64) -> [u32; 3] {
        let Some(rules) = &self.rules else { return [0; 3] };
        let ParticipantBucket { category, bucket } = self.bucket(participant);
        let size = rules.size_of(category);
        [size.level(bucket, now_ns), size.capacity, size.per_minute]
    }
}

impl Engine {
    pub(in crate::engine) fn set_directory_rules(
        &mut self,
        moment: Moment,
        command: &ArchivedDirectoryRulesSet,
    ) -> Result<(), CommandReject> {
        let rules = DirectoryRules {
            cost_found: command.cost_found.to_native(),
            cost_missed: command.cost_missed.to_native(),
            payment_gives_back: command.payment_gives_back.to_native(),
            end_user_capacity: command.end_user_capacity.to_native(),
            end_user_per_minute: command.end_user_per_minute.to_native(),
            category_capacity: command.category_capacity.map(|number| number.to_native()),
            category_per_minute: command.category_per_minute.map(|number| number.to_native()),
            aliases_per_identity: command.aliases_per_identity.to_native(),
            aliases_per_account: command.aliases_per_account.to_native(),
            mask: command.mask,
        };
        if !rules.mean_something() {
            return Err(CommandReject::ValueMeaningless);
        }
        let directory = &mut self.scheme.directory;
        // What has come so far has come by the rules that were. There are too many buckets of end users for that.
        if let Some(before) = directory.rules {
            directory.buckets.iter_mut().for_each(|bucket| bucket.settle(&before, moment.time_ns));
        }
        directory.rules = Some(rules);
        directory.version += 1;
        self.announce(moment, Event::of(EventKind::DirectoryRulesChanged));
        Ok(())
    }

    pub(in crate::engine) fn set_lookup_category(
        &mut self,
        moment: Moment,
        command: &ArchivedLookupCategorySet,
    ) -> Result<(), CommandReject> {
        let participant = ParticipantId(command.participant.to_native());
        self.participants.get(participant).ok_or(CommandReject::ParticipantUnknown)?;
        if command.category > LAST_CATEGORY {
            return Err(CommandReject::ValueMeaningless);
        }
        // What it has used stays used, and what has come so far has come by the category that was.
        let rules = self.scheme.directory.rules;
        let bucket = self.scheme.directory.bucket_mut(participant);
        if let Some(rules) = &rules {
            bucket.settle(rules, moment.time_ns);
        }
        bucket.category = command.category;
        let event = Event { participant: participant.0, ..Event::of(EventKind::LookupCategoryChanged) };
        self.announce(moment, Event { code: command.category.into(), ..event });
        Ok(())
    }

    pub(in crate::engine) fn set_issuer_key(
        &mut self,
        moment: Moment,
        command: &ArchivedIssuerKeySet,
    ) -> Result<(), CommandReject> {
        let key = TrustedKey {
            issuer: command.issuer,
            key_id: command.key_id,
            algorithm: command.algorithm,
            public_key: command.public_key,
            not_before_s: command.not_before_s.to_native(),
            not_after_s: command.not_after_s.to_native(),
        };
        let is_named = key.issuer[0] != 0 && key.key_id[0] != 0;
        if !is_named || !(1..=2).contains(&key.algorithm) || key.not_after_s <= key.not_before_s {
            return Err(CommandReject::ValueMeaningless);
        }
        let issuers = &mut self.scheme.directory.issuers;
        let known = issuers.iter().position(|known| known.issuer == key.issuer && known.key_id == key.key_id);
        match (command.is_valid != 0, known) {
            (true, Some(place)) => issuers[place] = key,
            (true, None) if issuers.len() >= ISSUER_KEYS_MAX => return Err(CommandReject::IssuerKeysFull),
            (true, None) => issuers.push(key),
            (false, Some(place)) => drop(issuers.remove(place)),
            (false, None) => return Err(CommandReject::IssuerKeyUnknown),
        }
        self.scheme.directory.version += 1;
        let event = Event { code: command.is_valid.into(), ..Event::of(EventKind::IssuerKeyChanged) };
        self.announce(moment, event);
        Ok(())
    }

    /// The operator has all hashes made anew, under the next key.
    pub(in crate::engine) fn begin_rehash(
        &mut self,
        moment: Moment,
        command: &ArchivedHashKeySet,
    ) -> Result<(), CommandReject> {
        let directory = &mut self.scheme.directory;
        if directory.is_rehashing {
            return Err(CommandReject::RehashRuns);
        }
        // When it is done the switch says, which knows.
        let is_next = directory.generation().checked_add(1) == Some(command.generation);
        if RehashStep::from_number(command.step) != Some(RehashStep::Begin) || !is_next {
            return Err(CommandReject::ValueMeaningless);
        }
        (directory.rehashes, directory.is_rehashing) = (directory.rehashes + 1, true);
        self.announce_rehash(moment, RehashStep::Begin);
        Ok(())
    }

    /// The switch has made all hashes anew.
    pub(in crate::engine) fn end_rehash(&mut self, moment: Moment, command: &ArchivedHashKeySet) -> Result<(), String> {
        let directory = &mut self.scheme.directory;
        let is_end = RehashStep::from_number(command.step) == Some(RehashStep::Done);
        if !is_end || !directory.is_rehashing || command.generation != directory.generation() {
            return Err("the end of what does not run".to_owned());
        }
        directory.is_rehashing = false;
        self.announce_rehash(moment, RehashStep::Done);
        Ok(())
    }

    fn announce_rehash(&mut self, moment: Moment, step: RehashStep) {
        self.scheme.directory.version += 1;
        let (code, detail) = (step as u16, self.scheme.directory.generation().into());
        self.announce(moment, Event { code, detail, ..Event::of(EventKind::HashKeyChanged) });
    }
}
