//! What can go wrong, by name.

use std::fmt;

/// One kind of thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process dies at an operation of its disk; the system lives on.
    Kill,
    /// The power goes at an operation of the disk: unsynced sectors land, land torn, or do not land.
    Power,
    /// A sync fails, and some of what it was to write is given up.
    Sync,
    /// The disk is full.
    Full,
    /// A bit of a file turns while it lies there.
    Flip,
    /// The disk is slow for a while.
    Slow,
    /// The wall clock is set; the switch sees it at its next start.
    Step,
    /// Clocks run too fast or too slow.
    Drift,
    /// A connection is cut, and what was on its way is lost; perhaps only one side notices.
    Cut,
    /// Everybody connects anew, again and again.
    Storm,
    /// Messages take long for a while.
    Delay,
    /// Queues and limits are tiny.
    Tiny,
    /// Providers misbehave.
    Conduct,
    /// Some providers have two connections; now and then one stalls, or one dies without a word, or both do and one stays away for a while.
    Lines,
    /// Some providers sign off now and then, and on again.
    Signs,
    /// The scheme has a net currency and a participant with a sponsor, and its operator gives commands at random.
    Operator,
    /// The scheme has a directory, and providers register, move, look up and pay to aliases; its hash keys are renewed.
    Aliases,
}

impl Fault {
    /// Every fault with its name on the command line and in reports.
    pub const NAMES: [(Fault, &'static str); 17] = [
        (Fault::Kill, "kill"),
        (Fault::Power, "power"),
        (Fault::Sync, "sync"),
        (Fault::Full, "full"),
        (Fault::Flip, "flip"),
        (Fault::Slow, "slow"),
        (Fault::Step, "step"),
        (Fault::Drift, "drift"),
        (Fault::Cut, "cut"),
        (Fault::Storm, "storm"),
        (Fault::Delay, "delay"),
        (Fault::Tiny, "tiny"),
        (Fault::Conduct, "conduct"),
        (Fault::Lines, "lines"),
        (Fault::Signs, "signs"),
        (Fault::Operator, "operator"),
        (Fault::Aliases, "aliases"),
    ];

    /// Those that happen at a moment; the others are properties of the whole run. (`Lines` is both, and drawn from a source of its own.)
    pub(super) const EVENTS: [Fault; 10] = [
        Fault::Kill,
        Fault::Power,
        Fault::Sync,
        Fault::Full,
        Fault::Flip,
        Fault::Slow,
        Fault::Step,
        Fault::Cut,
        Fault::Storm,
        Fault::Delay,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Fault::NAMES.iter().find(|&&(fault, _)| fault == self).map_or("", |&(_, name)| name)
    }
}

/// Which faults may happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultSet(u32);

impl FaultSet {
    /// Everything may go wrong.
    pub const ALL: FaultSet = FaultSet((1 << Fault::NAMES.len()) - 1);

    /// Nothing goes wrong.
    pub const NONE: FaultSet = FaultSet(0);

    /// Is this one of them?
    pub fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u32) != 0
    }

    /// All of these but one.
    #[must_use]
    pub fn without(self, fault: Fault) -> FaultSet {
        FaultSet(self.0 & !(1 << fault as u32))
    }

    /// The faults of the set, in order.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        Fault::NAMES.into_iter().map(|(fault, _)| fault).filter(move |&fault| self.has(fault))
    }
}

impl std::str::FromStr for FaultSet {
    type Err = String;

    /// `all`, `none`, or names with commas between them.
    fn from_str(text: &str) -> Result<FaultSet, String> {
        match text {
            "all" => return Ok(FaultSet::ALL),
            "none" => return Ok(FaultSet::NONE),
            _ => {}
        }
        let mut set = FaultSet::NONE;
        for name in text.split(',') {
            let known = Fault::NAMES.iter().find(|(_, known)| *known == name);
            let names = Fault::NAMES.map(|(_, name)| name).join(", ");
            let (fault, _) = known.ok_or(format!("there is no fault `{name}`; there are: {names}"))?;
            set.0 |= 1 << *fault as u32;
        }
        Ok(set)
    }
}

impl fmt::Display for FaultSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FaultSet::ALL => f.write_str("all"),
            FaultSet::NONE => f.write_str("none"),
            set => f.write_str(&set.faults().map(Fault::name).collect::<Vec<_>>().join(",")),
        }
    }
}
