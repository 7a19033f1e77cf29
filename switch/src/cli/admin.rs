//! `switch admin`: what operators do to the scheme, on a running switch through a socket in its data directory, or on the directory of one that does not run.

mod rules;
// In the order of the help.
mod calendar;
mod currencies;
mod directory;
mod events;
mod fees;
mod liquidity;
mod money;
mod participants;
mod settlement;
mod show;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use super::ledger::arguments::time_text;
use super::{Failure, config_path};
use crate::config::{Config, GenesisRules};
use crate::lookup::Trouble;
use crate::operator::view::{NamesView, Page, Question, View};
use crate::operator::{Action, Decided, Refused, Request, check_name, check_reason};
use crate::server::AdminOffice;

/// `switch admin`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Look at the parameters of the scheme, and change them
    #[command(subcommand)]
    Rules(rules::Command),
    /// Look at participants, open them, and set what they may do
    #[command(subcommand)]
    Participants(participants::Command),
    /// Open currencies
    #[command(subcommand)]
    Currencies(currencies::Command),
    /// Move money by order: in, out, reserves, transfers, disputes
    #[command(subcommand)]
    Money(money::Command),
    /// Look at what is available, and set floors and ceilings
    #[command(subcommand)]
    Liquidity(liquidity::Command),
    /// Look at windows, close and settle them
    #[command(subcommand)]
    Settlement(settlement::Command),
    /// Look at tariffs and fees, set and collect them
    #[command(subcommand)]
    Fees(fees::Command),
    /// Set what look-ups cost and who may make how many, and which ID systems are trusted
    #[command(subcommand)]
    Directory(directory::Command),
    /// Hear what happened, in one numbered stream
    Events(events::Arguments),
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Rules(command) => rules::run(command),
        Command::Participants(command) => participants::run(command),
        Command::Currencies(command) => currencies::run(command),
        Command::Money(command) => money::run(command),
        Command::Liquidity(command) => liquidity::run(command),
        Command::Settlement(command) => settlement::run(command),
        Command::Fees(command) => fees::run(command),
        Command::Directory(command) => directory::run(command),
        Command::Events(arguments) => events::run(arguments),
    };
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // Whoever closed the pipe has seen enough.
        Err(Trouble::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(trouble @ Trouble::Asked(_)) => Err(Failure::start(trouble)),
        Err(trouble) => Err(Failure::fault(trouble)),
    }
}

/// Which switch.
#[derive(clap::Args)]
struct Place {
    /// The data directory
    #[arg(long, value_name = "DIR", required_unless_present = "config", conflicts_with = "config")]
    data: Option<PathBuf>,
    /// The configuration in the data directory
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Of a switch that does not run: its directory is locked, and the command journaled there
    #[arg(long)]
    offline: bool,
}

/// Who does something, and why. It is journaled in clear, for good.
#[derive(clap::Args)]
struct Signature {
    /// Who does it: the name of an account, 1 to 35 of A-Z a-z 0-9 . - _ @
    #[arg(long, value_name = "NAME", value_parser = operator_name)]
    operator: String,
    /// Who else answers for it: another person's account
    #[arg(long, value_name = "NAME", value_parser = operator_name)]
    approver: Option<String>,
    /// Why: a line of at most 140 bytes, without anybody's personal data
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    reason: String,
    /// Do it. Without this, only what would be done is shown
    #[arg(long)]
    yes: bool,
}

/// Who changes something, and of which switch.
#[derive(clap::Args)]
struct By {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    signature: Signature,
}

impl By {
    /// Shows what would be done, and does it. `then` is what is so from then on.
    fn carry_out(
        &self,
        said: &[(&str, String)],
        action: Action,
        then: &str,
        out: &mut dyn Write,
    ) -> Result<(), Trouble> {
        show::lines(said, out)?;
        out.flush().map_err(Trouble::Output)?;
        let Decided { position, time_ns, .. } = self.place.give(&self.place.config()?, &self.signature, action)?;
        let at = time_text(time_ns);
        writeln!(out, "done         {then}: journal position {position}, {at}").map_err(Trouble::Output)
    }
}

fn operator_name(text: &str) -> Result<String, String> {
    check_name(text).map(|()| text.to_owned())
}

fn reason(text: &str) -> Result<String, String> {
    check_reason(text).map(|()| text.to_owned())
}

impl Place {
    fn config(&self) -> Result<Config, Trouble> {
        let path = match (&self.config, &self.data) {
            (Some(config), _) => config.clone(),
            (None, Some(data)) => config_path(data),
            (None, None) => unreachable!("the command line asks for one of the two"),
        };
        Config::read(&path).map_err(|error| Trouble::Asked(error.to_string()))
    }

    /// The rules in force.
    fn rules(&self, config: &Config) -> Result<GenesisRules, Trouble> {
        if self.offline { crate::offline::rules(config) } else { AdminOffice::of(&config.directory).rules() }
    }

    /// What operators look at.
    fn look(&self, question: Question) -> Result<View, Trouble> {
        let config = self.config()?;
        if self.offline {
            crate::offline::look(&config, &question)
        } else {
            AdminOffice::of(&config.directory).look(question)
        }
    }

    /// All rows of what has pages. `only` takes the page out of an answer.
    fn rows<T>(
        &self,
        question: impl Fn(u64) -> Question,
        only: impl Fn(View) -> Option<Page<T>>,
    ) -> Result<Vec<T>, Trouble> {
        let config = self.config()?;
        let (mut rows, mut after) = (Vec::new(), 0);
        let mut stopped = if self.offline { Some(crate::offline::open(&config)?) } else { None };
        loop {
            let question = question(after);
            let view = match &mut stopped {
                Some(stopped) => crate::operator::view::look(stopped.engine()?, &question)?,
                None => AdminOffice::of(&config.directory).look(question)?,
            };
            let page = only(view).ok_or_else(|| Trouble::Fault("the switch answers what was not asked".to_owned()))?;
            rows.extend(page.rows);
            match page.next {
                Some(next) => after = next,
                None => return Ok(rows),
            }
        }
    }

    /// The digits after the point of a currency of the scheme.
    fn digits_of(&self, currency: &str) -> Result<u8, Trouble> {
        let NamesView { currencies, .. } = match self.look(Question::Names { participants: Vec::new() })? {
            View::Names(names) => names,
            other => return Err(another_answer(&other)),
        };
        let found = currencies.iter().find(|(known, _)| known == currency);
        found.map(|(_, digits)| *digits).ok_or_else(|| {
            let known: Vec<&str> = currencies.iter().map(|(known, _)| known.as_str()).collect();
            Trouble::Asked(format!("the scheme does not settle {currency}; it has {}", known.join(", ")))
        })
    }

    /// Gives a command, and waits until it is durable and decided. Every command of operators goes this way.
    fn give(&self, config: &Config, signature: &Signature, action: Action) -> Result<Decided, Trouble> {
        let Signature { operator, approver, reason, yes } = signature;
        if !yes {
            return Err(Trouble::Asked("nothing is done: give the same command with --yes to do it".to_owned()));
        }
        let (operator, approver, reason) = (operator.clone(), approver.clone(), reason.clone());
        let request = Request { operator, approver, reason, action };
        let decided = if self.offline {
            crate::offline::give(config, request)
        } else {
            AdminOffice::of(&config.directory).give(request)
        }?;
        match decided {
            Decided { refused: Some(Refused { number, text }), position, .. } => Err(Trouble::Refused(format!(
                "refused with {number}: {text}; nothing is changed, and the refusal is journal position {position}"
            ))),
            decided => Ok(decided),
        }
    }
}

/// A switch of another version, most likely.
fn another_answer(view: &View) -> Trouble {
    Trouble::Fault(format!("the switch answers what was not asked: {view:?}"))
}
