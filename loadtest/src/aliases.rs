//! A file of aliases to be imported, as a provider would bring it: mobile numbers, a token, an account and a name for each, attested by a development ID system.
//!
//! What stands in a row is a function of its number, so that whoever asks for it later need not read the file. Where several participants have aliases, the rows go round:
//! row 0 is the first participant's, row 1 the second's.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use adapters::sandbox::issuer::DevelopmentIssuer;
use aws_lc_rs::digest::{Context, SHA256};

use switch::config::GenesisIssuer;

use crate::SetUpError;

/// Name, key and seed of the ID system that attests such files: for development, and no scheme trusts it that was not told to.
pub const ISSUER: (&str, &str, [u8; 32]) = ("dev-id", "loadtest", [0x1d; 32]);

/// How long an attestation holds, in seconds: as long as the scheme lets one.
const LIFE_S: u64 = 86_400;

/// Words that names are made of.
const NAMES: [&str; 16] = [
    "Amina", "Diallo", "Wanjiku", "Mwangi", "Otieno", "Achieng", "Kofi", "Mensah", "Fatou", "Ndiaye", "Sipho",
    "Dlamini", "Zainab", "Okafor", "Tadesse", "Bekele",
];

/// Scatters row numbers, so that tokens and accounts tell no order.
fn scattered(number: u64) -> u64 {
    let mut word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d;
    word = (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word ^ (word >> 32)
}

/// The mobile number of a row.
pub fn number_of(row: u64) -> String {
    format!("+2547{row:08}")
}

/// A number that stands in no row.
pub fn number_of_nobody(number: u64) -> String {
    format!("+2541{number:08}")
}

/// The account of a row.
pub fn account_of(row: u64) -> String {
    format!("KE{:018}", scattered(row) % 1_000_000_000_000_000_000)
}

/// The token of the person of a row, as the ID system would have made it for this participant.
pub fn token_of(participant: &str, row: u64) -> String {
    let seed = participant.bytes().fold(row, |seed, byte| scattered(seed ^ u64::from(byte)));
    format!("person-{:016x}", scattered(seed))
}

/// The holder's name of a row.
pub fn name_of(row: u64) -> String {
    let word = |shift: u32| NAMES[usize::try_from(scattered(row) >> shift & 15).unwrap_or(0)];
    format!("{} {}", word(8), word(20))
}

/// The files that were written.
#[derive(Clone, Debug)]
pub struct AliasFiles {
    /// The rows.
    pub rows: PathBuf,
    /// Their attestation.
    pub attestation: PathBuf,
    /// What stands in a genesis that trusts this ID system.
    pub issuer: String,
}

/// The rows of one participant: every so many, from the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The first.
    pub first: u64,
    /// From one to the next.
    pub step: u64,
    /// All are below.
    pub end: u64,
}

impl Rows {
    /// All rows below this.
    pub fn all(end: u64) -> Rows {
        Rows { first: 0, step: 1, end }
    }

    /// How many there are.
    pub fn count(self) -> u64 {
        self.end.saturating_sub(self.first).div_ceil(self.step)
    }
}

/// What stands in a genesis that trusts the ID system of such files.
pub fn genesis_issuer() -> GenesisIssuer {
    let (name, key_id, seed) = ISSUER;
    let key = DevelopmentIssuer::of_seed(name, key_id, &seed).key();
    GenesisIssuer::of(name.to_owned(), key_id.to_owned(), key.algorithm as u8, &key.public_key)
}

/// Writes a file of rows, and its attestation beside it.
pub fn write(path: &Path, participant: &str, rows: Rows) -> Result<AliasFiles, SetUpError> {
    let failed = |error: std::io::Error| SetUpError::new(format!("{}: {error}", path.display()));
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).map_err(failed)?);
    let mut hash = Context::new(&SHA256);
    let mut say = |text: &str| {
        hash.update(text.as_bytes());
        out.write_all(text.as_bytes()).map_err(failed)
    };
    say("type,alias,identity,account,name\n")?;
    for place in 0..rows.count() {
        let row = rows.first + place * rows.step;
        let (number, token, account, name) =
            (number_of(row), token_of(participant, row), account_of(row), name_of(row));
        say(&format!("MBNO,{number},{token},{account},{name}\n"))?;
    }
    out.flush().map_err(failed)?;
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(hash.finish().as_ref());
    let (name, key_id, seed) = ISSUER;
    let issuer = DevelopmentIssuer::of_seed(name, key_id, &seed);
    let now_s = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let nonce: String = sha256[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    let jws = issuer.attest_file(participant, (&sha256, rows.count()), (now_s, now_s + LIFE_S), &nonce);
    let attestation = path.with_extension("jws");
    std::fs::write(&attestation, jws).map_err(failed)?;
    let digits: String = issuer.key().public_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let issuer = format!(
        "[[directory.issuer]]\nname = \"{name}\"\nkey_id = \"{key_id}\"\nalgorithm = \"EdDSA\"\npublic_key = \"{digits}\"\n"
    );
    Ok(AliasFiles { rows: path.to_owned(), attestation, issuer })
}
