//! What the simulator has found, and must not find again. Each test opens with its story.

use ledger::journal::faulty::FaultyStorage;
use ledger::journal::{Access, Storage};
use switch::simulate::{Options, run};

/// A provider asked twice about one payment, and the first question was refused because too many waited. The simulator took the answer to the second for
/// one to the first, and then missed the answer to the second. No fault of the switch: a question that was refused is owed nothing.
#[test]
fn the_answer_to_a_second_question_is_not_taken_for_one_to_the_first() {
    let options = Options::of_seed(176);
    run(&options).unwrap_or_else(|failure| panic!("{failure}\nswitch simulate {options}"));
}

/// The history was lost when faults ended, and its files were still being made anew when everything else had finished. The last look asked them about
/// a payment that memory had let go, and they did not know it yet: the switch would have let the question wait. Everything has finished only once the
/// files reach what memory has let go.
#[test]
fn the_last_look_waits_for_a_history_that_is_made_anew() {
    let options = Options::of_seed(618);
    run(&options).unwrap_or_else(|failure| panic!("{failure}\nswitch simulate {options}"));
}

/// The power went while a file of the history grew; its name was on disk, its content was not. The next start read where the content should have
/// been, behind the end of the file, and the faulty directory of the tests panicked there. A real directory gives nothing, and so the file is dropped
/// and made again.
#[test]
fn behind_the_end_of_a_file_there_is_nothing_to_read() {
    let storage = FaultyStorage::new(1);
    storage.put("short", b"123");
    let file = storage.open("short", Access::Read).unwrap();
    for (offset, expected) in [(0, 3), (2, 1), (3, 0), (4_096, 0)] {
        assert_eq!(storage.read_at(&file, offset, &mut [0; 8]).unwrap(), expected, "from {offset}");
    }
}
