//! What the engine does for the directory: it debits who looks aliases up, and sees to it that nobody is paid under an alias that has moved meanwhile.
//!
//! It knows aliases and end users by their keyed hashes alone, and never whose they are. The rules are `docs/directory-rules.md`.

mod buckets;
mod kept;
mod scheme;
mod touched;

use adapters::directory::{LookupPurpose, Operation};
use adapters::message::{Outcome, PaymentId};

pub(super) use self::buckets::AliasPayment;
pub(super) use self::buckets::Lookups;
pub(super) use self::kept::{Item, Kept};
pub use self::scheme::{DirectoryRules, DirectoryScheme, RehashStep, TrustedKey, unpadded};
pub(super) use self::touched::Touched;
use super::effect::{Effect, News, Status};
use super::payments::Traits;
use super::snapshot::{Checked, ensure};
use super::{Engine, Moment, reply};
use crate::entry::{
    ArchivedAliasCommanded, ArchivedAliasLookedUp, ArchivedAliasResolution, ArchivedRehashed, ParticipantId,
    rehashed_rows,
};
use crate::limits::LOOKUP_USERS_MAX;

/// A look-up that was let pass, of what was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupMade {
    /// Its journal position.
    pub position: u64,
    /// What was found: the journal position of its registration.
    pub entry: u64,
    /// Who has asked.
    pub participant: ParticipantId,
    /// Why.
    pub purpose: u8,
    /// When, in journal time.
    pub time_ns: u64,
}

/// Whether an answer is let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowed {
    /// It was debited.
    Yes,
    /// Nothing was; it may be after so long.
    After {
        /// In milliseconds; 0 where waiting does not help.
        retry_after_ms: u32,
    },
}

impl Engine {
    /// What the operator has set for the directory, and what is left of the allowances of participants.
    pub fn directory(&self) -> &DirectoryScheme {
        &self.scheme.directory
    }

    /// What a participant's bucket holds now, what it can hold, and what comes to it in a minute.
    pub fn participant_allowance(&self, participant: ParticipantId) -> [u32; 3] {
        self.scheme.directory.allowance(participant, self.time_ns)
    }

    /// The whole tokens that the buckets of a participant and of an end user of it hold now; none before the rules are set.
    pub fn allowance(&self, participant: ParticipantId, end_user: [u8; 16]) -> Option<(u32, u32)> {
        let rules = self.scheme.directory.rules.as_ref()?;
        let [ours, ..] = self.participant_allowance(participant);
        Some((ours, self.lookups.level_of(rules, (participant, end_user), self.time_ns)))
    }

    /// A command about an alias: the directory decides it. Whatever that says, who was resolved before is resolved once more.
    pub(super) fn note_alias_command(
        &mut self,
        moment: Moment,
        command: &ArchivedAliasCommanded,
    ) -> Result<(), String> {
        let participant = ParticipantId(command.participant.to_native());
        self.participants.get(participant).ok_or("an alias of nobody in the scheme")?;
        self.told.is_directorys = true;
        match Operation::from_number(command.operation).ok_or("an operation that does not exist")? {
            Operation::Report => {}
            // Which aliases go the directory alone knows.
            Operation::Erase => self.lookups.touched.touch_all(moment.position),
            _ => {
                // Whoever is paid by an ID token is paid by what its holder has set: that counts as touched, too.
                for hash in [command.alias, command.alias_before, command.identity, command.identity_before] {
                    self.lookups.touched.touch(hash, moment.position);
                }
            }
        }
        Ok(())
    }

    /// Entries of the directory have new hashes.
    pub(super) fn note_rehashed(&mut self, moment: Moment, head: &ArchivedRehashed, rows: &[u8]) -> Result<(), String> {
        let directory = &self.scheme.directory;
        if !directory.is_rehashing() || head.generation != directory.generation() {
            return Err("hashes under a key that is not being gone over to".to_owned());
        }
        self.told.is_directorys = true;
        for row in rehashed_rows(rows) {
            let row = row.ok_or("a row that is none")?;
            for hash in [row.alias_before, row.alias, row.identity_before, row.identity] {
                self.lookups.touched.touch(hash, moment.position);
            }
        }
        Ok(())
    }

    /// Debits a look-up, and says whether its answer may be told.
    pub(super) fn look_up(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        lookup: &ArchivedAliasLookedUp,
        effects: &mut Vec<Effect>,
    ) -> Result<(), String> {
        self.participants.get(sender).ok_or("a sender that is not in the scheme")?;
        let id = PaymentId::from_bytes(lookup.lookup_id).ok_or("a look-up id that is no version-4 UUID")?;
        let allowed = self.debit(moment, sender, lookup.end_user, lookup.is_found != 0);
        let (is_granted, retry_after_ms) = match allowed {
            Allowed::Yes => {
                self.note_found(moment, sender, (lookup.entry.to_native(), lookup.purpose));
                (true, 0)
            }
            Allowed::After { retry_after_ms } => (false, retry_after_ms),
        };
        effects.push(reply(moment, sender, id, News::LookedUp { is_granted, retry_after_ms }));
        Ok(())
    }

    /// Takes the cost of an answer from both buckets, if both hold the dearest.
    fn debit(&mut self, moment: Moment, sender: ParticipantId, end_user: [u8; 16], is_found: bool) -> Allowed {
        let Some(rules) = self.scheme.directory.rules else { return Allowed::After { retry_after_ms: 0 } };
        let cost = if is_found { rules.cost_found } else { rules.cost_missed };
        let participant = self.scheme.directory.bucket_mut(sender);
        self.lookups.debit(rules, participant, (sender, end_user), cost, moment.time_ns)
    }

    /// Was this alias touched since it was resolved, as far as is remembered? Or, of an ID token, its holder, or the alias that its holder is paid by?
    pub(super) fn must_resolve_again(&self, resolution: &ArchivedAliasResolution) -> bool {
        let resolved_at = resolution.resolved_at.to_native();
        let is_touched = |hash| self.lookups.touched.since(hash, resolved_at);
        let is_by_token = resolution.identity != [0; 16];
        is_touched(resolution.alias)
            || is_by_token && (is_touched(resolution.identity) || is_touched(resolution.default))
    }

    /// Debits the resolution of the alias of a payment for this purpose. What it says where a bucket holds too little is what a look-up is told, and so is what an order to an alias that
    /// nobody has is told: so a refusal tells nothing. Such an order leaves no trace.
    pub(super) fn debit_resolution(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        (resolution, purpose): (&ArchivedAliasResolution, [u8; 4]),
    ) -> Option<News> {
        match self.debit(moment, sender, resolution.end_user, true) {
            Allowed::Yes => {
                self.note_found(moment, sender, (resolution.entry.to_native(), LookupPurpose::of_order(purpose) as u8));
                None
            }
            Allowed::After { retry_after_ms } => Some(News::LookedUp { is_granted: false, retry_after_ms }),
        }
    }

    /// The same of an order under an id that is known. Who is told of a duplicate has learned that the alias is somebody's; the same order again asks for nothing new,
    /// and one that the edge knew to be a repetition was not resolved.
    pub(super) fn debit_reuse(
        &mut self,
        moment: Moment,
        sender: ParticipantId,
        (resolution, purpose): (&ArchivedAliasResolution, [u8; 4]),
        told: News,
    ) -> Option<News> {
        let is_reuse = told == News::Status(Status::DUPLICATE) && resolution.alias != [0; 16];
        if is_reuse { self.debit_resolution(moment, sender, (resolution, purpose)) } else { None }
    }

    /// Keeps for the holder who has found its entry, and why.
    fn note_found(&mut self, moment: Moment, participant: ParticipantId, (entry, purpose): (u64, u8)) {
        let Moment { position, time_ns, .. } = moment;
        if entry != 0 {
            self.told.is_directorys = true;
            self.told.lookups.push(LookupMade { position, entry, participant, purpose, time_ns });
        }
    }

    /// A payment by alias is in flight.
    pub(super) fn keep_alias_payment(
        &mut self,
        id: PaymentId,
        participant: ParticipantId,
        resolution: &ArchivedAliasResolution,
    ) {
        let (alias, end_user) = (resolution.alias, resolution.end_user);
        self.lookups.paying.add(AliasPayment { id, participant, end_user, alias });
    }

    /// A payment by alias is decided: one that was committed gives back.
    pub(super) fn alias_payment_decided(&mut self, moment: Moment, id: PaymentId, outcome: Outcome) {
        let Some(payment) = self.lookups.paying.take(&id) else { panic!("a payment by alias in flight is kept") };
        self.told.is_directorys = true;
        self.told.alias_outcomes.push((payment.alias, outcome));
        if let (Outcome::Committed, Some(rules)) = (outcome, self.scheme.directory.rules) {
            let bucket = self.scheme.directory.bucket_mut(payment.participant);
            self.lookups.give_back(rules, bucket, (payment.participant, payment.end_user), moment.time_ns);
        }
    }

    /// What a restored engine says of look-ups can be so: each payment by alias in flight is kept, and nothing is of nobody.
    pub(super) fn check_lookups(&self) -> Checked<()> {
        let Lookups { users, paying, touched } = &self.lookups;
        self.scheme.directory.check(self.participants.length())?;
        let open = self.payments.open();
        let mut by_alias = 0;
        for payment in open.into_iter().filter(|payment| payment.traits.has(Traits::BY_ALIAS)) {
            let is_kept = paying.find(&payment.id).is_some_and(|kept| kept.participant == payment.payer);
            ensure(is_kept, "a payment by alias in flight is not kept")?;
            by_alias += 1;
        }
        ensure(paying.len() == by_alias, "a payment by alias that is not in flight")?;
        let is_one = |id| self.participants.get(id).is_some();
        ensure(users.iter().all(|held| is_one(held.participant())), "an end user of nobody")?;
        ensure(users.len() == 0 || self.scheme.directory.rules.is_some(), "end users without rules")?;
        ensure(users.len() <= LOOKUP_USERS_MAX, "more end users than there may be")?;
        ensure(touched.newest() <= self.applied, "an alias that is to be touched yet")
    }
}
