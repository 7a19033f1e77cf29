//! `switch admin`: what operators do to the scheme, on a running switch through a socket in its data directory, or on the directory of one that does not run.

mod rules;

use std::path::PathBuf;
use std::process::ExitCode;

use super::{Failure, config_path};
use crate::config::{Config, GenesisRules};
use crate::lookup::Trouble;
use crate::operator::{Action, Decided, Refused, Request, check_name, check_reason};
use crate::server::AdminOffice;

/// `switch admin`.
#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Look at the parameters of the scheme, and change them
    #[command(subcommand)]
    Rules(rules::Command),
}

/// Runs the command.
pub(super) fn run(command: &Command) -> Result<ExitCode, Failure> {
    let done = match command {
        Command::Rules(command) => rules::run(command),
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
