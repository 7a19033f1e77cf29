//! The configuration of a data directory: `switch.toml`, and `genesis.toml`, which is journaled at the first start and never read again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use adapters::attestation::Algorithm;
use adapters::directory::MaskRule;
use adapters::message::{ParticipantCode, Reason};
use ledger::{Amount, Currency};
use serde::{Deserialize, Serialize};

use crate::engine::rules::{RULES_VERSIONS_KNOWN, Rules};
use crate::engine::scheme::Model;
use crate::entry::IssuerKeySet;
use crate::limits::{
    BATCH_BYTES_MAX, BULK_PURPOSES_MAX, CASE_DAYS_MAX, CUT_OFFS_PER_DAY_MAX, IN_FLIGHT_MAX, INGRESS_TRANSFERS_MAX,
    LOOKUP_CAPACITY_MAX, LOOKUP_CATEGORIES, MINOR_DIGITS_MAX, NS_PER_MS, OUTCOMES_KEPT_DEFAULT, OUTCOMES_KEPT_MAX,
    PARTICIPANTS_MAX, PRESENCE_WAIT_MS_MAX, SEGMENT_BYTES_DEFAULT, SNAPSHOT_EVERY_ENTRIES_DEFAULT,
    SNAPSHOT_EVERY_ENTRIES_MIN,
};
use crate::pipeline::fairness::Rate;
use crate::pipeline::{PipelineLimits, PresenceTimes};

/// A configuration that cannot be used: which file, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// `switch.toml`. Relative paths start at the directory that holds it, which is the data directory.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the file was found; the journal and the key ring lie beside it.
    #[serde(skip)]
    pub directory: PathBuf,
    /// Where providers connect.
    pub listen: Listen,
    /// The switch's own certificate, and the authority whose certificates name participants.
    pub tls: TlsFiles,
    /// The sealing key.
    pub seal: SealFiles,
    /// How the journal is laid out.
    #[serde(default)]
    pub journal: JournalSettings,
    /// Bounds that may be lowered.
    #[serde(default)]
    pub limits: LimitSettings,
    /// When a participant counts as gone, or as there.
    #[serde(default)]
    pub presence: PresenceSettings,
}

/// Where providers connect.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The native protocol.
    pub native: SocketAddr,
    /// ISO 20022 over HTTPS; nobody can where it is missing.
    #[serde(default)]
    pub iso20022: Option<SocketAddr>,
    /// The switch's name on ISO 20022 messages: 1 to 35 of `A-Z 0-9 - _`.
    #[serde(default = "default_name")]
    pub name: String,
}

fn default_name() -> String {
    "CLEARSPAN".to_owned()
}

/// PEM files.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The authority that signs the participants' certificates.
    pub ca: PathBuf,
    /// The switch's certificate.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// The sealing key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealFiles {
    /// 64 hexadecimal digits; outside the data directory.
    pub key_file: PathBuf,
}

/// How the journal is laid out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalSettings {
    /// Size of a segment; fixed once the journal exists.
    pub segment_bytes: u64,
    /// A snapshot of the engine is taken after so many journal entries, so that a start replays no more than those; 0: never.
    pub snapshot_every_entries: u64,
}

impl Default for JournalSettings {
    fn default() -> JournalSettings {
        JournalSettings { segment_bytes: SEGMENT_BYTES_DEFAULT, snapshot_every_entries: SNAPSHOT_EVERY_ENTRIES_DEFAULT }
    }
}

/// Bounds that may be lowered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Open payments of all participants.
    pub in_flight_max: u32,
    /// Open payments of one participant.
    pub in_flight_per_participant_max: u32,
    /// Orders, returns, cases and questions of one participant a second; 0 for no limit.
    pub orders_per_second: u32,
    /// What of these one participant may send at once after a pause.
    pub orders_burst: u32,
    /// Payment orders in one batch.
    pub ingress_transfers_max: usize,
}

impl Default for LimitSettings {
    fn default() -> LimitSettings {
        let limits = PipelineLimits::default();
        LimitSettings {
            in_flight_max: limits.in_flight_max,
            in_flight_per_participant_max: limits.in_flight_per_participant_max,
            orders_per_second: limits.rate.per_second,
            orders_burst: limits.rate.burst,
            ingress_transfers_max: limits.ingress_transfers_max,
        }
    }
}

/// When a participant counts as gone, or as there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PresenceSettings {
    /// Without a connection for so long it cannot be paid.
    pub absence_grace_ms: u64,
    /// After that, with a connection for so long it can.
    pub presence_settle_ms: u64,
}

impl Default for PresenceSettings {
    fn default() -> PresenceSettings {
        let PresenceTimes { absence_grace_ms, presence_settle_ms } = PipelineLimits::default().presence;
        PresenceSettings { absence_grace_ms, presence_settle_ms }
    }
}

impl Config {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Config, ConfigError> {
        let mut config: Config = read_toml(path)?;
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        config.directory = parent.unwrap_or(Path::new(".")).to_owned();
        config.check().map_err(|problem| ConfigError(format!("{}: {problem}", path.display())))?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.journal.segment_bytes < 4 * BATCH_BYTES_MAX as u64 || !self.journal.segment_bytes.is_multiple_of(4096) {
            let least = 4 * BATCH_BYTES_MAX;
            return Err(format!("journal.segment_bytes must be a multiple of 4096 and at least {least}"));
        }
        if (1..SNAPSHOT_EVERY_ENTRIES_MIN).contains(&self.journal.snapshot_every_entries) {
            let least = SNAPSHOT_EVERY_ENTRIES_MIN;
            return Err(format!("journal.snapshot_every_entries must be 0, for none, or at least {least}"));
        }
        if ParticipantCode::parse(&self.listen.name).is_none() {
            return Err("listen.name must be 1 to 35 of A-Z 0-9 - _".to_owned());
        }
        let limits = &self.limits;
        let in_flight_fits = (1..=IN_FLIGHT_MAX).contains(&limits.in_flight_max)
            && (1..=limits.in_flight_max).contains(&limits.in_flight_per_participant_max);
        if !in_flight_fits {
            return Err(format!(
                "limits.in_flight_max must be from 1 to {IN_FLIGHT_MAX}, and limits.in_flight_per_participant_max from 1 to that"
            ));
        }
        if limits.orders_per_second > 0 && limits.orders_burst == 0 {
            return Err("limits.orders_burst must be at least 1 where limits.orders_per_second is not 0".into());
        }
        if !(1..=INGRESS_TRANSFERS_MAX).contains(&limits.ingress_transfers_max) {
            return Err(format!("limits.ingress_transfers_max must be from 1 to {INGRESS_TRANSFERS_MAX}"));
        }
        let PresenceSettings { absence_grace_ms, presence_settle_ms } = self.presence;
        if absence_grace_ms.max(presence_settle_ms) > PRESENCE_WAIT_MS_MAX {
            return Err(format!(
                "presence.absence_grace_ms and presence.presence_settle_ms must be at most {PRESENCE_WAIT_MS_MAX}"
            ));
        }
        Ok(())
    }

    /// A path of the configuration, from the data directory.
    pub fn path(&self, relative: &Path) -> PathBuf {
        self.directory.join(relative)
    }

    /// The limits, for the pipeline.
    pub fn pipeline_limits(&self) -> PipelineLimits {
        PipelineLimits {
            in_flight_max: self.limits.in_flight_max,
            in_flight_per_participant_max: self.limits.in_flight_per_participant_max,
            rate: Rate { per_second: self.limits.orders_per_second, burst: self.limits.orders_burst },
            ingress_transfers_max: self.limits.ingress_transfers_max,
            presence: PresenceTimes {
                absence_grace_ms: self.presence.absence_grace_ms,
                presence_settle_ms: self.presence.presence_settle_ms,
            },
            ..PipelineLimits::default()
        }
    }
}

/// `genesis.toml`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// Parameters of the scheme.
    pub rules: GenesisRules,
    /// Of its directory; none where it has none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<GenesisDirectory>,
    /// Its currencies.
    pub currency: Vec<GenesisCurrency>,
    /// Its participants, numbered in this order.
    pub participant: Vec<GenesisParticipant>,
}

/// Parameters of the directory (`docs/directory-rules.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenesisDirectory {
    /// Tokens of an answer that is found.
    pub cost_found: u32,
    /// Of one that is not.
    pub cost_missed: u32,
    /// What a committed payment by alias gives back.
    pub payment_gives_back: u32,
    /// What an end user's bucket holds.
    pub end_user_capacity: u32,
    /// What comes to it in a minute.
    pub end_user_per_minute: u32,
    /// What participants' buckets hold, in the categories A to H.
    pub category_capacity: [u32; LOOKUP_CATEGORIES],
    /// What comes to them in a minute.
    pub category_per_minute: [u32; LOOKUP_CATEGORIES],
    /// Aliases of one identity.
    pub aliases_per_identity: u16,
    /// Aliases that lead to one account.
    pub aliases_per_account: u16,
    /// How names are masked: 1 initials, 2 first name, 3 not at all.
    pub mask: u8,
    /// Keys of ID systems whose attestations count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub issuer: Vec<GenesisIssuer>,
}

impl Default for GenesisDirectory {
    fn default() -> GenesisDirectory {
        GenesisDirectory {
            cost_found: 1,
            cost_missed: 20,
            payment_gives_back: 2,
            end_user_capacity: 100,
            end_user_per_minute: 2,
            category_capacity: [50_000, 25_000, 10_000, 5_000, 2_500, 1_000, 700, 400],
            category_per_minute: [25_000, 10_000, 2_500, 500, 100, 25, 10, 5],
            aliases_per_identity: 20,
            aliases_per_account: 20,
            mask: 1,
            issuer: Vec::new(),
        }
    }
}

/// A key of an ID system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisIssuer {
    /// The ID system, as its attestations name it.
    pub name: String,
    /// Which of its keys.
    pub key_id: String,
    /// `EdDSA` or `ES256`.
    pub algorithm: String,
    /// In hexadecimal digits: the 32 bytes of Ed25519, or the uncompressed point of 65 bytes of P-256.
    pub public_key: String,
}

impl GenesisDirectory {
    /// Can a directory have these? An error names the key, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let capacities = self.category_capacity.iter().chain([&self.end_user_capacity]);
        if !(1..=self.cost_missed).contains(&self.cost_found) {
            return Err("directory: cost_found must be at least 1, and at most cost_missed".to_owned());
        }
        if capacities.clone().any(|&capacity| capacity < self.cost_missed) {
            return Err("directory: every capacity must be at least cost_missed, or nobody is ever answered".to_owned());
        }
        if capacities.into_iter().any(|&capacity| capacity > LOOKUP_CAPACITY_MAX) {
            return Err(format!("directory: every capacity must be at most {LOOKUP_CAPACITY_MAX}"));
        }
        if self.category_per_minute.iter().chain([&self.end_user_per_minute]).any(|&per_minute| per_minute == 0) {
            return Err("directory: what comes to a bucket in a minute must be at least 1, or it stays empty for ever"
                .to_owned());
        }
        if self.aliases_per_identity == 0 || self.aliases_per_account == 0 {
            return Err("directory: aliases_per_identity and aliases_per_account must be at least 1".to_owned());
        }
        if MaskRule::from_number(self.mask).is_none() {
            return Err("directory: mask must be 1 (initials), 2 (first name) or 3 (not at all)".to_owned());
        }
        self.issuer.iter().try_for_each(|issuer| issuer.key().map(|_| ()))
    }
}

impl GenesisIssuer {
    /// A key that is trusted, as people write it. `public_key` may have zeros behind its end.
    pub fn of(name: String, key_id: String, algorithm: u8, public_key: &[u8]) -> GenesisIssuer {
        let algorithm = Algorithm::from_number(algorithm);
        let length = algorithm.map_or(0, Algorithm::key_bytes).min(public_key.len());
        let public_key = public_key[..length].iter().map(|byte| format!("{byte:02x}")).collect();
        GenesisIssuer { name, key_id, algorithm: algorithm.map_or("", Algorithm::name).to_owned(), public_key }
    }

    /// As it is journaled.
    pub fn key(&self) -> Result<IssuerKeySet, String> {
        let problem = |what: &str| format!("directory.issuer `{}`: {what}", self.name);
        let padded = |text: &str| {
            let mut bytes = [0; 64];
            let place = bytes.get_mut(..text.len()).filter(|_| !text.is_empty() && !text.contains('\0'));
            place.map(|place| place.copy_from_slice(text.as_bytes())).map(|()| bytes)
        };
        let issuer = padded(&self.name).ok_or_else(|| problem("a name has 1 to 64 bytes"))?;
        let key_id = padded(&self.key_id).ok_or_else(|| problem("a key_id has 1 to 64 bytes"))?;
        let algorithm =
            Algorithm::from_name(&self.algorithm).ok_or_else(|| problem("the algorithm is EdDSA or ES256"))?;
        let digits = self.public_key.as_bytes();
        let digit = |digit: &u8| char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let byte = |pair: &[u8]| Some(digit(pair.first()?)? * 16 + digit(pair.get(1)?)?);
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        let bytes = bytes.filter(|bytes| bytes.len() == algorithm.key_bytes());
        let bytes = bytes.ok_or_else(|| {
            problem("the public_key is hexadecimal: 64 digits of EdDSA, 130 of ES256 (the uncompressed point)")
        })?;
        if !algorithm.takes(&bytes) {
            return Err(problem("the public_key is no point of its curve: copy it once more from the ID system"));
        }
        let mut public_key = [0; 65];
        public_key[..bytes.len()].copy_from_slice(&bytes);
        let (not_before_s, not_after_s) = (0, u64::MAX);
        Ok(IssuerKeySet {
            issuer,
            key_id,
            algorithm: algorithm as u8,
            public_key,
            not_before_s,
            not_after_s,
            is_valid: 1,
        })
    }
}

/// Parameters of the scheme.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GenesisRules {
    /// Which rules these are.
    pub version: u32,
    /// From acceptance to the end of a payment.
    pub timeout_ms: u64,
    /// What of that must be left for the payee provider.
    pub payee_share_ms: u64,
    /// How far a provider's clock may be ahead.
    pub skew_ms: u64,
    /// How many outcomes the engine holds in memory; older ones are looked up in the history on disk.
    pub outcomes_kept: u32,
    /// From acceptance to the end of a payment in the bulk lane; 0 for no bulk lane.
    pub bulk_timeout_ms: u64,
    /// From acceptance without posting to the word that it was posted; 0 where payments are not accepted so.
    pub posting_follow_up_ms: u64,
    /// How long after its outcome a payment can be recalled.
    pub recall_window_ms: u64,
    /// The longest time for the answer to a recall; 0 for no recalls.
    pub recall_answer_ms: u64,
    /// The longest time for the answer to a request for information; 0 for none of these.
    pub information_answer_ms: u64,
    /// The longest life of a request to pay; 0 for none of these.
    pub request_expiry_max_ms: u64,
    /// Purpose codes whose payments belong into the bulk lane, at most eight.
    pub bulk_purposes: Vec<String>,
    /// May payer and payee provider be one?
    pub self_payments: bool,
}

/// A day, in milliseconds.
const DAY_MS: u64 = 86_400_000;

impl Default for GenesisRules {
    fn default() -> GenesisRules {
        GenesisRules {
            version: 1,
            timeout_ms: 10_000,
            payee_share_ms: 2_000,
            skew_ms: 1_000,
            outcomes_kept: OUTCOMES_KEPT_DEFAULT,
            bulk_timeout_ms: 600_000,
            posting_follow_up_ms: DAY_MS,
            recall_window_ms: 400 * DAY_MS,
            recall_answer_ms: 15 * DAY_MS,
            information_answer_ms: 10 * DAY_MS,
            request_expiry_max_ms: 90 * DAY_MS,
            bulk_purposes: Vec::new(),
            self_payments: false,
        }
    }
}

impl GenesisRules {
    /// The purpose codes as they are journaled.
    pub fn bulk_purposes(&self) -> Result<[[u8; 4]; BULK_PURPOSES_MAX], String> {
        let mut purposes = [[0; 4]; BULK_PURPOSES_MAX];
        if self.bulk_purposes.len() > BULK_PURPOSES_MAX {
            return Err(format!("rules: bulk_purposes has more than {BULK_PURPOSES_MAX} codes"));
        }
        for (place, purpose) in purposes.iter_mut().zip(&self.bulk_purposes) {
            let code = purpose.as_bytes().try_into().ok().and_then(Reason::from_bytes);
            let code = code.filter(|code| *code != Reason::NONE);
            let code = code.ok_or(format!("rules: bulk_purposes: `{purpose}` is no code of four A-Z 0-9"))?;
            *place = code.bytes();
        }
        Ok(purposes)
    }

    /// Rules that are in force, as people write them.
    pub fn of(rules: &Rules) -> GenesisRules {
        let purposes = rules.bulk_purposes.iter().filter(|purpose| **purpose != [0; 4]);
        GenesisRules {
            version: rules.version,
            timeout_ms: rules.timeout_ns / NS_PER_MS,
            payee_share_ms: rules.payee_share_ns / NS_PER_MS,
            skew_ms: rules.skew_ns / NS_PER_MS,
            outcomes_kept: rules.outcomes_kept,
            bulk_timeout_ms: rules.bulk_timeout_ns / NS_PER_MS,
            posting_follow_up_ms: rules.posting_follow_up_ns / NS_PER_MS,
            recall_window_ms: rules.recall_window_ns / NS_PER_MS,
            recall_answer_ms: rules.recall_answer_ns / NS_PER_MS,
            information_answer_ms: rules.information_answer_ns / NS_PER_MS,
            request_expiry_max_ms: rules.request_expiry_max_ns / NS_PER_MS,
            bulk_purposes: purposes.map(|purpose| String::from_utf8_lossy(purpose).into_owned()).collect(),
            self_payments: rules.has_self_payments,
        }
    }

    /// Can a scheme have these? An error names the key, and what it may be.
    pub fn check(&self) -> Result<(), String> {
        let &GenesisRules { version, timeout_ms, payee_share_ms, skew_ms, outcomes_kept, .. } = self;
        if !RULES_VERSIONS_KNOWN.contains(&version) {
            let (first, last) = (RULES_VERSIONS_KNOWN.start(), RULES_VERSIONS_KNOWN.end());
            return Err(format!("rules: version {version} is unknown to this program, which has {first} to {last}"));
        }
        if !(payee_share_ms < timeout_ms && timeout_ms <= DAY_MS && skew_ms < timeout_ms) {
            return Err("rules: payee_share_ms and skew_ms must be less than timeout_ms, and that at most a day".into());
        }
        self.check_times()?;
        self.bulk_purposes()?;
        if self.bulk_timeout_ms == 0 && !self.bulk_purposes.is_empty() {
            let text = "rules: bulk_purposes without a bulk lane (bulk_timeout_ms is 0): such payments would be refused in both";
            return Err(text.into());
        }
        if !(1..=OUTCOMES_KEPT_MAX).contains(&outcomes_kept) {
            return Err(format!("rules: outcomes_kept must be from 1 to {OUTCOMES_KEPT_MAX}"));
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), String> {
        let bulk = self.bulk_timeout_ms;
        if bulk > DAY_MS || (0 < bulk && bulk <= self.payee_share_ms) {
            return Err("rules: bulk_timeout_ms must be 0, or more than payee_share_ms and at most a day".into());
        }
        for (name, time_ms) in [
            ("posting_follow_up_ms", self.posting_follow_up_ms),
            ("recall_window_ms", self.recall_window_ms),
            ("recall_answer_ms", self.recall_answer_ms),
            ("information_answer_ms", self.information_answer_ms),
            ("request_expiry_max_ms", self.request_expiry_max_ms),
        ] {
            if time_ms > CASE_DAYS_MAX * DAY_MS {
                return Err(format!("rules: {name} must be at most {CASE_DAYS_MAX} days"));
            }
        }
        Ok(())
    }
}

/// A currency of the scheme.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisCurrency {
    /// ISO 4217.
    pub code: String,
    /// Digits after the decimal point.
    pub minor_digits: u8,
    /// The greatest payment, in minor units.
    pub amount_max: u64,
    /// How payments settle.
    #[serde(default)]
    pub model: Model,
    /// When windows of its payments close by themselves: times of every day, `HH:MM` in UTC, ascending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cut_offs: Vec<String>,
}

/// A participant of the scheme.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisParticipant {
    /// As its certificate says.
    pub code: String,
    /// Money on its settlement accounts, in minor units by currency.
    #[serde(default)]
    pub funds: BTreeMap<String, u64>,
    /// How far its positions may go below zero, in minor units by currency that settles net: at most its funds.
    #[serde(default)]
    pub net_debit_cap: BTreeMap<String, u64>,
    /// How far what it sends may exceed what it is paid between two cut-offs, in minor units by currency, where it has a sponsor.
    #[serde(default)]
    pub sub_limit: BTreeMap<String, u64>,
    /// Its class in tariffs.
    #[serde(default)]
    pub class: u8,
    /// The direct participant whose accounts it uses, one that stands before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sponsor: Option<String>,
    /// Does it only connect for others?
    #[serde(default)]
    pub technical: bool,
    /// How many aliases it may look up: `A`, the most, to `H`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookups: Option<char>,
}

impl GenesisCurrency {
    /// Cut-offs as minutes of the day.
    pub fn cut_off_minutes(&self) -> Result<Vec<u16>, String> {
        let problem = |what: &str| format!("currency `{}`: cut_offs: {what}", self.code);
        let minute = |time: &String| {
            let (hours, minutes) = time.split_once(':').filter(|_| time.len() == 5)?;
            let (hours, minutes): (u16, u16) = (hours.parse().ok()?, minutes.parse().ok()?);
            (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)
        };
        let minutes: Option<Vec<u16>> = self.cut_offs.iter().map(minute).collect();
        let minutes = minutes.ok_or_else(|| problem("give times as HH:MM"))?;
        if !minutes.is_sorted_by(|one, next| one < next) || minutes.len() > CUT_OFFS_PER_DAY_MAX {
            return Err(problem(&format!("give at most {CUT_OFFS_PER_DAY_MAX} times, each later than the one before")));
        }
        Ok(minutes)
    }
}

impl GenesisParticipant {
    /// Its category of look-ups: 0 for A to 7 for H; none where it has the last, which everybody has.
    pub fn lookup_category(&self) -> Option<u8> {
        let letter = u8::try_from(self.lookups?).ok()?;
        letter.checked_sub(b'A').filter(|&category| usize::from(category) < LOOKUP_CATEGORIES)
    }

    /// Has it accounts of its own?
    fn is_direct(&self) -> bool {
        self.sponsor.is_none() && !self.technical
    }

    fn check(&self, code: ParticipantCode, currencies: &[Currency]) -> Result<(), String> {
        for (what, amounts, is_its) in [
            ("funds", &self.funds, self.is_direct()),
            ("net_debit_cap", &self.net_debit_cap, self.is_direct()),
            ("sub_limit", &self.sub_limit, self.sponsor.is_some()),
        ] {
            for (currency, &amount) in amounts {
                let known = Currency::parse(currency.as_bytes()).is_some_and(|code| currencies.contains(&code));
                if !known || Amount::new(amount).is_none() {
                    return Err(format!(
                        "participant `{code}`: {what} in `{currency}` of {amount}: no such currency, or no amount"
                    ));
                }
                if !is_its {
                    return Err(format!(
                        "participant `{code}`: {what} are of participants with accounts of their own, sub_limit of those with a sponsor"
                    ));
                }
            }
        }
        Ok(())
    }
}

impl Genesis {
    /// Reads and checks a file.
    pub fn read(path: &Path) -> Result<Genesis, ConfigError> {
        let genesis: Genesis = read_toml(path)?;
        genesis.check().map_err(|problem| ConfigError(format!("{}: {problem}", path.display())))?;
        Ok(genesis)
    }

    fn check(&self) -> Result<(), String> {
        self.rules.check()?;
        self.directory.as_ref().map_or(Ok(()), GenesisDirectory::check)?;
        let mut currencies = Vec::new();
        for currency in &self.currency {
            let known = Currency::parse(currency.code.as_bytes()).filter(|code| !currencies.contains(code));
            currencies.push(known.ok_or(format!("currency `{}` is no ISO 4217 code, or there twice", currency.code))?);
            if currency.minor_digits > MINOR_DIGITS_MAX {
                return Err(format!("currency `{}`: at most {MINOR_DIGITS_MAX} minor digits", currency.code));
            }
            Amount::new(currency.amount_max).ok_or(format!("currency `{}`: amount_max is no amount", currency.code))?;
            currency.cut_off_minutes()?;
        }
        if self.participant.len() > PARTICIPANTS_MAX as usize {
            return Err(format!("more than {PARTICIPANTS_MAX} participants"));
        }
        let mut codes = BTreeMap::new();
        for participant in &self.participant {
            let code = ParticipantCode::parse(&participant.code);
            let code = code.ok_or(format!("participant `{}`: a code is 1 to 35 of A-Z 0-9 - _", participant.code))?;
            if codes.insert(code, ()).is_some() {
                return Err(format!("participant `{code}` is there twice"));
            }
            participant.check(code, &currencies)?;
            if participant.lookups.is_some() && (self.directory.is_none() || participant.lookup_category().is_none()) {
                return Err(format!(
                    "participant `{code}`: lookups is a letter from A to H, where there is a directory"
                ));
            }
        }
        self.check_sponsors()?;
        self.check_caps()
    }

    /// A sponsor stands before those that settle through it, and has accounts of its own.
    fn check_sponsors(&self) -> Result<(), String> {
        for (place, participant) in self.participant.iter().enumerate() {
            let Some(code) = &participant.sponsor else { continue };
            let sponsor = self.participant[..place].iter().find(|other| other.code == *code);
            if participant.technical || !sponsor.is_some_and(GenesisParticipant::is_direct) {
                let name = &participant.code;
                return Err(format!(
                    "participant `{name}`: sponsor `{code}` must stand before it and have neither a sponsor nor `technical`"
                ));
            }
        }
        Ok(())
    }

    /// Net debit caps are of net currencies alone.
    fn check_caps(&self) -> Result<(), String> {
        let is_net = |code: &str| self.currency.iter().any(|known| known.code == code && known.model == Model::Net);
        for participant in &self.participant {
            if let Some(currency) = participant.net_debit_cap.keys().find(|code| !is_net(code)) {
                let name = &participant.code;
                return Err(format!("participant `{name}`: net_debit_cap in `{currency}`, which does not settle net"));
            }
        }
        Ok(())
    }
}

/// Reads a TOML file; an error is one line that says where.
fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let what_to_do = if error.kind() == std::io::ErrorKind::NotFound {
            "; `switch init` makes one in a new directory"
        } else {
            ""
        };
        ConfigError(format!("{}: {error}{what_to_do}", path.display()))
    })?;
    toml::from_str(&text).map_err(|error: toml::de::Error| {
        let place = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = place.map_or(String::new(), |line| format!("line {line}: "));
        let message = error.message().replace('\n', " ");
        ConfigError(format!("{}: {place}{message}; correct or remove it", path.display()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    fn error_of(text: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("switch.toml");
        std::fs::write(&path, text).unwrap();
        let error = Config::read(&path).err().unwrap().to_string();
        assert!(!error.contains('\n'), "one line: {error}");
        error.replace(&directory.path().display().to_string(), "DIR")
    }

    const GOOD: &str = "[listen]\nnative = \"127.0.0.1:0\"\n[tls]\nca = \"a\"\ncertificate = \"b\"\nkey = \"c\"\n[seal]\nkey_file = \"d\"\n";

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let unknown = error_of(&format!("{GOOD}[journal]\nsegment_size = 7\n"));
        assert!(unknown.contains("DIR/switch.toml: line 10: unknown field `segment_size`"), "{unknown}");
        let small = error_of(&format!("{GOOD}[journal]\nsegment_bytes = 4096\n"));
        assert!(small.contains("journal.segment_bytes must be"), "{small}");
        let often = error_of(&format!("{GOOD}[journal]\nsnapshot_every_entries = 5\n"));
        assert!(often.contains("journal.snapshot_every_entries must be 0"), "{often}");
        let name = error_of(&GOOD.replace("[tls]", "name = \"the switch\"\n[tls]"));
        assert!(name.contains("listen.name must be"), "{name}");
        let grace = error_of(&format!("{GOOD}[presence]\nabsence_grace_ms = 86400001\n"));
        assert!(grace.contains("presence.absence_grace_ms and"), "{grace}");
        let missing = error_of("[listen]\nnative = \"127.0.0.1:0\"\n");
        assert!(missing.contains("missing field `tls`"), "{missing}");
        let address = error_of(&GOOD.replace("127.0.0.1:0", "nowhere"));
        assert!(address.contains("line 2"), "{address}");
    }

    #[test]
    fn a_genesis_is_checked_before_it_is_journaled() {
        let genesis = |change: fn(&mut Genesis)| {
            let mut genesis = Genesis {
                directory: None,
                rules: GenesisRules::default(),
                currency: vec![GenesisCurrency {
                    code: "XTS".into(),
                    minor_digits: 2,
                    amount_max: 100,
                    ..GenesisCurrency::default()
                }],
                participant: vec![GenesisParticipant {
                    code: "ALPHA".into(),
                    funds: BTreeMap::new(),
                    ..GenesisParticipant::default()
                }],
            };
            change(&mut genesis);
            genesis.check()
        };
        assert_eq!(genesis(|_| {}), Ok(()));
        assert!(genesis(|g| g.participant.push(g.participant[0].clone())).unwrap_err().contains("twice"));
        assert!(genesis(|g| g.participant[0].code = "alpha".into()).unwrap_err().contains("a code is"));
        assert!(
            genesis(|g| g.participant[0].funds = BTreeMap::from([("EUR".into(), 1)]))
                .unwrap_err()
                .contains("no such currency")
        );
        assert!(genesis(|g| g.rules.payee_share_ms = 10_000).unwrap_err().contains("payee_share_ms"));
        assert!(genesis(|g| g.rules.version = 2).unwrap_err().contains("version 2 is unknown"));
        assert!(genesis(|g| g.rules.outcomes_kept = 0).unwrap_err().contains("outcomes_kept"));
        assert!(genesis(|g| g.currency[0].code = "xts".into()).unwrap_err().contains("ISO 4217"));
    }
}
