//! The command line of the gateway: an adapter as a process beside a provider, and what helps to build against it.

use std::process::ExitCode;

fn main() -> ExitCode {
    adapters::gateway::run()
}
