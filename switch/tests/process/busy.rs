//! Too much at once, and the end of a switch that is told to stop: what is refused leaves no trace and may be sent again, what was taken is kept.

use std::sync::mpsc::{Receiver, channel};

use adapters::message::{CreditTransfer, ErrorCode, Field, MessageKind, Outcome, PaymentId, PaymentPrivate};
use adapters::native::client::{Client, ClientOptions, Incoming, Refused};

use crate::harness::{Data, PATIENCE, code, eventually};
use crate::wire::{Said, Wire, id_of, order, written};

/// A switch with tiny limits.
fn limited(in_flight: u64, of_one: u64, in_batch: u64) -> Data {
    let data = Data::new();
    data.set("switch.toml", "in_flight_max", in_flight);
    data.set("switch.toml", "in_flight_per_participant_max", of_one);
    data.set("switch.toml", "ingress_transfers_max", in_batch);
    data
}

fn expect_busy(payer: &mut Wire, id: PaymentId) {
    let refused = payer.refused();
    assert_eq!((refused.code, refused.field, refused.fatal), (ErrorCode::Busy, Field::None, false), "{refused:?}");
    assert_eq!((refused.payment_id, refused.frame_number), (id.bytes(), payer.number));
    assert!(refused.retry_after_ms > 0, "{refused:?}");
}

#[test]
fn what_is_too_much_for_one_participant_is_taken_once_there_is_room() {
    let data = limited(100, 2, 100);
    let switch = data.serve();
    let (mut payer, mut payee, mut other) = (Wire::open(&data, 1), Wire::open(&data, 2), Wire::open(&data, 3));
    let open = [payer.pay(&order(1, 2, 5)), payer.pay(&order(1, 2, 5))];
    open.iter().for_each(|&id| drop(payee.forward_of(id)));
    let third = order(1, 2, 5);
    let id = payer.pay(&third);
    expect_busy(&mut payer, id);
    assert_eq!(payer.ask(id).outcome, Outcome::Unknown, "it left no trace");
    // The limit is one participant's: another one pays.
    let theirs = other.pay(&order(3, 2, 5));
    payee.forward_of(theirs);
    // An answer makes room.
    payee.accept(open[0]);
    assert_eq!(payer.status_of(open[0]).outcome, Outcome::Committed);
    payer.pay(&third);
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    switch.stop();
}

#[test]
fn what_is_too_much_for_the_switch_is_taken_once_there_is_room() {
    let data = limited(2, 2, 100);
    let switch = data.serve();
    let (mut first, mut second, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 3), Wire::open(&data, 2));
    let open = [first.pay(&order(1, 2, 5)), second.pay(&order(3, 2, 5))];
    open.iter().for_each(|&id| drop(payee.forward_of(id)));
    let more = order(3, 2, 5);
    let id = second.pay(&more);
    expect_busy(&mut second, id);
    payee.reject(open[0], b"AC04", "");
    assert_eq!(first.status_of(open[0]).outcome, Outcome::Rejected);
    second.pay(&more);
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(second.status_of(id).outcome, Outcome::Committed);
    switch.stop();
}

#[test]
fn what_is_too_much_for_one_batch_is_taken_by_the_next() {
    let data = limited(100, 100, 1);
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let (first, second) = (order(1, 2, 5), order(1, 2, 5));
    // In one TLS record, so in one batch.
    let mut both = payer.framed(MessageKind::CreditTransfer, &written(&first), &[]);
    both.extend(payer.framed(MessageKind::CreditTransfer, &written(&second), &[]));
    payer.send_bytes(&both);
    expect_busy(&mut payer, id_of(&second));
    payee.forward_of(id_of(&first));
    payer.pay(&second);
    payee.forward_of(id_of(&second));
    switch.stop();
}

/// A `Client` whose events can be waited for without being async. It ends when it is dropped.
struct Provider {
    client: Client,
    events: Receiver<Incoming>,
}

impl Provider {
    fn connect(data: &Data, participant: usize) -> Provider {
        let (tls, server_name) = (data.tls(code(participant).as_str()), "localhost".try_into().unwrap());
        let options = ClientOptions::new(data.address().to_string(), server_name, code(participant), tls);
        let (client_sender, client) = channel();
        let (event_sender, events) = channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let (client, mut events) = Client::start(options);
                client_sender.send(client).unwrap();
                while let Some(batch) = events.next().await {
                    batch.into_iter().for_each(|incoming| drop(event_sender.send(incoming)));
                }
            });
        });
        Provider { client: client.recv().unwrap(), events }
    }

    fn pay(&self, order: &CreditTransfer) {
        self.client.try_submit(order, &PaymentPrivate::default()).unwrap();
    }

    /// Waits for the first event of which `pick` wants something.
    fn expect<T>(&self, mut pick: impl FnMut(Incoming) -> Option<T>) -> T {
        loop {
            if let Some(picked) = pick(self.events.recv_timeout(PATIENCE).unwrap()) {
                return picked;
            }
        }
    }

    fn refused(&self) -> Refused {
        self.expect(|incoming| match incoming {
            Incoming::Refused(refused) => Some(*refused),
            _ => None,
        })
    }

    fn outcome_of(&self, id: PaymentId) -> Outcome {
        self.expect(|incoming| match incoming {
            Incoming::Status(status) if status.payment_id == id => Some(status.outcome),
            _ => None,
        })
    }
}

#[test]
fn the_client_says_that_the_switch_is_busy_and_what_to_send_again() {
    let data = limited(1, 1, 100);
    let switch = data.serve();
    let (payer, mut payee) = (Provider::connect(&data, 1), Wire::open(&data, 2));
    let (first, second) = (order(1, 2, 5), order(1, 2, 5));
    payer.pay(&first);
    payee.forward_of(id_of(&first));
    payer.pay(&second);
    let refused = payer.refused();
    assert!(refused.busy && refused.retry_after_ms > 0, "{refused:?}");
    assert_eq!((refused.code, refused.kind), (Some(ErrorCode::Busy), Some(MessageKind::CreditTransfer)));
    assert_eq!(refused.payment_id, Some(id_of(&second)));
    payee.accept(id_of(&first));
    assert_eq!(payer.outcome_of(id_of(&first)), Outcome::Committed);
    payer.pay(&second);
    payee.forward_of(id_of(&second));
    payee.accept(id_of(&second));
    assert_eq!(payer.outcome_of(id_of(&second)), Outcome::Committed);
    switch.stop();
}

/// SIGTERM while a payment is open: no more orders, but the answer still counts, and then the switch ends by itself.
#[test]
fn a_switch_that_is_told_to_stop_finishes_what_is_open() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let open = payer.pay(&order(1, 2, 5));
    payee.forward_of(open);
    switch.terminate();
    let refused = eventually("orders are refused", || {
        let id = payer.pay(&order(1, 1, 6));
        let told = payer.expect(|heard| match &heard.said {
            Said::Error(error, _) => Some(Err(error.clone())),
            Said::Status(status, _) => Some(Ok(status.clone())),
            _ => None,
        });
        // Taken before the signal was seen: refused for its payee, so that nothing stays open but the first.
        told.err().inspect(|error| assert_eq!(error.payment_id, id.bytes()))
    });
    assert_eq!(ErrorCode::from_number(refused.code), Some(ErrorCode::ShuttingDown));
    assert!(refused.fatal == 0 && refused.retry_after_ms > 0, "{refused:?}");
    payee.accept(open);
    assert_eq!(payer.status_of(open).outcome, Outcome::Committed);
    assert_eq!(payee.status_of(open).outcome, Outcome::Committed);
    assert_eq!((payer.ended(), payee.ended()), (vec![], vec![]));
    let ended = switch.ended();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let verdict = data.verified();
    assert_eq!((&verdict["payments"]["committed"], &verdict["payments"]["in_flight"]), (&1.into(), &0.into()));
    assert!(is_marked(&data), "everything is marked as synced");
}

/// SIGTERM while a payment is open and nobody answers: it is kept, and goes on with the next start.
#[test]
fn a_switch_that_is_told_to_stop_keeps_what_it_cannot_finish() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    let open = payer.pay(&order(1, 2, 5));
    payee.forward_of(open);
    drop((payer, payee));
    switch.stop();
    assert_eq!(data.verified()["payments"]["in_flight"], 1);
    assert!(is_marked(&data), "everything is marked as synced");
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    payee.accept(open);
    assert_eq!(payer.status_of(open).outcome, Outcome::Committed);
    assert_eq!(payee.status_of(open).outcome, Outcome::Committed);
    switch.stop();
    assert_eq!(data.committed(), 1);
}

/// SIGTERM in the first moment in which anyone can know that there is a switch.
#[test]
fn a_switch_can_be_stopped_as_soon_as_it_says_that_it_is_ready() {
    let data = Data::new();
    for _ in 0..5 {
        data.serve().stop();
        assert!(is_marked(&data));
    }
}

/// The last record of the journal is a mark (docs/formats/journal.md, section 4: kind at byte 10 of a block that begins with the magic).
fn is_marked(data: &Data) -> bool {
    let journal = std::fs::read(data.first_segment()).unwrap();
    let last = journal.chunks(4_096).rfind(|block| block.starts_with(b"CLSPNJRN"));
    last.unwrap()[10..12] == [2, 0]
}
