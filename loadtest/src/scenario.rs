//! Scenarios: plans in files. Every field stands in `docs/scenarios.md`; a field that is not there is an error, so a misspelt one is never ignored.

use std::path::Path;

use serde::Deserialize;
use switch::limits::{LOOKUP_CAPACITY_MAX, LOOKUP_USERS_MAX, WINDOWS_UNSETTLED_MAX};

use crate::SetUpError;
use crate::limits::{
    ALIASES_MAX, DURATION_S_MAX, FAULTS_MAX, FLIGHTS_MAX, LOOKUPS_MAX, NS_PER_MS, NS_PER_S, PARTICIPANTS_MAX, RATE_MAX,
};
use crate::plan::{AliasPlan, Fault, FaultKind, Load, LookupLoad, Mix, Payees, Plan, Service};
use crate::protocol::Protocol;
use crate::schedule::{Bursts, Schedule, Spacing};

/// The scenarios that come along: name and text.
pub const LIBRARY: [(&str, &str); 19] = [
    ("steady", include_str!("../scenarios/steady.toml")),
    ("payday", include_str!("../scenarios/payday.toml")),
    ("hot_payee", include_str!("../scenarios/hot_payee.toml")),
    ("many_small", include_str!("../scenarios/many_small.toml")),
    ("slow_provider", include_str!("../scenarios/slow_provider.toml")),
    ("dead_provider", include_str!("../scenarios/dead_provider.toml")),
    ("replay_storm", include_str!("../scenarios/replay_storm.toml")),
    ("reconnect_storm", include_str!("../scenarios/reconnect_storm.toml")),
    ("cut_provider", include_str!("../scenarios/cut_provider.toml")),
    ("bulk_and_retail", include_str!("../scenarios/bulk_and_retail.toml")),
    ("flood", include_str!("../scenarios/flood.toml")),
    ("requests_to_pay", include_str!("../scenarios/requests_to_pay.toml")),
    ("recall_wave", include_str!("../scenarios/recall_wave.toml")),
    ("settlement", include_str!("../scenarios/settlement.toml")),
    ("alias_heavy", include_str!("../scenarios/alias_heavy.toml")),
    ("kill_switch", include_str!("../scenarios/kill_switch.toml")),
    ("ramp", include_str!("../scenarios/ramp.toml")),
    ("day", include_str!("../scenarios/day.toml")),
    ("soak", include_str!("../scenarios/soak.toml")),
];

/// Payments or look-ups a second, or as many as are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Not one.
    None,
    /// Open loop.
    PerSecond(u64),
    /// Closed loop.
    Max,
}

/// What the command line says instead of the file. Other rates and times of the file change in proportion.
#[derive(Clone, Copy, Debug, Default)]
pub struct Overrides {
    /// `--rate`.
    pub rate: Option<Rate>,
    /// `--duration`.
    pub duration_s: Option<u64>,
    /// `--warm-up`.
    pub warm_up_s: Option<u64>,
    /// `--in-flight`.
    pub in_flight: Option<u32>,
    /// `--participants`.
    pub participants: Option<u32>,
    /// `--aliases`.
    pub aliases: Option<u64>,
    /// `--lookups`.
    pub lookups: Option<Rate>,
    /// `--lookups-in-flight`.
    pub lookups_in_flight: Option<u32>,
}

/// A scenario file as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    name: String,
    /// For people who read the file or the list.
    about: String,
    load: LoadTable,
    #[serde(default)]
    participants: ParticipantsTable,
    #[serde(default)]
    mix: MixTable,
    aliases: Option<AliasTable>,
    #[serde(default)]
    fault: Vec<FaultTable>,
    #[serde(default)]
    service: ServiceTable,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    Constant,
    Ramp,
    Burst,
    Daily,
    Closed,
    None,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ArrivalsName {
    #[default]
    Even,
    Poisson,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadTable {
    shape: Shape,
    #[serde(default)]
    arrivals: ArrivalsName,
    seed: Option<u64>,
    duration_s: u64,
    #[serde(default)]
    warm_up_s: u64,
    rate: Option<u64>,
    rate_to: Option<u64>,
    burst_rate: Option<u64>,
    burst_every_ms: Option<u64>,
    burst_for_ms: Option<u64>,
    in_flight: Option<u32>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ParticipantsTable {
    count: u32,
    slow: u32,
    slow_answer_after_ms: u64,
    silent: u32,
    orders_per_second: u32,
    settles_net: bool,
    cut_off_orders: u32,
}

impl Default for ParticipantsTable {
    fn default() -> ParticipantsTable {
        ParticipantsTable {
            count: 16,
            slow: 0,
            slow_answer_after_ms: 1_000,
            silent: 0,
            orders_per_second: 0,
            settles_net: false,
            cut_off_orders: 0,
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct MixTable {
    hot_payee_percent: Option<u32>,
    repeat_percent: Option<u32>,
    bulk_percent: Option<u32>,
    request_percent: Option<u32>,
    return_percent: Option<u32>,
    recall_percent: Option<u32>,
    alias_percent: Option<u32>,
    recall_wave_at_s: Option<u64>,
    amount_min: Option<u64>,
    amount_max: Option<u64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AliasTable {
    count: u64,
    lookups_per_s: Option<u64>,
    lookups_in_flight: Option<u32>,
    missed_percent: Option<u32>,
    end_users: Option<u32>,
    tokens: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FaultName {
    KillSwitch,
    CutProviders,
    Flood,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultTable {
    kind: FaultName,
    at_ms: u64,
    every_ms: Option<u64>,
    providers: Option<u32>,
    for_ms: Option<u64>,
    rate: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServiceTable {
    throughput_min_per_s: Option<u64>,
    p50_max_ms: Option<f64>,
    p90_max_ms: Option<f64>,
    p99_max_ms: Option<f64>,
    errors_max_percent: Option<f64>,
    drift_max_percent: Option<f64>,
    lookups_min_per_s: Option<u64>,
    lookup_p99_max_ms: Option<f64>,
    lookup_errors_max_percent: Option<f64>,
}

/// Reads a scenario of the library, or a file: whatever ends in `.toml` or names a directory is a file.
pub fn read(name: &str, overrides: Overrides) -> Result<Plan, SetUpError> {
    let is_file = Path::new(name).extension().is_some_and(|extension| extension == "toml") || name.contains('/');
    if !is_file {
        let names = || LIBRARY.map(|scenario| scenario.0).join(", ");
        let known = LIBRARY.iter().find(|scenario| scenario.0 == name);
        let unknown = || SetUpError::new(format!("--scenario {name}: give a file FILE.toml, or one of {}", names()));
        return parse(name, known.ok_or_else(unknown)?.1, overrides);
    }
    let text = std::fs::read_to_string(name).map_err(|error| {
        SetUpError::new(format!("--scenario {name}: {error}; give a scenario file that can be read"))
    })?;
    parse(name, &text, overrides)
}

/// What a scenario of the library is for, in one line.
pub fn about(name: &str) -> Option<String> {
    let text = LIBRARY.iter().find(|scenario| scenario.0 == name)?.1;
    toml::from_str::<Document>(text).ok().map(|document| document.about)
}

/// Makes a plan of a file's text.
fn parse(file: &str, text: &str, overrides: Overrides) -> Result<Plan, SetUpError> {
    let document: Document = toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let line = line.map_or(String::new(), |line| format!("line {line}: "));
        SetUpError::new(format!("scenario {file}: {line}{}; docs/scenarios.md lists every field", error.message()))
    })?;
    let problem = |problem: String| SetUpError::new(format!("scenario {file}: {problem}"));
    document.overridden(overrides).and_then(|document| document.plan()).map_err(problem)
}

/// `value * new / old`, rounded to the nearest.
fn scaled(value: u64, (new, old): (u64, u64)) -> u64 {
    let scaled = (u128::from(value) * u128::from(new) + u128::from(old) / 2) / u128::from(old.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// A limit in another proportion, which stays a limit.
fn per_participant(limit: u32, ratio: (u64, u64)) -> u32 {
    u32::try_from(scaled(u64::from(limit), ratio)).unwrap_or(u32::MAX).max(u32::from(limit > 0))
}

impl Document {
    /// With what the command line says instead.
    fn overridden(mut self, overrides: Overrides) -> Result<Document, String> {
        if let Some(duration_s) = overrides.duration_s {
            self.stretch((duration_s, self.load.duration_s));
        }
        self.override_aliases(overrides)?;
        match overrides.rate {
            Some(Rate::PerSecond(rate)) if matches!(self.load.shape, Shape::Closed | Shape::None) => {
                self.load = LoadTable { shape: Shape::Constant, rate: Some(rate), in_flight: None, ..self.load };
                self.service.throughput_min_per_s = None;
            }
            Some(Rate::PerSecond(rate)) => self.raise((rate, self.load.rate.ok_or("load.rate is missing")?)),
            Some(Rate::Max) => {
                let in_flight = self.load.in_flight.or(overrides.in_flight).or(Some(IN_FLIGHT_DEFAULT));
                let LoadTable { duration_s, warm_up_s, .. } = self.load;
                self.load = LoadTable { in_flight, warm_up_s, ..LoadTable::closed(duration_s) };
                self.service.throughput_min_per_s = None;
            }
            Some(Rate::None) => {
                let LoadTable { duration_s, warm_up_s, arrivals, seed, .. } = self.load;
                let nothing = LoadTable { shape: Shape::None, ..LoadTable::closed(duration_s) };
                self.load = LoadTable { warm_up_s, arrivals, seed, ..nothing };
                self.service.throughput_min_per_s = None;
            }
            None => {}
        }
        self.load.warm_up_s = overrides.warm_up_s.unwrap_or(self.load.warm_up_s);
        if self.load.shape == Shape::Closed && overrides.in_flight.is_some() {
            self.load.in_flight = overrides.in_flight;
        }
        if let Some(count) = overrides.participants {
            self.repeople((count, self.participants.count));
        }
        Ok(self)
    }

    /// Other look-ups are as the command line says; those of the file follow the rate of payments.
    fn override_aliases(&mut self, overrides: Overrides) -> Result<(), String> {
        let Overrides { rate, aliases, lookups, lookups_in_flight, .. } = overrides;
        let Some(table) = &mut self.aliases else {
            let is_asked = aliases.is_some() || lookups.is_some() || lookups_in_flight.is_some();
            let needed = "--aliases, --lookups and --lookups-in-flight need a scenario with aliases, as alias_heavy";
            return if is_asked { Err(needed.to_owned()) } else { Ok(()) };
        };
        table.count = aliases.unwrap_or(table.count);
        if let (Some(Rate::PerSecond(new)), Some(old)) = (rate, self.load.rate) {
            let lookups = [&mut table.lookups_per_s, &mut self.service.lookups_min_per_s];
            lookups.into_iter().flatten().for_each(|rate| *rate = scaled(*rate, (new, old)));
        }
        if let Some(lookups) = lookups {
            self.service.lookups_min_per_s = None;
            (table.lookups_per_s, table.lookups_in_flight) = match lookups {
                Rate::PerSecond(rate) => (Some(rate), None),
                Rate::Max => (None, Some(table.lookups_in_flight.unwrap_or(LOOKUPS_IN_FLIGHT_DEFAULT))),
                Rate::None => (None, None),
            };
        }
        if let Some(in_flight) = lookups_in_flight {
            if table.lookups_per_s.is_some() {
                return Err("--lookups-in-flight is for --lookups max".to_owned());
            }
            table.lookups_in_flight = Some(in_flight);
        }
        Ok(())
    }

    /// Another duration: everything happens at the same share of it.
    fn stretch(&mut self, ratio: (u64, u64)) {
        self.load.duration_s = ratio.0;
        // Rounded down, so that it stays a part of the run.
        self.load.warm_up_s = self.load.warm_up_s.saturating_mul(ratio.0) / ratio.1.max(1);
        let wave_at_s = &mut self.mix.recall_wave_at_s;
        *wave_at_s = wave_at_s.map(|at_s| at_s.saturating_mul(ratio.0) / ratio.1.max(1));
        let LoadTable { burst_every_ms, burst_for_ms, .. } = &mut self.load;
        let faults = self.fault.iter_mut().flat_map(|FaultTable { every_ms, for_ms, .. }| [every_ms, for_ms]);
        for time_ms in faults.chain([burst_every_ms, burst_for_ms]).flatten() {
            *time_ms = scaled(*time_ms, ratio).max(u64::from(*time_ms > 0));
        }
        self.fault.iter_mut().for_each(|fault| fault.at_ms = scaled(fault.at_ms, ratio));
    }

    /// Another rate: the others in proportion.
    fn raise(&mut self, ratio: (u64, u64)) {
        self.load.rate = Some(ratio.0);
        let LoadTable { rate_to, burst_rate, .. } = &mut self.load;
        let floods = self.fault.iter_mut().map(|fault| &mut fault.rate);
        let rates = [rate_to, burst_rate, &mut self.service.throughput_min_per_s].into_iter().chain(floods);
        for rate in rates.flatten() {
            *rate = scaled(*rate, ratio);
        }
        let limit = &mut self.participants.orders_per_second;
        *limit = per_participant(*limit, ratio);
    }

    /// Other participants: as many of them misbehave, in proportion.
    fn repeople(&mut self, ratio: (u32, u32)) {
        let ratio_wide = (u64::from(ratio.0), u64::from(ratio.1));
        let share = |count: u32| {
            let share = u32::try_from(scaled(u64::from(count), ratio_wide)).unwrap_or(u32::MAX);
            share.max(u32::from(count > 0))
        };
        let ParticipantsTable { count, slow, silent, orders_per_second, .. } = &mut self.participants;
        // The same load over other participants: each may send as much more as it has to.
        *orders_per_second = per_participant(*orders_per_second, (ratio_wide.1, ratio_wide.0));
        (*count, *slow, *silent) = (ratio.0, share(*slow), share(*silent));
        for fault in &mut self.fault {
            fault.providers = fault.providers.map(share);
        }
    }

    fn plan(self) -> Result<Plan, String> {
        if !(1..=DURATION_S_MAX).contains(&self.load.duration_s) {
            return Err(format!("load.duration_s = {}: give 1 to {DURATION_S_MAX}", self.load.duration_s));
        }
        let LoadTable { warm_up_s, duration_s, .. } = self.load;
        if warm_up_s >= duration_s {
            return Err(format!("load.warm_up_s = {warm_up_s}: give less than duration_s, which is {duration_s}"));
        }
        let participants = self.participants.count;
        if !(2..=PARTICIPANTS_MAX).contains(&participants) {
            return Err(format!("participants.count = {participants}: give 2 to {PARTICIPANTS_MAX}"));
        }
        Ok(Plan {
            protocol: Protocol::Native,
            scenario: Some(self.name.clone()),
            payees: self.payees()?,
            mix: self.mix()?,
            aliases: self.aliases()?,
            faults: self.faults()?,
            service: self.service.service()?,
            load: self.load.load()?,
            warm_up_ns: warm_up_s * NS_PER_S,
            participants,
            orders_per_second: self.participants.orders_per_second,
            settles_net: self.participants.settles_net,
            cut_off_orders: self.cut_off_orders()?,
        })
    }

    fn aliases(&self) -> Result<Option<AliasPlan>, String> {
        let Some(table) = self.aliases else {
            let (is_alone, by_alias) = (self.load.shape == Shape::None, self.mix.alias_percent.unwrap_or(0) > 0);
            return match (is_alone, by_alias) {
                (true, _) => Err("load.shape = \"none\" needs look-ups: give the table aliases".to_owned()),
                (false, true) => Err("mix.alias_percent needs the table aliases".to_owned()),
                (false, false) => Ok(None),
            };
        };
        let lookups = table.lookups(&self.load)?;
        if self.load.shape == Shape::None && lookups == LookupLoad::Nothing {
            return Err("there is no load: neither payments nor look-ups are asked for".to_owned());
        }
        table.plan(lookups, self.participants.count).map(Some)
    }

    /// Nobody settles the windows of a run, so all that it closes must wait.
    fn cut_off_orders(&self) -> Result<u32, String> {
        let ParticipantsTable { settles_net, cut_off_orders: orders, .. } = self.participants;
        if !settles_net {
            let is_used = "participants.cut_off_orders needs participants.settles_net";
            return if orders == 0 { Ok(0) } else { Err(is_used.to_owned()) };
        }
        // The first and the last minute are only part of the run.
        let windows = self.load.duration_s / 60 + 2 + u64::from(orders);
        if windows > WINDOWS_UNSETTLED_MAX as u64 {
            return Err(format!(
                "participants.settles_net: up to {windows} windows, and {WINDOWS_UNSETTLED_MAX} may wait for their settlement: give a shorter run or fewer \
                 cut_off_orders"
            ));
        }
        Ok(orders)
    }

    fn payees(&self) -> Result<Payees, String> {
        let ParticipantsTable { count, slow, slow_answer_after_ms, silent, .. } = self.participants;
        if slow.saturating_add(silent) >= count {
            return Err(format!("participants.slow and participants.silent: at most {} of {count}", count - 1));
        }
        if slow_answer_after_ms > 60_000 {
            return Err("participants.slow_answer_after_ms: give at most 60000, which no payment outlives".to_owned());
        }
        Ok(Payees { slow, slow_answer_after_ns: slow_answer_after_ms * NS_PER_MS, silent })
    }

    fn mix(&self) -> Result<Mix, String> {
        let mix = self.mix.mix()?;
        if mix.bulk_percent > 0 && self.participants.silent > 0 {
            return Err(
                "mix.bulk_percent is not for participants.silent: what is not answered in the bulk lane expires \
                        after ten minutes; remove one"
                    .to_owned(),
            );
        }
        if let Some(at_s) = self.mix.recall_wave_at_s
            && (mix.recall_percent == 0 || at_s >= self.load.duration_s)
        {
            return Err(format!("mix.recall_wave_at_s = {at_s}: it must lie in the run, and needs mix.recall_percent"));
        }
        Ok(mix)
    }

    fn faults(&self) -> Result<Vec<Fault>, String> {
        let end_ms = self.load.duration_s * 1_000;
        let mut faults = Vec::new();
        for table in &self.fault {
            let kind = table.kind(self.participants.count)?;
            if table.at_ms >= end_ms || table.every_ms == Some(0) {
                return Err(format!("fault.at_ms = {}: it must lie in the run, and every_ms above 0", table.at_ms));
            }
            if table.kind == FaultName::Flood && self.load.shape == Shape::Closed {
                return Err(
                    "fault.kind = \"flood\" needs a schedule beside it: give another shape than closed".to_owned()
                );
            }
            let mut at_ms = table.at_ms;
            while at_ms < end_ms {
                if faults.len() == FAULTS_MAX {
                    return Err(format!("more than {FAULTS_MAX} faults: raise fault.every_ms"));
                }
                faults.push(Fault { at_ns: at_ms * NS_PER_MS, kind });
                at_ms += table.every_ms.unwrap_or(end_ms);
            }
        }
        faults.sort_by_key(|fault| fault.at_ns);
        Ok(faults)
    }
}

/// Payments without an outcome in a closed loop where nothing else is said.
pub const IN_FLIGHT_DEFAULT: u32 = 8_192;

/// Look-ups without an answer in a closed loop where nothing else is said.
pub const LOOKUPS_IN_FLIGHT_DEFAULT: u32 = 2_048;

/// Of all participants, where nothing else is said.
const END_USERS_DEFAULT: u32 = 1_000_000;

/// What the dearest answer costs: with less in a bucket nobody is ever answered.
const TOKENS_MIN: u32 = 20;

impl AliasTable {
    /// As long as payments are offered, and as randomly.
    fn lookups(&self, load: &LoadTable) -> Result<LookupLoad, String> {
        let rate = match (self.lookups_per_s, self.lookups_in_flight) {
            (None, None) => return Ok(LookupLoad::Nothing),
            (None, Some(in_flight)) if (1..=LOOKUPS_MAX).contains(&in_flight) => {
                return Ok(LookupLoad::Closed { in_flight });
            }
            (None, Some(in_flight)) => {
                return Err(format!("aliases.lookups_in_flight = {in_flight}: give 1 to {LOOKUPS_MAX}"));
            }
            (Some(_), Some(_)) => return Err("aliases: give lookups_per_s or lookups_in_flight, not both".to_owned()),
            (Some(rate), None) => rate,
        };
        let schedule = Schedule::constant(rate, load.duration_s);
        let schedule = schedule
            .ok_or_else(|| format!("aliases.lookups_per_s = {rate}: give 1 to {RATE_MAX} look-ups a second"))?;
        // Others than those of the payments.
        let seed = || load.seed.map_or_else(random_seed, |seed| seed.wrapping_add(1));
        Ok(LookupLoad::Open(match load.arrivals {
            ArrivalsName::Even => schedule,
            ArrivalsName::Poisson => schedule.spaced(Spacing::Poisson { seed: seed() }),
        }))
    }

    fn plan(&self, lookups: LookupLoad, participants: u32) -> Result<AliasPlan, String> {
        let AliasTable { count, missed_percent, end_users, tokens, .. } = *self;
        if !(u64::from(participants)..=ALIASES_MAX).contains(&count) {
            return Err(format!(
                "aliases.count = {count}: give {participants}, one for each participant, to {ALIASES_MAX}"
            ));
        }
        let missed_percent = missed_percent.unwrap_or(0);
        if missed_percent > 100 {
            return Err(format!("aliases.missed_percent = {missed_percent}: give 0 to 100"));
        }
        let end_users = end_users.unwrap_or(END_USERS_DEFAULT);
        let users_max = u32::try_from(LOOKUP_USERS_MAX).unwrap_or(u32::MAX);
        if !(participants..=users_max).contains(&end_users) {
            return Err(format!(
                "aliases.end_users = {end_users}: give {participants}, one for each participant, to {users_max}"
            ));
        }
        let tokens = tokens.unwrap_or(LOOKUP_CAPACITY_MAX);
        if !(TOKENS_MIN..=LOOKUP_CAPACITY_MAX).contains(&tokens) {
            return Err(format!("aliases.tokens = {tokens}: give {TOKENS_MIN} to {LOOKUP_CAPACITY_MAX}"));
        }
        Ok(AliasPlan { count, lookups, missed_percent, end_users, tokens })
    }
}

fn random_seed() -> u64 {
    u64::from_le_bytes(switch::seal::random())
}

impl LoadTable {
    fn closed(duration_s: u64) -> LoadTable {
        LoadTable {
            shape: Shape::Closed,
            arrivals: ArrivalsName::Even,
            seed: None,
            duration_s,
            warm_up_s: 0,
            rate: None,
            rate_to: None,
            burst_rate: None,
            burst_every_ms: None,
            burst_for_ms: None,
            in_flight: None,
        }
    }

    fn load(&self) -> Result<Load, String> {
        self.check_fields()?;
        let duration_s = self.duration_s;
        if self.shape == Shape::None {
            return Ok(Load::Nothing { duration_s });
        }
        if self.shape == Shape::Closed {
            let in_flight = self.in_flight.unwrap_or(IN_FLIGHT_DEFAULT);
            let can_be = (1..=FLIGHTS_MAX).contains(&in_flight);
            let refused = || format!("load.in_flight = {in_flight}: give 1 to {FLIGHTS_MAX}");
            return can_be.then_some(Load::Closed { in_flight, duration_s }).ok_or_else(refused);
        }
        let need = |name: &str, value: Option<u64>| {
            value.ok_or_else(|| format!("load.{name} is missing, which shape {:?} needs", self.shape).to_lowercase())
        };
        let rate = need("rate", self.rate)?;
        for (name, rate) in [("rate", Some(rate)), ("rate_to", self.rate_to), ("burst_rate", self.burst_rate)] {
            if rate.is_some_and(|rate| !(1..=RATE_MAX).contains(&rate)) {
                return Err(format!("load.{name} = {}: give 1 to {RATE_MAX} payments a second", rate.unwrap_or(0)));
            }
        }
        let schedule = match self.shape {
            Shape::Ramp => Schedule::ramp(rate, need("rate_to", self.rate_to)?, duration_s),
            Shape::Daily => Schedule::daily(rate, duration_s),
            Shape::Burst => {
                let bursts = Bursts {
                    rate_per_s: need("burst_rate", self.burst_rate)?,
                    every_ms: need("burst_every_ms", self.burst_every_ms)?,
                    for_ms: need("burst_for_ms", self.burst_for_ms)?,
                };
                Schedule::burst(rate, bursts, duration_s)
            }
            Shape::Constant | Shape::Closed | Shape::None => Schedule::constant(rate, duration_s),
        };
        let schedule = schedule.ok_or("load.burst_for_ms must be less than load.burst_every_ms, and above 0")?;
        Ok(Load::Open(match self.arrivals {
            ArrivalsName::Even => schedule,
            ArrivalsName::Poisson => schedule.spaced(Spacing::Poisson { seed: self.seed.unwrap_or_else(random_seed) }),
        }))
    }

    /// A field that the shape does not use is as wrong as one that does not exist.
    fn check_fields(&self) -> Result<(), String> {
        let fields = [
            ("rate", self.rate.is_some(), !matches!(self.shape, Shape::Closed | Shape::None)),
            ("rate_to", self.rate_to.is_some(), self.shape == Shape::Ramp),
            ("burst_rate", self.burst_rate.is_some(), self.shape == Shape::Burst),
            ("burst_every_ms", self.burst_every_ms.is_some(), self.shape == Shape::Burst),
            ("burst_for_ms", self.burst_for_ms.is_some(), self.shape == Shape::Burst),
            ("in_flight", self.in_flight.is_some(), self.shape == Shape::Closed),
            ("seed", self.seed.is_some(), self.arrivals == ArrivalsName::Poisson),
        ];
        let shape = format!("{:?}", self.shape).to_lowercase();
        match fields.into_iter().find(|(_, is_given, is_used)| *is_given && !is_used) {
            Some(("seed", ..)) => Err("load.seed is only for arrivals = \"poisson\"; remove it".to_owned()),
            Some((name, ..)) => Err(format!("load.{name} is not for shape = \"{shape}\"; remove it")),
            None => Ok(()),
        }
    }
}

impl MixTable {
    fn mix(self) -> Result<Mix, String> {
        let usual = Mix::default();
        let mix = Mix {
            hot_payee_percent: self.hot_payee_percent.unwrap_or(usual.hot_payee_percent),
            repeat_percent: self.repeat_percent.unwrap_or(usual.repeat_percent),
            bulk_percent: self.bulk_percent.unwrap_or(usual.bulk_percent),
            request_percent: self.request_percent.unwrap_or(usual.request_percent),
            return_percent: self.return_percent.unwrap_or(usual.return_percent),
            recall_percent: self.recall_percent.unwrap_or(usual.recall_percent),
            alias_percent: self.alias_percent.unwrap_or(usual.alias_percent),
            recall_wave_at_ns: self.recall_wave_at_s.map(|at_s| at_s.saturating_mul(NS_PER_S)),
            amount_min: self.amount_min.unwrap_or(usual.amount_min),
            amount_max: self.amount_max.unwrap_or_else(|| usual.amount_max.max(self.amount_min.unwrap_or(0))),
        };
        let percents = [
            ("hot_payee_percent", mix.hot_payee_percent),
            ("repeat_percent", mix.repeat_percent),
            ("bulk_percent", mix.bulk_percent),
            ("request_percent", mix.request_percent),
            ("return_percent", mix.return_percent),
            ("recall_percent", mix.recall_percent),
            ("alias_percent", mix.alias_percent),
        ];
        if let Some((name, percent)) = percents.into_iter().find(|(_, percent)| *percent > 100) {
            return Err(format!("mix.{name} = {percent}: give 0 to 100"));
        }
        if mix.return_percent + mix.recall_percent > 100 {
            return Err(
                "mix.return_percent and mix.recall_percent: give at most 100 together, for a payment has one of them"
                    .to_owned(),
            );
        }
        // Funds of a spawned switch last for a day of everyday amounts.
        if mix.amount_min == 0 || mix.amount_max < mix.amount_min || mix.amount_max > 1_000_000 {
            return Err("mix.amount_min and mix.amount_max: give 1 to 1000000 minor units, in this order".to_owned());
        }
        Ok(mix)
    }
}

impl FaultTable {
    fn kind(&self, participants: u32) -> Result<FaultKind, String> {
        self.check_fields()?;
        match self.kind {
            FaultName::KillSwitch => Ok(FaultKind::KillSwitch),
            FaultName::Flood => {
                let for_ms = self.for_ms.filter(|&for_ms| for_ms > 0);
                let for_ms = for_ms.ok_or("fault.for_ms is missing, which kind = \"flood\" needs, above 0")?;
                if let Some(rate) = self.rate.filter(|rate| !(1..=RATE_MAX).contains(rate)) {
                    return Err(format!("fault.rate = {rate}: give 1 to {RATE_MAX} payments a second"));
                }
                Ok(FaultKind::Flood { for_ns: for_ms.saturating_mul(NS_PER_MS), rate: self.rate })
            }
            FaultName::CutProviders => {
                let providers = self.providers.unwrap_or(1);
                let stays = self.for_ms.is_none() && providers == participants;
                if !(1..=participants).contains(&providers) || stays {
                    return Err(format!(
                        "fault.providers = {providers}: give 1 to {participants}, and fewer where they do not come back"
                    ));
                }
                let for_ns = self.for_ms.map(|for_ms| for_ms.saturating_mul(NS_PER_MS));
                Ok(FaultKind::CutProviders { providers, for_ns })
            }
        }
    }

    /// A field that the kind does not use is as wrong as one that does not exist.
    fn check_fields(&self) -> Result<(), String> {
        let fields = [
            ("providers", self.providers.is_some(), self.kind == FaultName::CutProviders),
            ("for_ms", self.for_ms.is_some(), self.kind != FaultName::KillSwitch),
            ("rate", self.rate.is_some(), self.kind == FaultName::Flood),
        ];
        match fields.into_iter().find(|(_, is_given, is_used)| *is_given && !is_used) {
            Some((name, ..)) => Err(format!("fault.{name} is not for kind = \"{}\"; remove it", self.kind.name())),
            None => Ok(()),
        }
    }
}

impl FaultName {
    fn name(self) -> &'static str {
        match self {
            FaultName::KillSwitch => "kill_switch",
            FaultName::CutProviders => "cut_providers",
            FaultName::Flood => "flood",
        }
    }
}

impl ServiceTable {
    fn service(self) -> Result<Service, String> {
        let ServiceTable { throughput_min_per_s, p50_max_ms, p90_max_ms, p99_max_ms, errors_max_percent, .. } = self;
        let ServiceTable { drift_max_percent, lookups_min_per_s, lookup_p99_max_ms, lookup_errors_max_percent, .. } =
            self;
        let payments = [p50_max_ms, p90_max_ms, p99_max_ms, errors_max_percent, drift_max_percent];
        let levels = payments.into_iter().chain([lookup_p99_max_ms, lookup_errors_max_percent]);
        if levels.flatten().any(|level| !(0.0..=1_000_000.0).contains(&level)) {
            return Err("service: give levels from 0 to 1000000".to_owned());
        }
        Ok(Service {
            throughput_min_per_s,
            p50_max_ms,
            p90_max_ms,
            p99_max_ms,
            errors_max_percent,
            drift_max_percent,
            lookups_min_per_s,
            lookup_p99_max_ms,
            lookup_errors_max_percent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan, String> {
        parse("x.toml", text, Overrides::default()).map_err(|error| error.0)
    }

    fn check_error(text: &str, parts: &[&str]) {
        let error = plan(text).expect_err("it is wrong");
        assert!(!error.contains('\n') && parts.iter().all(|part| error.contains(part)), "{error}");
    }

    #[test]
    fn a_warm_up_is_a_part_of_the_run_and_as_long_as_the_command_line_says() {
        let text = GOOD.replace("= 10\n", "= 10\nwarm_up_s = 4\n");
        let warm_up_s = |overrides| parse("x.toml", &text, overrides).expect("it is right").warm_up_ns / NS_PER_S;
        assert_eq!(warm_up_s(Overrides::default()), 4);
        assert_eq!(warm_up_s(Overrides { duration_s: Some(5), ..Overrides::default() }), 2);
        assert_eq!(warm_up_s(Overrides { rate: Some(Rate::Max), ..Overrides::default() }), 4);
        assert_eq!(warm_up_s(Overrides { warm_up_s: Some(0), ..Overrides::default() }), 0);
    }

    const GOOD: &str = "name = \"x\"\nabout = \"x\"\n[load]\nshape = \"constant\"\nrate = 100\nduration_s = 10\n";

    #[test]
    fn every_scenario_of_the_library_is_a_plan() {
        for (name, text) in LIBRARY {
            let plan = parse(name, text, Overrides::default()).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(plan.scenario.as_deref(), Some(name));
            assert!(about(name).is_some_and(|about| about.len() > 20 && !about.contains('\n')), "{name}");
            assert_ne!(plan.service, Service::default(), "{name} has service levels");
            // Small and short it is the same scenario.
            let overrides = Overrides {
                rate: Some(Rate::PerSecond(50)),
                duration_s: Some(2),
                participants: Some(4),
                warm_up_s: Some(1),
                ..Overrides::default()
            };
            let small = parse(name, text, overrides).unwrap_or_else(|error| panic!("{name}, small: {error}"));
            assert_eq!((small.participants, small.load.duration_ns()), (4, 2 * NS_PER_S), "{name}");
            assert_eq!(small.faults.len(), plan.faults.len(), "{name}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        check_error(
            &format!("{GOOD}burst = 7\n"),
            &["scenario x.toml: line 7: unknown field `burst`", "docs/scenarios"],
        );
        check_error(&GOOD.replace("constant", "square"), &["line 4", "unknown variant `square`"]);
        check_error(&GOOD.replace("rate = 100", "rate = 0"), &["load.rate = 0: give 1 to 10000000"]);
        check_error(&GOOD.replace("rate = 100", "rate = 10000001"), &["load.rate = 10000001"]);
        check_error(&GOOD.replace("rate = 100\n", ""), &["load.rate is missing"]);
        check_error(&GOOD.replace("= 10\n", "= 0\n"), &["load.duration_s = 0"]);
        check_error(
            &format!("{GOOD}warm_up_s = 10\n"),
            &["load.warm_up_s = 10: give less than duration_s, which is 10"],
        );
        check_error(&format!("{GOOD}rate_to = 5\n"), &["load.rate_to is not for shape = \"constant\""]);
        check_error(&format!("{GOOD}seed = 5\n"), &["load.seed is only for"]);
        check_error(&format!("{GOOD}[participants]\ncount = 1\n"), &["participants.count = 1"]);
        check_error(&format!("{GOOD}[participants]\nslow = 16\n"), &["participants.slow"]);
        check_error(&format!("{GOOD}[mix]\nhot_payee_percent = 101\n"), &["mix.hot_payee_percent"]);
        check_error(&format!("{GOOD}[[fault]]\nkind = \"kill_switch\"\nat_ms = 10000\n"), &["fault.at_ms = 10000"]);
        check_error(&format!("{GOOD}[service]\np99_max_ms = -1\n"), &["service:"]);
        check_error(&format!("{GOOD}[mix]\nbulk_percent = 101\n"), &["mix.bulk_percent = 101"]);
        check_error(&format!("{GOOD}[mix]\nreturn_percent = 60\nrecall_percent = 41\n"), &["at most 100 together"]);
        check_error(&format!("{GOOD}[mix]\nrecall_wave_at_s = 1\n"), &["mix.recall_wave_at_s = 1", "recall_percent"]);
        let silent = "[participants]\nsilent = 1\n[mix]\nbulk_percent = 1\n";
        check_error(&format!("{GOOD}{silent}"), &["mix.bulk_percent", "participants.silent"]);
        let flood = "[[fault]]\nkind = \"flood\"\nat_ms = 1000\n";
        check_error(&format!("{GOOD}{flood}"), &["fault.for_ms is missing"]);
        check_error(&format!("{GOOD}{flood}for_ms = 9\nproviders = 1\n"), &["fault.providers is not for"]);
        check_error(&format!("{GOOD}{flood}for_ms = 9\nrate = 0\n"), &["fault.rate = 0"]);
        check_error("name = 7", &["line 1"]);
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = read("pay_day", Overrides::default()).expect_err("no such scenario").0;
        assert!(error.contains("payday, hot_payee"), "{error}");
        assert!(read("/nowhere/x.toml", Overrides::default()).is_err_and(|error| error.0.contains("/nowhere/x.toml")));
    }

    #[test]
    fn the_command_line_scales_a_scenario() {
        let text = "name = \"x\"\nabout = \"x\"\n[load]\nshape = \"burst\"\nrate = 100\nduration_s = 60\nburst_rate = 1000\n\
                    burst_every_ms = 30000\nburst_for_ms = 6000\n[[fault]]\nkind = \"cut_providers\"\nat_ms = 20000\n\
                    providers = 16\nfor_ms = 0\n[service]\nthroughput_min_per_s = 250\n";
        let overrides = Overrides {
            rate: Some(Rate::PerSecond(10)),
            duration_s: Some(6),
            participants: Some(4),
            ..Overrides::default()
        };
        let plan = parse("x", text, overrides).expect("it is right");
        let Load::Open(schedule) = &plan.load else { panic!("open") };
        assert_eq!((schedule.rate_at(0), schedule.rate_at(NS_PER_S * 3 / 2)), (10, 100));
        assert_eq!(plan.service.throughput_min_per_s, Some(25));
        let kind = FaultKind::CutProviders { providers: 4, for_ns: Some(0) };
        assert_eq!(plan.faults, [Fault { at_ns: 2 * NS_PER_S, kind }]);
        let closed = parse("x", text, Overrides { rate: Some(Rate::Max), ..overrides }).expect("it is right");
        assert_eq!(closed.load, Load::Closed { in_flight: IN_FLIGHT_DEFAULT, duration_s: 6 });
    }

    #[test]
    fn a_fault_comes_again() {
        let text = format!("{GOOD}[[fault]]\nkind = \"kill_switch\"\nat_ms = 3000\nevery_ms = 3000\n");
        let plan = plan(&text).expect("it is right");
        assert!(plan.kills_switch());
        assert_eq!(plan.faults.iter().map(|fault| fault.at_ns / NS_PER_S).collect::<Vec<_>>(), [3, 6, 9]);
    }
}
