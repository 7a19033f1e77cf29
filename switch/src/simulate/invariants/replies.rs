//! Answers to questions, duplicates and late answers are true when they are given; and whoever is no party to a payment learns nothing about it.

use super::{Finding, Leaving};
use crate::simulate::auditor::{ReplyDue, outcome};
use crate::simulate::network::Connection;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, Id, kind};

pub(in super::super) const NAME: &str = "replies true, and silent to strangers";

/// Whoever sends a known id again, on its only connection, is told in the same turn what the auditor says: the outcome so far, or that the id
/// is taken. `told` are the replies that left.
pub(in super::super) fn check_due(
    due: &[ReplyDue],
    told: &[(usize, Id, u8)],
    is_alone: impl Fn(usize) -> bool,
) -> Finding {
    for (provider, id, outcome) in due.iter().filter(|(provider, ..)| is_alone(*provider)) {
        let said = |&&(to, of, _): &&(usize, Id, u8)| to == *provider && of == *id;
        let mut replies = told.iter().filter(said).peekable();
        if replies.peek().is_some() && !replies.any(|(_, _, said)| said == outcome) {
            return Err(format!("provider {provider} has sent {} again, and is not told {outcome}", hex(id)));
        }
    }
    Ok(())
}

/// A question that is acknowledged is answered in the same turn.
pub(in super::super) fn check_owed(connection: &mut Connection, told: &[(usize, Id, u8)]) -> Finding {
    let provider = connection.provider;
    let is_answered = |id: &Id| told.iter().any(|(to, of, _)| *to == provider && of == id);
    match connection.owed.drain(..).find(|id| !is_answered(id)) {
        Some(id) => Err(format!("provider {provider} has asked about {}, and is not answered", hex(&id))),
        None => Ok(()),
    }
}

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    if frame.kind != kind::STATUS || frame.lane != 0 {
        return Ok(());
    }
    let said = wire::status(frame.routing).ok_or("a status of the wrong length")?;
    let (auditor, provider) = (leaving.auditor, leaving.connection.provider);
    let payment = auditor.payment(said.id);
    let is_party = payment.is_some_and(|payment| payment.is_party(provider));
    // What was decided in this very turn may be told as it was before or after.
    let was_known = payment.is_some_and(|payment| payment.position <= leaving.through_before);
    let end = payment.and_then(|payment| payment.end);
    let is_right = match said.outcome {
        outcome::COMMITTED | outcome::REJECTED | outcome::EXPIRED => is_party && end == Some(said),
        outcome::IN_FLIGHT => is_party && end.is_none_or(|end| end.position > leaving.through_before),
        outcome::UNKNOWN => {
            let is_payer = payment.is_some_and(|payment| payment.sender == provider);
            !is_party || !was_known || is_payer && auditor.has_answered(provider, said.id)
        }
        outcome::DUPLICATE => auditor.has_misused(provider, said.id),
        _ => false,
    };
    let is_bare = frame.private.is_empty();
    if is_right && is_bare {
        return Ok(());
    }
    Err(format!("provider {provider} is told {said:?} of {}, a party: {is_party}, its end: {end:?}", hex(&said.id)))
}
