//! Answers to questions, duplicates and late answers are true when they are given; and whoever is no party to a payment or a case learns nothing about it.

use super::{Finding, Leaving};
use crate::simulate::auditor::{Auditor, Reply, outcome, state};
use crate::simulate::network::Connection;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, Id, kind};

pub(in super::super) const NAME: &str = "replies true, and silent to strangers";

/// Whoever sends a known id again, on its only connection, is told in the same turn what the auditor says: where it stands, or that the id is taken.
/// `told` are the replies that left.
pub(in super::super) fn check_due(due: &[Reply], told: &[Reply], is_alone: impl Fn(usize) -> bool) -> Finding {
    for (provider, id, kind, stands) in due.iter().filter(|(provider, ..)| is_alone(*provider)) {
        let said = |&&(to, of, by, _): &&Reply| to == *provider && of == *id && by == *kind;
        let mut replies = told.iter().filter(said).peekable();
        if replies.peek().is_some() && !replies.any(|(.., said)| said == stands) {
            let said: Vec<u8> = told.iter().filter(said).map(|reply| reply.3).collect();
            return Err(format!("provider {provider} has sent {} again, and is told {said:?}, not {stands}", hex(id)));
        }
    }
    Ok(())
}

/// A question that is acknowledged is answered in the same turn, and so is what was submitted once more.
pub(in super::super) fn check_owed(connection: &mut Connection, told: &[Reply]) -> Finding {
    let provider = connection.provider;
    let is_answered = |id: &Id| told.iter().any(|(to, of, ..)| *to == provider && of == id);
    match connection.owed.drain(..).find(|id| !is_answered(id)) {
        Some(id) => {
            Err(format!("provider {provider} has asked about {}, or sent it again, and is not answered", hex(&id)))
        }
        None => Ok(()),
    }
}

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    match (leaving.frame.kind, leaving.frame.lane) {
        (kind::STATUS, 0) => check_status(leaving),
        (kind::CASE_STATUS, 0) => check_case_status(leaving),
        _ => Ok(()),
    }
}

fn check_status(leaving: &Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    let said = wire::status(frame.routing).ok_or("a status of the wrong length")?;
    let (auditor, provider) = (leaving.auditor, leaving.connection.provider);
    let payment = auditor.payment(said.id);
    let is_party = payment.is_some_and(|payment| payment.is_party(provider));
    // What was decided in this very turn may be told as it was before or after.
    let was_known = payment.is_some_and(|payment| payment.position <= leaving.through_before);
    let end = payment.and_then(|payment| payment.end);
    let has_answered = auditor.has_sent(kind::ANSWER, provider, said.id);
    let is_right = match said.outcome {
        outcome::COMMITTED | outcome::REJECTED | outcome::EXPIRED => is_party && end == Some(said),
        outcome::IN_FLIGHT => is_party && end.is_none_or(|end| end.position > leaving.through_before),
        outcome::UNKNOWN => {
            let is_payer = payment.is_some_and(|payment| payment.sender == provider);
            let is_return = payment.is_some_and(|payment| payment.is_return);
            let knows_case = auditor
                .case(said.id)
                .is_some_and(|case| case.is_party(provider) && case.opened() <= leaving.through_before);
            let is_unknown = !is_party || !was_known || (is_payer || is_return) && has_answered;
            is_unknown && (!knows_case || has_answered)
        }
        outcome::DUPLICATE => auditor.has_misused(provider, said.id, false),
        _ => false,
    };
    let is_bare = frame.private.is_empty();
    if is_right && is_bare {
        return Ok(());
    }
    Err(format!("provider {provider} is told {said:?} of {}, a party: {is_party}, its end: {end:?}", hex(&said.id)))
}

fn check_case_status(leaving: &Leaving<'_>) -> Finding {
    let frame = &leaving.frame;
    let said = wire::case_status(frame.routing).ok_or("a case's status of the wrong length")?;
    let (auditor, provider, before) = (leaving.auditor, leaving.connection.provider, leaving.through_before);
    let cases = [auditor.case(said.id), auditor.posting(said.id)].into_iter().flatten();
    let mut own = cases.filter(|case| case.is_party(provider)).peekable();
    let stands = own.peek().map(|case| case.last());
    let is_right = match said.state {
        state::UNKNOWN => {
            let was_known = own.any(|case| case.opened() <= before);
            !was_known || own_input_misdirected(auditor, provider, said.id)
        }
        state::DUPLICATE => auditor.has_misused(provider, said.id, true),
        _ => own.any(|case| case.since(before).any(|status| *status == said)),
    };
    if is_right && frame.private.is_empty() {
        return Ok(());
    }
    Err(format!("provider {provider} is told {said:?} of {}, it stands at {stands:?}", hex(&said.id)))
}

/// Has it answered a case that it had opened, or taken back one that it was asked in? Of what it has no part in it learns nothing.
fn own_input_misdirected(auditor: &Auditor, provider: usize, id: Id) -> bool {
    let case = auditor.case(id).or(auditor.posting(id));
    case.is_some_and(|case| {
        let wrong = if case.opener == provider { kind::CASE_ANSWER } else { kind::CASE_CANCEL };
        auditor.has_sent(wrong, provider, id)
    })
}
