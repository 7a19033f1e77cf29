//! What the operator sets for the directory, and the buckets of participants.

use rkyv::{Archive, Deserialize, Serialize};

use super::buckets::Bucket;
use super::touched::Touch;
use crate::engine::scheme::events::{Event, EventKind};
use crate::engine::scheme::rejects::CommandReject;
use crate::engine::{Engine, Moment};
use crate::entry::{ArchivedDirectoryRulesSet, ArchivedIssuerKeySet, ArchivedLookupCategorySet, ParticipantId};
use crate::limits::{ISSUER_KEYS_MAX, LOOKUP_CATEGORIES};

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

/// All of it.
#[derive(Archive, Serialize, Deserialize, Debug, Default)]
pub struct DirectoryScheme {
    /// Grows with each change of rules and keys.
    version: u64,
    /// None before they are set: then nobody looks anything up.
    pub(super) rules: Option<DirectoryRules>,
    /// In the order in which they were trusted.
    issuers: Vec<TrustedKey>,
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

    /// How many look-ups a participant may make: 0 for A to 7 for H.
    pub fn category(&self, participant: ParticipantId) -> u8 {
        self.bucket(participant).category
    }

    fn bucket(&self, participant: ParticipantId) -> ParticipantBucket {
        let place = (participant.0 as usize).checked_sub(1);
        place.and_then(|place| self.buckets.get(place)).copied().unwrap_or(NEW)
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
        // Who pays for less than is found learns by what it costs; a bucket below the dearest cost never opens.
        let dearest = rules.cost_missed;
        let is_costly = 0 < rules.cost_found && rules.cost_found <= dearest;
        let holds =
            rules.category_capacity.iter().chain([&rules.end_user_capacity]).all(|&capacity| dearest <= capacity);
        let has_room = 0 < rules.aliases_per_identity && 0 < rules.aliases_per_account;
        let is_mask = (1..=3).contains(&rules.mask);
        if !(is_costly && holds && has_room && is_mask) {
            return Err(CommandReject::ValueMeaningless);
        }
        self.scheme.directory.rules = Some(rules);
        self.scheme.directory.version += 1;
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
        // What it has used stays used.
        self.scheme.directory.bucket_mut(participant).category = command.category;
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
}
