//! `switch init`: a new data directory.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use adapters::message::ParticipantCode;
use ledger::{Amount, Currency};

use super::{Failure, config_path};
use crate::config::{Genesis, GenesisCurrency, GenesisDirectory, GenesisIssuer, GenesisParticipant, GenesisRules};
use crate::engine::scheme::Model;
use crate::limits::{
    ABSENCE_GRACE_MS_DEFAULT, IN_FLIGHT_MAX, IN_FLIGHT_PER_PARTICIPANT_MAX, INGRESS_TRANSFERS_MAX,
    ORDERS_BURST_DEFAULT, ORDERS_PER_SECOND_DEFAULT, PARTICIPANTS_MAX, PRESENCE_SETTLE_MS_DEFAULT,
    SEGMENT_BYTES_DEFAULT, SNAPSHOT_EVERY_ENTRIES_DEFAULT,
};
use crate::pki::Authority;
use crate::seal::create_key_file;

/// Makes a data directory.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Where; must not hold a switch yet. The sealing key is written beside it, as DIR.sealing-key
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How many participants, with the codes PSP0001, PSP0002 ...
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=i64::from(PARTICIPANTS_MAX)))]
    participants: u32,
    /// What each participant has on its settlement account, in minor units (cents)
    #[arg(long, value_name = "AMOUNT", default_value_t = 1_000_000_000_000)]
    funds: u64,
    /// The scheme's currency, ISO 4217; XTS is the code for tests
    #[arg(long, value_name = "CODE", default_value = "XTS")]
    currency: String,
    /// How its payments settle: gross (each moves settlement accounts) or net (in windows)
    #[arg(long, value_name = "MODEL", default_value = "gross", value_parser = model)]
    model: Model,
    /// Where providers will connect; port 0 takes a free one at each start
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// Where providers will send ISO 20022 messages over HTTPS; nobody can without this
    #[arg(long, value_name = "HOST:PORT")]
    listen_iso20022: Option<SocketAddr>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let codes = (1..=arguments.participants).map(|number| format!("PSP{number:04}"));
    let plan = Plan {
        participants: codes.map(|code| (code, arguments.funds)).collect(),
        currency: arguments.currency.clone(),
        model: arguments.model,
        listen: arguments.listen,
        listen_iso20022: arguments.listen_iso20022,
        issuers: Vec::new(),
    };
    make(&arguments.data, &plan)?;
    let data = arguments.data.display();
    println!(
        "made {data}: switch.toml, genesis.toml, pki/; the sealing key is {}",
        key_file(&arguments.data).display()
    );
    println!("next: switch serve --config {}", config_path(&arguments.data).display());
    Ok(())
}

fn model(text: &str) -> Result<Model, String> {
    let known = [Model::Gross, Model::Net].into_iter().find(|model| model.name() == text);
    known.ok_or_else(|| "expected gross or net".to_owned())
}

/// What a new data directory is to hold.
pub(super) struct Plan {
    /// Codes, and what each has in minor units.
    pub(super) participants: Vec<(String, u64)>,
    /// ISO 4217.
    pub(super) currency: String,
    /// How payments settle. Where in windows, each participant's position may go as far below zero as it has funds.
    pub(super) model: Model,
    /// Where providers will connect.
    pub(super) listen: SocketAddr,
    /// Where ISO 20022 messages are sent, if anywhere.
    pub(super) listen_iso20022: Option<SocketAddr>,
    /// Keys of ID systems that are trusted.
    pub(super) issuers: Vec<GenesisIssuer>,
}

/// The sealing key's file: beside the data directory, never in it.
fn key_file(data: &Path) -> PathBuf {
    let mut name = data.file_name().unwrap_or_default().to_owned();
    name.push(".sealing-key");
    data.with_file_name(name)
}

/// Makes a data directory. Nothing is written where one is already.
pub(super) fn make(data: &Path, plan: &Plan) -> Result<(), Failure> {
    let config = config_path(data);
    if config.exists() {
        return Err(Failure::start(format!("{} is there already; choose another --data", config.display())));
    }
    if data.file_name().is_none() {
        return Err(Failure::start(format!("{}: give the directory a name of its own", data.display())));
    }
    if Currency::parse(plan.currency.as_bytes()).is_none() {
        return Err(Failure::start(format!("--currency {}: expected three upper-case letters", plan.currency)));
    }
    if plan.participants.iter().any(|&(_, funds)| Amount::new(funds).is_none()) {
        return Err(Failure::start("--funds: expected 1 to 999999999999999999 minor units"));
    }
    let key_file = key_file(data);
    let pki = data.join("pki");
    std::fs::create_dir_all(&pki).map_err(|error| Failure::start(format!("{}: {error}", pki.display())))?;
    let authority = Authority::create(&pki).map_err(Failure::start)?;
    authority.issue_server().map_err(Failure::start)?;
    for (code, _) in &plan.participants {
        let code =
            ParticipantCode::parse(code).ok_or_else(|| Failure::start(format!("{code} is no participant code")))?;
        authority.issue_participant(&code).map_err(Failure::start)?;
    }
    // A key that an earlier data directory of this name left behind is as good as a new one; where it is in use no other is needed.
    if !key_file.exists() {
        create_key_file(&key_file).map_err(Failure::start)?;
    }
    write(&data.join("genesis.toml"), &genesis_text(plan)?)?;
    // The configuration comes last: where it is, everything else is.
    write(&config, &config_text(plan, &key_file))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::start(format!("{}: {error}", path.display())))
}

fn genesis_text(plan: &Plan) -> Result<String, Failure> {
    let currency = &plan.currency;
    let genesis = Genesis {
        directory: Some(GenesisDirectory { issuer: plan.issuers.clone(), ..GenesisDirectory::default() }),
        rules: GenesisRules::default(),
        currency: vec![GenesisCurrency {
            code: currency.clone(),
            minor_digits: 2,
            amount_max: 100_000_000_000,
            model: plan.model,
            ..GenesisCurrency::default()
        }],
        participant: plan
            .participants
            .iter()
            .map(|(code, funds)| GenesisParticipant {
                code: code.clone(),
                funds: BTreeMap::from([(currency.clone(), *funds)]),
                net_debit_cap: (plan.model == Model::Net).then(|| (currency.clone(), *funds)).into_iter().collect(),
                ..GenesisParticipant::default()
            })
            .collect(),
    };
    let text = toml::to_string(&genesis).map_err(|error| Failure::start(format!("genesis.toml: {error}")))?;
    Ok(format!(
        "# What the scheme begins with. It is journaled when the switch first starts, and never read again:\n\
         # from then on the journal is the truth. Times in milliseconds, amounts in minor units (cents).\n\n{text}"
    ))
}

fn config_text(plan: &Plan, key_file: &Path) -> String {
    let key_name = key_file.file_name().unwrap_or_default().to_string_lossy();
    let listen = plan.listen;
    let iso20022 = match plan.listen_iso20022 {
        Some(address) => format!("iso20022 = \"{address}\""),
        None => "# iso20022 = \"127.0.0.1:7443\"".to_owned(),
    };
    format!(
        r#"# Configuration of a Clearspan switch. Relative paths start at this file's directory, which is the data directory.
# An unknown key is an error, so a misspelt one is never ignored.

[listen]
# Where providers connect with the native protocol (TLS 1.3, client certificates). Port 0 takes a free one.
native = "{listen}"
# Where providers send ISO 20022 messages over HTTPS, with the same certificates (docs/iso20022.md). Without this line nobody can.
{iso20022}

[tls]
# The authority whose certificates name participants, and the switch's own pair. These are for development.
ca = "pki/ca.pem"
certificate = "pki/server.pem"
key = "pki/server.key"

[seal]
# 64 hexadecimal digits that wrap the keys of sealed personal data. Keep it off the data directory's disk and its backups:
# without it nobody can read that data, and with it a copy of the disk can be read.
key_file = "../{key_name}"

[journal]
# Size of a segment file. Fixed once the journal exists.
segment_bytes = {SEGMENT_BYTES_DEFAULT}
# A snapshot of the state is taken after so many entries (two or so a payment), so that a start replays no more; 0: never.
snapshot_every_entries = {SNAPSHOT_EVERY_ENTRIES_DEFAULT}

[limits]
# Open payments of all participants, and of one. Above, a payment is refused as busy and leaves no trace.
in_flight_max = {IN_FLIGHT_MAX}
in_flight_per_participant_max = {IN_FLIGHT_PER_PARTICIPANT_MAX}
# What one participant may send a second (orders, returns, cases, questions; answers are free), and at once after a pause. 0 a second: no limit.
orders_per_second = {ORDERS_PER_SECOND_DEFAULT}
orders_burst = {ORDERS_BURST_DEFAULT}
# Payments that one journal batch takes.
ingress_transfers_max = {INGRESS_TRANSFERS_MAX}

[presence]
# Without a connection for so long a participant cannot be paid (AB08); connected again for so long, it can.
absence_grace_ms = {ABSENCE_GRACE_MS_DEFAULT}
presence_settle_ms = {PRESENCE_SETTLE_MS_DEFAULT}
"#
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use crate::config::Config;

    #[test]
    fn what_init_writes_can_be_read_and_is_not_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let plan = Plan {
            participants: vec![("ALPHA".into(), 5)],
            currency: "XTS".into(),
            model: Model::Gross,
            listen: "127.0.0.1:0".parse().unwrap(),
            listen_iso20022: None,
            issuers: Vec::new(),
        };
        assert!(make(&data, &plan).is_ok());
        let config = Config::read(&config_path(&data)).unwrap();
        assert!(config.path(&config.seal.key_file).exists());
        let genesis = Genesis::read(&data.join("genesis.toml")).unwrap();
        assert_eq!(genesis.participant[0].funds["XTS"], 5);
        assert!(make(&data, &plan).is_err_and(|failure| failure.message.contains("is there already")));

        // Whoever removes the directory leaves the key beside it, and can begin again.
        std::fs::remove_dir_all(&data).unwrap();
        assert!(make(&data, &plan).is_ok());
    }
}
