//! Returns: decided anew from everything that ever was, whatever memory holds.

use super::super::plan::CURRENCIES;
use super::super::wire::{self, Id, NO_ID};
use super::{Auditor, Came, No, PAYMENTS, Payment, Subject, Told, cases, field, kind, outcome, state};

impl Auditor {
    /// A return that nobody knew is decided by the rules.
    pub(super) fn decide_return(&mut self, message: &wire::Return, came: Came<'_>) {
        let judged = self.judge_return(came.sender, message);
        let original = self.payment(message.original);
        let payer = original.map(|original| original.sender).filter(|_| judged.is_ok());
        let currency = original.filter(|_| judged.is_ok()).map_or(0, |original| original.currency);
        let Came { position, sender, routing, as_sent, private, fields, .. } = came;
        let payment = Payment {
            sender,
            payee: payer,
            position,
            end: None,
            is_return: true,
            routing: routing.to_vec(),
            as_sent,
            fields,
            lane: PAYMENTS,
            currency,
            amount: i128::from(message.amount),
            returned: 0,
            request: None,
            deadline_ns: 0,
        };
        match judged {
            Ok(()) => self.go_back(message, payment, private),
            Err(no) => self.reject(message.id, payment, no),
        }
    }

    /// The money goes back; both sides are told, and what was open about it is closed.
    fn go_back(&mut self, message: &wire::Return, payment: Payment, note: Vec<u8>) {
        let (id, decided_at_ns, position) = (message.id, self.time_ns, payment.position);
        let (sender, payer, currency) = (payment.sender, payment.payee.unwrap_or_default(), payment.currency);
        if self.left.contains(&Subject::Payment(message.original)) {
            self.rare.push("return of a payment that had left memory".into());
        }
        self.scheme.post(2, currency, sender, payer, payment.amount);
        self.counts.returned += 1;
        let (returned, is_whole) = self.payments.get_mut(&message.original).map_or((0, false), |original| {
            original.returned += payment.amount;
            (original.returned, original.returned == original.amount)
        });
        let status = wire::Status {
            id,
            outcome: outcome::COMMITTED,
            reason: [0; 4],
            field: field::NONE,
            decided_at_ns,
            position,
        };
        let mut routing = payment.routing.clone();
        for number in [u64::try_from(returned).unwrap_or(u64::MAX), decided_at_ns, position] {
            routing.extend_from_slice(&number.to_le_bytes());
        }
        self.payments.insert(id, Payment { end: Some(status), ..payment });
        self.outcome(position, Subject::Payment(id));
        self.tell(sender, PAYMENTS, Told { kind: kind::STATUS, routing: status.bytes(), private: Vec::new() });
        self.tell(payer, PAYMENTS, Told { kind: kind::RETURNED, routing, private: note });
        self.close_returned(message, is_whole, position);
    }

    fn close_returned(&mut self, message: &wire::Return, is_whole: bool, position: u64) {
        let named = Subject::Case(message.case);
        if message.case != NO_ID {
            self.change_case(named, cases::Input::Returned, ([0; 4], &[]), position);
        }
        if !is_whole {
            self.rare.push("return of a part".into());
            return;
        }
        self.rare.push("return of what was left".into());
        for kind in [cases::RECALL, cases::POSTING] {
            if let Some(&subject) = self.about.get(&(message.original, kind)) {
                self.change_case_in_time(subject, cases::Input::Returned, ([0; 4], &[]), position);
            }
        }
    }

    /// The rules in their order.
    fn judge_return(&self, sender: usize, message: &wire::Return) -> Result<(), No> {
        let unless = |holds: bool, reason: &[u8; 4], field: u8| if holds { Ok(()) } else { Err((*reason, field)) };
        unless(self.scheme.may_pay(sender), b"AG10", field::PAYER)?;
        let original = self.payment(message.original).filter(|original| original.payee == Some(sender));
        let original = original.ok_or((*b"AG09", field::ORIGINAL_ID))?;
        unless(original.is_committed() && original.sender != sender, b"FF12", field::ORIGINAL_ID)?;
        unless(!original.is_return, b"AG13", field::ORIGINAL_ID)?;
        unless(message.currency == CURRENCIES[original.currency], b"CURR", field::CURRENCY)?;
        unless(message.case == NO_ID || self.is_open_recall(message, sender), b"FF13", field::CASE_ID)?;
        let amount = i128::from(message.amount);
        unless(amount <= original.amount - original.returned, b"RCON", field::AMOUNT)?;
        let is_covered = amount <= self.scheme.spendable(sender, original.currency).posted;
        unless(!self.scheme.moves(sender, original.sender) || is_covered, b"AM04", field::AMOUNT)
    }

    fn is_open_recall(&self, message: &wire::Return, sender: usize) -> bool {
        self.case(message.case).is_some_and(|case| {
            let waits = case.last().state == state::OPEN && self.time_ns < case.deadline_ns;
            waits && case.kind == cases::RECALL && case.original == message.original && case.responder == Some(sender)
        })
    }

    /// Payments of which more was returned than was paid.
    pub(in super::super) fn returned_too_much(&self) -> Option<(&Id, &Payment)> {
        self.payments.iter().find(|(_, payment)| payment.returned > payment.amount)
    }
}
