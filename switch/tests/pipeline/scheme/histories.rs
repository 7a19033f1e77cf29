//! Random histories of operators and payments against a model that fits a page: it says line by line, in the table language, what must follow. Now and then the
//! engine is begun anew from its snapshot.

use super::{MEMBERS, SchemeDesk};

const CURRENCIES: [&str; 2] = ["XTS", "KES"];
const NET: usize = 0;
const CAP: i128 = 80;
const SUB_LIMIT: i128 = 30;
/// ECHO, which settles through ALPHA.
const INDIRECT: usize = 4;
const DIRECT: usize = 4;

/// A small source of chance.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn amount(&mut self, end: usize) -> i128 {
        1 + self.below(end) as i128
    }
}

/// A window that is closed and not settled.
struct Closed {
    number: u32,
    nets: Vec<(usize, i128, bool)>,
    transit: i128,
    is_settling: bool,
}

/// An order of money that is prepared.
struct Prepared {
    name: String,
    operation: &'static str,
    member: usize,
    currency: usize,
    amount: i128,
}

/// Money by member and currency; positions are of the net currency.
struct Model {
    settlement: [[i128; 2]; DIRECT],
    held: [[i128; 2]; DIRECT],
    reserve: [[i128; 2]; DIRECT],
    position: [i128; DIRECT],
    standing: [u8; 5],
    /// What ECHO has sent less what it was paid.
    lent: [i128; 2],
    /// The open window, and the scheme's own row of it.
    open: [i128; DIRECT],
    own: i128,
    open_number: u32,
    closed: Vec<Closed>,
    prepared: Vec<Prepared>,
    orders: usize,
}

fn owner(member: usize) -> usize {
    if member == INDIRECT { 0 } else { member }
}

impl Model {
    fn new() -> Model {
        Model {
            settlement: [[100; 2]; DIRECT],
            held: [[0; 2]; DIRECT],
            reserve: [[0; 2]; DIRECT],
            position: [0; DIRECT],
            standing: [2; 5],
            lent: [0; 2],
            open: [0; DIRECT],
            own: 0,
            open_number: 1,
            closed: Vec::new(),
            prepared: Vec::new(),
            orders: 0,
        }
    }

    fn available(&self, member: usize, currency: usize) -> i128 {
        self.settlement[member][currency] - self.held[member][currency]
    }

    /// What is held for positions that are being settled.
    fn settling(&self, member: usize) -> i128 {
        let nets = self.closed.iter().filter(|window| window.is_settling).flat_map(|window| &window.nets);
        nets.filter(|(of, net, is_done)| *of == member && *net < 0 && !is_done).map(|(_, net, _)| -net).sum()
    }

    fn spendable(&self, member: usize, currency: usize) -> i128 {
        if currency == NET {
            self.position[member] + CAP.min(self.available(member, NET) + self.settling(member))
        } else {
            self.available(member, currency)
        }
    }

    fn free(&self, member: usize, currency: usize) -> i128 {
        let used = if currency == NET { (-self.position[member]).max(0) - self.settling(member) } else { 0 };
        (self.available(member, currency) - used.max(0)).max(0)
    }

    fn may(&self, member: usize, other_half: u8) -> bool {
        [2, other_half].contains(&self.standing[member])
    }

    fn pay(&mut self, random: &mut Random) -> String {
        let (payer, currency) = (random.below(5), random.below(2));
        let (payee, amount) = ((payer + 1 + random.below(4)) % 5, random.amount(40));
        let (from, to) = (owner(payer), owner(payee));
        let is_lent = payer != INDIRECT || self.lent[currency] + amount <= SUB_LIMIT;
        let outcome = match () {
            () if !self.may(payer, 4) || !self.may(from, 4) => "AG10",
            () if !self.may(payee, 3) || !self.may(to, 3) => "AG11",
            () if !is_lent => "AM21",
            () if from != to && amount > self.spendable(from, currency) => "AM04",
            () => "committed",
        };
        if outcome == "committed" {
            self.lent[currency] += i128::from(payer == INDIRECT) * amount - i128::from(payee == INDIRECT) * amount;
            if currency == NET {
                self.position[from] -= amount;
                self.position[to] += amount;
                self.open[from] -= amount;
                self.open[to] += amount;
            } else {
                self.settlement[from][currency] -= amount;
                self.settlement[to][currency] += amount;
            }
        }
        format!("pays {} {} {amount} {} -> {outcome}", MEMBERS[payer], MEMBERS[payee], CURRENCIES[currency])
    }

    fn order(&mut self, random: &mut Random) -> String {
        let (member, currency, amount) = (random.below(DIRECT), random.below(2), random.amount(60));
        let operation = ["in", "out", "block", "to-reserve", "from-reserve"][random.below(5)];
        self.orders += 1;
        let name = format!("R{}", self.orders);
        let there = match operation {
            "in" => i128::MAX,
            "from-reserve" => self.reserve[member][currency],
            _ => self.free(member, currency),
        };
        let (code, letters) = (MEMBERS[member], CURRENCIES[currency]);
        let line = format!("at 1 orders {operation} {name} {code} {letters} {amount}");
        if amount > there {
            return format!("{line} -> refused MoneyInsufficient");
        }
        let to_reserve = match operation {
            "to-reserve" => amount,
            "from-reserve" => -amount,
            _ => 0,
        };
        if to_reserve != 0 {
            self.settlement[member][currency] -= to_reserve;
            self.reserve[member][currency] += to_reserve;
            return format!("{line} -> MoneyConfirmed {code} {amount}");
        }
        if operation != "in" {
            self.held[member][currency] += amount;
        }
        self.prepared.push(Prepared { name, operation, member, currency, amount });
        format!("{line} -> MoneyPrepared {code} {amount}")
    }

    fn decide(&mut self, random: &mut Random) -> String {
        if self.prepared.is_empty() {
            return "at 1 confirms R999 -> refused ReferenceUnknown".to_owned();
        }
        let place = random.below(self.prepared.len());
        let is_confirmed = random.below(3) > 0;
        if is_confirmed && self.prepared[place].operation == "block" {
            return format!("at 1 confirms {} -> refused BlockedNotConfirmed", self.prepared[place].name);
        }
        let Prepared { name, operation, member, currency, amount } = self.prepared.remove(place);
        if operation != "in" {
            self.held[member][currency] -= amount;
        }
        if !is_confirmed {
            return format!("at 1 aborts {name} -> MoneyAborted {} {amount}", MEMBERS[member]);
        }
        self.settlement[member][currency] += if operation == "in" { amount } else { -amount };
        format!("at 1 confirms {name} -> MoneyConfirmed {} {amount}", MEMBERS[member])
    }

    fn stand(&mut self, random: &mut Random) -> String {
        let suspended = self.standing.iter().position(|standing| *standing != 2);
        let (member, standing) = match suspended.filter(|_| random.below(3) > 0) {
            Some(member) => (member, 2),
            None => (random.below(5), 3 + random.below(3) as u8),
        };
        let line = format!("at 1 stands {} {standing}", MEMBERS[member]);
        if std::mem::replace(&mut self.standing[member], standing) == standing {
            return format!("{line} -> refused TransitionNotPermitted");
        }
        format!("{line} -> StandingChanged {}", MEMBERS[member])
    }

    fn cut(&mut self) -> String {
        let number = self.open_number;
        if self.closed.len() == switch::limits::WINDOWS_UNSETTLED_MAX {
            return "at 1 cuts XTS payments -> refused WindowsFull".to_owned();
        }
        self.open_number += 1;
        self.lent[NET] = 0;
        let nets = std::mem::take(&mut self.open).into_iter().enumerate().filter(|(_, net)| *net != 0);
        let nets: Vec<(usize, i128, bool)> = nets.map(|(member, net)| (member, net, false)).collect();
        if nets.is_empty() {
            return format!("at 1 cuts XTS payments -> WindowClosed w{number}, WindowSettled w{number}");
        }
        let gross: i128 = nets.iter().map(|(_, net, _)| (*net).max(0)).sum();
        let gross = if gross == 0 { String::new() } else { format!(" {gross}") };
        let told = nets.iter().map(|(of, net, _)| format!(", NetDetermined w{number} {} {net}", MEMBERS[*of]));
        let told: String = told.collect();
        let transit = -std::mem::take(&mut self.own);
        self.closed.push(Closed { number, nets, transit, is_settling: false });
        format!("at 1 cuts XTS payments -> WindowClosed w{number}{gross}{told}")
    }

    fn settle(&mut self, random: &mut Random) -> String {
        if self.closed.is_empty() {
            return self.cut();
        }
        let place = random.below(self.closed.len());
        match (random.below(12), self.closed[place].is_settling) {
            (0, _) => self.give_up(place),
            (_, false) => self.start(place),
            (_, true) => self.confirm(place, random),
        }
    }

    fn start(&mut self, place: usize) -> String {
        let number = self.closed[place].number;
        let debtors = self.closed[place].nets.iter().filter(|(_, net, _)| *net < 0);
        let debtors: Vec<(usize, i128)> = debtors.map(|(member, net, _)| (*member, -net)).collect();
        let lacks = debtors.iter().map(|(member, net)| (*member, net - self.available(*member, NET).max(0)));
        let lacks: Vec<(usize, i128)> = lacks.filter(|(_, lack)| *lack > 0).collect();
        if !lacks.is_empty() {
            let short =
                lacks.iter().map(|(member, lack)| format!("DebtorShort w{number} {} {lack}, ", MEMBERS[*member]));
            let short: String = short.collect();
            return format!("at 1 starts XTS payments {number} -> {short}refused DebtorUnfunded");
        }
        debtors.iter().for_each(|(member, net)| self.held[*member][NET] += net);
        self.closed[place].is_settling = true;
        format!("at 1 starts XTS payments {number} -> SettlementStarted w{number}")
    }

    fn confirm(&mut self, place: usize, random: &mut Random) -> String {
        let member = random.below(DIRECT);
        let window = &mut self.closed[place];
        let number = window.number;
        let line = format!("at 1 settles {} XTS payments {number}", MEMBERS[member]);
        let Some(row) = window.nets.iter_mut().find(|(of, ..)| *of == member) else {
            return format!("{line} -> refused NetUnknown");
        };
        let net = row.1;
        if row.2 {
            return format!("{line} -> refused NetConfirmed");
        }
        if net > window.transit {
            return format!("{line} -> refused DebtorsFirst");
        }
        row.2 = true;
        window.transit -= net;
        self.settlement[member][NET] += net;
        self.position[member] -= net;
        if net < 0 {
            self.held[member][NET] += net;
        }
        let mut told = format!("{line} -> NetConfirmed w{number} {} {net}", MEMBERS[member]);
        if window.nets.iter().all(|(_, _, is_done)| *is_done) {
            self.closed.remove(place);
            told += &format!(", WindowSettled w{number}");
        }
        told
    }

    fn give_up(&mut self, place: usize) -> String {
        let Closed { number, nets, transit, is_settling } = self.closed.remove(place);
        for (member, net, _) in nets.into_iter().filter(|(_, _, is_done)| !is_done) {
            self.open[member] += net;
            if is_settling && net < 0 {
                self.held[member][NET] += net;
            }
        }
        self.own -= transit;
        format!("at 1 gives-up XTS payments {number} -> WindowAborted w{number}")
    }

    /// What every account must hold.
    fn holds(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (member, code) in MEMBERS[..DIRECT].iter().enumerate() {
            for (currency, letters) in CURRENCIES.iter().enumerate() {
                let (money, held) = (self.settlement[member][currency], self.held[member][currency]);
                lines.push(format!("holds {code} settlement {letters} {money} {held}"));
                lines.push(format!("holds {code} reserve {letters} {} 0", self.reserve[member][currency]));
            }
            lines.push(format!("holds {code} position XTS {} 0", self.position[member]));
        }
        let transit = self.closed.iter().map(|window| window.transit).sum::<i128>() - self.own;
        lines.push(format!("holds scheme transit XTS {transit} 0"));
        lines.push(format!("holds scheme clearing XTS {} 0", -transit));
        lines
    }
}

fn play(seed: u64) {
    let (mut random, mut model, mut desk) = (Random(seed), Model::new(), SchemeDesk::new());
    for _ in 0..120 {
        let line = match random.below(20) {
            0..9 => model.pay(&mut random),
            9..12 => model.order(&mut random),
            12..14 => model.decide(&mut random),
            14 => model.stand(&mut random),
            15 => model.cut(),
            _ => model.settle(&mut random),
        };
        desk.check_line(&line);
        if random.below(10) == 0 {
            desk.restart();
        }
        model.holds().iter().for_each(|line| desk.check_line(line));
    }
}

#[test]
fn random_histories_are_those_of_a_model() {
    for seed in 0..150 {
        let played = std::panic::catch_unwind(|| play(seed));
        assert!(played.is_ok(), "in the history of seed {seed}");
    }
}
