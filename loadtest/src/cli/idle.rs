//! `loadtest idle`: what long polls cost while nothing is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::print;
use super::run::interrupts;
use super::target::check_open_files;
use crate::SetUpError;
use crate::idle::Idle;
use crate::limits::{DURATION_S_MAX, PARTICIPANTS_MAX};
use crate::protocol::Protocol;
use crate::spawn::{Home, SpawnedSwitch, find_binary};

/// Holds connections with a long poll each, and says what they cost a switch that has nothing to tell: processor time and memory.
///
/// Exit status: 0 all of them waited to the end; 2 they could not be made, or one was lost.
#[derive(Args)]
#[command(after_help = "Examples:
  loadtest idle --spawn --protocol iso20022 --connections 2000 --duration 30
  loadtest idle --spawn --protocol iso20022 --connections 2000 --participants 16 --duration 30")]
pub(super) struct Arguments {
    /// Start a switch on this machine, and leave nothing behind
    #[arg(long)]
    spawn: bool,
    /// What the providers speak: long polls are of iso20022
    #[arg(long, value_enum, default_value_t = Protocol::Iso20022)]
    protocol: Protocol,
    /// How many wait
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    connections: u32,
    /// Whose they are, in turn [default: of one participant each]
    #[arg(long, value_name = "N")]
    participants: Option<u32>,
    /// For how long is measured
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    duration: u64,
    /// The switch's binary [default: the one beside this one]
    #[arg(long, value_name = "PATH")]
    switch_bin: Option<PathBuf>,
}

pub(super) async fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let home = arguments.home()?;
    let mut interrupts = interrupts()?;
    let switch = SpawnedSwitch::start(&home).await?;
    let process = switch.process().ok_or_else(|| SetUpError::new("the switch stopped by itself"))?;
    let duration = Duration::from_secs(arguments.duration);
    let connections = arguments.connections as usize;
    let idle = Idle { address: switch.address, pki: switch.pki(), connections, duration, process };
    let report = tokio::select! {
        report = idle.hold() => report?,
        () = interrupts.wait() => return Err(SetUpError::new("interrupted before all was measured")),
    };
    eprint!("{}", report.summary());
    print(&serde_json::to_string_pretty(&report).map_err(SetUpError::new)?);
    Ok(true)
}

impl Arguments {
    /// Everything that can be refused before anything is started.
    fn home(&self) -> Result<Home, SetUpError> {
        if !self.spawn {
            return Err(SetUpError::new("give --spawn: what another's switch uses cannot be read"));
        }
        if self.protocol != Protocol::Iso20022 {
            return Err(SetUpError::new("--protocol native has no long polls: give --protocol iso20022"));
        }
        let participants = self.participants.unwrap_or(self.connections.max(2));
        for (option, number, least) in [("--connections", self.connections, 1), ("--participants", participants, 2)] {
            if !(least..=PARTICIPANTS_MAX).contains(&number) {
                return Err(SetUpError::new(format!("{option} {number}: give {least} to {PARTICIPANTS_MAX}")));
            }
        }
        if !(1..=DURATION_S_MAX).contains(&self.duration) {
            return Err(SetUpError::new(format!("--duration {}: give 1 to {DURATION_S_MAX} seconds", self.duration)));
        }
        check_open_files(self.connections)?;
        Ok(Home {
            binary: find_binary(self.switch_bin.as_deref())?,
            protocol: self.protocol,
            data: None,
            participants,
            orders_per_second: 0,
            settles_net: false,
            aliases: None,
        })
    }
}
