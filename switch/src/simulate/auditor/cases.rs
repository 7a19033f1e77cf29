//! Cases: what providers ask of one another, and the follow-up of payments that were accepted without being posted.

use super::super::plan::CURRENCIES;
use super::super::wire::{self, Id, NO_ID};
use super::{
    Auditor, BULK, Came, EXPIRED_PER_BATCH_MAX, Finding, No, PAYMENTS, Sent, Subject, Told, field, kind, no_name,
};

/// Kinds of cases, as on the wire.
pub(in super::super) const RECALL: u8 = 1;
pub(in super::super) const INFORMATION: u8 = 2;
pub(in super::super) const REQUEST: u8 = 3;
pub(in super::super) const POSTING: u8 = 4;

/// Where a case can stand, as on the wire.
pub(in super::super) mod state {
    pub(in super::super::super) const OPEN: u8 = 1;
    pub(in super::super::super) const ACCEPTED: u8 = 2;
    pub(in super::super::super) const PAYING: u8 = 3;
    pub(in super::super::super) const SETTLED: u8 = 4;
    pub(in super::super::super) const REFUSED: u8 = 5;
    pub(in super::super::super) const EXPIRED: u8 = 6;
    pub(in super::super::super) const CANCELLED: u8 = 7;
    pub(in super::super::super) const REJECTED: u8 = 8;
    pub(in super::super::super) const UNKNOWN: u8 = 9;
    pub(in super::super::super) const DUPLICATE: u8 = 10;
}

/// What can happen to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Input {
    Accept,
    Refuse,
    Cancel,
    Returned,
    Pay,
    Paid,
    Unpaid,
    Deadline,
}

/// One case.
pub(in super::super) struct Case {
    pub(in super::super) kind: u8,
    pub(in super::super) opener: usize,
    /// None where a rule said no.
    pub(in super::super) responder: Option<usize>,
    pub(in super::super) original: Id,
    amount: u64,
    currency: [u8; 3],
    form: u8,
    opened: u64,
    pub(in super::super) deadline_ns: u64,
    routing: Vec<u8>,
    fields: Vec<Vec<u8>>,
    /// Where it has stood, in order.
    stood: Vec<wire::CaseStatus>,
}

impl Case {
    /// Where it stands.
    pub(in super::super) fn last(&self) -> wire::CaseStatus {
        self.stood[self.stood.len() - 1]
    }

    /// Where it stood at any time since this position was the last.
    pub(in super::super) fn since(&self, position: u64) -> impl Iterator<Item = &wire::CaseStatus> {
        let newer = self.stood.iter().filter(|status| status.position > position).count();
        self.stood.iter().rev().take(newer + 1)
    }

    pub(in super::super) fn opened(&self) -> u64 {
        self.opened
    }

    pub(in super::super) fn is_party(&self, participant: usize) -> bool {
        self.opener == participant || self.responder == Some(participant)
    }

    pub(in super::super) fn is_open(&self) -> bool {
        self.last().state <= state::PAYING
    }

    pub(super) fn is_same(&self, came: &Came<'_>) -> bool {
        self.opener == came.sender && self.routing == came.routing && self.fields == came.fields
    }

    pub(super) fn is_what(&self, sent: &Sent) -> bool {
        self.opener == sent.sender && self.routing == sent.routing && self.fields == sent.fields
    }

    /// Would this message change it?
    pub(in super::super) fn waits_for(&self, kind: u8, decision: u8, participant: usize) -> bool {
        let input = input_of(kind, decision);
        let sender = if input == Input::Cancel { Some(self.opener) } else { self.responder };
        sender == Some(participant) && next(self.kind, self.last().state, input).is_some()
    }

    fn lane(&self) -> usize {
        lane_of(self.kind)
    }
}

fn lane_of(kind: u8) -> usize {
    if matches!(kind, REQUEST | POSTING) { PAYMENTS } else { BULK }
}

fn input_of(kind: u8, decision: u8) -> Input {
    match (kind, decision) {
        (kind::CASE_CANCEL, _) => Input::Cancel,
        (_, 1) => Input::Accept,
        _ => Input::Refuse,
    }
}

/// What becomes of a case; none where the input changes nothing.
fn next(kind: u8, stands: u8, input: Input) -> Option<u8> {
    let is_waiting = stands == state::OPEN || kind == REQUEST && stands == state::ACCEPTED;
    let becomes = match input {
        Input::Paid if stands == state::PAYING => return Some(state::SETTLED),
        Input::Unpaid if stands == state::PAYING => return Some(state::ACCEPTED),
        _ if !is_waiting => return None,
        Input::Deadline => state::EXPIRED,
        Input::Cancel if kind != POSTING => state::CANCELLED,
        Input::Refuse if kind != POSTING => state::REFUSED,
        Input::Returned if matches!(kind, RECALL | POSTING) => state::SETTLED,
        Input::Accept if matches!(kind, INFORMATION | POSTING) => state::SETTLED,
        Input::Accept if kind == REQUEST && stands == state::OPEN => state::ACCEPTED,
        Input::Pay if kind == REQUEST => state::PAYING,
        _ => return None,
    };
    Some(becomes)
}

/// How a row of that table is counted.
pub(in super::super) fn row_name(kind: u8, stands: u8, input: impl std::fmt::Debug) -> String {
    format!("case of kind {kind} in state {stands}: {input:?}")
}

impl Auditor {
    /// A case that nobody knew is opened, or a rule says no.
    pub(super) fn decide_opening(&mut self, message: &wire::CaseOpen, came: Came<'_>) {
        if let Some(&before) = self.about.get(&(message.original, message.kind)) {
            self.expire_if_late(before, came.position);
        }
        let judged = self.judge_opening(came.sender, message);
        let Came { position, sender, routing, private, fields, .. } = came;
        let (id, kind) = (message.id, message.kind);
        let (stands, reason, field, at_ns) = match judged {
            Ok((_, deadline_ns)) => (state::OPEN, message.reason, field::NONE, deadline_ns),
            Err((reason, field)) => (state::REJECTED, reason, field, self.time_ns),
        };
        let status = wire::CaseStatus { id, kind, state: stands, reason, field, at_ns, position };
        let case = Case {
            kind,
            opener: sender,
            responder: judged.ok().map(|(responder, _)| responder),
            original: message.original,
            amount: message.amount,
            currency: message.currency,
            form: message.form,
            opened: position,
            deadline_ns: judged.map_or(0, |(_, deadline_ns)| deadline_ns),
            routing: routing.to_vec(),
            fields,
            stood: vec![status],
        };
        self.add_case(Subject::Case(id), case);
        self.tell(sender, lane_of(kind), told(&status, &[]));
        match judged {
            Ok((responder, deadline_ns)) => {
                let mut routing = routing[..wire::CASE_EXPIRES_AT].to_vec();
                routing.extend_from_slice(&deadline_ns.to_le_bytes());
                self.tell(responder, lane_of(kind), Told { kind: kind::CASE_FORWARD, routing, private });
            }
            Err(no) => {
                self.rare.push(no_name(no).into());
                self.outcome(position, Subject::Case(id));
            }
        }
    }

    fn add_case(&mut self, subject: Subject, case: Case) {
        if case.is_open() {
            self.counts.cases_open += 1;
            self.case_deadlines.insert((case.deadline_ns, case.opened, subject));
            if case.original != NO_ID {
                self.about.insert((case.original, case.kind), subject);
            }
            if self.left.contains(&Subject::Payment(case.original)) && case.kind != POSTING {
                self.rare.push("case about a payment that had left memory".into());
            }
        } else {
            self.counts.cases_closed += 1;
        }
        self.cases.insert(subject, case);
    }

    /// The rules in their order: who is to answer, and until when.
    fn judge_opening(&self, sender: usize, message: &wire::CaseOpen) -> Result<(usize, u64), No> {
        if message.opener != self.codes[sender] {
            return Err((*b"AGNT", field::OPENER));
        }
        let (responder, longest_ns) = match message.kind {
            REQUEST => (self.judge_asking_to_pay(sender, message)?, self.rules.request_expiry_max_ns),
            RECALL => (self.judge_question(sender, message)?, self.rules.recall_answer_ns),
            _ => (self.judge_question(sender, message)?, self.rules.information_answer_ns),
        };
        let (latest_ns, asked_ns) = (self.time_ns + longest_ns, message.expires_at_ns);
        match asked_ns {
            _ if longest_ns == 0 => Err((*b"AG03", field::CASE_KIND)),
            0 => Ok((responder, latest_ns)),
            _ if asked_ns <= self.time_ns => Err((*b"EDTR", field::EXPIRES_AT)),
            _ if asked_ns > latest_ns => Err((*b"EDTL", field::EXPIRES_AT)),
            _ => Ok((responder, asked_ns)),
        }
    }

    /// Of a recall or a request for information.
    fn judge_question(&self, sender: usize, message: &wire::CaseOpen) -> Result<usize, No> {
        let unless = |holds: bool, reason: &[u8; 4], field: u8| if holds { Ok(()) } else { Err((*reason, field)) };
        let is_recall = message.kind == RECALL;
        let original = self.payment(message.original);
        let original =
            original.filter(|original| original.sender == sender || !is_recall && original.payee == Some(sender));
        let original = original.ok_or((*b"AG09", field::ORIGINAL_ID))?;
        let payee = original.payee.unwrap_or(original.sender);
        let other = if original.sender == sender { payee } else { original.sender };
        unless(original.is_committed() && other != sender, b"FF12", field::ORIGINAL_ID)?;
        unless(message.responder == self.codes[other], b"AGNT", field::RESPONDER)?;
        if is_recall {
            unless(!original.is_return, b"AG13", field::ORIGINAL_ID)?;
            let is_currency_right = message.amount == 0 || message.currency == CURRENCIES[original.currency];
            unless(is_currency_right, b"CURR", field::CURRENCY)?;
            let left = original.amount - original.returned;
            unless(left > 0 && i128::from(message.amount) <= left, b"RCON", field::AMOUNT)?;
            let decided_at_ns = original.end.map_or(0, |end| end.decided_at_ns);
            let is_in_time = self.time_ns < decided_at_ns.saturating_add(self.rules.recall_window_ns);
            unless(is_in_time, b"TM01", field::ORIGINAL_ID)?;
        }
        unless(!self.about.contains_key(&(message.original, message.kind)), b"RCON", field::ORIGINAL_ID)?;
        Ok(other)
    }

    /// Of a request to pay.
    fn judge_asking_to_pay(&self, sender: usize, message: &wire::CaseOpen) -> Result<usize, No> {
        let unless = |holds: bool, reason: &[u8; 4], field: u8| if holds { Ok(()) } else { Err((*reason, field)) };
        let payer = self.codes.iter().position(|code| *code == message.responder);
        let payer = payer.ok_or((*b"DNOR", field::RESPONDER))?;
        unless(payer != sender, b"AG12", field::RESPONDER)?;
        unless(CURRENCIES.contains(&message.currency), b"AM03", field::CURRENCY)?;
        unless(message.amount <= self.rules.amount_max, b"AM13", field::AMOUNT)?;
        Ok(payer)
    }

    /// May this order pay the request that it names? Of a request that has left memory nobody knows.
    pub(super) fn judge_request(&self, payer: usize, payee: usize, order: &wire::Order) -> Result<(), No> {
        let no = |reason: &[u8; 4], field: u8| Err((*reason, field));
        let subject = Subject::Case(order.request);
        let case = self.cases.get(&subject).filter(|case| case.kind == REQUEST && case.responder == Some(payer));
        let Some(case) = case.filter(|_| !self.left.contains(&subject)) else {
            return no(b"IRNR", field::REQUEST_ID);
        };
        match case.last().state {
            state::SETTLED => return no(b"APAR", field::REQUEST_ID),
            state::REFUSED => return no(b"ARFR", field::REQUEST_ID),
            state::CANCELLED => return no(b"CN01", field::REQUEST_ID),
            state::PAYING => return no(b"ALAC", field::REQUEST_ID),
            stands if stands == state::EXPIRED || self.time_ns >= case.deadline_ns => {
                return no(b"AEXR", field::REQUEST_ID);
            }
            _ => {}
        }
        // Form 2: up to the amount.
        let fits = order.amount == case.amount || case.form == 2 && order.amount < case.amount;
        if payee != case.opener {
            return no(b"AGNT", field::PAYEE);
        }
        if fits && order.currency == case.currency { Ok(()) } else { no(b"AM09", field::AMOUNT) }
    }

    /// An answer to a case, or its cancellation.
    pub(super) fn case_input(&mut self, position: u64, entry: &wire::Entry<'_>) -> Finding {
        let came = self.find_sent(position, entry)?;
        let (id, input) = (wire::array(entry.routing, 0), input_of(entry.kind, entry.routing[16]));
        let reason = wire::array(entry.routing, if input == Input::Cancel { 16 } else { 17 });
        // A case has an id of its own, a posting follow-up that of its payment.
        let subject = [Subject::Case(id), Subject::Posting(id)].into_iter().find(|one| self.cases.contains_key(one));
        let case = subject.and_then(|subject| self.cases.get(&subject).map(|case| (subject, case)));
        let Some((subject, case)) = case else {
            self.rare.push("case input that no case waited for".into());
            return Ok(());
        };
        let who = if input == Input::Cancel { Some(case.opener) } else { case.responder };
        if who != Some(came.sender) {
            self.rare.push("case input of the wrong party".into());
        } else if !self.change_case_in_time(subject, input, (reason, &came.private), position) {
            self.rare.push("case input that no case waited for".into());
        }
        Ok(())
    }

    /// As `change_case`, of what may come after the deadline: the case ends then as if it had not come.
    pub(super) fn change_case_in_time(
        &mut self,
        subject: Subject,
        input: Input,
        because: ([u8; 4], &[u8]),
        position: u64,
    ) -> bool {
        self.expire_if_late(subject, position) || self.change_case(subject, input, because, position)
    }

    fn expire_if_late(&mut self, subject: Subject, position: u64) -> bool {
        let is_late = self.cases.get(&subject).is_some_and(|case| {
            matches!(case.last().state, state::OPEN | state::ACCEPTED) && self.time_ns >= case.deadline_ns
        });
        if is_late {
            self.rare.push("case input after the deadline".into());
            self.expire_case(subject, position);
        }
        is_late
    }

    /// Does with a case what follows, and tells both; false where nothing does.
    pub(super) fn change_case(
        &mut self,
        subject: Subject,
        input: Input,
        (reason, note): ([u8; 4], &[u8]),
        position: u64,
    ) -> bool {
        let Some(case) = self.cases.get_mut(&subject) else { return false };
        let before = case.last();
        let Some(stands) = next(case.kind, before.state, input) else { return false };
        self.rare.push(row_name(case.kind, before.state, input).into());
        let status =
            wire::CaseStatus { state: stands, reason, field: field::NONE, at_ns: self.time_ns, position, ..before };
        case.stood.push(status);
        let (opener, responder, lane) = (case.opener, case.responder.unwrap_or_default(), case.lane());
        let (deadline, about) = ((case.deadline_ns, case.opened, subject), (case.original, case.kind));
        self.changed.push(before.id);
        match stands {
            state::ACCEPTED => drop(self.case_deadlines.insert(deadline)),
            _ => drop(self.case_deadlines.remove(&deadline)),
        }
        if stands > state::PAYING {
            self.about.remove(&about);
            self.counts.cases_open -= 1;
            self.closings += 1;
            self.counts.cases_closed += 1;
            self.outcome(position, subject);
        }
        if stands == state::PAYING || before.state == state::PAYING && stands == state::ACCEPTED {
            return true;
        }
        // A note goes to the one who did not write it.
        let [to_opener, to_responder] = if input == Input::Cancel { [&[], note] } else { [note, &[]] };
        self.tell(opener, lane, told(&status, to_opener));
        self.tell(responder, lane, told(&status, to_responder));
        true
    }

    fn expire_case(&mut self, subject: Subject, position: u64) {
        let is_request = self.cases.get(&subject).is_some_and(|case| case.kind == REQUEST);
        let reason = if is_request { *b"AEXR" } else { *b"NOAS" };
        self.change_case(subject, Input::Deadline, (reason, &[]), position);
    }

    /// Cases whose time is over end with the batch's tick.
    pub(super) fn expire_cases(&mut self, position: u64) {
        let due = self.case_deadlines.iter().take_while(|(deadline_ns, ..)| *deadline_ns <= self.time_ns);
        let due: Vec<Subject> = due.map(|(.., subject)| *subject).take(EXPIRED_PER_BATCH_MAX).collect();
        for subject in due {
            self.expire_case(subject, position);
        }
    }

    /// A payment was accepted without being posted.
    pub(super) fn open_posting(&mut self, id: Id, position: u64) {
        let Some(payment) = self.payment(id) else { return };
        let deadline_ns = self.time_ns + self.rules.posting_follow_up_ns;
        let status = wire::CaseStatus {
            id,
            kind: POSTING,
            state: state::OPEN,
            reason: [0; 4],
            field: field::NONE,
            at_ns: deadline_ns,
            position,
        };
        let (opener, responder) = (payment.sender, payment.payee);
        let case = Case {
            kind: POSTING,
            opener,
            responder,
            original: id,
            amount: 0,
            currency: [0; 3],
            form: 1,
            opened: position,
            deadline_ns,
            routing: Vec::new(),
            fields: Vec::new(),
            stood: vec![status],
        };
        self.add_case(Subject::Posting(id), case);
        self.tell(opener, PAYMENTS, told(&status, &[]));
        self.tell(responder.unwrap_or_default(), PAYMENTS, told(&status, &[]));
    }

    /// A payment for a request is in flight.
    pub(super) fn pay(&mut self, request: Id, position: u64) {
        self.change_case(Subject::Case(request), Input::Pay, ([0; 4], &[]), position);
    }

    /// The payment for a request is decided.
    pub(super) fn request_decided(&mut self, request: Id, is_committed: bool, position: u64) {
        let input = if is_committed { Input::Paid } else { Input::Unpaid };
        self.change_case(Subject::Case(request), input, ([0; 4], &[]), position);
    }
}

fn told(status: &wire::CaseStatus, note: &[u8]) -> Told {
    Told { kind: kind::CASE_STATUS, routing: status.bytes(), private: note.to_vec() }
}
