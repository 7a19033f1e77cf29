//! Every account of the scheme stands where the auditor has it: balance and what is held; and so do standings and limits.

use adapters::message::ParticipantCode;

use super::{Finding, Turn};
use crate::engine::Engine;
use crate::engine::accounts::AccountKind;
use crate::entry::ParticipantId;
use crate::simulate::auditor::{AccountKey, Balance};
use crate::simulate::plan::CURRENCIES;

pub(in super::super) const NAME: &str = "every account as the auditor has it";

pub(super) fn check(turn: &Turn<'_>) -> Finding {
    if turn.records.is_empty() {
        return Ok(());
    }
    let (engine, right) = (turn.pipeline.engine(), turn.auditor.scheme().accounts());
    for (key, of) in right {
        let stands = balance(engine, *key);
        if stands != *of {
            return Err(format!("account {key:?} stands at {stands:?}, it should be {of:?}"));
        }
    }
    for (index, owner) in engine.accounts() {
        let find = |code: ParticipantCode| engine.find_participant(&code).map_or(0, |id| id.0);
        let currency = CURRENCIES.iter().position(|known| *known == owner.currency.bytes()).unwrap_or(usize::MAX);
        let key = (currency, owner.participant.map_or(0, find), owner.kind as u16);
        let account = engine.account(index);
        let is_empty = account.credits_posted() == account.debits_posted() && account.debits_pending() == 0;
        if !is_empty && !right.contains_key(&key) {
            return Err(format!("{owner} is not empty, and the auditor knows no such account"));
        }
    }
    for (number, member) in (1..).zip(&turn.auditor.scheme().members) {
        let standing = engine.standing_of(ParticipantId(number)).map_or(0, |standing| standing as u8);
        let limits = engine.limits_of(ParticipantId(number));
        let limits = [limits.in_flight_max, limits.orders_per_second, limits.orders_burst];
        if (standing, limits) != (member.standing, member.limits) {
            return Err(format!("participant {number} has standing {standing} and limits {limits:?}"));
        }
    }
    Ok(())
}

/// What stands on an account of the engine; nothing where it was never needed.
pub(super) fn balance(engine: &Engine, (currency, participant, kind): AccountKey) -> Balance {
    let kind = AccountKind::from_code(kind);
    let index = kind.and_then(|kind| engine.find_account(ParticipantId(participant), CURRENCIES[currency], kind));
    let Some(account) = index.map(|index| engine.account(index)) else { return Balance::default() };
    let signed = |amount: u128| i128::try_from(amount).unwrap_or(i128::MAX);
    // What is held of the scheme's own money is held of what has no limit.
    let posted = signed(account.credits_posted()) - signed(account.debits_posted());
    Balance { posted, held: signed(account.debits_pending()) }
}
