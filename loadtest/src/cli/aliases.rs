//! `loadtest aliases`: a file for `switch directory import`.

use std::path::PathBuf;

use adapters::message::ParticipantCode;
use clap::Args;

use super::print;
use crate::SetUpError;
use crate::aliases::{Rows, write};
use crate::limits::ALIASES_MAX;

#[derive(Args)]
pub(super) struct Arguments {
    /// How many rows
    #[arg(long)]
    rows: u64,
    /// Whose customers they are to be
    #[arg(long, default_value = "PSP0001")]
    participant: String,
    /// The file; its attestation goes beside it, with the ending .jws
    #[arg(long)]
    out: PathBuf,
}

pub(super) fn run(arguments: &Arguments) -> Result<bool, SetUpError> {
    let participant = ParticipantCode::parse(&arguments.participant);
    let participant = participant.ok_or_else(|| SetUpError::new("--participant: a code is 1 to 35 of A-Z 0-9 - _"))?;
    if !(1..=ALIASES_MAX).contains(&arguments.rows) {
        return Err(SetUpError::new(format!("--rows: from 1 to {ALIASES_MAX}")));
    }
    let files = write(&arguments.out, participant.as_str(), Rows::all(arguments.rows))?;
    print(&format!("rows          {}", files.rows.display()));
    print(&format!("attestation   {}", files.attestation.display()));
    print("in the genesis of a scheme that trusts this ID system:\n");
    print(&files.issuer);
    Ok(true)
}
