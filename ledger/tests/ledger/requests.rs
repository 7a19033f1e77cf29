//! Random requests: few accounts, few ids, small amounts, so that repetitions, reuse and full accounts are frequent.

use ledger::{
    AccountFlags, AccountId, AccountSpec, Amount, BatchEntry, Currency, References, Request, Terms, TransferFlags,
    TransferId, TransferSpec,
};
use proptest::prelude::*;

/// Flags and cap of account 1, 2, ...: 1 limits debits, 2 limits credits, 4 keeps a history.
const ACCOUNTS: [(u16, u64); 6] = [(1, 1_000), (0, 0), (1 | 4, 50), (4, 0), (2, 0), (0, 0)];

pub(crate) fn account(number: u128) -> AccountSpec {
    let (flags, cap) = ACCOUNTS[usize::try_from(number - 1).expect("a small number")];
    let flags = AccountFlags::from_bits(flags).expect("known flags");
    let credit_cap = if flags.contains(AccountFlags::CREDITS_LIMITED) { 40 } else { 0 };
    let currency = Currency::parse(if number == 6 { b"USD" } else { b"EUR" }).expect("a currency");
    AccountSpec { flags, cap: u128::from(cap), credit_cap, ..AccountSpec::new(AccountId(number), currency) }
}

/// All accounts, to begin with.
pub(crate) fn openings() -> Vec<BatchEntry> {
    (1..=ACCOUNTS.len() as u128).map(|number| Request::Open(account(number)).into()).collect()
}

fn terms() -> impl Strategy<Value = Terms> {
    let flags = prop_oneof![6 => Just(0u8), 1 => 1..4u8];
    let deadline = prop_oneof![2 => Just(0), 1 => 1..200u64];
    prop_oneof![
        3 => Just(Terms::NONE),
        1 => (0..2u16, flags, 0..2u32, deadline).prop_map(|(code, flags, bits_32, deadline_ns)| Terms {
            code,
            flags: TransferFlags::from_bits(flags).expect("known flags"),
            references: References { bits_32, ..References::NONE },
            deadline_ns,
        }),
    ]
}

fn request(ids: u128) -> impl Strategy<Value = Request> {
    let transfer = (1..=ids, 1..=6u128, 1..=6u128, 1..12u64, any::<bool>(), terms());
    let transfer = transfer.prop_map(|(id, debit, credit, amount, two_phase, terms)| {
        let amount = Amount::new(amount).expect("more than nothing");
        let (debit, credit) = (AccountId(debit), AccountId(credit));
        Request::Transfer(TransferSpec { id: TransferId(id), debit, credit, amount, two_phase, terms })
    });
    let id = move || (1..=ids).prop_map(TransferId);
    prop_oneof![
        6 => transfer,
        3 => (id(), 0..12u64).prop_map(|(transfer, amount)| Request::Post { transfer, amount: Amount::new(amount) }),
        1 => id().prop_map(|transfer| Request::Void { transfer }),
        1 => (1..=6u128, 0..60u128).prop_map(|(account, cap)| Request::SetCap { account: AccountId(account), cap }),
        1 => (1..=6u128, any::<bool>()).prop_map(|(account, freeze)| {
            let account = AccountId(account);
            if freeze { Request::Freeze(account) } else { Request::Thaw(account) }
        }),
    ]
}

/// A batch of up to `entries_max`, of ids from 1 to `ids`, some of them tied together.
pub(crate) fn batch(entries_max: usize, ids: u128) -> impl Strategy<Value = Vec<BatchEntry>> {
    let entry = (request(ids), prop::bool::weighted(0.15)).prop_map(|(request, linked)| BatchEntry { request, linked });
    prop::collection::vec(entry, 0..=entries_max)
}
