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
use crate::limits::{LOOKUP_CAPACITY_MAX, LOOKUP_USERS_MAX, NS_PER_MS};

/// Parts of a token: as many as a minute has nanoseconds, so that a refill of n tokens a minute is n parts a nanosecond, and nothing is ever rounded.
const PARTS_PER_TOKEN: u64 = 60_000 * NS_PER_MS;

// What a bucket can hold is counted in parts, and what comes to it is added before it is cut off.
const _: () = assert!(LOOKUP_CAPACITY_MAX as u64 <= u64::MAX / PARTS_PER_TOKEN);

/// A table that is full of buckets has room again after so long, in milliseconds: the fastest of them refill in seconds.
const FULL_RETRY_MS: u32 = 5_000;

/// How many buckets are looked at with each debit: more than one, so that what has become full leaves faster than it comes.
const LOOKED_AT_PER_DEBIT: usize = 2;

/// What a bucket holds.
#[derive(Archive, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// Parts of tokens.
    pub(super) parts: u64,
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
    fn parts_max(self) -> u64 {
        u64::from(self.capacity) * PARTS_PER_TOKEN
    }

    /// A bucket with what has come to it until now; none where it is full.
    pub(super) fn refilled(self, bucket: Option<Bucket>, now_ns: u64) -> Option<Bucket> {
        let Bucket { parts, refilled_ns } = bucket?;
        let come = now_ns.saturating_sub(refilled_ns).saturating_mul(self.per_minute.into());
        let parts = parts.saturating_add(come);
        (parts < self.parts_max()).then_some(Bucket { parts, refilled_ns: now_ns })
    }

    /// The whole tokens that it holds now.
    pub(super) fn level(self, bucket: Option<Bucket>, now_ns: u64) -> u32 {
        let tokens = self.refilled(bucket, now_ns).map(|bucket| bucket.parts / PARTS_PER_TOKEN);
        tokens.and_then(|tokens| u32::try_from(tokens).ok()).unwrap_or(self.capacity)
    }

    /// In how many milliseconds it holds so many tokens; 0 where it does now.
    fn wait_ms(self, bucket: Option<Bucket>, wanted: u32, now_ns: u64) -> u32 {
        let Some(Bucket { parts, .. }) = self.refilled(bucket, now_ns) else { return 0 };
        let missing = (u64::from(wanted) * PARTS_PER_TOKEN).saturating_sub(parts);
        if missing == 0 {
            return 0;
        }
        if self.per_minute == 0 {
            return u32::MAX;
        }
        let wait_ns = missing.div_ceil(self.per_minute.into());
        u32::try_from(wait_ns.div_ceil(NS_PER_MS)).unwrap_or(u32::MAX)
    }

    /// The bucket with so many tokens less.
    fn less(self, bucket: Option<Bucket>, cost: u32, now_ns: u64) -> Bucket {
        let full = Bucket { parts: self.parts_max(), refilled_ns: now_ns };
        let Bucket { parts, refilled_ns } = self.refilled(bucket, now_ns).unwrap_or(full);
        let cost = u64::from(cost) * PARTS_PER_TOKEN;
        assert!(0 < cost && cost <= parts, "what is debited is something, and is there");
        Bucket { parts: parts - cost, refilled_ns }
    }

    /// The bucket with so many tokens more; none where it is full.
    fn more(self, bucket: Option<Bucket>, tokens: u32, now_ns: u64) -> Option<Bucket> {
        let Bucket { parts, refilled_ns } = self.refilled(bucket, now_ns)?;
        let parts = parts.saturating_add(u64::from(tokens).saturating_mul(PARTS_PER_TOKEN));
        (parts < self.parts_max()).then_some(Bucket { parts, refilled_ns })
    }
}

impl DirectoryRules {
    pub(super) fn size_of(&self, category: u8) -> Size {
        let place = usize::from(category);
        Size { capacity: self.category_capacity[place], per_minute: self.category_per_minute[place] }
    }

    pub(super) fn size_of_users(&self) -> Size {
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

impl UserBucket {
    /// Who looks up for it.
    pub(super) fn participant(&self) -> ParticipantId {
        self.user.0
    }
}

/// Length of an end user's bucket in a snapshot.
const USER_BYTES: usize = 36;

impl Item<USER_BYTES> for UserBucket {
    type Key = User;

    fn key(&self) -> User {
        self.user
    }

    fn bytes(&self) -> [u8; USER_BYTES] {
        let UserBucket { user: (participant, hash), bucket: Bucket { parts, refilled_ns } } = self;
        let mut bytes = Writer::new();
        bytes.put(&participant.0.to_le_bytes()).put(hash).put(&parts.to_le_bytes()).put(&refilled_ns.to_le_bytes());
        bytes.finish()
    }

    fn read(bytes: &[u8; USER_BYTES]) -> Checked<UserBucket> {
        let mut fields = Fields::new(bytes);
        let user = (ParticipantId(fields.u32()), fields.take());
        Ok(UserBucket { user, bucket: Bucket { parts: fields.u64(), refilled_ns: fields.u64() } })
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
        participant.bucket = Some(ours.less(participant.bucket, cost, now_ns));
        self.users.put(UserBucket { user, bucket: theirs.less(held, cost, now_ns) });
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
        // One that is not kept is full; one that becomes full leaves in its turn.
        if let Some(held) = self.users.find(&user).map(|held| held.bucket) {
            let full = Bucket { parts: theirs.parts_max(), refilled_ns: now_ns };
            let bucket = theirs.more(Some(held), rules.payment_gives_back, now_ns).unwrap_or(full);
            self.users.put(UserBucket { user, bucket });
        }
    }

    /// The whole tokens that an end user's bucket holds now.
    pub(super) fn level_of(&self, rules: &DirectoryRules, user: User, now_ns: u64) -> u32 {
        let held = self.users.find(&user).map(|held| held.bucket);
        rules.size_of_users().level(held, now_ns)
    }

    /// Looks at the oldest buckets: those that are full leave, the others come to the end.
    fn let_full_go(&mut self, rules: &DirectoryRules, now_ns: u64) {
        let size = rules.size_of_users();
        for _ in 0..LOOKED_AT_PER_DEBIT {
            self.users.look_at_oldest(|held| size.refilled(Some(held.bucket), now_ns).is_none());
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::limits::LOOKUP_CATEGORIES;

    const NS_PER_MINUTE: u128 = 60_000_000_000;

    /// A bucket as the rules have it: what it holds is a fraction whose denominator is a minute, and nothing is ever forgotten.
    #[derive(Clone, Copy)]
    struct Plain {
        numerator: u128,
        at_ns: u64,
        capacity: u128,
        per_minute: u128,
    }

    impl Plain {
        fn full(size: Size) -> Plain {
            let capacity = u128::from(size.capacity);
            Plain { numerator: capacity * NS_PER_MINUTE, at_ns: 0, capacity, per_minute: size.per_minute.into() }
        }

        fn pass(&mut self, now_ns: u64) {
            let elapsed_ns = u128::from(now_ns - self.at_ns);
            self.numerator = (self.numerator + elapsed_ns * self.per_minute).min(self.capacity * NS_PER_MINUTE);
            self.at_ns = now_ns;
        }

        fn tokens(self) -> u128 {
            self.numerator / NS_PER_MINUTE
        }

        fn give(&mut self, tokens: u32) {
            let more = self.numerator + u128::from(tokens) * NS_PER_MINUTE;
            self.numerator = more.min(self.capacity * NS_PER_MINUTE);
        }
    }

    fn rules_of(costs: (u32, u32, u32), user: (u32, u32), ours: (u32, u32)) -> DirectoryRules {
        let (cost_found, cost_missed, payment_gives_back) = costs;
        DirectoryRules {
            cost_found,
            cost_missed,
            payment_gives_back,
            end_user_capacity: user.0,
            end_user_per_minute: user.1,
            category_capacity: [ours.0; LOOKUP_CATEGORIES],
            category_per_minute: [ours.1; LOOKUP_CATEGORIES],
            aliases_per_identity: 1,
            aliases_per_account: 1,
            mask: 1,
        }
    }

    fn rules() -> impl Strategy<Value = DirectoryRules> {
        let costs = (1u32..4, 0u32..8, 0u32..9);
        // Rates that divide a minute and rates that do not; nothing may come at all.
        let rate = prop_oneof![Just(0u32), 1u32..20, Just(7), Just(60_000), 100_000u32..1_000_000];
        (costs, (0u32..20, rate.clone()), (0u32..40, rate)).prop_map(|((found, more, back), user, ours)| {
            let missed = found + more;
            rules_of((found, missed, back), (missed + user.0, user.1), (missed + ours.0, ours.1))
        })
    }

    #[derive(Clone, Copy, Debug)]
    enum Doing {
        Debit { user: u8, is_found: bool },
        GiveBack { user: u8 },
    }

    fn doings() -> impl Strategy<Value = Vec<(u64, Doing)>> {
        let elapsed_ns =
            prop_oneof![3 => Just(0u64), 2 => 1u64..1_000, 3 => 1u64..2_000_000_000, 1 => 1u64..200_000_000_000];
        let doing = prop_oneof![
            4 => (0u8..4, any::<bool>()).prop_map(|(user, is_found)| Doing::Debit { user, is_found }),
            1 => (0u8..4).prop_map(|user| Doing::GiveBack { user }),
        ];
        prop::collection::vec((elapsed_ns, doing), 1..200)
    }

    const US: ParticipantId = ParticipantId(1);

    fn user(number: u8) -> User {
        (US, [number; 16])
    }

    /// Would both hold the dearest cost then?
    fn would_hold(plain: [Plain; 2], cost: u32, at_ns: u64) -> bool {
        plain.into_iter().all(|mut bucket| {
            bucket.pass(at_ns);
            u128::from(cost) <= bucket.tokens()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn buckets_are_what_the_rules_say(rules in rules(), doings in doings()) {
            let (mut lookups, mut ours) = (Lookups::default(), ParticipantBucket { category: 3, bucket: None });
            let mut plain_ours = Plain::full(rules.size_of(3));
            let mut plain_users: BTreeMap<u8, Plain> = BTreeMap::new();
            let mut now_ns = 1_790_000_000_000_000_000;
            for (elapsed_ns, doing) in doings {
                now_ns += elapsed_ns;
                let (Doing::Debit { user: number, .. } | Doing::GiveBack { user: number }) = doing;
                let theirs = plain_users.entry(number).or_insert_with(|| Plain::full(rules.size_of_users()));
                plain_ours.pass(now_ns);
                theirs.pass(now_ns);
                match doing {
                    Doing::Debit { is_found, .. } => {
                        let cost = if is_found { rules.cost_found } else { rules.cost_missed };
                        let allowed = lookups.debit(rules, &mut ours, user(number), cost, now_ns);
                        let both = [plain_ours, *theirs];
                        let holds = would_hold(both, rules.cost_missed, now_ns);
                        prop_assert_eq!(allowed == Allowed::Yes, holds);
                        match allowed {
                            Allowed::Yes => {
                                plain_ours.numerator -= u128::from(cost) * NS_PER_MINUTE;
                                theirs.numerator -= u128::from(cost) * NS_PER_MINUTE;
                            }
                            Allowed::After { retry_after_ms: u32::MAX } => {
                                let later_ns = now_ns + (u64::from(u32::MAX) - 1) * NS_PER_MS;
                                prop_assert!(!would_hold(both, rules.cost_missed, later_ns));
                            }
                            Allowed::After { retry_after_ms } => {
                                let then_ns = now_ns + u64::from(retry_after_ms) * NS_PER_MS;
                                prop_assert!(would_hold(both, rules.cost_missed, then_ns), "long enough");
                                prop_assert!(!would_hold(both, rules.cost_missed, then_ns - NS_PER_MS), "not too long");
                            }
                        }
                    }
                    Doing::GiveBack { .. } => {
                        lookups.give_back(rules, &mut ours, user(number), now_ns);
                        plain_ours.give(rules.payment_gives_back);
                        theirs.give(rules.payment_gives_back);
                    }
                }
                prop_assert_eq!(u128::from(rules.size_of(3).level(ours.bucket, now_ns)), plain_ours.tokens());
                for (&number, bucket) in &mut plain_users {
                    bucket.pass(now_ns);
                    let level = lookups.level_of(&rules, user(number), now_ns);
                    prop_assert_eq!(u128::from(level), bucket.tokens());
                    prop_assert!(level <= rules.end_user_capacity);
                }
            }
        }
    }

    /// Rounded down at each step, nothing would ever come; rounded up, too much.
    #[test]
    fn small_steps_lose_nothing() {
        let size = Size { capacity: 100, per_minute: 7 };
        let mut bucket = Some(size.less(None, 100, 0));
        let step_ns = 13;
        for step in 1..=1_000_000 {
            bucket = size.refilled(bucket, step * step_ns);
        }
        let parts = bucket.unwrap().parts;
        assert_eq!(parts, 1_000_000 * step_ns * 7, "as in one step");
        assert_eq!(size.level(bucket, 60_000_000_000 - 1), 6);
        assert_eq!(size.level(bucket, 60_000_000_000), 7);
    }

    #[test]
    fn who_is_full_again_is_forgotten() {
        let rules = rules_of((1, 20, 2), (100, 2), (100_000_000, 0));
        let (mut lookups, mut ours) = (Lookups::default(), ParticipantBucket { category: 0, bucket: None });
        for number in 0..200 {
            assert_eq!(lookups.debit(rules, &mut ours, user(number), 1, 0), Allowed::Yes);
        }
        assert_eq!(lookups.users.len(), 200);
        // A token comes in half a minute; two are looked at with each debit, and it comes itself.
        for number in 0..150 {
            let _ = lookups.debit(rules, &mut ours, user(200 + number % 10), 1, 30_000_000_000);
        }
        assert!(lookups.users.len() <= 10, "{} are left", lookups.users.len());
    }

    #[test]
    fn a_full_table_refuses_whoever_is_not_in_it_and_debits_nothing() {
        let rules = rules_of((1, 20, 2), (100, 2), (100_000_000, 0));
        let (mut lookups, mut ours) = (Lookups::default(), ParticipantBucket { category: 0, bucket: None });
        let user = |number: usize| {
            let mut hash = [0; 16];
            hash[..8].copy_from_slice(&(number as u64).to_le_bytes());
            (US, hash)
        };
        for number in 0..LOOKUP_USERS_MAX {
            assert_eq!(lookups.debit(rules, &mut ours, user(number), 1, 0), Allowed::Yes);
        }
        let before = ours;
        let refused = lookups.debit(rules, &mut ours, user(LOOKUP_USERS_MAX), 1, 0);
        assert_eq!(refused, Allowed::After { retry_after_ms: FULL_RETRY_MS });
        assert_eq!((ours, lookups.users.len()), (before, LOOKUP_USERS_MAX));
        assert_eq!(lookups.debit(rules, &mut ours, user(5), 1, 0), Allowed::Yes);
        assert_eq!(lookups.debit(rules, &mut ours, user(LOOKUP_USERS_MAX), 1, 30_000_000_000), Allowed::Yes);
    }
}
