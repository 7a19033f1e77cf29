//! What a seed stands for: who takes part, under which rules and limits, and what goes wrong when.

use std::collections::BTreeMap;

use adapters::message::ParticipantCode;
use adapters::sandbox::issuer::DevelopmentIssuer;

use super::Options;
use super::faults::Fault;
use super::random::Random;
use crate::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisIssuer, GenesisParticipant, GenesisRules};
use crate::engine::scheme::Model;
use crate::limits::{LOOKUP_CATEGORIES, NS_PER_MS, OUTCOMES_KEPT_DEFAULT};
use crate::pipeline::fairness::Rate;
use crate::pipeline::{PipelineLimits, PresenceTimes};
use crate::snapshots::SnapshotPace;

/// A moment in 2026, at which every run begins.
pub(super) const START_NS: u64 = 1_790_000_000_000_000_000;

pub(super) const NS_PER_S: u64 = 1_000 * NS_PER_MS;

/// What is drawn about snapshots has a source of its own: with them and without them a seed is otherwise the same.
pub(super) const SNAPSHOTS_SEED: u64 = 0x534e_4150;

/// So has what is drawn about two connections of a provider, and about signing off.
pub(super) const LINES_SEED: u64 = 0x4c49_4e45;
const SIGNS_SEED: u64 = 0x5349_474e;

/// And what is drawn about the operator and its scheme.
pub(super) const OPERATOR_SEED: u64 = 0x4f50_4552;

/// And what is drawn about aliases.
pub(super) const ALIASES_SEED: u64 = 0x414c_4941;

/// So long before a flood a fault may still be felt. No longer than the least time-out and a second, or there would be a gap between the two.
const FLOOD_PEACE_NS: u64 = 3 * NS_PER_S;

/// The currencies of the scheme; a third one is asked for, and not offered.
pub(super) const CURRENCIES: [[u8; 3]; 2] = [*b"KES", *b"XTS"];

/// How a provider behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Character {
    Good,
    /// Reads and answers slowly, often too late.
    Slow,
    /// Falls silent for long, with its connection open.
    Dead,
    /// Sends the same payment again, in other bytes.
    Repeating,
    /// Answers and asks in any order, and before its turn.
    Disordered,
    /// Names others as payer, answers for others, changes amounts, makes up ids, sends what is no frame.
    Lying,
    /// Connects anew all the time, sometimes without its memory.
    Reconnecting,
}

impl Character {
    pub(super) const ALL: [Character; 7] = [
        Character::Good,
        Character::Slow,
        Character::Dead,
        Character::Repeating,
        Character::Disordered,
        Character::Lying,
        Character::Reconnecting,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Character::Good => "good",
            Character::Slow => "slow",
            Character::Dead => "dead",
            Character::Repeating => "repeating",
            Character::Disordered => "disordered",
            Character::Lying => "lying",
            Character::Reconnecting => "reconnecting",
        }
    }
}

/// One provider of the run.
#[derive(Clone, Debug)]
pub(super) struct ProviderPlan {
    pub(super) code: ParticipantCode,
    pub(super) character: Character,
    /// Money at the start, in each of `CURRENCIES`.
    pub(super) funds: [u64; 2],
    /// How far its positions may go below zero.
    pub(super) net_debit_caps: [u64; 2],
    /// How far what it sends may exceed what it is paid; of who has a sponsor.
    pub(super) sub_limits: [u64; 2],
    /// Whose accounts it uses, where it has none.
    pub(super) sponsor: Option<usize>,
    /// Its class in tariffs.
    pub(super) class: u8,
    /// Between two orders, on average.
    pub(super) order_gap_ns: u64,
    /// One way to the switch, at its best, on each of its lines: one, or two.
    pub(super) distances_ns: Vec<u64>,
    /// Of what it draws about its lines, and about signing off.
    pub(super) lines_seed: u64,
    /// Does it sign off now and then?
    pub(super) signs: bool,
    /// Its clock is so far from the true time.
    pub(super) clock_offset_ns: i64,
}

/// The rules of the scheme, as the auditor knows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) timeout_ns: u64,
    pub(super) payee_share_ns: u64,
    pub(super) skew_ns: u64,
    pub(super) amount_max: u64,
    /// Outcomes that the engine holds; older ones are in the history.
    pub(super) outcomes_kept: u32,
    /// These are 0 where the scheme does not have such a thing.
    pub(super) bulk_timeout_ns: u64,
    pub(super) posting_follow_up_ns: u64,
    pub(super) recall_window_ns: u64,
    pub(super) recall_answer_ns: u64,
    pub(super) information_answer_ns: u64,
    pub(super) request_expiry_max_ns: u64,
    /// Do payments for pensions belong into the bulk lane?
    pub(super) has_bulk_purpose: bool,
    pub(super) has_self_payments: bool,
}

/// The technical provider, where a scheme has one.
const TECHNICAL: &str = "TECHNICAL";

/// The purpose that may belong into the bulk lane.
pub(super) const BULK_PURPOSE: [u8; 4] = *b"PENS";

/// How often the state is put aside, and how quickly.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotPlan {
    pub(super) every_entries: u64,
    pub(super) pace: SnapshotPace,
}

/// Everything that is decided before the run begins.
pub(super) struct Plan {
    pub(super) providers: Vec<ProviderPlan>,
    /// A technical provider, behind them all: it connects for others.
    pub(super) technical: Option<ParticipantCode>,
    pub(super) rules: Rules,
    pub(super) limits: PipelineLimits,
    /// Frames that a provider sends ahead of their acknowledgement.
    pub(super) unacknowledged_max: usize,
    pub(super) segment_bytes: u64,
    /// Records after which the history begins a file.
    pub(super) run_records: u32,
    /// Ask the history's files about every id, whatever its filters say: the rare way each time.
    pub(super) looks_all_up: bool,
    /// What the thread of the history's files lets pass between two portions.
    pub(super) write_gap_ns: u64,
    /// When a provider orders more at once than can expire with one batch; then answers come at the last moment.
    pub(super) flood_at_ns: Option<u64>,
    /// Are they requests to pay, and not payments?
    pub(super) is_flood_of_requests: bool,
    /// Does nothing go wrong meanwhile? Of a switch that is down nobody is late. A start that is under way may still crash.
    pub(super) is_flood_left_alone: bool,
    /// Which of `CURRENCIES` settle net.
    pub(super) is_net: [bool; 2],
    /// Between two commands of the operator, on average; none: it gives none.
    pub(super) operator_gap_ns: Option<u64>,
    /// Does it settle windows? Else they pile up.
    pub(super) is_settled: bool,
    /// None: the scheme has no directory of aliases.
    pub(super) aliases: Option<AliasPlan>,
    /// What the switch's clock gains in a billion.
    pub(super) drift_ppb: i64,
    /// None: no snapshots are taken, and each start replays everything.
    pub(super) snapshots: Option<SnapshotPlan>,
    /// What goes wrong when, in order.
    pub(super) faults: Vec<(u64, Fault)>,
}

impl Plan {
    /// The same options give the same plan.
    pub(super) fn draw(options: &Options, random: &mut Random) -> Plan {
        let count = random.between(3, 7);
        let mut rules = draw_rules(random);
        // Early enough that its deadline comes before everybody behaves.
        let flood_at_ns = random.percent(12).then(|| random.below(options.for_ns / 4 * 3));
        if flood_at_ns.is_some() {
            // A small window would refuse most of it.
            rules.outcomes_kept = OUTCOMES_KEPT_DEFAULT;
        }
        let is_flood_of_requests = flood_at_ns.is_some() && random.percent(40);
        if is_flood_of_requests {
            // They end as payments do, so long after they were made.
            rules.request_expiry_max_ns = 2 * rules.timeout_ns;
        }
        let mut traits = random.fork();
        let providers =
            (0..count).map(|number| draw_provider(number, options.faults.has(Fault::Conduct), &mut traits)).collect();
        let mut providers: Vec<ProviderPlan> = providers;
        draw_lines_and_signs(options, &mut providers);
        let is_tiny = random.percent(40) && options.faults.has(Fault::Tiny) && flood_at_ns.is_none();
        let is_throttled = random.percent(40);
        let limits = PipelineLimits {
            directory_waiting_max: crate::limits::DIRECTORY_WAITING_MAX,
            in_flight_max: if is_tiny { 40 } else { 10_000 },
            in_flight_per_participant_max: if is_tiny { 12 } else { 5_000 },
            rate: if is_tiny && is_throttled { Rate { per_second: 20, burst: 4 } } else { Rate::UNLIMITED },
            bulk_waiting_max: if is_tiny { 6 } else { 5_000 },
            bulk_waiting_per_session_max: if is_tiny { 3 } else { 1_000 },
            cases_open_max: if is_tiny { 30 } else { 10_000 },
            cases_open_per_participant_max: if is_tiny { 9 } else { 5_000 },
            ingress_transfers_max: if is_tiny { 6 } else { 5_000 },
            questions_max: if is_tiny { 2 } else { 5_000 },
            history_waiting_max: if is_tiny { 5 } else { 2_000 },
            history_waiting_per_session_max: if is_tiny { 2 } else { 200 },
            // Drawn last.
            presence: PresenceTimes { absence_grace_ms: u64::MAX, presence_settle_ms: 0 },
        };
        let is_flood_left_alone = flood_at_ns.is_some() && random.percent(75);
        let drift_ppb = i64::try_from(random.below(4_000_000)).unwrap_or(0) - 2_000_000;
        let mut plan = Plan {
            providers,
            technical: None,
            rules,
            limits,
            unacknowledged_max: if is_tiny { 8 } else { 4_096 },
            segment_bytes: *random.pick(&[256 << 10, 512 << 10, 2 << 20]),
            run_records: *random.pick(&[40, 100, 400, 4_000]),
            looks_all_up: random.percent(20),
            write_gap_ns: *random.pick(&[NS_PER_MS, 20 * NS_PER_MS, 500 * NS_PER_MS]),
            flood_at_ns,
            is_flood_of_requests,
            is_flood_left_alone,
            is_net: [false; 2],
            operator_gap_ns: None,
            is_settled: true,
            // From a source of its own.
            aliases: draw_aliases(options, flood_at_ns.is_some()),
            drift_ppb: if options.faults.has(Fault::Drift) { drift_ppb } else { 0 },
            // From a source of their own.
            snapshots: draw_snapshots(&mut Random::new(options.seed ^ SNAPSHOTS_SEED)),
            faults: draw_faults(options, &mut random.fork()),
        };
        plan.limits.presence = draw_presence(&mut random.fork());
        plan.draw_operator(options);
        plan.spread(spread_of(options));
        plan
    }

    /// The same, so many times as slowly.
    fn spread(&mut self, times: u64) {
        for provider in &mut self.providers {
            provider.order_gap_ns *= times;
        }
        if let Some(aliases) = &mut self.aliases {
            aliases.gap_ns *= times;
            aliases.operator_gap_ns = aliases.operator_gap_ns.map(|gap_ns| gap_ns * times);
        }
    }

    /// A net currency, a sponsor, classes, and an operator. Not where a flood needs its payer's funds; and without these a seed is what it was before there were any.
    fn draw_operator(&mut self, options: &Options) {
        let mut random = Random::new(options.seed ^ OPERATOR_SEED);
        let has_operator = random.percent(75) && options.faults.has(Fault::Operator) && self.flood_at_ns.is_none();
        if !has_operator {
            return;
        }
        self.operator_gap_ns = Some(random.between(50, 500) * NS_PER_MS);
        self.is_settled = random.percent(90);
        self.is_net[1] = true;
        self.technical = ParticipantCode::parse(TECHNICAL);
        let count = self.providers.len();
        for (place, provider) in self.providers.iter_mut().enumerate() {
            provider.class = *random.pick(&[0, 1, 2]);
            provider.funds[1] += *random.pick(&[0, 10_000, 500_000]);
            provider.net_debit_caps[1] = provider.funds[1] / random.between(1, 4);
            if place + 1 == count && count > 3 {
                let sub_limits = [0; 2].map(|_: u64| *random.pick(&[1_000, 20_000]));
                (provider.sponsor, provider.funds, provider.net_debit_caps) = (Some(0), [0; 2], [0; 2]);
                provider.sub_limits = sub_limits;
            }
        }
    }

    /// Are the payments of the flood open, as far as that can be known?
    pub(super) fn is_flooded(&self, now_ns: u64) -> bool {
        self.flood_at_ns.is_some_and(|at_ns| (at_ns..at_ns + self.rules.timeout_ns + NS_PER_S).contains(&now_ns))
    }

    /// Is nothing to go wrong now, so that the flood comes to its deadline?
    pub(super) fn is_left_alone(&self, now_ns: u64) -> bool {
        self.is_flood_left_alone && (self.is_flooded(now_ns) || self.is_flooded(now_ns + FLOOD_PEACE_NS))
    }

    /// Who orders the flood, and who is to be paid: of those who do as they should, the nearest. From afar most of it would come too late to be open at
    /// once.
    pub(super) fn flood_parties(&self) -> (usize, usize) {
        let is_apt = |provider: &ProviderPlan| matches!(provider.character, Character::Good | Character::Repeating);
        let mut places: Vec<usize> = (0..self.providers.len()).collect();
        places.sort_by_key(|&place| (!is_apt(&self.providers[place]), self.providers[place].distances_ns[0]));
        (places[0], places[1])
    }

    /// The genesis that the switch is given.
    pub(super) fn genesis(&self) -> Genesis {
        let letters = |currency: [u8; 3]| String::from_utf8_lossy(&currency).into_owned();
        let by_currency = |amounts: [u64; 2]| {
            let amounts = CURRENCIES.into_iter().map(letters).zip(amounts);
            amounts.filter(|(_, amount)| *amount > 0).collect::<BTreeMap<String, u64>>()
        };
        let participant = |provider: &ProviderPlan| GenesisParticipant {
            code: provider.code.as_str().to_owned(),
            funds: by_currency(provider.funds),
            net_debit_cap: by_currency(provider.net_debit_caps),
            sub_limit: by_currency(provider.sub_limits),
            class: provider.class,
            sponsor: provider.sponsor.map(|place| self.providers[place].code.as_str().to_owned()),
            ..GenesisParticipant::default()
        };
        let technical = self.technical.iter().map(|code| GenesisParticipant {
            code: code.as_str().to_owned(),
            technical: true,
            ..GenesisParticipant::default()
        });
        let currency = |(currency, is_net)| GenesisCurrency {
            code: letters(currency),
            minor_digits: 2,
            amount_max: self.rules.amount_max,
            model: if is_net { Model::Net } else { Model::Gross },
            ..GenesisCurrency::default()
        };
        Genesis {
            directory: self.aliases.map(|aliases| aliases.genesis()),
            rules: GenesisRules {
                timeout_ms: self.rules.timeout_ns / NS_PER_MS,
                payee_share_ms: self.rules.payee_share_ns / NS_PER_MS,
                skew_ms: self.rules.skew_ns / NS_PER_MS,
                outcomes_kept: self.rules.outcomes_kept,
                bulk_timeout_ms: self.rules.bulk_timeout_ns / NS_PER_MS,
                posting_follow_up_ms: self.rules.posting_follow_up_ns / NS_PER_MS,
                recall_window_ms: self.rules.recall_window_ns / NS_PER_MS,
                recall_answer_ms: self.rules.recall_answer_ns / NS_PER_MS,
                information_answer_ms: self.rules.information_answer_ns / NS_PER_MS,
                request_expiry_max_ms: self.rules.request_expiry_max_ns / NS_PER_MS,
                bulk_purposes: Vec::from_iter(
                    self.rules.has_bulk_purpose.then(|| String::from_utf8_lossy(&BULK_PURPOSE).into_owned()),
                ),
                self_payments: self.rules.has_self_payments,
                ..GenesisRules::default()
            },
            currency: CURRENCIES.into_iter().zip(self.is_net).map(currency).collect(),
            participant: self.providers.iter().map(participant).chain(technical).collect(),
        }
    }
}

/// The directory's rules, as the auditor knows them.
#[derive(Clone, Copy, Debug)]
pub(super) struct AliasPlan {
    pub(super) cost_found: u32,
    pub(super) cost_missed: u32,
    pub(super) gives_back: u32,
    /// Capacity and refill a minute: of end users, and of participants by their category.
    pub(super) end_user: (u32, u32),
    pub(super) categories: [(u32, u32); LOOKUP_CATEGORIES],
    /// How names are shown.
    pub(super) mask: u8,
    pub(super) per_identity: u16,
    pub(super) per_account: u16,
    /// Between two things that a provider does with aliases, on average.
    pub(super) gap_ns: u64,
    /// How long the directory takes for a batch, and a clerk for a question, on average.
    pub(super) delay_ns: u64,
    /// Between two commands of the operator about the directory, on average; none: there are none.
    pub(super) operator_gap_ns: Option<u64>,
}

/// As many look-ups as one answer holds here: so few that there often are more.
pub(super) const LOOKUPS_PER_ANSWER: usize = 3;

/// The keys of the ID system of a run, by their ids. The first is trusted by the genesis.
pub(super) const ID_KEYS: [&str; 2] = ["simulated", "simulated-2"];

/// The ID system of a run, with one of its keys, which are no secret.
pub(super) fn id_system(key: usize) -> DevelopmentIssuer {
    DevelopmentIssuer::of_seed("dev-id", ID_KEYS[key], &[[0x51; 32], [0x52; 32]][key])
}

impl AliasPlan {
    fn genesis(&self) -> GenesisDirectory {
        let key = id_system(0).key();
        let issuer = GenesisIssuer::of(key.issuer, key.key_id, key.algorithm as u8, &key.public_key);
        GenesisDirectory {
            cost_found: self.cost_found,
            cost_missed: self.cost_missed,
            payment_gives_back: self.gives_back,
            end_user_capacity: self.end_user.0,
            end_user_per_minute: self.end_user.1,
            category_capacity: self.categories.map(|(capacity, _)| capacity),
            category_per_minute: self.categories.map(|(_, per_minute)| per_minute),
            aliases_per_identity: self.per_identity,
            aliases_per_account: self.per_account,
            mask: self.mask,
            issuer: vec![issuer],
        }
    }
}

/// Buckets that are soon empty, and a directory that is soon full; without it a seed is what it was before there was one.
fn draw_aliases(options: &Options, is_flooded: bool) -> Option<AliasPlan> {
    let mut random = Random::new(options.seed ^ ALIASES_SEED);
    let has_aliases = random.percent(50) && options.faults.has(Fault::Aliases) && !is_flooded;
    let cost_missed = *random.pick(&[2, 5, 20]);
    has_aliases.then(|| AliasPlan {
        cost_found: 1,
        cost_missed,
        gives_back: *random.pick(&[0, 1, 2]),
        end_user: (cost_missed * *random.pick(&[2, 5]), *random.pick(&[7, 60, 200])),
        categories: [(cost_missed * *random.pick(&[5, 20]), *random.pick(&[60, 300, 1_000])); LOOKUP_CATEGORIES],
        per_identity: *random.pick(&[2, 4]),
        per_account: *random.pick(&[2, 4]),
        gap_ns: random.between(40, 400) * NS_PER_MS,
        delay_ns: *random.pick(&[1, 3, 100]) * NS_PER_MS,
        operator_gap_ns: random.percent(60).then(|| random.between(1, 8) * NS_PER_S),
        mask: *random.pick(&[1, 2, 3]),
    })
}

/// How patient the switch is with those that are away: in some runs for ever, so that payments wait for their deadlines.
fn draw_presence(random: &mut Random) -> PresenceTimes {
    let absence_grace_ms = *random.pick(&[100, 1_000, 5_000, u64::MAX, u64::MAX]);
    PresenceTimes { absence_grace_ms, presence_settle_ms: *random.pick(&[0, 50, 200]) }
}

/// Small portions are taken over many batches, so that much changes before it is taken.
fn draw_snapshots(random: &mut Random) -> Option<SnapshotPlan> {
    let every_entries = *random.pick(&[100, 300, 1_000, 3_000]);
    let bytes_per_turn = *random.pick(&[200, 1_000, 5_000, 100_000]);
    let pace = SnapshotPace { bytes_per_turn, gap_ns: *random.pick(&[0, 2, 20]) * NS_PER_MS };
    random.percent(75).then_some(SnapshotPlan { every_entries, pace })
}

fn draw_rules(random: &mut Random) -> Rules {
    let timeout_ms = *random.pick(&[2_000, 5_000, 10_000]);
    // Cases end within the run, some of them while things still go wrong; now and then the scheme has none of a kind.
    let mut case_ns = || *random.pick(&[0, 1_500, 6_000, 6_000, 20_000, 20_000]) * NS_PER_MS;
    let (posting_follow_up_ns, recall_answer_ns) = (case_ns(), case_ns());
    let (information_answer_ns, request_expiry_max_ns) = (case_ns(), case_ns());
    Rules {
        timeout_ns: timeout_ms * NS_PER_MS,
        payee_share_ns: timeout_ms / 5 * NS_PER_MS,
        skew_ns: timeout_ms / 10 * NS_PER_MS,
        amount_max: 100_000,
        outcomes_kept: *random.pick(&[60, 200, 600, OUTCOMES_KEPT_DEFAULT]),
        bulk_timeout_ns: *random.pick(&[0, timeout_ms * 2, timeout_ms * 3]) * NS_PER_MS,
        posting_follow_up_ns,
        recall_window_ns: *random.pick(&[4_000, 30_000, 3_600_000]) * NS_PER_MS,
        recall_answer_ns,
        information_answer_ns,
        request_expiry_max_ns,
        has_bulk_purpose: random.percent(60),
        has_self_payments: random.percent(50),
    }
}

fn draw_provider(number: u64, may_misbehave: bool, random: &mut Random) -> ProviderPlan {
    let character = if may_misbehave && random.percent(70) { *random.pick(&Character::ALL) } else { Character::Good };
    let name = format!("BANK-{}", number + 1);
    let funds = *random.pick(&[20_000, 1_000_000, 5_000_000]);
    let offset_ms = if random.percent(10) { random.below(3_000) } else { random.below(100) };
    let offset_ns = i64::try_from(offset_ms * NS_PER_MS).unwrap_or(0);
    ProviderPlan {
        code: ParticipantCode::parse(&name).unwrap_or_else(|| unreachable!("{name} is a code")),
        character,
        funds: [funds, random.between(1, 100_000)],
        net_debit_caps: [0; 2],
        sub_limits: [0; 2],
        sponsor: None,
        class: 0,
        order_gap_ns: random.between(40, 400) * NS_PER_MS,
        distances_ns: vec![*random.pick(&[50_000, 1_000_000, 20_000_000])],
        lines_seed: 0,
        signs: false,
        clock_offset_ns: if random.percent(50) { offset_ns } else { -offset_ns },
    }
}

/// Without these a seed is what it was before there were any.
fn draw_lines_and_signs(options: &Options, providers: &mut [ProviderPlan]) {
    let mut random = Random::new(options.seed ^ LINES_SEED);
    for provider in providers.iter_mut() {
        // Drawn for each, wanted or not.
        let (has_two, distance_ns) = (random.percent(35), *random.pick(&[50_000, 1_000_000, 20_000_000, 150_000_000]));
        if has_two && options.faults.has(Fault::Lines) {
            provider.distances_ns.push(distance_ns);
        }
        provider.lines_seed = random.draw();
    }
    let mut random = Random::new(options.seed ^ SIGNS_SEED);
    for provider in providers.iter_mut() {
        provider.signs = random.percent(35) && options.faults.has(Fault::Signs);
    }
}

/// When lines of those who have two die.
fn draw_deaths(options: &Options) -> Vec<(u64, Fault)> {
    let mut random = Random::new(!(options.seed ^ LINES_SEED));
    let mean_ns = random.between(4, 30) * NS_PER_S;
    let mut deaths = Vec::new();
    let mut at_ns = random.around(mean_ns);
    while options.faults.has(Fault::Lines) && at_ns < options.for_ns {
        deaths.push((at_ns, Fault::Lines));
        at_ns += random.around(mean_ns) + NS_PER_MS;
    }
    deaths
}

/// What goes on in ten minutes is spread over what is longer: a day has hours in which nothing happens, and limits that refill in them.
fn spread_of(options: &Options) -> u64 {
    (options.for_ns / (600 * NS_PER_S)).max(1)
}

fn draw_faults(options: &Options, random: &mut Random) -> Vec<(u64, Fault)> {
    let mut faults = draw_deaths(options);
    for fault in Fault::EVENTS {
        // Drawn for each, wanted or not: leaving one out does not move the others.
        let mut random = random.fork();
        let mean_ns = random.between(3, 40) * NS_PER_S * spread_of(options);
        let mut at_ns = random.around(mean_ns);
        // Not all of them in every run: what happens rarely needs peace from the rest.
        let happens = options.faults.has(fault) && random.percent(60);
        while happens && at_ns < options.for_ns {
            faults.push((at_ns, fault));
            at_ns += random.around(mean_ns) + NS_PER_MS;
        }
    }
    faults.sort();
    faults.truncate(super::random::to_usize(options.faults_max));
    faults
}
