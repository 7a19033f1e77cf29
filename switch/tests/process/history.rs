//! A switch with a window of a few outcomes: payments that have left its memory are answered from files, which may be lost and are made again.

use std::path::PathBuf;
use std::time::Duration;

use adapters::message::{CreditTransfer, ErrorCode, Outcome, PaymentId};
use adapters::native::session::Resume;

use crate::harness::{Data, code};
use crate::wire::{Said, Told, Wire, id_of, order};

const WINDOW: usize = 20;

fn data() -> Data {
    let data = Data::new();
    data.set("genesis.toml", "outcomes_kept", WINDOW as u64);
    // A snapshot at a clean stop would bring the whole history into one file.
    data.set("switch.toml", "snapshot_every_entries", 0);
    data
}

/// Orders a payment as often as the switch is too busy for it; what became of it.
pub(crate) fn decided(payer: &mut Wire, order: &CreditTransfer) -> Told {
    loop {
        let id = payer.pay(order);
        let busy = payer.expect(|heard| match &heard.said {
            Said::Error(error, _) if error.payment_id == id.bytes() => {
                assert_eq!(ErrorCode::from_number(error.code), Some(ErrorCode::Busy));
                Some(true)
            }
            Said::Status(status, _) if status.payment_id == id.bytes() => Some(false),
            _ => None,
        });
        if !busy {
            return payer.ask(id);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Payments of nobody's: each is rejected at once.
fn reject_some(payer: &mut Wire, count: usize) -> Vec<(CreditTransfer, Told)> {
    let orders = (0..count).map(|_| CreditTransfer { payee: *code(77).bytes(), ..order(1, 2, 5) });
    orders.map(|order| (order.clone(), decided(payer, &order))).collect()
}

fn files(data: &Data) -> Vec<PathBuf> {
    let files = std::fs::read_dir(data.path("history")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

#[test]
fn what_has_left_memory_is_told_from_files_that_may_be_lost() {
    let data = data();
    let mut switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let first = order(1, 2, 500);
    let id = payer.pay(&first);
    payee.forward_of(id);
    payee.accept(id);
    let committed = payer.status_of(id);
    assert_eq!(committed.outcome, Outcome::Committed);
    let mut past = reject_some(&mut payer, 8 * WINDOW);
    switch.stop();
    // Runs may just have been merged to one file.
    while files(&data).len() < 2 {
        switch = data.serve();
        past.extend(reject_some(&mut Wire::open(&data, 1), WINDOW));
        switch.stop();
    }

    let lose: [&dyn Fn(); 5] = [
        &|| {},
        &|| std::fs::remove_dir_all(data.path("history")).unwrap(),
        &|| std::fs::remove_file(files(&data).first().unwrap()).unwrap(),
        &|| std::fs::write(files(&data).first().unwrap(), [7; 4_096]).unwrap(),
        &|| std::fs::write(files(&data).last().unwrap(), b"").unwrap(),
    ];
    for lose in lose {
        lose();
        switch = data.serve();
        let (mut payer, mut payee, mut stranger) = (Wire::open(&data, 1), Wire::open(&data, 2), Wire::open(&data, 3));
        let again = decided(&mut payer, &first);
        assert_eq!((again.verdict(), again.decided), (committed.verdict(), committed.decided));
        assert_eq!(payee.ask(id).decided, committed.decided);
        assert_eq!(stranger.ask(id).outcome, Outcome::Unknown);
        for (order, told) in &past {
            assert_eq!(payer.ask(id_of(order)), *told);
        }
        check_outbox(&data, id, &past);
        switch.stop();
    }
    assert_eq!(data.verified()["payments"]["rejected"], past.len());
    assert_eq!(data.committed(), 1);
}

/// A provider that has forgotten everything gets everything, in order.
fn check_outbox(data: &Data, first: PaymentId, past: &[(CreditTransfer, Told)]) {
    let (mut payer, _) = Wire::resume(data, 1, Resume::FROM_THE_START);
    let told = |payer: &mut Wire| {
        payer.expect(|heard| match &heard.said {
            Said::Status(status, _) if heard.number > 0 => Some((heard.number, status.payment_id)),
            _ => None,
        })
    };
    assert_eq!(told(&mut payer), (1, first.bytes()));
    for (number, (order, _)) in (2..).zip(past) {
        assert_eq!(told(&mut payer), (number, order.payment_id));
    }
}

/// A history that reaches beyond the journal belongs to a longer one.
#[test]
fn a_history_without_its_journal_is_refused_or_made_again() {
    let data = data();
    data.serve().stop();
    let early = std::fs::read(data.first_segment()).unwrap();
    let switch = data.serve();
    reject_some(&mut Wire::open(&data, 1), 4 * WINDOW);
    switch.stop();
    let whole = std::fs::read(data.first_segment()).unwrap();
    // Somebody puts back an old copy of the journal, and not of the history.
    std::fs::write(data.first_segment(), early).unwrap();
    let ended = data.serve_in_vain();
    let (status, complaint) = ended.complaint();
    assert_eq!(status, Some(2), "{ended:?}");
    for word in ["history", "reaches to position", "the journal only to", "restore the journal's end"] {
        assert!(complaint.contains(word), "`{word}` is not in: {complaint}");
    }
    std::fs::write(data.first_segment(), whole).unwrap();
    data.serve().stop();
}
