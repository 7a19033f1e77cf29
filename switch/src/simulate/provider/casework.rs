//! What a provider does about money that went wrong and money that it asks for: returns, recalls, questions, requests to pay, and their answers. Mostly
//! as it should, and at the edges of every rule.

use adapters::message::{
    AmountForm, ArchivedCaseForward, CaseAnswer, CaseCancel, CaseForward, CaseKind, CaseOpen, CreditTransfer, Lane,
    MessageKind, NO_ID, Note, Part, PaymentId, Reason, Return,
};

use super::orders::{FLOOD_ORDERS, draw_payee, new_id};
use super::{Around, KnownCase, Message, Provider, Ticket, hex};
use crate::limits::NS_PER_MS;
use crate::simulate::auditor::{Subject, state};
use crate::simulate::plan::{CURRENCIES, START_NS};
use crate::simulate::wire::{self, Id};

const REQUEST: u8 = CaseKind::PaymentRequest as u8;
const RECALL: u8 = CaseKind::Recall as u8;
const INFORMATION: u8 = CaseKind::Information as u8;

/// A routing part's bytes again, as the session has read them.
pub(super) fn bytes_of(routing: &ArchivedCaseForward) -> Vec<u8> {
    let mut bytes = Vec::new();
    CaseForward {
        case_id: routing.case_id,
        kind: routing.kind,
        original_id: routing.original_id,
        opener: routing.opener,
        responder: routing.responder,
        amount: routing.amount.to_native(),
        currency: routing.currency,
        amount_form: routing.amount_form,
        reason: routing.reason,
        deadline_ns: routing.deadline_ns.to_native(),
    }
    .write(&mut bytes);
    bytes
}

/// By itself.
impl Provider {
    pub(super) fn do_casework(&mut self, around: &mut Around<'_>) {
        match self.random.below(100) {
            0..26 => {
                let original = self.draw_original(false, around);
                self.return_some(original, NO_ID, around);
            }
            26..44 => self.open_recall(around),
            44..54 => self.open_information(around),
            54..70 => self.ask_for_money(around),
            70..80 => self.pay_any_request(around),
            80..86 => self.cancel_some(around),
            86..92 => self.answer_some(around),
            92..97 => self.repeat_some(around),
            _ => self.ask_about_old(around),
        }
    }

    /// Something of a payment goes back: all that is left, a part, or too much.
    fn return_some(&mut self, original: Id, case: Id, around: &mut Around<'_>) {
        let known = around.auditor.payment(original);
        let left = known.map_or(100, |payment| u64::try_from(payment.amount - payment.returned).unwrap_or(0));
        let paid_in = known.map(|payment| payment.currency_code()).unwrap_or(CURRENCIES[0]);
        let amount = match self.random.below(100) {
            0..35 => left,
            35..43 => left + 1,
            _ => self.random.between(1, left.max(1)),
        };
        let other = if paid_in == CURRENCIES[0] { CURRENCIES[1] } else { CURRENCIES[0] };
        let case = match self.random.below(100) {
            0..3 => new_id(&mut self.random),
            3..6 => self.some_case(|_| true).map_or(NO_ID, |(id, _)| id),
            6..70 if case == NO_ID => self.recall_of(original).unwrap_or(NO_ID),
            _ => case,
        };
        let message = Return {
            return_id: new_id(&mut self.random),
            original_id: original,
            case_id: case,
            amount: amount.max(1),
            currency: if self.random.percent(3) { other } else { paid_in },
            reason: *b"AC06",
        };
        let mut routing = Vec::new();
        message.write(&mut routing);
        let private = self.draw_note(message.return_id);
        self.send_new(Message { kind: MessageKind::Return, routing, private }, around);
    }

    fn open_recall(&mut self, around: &mut Around<'_>) {
        let original = self.draw_original(true, around);
        let known = around.auditor.payment(original);
        let paid = known.map_or(100, |payment| u64::try_from(payment.amount).unwrap_or(0));
        let currency = known.map(|payment| payment.currency_code()).unwrap_or(CURRENCIES[0]);
        let (form, amount, currency) = match self.random.below(100) {
            0..50 => (AmountForm::None, 0, [0; 3]),
            50..55 => (AmountForm::Fixed, paid + 1, currency),
            55..60 => (AmountForm::Fixed, 1, if currency == CURRENCIES[0] { CURRENCIES[1] } else { CURRENCIES[0] }),
            _ => (AmountForm::Fixed, self.random.between(1, paid.max(1)), currency),
        };
        let asked = CaseOpen { amount, currency, amount_form: form as u8, ..self.draw_case(RECALL, original, around) };
        self.send_case(&asked, around);
    }

    fn open_information(&mut self, around: &mut Around<'_>) {
        let is_payer = self.random.percent(50);
        let original = self.draw_original(is_payer, around);
        let asked = self.draw_case(INFORMATION, original, around);
        self.send_case(&asked, around);
    }

    fn ask_for_money(&mut self, around: &mut Around<'_>) {
        let mut responder = draw_payee(self.place, around.plan, &mut self.random);
        if self.random.percent(3) {
            responder = *self.plan.code.bytes();
        }
        let amount =
            if self.random.percent(3) { around.plan.rules.amount_max + 1 } else { self.random.between(1, 800) };
        let asked = CaseOpen {
            responder,
            amount,
            currency: if self.random.percent(4) { *b"EUR" } else { CURRENCIES[0] },
            amount_form: if self.random.percent(40) { AmountForm::UpTo } else { AmountForm::Fixed } as u8,
            reason: [0; 4],
            ..self.draw_case(REQUEST, NO_ID, around)
        };
        self.send_case(&asked, around);
    }

    /// More small requests than can end with one batch, all with one deadline.
    pub(super) fn flood_with_requests(&mut self, responder: [u8; 35], around: &mut Around<'_>) {
        let journal_ns = (START_NS + around.now_ns).saturating_add_signed(around.journal_lead_ns);
        let expires_at_ns = (journal_ns + around.plan.rules.timeout_ns) / NS_PER_MS * NS_PER_MS;
        for _ in 0..FLOOD_ORDERS {
            if *around.operations_left == 0 || !self.has_room() {
                return;
            }
            *around.operations_left -= 1;
            let asked = CaseOpen {
                case_id: new_id(&mut self.random),
                kind: REQUEST,
                original_id: NO_ID,
                opener: *self.plan.code.bytes(),
                responder,
                amount: 1,
                currency: CURRENCIES[0],
                amount_form: AmountForm::Fixed as u8,
                reason: [0; 4],
                expires_at_ns,
            };
            self.send_case(&asked, around);
        }
    }

    /// A case about a payment, to its other provider, with no amount.
    fn draw_case(&mut self, case_kind: u8, original: Id, around: &Around<'_>) -> CaseOpen {
        let rules = &around.plan.rules;
        let longest_ns = match case_kind {
            RECALL => rules.recall_answer_ns,
            INFORMATION => rules.information_answer_ns,
            _ => rules.request_expiry_max_ns,
        };
        let journal_ns = (START_NS + around.now_ns).saturating_add_signed(around.journal_lead_ns);
        let expires_at_ns = match self.random.below(100) {
            0..60 => 0,
            60..65 => journal_ns - self.random.below(NS_PER_MS * 100),
            65..72 => journal_ns + longest_ns + NS_PER_MS + self.random.below(3_000 * NS_PER_MS),
            _ => journal_ns + self.random.between(50 * NS_PER_MS, longest_ns.max(60 * NS_PER_MS)),
        };
        let other = around.auditor.payment(original).and_then(|payment| {
            let place = if payment.sender == self.place { payment.payee } else { Some(payment.sender) };
            place.map(|place| *around.plan.providers[place].code.bytes())
        });
        let stranger = draw_payee(self.place, around.plan, &mut self.random);
        let responder = if self.random.percent(4) { stranger } else { other.unwrap_or(stranger) };
        let opener = if self.random.percent(2) { stranger } else { *self.plan.code.bytes() };
        CaseOpen {
            case_id: new_id(&mut self.random),
            kind: case_kind,
            original_id: original,
            opener,
            responder,
            amount: 0,
            currency: [0; 3],
            amount_form: AmountForm::None as u8,
            reason: *b"DUPL",
            expires_at_ns: expires_at_ns / NS_PER_MS * NS_PER_MS,
        }
    }

    fn send_case(&mut self, asked: &CaseOpen, around: &mut Around<'_>) {
        let mut routing = Vec::new();
        asked.write(&mut routing);
        let fields = self.draw_private(asked.case_id);
        let private = if self.random.percent(20) { Vec::new() } else { wire::write_private(&fields, 0) };
        self.send_new(Message { kind: MessageKind::CaseOpen, routing, private }, around);
    }

    /// A return or the opening of a case, of which it wants to know what became.
    fn send_new(&mut self, message: Message, around: &mut Around<'_>) {
        let id = wire::array(&message.routing, 0);
        around.ids.push(id);
        self.submit_message(&message, Ticket::Order(id), around);
        if self.random.percent(8) {
            let again_ns = around.now_ns + self.random.below(3_000) * NS_PER_MS;
            self.orders_due.insert((again_ns, id));
        }
        self.sent.push(id);
        self.sent_messages.insert(id, message.clone());
        self.open.insert(id, message);
    }

    /// Pays a request, as it is asked or otherwise; now and then twice at once.
    fn pay_any_request(&mut self, around: &mut Around<'_>) {
        let own = self.some_case(|case| !case.is_opener && case.routing.get(16) == Some(&REQUEST));
        let own = own.map(|(id, _)| id);
        let any = if self.random.percent(10) { self.some_id(around) } else { None };
        if let Some(id) = any.or(own) {
            self.pay_request(id, around);
        }
    }

    fn pay_request(&mut self, id: Id, around: &mut Around<'_>) {
        let routing = self.cases.get(&Subject::Case(id)).map(|case| case.routing.clone());
        let asked = routing.and_then(|routing| wire::case_open(&routing)).filter(|asked| asked.kind == REQUEST);
        let new = new_id(&mut self.random);
        let mut order = CreditTransfer { request_id: id, ..self.draw_order(new, around) };
        if let Some(asked) = asked {
            order.amount = match self.random.below(100) {
                0..80 => asked.amount,
                80..90 => self.random.between(1, asked.amount),
                _ => asked.amount + 1,
            };
            order.currency = if self.random.percent(3) { CURRENCIES[1] } else { asked.currency };
            order.payee = if self.random.percent(5) { order.payee } else { asked.opener };
        }
        self.place_order(&order, around);
        if self.random.percent(25) {
            let second = new_id(&mut self.random);
            self.place_order(&CreditTransfer { payment_id: second, lane: Lane::Payments as u8, ..order }, around);
        }
    }

    /// Takes a case back: mostly one that it has opened.
    fn cancel_some(&mut self, around: &mut Around<'_>) {
        let is_wrong = self.random.percent(20);
        let Some((id, _)) = self.some_case(|case| case.is_opener != is_wrong) else { return };
        self.cancel_case(id, around);
    }

    pub(super) fn cancel_case(&mut self, id: Id, around: &mut Around<'_>) {
        let Some(case) = PaymentId::from_bytes(id) else { return };
        let mut routing = Vec::new();
        CaseCancel { case_id: case.bytes(), reason: *b"CUST" }.write(&mut routing);
        self.submit_input(MessageKind::CaseCancel, routing, around);
    }

    /// Answers a case, whoever was asked and however often.
    fn answer_some(&mut self, around: &mut Around<'_>) {
        let is_wrong = self.random.percent(20);
        let Some((id, _)) = self.some_case(|case| case.is_opener == is_wrong) else { return };
        let accepts = self.random.percent(50);
        self.answer_case(id, accepts, around);
    }

    pub(super) fn answer_case(&mut self, id: Id, accepts: bool, around: &mut Around<'_>) {
        let Some(case) = PaymentId::from_bytes(id) else { return };
        let answer = if accepts { CaseAnswer::accept(case) } else { CaseAnswer::refuse(case, Reason::of(b"LEGL")) };
        let mut routing = Vec::new();
        answer.write(&mut routing);
        self.submit_input(MessageKind::CaseAnswer, routing, around);
    }

    fn submit_input(&mut self, message_kind: MessageKind, routing: Vec<u8>, around: &mut Around<'_>) {
        let private = self.draw_note(wire::array(&routing, 0));
        self.submit_message(&Message { kind: message_kind, routing, private }, Ticket::Answer, around);
    }

    /// In a case of others, or in one that is none.
    pub(super) fn meddle_in_a_case(&mut self, around: &mut Around<'_>) {
        let Some(id) = self.some_id(around) else { return };
        if self.random.percent(50) {
            self.cancel_case(id, around);
        } else {
            let accepts = self.random.percent(50);
            self.answer_case(id, accepts, around);
        }
    }

    /// Something that it has sent at any time comes again, as it was or changed.
    fn repeat_some(&mut self, around: &mut Around<'_>) {
        let Some(place) = self.sent.len().checked_sub(1).map(|most| self.random.index(most + 1)) else { return };
        let id = self.sent[place];
        let Some(mut message) = self.sent_messages.get(&id).cloned() else { return };
        if self.random.percent(40) {
            // The reason: any other code has the right form.
            let at = if message.kind == MessageKind::Return { 59 } else { 115 };
            if message.routing[at] == 0 {
                return;
            }
            message.routing[at] = b'Z';
        }
        self.submit_message(&message, Ticket::Order(id), around);
    }

    fn ask_about_old(&mut self, around: &mut Around<'_>) {
        let place = self.random.index(self.sent.len().max(1));
        if let Some(id) = self.sent.get(place).copied() {
            self.ask(id, around);
        }
    }
}

/// When it is asked and told.
impl Provider {
    pub(super) fn asked_in_case(&mut self, routing: Vec<u8>, around: &Around<'_>) {
        let Some(asked) = wire::case_open(&routing) else { return };
        let case = self.cases.entry(Subject::Case(asked.id)).or_default();
        let is_new = case.routing.is_empty();
        case.routing = routing;
        if is_new && case.last.is_none() {
            // The last field of what is forwarded is the deadline.
            let brink_ns = asked.expires_at_ns.saturating_sub(START_NS).saturating_add_signed(-around.journal_lead_ns);
            self.draw_casework(Subject::Case(asked.id), brink_ns, around);
        }
    }

    /// When it does something about a case: soon, at the last moment, or never.
    fn draw_casework(&mut self, subject: Subject, brink_ns: u64, around: &Around<'_>) {
        if around.plan.is_flood_of_requests && self.random.percent(85) {
            // A stream of answers about the deadline: half is in time.
            let early_ns = self.random.below(120 * NS_PER_MS);
            let at_ns = (brink_ns + 60 * NS_PER_MS).saturating_sub(self.plan.distances_ns[0] + early_ns);
            self.cases_due.insert((at_ns, subject));
            return;
        }
        let at_ns = match self.random.below(100) {
            0..12 => return,
            12..24 => brink_ns.saturating_sub(self.plan.distances_ns[0] + self.random.below(4 * NS_PER_MS)),
            _ => around.now_ns + self.random.around(700 * NS_PER_MS),
        };
        self.cases_due.insert((at_ns, subject));
    }

    pub(super) fn told_of_case(&mut self, status: wire::CaseStatus, around: &mut Around<'_>) -> Result<(), String> {
        let id = status.id;
        if matches!(status.state, state::UNKNOWN | state::DUPLICATE) {
            return Ok(());
        }
        let is_posting = status.kind == CaseKind::Posting as u8;
        let subject = if is_posting { Subject::Posting(id) } else { Subject::Case(id) };
        let own = if is_posting { None } else { self.open.remove(&id) };
        let case = self.cases.entry(subject).or_default();
        if let Some(own) = own {
            (case.routing, case.is_opener) = (own.routing, true);
        }
        let is_final = |status: &wire::CaseStatus| status.state >= state::SETTLED;
        match case.last {
            Some(last) if is_final(&last) && is_final(&status) && last != status => {
                return Err(format!("{} was told two ends of one case: {last:?} and {status:?}", self.plan.code));
            }
            // What is told once more from the start is older.
            Some(last) if last.position >= status.position => {}
            _ => {
                let is_first = case.last.is_none();
                case.last = Some(status);
                let brink_ns = status.at_ns.saturating_sub(START_NS).saturating_add_signed(-around.journal_lead_ns);
                let is_asked = is_posting && self.asked.contains_key(&id);
                if is_first && is_asked && status.state == state::OPEN {
                    self.draw_casework(subject, brink_ns, around);
                }
            }
        }
        Ok(())
    }

    pub(super) fn do_casework_due(&mut self, around: &mut Around<'_>) {
        while let Some(&(at_ns, subject)) = self.cases_due.first() {
            if at_ns > around.now_ns || !self.has_room() || around.is_draining {
                return;
            }
            self.cases_due.pop_first();
            match subject {
                Subject::Posting(id) if self.random.percent(70) => self.answer_case(id, true, around),
                Subject::Posting(id) => self.return_some(id, NO_ID, around),
                Subject::Case(id) => self.work_on_case(id, around),
                Subject::Payment(_) => {}
            }
        }
    }

    fn work_on_case(&mut self, id: Id, around: &mut Around<'_>) {
        let case = self.cases.get(&Subject::Case(id)).and_then(|case| wire::case_open(&case.routing));
        let Some(asked) = case else { return };
        match (asked.kind, self.random.below(100)) {
            (RECALL, 0..35) => self.answer_case(id, false, around),
            (RECALL, 35..42) => self.answer_case(id, true, around),
            (RECALL, _) => self.return_some(asked.original, id, around),
            (INFORMATION, chance) => self.answer_case(id, chance < 70, around),
            (_, 0..20) => self.answer_case(id, false, around),
            (_, 20..65) => {
                self.answer_case(id, true, around);
                if self.random.percent(80) {
                    let at_ns = around.now_ns + self.random.around(700 * NS_PER_MS);
                    self.cases_due.insert((at_ns, Subject::Case(id)));
                }
            }
            _ => self.pay_request(id, around),
        }
    }
}

/// What it knows.
impl Provider {
    /// A case in which it has a part: an open one, or any.
    fn some_case(&mut self, is_apt: impl Fn(&KnownCase) -> bool) -> Option<(Id, Option<wire::CaseStatus>)> {
        let is_open = |case: &KnownCase| case.last.is_none_or(|last| last.state < state::SETTLED);
        let wants_open = self.random.percent(70);
        let apt = self.cases.iter().filter(|(_, case)| is_apt(case) && (!wants_open || is_open(case)));
        let apt: Vec<(Subject, Option<wire::CaseStatus>)> = apt.map(|(subject, case)| (*subject, case.last)).collect();
        let place = apt.len().checked_sub(1).map(|most| self.random.index(most + 1))?;
        let (Subject::Payment(id) | Subject::Case(id) | Subject::Posting(id), last) = apt[place];
        Some((id, last))
    }

    /// An open recall of this payment that waits for it.
    fn recall_of(&self, original: Id) -> Option<Id> {
        let mut recalls = self.cases.iter().filter(|(_, case)| {
            let is_open = case.last.is_none_or(|last| last.state < state::SETTLED);
            let is_recall = case.routing.get(16) == Some(&RECALL) && case.routing.get(17..33) == Some(&original);
            !case.is_opener && is_open && is_recall
        });
        recalls.find_map(|(subject, _)| if let Subject::Case(id) = subject { Some(*id) } else { None })
    }

    /// A payment to be returned or asked about: one that it has paid or was paid, of any age; now and then one that is none of that.
    fn draw_original(&mut self, is_payer: bool, around: &mut Around<'_>) -> Id {
        let chance = self.random.below(100);
        match chance {
            0..3 => return new_id(&mut self.random),
            3..7 => return self.some_id(around).unwrap_or_else(|| new_id(&mut self.random)),
            _ => {}
        }
        let wants_other = (7..11).contains(&chance);
        let wants_return = (11..14).contains(&chance);
        let is_apt = |id: &&Id| {
            around.auditor.payment(**id).is_some_and(|payment| {
                let is_its = if is_payer != wants_other { payment.sender } else { payment.payee.unwrap_or(usize::MAX) };
                is_its == self.place && payment.is_return == wants_return && (wants_return || payment.is_committed())
            })
        };
        let apt: Vec<Id> = self.finals.keys().chain(&self.sent).filter(is_apt).copied().collect();
        match apt.len() {
            0 => new_id(&mut self.random),
            length => apt[self.random.index(length)],
        }
    }

    fn draw_note(&mut self, id: Id) -> Vec<u8> {
        let mut note = Vec::new();
        if self.random.percent(70) {
            Note { text: format!("SECRET note {}", hex(&id)).into_bytes(), extension: Vec::new() }.write(&mut note);
        }
        note
    }
}
