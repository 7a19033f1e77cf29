//! What a run is to be: the load, who behaves how, what fails when, and what counts as good enough. Everything is decided before it begins.

use crate::limits::NS_PER_S;
use crate::protocol::Protocol;
use crate::schedule::Schedule;

/// How payments are offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Load {
    /// Not at all: what goes beside payments goes alone.
    Nothing {
        /// For how long.
        duration_s: u64,
    },
    /// On a schedule that nothing delays.
    Open(Schedule),
    /// A new one for each that ends.
    Closed {
        /// Payments without an outcome, over all connections.
        in_flight: u32,
        /// For how long.
        duration_s: u64,
    },
}

impl Load {
    /// For how long payments are offered.
    pub fn duration_ns(&self) -> u64 {
        match self {
            Load::Open(schedule) => schedule.duration_ns(),
            Load::Closed { duration_s, .. } | Load::Nothing { duration_s } => duration_s * NS_PER_S,
        }
    }
}

/// What payments are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// So many percent go to the first participant, and all others to others; where it is 0, everything to anybody.
    pub hot_payee_percent: u32,
    /// So many percent are submitted twice; of those copies half at once, half long after.
    pub repeat_percent: u32,
    /// So many percent go in the bulk lane.
    pub bulk_percent: u32,
    /// So many percent are asked for by the payee provider first.
    pub request_percent: u32,
    /// So many percent are returned once they are committed, half of these in two parts.
    pub return_percent: u32,
    /// So many percent are recalled once they are committed; half of these are returned, half are not.
    pub recall_percent: u32,
    /// So many percent name their payee by an alias.
    pub alias_percent: u32,
    /// Not each at once, but all together so long after the first payment is due.
    pub recall_wave_at_ns: Option<u64>,
    /// The least amount in minor units.
    pub amount_min: u64,
    /// The greatest.
    pub amount_max: u64,
}

impl Default for Mix {
    fn default() -> Mix {
        Mix {
            hot_payee_percent: 0,
            repeat_percent: 0,
            bulk_percent: 0,
            request_percent: 0,
            return_percent: 0,
            recall_percent: 0,
            alias_percent: 0,
            recall_wave_at_ns: None,
            amount_min: 1,
            amount_max: 1_000,
        }
    }
}

/// How aliases are looked up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LookupLoad {
    /// Not at all.
    #[default]
    Nothing,
    /// On a schedule that nothing delays.
    Open(Schedule),
    /// A new one for each that is answered.
    Closed {
        /// Look-ups without an answer, over all connections.
        in_flight: u32,
    },
}

/// Aliases, and who asks for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasPlan {
    /// So many are there, shared among all participants: those of the rows below this (`aliases`).
    pub count: u64,
    /// How they are looked up.
    pub lookups: LookupLoad,
    /// So many percent of the look-ups are of aliases that nobody has.
    pub missed_percent: u32,
    /// So many end users ask and pay, shared among all participants.
    pub end_users: u32,
    /// What each bucket of a spawned switch holds, of participants and of end users.
    pub tokens: u32,
}

/// How payee providers behave. Those that behave badly are the last ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payees {
    /// So many think before they answer.
    pub slow: u32,
    /// For so long.
    pub slow_answer_after_ns: u64,
    /// So many, before the slow ones, never answer.
    pub silent: u32,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The switch is killed (SIGKILL) and started again.
    KillSwitch,
    /// Connections break without a goodbye.
    CutProviders {
        /// Of so many providers, the last ones.
        providers: u32,
        /// They come back after so long; none: when nothing is offered any more.
        for_ns: Option<u64>,
    },
    /// The last participant sends orders of its own, beside the schedule.
    Flood {
        /// For so long.
        for_ns: u64,
        /// So many a second; none: as fast as its connection takes them.
        rate: Option<u64>,
    },
}

/// A fault on schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// After the first payment is due.
    pub at_ns: u64,
    /// What happens.
    pub kind: FaultKind,
}

/// What counts as good enough. What is not given is not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Service {
    /// Payments committed a second while others are offered.
    pub throughput_min_per_s: Option<u64>,
    /// Of committed payments, from the intended time.
    pub p50_max_ms: Option<f64>,
    /// See `p50_max_ms`.
    pub p90_max_ms: Option<f64>,
    /// See `p50_max_ms`.
    pub p99_max_ms: Option<f64>,
    /// Payments that fell due and were not committed, of all that fell due.
    pub errors_max_percent: Option<f64>,
    /// How much throughput may fall from the first tenth of the run to the last.
    pub drift_max_percent: Option<f64>,
    /// Look-ups answered a second.
    pub lookups_min_per_s: Option<u64>,
    /// Of answered look-ups, from the intended time.
    pub lookup_p99_max_ms: Option<f64>,
    /// Look-ups that fell due and were not answered with found or not found, of all that fell due.
    pub lookup_errors_max_percent: Option<f64>,
}

/// A run.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// Of the scenario; none where there is none.
    pub scenario: Option<String>,
    /// What the providers speak.
    pub protocol: Protocol,
    /// How payments are offered.
    pub load: Load,
    /// Latencies of what ends before are in no percentile of the whole run; everything else counts from the beginning.
    pub warm_up_ns: u64,
    /// Participants of a spawned switch.
    pub participants: u32,
    /// What a spawned switch takes of one participant a second, and at once after a pause; 0: no limit.
    pub orders_per_second: u32,
    /// Does a spawned switch settle net, and close a window each minute?
    pub settles_net: bool,
    /// Windows of such a switch that are closed by order, evenly over the run.
    pub cut_off_orders: u32,
    /// What payments are like.
    pub mix: Mix,
    /// Aliases; none where there are none.
    pub aliases: Option<AliasPlan>,
    /// How payee providers behave.
    pub payees: Payees,
    /// In the order of time.
    pub faults: Vec<Fault>,
    /// What counts as good enough.
    pub service: Service,
}

impl Plan {
    /// A load and nothing else.
    pub fn plain(load: Load, participants: u32) -> Plan {
        Plan {
            scenario: None,
            protocol: Protocol::Native,
            load,
            warm_up_ns: 0,
            participants,
            orders_per_second: 0,
            settles_net: false,
            cut_off_orders: 0,
            mix: Mix::default(),
            aliases: None,
            payees: Payees::default(),
            faults: Vec::new(),
            service: Service::default(),
        }
    }

    /// Is anything asked for, returned or recalled?
    pub fn has_sequels(&self) -> bool {
        self.mix.request_percent + self.mix.return_percent + self.mix.recall_percent > 0
    }

    /// Must the switch be ours?
    pub fn kills_switch(&self) -> bool {
        self.faults.iter().any(|fault| fault.kind == FaultKind::KillSwitch)
    }
}
