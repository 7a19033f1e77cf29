//! `switch serve`: runs the switch until it is told to stop.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use super::{Failure, listen_for_stop, start_logging};
use crate::config::Config;
use crate::server::Server;

/// Runs the switch. Prints `ready native=HOST:PORT` once it accepts, and behind it ` iso20022=HOST:PORT` where that is configured; SIGTERM or Ctrl-C stops it gracefully.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The configuration that `switch init` wrote
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Write one line of JSON about queues and watermarks to this file each second
    #[arg(long, value_name = "PATH")]
    status_file: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    start_logging(tracing::Level::INFO);
    let config = Config::read(&arguments.config).map_err(Failure::start)?;
    let server = Server::start(&config).map_err(Failure::start)?;
    let status_file = arguments.status_file.as_deref().map(|path| {
        server.write_status(path).map_err(|error| Failure::start(format!("--status-file {}: {error}", path.display())))
    });
    // Written until this function returns.
    let _status_file = status_file.transpose()?;
    let recovered = server.recovered();
    match recovered.snapshot {
        Some(position) => tracing::info!(snapshot = position, batches = recovered.batches, "recovered from a snapshot"),
        None => tracing::info!(batches = recovered.batches, "recovered from the journal's beginning"),
    }
    if let Some(torn) = &recovered.torn {
        tracing::warn!(at = %torn, "the journal ended in a torn record, which nobody was told about; it was cut off");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::start)?;
    // Before it says that it is ready: whoever reads that may stop it at once, and gracefully.
    let stop = runtime.block_on(async { listen_for_stop() }).map_err(Failure::start)?;
    // Whoever waits for this line may have closed the pipe; the switch serves on.
    let iso20022 = server.iso20022_address().map(|address| format!(" iso20022={address}")).unwrap_or_default();
    let _ = writeln!(std::io::stdout(), "ready native={}{iso20022}", server.address())
        .and_then(|()| std::io::stdout().flush());
    if !runtime.block_on(stop_or_fault(&server, stop)) {
        return server.wait().map_err(Failure::fault);
    }
    tracing::info!("stopping");
    server.drain().map_err(Failure::fault)?;
    tracing::info!("stopped");
    Ok(())
}

/// Waits until it is told to stop (true) or has stopped by itself.
async fn stop_or_fault(server: &Server, stop: impl Future<Output = ()>) -> bool {
    let mut look = tokio::time::interval(Duration::from_millis(100));
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return true,
            _ = look.tick() => if server.has_stopped() { return false },
        }
    }
}
