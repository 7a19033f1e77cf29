//! What of the directory's messages is let pass: which fields an operation, a look-up or an order must have, and which it must leave empty.

use adapters::check::{self, Refusal, Request};
use adapters::directory::{AliasType, Operation};
use adapters::message::{
    AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate,
    DirectoryQuery, ErrorCode, Field, MessageKind, Part,
};
use adapters::native::frame::{Frame, Head};

use crate::sample::{self, code, written};

fn check<R: Part, P: Part>(kind: MessageKind, routing: &R, private: &P) -> Result<(), Field> {
    let (routing, private) = (written(routing), written(private));
    let frame = Frame { kind, head: Head::PLAIN, routing: &routing, private: &private };
    let blamed = |refusal: Refusal| {
        assert_eq!(refusal.code, ErrorCode::BadField, "{refusal:?}");
        refusal.field
    };
    check::request(&frame).map(|_| ()).map_err(blamed)
}

fn command(change: impl FnOnce(&mut AliasCommand, &mut AliasCommandPrivate)) -> Result<(), Field> {
    let (mut command, mut private) = (sample::alias_command(1), sample::alias_command_private());
    change(&mut command, &mut private);
    check(MessageKind::AliasCommand, &command, &private)
}

#[test]
fn a_registration_says_all_and_only_what_it_must() {
    assert_eq!(command(|_, _| {}), Ok(()));
    for (field, change) in [
        (
            Field::PaymentId,
            (|command, _| command.command_id = [7; 16]) as fn(&mut AliasCommand, &mut AliasCommandPrivate),
        ),
        (Field::Operation, |command, _| command.operation = 0),
        (Field::Operation, |command, _| command.operation = Operation::Import as u8),
        (Field::AliasType, |command, _| command.alias_type = 0),
        (Field::AliasType, |command, _| command.alias_type = 11),
        (Field::Defaults, |command, _| command.defaults = 1 << 5),
        (Field::Consent, |command, _| command.consent_purpose = 0),
        (Field::Consent, |command, _| command.consent_purpose = 1 << 4),
        (Field::Consent, |command, _| command.consent_until_ns = 0),
        (Field::Alias, |_, private| private.alias = Vec::new()),
        (Field::Alias, |_, private| private.alias = vec![b'1'; 321]),
        (Field::Alias, |command, _| command.alias_type = AliasType::Random as u8),
        (Field::Identity, |_, private| private.identity = Vec::new()),
        (Field::Identity, |_, private| private.identity = vec![b'a'; 65]),
        (Field::Account, |_, private| private.account = Vec::new()),
        (Field::Name, |_, private| private.name = Vec::new()),
        (Field::Name, |_, private| private.name = b"bell \x07".to_vec()),
        (Field::Attestation, |_, private| private.attestation = Vec::new()),
        (Field::Attestation, |_, private| private.attestation = vec![b'a'; 2_049]),
    ] {
        assert_eq!(command(change), Err(field));
    }
}

/// The table of `check.rs`, every combination of what can be there.
#[test]
fn every_operation_has_its_fields() {
    for &operation in Operation::ALL {
        let is_new = operation == Operation::Register;
        let changes = is_new || operation == Operation::Update;
        let is_erasure = operation == Operation::Erase;
        let wanted = [!is_erasure, changes || is_erasure, changes, changes, is_new, is_new];
        for given in 0..64u8 {
            let has = |place: u8| given & (1 << place) != 0;
            let said = command(|command, private| {
                command.operation = operation as u8;
                command.defaults = 0;
                if is_erasure {
                    command.alias_type = 0;
                }
                let fields = [
                    &mut private.alias,
                    &mut private.identity,
                    &mut private.account,
                    &mut private.name,
                    &mut private.attestation,
                ];
                for (place, field) in (0..).zip(fields) {
                    if !has(place) {
                        field.clear();
                    }
                }
                if !has(5) {
                    (command.consent_purpose, command.consent_until_ns) = (0, 0);
                }
            });
            let is_right = (0..6).all(|place| has(place) == wanted[usize::from(place)]);
            assert_eq!(said.is_ok(), is_right && operation != Operation::Import, "{operation:?} {given:06b}: {said:?}");
        }
    }
}

fn lookup(change: impl FnOnce(&mut AliasLookup, &mut AliasLookupPrivate)) -> Result<(), Field> {
    let (mut lookup, mut private) = (sample::alias_lookup(1), sample::alias_lookup_private());
    change(&mut lookup, &mut private);
    check(MessageKind::AliasLookup, &lookup, &private)
}

#[test]
fn a_look_up_names_an_alias_and_a_verification_may_name_an_account() {
    let by_account = |lookup: &mut AliasLookup, private: &mut AliasLookupPrivate| {
        (lookup.form, lookup.alias_type, lookup.participant) = (2, 0, *code("SOUTH-COOP_2").bytes());
        (private.alias, private.account, private.name) = (Vec::new(), b"KE12".to_vec(), b"Amina".to_vec());
    };
    assert_eq!(lookup(|_, _| {}), Ok(()));
    assert_eq!(lookup(by_account), Ok(()));
    let by_alias = |lookup: &mut AliasLookup, private: &mut AliasLookupPrivate| {
        (lookup.form, private.name) = (2, b"Amina".to_vec());
    };
    assert_eq!(lookup(by_alias), Ok(()));
    for (field, change) in [
        (Field::PaymentId, (|lookup, _| lookup.lookup_id = [7; 16]) as fn(&mut AliasLookup, &mut AliasLookupPrivate)),
        (Field::Form, |lookup, _| lookup.form = 0),
        (Field::Form, |lookup, _| lookup.form = 3),
        (Field::Purpose, |lookup, _| lookup.purpose = 5),
        (Field::AliasType, |lookup, _| lookup.alias_type = 0),
        (Field::AliasType, |lookup, _| lookup.alias_type = 11),
        (Field::Participant, |lookup, _| lookup.participant[0] = b'A'),
        (Field::Alias, |_, private| private.alias = Vec::new()),
        (Field::Account, |_, private| private.account = b"KE12".to_vec()),
        (Field::Name, |_, private| private.name = b"Amina".to_vec()),
        (Field::Name, |lookup, _| lookup.form = 2),
        (Field::EndUser, |_, private| private.end_user = Vec::new()),
        (Field::EndUser, |_, private| private.end_user = vec![b'a'; 65]),
    ] {
        assert_eq!(lookup(change), Err(field));
    }
}

fn transfer(change: impl FnOnce(&mut AliasTransfer, &mut AliasTransferPrivate)) -> Result<(), Field> {
    let (mut order, mut private) = (sample::alias_transfer(1), sample::alias_transfer_private());
    change(&mut order, &mut private);
    check(MessageKind::AliasTransfer, &order, &private)
}

#[test]
fn a_payment_order_names_an_alias_and_who_pays() {
    assert_eq!(transfer(|_, _| {}), Ok(()));
    for (field, change) in [
        (
            Field::PaymentId,
            (|order, _| order.payment_id = [7; 16]) as fn(&mut AliasTransfer, &mut AliasTransferPrivate),
        ),
        (Field::Payer, |order, _| order.payer = [0; 35]),
        (Field::Amount, |order, _| order.amount = 0),
        (Field::Currency, |order, _| order.currency = *b"kes"),
        (Field::AcceptedAt, |order, _| order.accepted_at_ns = 0),
        (Field::Purpose, |order, _| order.purpose = *b"sala"),
        (Field::Lane, |order, _| order.lane = 3),
        (Field::RequestId, |order, _| order.request_id = [7; 16]),
        (Field::AliasType, |order, _| order.alias_type = 0),
        (Field::Alias, |_, private| private.alias = Vec::new()),
        (Field::EndUser, |_, private| private.end_user = Vec::new()),
        (Field::Remittance, |_, private| private.remittance = vec![b'a'; 561]),
    ] {
        assert_eq!(transfer(change), Err(field));
    }
}

#[test]
fn a_question_has_a_form_and_bounded_items() {
    let ask = |form, bytes| {
        let items = adapters::message::DirectoryItems { items: vec![1; bytes] };
        check(MessageKind::DirectoryQuery, &DirectoryQuery { form, ..sample::directory_query(1) }, &items)
    };
    assert_eq!([ask(1, 0), ask(4, 8_192)], [Ok(()), Ok(())]);
    assert_eq!([ask(0, 0), ask(5, 0), ask(1, 8_193)], [Err(Field::Form), Err(Field::Form), Err(Field::Items)]);
}

#[test]
fn what_is_digested_are_all_private_fields() {
    let (routing, private) = (written(&sample::alias_transfer(1)), written(&sample::alias_transfer_private()));
    let frame = Frame { kind: MessageKind::AliasTransfer, head: Head::PLAIN, routing: &routing, private: &private };
    let Ok(Request::AliasTransfer(order)) = check::request(&frame) else { panic!("it is right") };
    let mut fields = Vec::new();
    order.each_private_field(|field| fields.push(field.to_vec()));
    let AliasTransferPrivate {
        payer_name,
        payer_account,
        payee_name,
        end_to_end_id,
        remittance,
        extension,
        alias,
        end_user,
    } = sample::alias_transfer_private();
    assert_eq!(fields, [payer_name, payer_account, payee_name, end_to_end_id, remittance, extension, alias, end_user]);
}
