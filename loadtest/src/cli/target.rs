//! Which switch is loaded, and one run against it.

use std::cell::Cell;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use clap::Args;
use tokio::sync::mpsc::unbounded_channel;

use crate::SetUpError;
use crate::closing::Closing;
use crate::generator::{Generator, Options};
use crate::interrupts::Interrupts;
use crate::limits::{OPEN_FILES_BESIDE, PARTICIPANTS_MAX};
use crate::machine::{CpuTicks, raise_open_files};
use crate::plan::Plan;
use crate::protocol::Protocol;
use crate::report::{Books, Report, Surroundings};
use crate::samples::Watched;
use crate::spawn::{self, Home, Restarts, SpawnedSwitch};
use crate::view::View;

/// Which switch.
#[derive(Args)]
pub(super) struct TargetArguments {
    /// Start a switch on this machine with a journal of its own, audit it afterwards, and leave nothing behind
    #[arg(long)]
    spawn: bool,
    /// Load a switch that is running already
    #[arg(long, value_name = "HOST:PORT", requires = "pki")]
    connect: Option<String>,
    /// Where ca.pem and the participants' CODE.pem and CODE.key lie (with --connect)
    #[arg(long, value_name = "DIR", requires = "connect")]
    pki: Option<PathBuf>,
    /// With --spawn: a data directory of `loadtest fill` or `switch init`, which is used and kept
    #[arg(long, value_name = "DIR", conflicts_with_all = ["connect", "participants"])]
    data: Option<PathBuf>,
    /// Participants of a spawned switch, one connection each, every one payer and payee [default: 16, or what the scenario says]
    #[arg(long, value_name = "N", conflicts_with = "connect")]
    pub(super) participants: Option<u32>,
    /// The switch's binary [default: the one beside this one]
    #[arg(long, value_name = "PATH", conflicts_with = "connect")]
    switch_bin: Option<PathBuf>,
    /// What the providers speak
    #[arg(long, value_enum, default_value_t = Protocol::Native)]
    pub(super) protocol: Protocol,
    /// Allow a target that is not on this machine: load is an attack on a switch that is not yours
    #[arg(long)]
    i_own_this_switch: bool,
}

/// What is loaded.
pub(super) enum Target {
    /// A switch of our own.
    Spawned { binary: PathBuf, data: Option<PathBuf> },
    /// One that is there.
    Running { address: SocketAddr, pki: PathBuf },
}

impl TargetArguments {
    /// Participants where no scenario says how many.
    pub(super) const PARTICIPANTS_DEFAULT: u32 = 16;

    /// Everything about it that can be refused before anything is started.
    pub(super) fn target(&self) -> Result<Target, SetUpError> {
        if let Some(participants) = self.participants
            && !(2..=PARTICIPANTS_MAX).contains(&participants)
        {
            return Err(SetUpError::new(format!("--participants {participants}: give 2 to {PARTICIPANTS_MAX}")));
        }
        let (Some(connect), Some(pki)) = (&self.connect, &self.pki) else {
            let binary = spawn::find_binary(self.switch_bin.as_deref())?;
            if let Some(data) = &self.data
                && !data.join("switch.toml").is_file()
            {
                let data = data.display();
                return Err(SetUpError::new(format!(
                    "--data {data}: there is no switch.toml; `loadtest fill --data {data}` makes one"
                )));
            }
            return Ok(Target::Spawned { binary, data: self.data.clone() });
        };
        let address = resolve(connect)?;
        if !address.ip().is_loopback() && !self.i_own_this_switch {
            return Err(SetUpError::new(format!(
                "--connect {connect} is not this machine; load on a switch that is not yours is an attack: if it is yours, \
                 add --i-own-this-switch"
            )));
        }
        Ok(Target::Running { address, pki: pki.clone() })
    }
}

fn resolve(connect: &str) -> Result<SocketAddr, SetUpError> {
    let mut addresses = connect
        .to_socket_addrs()
        .map_err(|error| SetUpError::new(format!("--connect {connect}: {error}; give HOST:PORT, as 127.0.0.1:7400")))?;
    addresses.next().ok_or_else(|| SetUpError::new(format!("--connect {connect}: the name has no address")))
}

impl Target {
    /// One run, with the books audited where the switch is ours.
    pub(super) async fn measure(
        &self,
        plan: &Plan,
        view: View,
        interrupts: &mut Interrupts,
    ) -> Result<Report, SetUpError> {
        match self {
            Target::Running { .. } if plan.kills_switch() => {
                Err(SetUpError::new("the scenario kills the switch, which only --spawn may"))
            }
            Target::Running { address, pki } => measure_running(plan, (*address, pki.clone()), view, interrupts).await,
            Target::Spawned { binary, data } => {
                check_open_files(plan.participants)?;
                let home = Home {
                    binary: binary.clone(),
                    protocol: plan.protocol,
                    data: data.clone(),
                    participants: plan.participants,
                    orders_per_second: plan.orders_per_second,
                    settles_net: plan.settles_net,
                    aliases: plan.aliases.as_ref().map(|aliases| (aliases.count, aliases.tokens)),
                };
                let switch = tokio::select! {
                    switch = SpawnedSwitch::start(&home) => switch?,
                    () = interrupts.wait() => return Err(SetUpError::new("interrupted before the first payment")),
                };
                measure_spawned(plan, switch, view, interrupts).await
            }
        }
    }
}

/// Each connection is an open file, here and in the switch, which keeps as many for handshakes.
pub(super) fn check_open_files(participants: u32) -> Result<(), SetUpError> {
    let (granted, needed) = (raise_open_files(), 2 * u64::from(participants) + OPEN_FILES_BESIDE);
    if granted < needed {
        return Err(SetUpError::new(format!(
            "{participants} participants need {needed} open files and {granted} are allowed: raise the limit (ulimit -n {needed})"
        )));
    }
    Ok(())
}

fn own_ticks() -> CpuTicks {
    CpuTicks::of(std::process::id()).unwrap_or_default()
}

async fn measure_running(
    plan: &Plan,
    (address, pki): (SocketAddr, PathBuf),
    view: View,
    interrupts: &mut Interrupts,
) -> Result<Report, SetUpError> {
    let address = Rc::new(Cell::new(address));
    let options = Options { address, pki, plan: plan.clone(), watched: Watched::default(), kills: None };
    let mut generator = Generator::new(options, view)?;
    generator.connect(interrupts).await?;
    let before = own_ticks();
    let mut outcome = generator.run(interrupts).await?;
    let around = Surroundings {
        generator_cpu_s: own_ticks().seconds_since(before),
        faults: outcome.take_faults(&[]),
        ..Surroundings::default()
    };
    Ok(Report::new(plan, &outcome, around))
}

async fn measure_spawned(
    plan: &Plan,
    mut switch: SpawnedSwitch,
    view: View,
    interrupts: &mut Interrupts,
) -> Result<Report, SetUpError> {
    let address = Rc::new(Cell::new(switch.address));
    let (kills, asked) = unbounded_channel();
    let options = Options {
        address: Rc::clone(&address),
        pki: switch.pki(),
        plan: plan.clone(),
        watched: switch.watched.clone(),
        kills: Some(kills),
    };
    let mut generator = Generator::new(options, view)?;
    generator.connect(interrupts).await?;
    let before = (own_ticks(), switch.cpu_ticks().unwrap_or_default());
    let orders = if switch.cut_offs.is_some() { plan.cut_off_orders } else { 0 };
    let run = Duration::from_nanos(plan.load.duration_ns());
    let mut closing = Closing::new(switch.data(), orders, run);
    let mut restarts = Restarts { address, ready_after_ms: Vec::new(), failure: None };
    let mut outcome = tokio::select! {
        outcome = generator.run(interrupts) => outcome?,
        () = restarts.serve(&mut switch, asked) => unreachable!("it never ends by itself"),
        () = closing.serve() => unreachable!("it never ends by itself"),
    };
    let around = Surroundings {
        generator_cpu_s: own_ticks().seconds_since(before.0),
        switch_cpu_s: switch.cpu_ticks().map(|now| now.seconds_since(before.1)),
        threads_s: switch.threads_s(),
        faults: outcome.take_faults(&restarts.ready_after_ms),
        problems: restarts.failure.into_iter().chain(closing.failure).collect(),
        cut_off_us_longest: switch.longest_cut_off_us(&outcome.samples).await,
        books: None,
        imported_in: switch.imported_in,
    };
    if let Some(cut_offs) = &mut switch.cut_offs {
        // What was ordered of a run that was ended before may have come when nothing was offered any more.
        cut_offs.ordered = if outcome.is_interrupted { 0 } else { closing.carried_out };
    }
    let books = tokio::select! {
        books = switch.stop_and_audit(&outcome) => books,
        () = interrupts.wait() => Books::unseen("interrupted before the journal was audited"),
    };
    Ok(Report::new(plan, &outcome, Surroundings { books: Some(books), ..around }))
}
