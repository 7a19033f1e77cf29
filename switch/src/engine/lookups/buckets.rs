//! Buckets of whole tokens, in journal time: of participants, and of end users.
//!
//! An end user's bucket that is full is not kept. Which of those that are kept have become full is seen by looking at the oldest in turn, some with each debit, so that no table of
//! hashes is ever walked through.

use adapters::message::PaymentId;
use rkyv::{Archive, Deserialize, Serialize};

use super::Allowed;
use super::kept::{Item, Kept};
use super::scheme::{DirectoryRules, ParticipantBucket};
use super::touched::Touched;
use crate::engine::snapshot::{Checked, Fields, Writer};
use crate::entry::ParticipantId;
use crate::limits::{LOOKUP_USERS_MAX, NS_PER_MS};

/// A minute, in which refills are given.
const MINUTE_NS: u128 = 60_000 * NS_PER_MS as u128;

/// A table that is full of buckets has room again after so long, in milliseconds: the fastest of them refill in seconds.
const FULL_RETRY_MS: u32 = 5_000;

/// How many buckets are looked at with each debit: more than one, so that what has become full leaves faster than it comes.
const LOOKED_AT_PER_DEBIT: usize = 2;

/// What a bucket holds.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Tokens.
    pub(super) level: u32,
    /// Journal time up to which refills are in that.
    pub(super) refilled_ns: u64,
}

/// How much a bucket can hold, and how fast it refills.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) capacity: u32,
    pub(super) per_minute: u32,
}

impl Size {
    /// A bucket with what has come to it until now; none where it is full.
    fn refilled(self, bucket: Option<Bucket>, now_ns: u64) -> Option<Bucket> {
        let Bucket { level, refilled_ns } = bucket?;
        let elapsed_ns = u128::from(now_ns.saturating_sub(refilled_ns));
        let tokens = elapsed_ns * u128::from(self.per_minute) / MINUTE_NS;
        let level_now = u128::from(level) + tokens;
        if level_now >= u128::from(self.capacity) {
            return None;
        }
        // The part of a token that has come already stays: the refill counts through the last whole one.
        let taken_ns = if tokens == 0 { 0 } else { (tokens * MINUTE_NS).div_ceil(u128::from(self.per_minute)) };
        let refilled_ns = refilled_ns + narrow(taken_ns);
        Some(Bucket { level: u32::try_from(level_now).unwrap_or(self.capacity), refilled_ns })
    }

    /// What it holds now.
    pub(super) fn level(self, bucket: Option<Bucket>, now_ns: u64) -> u32 {
        self.refilled(bucket, now_ns).map_or(self.capacity, |bucket| bucket.level)
    }

    /// When it holds so much, after now.
    fn wait_ms(self, bucket: Option<Bucket>, wanted: u32, now_ns: u64) -> u32 {
        let Some(Bucket { level, refilled_ns }) = self.refilled(bucket, now_ns) else { return 0 };
        let missing = u128::from(wanted.saturating_sub(level));
        if missing == 0 {
            return 0;
        }
        if self.per_minute == 0 {
            return u32::MAX;
        }
        let at_ns = u128::from(refilled_ns) + (missing * MINUTE_NS).div_ceil(u128::from(self.per_minute));
        let wait_ns = at_ns.saturating_sub(u128::from(now_ns));
        u32::try_from(wait_ns.div_ceil(u128::from(NS_PER_MS))).unwrap_or(u32::MAX).max(1)
    }

    /// The bucket with so much less.
    fn less(self, bucket: Option<Bucket>, cost: u32, now_ns: u64) -> Option<Bucket> {
        let full = Bucket { level: self.capacity, refilled_ns: now_ns };
        let Bucket { level, refilled_ns } = self.refilled(bucket, now_ns).unwrap_or(full);
        assert!(cost <= level, "what is debited is there");
        Some(Bucket { level: level - cost, refilled_ns })
    }

    /// The bucket with so much more; none where it is full.
    fn more(self, bucket: Option<Bucket>, tokens: u32, now_ns: u64) -> Option<Bucket> {
        let Bucket { level, refilled_ns } = self.refilled(bucket, now_ns)?;
        let level = level.saturating_add(tokens);
        (level < self.capacity).then_some(Bucket { level, refilled_ns })
    }
}

/// Times are far below the bound of their type.
fn narrow(ns: u128) -> u64 {
    u64::try_from(ns).unwrap_or(u64::MAX)
}

impl DirectoryRules {
    pub(super) fn size_of(&self, category: u8) -> Size {
        let place = usize::from(category);
        Size { capacity: self.category_capacity[place], per_minute: self.category_per_minute[place] }
    }

    fn size_of_users(&self) -> Size {
        Size { capacity: self.end_user_capacity, per_minute: self.end_user_per_minute }
    }
}

/// Who looks up, for whom.
type User = (ParticipantId, [u8; 16]);

/// An end user's bucket that is not full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct UserBucket {
    user: User,
    bucket: Bucket,
}

/// Length of an end user's bucket in a snapshot.
const USER_BYTES: usize = 32;

impl Item<USER_BYTES> for UserBucket {
    type Key = User;

    fn key(&self) -> User {
        self.user
    }

    fn bytes(&self) -> [u8; USER_BYTES] {
        let UserBucket { user: (participant, hash), bucket: Bucket { level, refilled_ns } } = self;
        let mut bytes = Writer::new();
        bytes.put(&participant.0.to_le_bytes()).put(hash).put(&level.to_le_bytes()).put(&refilled_ns.to_le_bytes());
        bytes.finish()
    }

    fn read(bytes: &[u8; USER_BYTES]) -> Checked<UserBucket> {
        let mut fields = Fields::new(bytes);
        let user = (ParticipantId(fields.u32()), fields.take());
        Ok(UserBucket { user, bucket: Bucket { level: fields.u32(), refilled_ns: fields.u64() } })
    }
}

/// A payment by alias that is in flight: to whom it gives back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct AliasPayment {
    /// Which payment.
    pub(in crate::engine) id: PaymentId,
    /// Who has sent it.
    pub(in crate::engine) participant: ParticipantId,
    /// For whom.
    pub(in crate::engine) end_user: [u8; 16],
    /// To what.
    pub(in crate::engine) alias: [u8; 16],
}

/// Length of a payment by alias in a snapshot.
const PAYING_BYTES: usize = 52;

impl Item<PAYING_BYTES> for AliasPayment {
    type Key = PaymentId;

    fn key(&self) -> PaymentId {
        self.id
    }

    fn bytes(&self) -> [u8; PAYING_BYTES] {
        let AliasPayment { id, participant, end_user, alias } = self;
        let mut bytes = Writer::new();
        bytes.put(&id.bytes()).put(&participant.0.to_le_bytes()).put(end_user).put(alias);
        bytes.finish()
    }

    fn read(bytes: &[u8; PAYING_BYTES]) -> Checked<AliasPayment> {
        let mut fields = Fields::new(bytes);
        let id = PaymentId::from_bytes(fields.take()).ok_or("the id is no version-4 UUID")?;
        Ok(AliasPayment { id, participant: ParticipantId(fields.u32()), end_user: fields.take(), alias: fields.take() })
    }
}

/// What the engine keeps for look-ups beside the scheme.
#[derive(Default)]
pub(in crate::engine) struct Lookups {
    /// Buckets of end users.
    pub(in crate::engine) users: Kept<UserBucket, USER_BYTES>,
    /// Payments by alias in flight.
    pub(in crate::engine) paying: Kept<AliasPayment, PAYING_BYTES>,
    /// Aliases that were touched.
    pub(in crate::engine) touched: Touched,
}

impl Lookups {
    /// Takes `cost` from both buckets, if both hold the dearest cost. Otherwise nothing changes.
    pub(super) fn debit(
        &mut self,
        rules: DirectoryRules,
        participant: &mut ParticipantBucket,
        user: User,
        cost: u32,
        now_ns: u64,
    ) -> Allowed {
        self.let_full_go(&rules, now_ns);
        let (ours, theirs) = (rules.size_of(participant.category), rules.size_of_users());
        let held = self.users.find(&user).map(|held| held.bucket);
        let wait_ms = ours.wait_ms(participant.bucket, rules.cost_missed, now_ns);
        let wait_ms = wait_ms.max(theirs.wait_ms(held, rules.cost_missed, now_ns));
        if wait_ms > 0 {
            return Allowed::After { retry_after_ms: wait_ms };
        }
        if held.is_none() && self.users.len() >= LOOKUP_USERS_MAX {
            return Allowed::After { retry_after_ms: FULL_RETRY_MS };
        }

        // From here it must succeed.
        participant.bucket = ours.less(participant.bucket, cost, now_ns);
        if let Some(bucket) = theirs.less(held, cost, now_ns) {
            self.users.put(UserBucket { user, bucket });
        }
        Allowed::Yes
    }

    /// What a committed payment by alias gives back to both.
    pub(super) fn give_back(
        &mut self,
        rules: DirectoryRules,
        participant: &mut ParticipantBucket,
        user: User,
        now_ns: u64,
    ) {
        let (ours, theirs) = (rules.size_of(participant.category), rules.size_of_users());
        participant.bucket = ours.more(participant.bucket, rules.payment_gives_back, now_ns);
        let held = self.users.find(&user).map(|held| held.bucket);
        // One that becomes full is let go in its turn.
        if let Some(bucket) = theirs.more(held, rules.payment_gives_back, now_ns) {
            self.users.put(UserBucket { user, bucket });
        } else if held.is_some() {
            self.users.put(UserBucket { user, bucket: Bucket { level: theirs.capacity, refilled_ns: now_ns } });
        }
    }

    /// Looks at the oldest buckets: those that are full leave, the others come to the end.
    fn let_full_go(&mut self, rules: &DirectoryRules, now_ns: u64) {
        let size = rules.size_of_users();
        for _ in 0..LOOKED_AT_PER_DEBIT {
            self.users.look_at_oldest(|held| size.refilled(Some(held.bucket), now_ns).is_none());
        }
    }
}
