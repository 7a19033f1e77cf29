//! A simulated provider: the real client of one connection or two, a character, and a memory, as if on disk, of what it ordered, was asked and was told.

mod aliases;
mod casework;
mod conduct;
mod lines;
mod orders;
mod signs;
mod standing;

use std::collections::{BTreeMap, BTreeSet};

use adapters::message::{Answer, MessageKind, Note, Part, PaymentId, Reason, StatusRequest};
use adapters::native::pair::ClientPair;
use adapters::native::session::{Event as Heard, Resume, UnacknowledgedMax};

use super::auditor::{Auditor, Deliveries, Subject, outcome, state};
use super::coverage::Coverage;
use super::network::Network;
use super::plan::{ALIASES_SEED, Character, NS_PER_S, Plan, ProviderPlan, START_NS};
use super::queue::Queue;
use super::random::Random;
use super::wire::{self, Id, kind};
use crate::limits::NS_PER_MS;
use aliases::AliasConduct;
use lines::Line;
use signs::Signs;
use standing::StandingConduct;

/// What a slow provider reads each time it looks.
const SLOW_READ_BYTES: usize = 100;

/// A provider's share of what the whole run owns, while it acts.
pub(super) struct Around<'a> {
    pub(super) now_ns: u64,
    pub(super) plan: &'a Plan,
    pub(super) network: &'a mut Network,
    pub(super) queue: &'a mut Queue,
    pub(super) auditor: &'a mut Auditor,
    pub(super) deliveries: &'a mut Deliveries,
    pub(super) coverage: &'a mut Coverage,
    /// So far is journal time ahead of the true time: whoever answers at the last moment has found out.
    pub(super) journal_lead_ns: i64,
    /// Orders and mischief that may still be begun, over all providers.
    pub(super) operations_left: &'a mut u64,
    /// Faults are over, nothing new is begun.
    pub(super) is_draining: bool,
    /// Ids that were ordered, by anybody.
    pub(super) ids: &'a mut Vec<Id>,
}

/// Something that it has sent: an order, a return, or the opening of a case.
#[derive(Clone)]
struct Message {
    kind: MessageKind,
    routing: Vec<u8>,
    private: Vec<u8>,
}

/// A payment that it was asked to take.
struct Asked {
    answer: Option<(Vec<u8>, Vec<u8>)>,
}

/// A case in which it has a part.
#[derive(Default)]
struct KnownCase {
    /// As it was opened, or forwarded; nothing of a posting follow-up.
    routing: Vec<u8>,
    is_opener: bool,
    last: Option<wire::CaseStatus>,
}

/// What a submission was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ticket {
    /// An order, a return, or the opening of a case.
    Order(Id),
    /// A command, a look-up, an order that names an alias, or a question about its own.
    Alias(Id),
    Answer,
    Question,
    /// A `SignOff`, or a `SignOn`.
    Sign(bool),
    /// To be refused.
    Malformed,
}

/// See the module.
pub(super) struct Provider {
    pub(super) plan: ProviderPlan,
    place: usize,
    random: Random,
    pair: ClientPair,
    /// As many as the pair has sessions.
    lines: Vec<Line>,
    /// What is drawn about two lines.
    of_lines: Random,
    signs: Signs,
    of_signs: Random,
    standing: StandingConduct,
    next_order_ns: u64,
    aliases: AliasConduct,
    frozen_until_ns: u64,
    /// What it has sent, and does not know what became of it.
    open: BTreeMap<Id, Message>,
    asked: BTreeMap<Id, Asked>,
    finals: BTreeMap<Id, wire::Status>,
    answers_due: BTreeSet<(u64, Id)>,
    /// Returns and openings of cases, of all time.
    sent: Vec<Id>,
    sent_messages: BTreeMap<Id, Message>,
    cases: BTreeMap<Subject, KnownCase>,
    /// What it does about cases, and when.
    cases_due: BTreeSet<(u64, Subject)>,
    orders_due: BTreeSet<(u64, Id)>,
    /// By slot and ticket.
    tickets: BTreeMap<(usize, u64), Ticket>,
    /// What of its cursors is on disk: it may be older than what it has seen.
    stored: Resume,
    next_store_ns: u64,
    next_retry_ns: u64,
    has_lied: bool,
    has_flooded: bool,
}

impl Provider {
    pub(super) fn new(place: usize, plan: &Plan, mut random: Random) -> Provider {
        let provider = plan.providers[place].clone();
        let next_order_ns = random.around(provider.order_gap_ns);
        Provider {
            place,
            pair: pair(&provider, plan, Resume::FROM_THE_START),
            lines: provider.distances_ns.iter().map(|_| Line::default()).collect(),
            of_lines: Random::new(provider.lines_seed),
            signs: Signs::default(),
            of_signs: Random::new(!provider.lines_seed),
            standing: StandingConduct::new(provider.lines_seed),
            plan: provider,
            random,
            next_order_ns,
            aliases: AliasConduct::new(!plan.providers[place].lines_seed ^ ALIASES_SEED),
            frozen_until_ns: 0,
            open: BTreeMap::new(),
            asked: BTreeMap::new(),
            finals: BTreeMap::new(),
            answers_due: BTreeSet::new(),
            sent: Vec::new(),
            sent_messages: BTreeMap::new(),
            cases: BTreeMap::new(),
            cases_due: BTreeSet::new(),
            orders_due: BTreeSet::new(),
            tickets: BTreeMap::new(),
            stored: Resume::FROM_THE_START,
            next_store_ns: 0,
            next_retry_ns: 0,
            has_lied: false,
            has_flooded: false,
        }
    }

    /// Looks around and acts; returns when to look again.
    pub(super) fn tick(&mut self, around: &mut Around<'_>) -> Result<u64, String> {
        if around.now_ns >= self.frozen_until_ns || around.is_draining {
            self.connect_if_due(around)?;
            self.take_over(around);
            self.read_all(around)?;
            self.sign_if_due(around);
            self.submit_due(around);
            self.order_if_due(around);
            self.use_aliases_if_due(around);
            self.ask_where_it_stands_if_due(around);
            self.flood_if_due(around);
            self.misbehave(around);
            if around.is_draining {
                self.settle(around);
            }
            self.keep_alive(around);
            self.send(around);
        }
        let pause_ms = match (self.plan.character, around.plan.is_flooded(around.now_ns)) {
            (Character::Slow, _) => 60,
            (_, false) => 15,
            // A stream of answers, and no bursts.
            (_, true) => 1,
        };
        Ok(around.now_ns + self.random.between(1, pause_ms) * NS_PER_MS)
    }

    /// Is the provider's side of everything finished?
    pub(super) fn is_settled(&self, auditor: &Auditor) -> Result<(), String> {
        let code = &self.plan.code;
        let number = u32::try_from(self.place + 1).unwrap_or(u32::MAX);
        if !auditor.scheme().can_connect(number, auditor.time_ns() / NS_PER_S) {
            return Ok(());
        }
        if !self.is_whole() {
            return Err(format!("{code} is not connected"));
        }
        self.is_sign_settled(auditor)?;
        if let Some((id, message)) = self.open.iter().next() {
            return Err(format!("{code} does not know what became of its {:?} {}", message.kind, hex(id)));
        }
        let is_over = |case: &KnownCase| case.last.is_some_and(|last| last.state >= state::SETTLED);
        if let Some((id, message)) = self.aliases.open.iter().next() {
            return Err(format!("{code} does not know what became of its {:?} {}", message.kind, hex(id)));
        }
        if let Some((subject, _)) = self.cases.iter().find(|(_, case)| !is_over(case)) {
            return Err(format!("{code} does not know how a case ended: {subject:?}"));
        }
        if let Some(id) = self.asked.keys().find(|id| !self.finals.contains_key(*id)) {
            return Err(format!("{code} was asked to take {}, and does not know how it ended", hex(id)));
        }
        if self.pair.unacknowledged() > 0 {
            return Err(format!("{} frames of {code} are not acknowledged", self.pair.unacknowledged()));
        }
        let (seen, told) = (self.pair.resume().seen, auditor.told_counts(self.place));
        if seen != told {
            return Err(format!("{code} has seen {seen:?} of {told:?} messages"));
        }
        Ok(())
    }

    /// The ends that it knows.
    pub(super) fn finals(&self) -> &BTreeMap<Id, wire::Status> {
        &self.finals
    }

    /// How a case ended, as far as it knows.
    pub(super) fn case_end(&self, subject: Subject) -> Option<wire::CaseStatus> {
        self.cases.get(&subject)?.last.filter(|last| last.state >= state::SETTLED)
    }

    /// Faults are over: it wakes up, and tries everything again at once.
    pub(super) fn heal(&mut self) {
        self.frozen_until_ns = 0;
        self.heal_lines();
        self.next_retry_ns = 0;
    }

    /// It starts anew, with what it had stored; perhaps with less.
    pub(super) fn restart(&mut self, resume: Resume, around: &mut Around<'_>) {
        let quietly = self.random.percent(50);
        self.disconnect_all(quietly, around);
        around.coverage.count("provider restarted");
        if resume != self.stored {
            around.coverage.count("provider lost its memory");
        }
        self.begin_life(resume, around);
        self.sign_again();
        self.settle_aliases(around);
        let ids: Vec<Id> = self.open.keys().copied().collect();
        self.orders_due = ids.into_iter().map(|id| (around.now_ns, id)).collect();
        let asked = self.asked.iter().filter(|(id, asked)| asked.answer.is_some() && !self.finals.contains_key(*id));
        self.answers_due.extend(asked.map(|(id, _)| (around.now_ns, *id)));
    }

    /// Its clock is set: so far from the true time.
    pub(super) fn set_clock(&mut self, offset_ns: i64) {
        self.plan.clock_offset_ns = offset_ns;
    }

    fn take(&mut self, slot: usize, news: News, around: &mut Around<'_>) -> Result<(), String> {
        match news {
            News::Forward(id, deadline_ns) => self.asked_to_take(id, deadline_ns, around),
            News::Status(status) => return self.told(status),
            News::CaseForward(routing) => self.asked_in_case(routing, around),
            News::CaseStatus(status) => return self.told_of_case(status, around),
            News::Acknowledged(through) => return self.acknowledged(slot, through, around),
            News::AliasSettled(id) => self.alias_settled(id),
            News::OwnTold(id, after) => self.told_of_own(id, after, around),
            News::AliasCommanded(id, position) => {
                self.alias_commanded(position);
                self.alias_settled(id);
            }
            News::Refused { code, ticket } => return self.refused(code, (slot, ticket), around),
            News::StandingTold(standing) => around.coverage.count(match standing {
                1 => "own account told",
                2 => "account of a sponsor not told",
                _ => "no account told",
            }),
            News::Other => {}
        }
        Ok(())
    }

    fn asked_to_take(&mut self, id: Id, deadline_ns: u64, around: &mut Around<'_>) {
        if self.finals.contains_key(&id) || self.asked.contains_key(&id) {
            return;
        }
        self.asked.insert(id, Asked { answer: None });
        let timeout_ns = around.plan.rules.timeout_ns;
        let think_ns = match self.plan.character {
            Character::Slow => self.random.below(timeout_ns + timeout_ns / 4),
            Character::Disordered => self.random.below(timeout_ns / 2),
            _ => self.random.around(40 * NS_PER_MS),
        };
        // At the last moment: the answer is under way when the deadline comes. In a flood, a stream of them is: half is in time.
        let (brink_percent, early_ms, late_ms) =
            if around.plan.flood_at_ns.is_some() { (85, 60, 60) } else { (5, 3, 0) };
        let brink_ns = deadline_ns.saturating_sub(START_NS).saturating_add_signed(-around.journal_lead_ns);
        let brink_ns = (brink_ns + late_ms * NS_PER_MS).saturating_sub(self.plan.distances_ns[0]);
        let at_ns = match self.random.below(100) {
            0..3 => return,
            chance if chance < 3 + brink_percent => {
                brink_ns.saturating_sub(self.random.below((early_ms + late_ms) * NS_PER_MS))
            }
            _ => around.now_ns + think_ns,
        };
        self.answers_due.insert((at_ns, id));
    }

    fn told(&mut self, status: wire::Status) -> Result<(), String> {
        let id = status.id;
        if matches!(status.outcome, outcome::COMMITTED | outcome::REJECTED | outcome::EXPIRED) {
            let known = *self.finals.entry(id).or_insert(status);
            if known != status {
                return Err(format!("{} was told two ends of one payment: {known:?} and {status:?}", self.plan.code));
            }
            self.open.remove(&id);
            self.alias_settled(id);
        }
        Ok(())
    }

    fn acknowledged(&mut self, slot: usize, through: u64, around: &Around<'_>) -> Result<(), String> {
        let mut signs = Vec::new();
        self.tickets.retain(|&(of, number), ticket| {
            let is_open = of != slot || number > through;
            if let (false, Ticket::Sign(is_off)) = (is_open, &ticket) {
                signs.push(*is_off);
            }
            is_open
        });
        signs.into_iter().try_for_each(|is_off| self.sign_acknowledged(is_off, around.auditor))
    }

    fn refused(&mut self, code: u16, ticket: (usize, u64), around: &mut Around<'_>) -> Result<(), String> {
        // Replaced, too slow, and what the operator decides about it; whether that is so, the invariant of the door says.
        const FATAL_WITHOUT_BLAME: [u16; 5] = [12, 13, 10, 16, 17];
        // Busy, shutting down, too many at once.
        let is_busy = matches!(code, 7 | 8 | 15);
        match self.tickets.remove(&ticket) {
            // Cases may stay open for long, and there is room for few: who comes too late gives up.
            Some(Ticket::Order(id)) if is_busy && around.is_draining && self.is_opening(id) => {
                self.open.remove(&id);
            }
            Some(Ticket::Order(id)) if is_busy => {
                let again_ns = around.now_ns + (50 + self.random.below(1_000)) * NS_PER_MS;
                self.orders_due.insert((again_ns, id));
            }
            Some(Ticket::Alias(id)) => return self.alias_refused(id, code, around),
            // An answer that a payment waits for is never refused so: the invariant of acknowledgements looks at that.
            Some(Ticket::Question | Ticket::Answer) if is_busy => {}
            Some(Ticket::Malformed) => {}
            Some(ticket) => {
                return Err(format!("{}: {ticket:?} was refused with code {code}", self.plan.code));
            }
            None if self.has_lied || FATAL_WITHOUT_BLAME.contains(&code) => {}
            None => return Err(format!("{} was refused with code {code} for nothing", self.plan.code)),
        }
        Ok(())
    }

    fn is_opening(&self, id: Id) -> bool {
        self.open.get(&id).is_some_and(|message| message.kind == MessageKind::CaseOpen)
    }

    /// Answers and orders whose time has come.
    fn submit_due(&mut self, around: &mut Around<'_>) {
        while let Some(&(at_ns, id)) = self.answers_due.first() {
            if at_ns > around.now_ns || !self.has_room() {
                break;
            }
            self.answers_due.pop_first();
            self.answer(id, around);
        }
        while let Some(&(at_ns, id)) = self.orders_due.first() {
            if at_ns > around.now_ns || !self.has_room() {
                break;
            }
            self.orders_due.pop_first();
            if let Some(order) = self.open.get(&id) {
                let message = order.clone();
                self.submit_message(&message, Ticket::Order(id), around);
            }
        }
        self.do_casework_due(around);
    }

    /// The same answer each time, unless it changes its mind.
    fn answer(&mut self, id: Id, around: &mut Around<'_>) {
        if self.finals.contains_key(&id) && !self.random.percent(5) {
            return;
        }
        let has_postings = around.plan.rules.posting_follow_up_ns > 0;
        let Some(asked) = self.asked.get_mut(&id) else { return };
        let Some(payment) = PaymentId::from_bytes(id) else { return };
        let (routing, note) = asked.answer.get_or_insert_with(|| {
            let answer = match self.random.below(10) {
                0 | 1 => Answer::reject(payment, Reason::of(b"AC04")),
                2 if has_postings || self.random.percent(10) => Answer::accept_without_posting(payment),
                _ => Answer::accept(payment),
            };
            let (mut routing, mut note) = (Vec::new(), Vec::new());
            answer.write(&mut routing);
            if self.random.percent(70) {
                Note { text: format!("SECRET answer {}", hex(&id)).into_bytes(), extension: Vec::new() }
                    .write(&mut note);
            }
            (routing, note)
        });
        let (routing, note) = (routing.clone(), note.clone());
        self.submit_answer(&routing, &note, around);
    }

    fn submit_answer(&mut self, routing: &[u8], note: &[u8], around: &mut Around<'_>) {
        if let Ok(ticket) = self.pair.submit_raw(MessageKind::Answer, routing, note) {
            around.auditor.sent(kind::ANSWER, self.place, routing, note);
            self.tickets.insert((ticket.slot, ticket.ticket), Ticket::Answer);
        }
    }

    fn submit_order(&mut self, routing: &[u8], private: &[u8], ticket: Ticket, around: &mut Around<'_>) {
        let (routing, private) = (routing.to_vec(), private.to_vec());
        self.submit_message(&Message { kind: MessageKind::CreditTransfer, routing, private }, ticket, around);
    }

    fn submit_message(&mut self, message: &Message, ticket: Ticket, around: &mut Around<'_>) {
        let Message { kind, routing, private } = message;
        if let Ok(at) = self.pair.submit_raw(*kind, routing, private) {
            around.auditor.sent(*kind as u8, self.place, routing, private);
            self.tickets.insert((at.slot, at.ticket), ticket);
        }
    }

    fn ask(&mut self, id: Id, around: &mut Around<'_>) {
        let mut question = Vec::new();
        StatusRequest { payment_id: id }.write(&mut question);
        if self.submit_question(MessageKind::StatusRequest, &question) {
            around.coverage.count("status asked");
        }
    }

    /// A question that nobody waits for where it is refused. False where there is no room.
    fn submit_question(&mut self, kind: MessageKind, routing: &[u8]) -> bool {
        let submitted = self.pair.submit_raw(kind, routing, &[]);
        if let Ok(at) = submitted {
            self.tickets.insert((at.slot, at.ticket), Ticket::Question);
        }
        submitted.is_ok()
    }

    /// While everything comes to its end: whatever is not known is asked for and sent again, every two seconds.
    fn settle(&mut self, around: &mut Around<'_>) {
        if around.now_ns < self.next_retry_ns || !self.is_open() || self.pair.unacknowledged() > 0 {
            return;
        }
        self.next_retry_ns = around.now_ns + 2 * NS_PER_S;
        self.settle_aliases(around);
        self.orders_due.extend(self.open.keys().map(|id| (around.now_ns, *id)));
        let unknown: Vec<Id> = self.asked.keys().filter(|id| !self.finals.contains_key(*id)).copied().collect();
        for id in unknown {
            self.answers_due.insert((around.now_ns, id));
            self.ask(id, around);
        }
        let is_over = |case: &KnownCase| case.last.is_some_and(|last| last.state >= state::SETTLED);
        let unknown: Vec<Subject> = self.cases.iter().filter(|(_, case)| !is_over(case)).map(|(one, _)| *one).collect();
        for subject in unknown {
            if let Subject::Case(id) | Subject::Posting(id) = subject {
                self.ask(id, around);
            }
        }
        self.submit_due(around);
    }
}

/// What a connection brought, without its bytes.
enum News {
    Forward(Id, u64),
    Status(wire::Status),
    /// The routing part.
    CaseForward(Vec<u8>),
    CaseStatus(wire::CaseStatus),
    Acknowledged(u64),
    AliasSettled(Id),
    AliasCommanded(Id, u64),
    /// The answer to a question about its own entries, and where that goes on.
    OwnTold(Id, Option<u64>),
    /// Whose account it is.
    StandingTold(u8),
    Refused {
        code: u16,
        ticket: u64,
    },
    Other,
}

impl News {
    fn of(heard: &Heard<'_>) -> News {
        match heard {
            Heard::Forward { routing, .. } => News::Forward(routing.payment_id, routing.deadline_ns.to_native()),
            Heard::Status { routing, .. } => News::Status(wire::Status {
                id: routing.payment_id,
                outcome: routing.outcome,
                reason: routing.reason,
                field: routing.field,
                decided_at_ns: routing.decided_at_ns.to_native(),
                position: routing.position.to_native(),
            }),
            Heard::CaseForward { routing, .. } => News::CaseForward(casework::bytes_of(routing)),
            Heard::CaseStatus { routing, .. } => News::CaseStatus(wire::CaseStatus {
                id: routing.case_id,
                kind: routing.kind,
                state: routing.state,
                reason: routing.reason,
                field: routing.field,
                at_ns: routing.at_ns.to_native(),
                position: routing.position.to_native(),
            }),
            Heard::Acknowledged { through } => News::Acknowledged(*through),
            Heard::Refused { error, ticket, .. } => News::Refused { code: error.code.to_native(), ticket: *ticket },
            Heard::AliasResult { routing, .. } => {
                News::AliasCommanded(routing.command_id, routing.position.to_native())
            }
            Heard::AliasFound { routing, .. } => News::AliasSettled(routing.lookup_id),
            Heard::DirectoryAnswer { routing, .. } => {
                News::OwnTold(routing.query_id, (routing.has_more != 0).then(|| routing.after.to_native()))
            }
            Heard::AccountReport { routing } => News::StandingTold(routing.standing),
            Heard::Welcomed(_) | Heard::Returned { .. } | Heard::Echo { .. } | Heard::Numbered(..) => News::Other,
        }
    }
}

fn pair(provider: &ProviderPlan, plan: &Plan, resume: Resume) -> ClientPair {
    let max = UnacknowledgedMax { frames: plan.unacknowledged_max, ..UnacknowledgedMax::default() };
    ClientPair::new(provider.code, resume, max, provider.distances_ns.len())
}

/// A payment id as it is printed in findings.
pub(super) fn hex(id: &Id) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}
