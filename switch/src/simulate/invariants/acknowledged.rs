//! The switch acknowledges a provider's frame only once it is recorded durably or was refused: what is acknowledged is not sent again.
//! An answer that a payment waits for is never refused.

use super::{Finding, Leaving};
use crate::simulate::auditor::Auditor;
use crate::simulate::network::{Connection, Taken};
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "acknowledged after recorded";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let (frame, connection, auditor) = (&leaving.frame, &mut leaving.connection, leaving.auditor);
    if frame.kind == kind::ERROR {
        let number = wire::u64_at(frame.routing, 8);
        connection.refused.insert(number);
        let taken = connection.taken.iter().find(|taken| taken.number == number).copied();
        if let Some(answer) = taken.filter(|taken| is_waited_for(taken, connection.provider, auditor)) {
            return Err(format!("an answer that {} waits for is refused", hex(&answer.id)));
        }
        // What was taken for the answer to it was another's.
        if let Some(refused) = taken.filter(|taken| taken.is_answered) {
            note_answer(connection, refused.id, auditor);
        }
    }
    if matches!(frame.kind, kind::STATUS | kind::CASE_STATUS) && frame.lane == 0 {
        note_answer(connection, wire::array(frame.routing, 0), auditor);
    }
    if frame.acknowledged_lane != 0 || frame.acknowledged == 0 || connection.is_garbled {
        return Ok(());
    }
    while let Some(taken) = connection.taken.front().copied().filter(|taken| taken.number <= frame.acknowledged) {
        connection.taken.pop_front();
        if connection.refused.remove(&taken.number) {
            continue;
        }
        match taken.kind {
            kind::ALIAS_COMMAND if !auditor.aliases().has_command(connection.provider, taken.id) => {
                return Err(format!("a command about an alias is acknowledged and not on disk: {}", hex(&taken.id)));
            }
            kind::ALIAS_LOOKUP if !auditor.aliases().has_lookup(connection.provider, taken.id) => {
                return Err(format!("a look-up is acknowledged and not on disk: {}", hex(&taken.id)));
            }
            kind::CREDIT_TRANSFER | kind::ALIAS_TRANSFER | kind::RETURN | kind::CASE_OPEN
                if !auditor.knows(taken.id) =>
            {
                return Err(format!("{} is acknowledged and not on disk, kind {}", hex(&taken.id), taken.kind));
            }
            _ if is_waited_for(&taken, connection.provider, auditor) => {
                return Err(format!("an answer to {} is acknowledged and decided nothing", hex(&taken.id)));
            }
            kind::SIGN_ON | kind::SIGN_OFF if !auditor.has_signed(connection.provider, taken.kind, taken.through) => {
                return Err(format!("a sign of provider {} is acknowledged and not on disk", connection.provider));
            }
            _ if is_owed(&taken, auditor) => connection.owed.push(taken.id),
            _ => {}
        }
    }
    Ok(())
}

/// A reply about this id has left. Of two that ask about one the first may have been refused: then this is what the second is told.
fn note_answer(connection: &mut Connection, id: wire::Id, auditor: &Auditor) {
    let (taken, refused) = (&mut connection.taken, &connection.refused);
    let asked = |taken: &&mut Taken| taken.id == id && !refused.contains(&taken.number) && is_owed(taken, auditor);
    if let Some(question) = taken.iter_mut().find(asked) {
        question.is_answered = true;
    }
}

/// Is this a question, or a submission of what was on disk already when it came, that has had no reply?
fn is_owed(taken: &Taken, auditor: &Auditor) -> bool {
    let is_known = || auditor.knew(taken.id, taken.through);
    let asks = match taken.kind {
        kind::STATUS_REQUEST => true,
        kind::CREDIT_TRANSFER | kind::ALIAS_TRANSFER | kind::RETURN | kind::CASE_OPEN => is_known(),
        _ => false,
    };
    asks && !taken.is_answered
}

/// Was this payment open and its provider asked when the answer came, and is it still? An answer that comes before its payment decides nothing. The same of
/// a case that has not changed since.
fn is_waited_for(answer: &Taken, provider: usize, auditor: &Auditor) -> bool {
    match answer.kind {
        kind::ANSWER => auditor.payment(answer.id).is_some_and(|payment| {
            let is_open = payment.end.is_none() && (answer.decision != 2 || auditor.has_postings());
            payment.payee == Some(provider) && is_open && payment.position <= answer.through
        }),
        kind::CASE_ANSWER | kind::CASE_CANCEL => {
            let case = auditor.case(answer.id).or(auditor.posting(answer.id));
            case.is_some_and(|case| {
                case.waits_for(answer.kind, answer.decision, provider) && case.last().position <= answer.through
            })
        }
        _ => false,
    }
}
