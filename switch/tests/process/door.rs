//! Who may come in. Whoever may not is refused, leaves one line in the log, and is noticed by nobody else.

use std::path::Path;
use std::sync::Arc;

use adapters::message::{ErrorCode, Outcome, ParticipantCode};
use adapters::native::session::Resume;
use adapters::native::tls::{crypto_provider, read_certificates, read_key, read_roots};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair};
use rustls::ClientConfig;
use switch::pki::Authority;

use crate::harness::{Data, Switch, code, eventually};
use crate::operators::done;
use crate::wire::{Said, Wire, order};

/// A switch whose authority can still issue certificates.
fn data_with_authority() -> (Data, Authority) {
    let data = Data::new();
    let pki = data.path("pki");
    let authority = Authority::create(&pki).unwrap();
    authority.issue_server().unwrap();
    (1..=4).for_each(|number| authority.issue_participant(&code(number)).unwrap());
    (data, authority)
}

/// Exactly one more line of the log says that someone was refused; it holds all of `words`.
fn expect_refusal_in_log(switch: &Switch, already: usize, words: &[&str]) {
    let refusals = || {
        let log = switch.log();
        log.into_iter().filter(|line| line.contains("connection refused")).collect::<Vec<_>>()
    };
    let line = eventually("the refusal is logged", || refusals().get(already).cloned());
    words.iter().for_each(|word| assert!(line.contains(word), "`{word}` is not in: {line}"));
    assert!(line.contains(" WARN "), "{line}");
    assert_eq!(refusals().len(), already + 1, "logged once: {:?}", switch.log());
}

/// Two participants who were there before, and whom nothing that happens at the door may touch.
struct Others {
    payer: Wire,
    payee: Wire,
}

impl Others {
    fn connect(data: &Data) -> Others {
        Others { payer: Wire::open(data, 1), payee: Wire::open(data, 2) }
    }

    fn are_unaffected(&mut self) {
        let id = self.payer.pay(&order(1, 2, 5));
        self.payee.forward_of(id);
        self.payee.accept(id);
        assert_eq!(self.payer.status_of(id).outcome, Outcome::Committed);
        assert_eq!(self.payee.status_of(id).outcome, Outcome::Committed);
    }
}

fn without_certificate(data: &Data) -> Arc<ClientConfig> {
    let roots = read_roots(&data.path("pki/ca.pem")).unwrap();
    let builder = ClientConfig::builder_with_provider(crypto_provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Trusts the switch's authority, and shows a certificate and key that lie elsewhere.
fn showing(data: &Data, certificate: &Path, key: &Path) -> Arc<ClientConfig> {
    let roots = read_roots(&data.path("pki/ca.pem")).unwrap();
    let (chain, key) = (read_certificates(certificate).unwrap(), read_key(key).unwrap());
    let builder = ClientConfig::builder_with_provider(crypto_provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_client_auth_cert(chain, key).unwrap())
}

/// A certificate with a participant's name, from an authority that calls itself as ours does.
fn of_an_impostor(data: &Data) -> Arc<ClientConfig> {
    let elsewhere = tempfile::tempdir().unwrap();
    Authority::create(elsewhere.path()).unwrap().issue_participant(&code(3)).unwrap();
    showing(data, &elsewhere.path().join("PSP0003.pem"), &elsewhere.path().join("PSP0003.key"))
}

/// A certificate with a participant's name that nobody has signed but its owner.
fn of_its_own(data: &Data) -> Arc<ClientConfig> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, code(3).as_str());
    write_pair(data, "own", &params.self_signed(&key).unwrap().pem(), &key);
    showing(data, &data.path("pki/own.pem"), &data.path("pki/own.key"))
}

fn write_pair(data: &Data, name: &str, certificate: &str, key: &KeyPair) {
    std::fs::write(data.path(&format!("pki/{name}.pem")), certificate).unwrap();
    std::fs::write(data.path(&format!("pki/{name}.key")), key.serialize_pem()).unwrap();
}

#[test]
fn a_certificate_that_does_not_hold_is_refused_in_the_handshake() {
    let (data, authority) = data_with_authority();
    authority.issue_expired_participant(&code(3), "expired").unwrap();
    let switch = data.serve();
    let mut others = Others::connect(&data);
    let cases = [
        (without_certificate(&data), "peer sent no certificates"),
        (of_an_impostor(&data), "BadSignature"),
        (of_its_own(&data), "UnknownIssuer"),
        (data.tls("expired"), "xpired"),
        // The switch's own certificate is of the right authority, and not for clients.
        (data.tls("server"), "certificate"),
    ];
    for (already, (tls, reason)) in cases.into_iter().enumerate() {
        let mut wire = Wire::connect(data.address(), tls);
        wire.hello(code(3), Resume::FROM_THE_START);
        assert_eq!(wire.ended(), [], "nothing is said to {reason}");
        expect_refusal_in_log(&switch, already, &["peer=127.0.0.1:", reason]);
        others.are_unaffected();
    }
    switch.stop();
}

#[test]
fn a_certificate_says_who_comes_and_hello_cannot_say_otherwise() {
    let (data, authority) = data_with_authority();
    let stranger = ParticipantCode::parse("STRANGER").unwrap();
    authority.issue_participant(&stranger).unwrap();
    let person = issue_without_code(&data);
    let switch = data.serve();
    let mut others = Others::connect(&data);
    // The name on the certificate, who Hello says it is, and what follows.
    let cases = [
        (
            "PSP0003",
            code(1),
            Some(ErrorCode::WrongParticipant),
            ["peer=127.0.0.1:", "participant=PSP0003 reason=\"wrong_participant\""],
        ),
        (
            "STRANGER",
            code(1),
            Some(ErrorCode::WrongParticipant),
            ["peer=127.0.0.1:", "participant=STRANGER reason=\"wrong_participant\""],
        ),
        (
            "STRANGER",
            stranger,
            Some(ErrorCode::UnknownParticipant),
            ["peer=127.0.0.1:", "participant=STRANGER reason=\"unknown_participant\""],
        ),
        (person, code(1), None, ["peer=127.0.0.1:", "no participant code"]),
    ];
    for (already, (name, said, refusal, words)) in cases.into_iter().enumerate() {
        let mut wire = Wire::connect(data.address(), data.tls(name));
        wire.hello(said, Resume::FROM_THE_START);
        if let Some(code) = refusal {
            let refused = wire.refused();
            assert_eq!((refused.code, refused.fatal, refused.frame_number), (code, true, 0), "{refused:?}");
        }
        assert_eq!(wire.ended(), [], "and then the connection ends");
        expect_refusal_in_log(&switch, already, &words);
        others.are_unaffected();
    }
    switch.stop();
}

/// A pair of the scheme's authority whose common name is no participant code. Gives its file name.
fn issue_without_code(data: &Data) -> &'static str {
    let pki = data.path("pki");
    let authority_key = KeyPair::from_pem(&std::fs::read_to_string(pki.join("ca.key")).unwrap()).unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Clearspan development authority");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Amina Diallo");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    write_pair(data, "person", &certificate.pem(), &key);
    "person"
}

#[test]
fn who_says_nothing_useful_first_is_not_let_in() {
    let data = Data::new();
    let switch = data.serve();
    let mut others = Others::connect(&data);
    let mut wire = Wire::connect(data.address(), data.tls("PSP0003"));
    // A payment before Hello: refused, and the session still expects Hello.
    let order = order(3, 2, 5);
    let id = wire.pay(&order);
    let refused = wire.refused();
    assert_eq!((refused.code, refused.fatal, refused.frame_number), (ErrorCode::NotAllowed, false, 1));
    wire.hello(code(3), Resume::FROM_THE_START);
    wire.welcome();
    assert_eq!(wire.ask(id).outcome, Outcome::Unknown, "what came before Hello left no trace");
    // A second Hello: refused, and the session goes on.
    wire.hello(code(3), Resume::FROM_THE_START);
    assert_eq!(wire.refused().code, ErrorCode::NotAllowed);
    wire.pay(&order);
    others.payee.forward_of(id);
    others.payee.accept(id);
    assert_eq!(wire.status_of(id).outcome, Outcome::Committed);
    switch.stop();
}

#[test]
fn a_second_connection_replaces_the_first() {
    let data = Data::new();
    let switch = data.serve();
    let mut payer = Wire::open(&data, 1);
    let mut first = Wire::open(&data, 2);
    let earlier = payer.pay(&order(1, 2, 5));
    first.forward_of(earlier);
    let mut second = Wire::open(&data, 2);
    let refused = first.refused();
    assert_eq!((refused.code, refused.fatal), (ErrorCode::Replaced, true), "{refused:?}");
    assert_eq!(first.ended(), [], "and then the connection ends");
    let later = payer.pay(&order(1, 2, 5));
    second.forward_of(later);
    for id in [earlier, later] {
        second.accept(id);
        assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
        assert_eq!(second.status_of(id).outcome, Outcome::Committed);
    }
    assert!(second.unasked().iter().all(|heard| !matches!(heard.said, Said::Error(..))));
    switch.stop();
}

/// A connection that shows the certificate in this file, and has said `Hello` for a participant.
fn greeted(data: &Data, file: &str, participant: usize) -> Wire {
    let mut wire = Wire::connect(data.address(), data.tls(file));
    wire.hello(code(participant), Resume::FROM_THE_END);
    wire
}

/// The connection is told this, and ends.
#[track_caller]
fn turned_away(mut wire: Wire, why: ErrorCode) {
    let refused = wire.refused();
    assert_eq!((refused.code, refused.fatal), (why, true), "{refused:?}");
    assert_eq!(wire.ended(), [], "and then the connection ends");
}

fn certificate(data: &Data, file: &str, more: &str) {
    done(data, &format!("participants certificate PSP0003 --file {} {more}", data.path(file).display()));
}

#[test]
fn certificates_overlap_and_the_one_that_is_revoked_is_cut() {
    let (data, authority) = data_with_authority();
    authority.issue_another(&code(3), "next").unwrap();
    let switch = data.serve();
    let mut others = Others::connect(&data);
    let mut old = greeted(&data, "PSP0003", 3);
    old.welcome();
    certificate(&data, "pki/next.pem", "");
    turned_away(old, ErrorCode::CertificateRefused);
    turned_away(greeted(&data, "PSP0003", 3), ErrorCode::CertificateRefused);
    certificate(&data, "pki/PSP0003.pem", "");
    let mut old = greeted(&data, "PSP0003", 3);
    old.welcome();
    let id = old.pay(&order(3, 2, 5));
    others.payee.forward_of(id);
    certificate(&data, "pki/PSP0003.pem", "--revoke");
    turned_away(old, ErrorCode::CertificateRefused);
    others.payee.accept(id);
    let mut new = greeted(&data, "next", 3);
    new.welcome();
    assert_eq!(new.ask(id).outcome, Outcome::Committed, "what it had sent counts");
    others.are_unaffected();
    certificate(&data, "pki/next.pem", "--revoke");
    turned_away(new, ErrorCode::CertificateRefused);
    switch.kill();
    let switch = data.serve();
    turned_away(greeted(&data, "PSP0003", 3), ErrorCode::CertificateRefused);
    certificate(&data, "pki/next.pem", "");
    greeted(&data, "next", 3).welcome();
    switch.stop();
    data.verified();
}

#[test]
fn a_technical_provider_connects_for_a_participant_as_long_as_it_may() {
    let (data, authority) = data_with_authority();
    let technical = ParticipantCode::parse("TECHNICAL").unwrap();
    authority.issue_participant(&technical).unwrap();
    let switch = data.serve();
    let mut others = Others::connect(&data);
    done(&data, "participants open TECHNICAL --active --technical");
    turned_away(greeted(&data, "TECHNICAL", 3), ErrorCode::WrongParticipant);
    done(&data, "participants connect TECHNICAL PSP0003");
    let mut lent = greeted(&data, "TECHNICAL", 3);
    lent.welcome();
    let id = lent.pay(&order(3, 2, 5));
    others.payee.forward_of(id);
    others.payee.accept(id);
    assert_eq!(lent.status_of(id).outcome, Outcome::Committed);
    let is_logged = |line: &String| line.contains("participant=PSP0003 agent=TECHNICAL");
    eventually("who connects for whom is logged", || switch.log().into_iter().find(is_logged));
    let is_own = |line: &String| line.contains("participant=PSP0001") && !line.contains("agent");
    assert!(switch.log().iter().any(is_own), "nobody connects for PSP0001: {:?}", switch.log());
    done(&data, "participants connect TECHNICAL PSP0003 --revoke");
    turned_away(lent, ErrorCode::WrongParticipant);
    let mut own = greeted(&data, "PSP0003", 3);
    own.welcome();
    assert_eq!(own.ask(id).outcome, Outcome::Committed);
    others.are_unaffected();
    switch.stop();
    data.verified();
}

#[test]
fn limits_of_a_participant_hold_at_once_and_after_a_restart() {
    let data = Data::new();
    let switch = data.serve();
    done(&data, "participants limits PSP0001 --in-flight-max 1");
    let mut payer = Wire::open(&data, 1);
    let first = payer.pay(&order(1, 2, 5));
    payer.pay(&order(1, 2, 5));
    assert_eq!(payer.refused().code, ErrorCode::Busy);
    done(&data, "participants limits PSP0001 --in-flight-max 2");
    let second = payer.pay(&order(1, 2, 5));
    payer.fence();
    switch.kill();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    payer.pay(&order(1, 2, 5));
    assert_eq!(payer.refused().code, ErrorCode::Busy);
    for id in [first, second] {
        payee.accept(id);
        assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    }
    switch.stop();
    data.verified();
}
