//! The switch acknowledges a provider's frame only once it is recorded durably or was refused: what is acknowledged is not sent again.
//! An answer that a payment waits for is never refused.

use super::{Finding, Leaving};
use crate::simulate::auditor::Auditor;
use crate::simulate::network::Taken;
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "acknowledged after recorded";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let (frame, connection, auditor) = (&leaving.frame, &mut leaving.connection, leaving.auditor);
    if frame.kind == kind::ERROR {
        let number = wire::u64_at(frame.routing, 8);
        connection.refused.insert(number);
        let answer = connection.taken.iter().find(|taken| taken.number == number && taken.kind == kind::ANSWER);
        if let Some(answer) = answer.filter(|answer| is_waited_for(answer, connection.provider, auditor)) {
            return Err(format!("an answer that {} waits for is refused", hex(&answer.id)));
        }
    }
    if frame.kind == kind::STATUS && frame.lane == 0 {
        let id: wire::Id = wire::array(frame.routing, 0);
        // Of two questions about one payment the first may have been refused: then this is what the second is told.
        let (taken, refused) = (&mut connection.taken, &connection.refused);
        let is_open = |taken: &Taken| !taken.is_answered && !refused.contains(&taken.number);
        let asked = |taken: &&mut Taken| taken.kind == kind::STATUS_REQUEST && taken.id == id && is_open(taken);
        if let Some(question) = taken.iter_mut().find(asked) {
            question.is_answered = true;
        }
    }
    if frame.acknowledged_lane != 0 || frame.acknowledged == 0 || connection.is_garbled {
        return Ok(());
    }
    while let Some(taken) = connection.taken.front().copied().filter(|taken| taken.number <= frame.acknowledged) {
        connection.taken.pop_front();
        if connection.refused.remove(&taken.number) {
            continue;
        }
        let payment = auditor.payment(taken.id);
        match taken.kind {
            kind::CREDIT_TRANSFER if payment.is_none() => {
                return Err(format!("the order {} is acknowledged and not on disk", hex(&taken.id)));
            }
            kind::ANSWER if is_waited_for(&taken, connection.provider, auditor) => {
                return Err(format!("an answer to {} is acknowledged and decided nothing", hex(&taken.id)));
            }
            kind::STATUS_REQUEST if !taken.is_answered => connection.owed.push(taken.id),
            _ => {}
        }
    }
    Ok(())
}

/// Was this payment open and its provider asked when the answer came, and is it still? An answer that comes before its payment decides nothing.
fn is_waited_for(answer: &Taken, provider: usize, auditor: &Auditor) -> bool {
    auditor.payment(answer.id).is_some_and(|payment| {
        payment.payee == Some(provider) && payment.end.is_none() && payment.position <= answer.through
    })
}
