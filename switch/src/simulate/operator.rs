//! The operator: commands at random, most of them sensible, some at the edge of a rule and some beyond. What it knows is what the auditor knows.

use std::collections::BTreeMap;

use super::auditor::{Auditor, Given};
use super::plan::{CURRENCIES, NS_PER_S, Plan, START_NS};
use super::random::Random;
use super::wire;
use crate::entry::{
    AgencySet, CalendarSet, CertificateSet, CutOff, EntryKind, FeesCollected, LimitsSet, LiquidityRulesSet,
    MoneyDecided, MoneyOrdered, SettlementStep, Signature, StandingSet, TariffRow, TariffSet, TermsSet,
    TransferAllowed, write_signed_command, write_tariff,
};
use crate::limits::{CUT_OFFS_PER_DAY_MAX, HOLIDAYS_MAX, OPERATOR_NAME_BYTES, REASON_TEXT_BYTES};

/// For whom the technical provider connects, mostly.
const AGENT_OF: u32 = 2;

/// A calendar's times are minutes; a run lasts for a few of them.
const START_MINUTE: u64 = START_NS / (60 * NS_PER_S) % 1_440;

/// What it remembers.
pub(super) struct Operator {
    random: Random,
    /// Commands so far: no two are the same entry.
    serial: u64,
    references: Vec<[u8; 16]>,
    /// The last order of money, to be given again.
    last_order: Option<MoneyOrdered>,
    /// Whose answer is awaited, by its ticket.
    awaited: BTreeMap<u64, Given>,
}

impl Operator {
    pub(super) fn new(random: Random) -> Operator {
        Operator { random, serial: 0, references: Vec::new(), last_order: None, awaited: BTreeMap::new() }
    }

    /// When it acts next.
    pub(super) fn next_ns(&mut self, now_ns: u64, gap_ns: u64) -> u64 {
        now_ns + 1 + self.random.around(gap_ns)
    }

    /// The switch has taken a command.
    pub(super) fn awaits(&mut self, ticket: u64, command: Given) {
        self.awaited.insert(ticket, command);
    }

    /// A command is answered: which. None where nobody waits for that.
    pub(super) fn answered(&mut self, ticket: u64) -> Option<Given> {
        self.awaited.remove(&ticket)
    }

    /// How many commands are not answered yet.
    pub(super) fn awaited(&self) -> usize {
        self.awaited.len()
    }

    /// The process has ended: nobody answers any more.
    pub(super) fn forget_awaited(&mut self) {
        self.awaited.clear();
    }

    /// A command, as it stands in the journal.
    pub(super) fn command(&mut self, plan: &Plan, auditor: &Auditor) -> Vec<u8> {
        let mut out = Vec::new();
        // What is settling wants to be settled, or all money would be held.
        if self.random.percent(if plan.is_settled { 35 } else { 0 }) && self.settle_on(plan, auditor, &mut out) {
            return out;
        }
        match self.random.below(100) {
            0..12 => self.set_standing(auditor, &mut out),
            12..22 => self.set_terms(plan, auditor, &mut out),
            22..25 => self.set_limits(plan, &mut out),
            25..45 => self.order_money(plan, auditor, &mut out),
            45..57 => self.decide_money(auditor, &mut out),
            57..63 => self.set_levels(plan, auditor, &mut out),
            63..68 => self.allow_transfer(plan, &mut out),
            68..78 => self.cut_off(&mut out),
            78..84 if !plan.is_settled => self.cut_off(&mut out),
            78..84 => self.step(plan, auditor, &mut out),
            84..87 => self.set_calendar(&mut out),
            87..92 => self.set_tariff(plan, auditor, &mut out),
            92..96 => {
                let currency = self.currency();
                let signature = self.signature();
                write_signed_command(&mut out, EntryKind::FeesCollected, &signature, &FeesCollected { currency });
            }
            96..98 => self.set_certificate(plan, auditor, &mut out),
            _ => {
                let technical = u32::try_from(plan.providers.len() + 1).unwrap_or(0);
                let technical = if self.random.percent(90) { technical } else { self.participant(plan) };
                let participant = if self.random.percent(80) { AGENT_OF } else { self.participant(plan) };
                let is_granted = *self.random.pick(&[1, 1, 1, 0, 2]);
                let command = AgencySet { technical, participant, is_granted };
                write_signed_command(&mut out, EntryKind::AgencySet, &self.signature(), &command);
            }
        }
        out
    }

    /// Two people, mostly; and a reason that no other command has.
    fn signature(&mut self) -> Signature {
        self.serial += 1;
        let mut signature = Signature {
            operator: [0; OPERATOR_NAME_BYTES],
            approver: [0; OPERATOR_NAME_BYTES],
            reason: [0; REASON_TEXT_BYTES],
        };
        let reason = format!("drill {}", self.serial).into_bytes();
        signature.reason[..reason.len()].copy_from_slice(&reason);
        let lacks = self.random.below(100);
        if lacks != 0 {
            signature.operator[..5].copy_from_slice(b"j.doe");
        }
        match lacks {
            1 => signature.approver[..5].copy_from_slice(b"j.doe"),
            2 => {}
            _ => signature.approver[..5].copy_from_slice(b"m.roe"),
        }
        signature
    }

    fn currency(&mut self) -> [u8; 3] {
        match self.random.below(100) {
            0..2 => *b"EUR",
            2..40 => CURRENCIES[0],
            _ => CURRENCIES[1],
        }
    }

    /// Now and then nobody.
    fn participant(&mut self, plan: &Plan) -> u32 {
        let count = plan.providers.len() as u64;
        let number =
            if self.random.percent(2) { *self.random.pick(&[0, count + 1, 99]) } else { self.random.between(1, count) };
        u32::try_from(number).unwrap_or(0)
    }

    /// Mostly those that are suspended are let in again: there is something to see only where payments go.
    fn set_standing(&mut self, auditor: &Auditor, out: &mut Vec<u8>) {
        let members = &auditor.scheme().members;
        let suspended = members.iter().position(|member| matches!(member.standing, 3..=5));
        let idle = (0..members.len()).rev().find(|place| members[*place].standing != 6 && !auditor.is_busy(*place));
        let (place, standing) = match suspended.filter(|_| self.random.percent(75)) {
            Some(place) => (place, 2),
            // Who is quiet may leave.
            None if idle.is_some() && self.random.percent(30) => (idle.unwrap_or(0), 6),
            None => (self.random.index(members.len()), *self.random.pick(&[3, 3, 4, 4, 5, 5, 2, 1, 9, 6, 6])),
        };
        let participant = u32::try_from(place + 1).unwrap_or(0);
        let participant = if self.random.percent(2) { 99 } else { participant };
        write_signed_command(out, EntryKind::StandingSet, &self.signature(), &StandingSet { participant, standing });
    }

    fn set_terms(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let (participant, currency) = (self.participant(plan), self.currency());
        let place = (participant as usize).wrapping_sub(1);
        let number = CURRENCIES.iter().position(|known| *known == currency).unwrap_or(0);
        let of = auditor.scheme().seats.get(place).map(|seats| seats[number]);
        let sponsor = plan.providers.get(place).and_then(|provider| provider.sponsor);
        let used = of.map_or(0, |seat| u64::try_from(seat.used()).unwrap_or(0));
        let random = &mut self.random;
        let amount_max = *random.pick(&[0, 0, 0, 300, 5_000]);
        let intraday_max = if random.percent(40) { used + random.below(3_000) } else { 0 };
        let mut net_debit_cap = 0;
        if plan.is_net[number] && sponsor.is_none() {
            net_debit_cap = *random.pick(&[1_000, 10_000, 100_000, 1_000_000]);
        }
        let mut sub_limit = if sponsor.is_some() { *random.pick(&[500, 3_000, 100_000]) } else { 0 };
        match random.below(50) {
            0 => sub_limit = 1,
            1 => net_debit_cap = 1,
            _ => {}
        }
        let is_offered = *random.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 0, 2]);
        let command =
            TermsSet { participant, currency, is_offered, amount_max, intraday_max, net_debit_cap, sub_limit };
        write_signed_command(out, EntryKind::TermsSet, &self.signature(), &command);
    }

    fn set_limits(&mut self, plan: &Plan, out: &mut Vec<u8>) {
        let participant = self.participant(plan);
        let in_flight_max = *self.random.pick(&[0, 0, 1_000_000, 40, 12, 3]);
        let orders_per_second = *self.random.pick(&[0, 0, 1_000_000, 100, 20]);
        let orders_burst = *self.random.pick(&[0, 0, 1_000_000, 4]);
        let command = LimitsSet { participant, in_flight_max, orders_per_second, orders_burst };
        write_signed_command(out, EntryKind::LimitsSet, &self.signature(), &command);
    }

    fn order_money(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let again = self.last_order.clone().filter(|_| self.random.percent(8));
        let command = again.unwrap_or_else(|| self.draw_order(plan, auditor));
        let is_changed = self.random.percent(3);
        let command = MoneyOrdered { amount: command.amount + u64::from(is_changed), ..command };
        self.last_order = Some(command.clone());
        self.references.push(command.reference);
        write_signed_command(out, EntryKind::MoneyOrdered, &self.signature(), &command);
    }

    fn draw_order(&mut self, plan: &Plan, auditor: &Auditor) -> MoneyOrdered {
        let (participant, currency) = (self.participant(plan), self.currency());
        let operation = *self.random.pick(&[1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 6, 7, 0]);
        let other = match (operation, self.random.percent(3)) {
            (5 | 6, false) => self.participant(plan),
            (_, true) => 1,
            _ => 0,
        };
        let number = CURRENCIES.iter().position(|known| *known == currency).unwrap_or(0);
        let is_known = (1..=plan.providers.len()).contains(&(participant as usize));
        let free = match operation {
            4 if is_known => auditor.scheme().reserve_of(number, participant),
            _ if is_known => auditor.scheme().free_of(number, participant),
            _ => 0,
        };
        let free = u64::try_from(free).unwrap_or(0);
        let amount = match self.random.below(20) {
            0 => free,
            1 => free + 1,
            2 => 0,
            3..6 => self.random.between(1, 50_000),
            _ => self.random.between(1, 1 + free / 20),
        };
        let mut reference = *b"operator\0\0\0\0\0\0\0\0";
        reference[8..].copy_from_slice(&(self.serial + 1).to_be_bytes());
        if self.random.percent(1) {
            (reference[6], reference[8]) = (0x40, 0x80);
        }
        MoneyOrdered { reference, operation, participant, other, currency, amount }
    }

    fn decide_money(&mut self, auditor: &Auditor, out: &mut Vec<u8>) {
        let prepared = auditor.scheme().prepared();
        let is_other = prepared.is_empty() || self.random.percent(10);
        let (reference, is_block) = match is_other {
            false => *self.random.pick(&prepared),
            true if self.references.is_empty() || self.random.percent(30) => ([7; 16], false),
            true => (*self.random.pick(&self.references), false),
        };
        let decision = match self.random.below(100) {
            0 => 9,
            1..70 if !is_block => 1,
            1..20 => 1,
            _ => 2,
        };
        let command = MoneyDecided { reference, decision };
        write_signed_command(out, EntryKind::MoneyDecided, &self.signature(), &command);
    }

    fn set_levels(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let (participant, currency) = (self.participant(plan), self.currency());
        let number = CURRENCIES.iter().position(|known| *known == currency).unwrap_or(0);
        let is_known = (1..=plan.providers.len()).contains(&(participant as usize));
        let free = if is_known { auditor.scheme().free_of(number, participant) } else { 0 };
        let free = u64::try_from(free).unwrap_or(0);
        let random = &mut self.random;
        let floor = free.saturating_sub(random.below(2_000)) + random.below(500);
        let target = floor + random.below(1_000);
        let ceiling = if random.percent(50) { target + random.below(2_000) } else { 0 };
        let is_automatic = u8::from(random.percent(60) && (number == 0 || random.percent(10)));
        let (floor, ceiling) = if random.percent(15) { (0, 0) } else { (floor, ceiling) };
        let target = if random.percent(4) { 0 } else { target };
        let command = LiquidityRulesSet { participant, currency, floor, target, ceiling, is_automatic };
        write_signed_command(out, EntryKind::LiquidityRulesSet, &self.signature(), &command);
    }

    fn allow_transfer(&mut self, plan: &Plan, out: &mut Vec<u8>) {
        let (from, to) = (self.participant(plan), self.participant(plan));
        let is_granted = *self.random.pick(&[1, 1, 1, 1, 1, 1, 0, 0, 2]);
        write_signed_command(
            out,
            EntryKind::TransferAllowed,
            &self.signature(),
            &TransferAllowed { from, to, is_granted },
        );
    }

    fn cycle(&mut self) -> u8 {
        *self.random.pick(&[1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3])
    }

    fn cut_off(&mut self, out: &mut Vec<u8>) {
        let is_of_payments = self.random.percent(50);
        let (currency, cycle) = if is_of_payments { (CURRENCIES[1], 1) } else { (self.currency(), self.cycle()) };
        write_signed_command(out, EntryKind::CutOff, &self.signature(), &CutOff { currency, cycle });
    }

    /// The next step of a window that is not settled. False where there is none.
    fn settle_on(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) -> bool {
        let cycles = auditor.scheme().cycles();
        let windows: Vec<_> =
            cycles.flat_map(|(at, cycle, _, list)| list.iter().map(move |of| (at, cycle, of))).collect();
        if windows.is_empty() {
            return false;
        }
        let &(currency, cycle, window) = self.random.pick(&windows);
        let open: Vec<u32> =
            window.nets.iter().filter(|(_, _, is_done)| !is_done).map(|(number, ..)| *number).collect();
        let (step, participant) = match (window.is_settling, self.random.below(100)) {
            (_, 0..4) => (3, 0),
            (false, _) => (1, 0),
            (true, 4..12) => (2, self.participant(plan)),
            (true, _) => (2, *self.random.pick(&open)),
        };
        let (currency, window) = (CURRENCIES[currency], window.number);
        let command = SettlementStep { currency, cycle, window, step, participant };
        write_signed_command(out, EntryKind::SettlementStep, &self.signature(), &command);
        true
    }

    /// Any step of any window.
    fn step(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let (currency, cycle) = (self.currency(), self.cycle());
        let mut cycles = auditor.scheme().cycles();
        let opened = cycles.find(|of| CURRENCIES[of.0] == currency && of.1 == cycle).map_or(1, |of| of.2);
        let window = u32::try_from(self.random.between(0, u64::from(opened) + 1)).unwrap_or(0);
        let step = *self.random.pick(&[1, 2, 2, 2, 3, 4]);
        let participant = if step == 2 || self.random.percent(5) { self.participant(plan) } else { 0 };
        let command = SettlementStep { currency, cycle, window, step, participant };
        write_signed_command(out, EntryKind::SettlementStep, &self.signature(), &command);
    }

    fn set_calendar(&mut self, out: &mut Vec<u8>) {
        let (currency, cycle) = (self.currency(), self.cycle());
        let mut times_min = [u16::MAX; CUT_OFFS_PER_DAY_MAX];
        for (place, minute) in (0..self.random.index(6)).zip(START_MINUTE + 1 + self.random.below(2)..) {
            times_min[place] = u16::try_from(minute).unwrap_or(u16::MAX);
        }
        if self.random.percent(4) {
            times_min.swap(0, 2);
        }
        let mut holidays = [0; HOLIDAYS_MAX];
        let today = u32::try_from(START_NS / (86_400 * NS_PER_S)).unwrap_or(0);
        holidays[0] = today + u32::from(!self.random.percent(15));
        let weekdays = *self.random.pick(&[127, 127, 127, 127, 31, 1, 2, 0, 128]);
        let from_ns = START_NS + self.random.below(90) * NS_PER_S;
        let command = CalendarSet { currency, cycle, weekdays, from_ns, times_min, holidays };
        write_signed_command(out, EntryKind::CalendarSet, &self.signature(), &command);
    }

    fn set_tariff(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let (next, last_ns) = auditor.scheme().next_tariff();
        let tariff = if self.random.percent(5) { next + 1 } else { next };
        let now_ns = auditor.time_ns().max(last_ns);
        let effective_at_ns = match self.random.below(10) {
            0 => last_ns.saturating_sub(1),
            1..5 => now_ns,
            5 => now_ns + 100 * NS_PER_S,
            _ => now_ns + self.random.below(5_000_000_000),
        };
        let mut rows = Vec::new();
        for _ in 0..self.random.index(7) {
            self.draw_bands(plan.rules.amount_max, &mut rows);
        }
        match (self.random.below(20), rows.last_mut()) {
            (0, Some(row)) => row.through -= 1,
            (1, Some(row)) => row.rounding = 5,
            (2, Some(row)) => row.currency = *b"EUR",
            _ => {}
        }
        let count = u16::try_from(rows.len()).unwrap_or(0);
        write_tariff(out, &self.signature(), &TariffSet { tariff, effective_at_ns, rows: count }, &rows);
    }

    /// Bands of a group that has none yet.
    fn draw_bands(&mut self, amount_max: u64, rows: &mut Vec<TariffRow>) {
        let random = &mut self.random;
        let to = if random.percent(65) { 1 } else { 2 };
        let bearer = if to == 1 { *random.pick(&[1, 2, 3, 3]) } else { *random.pick(&[1, 2]) };
        let (flow, currency) = (if random.percent(75) { 1 } else { 2 }, *random.pick(&CURRENCIES));
        let [payer_class, payee_class] = [0, 1].map(|_| *random.pick(&[0, 0, 1, 2]));
        let key = (flow, currency, payer_class, payee_class, to);
        if rows.iter().any(|row| (row.flow, row.currency, row.payer_class, row.payee_class, row.to) == key) {
            return;
        }
        let middle = random.between(1, 1_000);
        let bands =
            if random.percent(50) { vec![(1, amount_max)] } else { vec![(1, middle), (middle + 1, amount_max)] };
        for (from, through) in bands {
            let (fixed, parts_per_million) =
                (random.below(4), *random.pick(&[0, 500, 2_500, 5_000, 10_000, 333_333, 500_000]));
            let rounding = *random.pick(&[1, 2, 3, 4]);
            let fee_min = random.below(3);
            let fee_max = if random.percent(30) { fee_min + random.below(40) } else { 0 };
            rows.push(TariffRow {
                flow,
                payer_class,
                payee_class,
                currency,
                from,
                through,
                fixed,
                parts_per_million,
                rounding,
                fee_min,
                fee_max,
                bearer,
                to,
            });
        }
    }

    /// Most are good for ever; some are over soon, and a provider that has no other waits outside.
    fn set_certificate(&mut self, plan: &Plan, auditor: &Auditor, out: &mut Vec<u8>) {
        let participant = if self.random.percent(80) { 1 } else { self.participant(plan) };
        let fingerprint = [u8::try_from(self.random.below(40)).unwrap_or(0); 32];
        let is_valid = *self.random.pick(&[1, 1, 1, 1, 0, 1, 1, 0, 2]);
        let now_s = auditor.time_ns() / NS_PER_S;
        // Half of what is revoked is there, and now and then the last.
        let is_there = is_valid == 0 && fingerprint[0] % 2 == 0;
        let there = auditor.scheme().good_certificate(participant, now_s).filter(|_| is_there);
        let fingerprint = there.unwrap_or(fingerprint);
        let (not_before_s, not_after_s) = match self.random.below(25) {
            0 => (100, 0),
            1 => (100, 200),
            2..6 => (now_s, now_s + self.random.below(20)),
            6..9 => (now_s + self.random.below(10), u64::MAX),
            _ => (100, u64::MAX),
        };
        let command = CertificateSet { participant, fingerprint, not_before_s, not_after_s, is_valid };
        write_signed_command(out, EntryKind::CertificateSet, &self.signature(), &command);
    }
}

/// Kind, signature and content of a written command.
pub(super) fn parts(command: &[u8]) -> Option<Given> {
    let entries = wire::entries(command).ok()?;
    entries.first().map(|entry| (entry.kind, entry.annotation.to_vec(), entry.routing.to_vec()))
}
