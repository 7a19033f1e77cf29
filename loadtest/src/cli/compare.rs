//! `loadtest compare`: what changed between two reports.

use std::path::PathBuf;

use clap::Args;

use super::print;
use crate::SetUpError;
use crate::compare;

/// Sets two JSON reports side by side: both of `loadtest run`, or both of `loadtest max`.
///
/// Exit status: 0; 1 with --worse-max where a figure is worse by more than that; 2 where a file cannot be read.
#[derive(Args)]
#[command(after_help = "Examples:
  loadtest compare before.json after.json
  loadtest compare before.json after.json --worse-max 10")]
pub(super) struct Arguments {
    /// The first report
    #[arg(value_name = "A.json")]
    a: PathBuf,
    /// The second report
    #[arg(value_name = "B.json")]
    b: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Status 1 where a figure of B is worse than that of A by more than so many percent
    #[arg(long, value_name = "PERCENT")]
    worse_max: Option<f64>,
}

/// Runs the command.
pub(super) fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let rows = compare::compare(&arguments.a, &arguments.b)?;
    if arguments.json {
        print(&serde_json::to_string_pretty(&rows).map_err(SetUpError::new)?);
    } else {
        print(compare::table(&rows).trim_end());
    }
    let is_too_bad = |worse: f64| arguments.worse_max.is_some_and(|worse_max| worse > worse_max);
    Ok(!rows.iter().filter_map(|row| row.worse_percent).any(is_too_bad))
}
