//! The recovery table in the flesh: a journal for each combination of what stands at p, what stands behind it, and the next
//! segment; and what must come of it, from `docs/formats/journal.md`, section 6.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{Damage, JournalFault, scan, segment_name};

use crate::hand::{BLOCK, HandRecord, birth, segment};

#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Follows,
    Stranger,
    Nothing,
    Broken,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Behind {
    Zeros,
    Remains,
    Witness,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Next {
    None,
    Expected,
    Other,
}

/// Behind p, which is block 2 of a segment of six: block 4.
const BEHIND: usize = 4 * BLOCK;

fn build(at: At, behind: Behind, next: Next) -> FaultyStorage {
    let birth = birth();
    let first = birth.next_batch((1, 4_096), 1, b"first");
    let second = first.next_batch((1, 2 * 4_096), 1, b"second");
    let mut bytes = segment(&[&birth, &first, &second], 6 * BLOCK);
    match at {
        At::Follows => {}
        At::Stranger => {
            let mut stranger = second.clone();
            stranger.time_ns = 0;
            stranger.chain_to(first.digest);
            bytes[2 * BLOCK..3 * BLOCK].copy_from_slice(&stranger.bytes());
        }
        At::Nothing => bytes[2 * BLOCK..3 * BLOCK].fill(0),
        At::Broken => bytes[2 * BLOCK + 130] ^= 1,
    }
    let witness = second.next_batch((1, 2 * 4_096 + 1), 0, b"witness");
    match behind {
        Behind::Zeros => {}
        Behind::Remains => bytes[BEHIND + 77] = 1,
        Behind::Witness => bytes[BEHIND..BEHIND + BLOCK].copy_from_slice(&witness.bytes()),
    }
    let storage = FaultyStorage::new(1);
    storage.put(&segment_name(1), &bytes);
    // What comes next is counted from the last record that is taken.
    let last = if at == At::Follows { second } else { first };
    let mut third = last.next_batch((last.first_sequence + 2, 0), 0, b"third");
    third.synced_through = (third.first_sequence, 0);
    match next {
        Next::None => {}
        Next::Expected => storage.put(&segment_name(third.first_sequence), &segment(&[&third], 6 * BLOCK)),
        Next::Other => storage.put(&segment_name(77), &segment(&[&third], 6 * BLOCK)),
    }
    storage
}

/// Payloads taken, then how it ended.
fn outcome(storage: &FaultyStorage) -> (Vec<String>, String) {
    let mut taken = Vec::new();
    let ended = scan(storage, |batch| {
        taken.push(String::from_utf8_lossy(batch.payload).into_owned());
        Ok(())
    });
    let ended = match ended {
        Ok(report) => match report.torn {
            None => "the end".to_owned(),
            Some(torn) => format!("cut at {}", torn.position.offset),
        },
        Err(JournalFault::Damaged { offset, reason: Damage::SegmentMissing { .. }, .. }) => {
            format!("segment missing after {offset}")
        }
        Err(JournalFault::Damaged { offset, .. }) => format!("damage at {offset}"),
        Err(fault) => panic!("{fault}"),
    };
    (taken, ended)
}

#[test]
fn every_combination_ends_as_the_document_says() {
    for at in [At::Follows, At::Stranger, At::Nothing, At::Broken] {
        for behind in [Behind::Zeros, Behind::Remains, Behind::Witness] {
            for next in [Next::None, Next::Expected, Next::Other] {
                // What follows is taken; then the same question is asked one block further, where nothing stands.
                let (p, mut taken) = match at {
                    At::Follows => (3 * 4_096, vec!["first", "second"]),
                    _ => (2 * 4_096, vec!["first"]),
                };
                let expected = match (at, behind, next) {
                    (At::Stranger, _, _) => format!("damage at {p}"),
                    (At::Broken, Behind::Zeros | Behind::Remains, Next::None) => format!("cut at {p}"),
                    (At::Broken, _, _) => format!("damage at {p}"),
                    (_, Behind::Zeros, Next::None) => "the end".to_owned(),
                    (_, Behind::Zeros, Next::Expected) => {
                        taken.push("third");
                        "the end".to_owned()
                    }
                    (_, Behind::Zeros, Next::Other) => format!("segment missing after {p}"),
                    (_, Behind::Remains, Next::None) => format!("cut at {p}"),
                    // The witness says synced through one byte of block 2: it vouches for block 2, not for block 3.
                    (At::Follows, Behind::Witness, Next::None) => format!("cut at {p}"),
                    (_, Behind::Witness, Next::None) => format!("damage at {p}"),
                    (_, Behind::Remains | Behind::Witness, _) => format!("damage at {p}"),
                };
                let (found, ended) = outcome(&build(at, behind, next));
                assert_eq!(
                    (found, ended.as_str()),
                    (taken.iter().map(|t| (*t).to_owned()).collect(), expected.as_str()),
                    "{at:?} {behind:?} {next:?}"
                );
            }
        }
    }
}

/// A record vouches only if it is one of this journal, and only for what stands before what it says was synced.
#[test]
fn what_is_a_witness_and_what_is_not() {
    let second = birth().next_batch((1, 4_096), 1, b"first").next_batch((1, 2 * 4_096), 1, b"second");
    let witness = second.next_batch((1, 2 * 4_096 + 1), 0, b"witness");
    let candidates: [(&str, HandRecord); 8] = [
        ("damage at 8192", witness.clone()),
        ("damage at 8192", HandRecord { synced_through: (1, 4 * 4_096), ..witness.clone() }),
        ("cut at 8192", HandRecord { synced_through: (1, 2 * 4_096), ..witness.clone() }),
        ("cut at 8192", HandRecord { synced_through: (1, 4 * 4_096 + 1), ..witness.clone() }),
        ("cut at 8192", HandRecord { lineage: [0; 16], ..witness.clone() }),
        ("cut at 8192", HandRecord { first_sequence: 2, ..witness.clone() }),
        ("cut at 8192", HandRecord { version: 1, ..witness.clone() }),
        ("cut at 8192", HandRecord { reserved: [1; 12], ..witness }),
    ];
    for (expected, candidate) in candidates {
        let storage = build(At::Broken, Behind::Zeros, Next::None);
        let mut bytes = storage.file(&segment_name(1)).expect("the segment");
        bytes[BEHIND..BEHIND + BLOCK].copy_from_slice(&candidate.bytes());
        storage.put(&segment_name(1), &bytes);
        assert_eq!(outcome(&storage).1, expected);
    }
    // A witness with one bit flipped is none.
    let storage = build(At::Broken, Behind::Witness, Next::None);
    storage.flip(&segment_name(1), BEHIND + 129, 0);
    assert_eq!(outcome(&storage).1, "cut at 8192");
}
