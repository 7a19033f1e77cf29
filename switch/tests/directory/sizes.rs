//! Sizes and numbers that `docs/formats/directory.md` names, held against the code. That its bytes are right, the model of the other tests says.

use switch::directory::store::Space;
use switch::directory::vault::Vault;
use switch::entry::{ArchivedAliasCommanded, ArchivedRehashedRow};
use switch::limits::{
    DIRECTORY_COMMANDS_KEPT, LOOKUPS_PER_PAGE, LOOKUPS_PER_ROW_MAX, LOOKUPS_PER_VOLUME, REHASHED_ROWS_MAX,
};
use switch::seal::Sealer;

const DOCUMENT: &str = include_str!("../../../docs/formats/directory.md");

/// Rows of the table of spaces: number, name, digested.
fn spaces_of_document() -> Vec<(u8, String, bool)> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
        let number = cells.first()?.parse().ok()?;
        let is_digested = match *cells.get(5)? {
            "yes" => true,
            "no" => false,
            _ => return None,
        };
        Some((number, cells[1].trim_matches('`').to_owned(), is_digested))
    });
    rows.collect()
}

/// As the code spells it, in the words of the document.
fn name_of(space: Space) -> String {
    let mut name = String::new();
    for letter in format!("{space:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    name
}

#[test]
fn the_document_has_every_space() {
    let spaces = Space::ALL.map(|space| (space as u8, name_of(space), space.is_state()));
    assert_eq!(spaces_of_document(), spaces);
}

#[test]
fn the_document_names_the_sizes_of_the_code() {
    let grouped = |number: u64| {
        let digits = number.to_string();
        let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
        groups.iter().map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
    };
    for said in [
        format!("AliasCommanded, {} bytes", size_of::<ArchivedAliasCommanded>()),
        format!("rows of {} bytes, at most {REHASHED_ROWS_MAX}", size_of::<ArchivedRehashedRow>()),
        format!("the newest {} commands", grouped(DIRECTORY_COMMANDS_KEPT)),
        format!("A volume is {} look-ups", grouped(LOOKUPS_PER_VOLUME as u64)),
        format!("cut into pages of {LOOKUPS_PER_PAGE}"),
        format!("at most {} and those of a batch", grouped(LOOKUPS_PER_ROW_MAX as u64)),
        format!("{} bytes more than what it seals", Sealer::OVERHEAD_BYTES),
    ] {
        assert!(DOCUMENT.contains(&said), "{said}");
    }
}

#[test]
fn the_vault_lies_as_the_document_says() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("vault");
    let mut vault = Vault::open(&path, [3; 32]).unwrap();
    let (slot, key) = vault.take();
    vault.take();
    vault.sync().unwrap();
    let mut sealed = Vec::new();
    Sealer::new(key).seal(b"Amina Diallo", &mut sealed, 0..0);
    assert_eq!(sealed[..12], [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!((slot, sealed.len()), (1, 12 + Sealer::OVERHEAD_BYTES));

    let bytes = std::fs::read(&path).unwrap();
    assert_eq!((&bytes[..8], &bytes[8..16], bytes.len()), (&b"CLSPNVLT"[..], &[0; 8][..], 48));
    assert!(bytes[16..32] != [0; 16] && bytes[32..] != [0; 16] && bytes[16..32] != bytes[32..]);
    vault.reader().destroy(&[slot]).unwrap();
    let after = std::fs::read(&path).unwrap();
    assert_eq!((&after[16..32], &after[32..]), (&[0; 16][..], &bytes[32..]));
}
