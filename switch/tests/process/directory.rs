//! The directory through real sockets: registrations, look-ups and payments by alias, over SIGKILL; and nothing of it readable on disk.

use adapters::alias::Alias;
use adapters::directory::{AliasOutcome, AliasType, Claim, LookupResult, NameMatch, QueryForm};
use adapters::message::{
    AliasCommand, AliasCommandPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, Answer,
    DirectoryItems, DirectoryQuery, ErrorCode, Field, Lane, NO_ID, Note, Outcome, PaymentId,
};
use adapters::native::client::{
    AliasFound, AliasResult, Client, ClientOptions, DirectoryAnswer, Events, Forward, Incoming, Message, Refused,
};
use adapters::sandbox::issuer::{DevelopmentIssuer, PersonClaims};
use tokio::runtime::Runtime;

use crate::harness::{BINARY, CURRENCY, Data, PATIENCE, Switch, code};
use crate::operators::{BY, complaint, done, text};
use crate::privacy::files_with;
use crate::wire::now_ns;

const PHONE: &str = "+254712345678";
const TOKEN: &str = "f3A9-kQ0_zzT81bbR7x";
const NAME: &str = "Wanjiku Qqzwxvyk";
const ACCOUNT: &str = "KE-55001-QZX-907";
const END_USER: &str = "end-user-XQJ-0712-8844";

/// A provider that does one thing after the other. All live in one runtime, so that those who do nothing now still send what waits.
struct Desk<'a> {
    runtime: &'a Runtime,
    client: Client,
    events: Events,
    code: String,
    waiting: Vec<Incoming>,
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

impl<'a> Desk<'a> {
    fn open(runtime: &'a Runtime, data: &Data, participant: usize) -> Desk<'a> {
        let (code, tls) = (code(participant), data.tls(code(participant).as_str()));
        let options = ClientOptions::new(data.address().to_string(), "localhost".try_into().unwrap(), code, tls);
        let (client, events) = runtime.block_on(async { Client::start(options) });
        Desk { runtime, client, events, code: code.to_string(), waiting: Vec::new() }
    }

    fn send(&self, message: Message<'_>) {
        self.runtime.block_on(self.client.send(message)).unwrap();
    }

    /// Waits for what `pick` takes; everything else stays for later.
    fn wait<T>(&mut self, what: &str, pick: impl Fn(&Incoming) -> Option<T>) -> T {
        loop {
            if let Some(place) = self.waiting.iter().position(|incoming| pick(incoming).is_some()) {
                return pick(&self.waiting.remove(place)).unwrap();
            }
            let events = &mut self.events;
            let next = self.runtime.block_on(async { tokio::time::timeout(PATIENCE, events.next()).await });
            let batch = next.unwrap_or_else(|_| panic!("no {what}: {:?}", self.waiting));
            self.waiting.extend(batch.unwrap());
        }
    }

    fn command(&mut self, command: AliasCommand, private: &AliasCommandPrivate) -> AliasResult {
        self.send(Message::AliasCommand(&command, private));
        self.wait("result", |incoming| match incoming {
            Incoming::AliasResult(result) if result.command_id.bytes() == command.command_id => {
                Some((**result).clone())
            }
            _ => None,
        })
    }

    fn register(&mut self, registration: &Registration<'_>, issuer: &DevelopmentIssuer) -> AliasResult {
        let (command, private) = registration.message(&self.code, issuer);
        self.command(command, &private)
    }

    fn refusal(&mut self, id: [u8; 16]) -> Refused {
        self.wait("refusal", |incoming| match incoming {
            Incoming::Refused(refused) if refused.payment_id.map(PaymentId::bytes) == Some(id) => {
                Some((**refused).clone())
            }
            _ => None,
        })
    }

    fn look_up(&mut self, alias: &str) -> AliasFound {
        let lookup = AliasLookup {
            lookup_id: PaymentId::random().bytes(),
            form: 1,
            purpose: 1,
            alias_type: AliasType::Mobile as u8,
            participant: [0; 35],
        };
        let private =
            AliasLookupPrivate { alias: alias.into(), end_user: END_USER.into(), ..AliasLookupPrivate::default() };
        self.ask(&lookup, &private)
    }

    fn ask(&mut self, lookup: &AliasLookup, private: &AliasLookupPrivate) -> AliasFound {
        self.send(Message::AliasLookup(lookup, private));
        self.wait("answer", |incoming| match incoming {
            Incoming::AliasFound(found) if found.lookup_id.bytes() == lookup.lookup_id => Some((**found).clone()),
            _ => None,
        })
    }

    fn pay(&self, alias: &str, minor_units: u64) -> [u8; 16] {
        let order = AliasTransfer {
            payment_id: PaymentId::random().bytes(),
            payer: *code(1).bytes(),
            amount: minor_units,
            currency: CURRENCY.as_bytes().try_into().unwrap(),
            accepted_at_ns: now_ns(),
            purpose: [0; 4],
            lane: Lane::Payments as u8,
            request_id: NO_ID,
            alias_type: AliasType::Mobile as u8,
        };
        self.send(Message::AliasTransfer(&order, &transfer_to(alias)));
        order.payment_id
    }

    fn forward(&mut self, id: [u8; 16]) -> Forward {
        self.wait("forward", |incoming| match incoming {
            Incoming::Forward(forward) if forward.payment_id.bytes() == id => Some((**forward).clone()),
            _ => None,
        })
    }

    fn outcome(&mut self, id: [u8; 16]) -> Outcome {
        self.wait("status", |incoming| match incoming {
            Incoming::Status(status) if status.payment_id.bytes() == id => Some(status.outcome),
            _ => None,
        })
    }

    fn accept(&self, id: [u8; 16]) {
        let answer = Answer::accept(PaymentId::from_bytes(id).unwrap());
        self.send(Message::Answer(&answer, &Note::default()));
    }

    fn query(&mut self, form: QueryForm, items: Vec<u8>) -> DirectoryAnswer {
        let query = DirectoryQuery { query_id: PaymentId::random().bytes(), form: form as u8, after: 0 };
        self.send(Message::DirectoryQuery(&query, &DirectoryItems { items }));
        self.wait("answer", |incoming| match incoming {
            Incoming::DirectoryAnswer(answer) if answer.query_id.bytes() == query.query_id => Some((**answer).clone()),
            _ => None,
        })
    }
}

fn transfer_to(alias: &str) -> AliasTransferPrivate {
    AliasTransferPrivate {
        payer_name: b"Sipho Zzyzx".to_vec(),
        alias: alias.into(),
        end_user: END_USER.into(),
        ..AliasTransferPrivate::default()
    }
}

/// A registration, and what can be wrong with it.
#[derive(Clone)]
struct Registration<'a> {
    alias: &'a str,
    subject: &'a str,
    audience: Option<&'a str>,
    nonce: &'a str,
    account: &'a str,
    life_s: u64,
}

const AMINA: Registration<'static> = Registration {
    alias: PHONE,
    subject: TOKEN,
    audience: None,
    nonce: "nonce-0123456789",
    account: ACCOUNT,
    life_s: 3_600,
};

impl Registration<'_> {
    fn message(&self, code: &str, issuer: &DevelopmentIssuer) -> (AliasCommand, AliasCommandPrivate) {
        let now_s = now_ns() / 1_000_000_000;
        let attestation = issuer.attest(&PersonClaims {
            audience: self.audience.unwrap_or(code),
            subject: TOKEN,
            alias: Some(("MBNO", self.alias)),
            issued_at_s: now_s - 10,
            expires_at_s: now_s - 10 + self.life_s,
            nonce: self.nonce,
        });
        let private = AliasCommandPrivate {
            alias: self.alias.into(),
            identity: self.subject.into(),
            account: self.account.into(),
            name: NAME.into(),
            attestation: attestation.into_bytes(),
        };
        let command = AliasCommand {
            consent_purpose: 1,
            consent_until_ns: now_ns() + 1_000_000_000_000_000,
            ..of_alias(1, AliasType::Mobile as u8)
        };
        (command, private)
    }
}

fn of_alias(operation: u8, alias_type: u8) -> AliasCommand {
    AliasCommand {
        command_id: PaymentId::random().bytes(),
        operation,
        alias_type,
        defaults: 0,
        consent_purpose: 0,
        consent_until_ns: 0,
    }
}

fn naming(alias: &str) -> AliasCommandPrivate {
    AliasCommandPrivate { alias: alias.into(), ..AliasCommandPrivate::default() }
}

fn item(kind: AliasType, alias: &str) -> Vec<u8> {
    let length = u16::try_from(alias.len()).unwrap().to_le_bytes();
    [&[kind as u8][..], &length, alias.as_bytes()].concat()
}

/// A scheme that trusts this ID system, and a switch that serves it.
fn begin(data: &Data) -> (DevelopmentIssuer, Switch) {
    let issuer = DevelopmentIssuer::of_seed("dev-id", "k1", &[7; 32]);
    let digits: String = issuer.key().public_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let key = format!(
        "\n[[directory.issuer]]\nname = \"dev-id\"\nkey_id = \"k1\"\nalgorithm = \"EdDSA\"\npublic_key = \"{digits}\"\n\n[[currency]]"
    );
    data.edit("genesis.toml", "\n[[currency]]", &key);
    (issuer, data.serve())
}

#[test]
fn who_registers_is_found_and_paid_over_a_kill_and_after_removal_nobody_is() {
    let data = Data::new();
    let (issuer, switch) = begin(&data);
    let runtime = runtime();
    let (mut payer, mut payee) = (Desk::open(&runtime, &data, 1), Desk::open(&runtime, &data, 2));
    let missed = payer.look_up(PHONE);
    assert_eq!(missed.result, LookupResult::NotFound);
    let registered = payee.register(&AMINA, &issuer);
    assert!(0 < missed.position && missed.position < registered.position, "each has its place in the journal");
    assert_eq!((registered.outcome, registered.alias.as_slice()), (AliasOutcome::Done, PHONE.as_bytes()));

    let found = payer.look_up("+254 712-345 678");
    assert_eq!((found.result, found.participant), (LookupResult::Found, Some(code(2))));
    assert_eq!((found.account.as_slice(), found.name.as_slice()), (ACCOUNT.as_bytes(), &b"W**** Q****"[..]));
    assert_eq!(found.owned_since_ns, registered.at_ns);

    let id = payer.pay(PHONE, 500);
    let forward = payee.forward(id);
    assert_eq!((forward.payee, forward.private.payee_account.as_slice()), (code(2), ACCOUNT.as_bytes()));
    payee.accept(id);
    assert_eq!((payer.outcome(id), payee.outcome(id)), (Outcome::Committed, Outcome::Committed));
    drop((payer, payee));
    switch.kill();

    let switch = data.serve();
    let (mut payer, mut payee) = (Desk::open(&runtime, &data, 1), Desk::open(&runtime, &data, 2));
    let found = payer.look_up(PHONE);
    assert_eq!((found.result, found.owned_since_ns), (LookupResult::Found, registered.at_ns));
    assert_eq!(found.counters, [1, 1, 1, 0, 0, 0, 0, 0, 0], "one was settled");
    let answer = payee.query(QueryForm::Lookups, item(AliasType::Mobile, PHONE));
    assert_eq!(answer.items.len() / 52, 3, "two look-ups and a payment found it");
    assert_eq!(answer.items[..8], found.position.to_le_bytes(), "the newest is the one that was just answered");
    assert_eq!((&answer.items[16..51], answer.items[51]), (&code(1).bytes()[..], 1), "by PSP0001, to pay");
    let others = payer.query(QueryForm::Lookups, item(AliasType::Mobile, PHONE));
    assert!(others.items.is_empty(), "only its own participant learns who has looked it up");

    // Paused nobody finds it but its own participant; removed nobody does.
    let mobile = AliasType::Mobile as u8;
    assert_eq!(payee.command(of_alias(3, mobile), &naming(PHONE)).outcome, AliasOutcome::Done);
    assert_eq!(payee.command(of_alias(3, mobile), &naming(PHONE)).outcome, AliasOutcome::StateUnchanged);
    assert_eq!(payer.look_up(PHONE).result, LookupResult::NotFound);
    assert_eq!(payee.query(QueryForm::Existence, item(AliasType::Mobile, PHONE)).items, [1]);
    assert_eq!(payer.query(QueryForm::Existence, item(AliasType::Mobile, PHONE)).items, [0]);
    assert_eq!(payer.command(of_alias(5, mobile), &naming(PHONE)).outcome, AliasOutcome::AliasNotYours);
    let removal = of_alias(5, mobile);
    assert_eq!(payee.command(removal.clone(), &naming(PHONE)).outcome, AliasOutcome::Done);
    assert_eq!(payee.command(removal, &naming(PHONE)).outcome, AliasOutcome::Done, "the same command, the same result");
    assert_eq!(payee.command(of_alias(5, mobile), &naming(PHONE)).outcome, AliasOutcome::AliasNotYours);
    let id = payer.pay(PHONE, 700);
    let refused = payer.refusal(id);
    assert_eq!(refused.code, Some(ErrorCode::AliasNotFound));
    drop((payer, payee));
    let ended = switch.stop();
    for needle in [PHONE, "254712345678", TOKEN, NAME, "Qqzwxvyk", ACCOUNT, END_USER, "nonce-0123456789"] {
        assert_eq!(files_with(&data.path(""), needle.as_bytes()), [""; 0], "`{needle}` lies readable on disk");
        assert!(!ended.log.iter().any(|line| line.contains(needle)), "`{needle}` stands in the log");
    }
    data.verified();
}

#[test]
fn what_does_not_hold_is_refused_by_name_and_changes_nothing() {
    let data = Data::new();
    let (issuer, switch) = begin(&data);
    let runtime = runtime();
    let (mut one, mut two) = (Desk::open(&runtime, &data, 1), Desk::open(&runtime, &data, 2));
    let stranger = DevelopmentIssuer::of_seed("dev-id", "k1", &[8; 32]);
    let unknown = DevelopmentIssuer::of_seed("other-id", "k1", &[7; 32]);
    for (registration, issuer, said) in [
        (AMINA, &stranger, "signature"),
        (AMINA, &unknown, "trusts no such ID system"),
        (Registration { audience: Some("PSP0003"), ..AMINA }, &issuer, "another participant"),
        (Registration { life_s: 5, ..AMINA }, &issuer, "time is over"),
        (Registration { life_s: 90_000, ..AMINA }, &issuer, "24 hours"),
        (Registration { subject: "another-token-00ab12", ..AMINA }, &issuer, "another person"),
    ] {
        let (command, private) = registration.message("PSP0002", issuer);
        two.send(Message::AliasCommand(&command, &private));
        let refused = two.refusal(command.command_id);
        assert_eq!((refused.code, refused.field), (Some(ErrorCode::AttestationRefused), Field::Attestation), "{said}");
        assert!(refused.text.contains(said), "{said}: {}", refused.text);
    }
    for (registration, field, said) in [
        (Registration { alias: "0712345678", ..AMINA }, Field::Alias, "begins with +"),
        (Registration { subject: "1234567890123456", ..AMINA }, Field::Identity, "ID number itself"),
    ] {
        let (command, private) = registration.message("PSP0002", &issuer);
        two.send(Message::AliasCommand(&command, &private));
        let refused = two.refusal(command.command_id);
        assert_eq!((refused.code, refused.field), (Some(ErrorCode::BadField), field));
        assert!(refused.text.contains(said), "{said}: {}", refused.text);
        assert!(!refused.text.contains("0712345678") && !refused.text.contains("1234567890123456"));
    }
    assert_eq!(one.look_up(PHONE).result, LookupResult::NotFound, "nothing was registered");
    assert_eq!(two.register(&AMINA, &issuer).outcome, AliasOutcome::Done);
    let again = two.register(&AMINA, &issuer);
    assert_eq!((again.outcome, again.claim), (AliasOutcome::AttestationReplayed, Claim::None));
    let other = Registration { nonce: "nonce-of-another-one", ..AMINA };
    assert_eq!(two.register(&other, &issuer).outcome, AliasOutcome::AliasTakenHere);
    let taken = one.register(&Registration { nonce: "nonce-of-a-third-one", ..AMINA }, &issuer);
    assert_eq!((taken.outcome, taken.claim), (AliasOutcome::AliasTaken, Claim::Ownership));
    assert!(taken.alias == PHONE.as_bytes() || taken.alias.is_empty(), "nothing of the other entry is told");

    // Whether a name belongs to an account.
    let verification = |name: &str| {
        let private = AliasLookupPrivate {
            account: ACCOUNT.into(),
            name: name.into(),
            end_user: END_USER.into(),
            ..AliasLookupPrivate::default()
        };
        let lookup = AliasLookup {
            lookup_id: PaymentId::random().bytes(),
            form: 2,
            purpose: 2,
            alias_type: 0,
            participant: *code(2).bytes(),
        };
        (lookup, private)
    };
    for (name, expected, shown) in [
        ("wanjiku qqzwxvyk", NameMatch::Match, "W**** Q****"),
        ("Wanjiku Qqzwxvyc", NameMatch::CloseMatch, NAME),
        ("Somebody Else", NameMatch::NoMatch, ""),
        ("---", NameMatch::NotPossible, ""),
    ] {
        let (lookup, private) = verification(name);
        let found = one.ask(&lookup, &private);
        assert_eq!((found.name_match, found.name.as_slice()), (Some(expected), shown.as_bytes()), "{name}");
    }

    // A random key is made by the switch, and the same command gets the same one.
    let now_s = now_ns() / 1_000_000_000;
    let attestation = issuer.attest(&PersonClaims {
        audience: "PSP0002",
        subject: TOKEN,
        alias: None,
        issued_at_s: now_s,
        expires_at_s: now_s + 60,
        nonce: "nonce-of-the-random-key",
    });
    let private = AliasCommandPrivate {
        alias: Vec::new(),
        attestation: attestation.into_bytes(),
        ..AMINA.message("PSP0002", &issuer).1
    };
    let command = AliasCommand {
        consent_purpose: 1,
        consent_until_ns: now_ns() + 1_000_000_000_000,
        ..of_alias(1, AliasType::Random as u8)
    };
    let made = two.command(command.clone(), &private);
    let key = String::from_utf8(made.alias.clone()).unwrap();
    assert!(made.outcome == AliasOutcome::Done && Alias::parse(AliasType::Random, &key).is_ok());
    assert_eq!(two.command(command, &private).alias, made.alias);

    // An end user who asks for what nobody has is soon told to wait, and so is its provider.
    let mut answered = 0;
    let limited = loop {
        let found = one.look_up(&format!("+2547{answered:08}"));
        if found.result == LookupResult::Limited {
            break found;
        }
        assert_eq!(found.result, LookupResult::NotFound);
        answered += 1;
        assert!(answered < 10, "a bucket of 100 is not endless");
    };
    assert!(limited.retry_after_ms > 0 && limited.participant.is_none());
    // Neither does an order say whether its alias is somebody's: it is refused in the same words, and leaves no trace.
    for alias in [PHONE, "+254799999999"] {
        let id = one.pay(alias, 100);
        let refused = one.refusal(id);
        assert_eq!((refused.code, refused.field), (Some(ErrorCode::LookupLimited), Field::None), "{alias}");
        assert!((1..=limited.retry_after_ms).contains(&refused.retry_after_ms), "{}", refused.retry_after_ms);
    }
    let buckets = one.query(QueryForm::Buckets, Vec::new()).items;
    assert_eq!(buckets.len(), 12);
    drop((one, two));
    switch.stop();
    data.verified();
}

/// `switch directory import` of these rows for PSP0002, attested: exit status, what it counted, and the file of errors.
fn import(data: &Data, issuer: &DevelopmentIssuer, text: &str, nonce: &str) -> (i32, String, String) {
    let [file, jws, errors] = ["rows.csv", "rows.jws", "rows.errors.csv"].map(|name| data.path("..").join(name));
    std::fs::write(&file, text).unwrap();
    let mut sha256 = [0; 32];
    sha256.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes()).as_ref());
    let now_s = now_ns() / 1_000_000_000;
    let rows = text.lines().count() as u64 - 1;
    std::fs::write(&jws, issuer.attest_file("PSP0002", (&sha256, rows), (now_s, now_s + 60), nonce)).unwrap();
    let mut command = std::process::Command::new(BINARY);
    command.args(["directory", "import", "--json", "--participant", "PSP0002", "--config"]);
    command.arg(data.path("switch.toml")).arg("--file").arg(&file).arg("--attestation").arg(&jws);
    let output = command.output().unwrap();
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let errors = std::fs::read_to_string(errors).unwrap_or_default();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap(), errors)
}

#[test]
fn a_file_of_aliases_is_imported_row_by_row_and_what_is_not_taken_is_named() {
    let data = Data::new();
    let (issuer, switch) = begin(&data);
    let head = "type,alias,identity,account,name\n";
    let good = format!(
        "{head}MBNO,{PHONE},{TOKEN},{ACCOUNT},{NAME}\nEMAL,Q@Xyl.example,{TOKEN},{ACCOUNT},\"Mwangi, Wanjiku\"\n"
    );
    let (status, said, _) = import(&data, &issuer, &good, "nonce-of-a-file-0001");
    assert!(status == 1 && said.contains("is open in another process"), "{said}");
    switch.stop();
    let (status, said, errors) = import(&data, &issuer, &good, "nonce-of-a-file-0001");
    assert_eq!((status, said.trim()), (0, r#"{"rows":2,"registered":2,"refused":0}"#), "{errors}");

    let bad = format!(
        "{good}MBNO,0712,{TOKEN},{ACCOUNT},{NAME}\nMBNO,+254700000001,1234567890123456,{ACCOUNT},{NAME}\nMBNO,+254700000002,{TOKEN}\nRAND,x,{TOKEN},{ACCOUNT},{NAME}\nMBNO,+254700000003,{TOKEN},{ACCOUNT},{NAME}\n"
    );
    let (status, said, errors) = import(&data, &issuer, &bad, "nonce-of-a-file-0002");
    assert_eq!((status, said.trim()), (1, r#"{"rows":7,"registered":1,"refused":6}"#), "{errors}");
    for (line, why) in [
        ("2,", "alias_taken_here"),
        ("3,", "alias_taken_here"),
        ("4,", "begins with +"),
        ("5,", "ID number itself"),
        ("6,", "3 fields instead of 5"),
        ("7,", "no such type"),
    ] {
        let found = errors.lines().find(|text| text.starts_with(line)).unwrap_or_default();
        assert!(found.contains(why), "line {line} {why}: {errors}");
    }
    assert!(!errors.contains("0712") && !errors.contains("1234567890123456"), "what was wrong is not quoted");
    let stranger = DevelopmentIssuer::of_seed("dev-id", "k1", &[8; 32]);
    let (status, said, _) = import(&data, &stranger, &good, "nonce-of-a-file-0003");
    assert!(status == 2 && said.contains("signature does not hold"), "{said}");
    let (status, said, _) = import(&data, &issuer, "a,b\n1,2\n", "nonce-of-a-file-0004");
    assert!(status == 2 && said.contains("the head must be type,alias,identity,account,name"), "{said}");

    let switch = data.serve();
    let runtime = runtime();
    let mut payer = Desk::open(&runtime, &data, 1);
    assert_eq!(payer.look_up(PHONE).account, ACCOUNT.as_bytes());
    drop(payer);
    switch.stop();
    data.verified();
    for needle in [PHONE, "254712345678", TOKEN, "Qqzwxvyk", ACCOUNT, "q@xyl.example"] {
        assert_eq!(files_with(&data.path(""), needle.as_bytes()), [""; 0], "`{needle}` lies readable on disk");
    }
}

/// The row of a participant in `directory show`: category, tokens, capacity, refill a minute.
fn allowance(data: &Data, participant: &str, words: &str) -> (String, [u64; 3]) {
    let said = text(data, &format!("directory show {words}"), &["--json"]);
    let mut rows = said.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let row = rows.find(|row| row["participant"] == participant).unwrap();
    let numbers = ["level", "capacity", "per_minute"].map(|key| row[key].as_u64().unwrap());
    (row["category"].as_str().unwrap().to_owned(), numbers)
}

#[test]
fn operators_set_rules_categories_and_keys_and_these_are_in_force_at_once_and_over_a_kill() {
    let data = Data::new();
    let (issuer, switch) = begin(&data);
    let runtime = runtime();
    let (mut one, mut two) = (Desk::open(&runtime, &data, 1), Desk::open(&runtime, &data, 2));
    let shown = text(&data, "directory show", &[]);
    assert!(shown.contains("cost_missed = 20\n") && shown.contains("hash key     1\nmade anew    no\n"), "{shown}");
    assert!(shown.contains("trusted      dev-id k1 EdDSA until revoked "), "{shown}");

    let beside = format!("directory issuer add dev-id k2 --public-key 04{}", "11".repeat(64));
    for (words, status, says) in [
        ("directory category PSP0001 I", 2, "expected a letter from A to H"),
        ("directory category NOBODY A", 2, "the scheme has no participant NOBODY"),
        ("directory rules --set cost=1", 2, "the directory's rules have no `cost`"),
        ("directory rules --set cost_missed=500", 2, "every capacity must be at least cost_missed"),
        ("directory rules --set cost_missed=20", 2, "in force already"),
        ("directory issuer revoke dev-id k2", 2, "no key `k2` of `dev-id` is trusted"),
        ("directory issuer add dev-id k2 --public-key 00ff", 2, "64 of Ed25519 or 130 of P-256"),
        ("directory issuer add dev-id k2 --file /nowhere.pem", 2, "/nowhere.pem: "),
        (&beside, 2, "the public_key is no point of its curve"),
    ] {
        let (found, said) = complaint(&data, words, &BY);
        assert!(found == status && said.contains(says), "{words}: {found} {said}");
    }
    let alone = [&BY[..2], &BY[4..]].concat();
    for words in ["directory category PSP0001 A", "directory rules --set mask=2", "directory issuer revoke dev-id k1"] {
        let (status, said) = complaint(&data, words, &BY[..6]);
        assert!(status == 2 && said.contains("nothing is done"), "{words}: {said}");
        let (status, said) = complaint(&data, words, &alone);
        assert!(status == 1 && said.contains("refused with 102: "), "{words}: {said}");
    }

    // What nobody trusts any more proves nothing, until somebody trusts it again.
    done(&data, "directory issuer revoke dev-id k1");
    let (command, private) = AMINA.message("PSP0002", &issuer);
    two.send(Message::AliasCommand(&command, &private));
    let refused = two.refusal(command.command_id);
    assert!(refused.text.contains("trusts no such ID system"), "{}", refused.text);
    // SubjectPublicKeyInfo of Ed25519, by RFC 8410.
    let der = [b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00", &issuer.key().public_key[..]].concat();
    std::fs::write(data.path("dev-id.der"), der).unwrap();
    done(&data, &format!("directory issuer add dev-id k1 --file {}", data.path("dev-id.der").display()));
    assert_eq!(two.register(&AMINA, &issuer).outcome, AliasOutcome::Done);

    // Another cost, and another category.
    done(&data, "directory rules --set cost_missed=30 --set end_user_capacity=60");
    assert_eq!(one.look_up("+254799999999").result, LookupResult::NotFound);
    let (category, [level, capacity, per_minute]) = allowance(&data, "PSP0001", "");
    assert_eq!((category.as_str(), capacity, per_minute), ("H", 400, 5));
    assert!((370..=372).contains(&level), "{level} are left of 400");
    done(&data, "directory category PSP0001 F");
    let (category, [level, capacity, per_minute]) = allowance(&data, "PSP0001", "");
    assert_eq!((category.as_str(), capacity, per_minute), ("F", 1_000, 25));
    assert!((370..=380).contains(&level), "what it has used stays used: {level}");
    drop((one, two));

    let rules_of = |shown: &str| shown.split("participant").next().unwrap().to_owned();
    let before = rules_of(&text(&data, "directory show", &[]));
    switch.kill();
    assert_eq!(rules_of(&text(&data, "directory show --offline", &[])), before);
    assert_eq!(allowance(&data, "PSP0001", "--offline").0, "F");
    done(&data, "directory category PSP0003 A --offline");
    let switch = data.serve();
    assert_eq!(allowance(&data, "PSP0003", "").0, "A");
    let events = text(&data, "events", &[]);
    for says in ["category F", "trusted no longer", "DirectoryRulesChanged"] {
        assert!(events.contains(says), "{says}: {events}");
    }
    switch.stop();
    data.verified();
}

const RENEWED: u32 = 600;

fn numbered(row: u32) -> String {
    format!("+2547010{row:05}")
}

/// Is the key of this generation in the ring, or was it overwritten? By `docs/formats/entries.md`.
fn holds_hash_key(data: &Data, generation: u8) -> bool {
    let ring = std::fs::read(data.path("keys/ring")).unwrap();
    let is_meant = |record: &&[u8]| record[16] == 3 && record[52..56] == u32::from(generation).to_le_bytes();
    let record = ring.chunks(128).find(is_meant).unwrap();
    record[56..116].iter().any(|&byte| byte != 0)
}

/// Waits until hashes are made anew under this key, and the one before is gone; asks and pays on the way.
fn await_renewed(data: &Data, generation: u8, payer: &mut Desk<'_>, payee: &mut Desk<'_>) {
    let done = format!("hash key     {generation}\nmade anew    no\n");
    for asked in 0.. {
        let alias = numbered(asked * 7 % RENEWED);
        assert_eq!(payer.look_up(&alias).result, LookupResult::Found, "{alias}");
        let id = payer.pay(&alias, 1);
        payee.forward(id);
        payee.accept(id);
        assert_eq!(payer.outcome(id), Outcome::Committed);
        if text(data, "directory show", &[]).contains(&done) && !holds_hash_key(data, generation - 1) {
            return;
        }
    }
}

/// What was registered is found and paid before, while and after its hashes are made anew, whenever the switch is killed; and nobody can hash as before any more.
#[test]
fn hash_keys_are_renewed_while_the_switch_serves_and_over_kills() {
    let data = Data::new();
    let (issuer, switch) = begin(&data);
    switch.stop();
    let rows = (0..RENEWED).map(|row| format!("MBNO,{},token-{row:05}-of-x,KE{row},Person {row}\n", numbered(row)));
    let file = format!("type,alias,identity,account,name\n{}", rows.collect::<String>());
    let (status, said, _) = import(&data, &issuer, &file, "nonce-of-a-file-0001");
    assert_eq!(status, 0, "{said}");
    done(&data, "directory rules --set end_user_capacity=100000 --offline");
    done(&data, "directory category PSP0001 A --offline");

    let switch = data.serve();
    let runtime = runtime();
    let mut payee = Desk::open(&runtime, &data, 2);
    assert_eq!(payee.register(&AMINA, &issuer).outcome, AliasOutcome::Done);
    let now_s = now_ns() / 1_000_000_000;
    let attestation = issuer.attest(&PersonClaims {
        audience: "PSP0002",
        subject: TOKEN,
        alias: None,
        issued_at_s: now_s,
        expires_at_s: now_s + 3_600,
        nonce: "nonce-of-the-random-key",
    });
    let private = AliasCommandPrivate {
        alias: Vec::new(),
        attestation: attestation.into_bytes(),
        ..AMINA.message("PSP0002", &issuer).1
    };
    let of_random = AliasCommand {
        consent_purpose: 1,
        consent_until_ns: now_ns() + 1_000_000_000_000,
        ..of_alias(1, AliasType::Random as u8)
    };
    let random_key = payee.command(of_random.clone(), &private).alias;

    done(&data, "directory renew-hash-key");
    drop(payee);
    switch.kill();
    let switch = data.serve();
    let (mut payer, mut payee) = (Desk::open(&runtime, &data, 1), Desk::open(&runtime, &data, 2));
    await_renewed(&data, 2, &mut payer, &mut payee);
    done(&data, "directory renew-hash-key");
    let mobile = AliasType::Mobile as u8;
    let registered = payee.register(&Registration { nonce: "nonce-of-another-one", ..AMINA }, &issuer);
    assert_eq!(registered.outcome, AliasOutcome::AliasTakenHere, "whichever key it is under");
    await_renewed(&data, 3, &mut payer, &mut payee);

    for row in 0..RENEWED {
        assert_eq!(payer.look_up(&numbered(row)).account, format!("KE{row}").into_bytes());
    }
    let replayed = payee.register(&AMINA, &issuer);
    assert_eq!(replayed.outcome, AliasOutcome::AttestationReplayed, "what was used stays used");
    assert_eq!(payee.command(of_random, &private).alias, random_key, "the same command, the same key");
    assert_eq!(payee.command(of_alias(5, mobile), &naming(PHONE)).outcome, AliasOutcome::Done);
    drop((payer, payee));
    switch.kill();

    // The same from the journal alone.
    std::fs::remove_dir_all(data.path("directory")).unwrap();
    let switch = data.serve();
    let mut payer = Desk::open(&runtime, &data, 1);
    assert_eq!(payer.look_up(PHONE).result, LookupResult::NotFound);
    for row in (0..RENEWED).step_by(50) {
        assert_eq!(payer.look_up(&numbered(row)).account, format!("KE{row}").into_bytes());
    }
    drop(payer);
    switch.stop();
    data.verified();
}
