//! Peers that stall: they are cut after the time-out of `adapters::limits`, and slow nobody meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use adapters::limits::{EXTENSION_BYTES_MAX, HELLO_TIMEOUT_MS, STALL_MAX_MS};
use adapters::message::{ErrorCode, Hello, MessageKind, Outcome, PaymentPrivate};
use adapters::native::frame::{self, Head};
use adapters::native::session::Resume;

use crate::harness::{Data, Switch, code, eventually};
use crate::wire::{Wire, order, written};

/// Above what the socket buffers of both sides take, so that some of it waits in the switch.
const FLOOD: usize = 2_500;

#[test]
fn who_stalls_is_cut_and_slows_nobody() {
    let data = Data::with_participants(6);
    let switch = data.serve();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let others = scope.spawn(|| pay_until(&data, &is_over));
        let stalled = [
            scope.spawn(|| half_a_frame_is_cut(&data)),
            scope.spawn(|| silence_before_hello_is_cut(&data)),
            scope.spawn(|| who_does_not_read_is_cut(&data, &switch)),
        ];
        let results = stalled.map(std::thread::ScopedJoinHandle::join);
        is_over.store(true, Ordering::Relaxed);
        let slowest = others.join().unwrap();
        results.into_iter().for_each(Result::unwrap);
        // Generous: what is meant is that nobody waited for a stalled peer.
        assert!(slowest < Duration::from_millis(STALL_MAX_MS / 2), "another pair waited {slowest:?}");
    });
    switch.stop();
}

/// Pays from 1 to 2, one payment at a time; the longest time that one took.
fn pay_until(data: &Data, is_over: &AtomicBool) -> Duration {
    let (mut payer, mut payee) = (Wire::open(data, 1), Wire::open(data, 2));
    let mut slowest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let id = payer.pay(&order(1, 2, 1));
        payee.forward_of(id);
        payee.accept(id);
        assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
        payee.status_of(id);
        slowest = slowest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    slowest
}

/// Waits for `too_slow` and the end of the connection, not before `least_ms`.
fn expect_cut(mut wire: Wire, began: Instant, least_ms: u64) {
    let refused = wire.refused();
    assert_eq!((refused.code, refused.fatal), (ErrorCode::TooSlow, true), "{refused:?}");
    assert!(began.elapsed() >= Duration::from_millis(least_ms), "cut after {:?}", began.elapsed());
    assert_eq!(wire.ended(), []);
}

fn half_a_frame_is_cut(data: &Data) {
    let mut wire = Wire::open(data, 3);
    let frame = wire.framed(MessageKind::CreditTransfer, &written(&order(3, 2, 1)), &[]);
    let began = Instant::now();
    wire.send_bytes(&frame[..40]);
    // More of the same frame buys no time.
    for part in frame[40..80].chunks(10) {
        std::thread::sleep(Duration::from_millis(STALL_MAX_MS / 5));
        wire.send_bytes(part);
    }
    expect_cut(wire, began, STALL_MAX_MS);
    // It comes back, and the frame is good.
    let mut wire = Wire::open(data, 3);
    wire.send_bytes(&frame);
    assert!(wire.is_acknowledged(1));
}

fn silence_before_hello_is_cut(data: &Data) {
    let began = Instant::now();
    let wire = Wire::connect(data.address(), data.tls(code(4).as_str()));
    let mut hello = Vec::new();
    let part = Hello { participant: *code(4).bytes(), lineage: [0; 16], seen: [0; 3], slot: 0 };
    frame::encode(&mut hello, MessageKind::Hello, Head::PLAIN, &part, |_| {});
    let mut wire = wire;
    // One byte makes the handshake happen.
    wire.send_bytes(&hello[..1]);
    expect_cut(wire, began, HELLO_TIMEOUT_MS);
}

/// 5 pays 6 with long private parts, and 6 reads nothing but its `Welcome`.
fn who_does_not_read_is_cut(data: &Data, switch: &Switch) {
    let private = PaymentPrivate { extension: vec![7; EXTENSION_BYTES_MAX], ..PaymentPrivate::default() };
    let private = written(&private);
    let mut payer = Wire::open(data, 5);
    let (deaf, welcome) = Wire::resume(data, 6, Resume::FROM_THE_START);
    let mut ids = Vec::new();
    for _ in 0..FLOOD / 50 {
        ids.extend((0..50).map(|_| payer.pay_with(&order(5, 6, 1), &private)));
        payer.fence();
    }
    // More keeps coming for it all the time: that is no sign of its life.
    // Only the log tells that it was cut: to it that would come behind all it has not read.
    eventually("who does not read is cut", || {
        ids.push(payer.pay(&order(5, 6, 1)));
        payer.fence();
        switch.log().iter().any(|line| line.contains("PSP0006") && line.contains("takes nothing")).then_some(())
    });
    drop(deaf);
    // It comes back, and nothing is missing.
    let (mut reading, _) = Wire::resume(data, 6, Resume { lineage: welcome.lineage, seen: [0; 3] });
    for (number, id) in (1..).zip(ids) {
        let heard = reading.next().unwrap();
        assert_eq!(heard.number, number);
        assert_eq!(heard.forwarded(), Some(id));
    }
}
