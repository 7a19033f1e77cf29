//! The digest of the engine's state: equal at the same position on every machine.

use adapters::message::Outcome;

use super::Engine;
use super::cases::Case;
use super::lookups::{Item, Lookups};
use super::originals::Original;
use super::payments::{Payment, State};
use super::scheme::members::Limits;
use super::snapshot::rules_bytes;

impl Engine {
    /// BLAKE3 of the whole state. Integers little-endian: `CLSPENGN`, the rules as in a snapshot, position, time,
    /// currencies, participants (code, open payments, open cases, signed off, absent, standing, class, technical, open payments to it,
    /// sponsor, limits, outbox numbers, acknowledged cursors), seats as in a snapshot, references of orders of money, the window's floor, open payments in order of arrival and outcomes in
    /// order of decision, open cases in order of opening and closed ones in order of closing, payments with returns in order of their last, each with its count
    /// before it, what the operator has set as in a snapshot, buckets of end users and payments by alias in the order of their slots, behind the lengths of their tables, touched aliases, and the book's own digest.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"CLSPENGN");
        hasher.update(&rules_bytes(&self.rules));
        for word in [self.applied, self.time_ns] {
            hasher.update(&word.to_le_bytes());
        }
        for rules in &self.currencies {
            hasher.update(&rules.currency.bytes());
            hasher.update(&[rules.minor_digits, rules.model as u8]);
            hasher.update(&rules.amount_max.minor_units().to_le_bytes());
        }
        for (_, participant) in self.participants.iter() {
            hasher.update(participant.code.bytes());
            hasher.update(&participant.in_flight.to_le_bytes());
            hasher.update(&participant.cases_open.to_le_bytes());
            hasher.update(&[u8::from(participant.is_signed_off), u8::from(participant.is_absent)]);
            hasher.update(&[participant.standing as u8, participant.class, u8::from(participant.is_technical)]);
            let Limits { in_flight_max, orders_per_second, orders_burst } = participant.limits;
            let sponsor = participant.sponsor.map_or(0, |sponsor| sponsor.0);
            for count in [participant.incoming, sponsor, in_flight_max, orders_per_second, orders_burst] {
                hasher.update(&count.to_le_bytes());
            }
            for number in participant.enqueued.into_iter().chain(participant.acknowledged) {
                hasher.update(&number.to_le_bytes());
            }
        }
        for seat in self.seats.iter() {
            hasher.update(&seat.bytes());
        }
        for (reference, booked) in self.funds.iter() {
            hasher.update(reference);
            hasher.update(&[booked.operation as u8]);
            hasher.update(&booked.participant.0.to_le_bytes());
            hasher.update(&booked.other.0.to_le_bytes());
            hasher.update(&self.currencies[booked.currency].currency.bytes());
            hasher.update(&booked.amount.minor_units().to_le_bytes());
        }
        hasher.update(&self.payments.floor().to_le_bytes());
        let open = self.payments.open();
        hasher.update(&(open.len() as u64).to_le_bytes());
        open.into_iter().for_each(|payment| hash_payment(&mut hasher, payment));
        hasher.update(&(self.payments.outcomes().count() as u64).to_le_bytes());
        self.payments.outcomes().for_each(|payment| hash_payment(&mut hasher, payment));
        self.hash_cases(&mut hasher);
        hasher.update(&self.scheme.bytes());
        self.hash_lookups(&mut hasher);
        hasher.update(&self.book.digest());
        hasher.finalize().into()
    }

    fn hash_lookups(&self, hasher: &mut blake3::Hasher) {
        let Lookups { users, paying, touched } = &self.lookups;
        for lengths in [users.lengths(), paying.lengths()] {
            lengths.iter().for_each(|length| {
                hasher.update(&length.to_le_bytes());
            });
        }
        users.iter().for_each(|user| {
            hasher.update(&user.bytes());
        });
        paying.iter().for_each(|payment| {
            hasher.update(&payment.bytes());
        });
        let (floor, ring) = touched.parts();
        hasher.update(&floor.to_le_bytes());
        for touch in ring {
            hasher.update(&touch.alias).update(&touch.position.to_le_bytes());
        }
    }

    fn hash_cases(&self, hasher: &mut blake3::Hasher) {
        hasher.update(&(self.cases.open_count() as u64).to_le_bytes());
        self.cases.open().for_each(|case| hash_case(hasher, case));
        hasher.update(&(self.cases.closed().len() as u64).to_le_bytes());
        self.cases.closed().for_each(|case| hash_case(hasher, case));
        hasher.update(&(self.originals.iter().count() as u64).to_le_bytes());
        for (id, original, position) in self.originals.iter() {
            let &Original { payer, payee, amount, currency, decided_at_ns, returned } = original;
            hasher.update(&id.bytes());
            hasher.update(&payer.0.to_le_bytes());
            hasher.update(&payee.0.to_le_bytes());
            hasher.update(&currency);
            for word in [amount, decided_at_ns, returned, position] {
                hasher.update(&word.to_le_bytes());
            }
        }
    }
}

fn hash_case(hasher: &mut blake3::Hasher, case: &Case) {
    let &Case { id, digest, kind, original, opener, responder, amount, currency, form, .. } = case;
    let &Case { opened, deadline_ns, state, reason, field, at_ns, position, payment, .. } = case;
    for bytes in [id.bytes(), digest, original, payment] {
        hasher.update(&bytes);
    }
    hasher.update(&opener.0.to_le_bytes());
    hasher.update(&responder.map_or(0, |responder| responder.0).to_le_bytes());
    for word in [amount, opened, deadline_ns, at_ns, position] {
        hasher.update(&word.to_le_bytes());
    }
    hasher.update(&currency);
    hasher.update(&reason.bytes());
    hasher.update(&[kind as u8, form as u8, state as u8, field as u8]);
}

/// Id, digest, payer, payee, amount, currency, outcome, field, traits, reason, time (deadline of an open one), position (of its order, where it is open).
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
    hasher.update(&[outcome as u8, field, payment.traits.bits()]);
    hasher.update(&reason);
    hasher.update(&time_ns.to_le_bytes());
    hasher.update(&position.to_le_bytes());
}
