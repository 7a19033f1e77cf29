//! What the policy decides, in a table, and what comes of it.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{
    JournalFault, JournalOptions, Preparation, RetentionPlan, RetentionPolicy, SegmentFile, SegmentForm, list_segments,
    scan_after, scan_with_archive,
};

use crate::compressed::{Written, written};

const KEEP: RetentionPolicy =
    RetentionPolicy { plain_min: usize::MAX, archives: false, closed_here_min: 0, archived_max: None };

/// Segments as a picture: `10` plain, `10z` compressed.
fn segments(picture: &str) -> Vec<SegmentFile> {
    let segment = |word: &str| {
        let form = if word.ends_with('z') { SegmentForm::Compressed } else { SegmentForm::Plain };
        let first_sequence = word.trim_end_matches('z').parse().expect("a number");
        SegmentFile { first_sequence, form, file_bytes: 1 << 20 }
    };
    picture.split_whitespace().map(segment).collect()
}

fn check(policy: RetentionPolicy, archived: &str, here: &str, followed_through: &[u64], expected: &str) {
    let RetentionPlan { compress, archive, delete } =
        policy.plan(&segments(here), &segments(archived), followed_through);
    let decided = format!("compress {compress:?} archive {archive:?} delete {delete:?}");
    assert_eq!(decided, expected, "{policy:?}: {archived} | {here}, followed through {followed_through:?}");
}

#[test]
fn what_is_compressed() {
    let policy = |plain_min| RetentionPolicy { plain_min, ..KEEP };
    let nothing = "compress [] archive [] delete []";
    check(policy(usize::MAX), "", "1 11 21 31", &[40], nothing);
    check(policy(0), "", "1 11 21 31", &[], "compress [1, 11, 21] archive [] delete []");
    check(policy(1), "", "1 11 21 31", &[], "compress [1, 11] archive [] delete []");
    check(policy(1), "", "1z 11 21 31", &[], "compress [11] archive [] delete []");
    check(policy(3), "", "1 11 21 31", &[], nothing);
    check(policy(9), "", "1 11 21 31", &[], nothing);
    // The last one never is.
    check(policy(0), "", "1", &[], nothing);
    check(policy(0), "", "", &[], nothing);
}

#[test]
fn what_is_archived() {
    let policy = |closed_here_min| RetentionPolicy { archives: true, closed_here_min, ..KEEP };
    let nothing = "compress [] archive [] delete []";
    check(KEEP, "", "1 11 21 31", &[40], nothing);
    check(policy(0), "", "1 11 21 31", &[40], "compress [] archive [1, 11, 21] delete []");
    check(policy(2), "", "1 11 21 31", &[40], "compress [] archive [1] delete []");
    check(policy(3), "", "1 11 21 31", &[40], nothing);
    check(policy(9), "", "1 11 21 31", &[40], nothing);
    // A snapshot at 11 starts behind 11, and its place is checked against the segment that holds 11.
    check(policy(0), "", "1 11 21 31", &[11], "compress [] archive [1] delete []");
    check(policy(0), "", "1 11 21 31", &[10], nothing);
    check(policy(0), "", "1 11 21 31", &[20], "compress [] archive [1] delete []");
    check(policy(0), "", "1 11 21 31", &[21], "compress [] archive [1, 11] delete []");
    // The one that is furthest behind decides; where nothing follows, nothing leaves.
    check(policy(0), "", "1 11 21 31", &[40, 12, 35], "compress [] archive [1] delete []");
    check(policy(0), "", "1 11 21 31", &[40, 0], nothing);
    check(policy(0), "", "1 11 21 31", &[], nothing);
    // Compressed first, then moved.
    let both = RetentionPolicy { plain_min: 1, ..policy(1) };
    check(both, "", "1 11z 21 31", &[40], "compress [1] archive [1, 11] delete []");
}

#[test]
fn what_is_deleted() {
    let policy = |archived_max| RetentionPolicy { archives: true, archived_max, ..KEEP };
    check(policy(None), "1z 11z 21z", "31 41", &[50], "compress [] archive [31] delete []");
    check(policy(Some(4)), "1z 11z 21z", "31 41", &[50], "compress [] archive [31] delete []");
    check(policy(Some(3)), "1z 11z 21z", "31 41", &[50], "compress [] archive [31] delete [1]");
    check(policy(Some(1)), "1z 11z 21z", "31 41", &[50], "compress [] archive [31] delete [1, 11, 21]");
    // What is archived in this round is not deleted in it.
    check(policy(Some(0)), "1z 11z 21z", "31 41", &[50], "compress [] archive [31] delete [1, 11, 21]");
    check(policy(Some(0)), "", "31 41", &[50], "compress [] archive [31] delete []");
    // Nor what something that follows still needs, nor what is here too.
    check(policy(Some(0)), "1z 11z 21z", "31 41", &[25], "compress [] archive [] delete [1, 11]");
    check(policy(Some(0)), "1z 11z 21z", "31 41", &[], "compress [] archive [] delete []");
    check(policy(Some(0)), "1z 11z 21z", "11 21 31 41", &[15], "compress [] archive [] delete [1]");
    // A policy that no longer archives still thins out the archive.
    let no_more = RetentionPolicy { archives: false, ..policy(Some(2)) };
    check(no_more, "1z 11z 21z", "31 41", &[50], "compress [] archive [] delete [1]");
}

const OPTIONS: JournalOptions =
    JournalOptions { segment_bytes: 4 * 4_096, payload_format: 9, preparation: Preparation::WhenNeeded };

fn numbers(storage: &FaultyStorage) -> Vec<u64> {
    list_segments(storage).expect("listed").iter().map(|segment| segment.first_sequence).collect()
}

#[test]
fn a_plan_is_carried_out_until_there_is_nothing_to_do() {
    let Written { storage, places, end } = written(OPTIONS, 30);
    let there = FaultyStorage::new(2);
    let whole = scan_with_archive(&storage, &there, None, |_| Ok(())).expect("scanned");
    let policy = RetentionPolicy { plain_min: 1, archives: true, closed_here_min: 2, archived_max: Some(3) };
    let all = numbers(&storage);
    let followed = [end - 1];
    let listed = |storage| list_segments(storage).expect("listed");
    let mut rounds = 0;
    loop {
        let plan = policy.plan(&listed(&storage), &listed(&there), &followed);
        if plan.is_empty() {
            break;
        }
        plan.carry_out(&storage, Some(&there)).expect("carried out");
        rounds += 1;
        if rounds == 1 {
            let scanned = scan_with_archive(&storage, &there, None, |_| Ok(())).expect("scanned");
            assert_eq!(scanned, whole);
        }
    }
    assert_eq!(rounds, 2, "what is archived in one round is deleted in the next");
    let here_from = all.len() - 3;
    assert_eq!(numbers(&storage), all[here_from..]);
    assert_eq!(numbers(&there), all[here_from - 3..here_from]);
    let kept = places.iter().find(|place| place.position.segment == all[here_from - 3]).expect("a place");
    let scanned = scan_with_archive(&storage, &there, Some(*kept), |_| Ok(())).expect("from a place");
    assert_eq!(scanned.chain_digest, whole.chain_digest);
    let last = places[places.len() - 1];
    assert!(scan_after(&storage, Some(last), |_| Ok(())).is_ok());
}

#[test]
fn a_plan_for_another_directory_does_nothing() {
    let Written { storage, end, .. } = written(OPTIONS, 20);
    let there = FaultyStorage::new(2);
    let all = numbers(&storage);
    let archive = RetentionPlan { archive: all[..4].to_vec(), ..RetentionPlan::default() };
    let fault = archive.carry_out(&storage, None).expect_err("no archive");
    assert!(matches!(fault, JournalFault::Options { .. }), "{fault}");
    archive.carry_out(&storage, Some(&there)).expect("archived");

    let not_closed = |first_sequence| JournalFault::NotClosed { directory: "memory/.".to_owned(), first_sequence };
    let delete = |first_sequence| RetentionPlan { delete: vec![first_sequence], ..RetentionPlan::default() };
    // Archive and journal confused; not the oldest; not there.
    assert_eq!(delete(all[4]).carry_out(&there, Some(&storage)), Err(not_closed(all[4])));
    assert_eq!(delete(all[1]).carry_out(&storage, Some(&there)), Err(not_closed(all[1])));
    assert_eq!(delete(end).carry_out(&storage, Some(&there)), Err(not_closed(end)));
    let skipping = RetentionPlan { archive: vec![all[5]], ..RetentionPlan::default() };
    assert_eq!(skipping.carry_out(&storage, Some(&there)), Err(not_closed(all[5])));
    assert_eq!((numbers(&there), numbers(&storage)), (all[..4].to_vec(), all[4..].to_vec()));
}
