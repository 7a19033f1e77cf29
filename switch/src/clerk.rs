//! The clerks: what stands between a provider's words about aliases and the journal. They know the keys, the hot loop does not.
//!
//! In: a message about an alias as its provider has sent it. Out: what is to be journaled of it, hashed and sealed, and what can be answered once that is durable.
//! A clerk reads the directory's store and never changes it; it takes new slots from the vault. It decides nothing that the directory or the engine decides:
//! who may have an alias, and who may ask.
//!
//! [`Question`] and [`Reply`] are what the pipeline exchanges with them, by queue; replies may come in any order.

use std::sync::Arc;

use adapters::alias::Alias;
use adapters::attestation::{self, Algorithm, Expected, IssuerKey};
use adapters::check::Refusal;
use adapters::directory::{AliasType, LookupForm, LookupPurpose, MaskRule, NameMatch, Operation, QueryForm};
use adapters::limits::EXISTENCE_ALIASES_MAX;
use adapters::message::{
    AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate,
    DirectoryItems, DirectoryQuery, ErrorCode, Field, MessageKind, Part, ParticipantCode,
};
use adapters::name;

use crate::directory::hashes::{HashKeyHolder, HashKeyRing, HashKeys, KeyedHash, nonce_hash};
use crate::directory::store::{Store, StoreFault};
use crate::directory::vault::{Vault, VaultReader};
use crate::directory::{DirectoryReader, Record};
use crate::engine::Engine;
use crate::engine::lookups::{LookupMade, TrustedKey, unpadded};
use crate::entry::{
    self, AliasCommanded, AliasLookedUp, AliasResolution, EntryHead, EntryKind, ParticipantId, RehashedRow, SLOT_KEY,
    Sender,
};
use crate::limits::{ENTRY_READS_MAX, NS_PER_S, REHASHED_ROWS_MAX};
use crate::seal::{SealFault, Sealer, day_of};

/// What clerks must know of the scheme. It follows from the engine's state; a new one is made when that has changed.
#[derive(Clone, Debug, Default)]
pub struct ClerkScheme {
    /// Grows with each change.
    pub version: u64,
    /// How names are masked.
    pub mask: MaskRule,
    /// Keys of ID systems.
    pub issuers: Vec<IssuerKey>,
    /// Of the key under which hashes are made; 0 where that is not said.
    pub generation: u8,
    /// Are hashes being made anew?
    pub is_rehashing: bool,
}

impl ClerkScheme {
    /// As the engine has it now.
    pub fn of(engine: &Engine) -> ClerkScheme {
        let directory = engine.directory();
        let mask = directory.rules().and_then(|rules| MaskRule::from_number(rules.mask)).unwrap_or_default();
        let issuers = directory.issuers().iter().filter_map(issuer_key).collect();
        let (generation, is_rehashing) = (directory.generation(), directory.is_rehashing());
        ClerkScheme { version: directory.version(), mask, issuers, generation, is_rehashing }
    }
}

fn issuer_key(key: &TrustedKey) -> Option<IssuerKey> {
    let text = |padded: &[u8; 64]| String::from_utf8(unpadded(padded).to_vec()).ok();
    let algorithm = Algorithm::from_number(key.algorithm)?;
    Some(IssuerKey {
        issuer: text(&key.issuer)?,
        key_id: text(&key.key_id)?,
        algorithm,
        public_key: key.public_key[..algorithm.key_bytes()].to_vec(),
        not_before_s: key.not_before_s,
        not_after_s: key.not_after_s,
    })
}

/// A message about an alias, for a clerk.
#[derive(Clone, Debug)]
pub struct Question {
    /// Comes back with the reply.
    pub ticket: u64,
    /// Who sent it.
    pub participant: ParticipantId,
    /// The same, as others know it.
    pub code: ParticipantCode,
    /// Journal time.
    pub now_ns: u64,
    /// The directory must have come so far before it is read: a journal position.
    pub not_before: u64,
    /// Of what was sent, as of a payment order.
    pub digest: [u8; 16],
    /// `AliasCommand`, `AliasLookup`, `AliasTransfer` or `DirectoryQuery`.
    pub kind: MessageKind,
    /// As received, and checked.
    pub routing: Vec<u8>,
    /// The same.
    pub private: Vec<u8>,
    /// The scheme when it was asked.
    pub scheme: Arc<ClerkScheme>,
}

/// Hashes are to be made anew: the next portion of them.
#[derive(Clone, Debug)]
pub struct Renewal {
    /// The directory must have come so far before it is read: a journal position.
    pub not_before: u64,
    /// The scheme by now.
    pub scheme: Arc<ClerkScheme>,
    /// All participants, by their numbers from 1.
    pub codes: Arc<[ParticipantCode]>,
}

/// What a clerk makes of that.
#[derive(Clone, Debug)]
pub enum Renewed {
    /// Rows to be journaled; there may be none this time.
    Rows {
        /// Of the new key.
        generation: u8,
        /// At most `REHASHED_ROWS_MAX`.
        rows: Vec<RehashedRow>,
        /// Entries whose secret is not in the vault: nobody could open them, and they are left as they are.
        unreadable: usize,
    },
    /// All are under the new key.
    Done,
    /// That was said, and the key before is gone.
    KeyDestroyed,
}

/// What a clerk makes of a question.
#[derive(Clone, Debug)]
pub enum Reply {
    /// It is refused before anything is journaled.
    Refused {
        /// Why.
        refusal: Refusal,
        /// For a person to read; shows nothing of what was sent.
        text: String,
    },
    /// A look-up: what to journal, and what to answer where the engine lets it pass.
    LookedUp {
        /// What to journal.
        entry: AliasLookedUp,
        /// What was found; none where there is no such entry.
        found: Option<Box<Found>>,
    },
    /// The alias of a payment order.
    Resolved {
        /// Whose account it is.
        payee: ParticipantId,
        /// The account.
        account: Vec<u8>,
        /// For the order's annotation.
        resolution: AliasResolution,
    },
    /// The alias of a payment order is nobody's: it is journaled as a look-up.
    Missed(AliasLookedUp),
    /// A command: the whole entry, sealed.
    Commanded {
        /// Of the key under which it is hashed.
        generation: u8,
        /// Its bytes.
        entry: Vec<u8>,
        /// The alias in canonical form, for whoever registers it.
        alias: Vec<u8>,
    },
    /// Who has looked up an entry of the sender's, newest first.
    LookedUpBy {
        /// At most so many as one answer holds.
        made: Vec<LookupMade>,
        /// Before which journal position there is more.
        next: Option<u64>,
    },
    /// Another question about the sender's own entries, which nothing is journaled of.
    Answered {
        /// What was asked.
        form: QueryForm,
        /// Is there more?
        has_more: bool,
        /// Where the next question goes on.
        after: u64,
        /// By the form of the question (`docs/formats/native.md`).
        items: Vec<u8>,
    },
}

/// What a look-up has found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whose account it is.
    pub participant: ParticipantId,
    /// Of a verification.
    pub name_match: Option<NameMatch>,
    /// Journal time of the registration.
    pub owned_since_ns: u64,
    /// Settled, reported, rejected, each over 3 days, 30 days and 6 months, as classes.
    pub counters: [u8; 9],
    /// The account.
    pub account: Vec<u8>,
    /// The name, as much of it as the asker may see.
    pub name: Vec<u8>,
}

/// Why a clerk cannot go on: the switch is unwell, and stops.
#[derive(Debug)]
pub enum ClerkFault {
    /// The store.
    Store(StoreFault),
    /// The vault.
    Vault(SealFault),
}

impl std::fmt::Display for ClerkFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ClerkFault::Store(fault) => fault.fmt(f),
            ClerkFault::Vault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for ClerkFault {}

impl From<StoreFault> for ClerkFault {
    fn from(fault: StoreFault) -> ClerkFault {
        ClerkFault::Store(fault)
    }
}

impl From<SealFault> for ClerkFault {
    fn from(fault: SealFault) -> ClerkFault {
        ClerkFault::Vault(fault)
    }
}

/// The number of a look-up that was none, but a payment order to an alias that nobody has.
const FORM_TRANSFER: u8 = 3;

/// What one answer to `DirectoryQuery` holds.
const LOOKUPS_PER_ANSWER_MAX: usize = 64;
const ENTRIES_PER_ANSWER_MAX: usize = 16;

fn refused(code: ErrorCode, field: Field, text: &impl std::fmt::Display) -> Reply {
    Reply::Refused { refusal: Refusal { code, field, payment_id: [0; 16] }, text: text.to_string() }
}

/// The alias that was written, or why it is none.
fn parsed(kind: AliasType, written: &[u8]) -> Result<Alias, Box<Reply>> {
    let alias = Alias::parse(kind, &String::from_utf8_lossy(written));
    alias.map_err(|fault| Box::new(refused(ErrorCode::BadField, Field::Alias, &fault)))
}

/// Who reads the directory for those who ask.
pub struct Clerk<S: Store> {
    hashes: HashKeyHolder,
    vault: VaultReader,
    directory: DirectoryReader<S>,
    /// A record that was opened last.
    opened: Vec<u8>,
    renewing: Renewing,
    lookups_per_answer: usize,
}

/// How far a clerk has come with making hashes anew. Who starts again begins anew, which changes nothing of what is done.
#[derive(Default)]
struct Renewing {
    /// Where the next portion begins.
    from: KeyedHash,
    /// Has this round found any that was left?
    has_found: bool,
}

/// What is sealed of an entry.
struct Opened {
    alias: Vec<u8>,
    identity: Vec<u8>,
    account: Vec<u8>,
    name: String,
}

/// What a token has led by: its holder, and the alias that its holder is paid by. Zeros where nothing was in between.
#[derive(Clone, Copy, Default)]
struct Via {
    identity: KeyedHash,
    default: KeyedHash,
}

/// An entry, still sealed, and what has led to it.
struct Reached {
    record: Record,
    via: Via,
}

impl From<Record> for Reached {
    fn from(record: Record) -> Reached {
        Reached { record, via: Via::default() }
    }
}

/// A reply, or the refusal of what was asked; the outer no is the switch's.
type Answered = Result<Result<Reply, Box<Reply>>, ClerkFault>;

impl<S: Store> Clerk<S> {
    /// A clerk that reads this directory.
    pub fn new(hashes: HashKeys, vault: VaultReader, directory: DirectoryReader<S>) -> Clerk<S> {
        let (hashes, renewing) = (HashKeyHolder::new(hashes), Renewing::default());
        let lookups_per_answer = LOOKUPS_PER_ANSWER_MAX;
        Clerk { hashes, vault, directory, opened: Vec::new(), renewing, lookups_per_answer }
    }

    /// The same, who goes over to newer hash keys as the scheme does.
    #[must_use]
    pub fn with_ring(self, ring: Box<dyn HashKeyRing>) -> Clerk<S> {
        Clerk { hashes: self.hashes.with_ring(ring), ..self }
    }

    /// The same, whose answers hold so many look-ups at the most.
    #[must_use]
    pub(crate) fn with_lookups_per_answer(self, lookups_per_answer: usize) -> Clerk<S> {
        Clerk { lookups_per_answer, ..self }
    }

    /// Has the directory come so far that what asks for this position can be answered?
    pub fn has_come(&self, not_before: u64) -> bool {
        not_before <= self.directory.through()
    }

    /// Comes it no further?
    pub fn has_ended(&self) -> bool {
        self.directory.has_ended()
    }

    /// Answers a look-up, a payment order or a question about the sender's own entries.
    ///
    /// # Panics
    /// Of a command: those are the registrar's.
    pub fn answer(&mut self, question: &Question) -> Result<Reply, ClerkFault> {
        self.hashes.follow(question.scheme.generation, question.scheme.is_rehashing)?;
        let answered = match question.kind {
            MessageKind::AliasLookup => self.look_up(question)?,
            MessageKind::AliasTransfer => self.resolve(question)?,
            MessageKind::DirectoryQuery => self.tell(question)?,
            kind => unreachable!("{} is nothing that a clerk answers", kind.conduct().name),
        };
        Ok(answered.unwrap_or_else(|refused| *refused))
    }

    /// Makes the next portion of hashes anew, under the newest key. While that is not done it finds something sooner or later, and then nothing, once.
    pub fn renew(&mut self, renewal: &Renewal) -> Result<Renewed, ClerkFault> {
        self.hashes.follow(renewal.scheme.generation, renewal.scheme.is_rehashing)?;
        if !renewal.scheme.is_rehashing {
            self.hashes.destroy_before()?;
            return Ok(Renewed::KeyDestroyed);
        }
        let generation = self.hashes.keys().current.generation;
        let page = self.directory.of_earlier_generation(generation, self.renewing.from, REHASHED_ROWS_MAX)?;
        let (earlier, next) = page;
        let (mut rows, mut unreadable) = (Vec::with_capacity(earlier.len()), 0);
        for (alias_before, _) in &earlier {
            match self.row_of(*alias_before, generation, &renewal.codes)? {
                Some(row) => rows.push(row),
                None if self.earlier(*alias_before, generation)?.is_some() => unreadable += 1,
                None => {}
            }
        }
        let has_found = self.renewing.has_found || !rows.is_empty();
        self.renewing = match next {
            Some(from) => Renewing { from, has_found },
            // Once more from the beginning, until nothing is left.
            None => Renewing::default(),
        };
        Ok(if next.is_none() && !has_found { Renewed::Done } else { Renewed::Rows { generation, rows, unreadable } })
    }

    /// The row of an entry of an earlier generation; none where it has gone, or gone over by itself, meanwhile, or cannot be read.
    fn row_of(
        &mut self,
        alias_before: KeyedHash,
        generation: u8,
        codes: &[ParticipantCode],
    ) -> Result<Option<RehashedRow>, ClerkFault> {
        let found = self.opened_of(|clerk| Ok(clerk.earlier(alias_before, generation)?.map(Reached::from)))?;
        let Some((Reached { record, .. }, opened)) = found else { return Ok(None) };
        let Some(code) = codes.get(record.participant.0 as usize - 1) else {
            unreachable!("whose entry it is was in the scheme before")
        };
        let keys = self.hashes.keys();
        Ok(Some(RehashedRow {
            alias_before: alias_before.0,
            alias: keys.alias(record.alias_type, &opened.alias).0,
            identity_before: record.identity.0,
            identity: keys.identity(code, &opened.identity).0,
            account: keys.account(code, &opened.account).0,
        }))
    }

    fn earlier(&self, alias: KeyedHash, generation: u8) -> Result<Option<Record>, ClerkFault> {
        Ok(self.directory.find(alias)?.filter(|record| record.generation < generation))
    }

    fn look_up(&mut self, question: &Question) -> Answered {
        let (Some(asked), Some(private)) =
            (AliasLookup::read(&question.routing), AliasLookupPrivate::read(&question.private))
        else {
            unreachable!("it was checked when it came")
        };
        // Before the store is read: what it holds then is at least as new.
        let resolved_at = self.directory.through();
        let (alias, found) = match AliasType::from_number(asked.alias_type) {
            Some(kind) => match parsed(kind, &private.alias) {
                Ok(alias) => self.find(&alias, asked.purpose)?,
                Err(refused) => return Ok(Err(refused)),
            },
            None => {
                let Some(participant) = ParticipantCode::from_bytes(asked.participant) else {
                    unreachable!("a checked look-up by account names a participant")
                };
                self.find_account(&participant, &private.account)?
            }
        };
        let entry = AliasLookedUp {
            lookup_id: asked.lookup_id,
            alias: alias.0,
            end_user: self.hashes.keys().end_user(&question.code, &private.end_user).0,
            form: asked.form,
            purpose: asked.purpose,
            is_found: u8::from(found.is_some()),
            resolved_at,
            entry: found.as_ref().map_or(0, |(reached, _)| reached.record.entry),
        };
        let is_verification = asked.form == LookupForm::Verification as u8;
        let given = is_verification.then(|| String::from_utf8_lossy(&private.name).into_owned());
        let found = match found {
            Some((reached, opened)) => {
                Some(Box::new(self.found_of(question, alias, &reached.record, opened, given.as_deref())?))
            }
            None => None,
        };
        Ok(Ok(Reply::LookedUp { entry, found }))
    }

    fn found_of(
        &self,
        question: &Question,
        alias: KeyedHash,
        record: &Record,
        opened: Opened,
        given: Option<&str>,
    ) -> Result<Found, ClerkFault> {
        let name_match = given.map(|given| name::match_names(given, &opened.name));
        let shown = match name_match {
            Some(NameMatch::CloseMatch) => opened.name,
            Some(NameMatch::NoMatch | NameMatch::NotPossible) => String::new(),
            Some(NameMatch::Match) | None => name::mask(&opened.name, question.scheme.mask),
        };
        Ok(Found {
            participant: record.participant,
            name_match,
            owned_since_ns: record.owned_since_ns,
            counters: self.directory.counters(alias)?.classes(day_of(question.now_ns)),
            account: opened.account,
            name: shown.into_bytes(),
        })
    }

    fn resolve(&mut self, question: &Question) -> Answered {
        let (Some(order), Some(private)) =
            (AliasTransfer::read(&question.routing), AliasTransferPrivate::read(&question.private))
        else {
            unreachable!("it was checked when it came")
        };
        let Some(kind) = AliasType::from_number(order.alias_type) else {
            unreachable!("a checked order names a type of alias")
        };
        let alias = match parsed(kind, &private.alias) {
            Ok(alias) => alias,
            Err(refused) => return Ok(Err(refused)),
        };
        let end_user = self.hashes.keys().end_user(&question.code, &private.end_user).0;
        let resolved_at = self.directory.through();
        let purpose = LookupPurpose::of_order(order.purpose);
        let (alias, found) = self.find(&alias, purpose as u8)?;
        Ok(Ok(match found {
            Some((Reached { record, via }, opened)) => Reply::Resolved {
                payee: record.participant,
                account: opened.account,
                resolution: AliasResolution {
                    alias: alias.0,
                    end_user,
                    resolved_at,
                    entry: record.entry,
                    identity: via.identity.0,
                    default: via.default.0,
                },
            },
            None => Reply::Missed(AliasLookedUp {
                lookup_id: order.payment_id,
                alias: alias.0,
                end_user,
                form: FORM_TRANSFER,
                purpose: purpose as u8,
                is_found: 0,
                resolved_at,
                entry: 0,
            }),
        }))
    }

    /// The entry that an alias leads to, for a purpose, if everybody may find it: that of the alias itself, or, of an ID token, the default of its holder. The hash is that of
    /// the alias that was asked for, under the newest key.
    fn find(&mut self, alias: &Alias, purpose: u8) -> Result<(KeyedHash, Option<(Reached, Opened)>), ClerkFault> {
        let (kind, text) = (alias.kind(), alias.as_str().as_bytes());
        let hash = self.hashes.keys().alias(kind as u8, text);
        let before = self.hashes.keys().alias_before(kind as u8, text);
        let found = self.opened_of(|clerk| clerk.entry_of(kind, (hash, before), purpose))?;
        Ok((hash, found))
    }

    /// The same, still sealed.
    fn entry_of(
        &self,
        kind: AliasType,
        hashes: (KeyedHash, Option<KeyedHash>),
        purpose: u8,
    ) -> Result<Option<Reached>, ClerkFault> {
        let may_be_found = |reached: Reached| (!reached.record.is_paused).then_some(reached);
        let Some(mut record) = self.record_of(hashes)? else { return Ok(None) };
        if !matches!(kind, AliasType::NationalIdToken | AliasType::IdToken) || record.is_paused {
            return Ok(may_be_found(record.into()));
        }
        loop {
            let identity = record.identity;
            if let Some((default, entry)) = self.default_of(identity, purpose)? {
                let record = entry.unwrap_or(record);
                return Ok(may_be_found(Reached { record, via: Via { identity, default } }));
            }
            // The holder may have gone over to the hash of a new key before its list was read.
            match self.record_of(hashes)? {
                Some(now) if now.identity != identity => record = now,
                _ => return Ok(Some(Reached { record, via: Via { identity, ..Via::default() } })),
            }
        }
    }

    /// The entry of an alias, under whichever key it is hashed. It may go over to the new one between two reads.
    fn record_of(&self, (hash, before): (KeyedHash, Option<KeyedHash>)) -> Result<Option<Record>, ClerkFault> {
        let Some(before) = before else { return Ok(self.directory.find(hash)?) };
        for hash in [hash, before, hash] {
            if let Some(record) = self.directory.find(hash)? {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// Where money for this purpose goes, of all that a holder has: the alias, and its entry. The list is read before the entry: one that has passed to somebody else in
    /// between is not the holder's, and is none.
    fn default_of(&self, identity: KeyedHash, purpose: u8) -> Result<Option<(KeyedHash, Option<Record>)>, ClerkFault> {
        for purpose in [purpose, 0] {
            if let Some(alias) = self.directory.default_of(identity, purpose)? {
                let record = self.directory.find(alias)?.filter(|record| record.identity == identity);
                return Ok(Some((alias, record)));
            }
        }
        Ok(None)
    }

    fn find_account(
        &mut self,
        participant: &ParticipantCode,
        account: &[u8],
    ) -> Result<(KeyedHash, Option<(Reached, Opened)>), ClerkFault> {
        let hash = self.hashes.keys().account(participant, account);
        let before = self.hashes.keys().account_before(participant, account);
        let found = self.opened_of(|clerk| {
            // In this order: what goes over to the new hash meanwhile is there by the last.
            for account in [Some(hash), before, before.map(|_| hash)].into_iter().flatten() {
                if let Some(record) = clerk.entry_at(account)? {
                    return Ok(Some(record.into()));
                }
            }
            Ok(None)
        })?;
        Ok((hash, found))
    }

    /// The first of the entries that lead to an account, of those that everybody may find. The list is read before the entry: one that has moved in between leads elsewhere.
    fn entry_at(&self, account: KeyedHash) -> Result<Option<Record>, ClerkFault> {
        for listed in self.directory.aliases_at(account)? {
            let leads_here = |record: &Record| record.account == account && !record.is_paused;
            if let Some(record) = self.directory.find(listed.alias)?.filter(leads_here) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The entry that `find` gives, opened. Between the store and the vault a command may be applied that destroys what the entry was sealed under: then there is
    /// another entry, or none, and `find` gives that. An alias that is updated is never said to be nobody's.
    fn opened_of(
        &mut self,
        find: impl Fn(&Self) -> Result<Option<Reached>, ClerkFault>,
    ) -> Result<Option<(Reached, Opened)>, ClerkFault> {
        let mut destroyed = 0;
        for _ in 0..ENTRY_READS_MAX {
            let Some(reached) = find(self)? else { return Ok(None) };
            if let Some(opened) = self.open(&reached.record)? {
                return Ok(Some((reached, opened)));
            }
            if reached.record.slot == destroyed {
                break;
            }
            destroyed = reached.record.slot;
        }
        Ok(None)
    }

    /// What is sealed of a record; none where its key was destroyed meanwhile.
    fn open(&mut self, record: &Record) -> Result<Option<Opened>, ClerkFault> {
        let Some(key) = self.vault.key(record.slot)? else { return Ok(None) };
        let Some(sealed) = key.open(&record.sealed, &[], &mut self.opened) else { return Ok(None) };
        let Some(private) = AliasCommandPrivate::read(sealed) else { return Ok(None) };
        Ok(Some(Opened {
            alias: private.alias.to_vec(),
            identity: private.identity.to_vec(),
            account: private.account.to_vec(),
            name: String::from_utf8_lossy(&private.name).into_owned(),
        }))
    }

    fn tell(&mut self, question: &Question) -> Answered {
        let (Some(asked), Some(private)) =
            (DirectoryQuery::read(&question.routing), DirectoryItems::read(&question.private))
        else {
            unreachable!("it was checked when it came")
        };
        let after = asked.after.to_native();
        match QueryForm::from_number(asked.form) {
            Some(QueryForm::Existence) => self.existence(question.participant, &private.items),
            Some(QueryForm::Lookups) => self.lookups(question.participant, &private.items, after),
            Some(QueryForm::Entries) => self.entries(question, &private.items, after),
            Some(QueryForm::Buckets) | None => unreachable!("a clerk is not asked that"),
        }
    }

    /// Which of these aliases are the sender's own: whether others have one is not said.
    fn existence(&mut self, participant: ParticipantId, items: &[u8]) -> Answered {
        let Some(asked) = aliases_of_items(items) else { return Ok(Err(bad_items())) };
        let mut answers = Vec::with_capacity(asked.len());
        for (kind, written) in asked {
            let own = match kind.and_then(|kind| Alias::parse(kind, &String::from_utf8_lossy(written)).ok()) {
                None => 2,
                Some(alias) => u8::from(self.find_own(participant, &alias)?.is_some()),
            };
            answers.push(own);
        }
        Ok(Ok(Reply::Answered { form: QueryForm::Existence, has_more: false, after: 0, items: answers }))
    }

    /// The sender's own entry, paused or not.
    fn find_own(&self, participant: ParticipantId, alias: &Alias) -> Result<Option<Record>, ClerkFault> {
        let (kind, text) = (alias.kind() as u8, alias.as_str().as_bytes());
        let keys = self.hashes.keys();
        let record = self.record_of((keys.alias(kind, text), keys.alias_before(kind, text)))?;
        Ok(record.filter(|record| record.participant == participant))
    }

    /// Who has looked up an entry of the sender's.
    fn lookups(&mut self, participant: ParticipantId, items: &[u8], after: u64) -> Answered {
        let asked = aliases_of_items(items).filter(|asked| asked.len() == 1);
        let Some((Some(kind), written)) = asked.and_then(|asked| asked.first().copied()) else {
            return Ok(Err(bad_items()));
        };
        let alias = match parsed(kind, written) {
            Ok(alias) => alias,
            Err(refused) => return Ok(Err(refused)),
        };
        let (made, next) = match self.find_own(participant, &alias)? {
            Some(record) => self.directory.lookups_of(record.entry, after, self.lookups_per_answer)?,
            None => (Vec::new(), None),
        };
        Ok(Ok(Reply::LookedUpBy { made, next }))
    }

    /// What the sender has registered of an identity.
    fn entries(&mut self, question: &Question, token: &[u8], after: u64) -> Answered {
        let keys = self.hashes.keys();
        let (identity, before) = (keys.identity(&question.code, token), keys.identity_before(&question.code, token));
        // It has one list, which may go over to the new hash between two reads.
        let mut listed = Vec::new();
        for identity in [Some(identity), before, before.map(|_| identity)].into_iter().flatten() {
            if listed.is_empty() {
                listed = self.directory.aliases_of(identity)?;
            }
        }
        let first = usize::try_from(after).unwrap_or(usize::MAX).min(listed.len());
        let page = &listed[first..listed.len().min(first + ENTRIES_PER_ANSWER_MAX)];
        let mut items = Vec::new();
        for listed in page {
            let found = self.opened_of(|clerk| Ok(clerk.directory.find(listed.alias)?.map(Reached::from)))?;
            let Some((Reached { record, .. }, opened)) = found else { continue };
            items.extend_from_slice(&[record.alias_type, u8::from(record.is_paused)]);
            items.extend_from_slice(&listed.defaults.to_le_bytes());
            items.extend_from_slice(&record.owned_since_ns.to_le_bytes());
            for text in [&opened.alias, &opened.account] {
                items.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            }
            items.extend_from_slice(&opened.alias);
            items.extend_from_slice(&opened.account);
        }
        let after = first + page.len();
        let has_more = after < listed.len();
        Ok(Ok(Reply::Answered { form: QueryForm::Entries, has_more, after: after as u64, items }))
    }
}

fn bad_items() -> Box<Reply> {
    let text = "the items are not as the format says (docs/formats/native.md, section 8), or are too many";
    Box::new(refused(ErrorCode::BadField, Field::Items, &text))
}

/// Aliases with their types, as the items of a question have them; none where they are not. A type that does not exist is none.
fn aliases_of_items(mut items: &[u8]) -> Option<Vec<(Option<AliasType>, &[u8])>> {
    let mut aliases = Vec::new();
    while let Some((&[kind, low, high], rest)) = items.split_first_chunk::<3>() {
        let (alias, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes([low, high])))?;
        aliases.push((AliasType::from_number(kind), alias));
        items = rest;
    }
    (items.is_empty() && !aliases.is_empty() && aliases.len() <= EXISTENCE_ALIASES_MAX).then_some(aliases)
}

/// A row of a file that was checked.
#[derive(Debug)]
pub struct ImportRow {
    /// The alias.
    pub alias: Alias,
    /// The token of whose it is.
    pub identity: String,
    /// Where the money goes.
    pub account: String,
    /// The holder's name.
    pub name: String,
}

/// Whose customers a file has, and what attests it.
struct ImportOf {
    code: ParticipantCode,
    participant: ParticipantId,
    /// Of the file: the ids of its rows are made of it.
    nonce: KeyedHash,
    attested_until_ns: u64,
    rows: u64,
}

/// The entry of a command with its hashes and nothing else. What a command does not name has zeros.
fn hashed(
    hashes: &HashKeys,
    code: &ParticipantCode,
    alias: Option<&Alias>,
    (identity, account): (&[u8], &[u8]),
) -> AliasCommanded {
    let alias = alias.map(|alias| (alias.kind() as u8, alias.as_str().as_bytes()));
    let (identity, account) = (Some(identity), Some(account));
    let (identity, account) = (identity.filter(|text| !text.is_empty()), account.filter(|text| !text.is_empty()));
    let zeros_if_none = |hash: Option<KeyedHash>| hash.unwrap_or(KeyedHash::NONE).0;
    AliasCommanded {
        command_id: [0; 16],
        digest: [0; 16],
        participant: 0,
        operation: 0,
        alias_type: 0,
        generation: hashes.current.generation,
        alias: zeros_if_none(alias.map(|(kind, text)| hashes.alias(kind, text))),
        alias_before: zeros_if_none(alias.and_then(|(kind, text)| hashes.alias_before(kind, text))),
        identity: zeros_if_none(identity.map(|text| hashes.identity(code, text))),
        identity_before: zeros_if_none(identity.and_then(|text| hashes.identity_before(code, text))),
        account: zeros_if_none(account.map(|text| hashes.account(code, text))),
        account_before: zeros_if_none(account.and_then(|text| hashes.account_before(code, text))),
        nonce: [0; 16],
        attested_until_ns: 0,
        defaults: 0,
        consent_purpose: 0,
        consent_until_ns: 0,
    }
}

/// What of a command is sealed: its attestation has been checked, and is not kept.
fn private_of(alias: &[u8], identity: &[u8], account: &[u8], name: &[u8]) -> AliasCommandPrivate {
    let [alias, identity, account, name] = [alias, identity, account, name].map(<[u8]>::to_vec);
    AliasCommandPrivate { alias, identity, account, name, attestation: Vec::new() }
}

/// Who makes entries of commands: checks what an ID system has signed, hashes, seals.
pub struct Registrar {
    hashes: HashKeyHolder,
    vault: Vault,
    /// While a file is imported.
    import: Option<ImportOf>,
}

impl Registrar {
    /// A registrar with these keys.
    pub fn new(hashes: HashKeys, vault: Vault) -> Registrar {
        Registrar { hashes: HashKeyHolder::new(hashes), vault, import: None }
    }

    /// The same, who goes over to newer hash keys as the scheme does.
    #[must_use]
    pub fn with_ring(self, ring: Box<dyn HashKeyRing>) -> Registrar {
        Registrar { hashes: self.hashes.with_ring(ring), ..self }
    }

    /// The same, for a file of a participant's customers that was attested so.
    #[must_use]
    pub fn for_import(
        self,
        (code, participant): (ParticipantCode, ParticipantId),
        attested: &attestation::Attestation,
    ) -> Registrar {
        let nonce = nonce_hash(attested.issuer.as_bytes(), attested.nonce.as_bytes());
        let attested_until_ns = attested.expires_at_s.saturating_mul(NS_PER_S);
        Registrar { import: Some(ImportOf { code, participant, nonce, attested_until_ns, rows: 0 }), ..self }
    }

    /// Makes the entry of a row. Nothing of it may be journaled before `sync`.
    ///
    /// # Panics
    /// Where no file is imported.
    pub fn import(&mut self, row: &ImportRow) -> Vec<u8> {
        let Some(of) = &mut self.import else { panic!("a file is imported") };
        of.rows += 1;
        let mut command_id = of.nonce.0;
        command_id[..8].copy_from_slice(&of.rows.to_le_bytes());
        let (identity, account) = (row.identity.as_bytes(), row.account.as_bytes());
        let routing = AliasCommanded {
            command_id,
            participant: of.participant.0,
            operation: Operation::Import as u8,
            alias_type: row.alias.kind() as u8,
            // Its nonce is none: the attestation is of the file as a whole, which says itself what has been taken in, rows that are there already.
            attested_until_ns: of.attested_until_ns,
            consent_purpose: 1,
            consent_until_ns: u64::MAX >> 1,
            ..hashed(self.hashes.keys(), &of.code, Some(&row.alias), (identity, account))
        };
        let private = private_of(row.alias.as_str().as_bytes(), identity, account, row.name.as_bytes());
        self.write(Sender::Operator, &routing, Some(&private))
    }

    /// Makes the entry of a command. Nothing of what it replies may be journaled before `sync`.
    pub fn take(&mut self, question: &Question) -> Result<Reply, SealFault> {
        self.hashes.follow(question.scheme.generation, question.scheme.is_rehashing)?;
        Ok(self.commanded(question).unwrap_or_else(|refused| *refused))
    }

    /// The slots of what was taken are on disk.
    pub fn sync(&mut self) -> Result<(), SealFault> {
        self.vault.sync()
    }

    fn commanded(&mut self, question: &Question) -> Result<Reply, Box<Reply>> {
        let (Some(command), Some(private)) =
            (AliasCommand::read(&question.routing), AliasCommandPrivate::read(&question.private))
        else {
            unreachable!("it was checked when it came")
        };
        let Some(operation) = Operation::from_number(command.operation) else {
            unreachable!("a checked command has an operation")
        };
        let alias = match AliasType::from_number(command.alias_type) {
            Some(AliasType::Random) if operation == Operation::Register => {
                Some(Alias::random_key(self.vault.random_key(&question.code, &command.command_id)))
            }
            Some(kind) => Some(parsed(kind, &private.alias)?),
            None => None,
        };
        let subject = String::from_utf8_lossy(&private.identity);
        if !subject.is_empty() {
            adapters::alias::token(&subject)
                .map_err(|fault| Box::new(refused(ErrorCode::BadField, Field::Identity, &fault)))?;
        }
        let (mut nonce, mut attested_until_ns) = (KeyedHash::NONE, 0);
        if operation == Operation::Register {
            let possessed = alias.as_ref().filter(|alias| alias.kind() != AliasType::Random);
            let expected = Expected {
                audience: question.code.as_str(),
                alias: possessed,
                subject: &subject,
                now_s: question.now_ns / NS_PER_S,
            };
            let attested = attestation::verify(&private.attestation, &expected, &question.scheme.issuers);
            let attested = attested
                .map_err(|fault| Box::new(refused(ErrorCode::AttestationRefused, Field::Attestation, &fault)))?;
            nonce = nonce_hash(attested.issuer.as_bytes(), attested.nonce.as_bytes());
            attested_until_ns = attested.expires_at_s.saturating_mul(NS_PER_S);
        }
        let (identity, account) = (&private.identity[..], &private.account[..]);
        let routing = AliasCommanded {
            command_id: command.command_id,
            digest: question.digest,
            participant: question.participant.0,
            operation: command.operation,
            alias_type: command.alias_type,
            nonce: nonce.0,
            attested_until_ns,
            defaults: command.defaults.to_native(),
            consent_purpose: command.consent_purpose,
            consent_until_ns: command.consent_until_ns.to_native(),
            ..hashed(self.hashes.keys(), &question.code, alias.as_ref(), (identity, account))
        };
        let text = alias.as_ref().map_or(&b""[..], |alias| alias.as_str().as_bytes());
        let is_sealed = matches!(operation, Operation::Register | Operation::Update);
        let sealed = is_sealed.then(|| private_of(text, identity, account, &private.name));
        let entry = self.write(Sender::Participant(question.participant), &routing, sealed.as_ref());
        let told = if operation == Operation::Register { text.to_vec() } else { Vec::new() };
        Ok(Reply::Commanded { generation: self.hashes.keys().current.generation, entry, alias: told })
    }

    /// An entry, what is personal of it sealed under a slot of its own.
    fn write(&mut self, sender: Sender, routing: &AliasCommanded, private: Option<&AliasCommandPrivate>) -> Vec<u8> {
        let mut entry = Vec::with_capacity(512);
        let Some(private) = private else {
            let head = EntryHead { kind: EntryKind::AliasCommanded, sender, seal_key: 0 };
            entry::write(&mut entry, head, &[], &routing.bytes(), |_, _| {});
            return entry;
        };
        let (slot, key) = self.vault.take();
        let head = EntryHead { kind: EntryKind::AliasCommanded, sender, seal_key: slot | SLOT_KEY };
        let mut plaintext = Vec::with_capacity(256);
        private.write(&mut plaintext);
        // The key seals nothing else, so nothing else binds it to its entry.
        entry::write(&mut entry, head, &[], &routing.bytes(), |out, _| Sealer::new(key).seal(&plaintext, out, 0..0));
        entry
    }
}
