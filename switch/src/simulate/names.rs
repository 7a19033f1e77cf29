//! Names of account holders, and what payers write for them: which belong together stands here by hand, as `docs/directory-rules.md` means it.

/// What the verification of a name says, as on the wire.
pub(super) mod verdict {
    pub(in super::super) const MATCH: u8 = 1;
    pub(in super::super) const CLOSE: u8 = 2;
    pub(in super::super) const NO_MATCH: u8 = 3;
    pub(in super::super) const NOT_POSSIBLE: u8 = 4;

    /// As it is counted; empty where no name was to be verified.
    pub(in super::super) fn name(verdict: u8) -> &'static str {
        match verdict {
            MATCH => "name verified: match",
            CLOSE => "name verified: close match",
            NO_MATCH => "name verified: no match",
            NOT_POSSIBLE => "name verified: not possible",
            _ => "",
        }
    }
}

/// Under which accounts are held, each with how much of it is shown: initials, the first name, all.
pub(super) const HELD: [(&str, [&str; 3]); 3] = [
    ("SECRET Amina Diallo", ["S**** A**** D****", "SECRET A. D.", "SECRET Amina Diallo"]),
    ("SECRET Jean-Marie Ouédraogo", ["S**** J**** O****", "SECRET J. O.", "SECRET Jean-Marie Ouédraogo"]),
    ("SECRET Wu Li", ["S**** W**** L****", "SECRET W. L.", "SECRET Wu Li"]),
];

/// What payers write, each with what it is beside each of those.
pub(super) const WRITTEN: [(&str, [u8; 3]); 6] = [
    ("SECRET Amina Diallo", [verdict::MATCH, verdict::NO_MATCH, verdict::NO_MATCH]),
    ("Dr. DIALLO, amina SECRET", [verdict::MATCH, verdict::NO_MATCH, verdict::NO_MATCH]),
    ("SECRET A. Dialo", [verdict::CLOSE, verdict::NO_MATCH, verdict::NO_MATCH]),
    ("SECRET JEAN MARIE OUEDRAOGO", [verdict::NO_MATCH, verdict::MATCH, verdict::NO_MATCH]),
    ("SECRET Wu Li", [verdict::NO_MATCH, verdict::NO_MATCH, verdict::MATCH]),
    ("?!", [verdict::NOT_POSSIBLE; 3]),
];

/// What is said of a name that was written for an account held under another, and as much of that as is shown beside it.
pub(super) fn verify(written: &[u8], held: &[u8], mask: u8) -> Option<(u8, &'static str)> {
    let place = HELD.iter().position(|(name, _)| name.as_bytes() == held)?;
    let said = WRITTEN.iter().find(|(name, _)| name.as_bytes() == written)?.1[place];
    let shown = match said {
        verdict::MATCH => masked(held, mask)?,
        verdict::CLOSE => HELD[place].0,
        _ => "",
    };
    Some((said, shown))
}

/// As much of a name as a look-up shows.
pub(super) fn masked(held: &[u8], mask: u8) -> Option<&'static str> {
    let (_, shown) = HELD.iter().find(|(name, _)| name.as_bytes() == held)?;
    shown.get(usize::from(mask).checked_sub(1)?).copied()
}
