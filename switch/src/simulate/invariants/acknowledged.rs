//! The switch acknowledges a provider's frame only once it is recorded durably or was refused: what is acknowledged is not sent again.
//! An answer that a payment waits for is never refused.

use super::{Finding, Leaving};
use crate::simulate::provider::hex;
use crate::simulate::wire::{self, kind};

pub(in super::super) const NAME: &str = "acknowledged after recorded";

pub(super) fn check(leaving: &mut Leaving<'_>) -> Finding {
    let (frame, connection, auditor) = (&leaving.frame, &mut leaving.connection, leaving.auditor);
    if frame.kind == kind::ERROR {
        let number = wire::u64_at(frame.routing, 8);
        connection.refused.insert(number);
        let waits = |id| auditor.payment(id).is_some_and(|p| p.payee == Some(connection.provider) && p.end.is_none());
        let answer = connection.taken.iter().find(|taken| taken.number == number && taken.kind == kind::ANSWER);
        if let Some(answer) = answer.filter(|answer| waits(answer.id)) {
            return Err(format!("an answer that {} waits for is refused", hex(&answer.id)));
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
            kind::ANSWER if payment.is_some_and(|p| p.payee == Some(connection.provider) && p.end.is_none()) => {
                return Err(format!("an answer to {} is acknowledged and decided nothing", hex(&taken.id)));
            }
            _ => {}
        }
    }
    Ok(())
}
