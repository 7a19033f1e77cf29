//! A provider whose connection is gone: after the grace nobody can pay it, and once it is back, everybody can.

use adapters::message::{Field, MessageKind, Outcome};

use crate::harness::{Data, eventually};
use crate::wire::{Wire, order};

/// Pays until a payment has this fate at once, and says why it was rejected.
pub(crate) fn paid_until(payer: &mut Wire, what: &str, is_rejected: bool) {
    eventually(what, || {
        let id = payer.pay(&order(1, 2, 1));
        payer.fence();
        let told = payer.ask(id);
        let is_so = (told.outcome == Outcome::Rejected) == is_rejected;
        if is_rejected && is_so {
            assert_eq!(told.verdict(), (Outcome::Rejected, "AB08", Field::Payee));
        }
        is_so.then_some(())
    });
}

#[test]
fn who_is_gone_for_longer_than_the_grace_is_not_paid_until_it_is_back() {
    let data = Data::new();
    data.set("switch.toml", "absence_grace_ms", 300);
    data.set("switch.toml", "presence_settle_ms", 50);
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let payee = Wire::open(&data, 2);
    paid_until(&mut payer, "it is there", false);
    drop(payee);
    paid_until(&mut payer, "it is gone", true);
    let mut payee = Wire::open(&data, 2);
    paid_until(&mut payer, "it is back", false);
    // It says so itself, at once.
    payee.send(MessageKind::SignOff, &[], &[]);
    payee.fence();
    let id = payer.pay(&order(1, 2, 1));
    assert_eq!(payer.status_of(id).verdict(), (Outcome::Rejected, "AB08", Field::Payee));
    payee.send(MessageKind::SignOn, &[], &[]);
    payee.fence();
    paid_until(&mut payer, "it has signed on", false);
    switch.stop();
}
