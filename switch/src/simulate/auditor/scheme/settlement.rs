//! Windows: what was posted while one was open are its nets, whatever has happened since.

use super::super::super::wire;
use super::commands::currency_at;
use super::{Happened, Scheme, account, letters};

pub(super) const PAYMENTS: u8 = 1;
pub(super) const DISPUTES: u8 = 2;

const WINDOWS_MAX: usize = 32;
/// Eighteen digits move at once.
const MOVED_MAX: i128 = 999_999_999_999_999_999;
const NS_PER_MINUTE: u64 = 60_000_000_000;
const NS_PER_DAY: u64 = 1_440 * NS_PER_MINUTE;
const TIMES: usize = 48;
const HOLIDAYS: usize = 64;

mod event {
    pub(super) const CLOSED: u16 = 30;
    pub(super) const NET: u16 = 31;
    pub(super) const MISSED: u16 = 32;
    pub(super) const CALENDAR: u16 = 33;
    pub(super) const SHORT: u16 = 34;
    pub(super) const STARTED: u16 = 35;
    pub(super) const CONFIRMED: u16 = 36;
    pub(super) const SETTLED: u16 = 37;
    pub(super) const ABORTED: u16 = 38;
}

mod no {
    pub(super) const MEANINGLESS: u16 = 3;
    pub(super) const CYCLE_UNKNOWN: u16 = 50;
    pub(super) const WINDOW_UNKNOWN: u16 = 51;
    pub(super) const FINAL: u16 = 52;
    pub(super) const NOT_SETTLING: u16 = 53;
    pub(super) const SETTLING: u16 = 54;
    pub(super) const FULL: u16 = 55;
    pub(super) const UNFUNDED: u16 = 56;
    pub(super) const NET_UNKNOWN: u16 = 57;
    pub(super) const CONFIRMED: u16 = 58;
    pub(super) const DEBTORS_FIRST: u16 = 59;
    pub(super) const NET_TOO_LARGE: u16 = 60;
}

/// A window that is closed and not settled: who has which net, and is it confirmed?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super::super) struct Window {
    pub(in super::super::super) number: u32,
    pub(in super::super::super) is_settling: bool,
    pub(in super::super::super) nets: Vec<(u32, i128, bool)>,
    /// What debtors have brought that no creditor has taken.
    transit: i128,
}

/// A cycle of a currency.
pub(super) struct Cycle {
    currency: usize,
    cycle: u8,
    open_number: u32,
    calendar: Option<Calendar>,
    next_ns: Option<u64>,
    windows: Vec<Window>,
}

/// When windows close by themselves.
pub(super) struct Calendar {
    weekdays: u8,
    from_ns: u64,
    times_min: Vec<u16>,
    holidays: Vec<u32>,
}

impl Calendar {
    /// None where it means nothing.
    fn read(body: &[u8]) -> Option<Calendar> {
        let times: Vec<u16> = (0..TIMES).map(|place| wire::u16_at(body, 13 + 2 * place)).collect();
        let days: Vec<u32> = (0..HOLIDAYS).map(|place| wire::u32_at(body, 13 + 2 * TIMES + 4 * place)).collect();
        let used = |is_used: &dyn Fn(usize) -> bool, count: usize| (0..count).filter(|place| is_used(*place)).count();
        let (times_used, days_used) =
            (used(&|place| times[place] != u16::MAX, TIMES), used(&|place| days[place] != 0, HOLIDAYS));
        // What is not used stands at the end, and the rest grows and is a time of a day.
        let times_min: Vec<u16> = times[..times_used].to_vec();
        let holidays: Vec<u32> = days[..days_used].to_vec();
        let are_times = times_min.windows(2).all(|two| two[0] < two[1]) && times_min.iter().all(|time| *time < 1_440);
        let are_days = holidays.windows(2).all(|two| two[0] < two[1]) && !holidays.contains(&0);
        let weekdays = body[4];
        let has_times = weekdays == 0 || times_used > 0;
        (are_times && are_days && has_times && weekdays <= 127).then(|| Calendar {
            weekdays,
            from_ns: wire::u64_at(body, 5),
            times_min,
            holidays,
        })
    }

    /// The first cut-off behind a moment, and not before the calendar begins.
    fn next_after(&self, after_ns: u64) -> Option<u64> {
        let first_day = after_ns.max(self.from_ns) / NS_PER_DAY;
        (first_day..first_day + 1_000).find_map(|day| {
            let weekday = (day + 3) % 7;
            let is_free = self.weekdays >> weekday & 1 == 0 || self.holidays.iter().any(|free| u64::from(*free) == day);
            let times = self.times_min.iter().filter(|_| !is_free);
            let mut times = times.map(|time| day * NS_PER_DAY + u64::from(*time) * NS_PER_MINUTE);
            times.find(|at_ns| *at_ns > after_ns && *at_ns >= self.from_ns)
        })
    }
}

impl Scheme {
    /// What of a participant's settlement money is held for positions that are being settled.
    pub(in super::super::super) fn held_for(&self, currency: usize, owner: u32) -> i128 {
        let cycles = self.cycles.iter().filter(|cycle| cycle.currency == currency && cycle.cycle == PAYMENTS);
        let settling = cycles.flat_map(|cycle| &cycle.windows).filter(|window| window.is_settling);
        let nets = settling.flat_map(|window| &window.nets);
        nets.filter(|(number, net, is_done)| *number == owner && *net < 0 && !is_done).map(|(_, net, _)| -net).sum()
    }

    /// Has a participant part in a window that is not settled?
    pub(super) fn is_in_settlement(&self, owner: u32) -> bool {
        let mut nets = self.cycles.iter().flat_map(|cycle| &cycle.windows).flat_map(|window| &window.nets);
        nets.any(|(number, _, is_done)| *number == owner && !is_done)
    }

    /// Cycles that were ever needed: currency, cycle, number of the open window, windows that are not settled.
    pub(in super::super::super) fn cycles(&self) -> impl Iterator<Item = (usize, u8, u32, &[Window])> {
        self.cycles.iter().map(|of| (of.currency, of.cycle, of.open_number, &*of.windows))
    }

    /// What was posted in the open window of a cycle, by participant; 0 is the scheme. Nothing but what is not zero.
    pub(in super::super::super) fn open_nets(&self, currency: usize, cycle: u8) -> Vec<(u32, i128)> {
        let nets = self.open.get(&(currency, cycle)).into_iter().flatten();
        nets.map(|(number, net)| (*number, *net)).filter(|(_, net)| *net != 0).collect()
    }

    fn tell_of_window(&mut self, place: usize, kind: u16, event: Happened) {
        let Cycle { currency, cycle, .. } = self.cycles[place];
        self.tell(kind, Happened { currency: letters(currency), cycle, ..event });
    }

    fn cycle_place(&mut self, currency: usize, cycle: u8) -> usize {
        let known = self.cycles.iter().position(|of| of.currency == currency && of.cycle == cycle);
        known.unwrap_or_else(|| {
            let (calendar, next_ns, windows) = (None, None, Vec::new());
            self.cycles.push(Cycle { currency, cycle, open_number: 1, calendar, next_ns, windows });
            self.cycles.len() - 1
        })
    }

    pub(super) fn close_due_windows(&mut self) {
        for place in 0..self.cycles.len() {
            if self.cycles[place].next_ns.is_none_or(|at_ns| at_ns > self.time_ns) {
                continue;
            }
            self.rare.push("cut-off by the calendar".to_owned());
            if let Err(code) = self.close_window(place) {
                self.tell_of_window(place, event::MISSED, Happened { code, ..Happened::default() });
            }
            let time_ns = self.time_ns;
            let cycle = &mut self.cycles[place];
            cycle.next_ns = cycle.calendar.as_ref().and_then(|calendar| calendar.next_after(time_ns));
        }
    }

    pub(super) fn cut_off(&mut self, body: &[u8]) -> Result<(), u16> {
        let currency = currency_at(body, 0)?;
        if ![PAYMENTS, DISPUTES].contains(&body[3]) {
            return Err(no::MEANINGLESS);
        }
        let place = self.cycle_place(currency, body[3]);
        self.close_window(place)
    }

    fn close_window(&mut self, place: usize) -> Result<(), u16> {
        let Cycle { currency, cycle, open_number: number, ref windows, .. } = self.cycles[place];
        if windows.len() >= WINDOWS_MAX {
            return Err(no::FULL);
        }
        if cycle == PAYMENTS {
            for seats in &mut self.seats {
                (seats[currency].sent, seats[currency].received) = (0, 0);
            }
        }
        let posted = self.open.remove(&(currency, cycle)).unwrap_or_default();
        let own = posted.get(&0).copied().unwrap_or(0);
        let nets = posted.into_iter().filter(|(participant, net)| *participant > 0 && *net != 0);
        let nets: Vec<(u32, i128, bool)> = nets.map(|(participant, net)| (participant, net, false)).collect();
        self.cycles[place].open_number += 1;
        let amount = nets.iter().map(|(_, net, _)| (*net).max(0)).sum();
        self.tell_of_window(place, event::CLOSED, Happened { window: number, amount, ..Happened::default() });
        for &(participant, amount, _) in &nets {
            let event = Happened { window: number, participant, amount, ..Happened::default() };
            self.tell_of_window(place, event::NET, event);
        }
        if nets.is_empty() {
            self.tell_of_window(place, event::SETTLED, Happened { window: number, ..Happened::default() });
            self.rare.push("window without nets".to_owned());
        } else {
            self.rare.push(if own == 0 { "window with nets" } else { "window with a net of the scheme" }.to_owned());
            self.cycles[place].windows.push(Window { number, is_settling: false, nets, transit: -own });
        }
        Ok(())
    }

    pub(super) fn set_calendar(&mut self, body: &[u8]) -> Result<(), u16> {
        let currency = currency_at(body, 0)?;
        if ![PAYMENTS, DISPUTES].contains(&body[3]) {
            return Err(no::MEANINGLESS);
        }
        let calendar = Calendar::read(body).ok_or(no::MEANINGLESS)?;
        let place = self.cycle_place(currency, body[3]);
        let next_ns = calendar.next_after(self.time_ns);
        let cycle = &mut self.cycles[place];
        (cycle.next_ns, cycle.calendar) = (next_ns, Some(calendar));
        self.tell_of_window(place, event::CALENDAR, Happened::default());
        Ok(())
    }

    pub(super) fn step(&mut self, body: &[u8]) -> Result<(), u16> {
        let (currency, number, participant) = (currency_at(body, 0)?, wire::u32_at(body, 4), wire::u32_at(body, 9));
        let known = self.cycles.iter().position(|of| of.currency == currency && of.cycle == body[3]);
        if ![PAYMENTS, DISPUTES].contains(&body[3]) {
            return Err(no::MEANINGLESS);
        }
        let place = known.ok_or(no::CYCLE_UNKNOWN)?;
        let cycle = &self.cycles[place];
        let was_opened = number > 0 && number < cycle.open_number;
        let at = cycle.windows.iter().position(|window| window.number == number);
        let at = at.ok_or(if was_opened { no::FINAL } else { no::WINDOW_UNKNOWN })?;
        match (body[8], participant) {
            (1, 0) => self.start(place, at),
            (2, 1..) => self.confirm(place, at, participant),
            (3, 0) => self.abort(place, at),
            _ => Err(no::MEANINGLESS),
        }
    }

    fn start(&mut self, place: usize, at: usize) -> Result<(), u16> {
        let Cycle { currency, cycle, ref windows, .. } = self.cycles[place];
        let Window { number, is_settling, nets, .. } = windows[at].clone();
        if is_settling {
            return Err(no::SETTLING);
        }
        if nets.iter().any(|(_, net, _)| net.abs() > MOVED_MAX) {
            return Err(no::NET_TOO_LARGE);
        }
        let mut is_funded = true;
        for &(participant, net, _) in nets.iter().filter(|(_, net, _)| *net < 0) {
            let there = match cycle {
                PAYMENTS => self.available((currency, participant, account::SETTLEMENT)),
                _ => self.free_money(currency, participant),
            };
            if there < -net {
                is_funded = false;
                let event = Happened { window: number, participant, amount: -net - there, ..Happened::default() };
                self.tell_of_window(place, event::SHORT, event);
            }
        }
        if !is_funded {
            return Err(no::UNFUNDED);
        }
        self.cycles[place].windows[at].is_settling = true;
        for (participant, net, _) in nets.into_iter().filter(|(_, net, _)| *net < 0) {
            self.hold_on((currency, participant, account::SETTLEMENT), -net);
        }
        self.tell_of_window(place, event::STARTED, Happened { window: number, ..Happened::default() });
        Ok(())
    }

    fn confirm(&mut self, place: usize, at: usize, participant: u32) -> Result<(), u16> {
        let Cycle { currency, cycle, ref mut windows, .. } = self.cycles[place];
        let window = &mut windows[at];
        if !window.is_settling {
            return Err(no::NOT_SETTLING);
        }
        let row = window.nets.iter_mut().find(|(number, ..)| *number == participant).ok_or(no::NET_UNKNOWN)?;
        let &mut (_, net, is_confirmed) = row;
        if is_confirmed {
            return Err(no::CONFIRMED);
        }
        if net > window.transit {
            return Err(no::DEBTORS_FIRST);
        }
        row.2 = true;
        window.transit -= net;
        let (number, is_last) = (window.number, window.nets.iter().all(|(_, _, is_done)| *is_done));
        let (of_cycle, clearing) = match cycle {
            PAYMENTS => (account::POSITION, account::CLEARING),
            _ => (account::DISPUTE, account::DISPUTE_CLEARING),
        };
        if net < 0 {
            self.hold_on((currency, participant, account::SETTLEMENT), net);
        }
        self.shift((currency, 0, account::TRANSIT), (currency, participant, account::SETTLEMENT), net);
        self.shift((currency, participant, of_cycle), (currency, 0, clearing), net);
        let event = Happened { window: number, participant, amount: net, ..Happened::default() };
        self.tell_of_window(place, event::CONFIRMED, event);
        if is_last {
            self.cycles[place].windows.remove(at);
            self.rare.push("window settled".to_owned());
            self.tell_of_window(place, event::SETTLED, Happened { window: number, ..Happened::default() });
        }
        Ok(())
    }

    /// What was not confirmed is back in the open window, and so is what stays in transit.
    fn abort(&mut self, place: usize, at: usize) -> Result<(), u16> {
        let Cycle { currency, cycle, ref mut windows, .. } = self.cycles[place];
        let window = windows.remove(at);
        let is_partly = window.nets.iter().any(|(_, _, is_done)| *is_done);
        self.rare.push(if is_partly { "window settled in part aborted" } else { "window aborted" }.to_owned());
        for (participant, net, _) in window.nets.into_iter().filter(|(_, _, is_done)| !is_done) {
            *self.open.entry((currency, cycle)).or_default().entry(participant).or_default() += net;
            if window.is_settling && net < 0 {
                self.hold_on((currency, participant, account::SETTLEMENT), net);
            }
        }
        *self.open.entry((currency, cycle)).or_default().entry(0).or_default() -= window.transit;
        self.tell_of_window(place, event::ABORTED, Happened { window: window.number, ..Happened::default() });
        Ok(())
    }
}
