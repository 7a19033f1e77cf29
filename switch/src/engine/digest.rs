//! The digest of the engine's state: equal at the same position on every machine.

use adapters::message::Outcome;

use super::Engine;
use super::payments::{Payment, State};
use super::rules::Rules;

impl Engine {
    /// BLAKE3 of the whole state. Integers little-endian: `CLSPENGN`, rules version, position, time, the rules' three times and the size of the window,
    /// currencies, participants (code, open payments, signed off, absent, outbox numbers, acknowledged cursors), references of funds, the window's floor, open payments in order of arrival and outcomes in
    /// order of decision, each with its count before it, and the book's own digest.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"CLSPENGN");
        let Rules { version, timeout_ns, payee_share_ns, skew_ns, outcomes_kept } = self.rules;
        hasher.update(&version.to_le_bytes());
        for word in [self.applied, self.time_ns, timeout_ns, payee_share_ns, skew_ns, u64::from(outcomes_kept)] {
            hasher.update(&word.to_le_bytes());
        }
        for rules in &self.currencies {
            hasher.update(&rules.currency.bytes());
            hasher.update(&[rules.minor_digits]);
            hasher.update(&rules.amount_max.minor_units().to_le_bytes());
        }
        for (_, participant) in self.participants.iter() {
            hasher.update(participant.code.bytes());
            hasher.update(&participant.in_flight.to_le_bytes());
            hasher.update(&[u8::from(participant.is_signed_off), u8::from(participant.is_absent)]);
            for number in participant.enqueued.into_iter().chain(participant.acknowledged) {
                hasher.update(&number.to_le_bytes());
            }
        }
        for (reference, booked) in self.funds.iter() {
            hasher.update(reference);
            hasher.update(&booked.participant.0.to_le_bytes());
            hasher.update(&self.currencies[booked.currency].currency.bytes());
            hasher.update(&booked.amount.minor_units().to_le_bytes());
        }
        hasher.update(&self.payments.floor().to_le_bytes());
        let open = self.payments.open();
        hasher.update(&(open.len() as u64).to_le_bytes());
        open.into_iter().for_each(|payment| hash_payment(&mut hasher, payment));
        hasher.update(&(self.payments.outcomes().count() as u64).to_le_bytes());
        self.payments.outcomes().for_each(|payment| hash_payment(&mut hasher, payment));
        hasher.update(&self.book.digest());
        hasher.finalize().into()
    }
}

/// Id, digest, payer, payee, amount, currency, outcome, reason, field, time (deadline of an open one), position (of its order, where it is open).
fn hash_payment(hasher: &mut blake3::Hasher, payment: &Payment) {
    let (outcome, reason, field, time_ns, position) = match payment.state {
        State::InFlight { deadline_ns, position, .. } => (Outcome::InFlight, [0; 4], 0, deadline_ns, position),
        State::Final { outcome, reason, field, at_ns, position } => {
            (outcome, reason.bytes(), field as u8, at_ns, position)
        }
    };
    hasher.update(&payment.id.bytes());
    hasher.update(&payment.digest);
    hasher.update(&payment.payer.0.to_le_bytes());
    hasher.update(&payment.payee.map_or(0, |payee| payee.0).to_le_bytes());
    hasher.update(&payment.amount.to_le_bytes());
    hasher.update(&payment.currency);
    hasher.update(&[outcome as u8, field]);
    hasher.update(&reason);
    hasher.update(&time_ns.to_le_bytes());
    hasher.update(&position.to_le_bytes());
}
