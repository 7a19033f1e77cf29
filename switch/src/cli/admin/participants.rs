//! `switch admin participants`: who takes part, and what it may.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use adapters::message::ParticipantCode;
use adapters::native::tls::read_certificates;
use ledger::Currency;

use super::show::{json, limit, money_in, signed_money, table, yes};
use super::{By, Place};
use crate::cli::ledger::arguments::{currency, participant, short_time_text};
use crate::engine::scheme::members::Standing;
use crate::lookup::Trouble;
use crate::operator::view::{Page, ParticipantRow, ParticipantView, Question, TermsRow, View};
use crate::operator::{Action, TermsWords};
use crate::pki;

/// `switch admin participants`.
#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// List all participants
    List(List),
    /// Show one with its limits, terms, accounts and certificates
    Show(Show),
    /// Admit a participant: it can connect at once with a certificate of the scheme's authority
    #[command(
        after_help = "Example:\n  switch admin participants open PSP0005 --active --data /var/lib/clearspan \\\n    --operator j.doe --approver m.roe --reason 'decision 21 of the board' --yes"
    )]
    Open(Open),
    /// Let a participant in, suspend it, or close it for good
    Stand(Stand),
    /// Set how much a participant may send at once; what is not named stays
    Limits(Limits),
    /// Set what a participant may do in a currency; what is not named stays
    Terms(Terms),
    /// Let a technical provider connect for a participant
    Connect(Connect),
    /// Register a certificate of a participant, or revoke one; from the first on only registered ones may connect
    Certificate(Certificate),
}

/// All of them.
#[derive(clap::Args)]
pub(in crate::cli) struct List {
    #[command(flatten)]
    place: Place,
    /// Print an object of JSON a line
    #[arg(long)]
    json: bool,
}

/// One of them.
#[derive(clap::Args)]
pub(in crate::cli) struct Show {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    #[command(flatten)]
    place: Place,
    /// Print one JSON object, amounts of accounts as strings in minor units
    #[arg(long)]
    json: bool,
}

/// Another one.
#[derive(clap::Args)]
pub(in crate::cli) struct Open {
    /// Its code, as its certificates say: never given again
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// It may pay and be paid at once; without, it is onboarding until `stand CODE active`
    #[arg(long)]
    active: bool,
    /// Its class in tariffs; 0 for none
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    class: u8,
    /// The direct participant whose accounts it uses
    #[arg(long, value_name = "CODE", value_parser = participant)]
    sponsor: Option<ParticipantCode>,
    /// It has no accounts and connects for others
    #[arg(long, conflicts_with = "sponsor")]
    technical: bool,
    #[command(flatten)]
    by: By,
}

/// Where it stands.
#[derive(clap::Args)]
pub(in crate::cli) struct Stand {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// active, debits-suspended, credits-suspended, suspended or closed
    #[arg(value_name = "STANDING", value_parser = standing)]
    standing: Standing,
    #[command(flatten)]
    by: By,
}

fn standing(text: &str) -> Result<Standing, String> {
    let known = Standing::ALL.into_iter().find(|standing| standing.name().replace(' ', "-") == text);
    known.ok_or_else(|| "expected active, debits-suspended, credits-suspended, suspended or closed".to_owned())
}

/// How much at once.
#[derive(clap::Args)]
#[group(id = "changes", multiple = true, required = true, args = ["in_flight_max", "orders_per_second", "orders_burst"])]
pub(in crate::cli) struct Limits {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// Payments in flight; 0: as the switch is configured
    #[arg(long, value_name = "COUNT")]
    in_flight_max: Option<u32>,
    /// Orders, returns, cases and questions a second; 0: as the switch is configured
    #[arg(long, value_name = "COUNT")]
    orders_per_second: Option<u32>,
    /// Of these, at once after a pause; 0: as the switch is configured
    #[arg(long, value_name = "COUNT")]
    orders_burst: Option<u32>,
    #[command(flatten)]
    by: By,
}

/// What in a currency. Amounts in minor units.
#[derive(clap::Args)]
pub(in crate::cli) struct Terms {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// ISO 4217
    #[arg(long, value_name = "CODE", value_parser = currency)]
    currency: Currency,
    /// May it pay and be paid in this currency?
    #[arg(long, value_name = "yes|no", value_parser = yes_or_no)]
    offered: Option<bool>,
    /// Of one payment, in minor units; 0: the scheme's
    #[arg(long, value_name = "AMOUNT")]
    amount_max: Option<u64>,
    /// What it may send between two cut-offs, in minor units; 0: no limit
    #[arg(long, value_name = "AMOUNT")]
    intraday_max: Option<u64>,
    /// How far its position may go below zero, in minor units: net currencies
    #[arg(long, value_name = "AMOUNT")]
    net_debit_cap: Option<u64>,
    /// How far what it sent may exceed what it was paid since the last cut-off, in minor units: with a sponsor
    #[arg(long, value_name = "AMOUNT")]
    sub_limit: Option<u64>,
    #[command(flatten)]
    by: By,
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err("expected yes or no".to_owned()),
    }
}

/// Who connects for whom.
#[derive(clap::Args)]
pub(in crate::cli) struct Connect {
    /// The technical provider
    #[arg(value_name = "TECHNICAL", value_parser = participant)]
    technical: ParticipantCode,
    /// For whom
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// No longer
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    by: By,
}

/// A certificate.
#[derive(clap::Args)]
pub(in crate::cli) struct Certificate {
    /// The participant
    #[arg(value_name = "CODE", value_parser = participant)]
    participant: ParticipantCode,
    /// A PEM file: the fingerprint and the validity of its first certificate are read
    #[arg(long, value_name = "FILE", required_unless_present = "fingerprint", conflicts_with = "fingerprint")]
    file: Option<PathBuf>,
    /// SHA-256 of its DER form, to revoke what is there as no file: 64 hexadecimal digits, as `show` prints them
    #[arg(long, value_name = "DIGITS", requires = "revoke")]
    fingerprint: Option<String>,
    /// Revoke it
    #[arg(long)]
    revoke: bool,
    #[command(flatten)]
    by: By,
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    let out = &mut out;
    match command {
        Command::List(arguments) => list(arguments, out),
        Command::Show(arguments) => show(arguments, out),
        Command::Open(arguments) => open(arguments, out),
        Command::Stand(arguments) => stand(arguments, out),
        Command::Limits(arguments) => limits(arguments, out),
        Command::Terms(arguments) => terms(arguments, out),
        Command::Connect(arguments) => connect(arguments, out),
        Command::Certificate(arguments) => certificate(arguments, out),
    }
}

fn only_participants(view: View) -> Option<Page<ParticipantRow>> {
    if let View::Participants(page) = view { Some(page) } else { None }
}

fn list(arguments: &List, out: &mut dyn Write) -> Result<(), Trouble> {
    let participants = arguments.place.rows(|after| Question::Participants { after }, only_participants)?;
    if arguments.json {
        return json(&participants, out);
    }
    let rows: Vec<Vec<String>> = participants
        .iter()
        .map(|row| {
            let part = match &row.sponsor {
                Some(sponsor) => format!("through {sponsor}"),
                None if row.is_technical => "technical".to_owned(),
                None => "direct".to_owned(),
            };
            let (code, standing) = (row.participant.clone(), row.standing.name().to_owned());
            vec![code, standing, part, row.class.to_string(), yes(row.is_reachable), row.in_flight.to_string()]
        })
        .collect();
    table(&["participant", "standing", "takes part", ">class", "reachable", ">in flight"], &rows, out)
}

fn view_of(place: &Place, participant: &ParticipantCode) -> Result<ParticipantView, Trouble> {
    match place.look(Question::Participant { participant: participant.to_string() })? {
        View::Participant(view) => Ok(*view),
        other => Err(super::another_answer(&other)),
    }
}

fn show(arguments: &Show, out: &mut dyn Write) -> Result<(), Trouble> {
    let view = view_of(&arguments.place, &arguments.participant)?;
    if arguments.json {
        return json(&[view], out);
    }
    let row = &view.row;
    let configured = |value: u32| limit(value.to_string(), value == 0, "as configured");
    let mut said = vec![
        ("participant", row.participant.clone()),
        ("standing", row.standing.name().to_owned()),
        ("class", row.class.to_string()),
        ("reachable", yes(row.is_reachable)),
        ("in flight", format!("{} (at most: {})", row.in_flight, configured(view.in_flight_max))),
        (
            "orders",
            format!("a second: {}, at once: {}", configured(view.orders_per_second), configured(view.orders_burst)),
        ),
    ];
    said.extend(row.sponsor.clone().map(|sponsor| ("sponsor", sponsor)));
    if row.is_technical {
        said.push(("connects for", view.connects_for.join(", ")));
    }
    if !view.transfers_to.is_empty() {
        said.push(("transfers to", view.transfers_to.join(", ")));
    }
    for certificate in &view.certificates {
        let time = |s: u64| short_time_text(s.saturating_mul(1_000_000_000));
        let validity = format!("{} to {}", time(certificate.not_before_s), time(certificate.not_after_s));
        said.push(("certificate", format!("{} {validity}", certificate.fingerprint)));
    }
    if view.certificates.is_empty() {
        let none = if view.is_bound { "none is registered any more: it cannot connect" } else { "any of its name" };
        said.push(("certificate", none.to_owned()));
    }
    super::show::lines(&said, out)?;
    for row in &view.terms {
        super::show::lines(&[("terms", format!("{} {}", row.currency, terms_text(row, &row.terms)))], out)?;
    }
    let rows: Vec<Vec<String>> = view
        .accounts
        .iter()
        .map(|row| {
            let amount = |minor_units| signed_money(minor_units, row.minor_digits);
            vec![row.account.clone(), row.currency.clone(), amount(row.balance), amount(row.held)]
        })
        .collect();
    if rows.is_empty() { Ok(()) } else { table(&["account", "currency", ">balance", ">held"], &rows, out) }
}

fn terms_text(row: &TermsRow, terms: &TermsWords) -> String {
    let amount = |minor_units: u64| signed_money(minor_units.into(), row.minor_digits);
    let most = limit(amount(terms.amount_max), terms.amount_max == 0, "the scheme's");
    let intraday = limit(amount(terms.intraday_max), terms.intraday_max == 0, "no limit");
    let (model, cap, lent) = (row.model.name(), amount(terms.net_debit_cap), amount(terms.sub_limit));
    let offered = yes(terms.is_offered);
    format!("{model}, offered {offered}, amount {most}, intraday {intraday}, net debit cap {cap}, sub-limit {lent}")
}

fn open(arguments: &Open, out: &mut dyn Write) -> Result<(), Trouble> {
    let &Open { ref participant, active, class, ref sponsor, technical, ref by } = arguments;
    let sponsor = sponsor.as_ref().map(ToString::to_string);
    let mut said = vec![
        ("open", participant.to_string()),
        ("standing", if active { Standing::Active } else { Standing::Onboarding }.name().to_owned()),
        ("class", class.to_string()),
    ];
    said.extend(sponsor.clone().map(|sponsor| ("sponsor", sponsor)));
    if technical {
        said.push(("takes part", "technical".to_owned()));
    }
    let participant = participant.to_string();
    let action = Action::OpenParticipant { participant, is_active: active, class, sponsor, is_technical: technical };
    by.carry_out(&said, action, "opened; it can connect with a certificate of the scheme's authority", out)
}

fn stand(Stand { participant, standing, by }: &Stand, out: &mut dyn Write) -> Result<(), Trouble> {
    let before = view_of(&by.place, participant)?.row.standing;
    let said =
        [("participant", participant.to_string()), ("standing", format!("{} -> {}", before.name(), standing.name()))];
    let action = Action::SetStanding { participant: participant.to_string(), standing: *standing };
    by.carry_out(&said, action, "in force; what is in flight goes on", out)
}

fn limits(arguments: &Limits, out: &mut dyn Write) -> Result<(), Trouble> {
    let Limits { participant, by, .. } = arguments;
    let before = view_of(&by.place, participant)?;
    let in_flight_max = arguments.in_flight_max.unwrap_or(before.in_flight_max);
    let orders_per_second = arguments.orders_per_second.unwrap_or(before.orders_per_second);
    let orders_burst = arguments.orders_burst.unwrap_or(before.orders_burst);
    let configured = |value: u32| limit(value.to_string(), value == 0, "as configured");
    let change = |from: u32, to: u32| format!("{} -> {}", configured(from), configured(to));
    let said = [
        ("participant", participant.to_string()),
        ("in flight", change(before.in_flight_max, in_flight_max)),
        ("a second", change(before.orders_per_second, orders_per_second)),
        ("at once", change(before.orders_burst, orders_burst)),
    ];
    let participant = participant.to_string();
    by.carry_out(
        &said,
        Action::SetLimits { participant, in_flight_max, orders_per_second, orders_burst },
        "in force",
        out,
    )
}

fn terms(arguments: &Terms, out: &mut dyn Write) -> Result<(), Trouble> {
    let Terms { participant, currency, by, .. } = arguments;
    let view = view_of(&by.place, participant)?;
    let currency = currency.to_string();
    let known: Vec<&str> = view.terms.iter().map(|row| row.currency.as_str()).collect();
    let row =
        view.terms.iter().find(|row| row.currency == currency).ok_or_else(|| {
            Trouble::Asked(format!("the scheme does not settle {currency}; it has {}", known.join(", ")))
        })?;
    let terms = TermsWords {
        is_offered: arguments.offered.unwrap_or(row.terms.is_offered),
        amount_max: arguments.amount_max.unwrap_or(row.terms.amount_max),
        intraday_max: arguments.intraday_max.unwrap_or(row.terms.intraday_max),
        net_debit_cap: arguments.net_debit_cap.unwrap_or(row.terms.net_debit_cap),
        sub_limit: arguments.sub_limit.unwrap_or(row.terms.sub_limit),
    };
    if terms == row.terms {
        return Err(Trouble::Asked("these terms are in force already: name what is to change (--help)".to_owned()));
    }
    let said = [
        ("participant", participant.to_string()),
        ("currency", currency.clone()),
        ("before", terms_text(row, &row.terms)),
        ("after", terms_text(row, &terms)),
    ];
    by.carry_out(&said, Action::SetTerms { participant: participant.to_string(), currency, terms }, "in force", out)
}

fn connect(Connect { technical, participant, revoke, by }: &Connect, out: &mut dyn Write) -> Result<(), Trouble> {
    let word = if *revoke { "no longer" } else { "yes" };
    let said = [
        ("technical", technical.to_string()),
        ("connects for", participant.to_string()),
        ("may connect", word.to_owned()),
    ];
    let (technical, participant) = (technical.to_string(), participant.to_string());
    by.carry_out(&said, Action::SetAgency { technical, participant, is_granted: !revoke }, "in force", out)
}

fn certificate(arguments: &Certificate, out: &mut dyn Write) -> Result<(), Trouble> {
    let Certificate { participant, file, fingerprint, revoke, by } = arguments;
    let (fingerprint, not_before_s, not_after_s) = match (file, fingerprint) {
        (Some(file), _) => read(file, participant)?,
        (None, Some(fingerprint)) => (fingerprint.to_lowercase(), 0, 0),
        (None, None) => unreachable!("the command line asks for one of the two"),
    };
    let time = |s: u64| short_time_text(s.saturating_mul(1_000_000_000));
    let mut said = vec![
        ("certificate", if *revoke { "revoke" } else { "register" }.to_owned()),
        ("participant", participant.to_string()),
        ("fingerprint", fingerprint.clone()),
    ];
    if file.is_some() {
        said.push(("valid", format!("{} to {}", time(not_before_s), time(not_after_s))));
    }
    let participant = participant.to_string();
    let action = Action::SetCertificate { participant, fingerprint, not_before_s, not_after_s, is_valid: !revoke };
    let done = match revoke {
        true => "revoked; connections that showed it are cut, and only registered ones may connect",
        false => "registered; only registered certificates of this participant may connect now",
    };
    by.carry_out(&said, action, done, out)
}

/// Fingerprint and validity of a file's first certificate, which must name the participant.
fn read(file: &Path, participant: &ParticipantCode) -> Result<(String, u64, u64), Trouble> {
    let certificates = read_certificates(file).map_err(|error| Trouble::Asked(error.to_string()))?;
    let facts = certificates.first().and_then(pki::facts_of);
    let facts = facts.ok_or_else(|| {
        Trouble::Asked(format!(
            "{}: the first certificate cannot be read, or its validity is before 1970",
            file.display()
        ))
    })?;
    let named = certificates.first().and_then(pki::participant_of);
    if named != Some(*participant) {
        let named = named.map_or_else(|| "nobody".to_owned(), |named| named.to_string());
        let file = file.display();
        return Err(Trouble::Asked(format!("{file}: the certificate's common name is {named}, and not {participant}")));
    }
    let digits = facts.fingerprint.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((digits, facts.not_before_s, facts.not_after_s))
}

/// What a currency's amount is, in what is shown before.
pub(super) fn amount_text(minor_units: u64, currency: &str, minor_digits: u8) -> String {
    money_in(minor_units.into(), currency, minor_digits)
}
