//! Providers that speak ISO 20022 over HTTPS: with each other, with providers of the native protocol, through kills of the switch, and what bad requests are told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::{Addressed, Encoder, Order, read_told};
use adapters::message::{
    AccountQuery, AccountStanding, Answer, CreditTransfer, Note, Outcome, PaymentId, PaymentPrivate, Reason,
};
use adapters::native::client::{AccountReport, Incoming};
use rustls::{ClientConnection, StreamOwned};

use crate::harness::{Data, Switch, code, eventually};
use crate::wire::{Wire, id_of, now_ns, order, private_of, written};

/// A data directory whose switch takes ISO 20022 messages.
fn data() -> Data {
    let data = Data::new();
    data.edit("switch.toml", "# iso20022 = \"127.0.0.1:7443\"", "iso20022 = \"127.0.0.1:0\"");
    data
}

/// Where a running switch takes them.
fn address(switch: &Switch) -> SocketAddr {
    switch.ready_line().split_once(" iso20022=").unwrap().1.parse().unwrap()
}

/// An answer of the switch over HTTP.
struct Answered {
    status: u16,
    head: String,
    body: String,
}

impl Answered {
    fn header(&self, name: &str) -> Option<&str> {
        let is_it = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        self.head.lines().find(is_it).and_then(|line| line.split_once(':')).map(|(_, value)| value.trim())
    }

    /// What an admi.002 says: cause, place and text.
    fn refusal(&self) -> (String, String) {
        let between = |start: &str, end: &str| {
            let from = self.body.split_once(start).map_or("", |(_, rest)| rest);
            from.split_once(end).map_or("", |(text, _)| text).to_owned()
        };
        (between("<RjctgPtyRsn>", "</RjctgPtyRsn>"), between("<RsnDesc>", "</RsnDesc>"))
    }
}

/// A provider that speaks ISO 20022, one request a connection.
struct Iso<'d> {
    data: &'d Data,
    address: SocketAddr,
    /// Is there a gateway between, which is on this machine and needs no TLS?
    by_gateway: bool,
    number: usize,
    cursor: Option<String>,
    told: Vec<Incoming>,
    messages: u64,
}

impl<'d> Iso<'d> {
    fn new(data: &'d Data, switch: &Switch, number: usize) -> Iso<'d> {
        Iso { data, address: address(switch), by_gateway: false, number, cursor: None, told: Vec::new(), messages: 0 }
    }

    fn request(&self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answered {
        let socket = TcpStream::connect(self.address).unwrap();
        if self.by_gateway {
            return exchange(socket, method, target, headers, body);
        }
        let tls = self.data.tls(code(self.number).as_str());
        let connection = ClientConnection::new(tls, "localhost".try_into().unwrap()).unwrap();
        exchange(StreamOwned::new(connection, socket), method, target, headers, body)
    }

    fn post(&self, body: &[u8]) -> Answered {
        self.request("POST", "/iso20022/messages", "Content-Type: application/xml\r\n", body)
    }

    fn message(&mut self, order: &Order) -> String {
        self.messages += 1;
        let (from, id) = (code(self.number), format!("M{}", self.messages));
        let addressed = Addressed {
            profile: Profile::clearspan(),
            message_id: &id,
            created_at_ns: now_ns(),
            from: from.as_str(),
            to: "CLEARSPAN",
        };
        let mut out = String::new();
        assert!(Encoder::new(Profile::clearspan()).write_order(&addressed, order, &mut out));
        out
    }

    /// Sends an order, which must be taken.
    fn send(&mut self, order: &Order) {
        let message = self.message(order);
        let answered = self.post(message.as_bytes());
        assert_eq!(answered.status, 202, "{}", answered.body);
        let is_taken = ["<StsCd>ACPT</StsCd>", "<SysEvtAck>"].iter().any(|taken| answered.body.contains(taken));
        assert!(is_taken, "{}", answered.body);
    }

    /// Reads what waits, for a while.
    fn read(&mut self, wait_s: u64) {
        let after = self.cursor.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let answered = self.request("GET", &format!("/iso20022/messages?wait={wait_s}&max=10{after}"), "", b"");
        assert!(matches!(answered.status, 200 | 204), "{} {}", answered.status, answered.body);
        self.cursor = Some(answered.header("clearspan-cursor").unwrap().to_owned());
        for part in answered.body.split("--clearspan-next-message").filter(|part| part.contains("<Envelope>")) {
            let (_, message) = part.split_once("\r\n\r\n").unwrap();
            let read = read_told(&mut Decoder::new(Profile::clearspan()), message.trim_end().as_bytes());
            self.told.extend(read.unwrap_or_else(|refusal| panic!("{refusal}: {message}")));
        }
    }

    /// Asks where it stands, and reads the answer.
    fn standing(&mut self, currency: [u8; 3]) -> AccountReport {
        let query_id = PaymentId::random();
        self.send(&Order::AccountQuery(AccountQuery { query_id: query_id.bytes(), currency }));
        self.expect(|told| match told {
            Incoming::AccountReport(report) if report.query_id == query_id => Some((**report).clone()),
            _ => None,
        })
    }

    /// Reads until something is there.
    fn expect<T>(&mut self, find: impl Fn(&Incoming) -> Option<T>) -> T {
        eventually("the switch tells it", || {
            if !self.told.iter().any(|told| find(told).is_some()) {
                self.read(2);
            }
            self.told.iter().find_map(&find)
        })
    }
}

/// One request and its answer.
fn exchange(mut stream: impl Read + Write, method: &str, target: &str, headers: &str, body: &[u8]) -> Answered {
    let head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}");
    let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n", body.len()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    // The end may come without TLS's word for it.
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: `{answer}`"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answered { status, head: head.to_owned(), body: body.to_owned() }
}

/// A provider, whatever it speaks.
enum Provider<'d> {
    Native(Box<Wire>),
    Iso(Iso<'d>),
}

impl Provider<'_> {
    fn pay(&mut self, order: &CreditTransfer, private: &PaymentPrivate) {
        match self {
            Provider::Native(wire) => drop(wire.pay_with(order, &written(private))),
            Provider::Iso(iso) => iso.send(&Order::CreditTransfer(order.clone(), private.clone())),
        }
    }

    fn expect_forward(&mut self, id: PaymentId) -> (u64, PaymentPrivate) {
        match self {
            Provider::Native(wire) => {
                let (forward, private) = wire.forward_of(id);
                (forward.amount, private_of(&private))
            }
            Provider::Iso(iso) => iso.expect(|told| match told {
                Incoming::Forward(forward) if forward.payment_id == id => {
                    Some((forward.amount.minor_units(), forward.private.clone()))
                }
                _ => None,
            }),
        }
    }

    fn answer(&mut self, id: PaymentId, reason: Option<Reason>) {
        match (self, reason) {
            (Provider::Native(wire), None) => wire.accept(id),
            (Provider::Native(wire), Some(reason)) => wire.reject(id, &reason.bytes(), "as agreed"),
            (Provider::Iso(iso), None) => iso.send(&Order::Answer(Answer::accept(id), Note::default())),
            (Provider::Iso(iso), Some(reason)) => {
                let note = Note { text: b"as agreed".to_vec(), extension: Vec::new() };
                iso.send(&Order::Answer(Answer::reject(id, reason), note));
            }
        }
    }

    fn expect_outcome(&mut self, id: PaymentId) -> (Outcome, String, String) {
        match self {
            Provider::Native(wire) => {
                let told = wire.status_of(id);
                (told.outcome, told.reason, told.note)
            }
            Provider::Iso(iso) => iso.expect(|told| match told {
                Incoming::Status(status) if status.payment_id == id && status.outcome.is_final() => {
                    let note = String::from_utf8(status.note.text.clone()).unwrap();
                    Some((status.outcome, status.reason.as_str().to_owned(), note))
                }
                _ => None,
            }),
        }
    }
}

fn private() -> PaymentPrivate {
    PaymentPrivate {
        payer_name: "Wanjikũ <Mwangi>".into(),
        payer_account: b"GB82WEST12345698765432".to_vec(),
        payee_name: "José & Co".into(),
        payee_account: b"1001".to_vec(),
        end_to_end_id: b"INVOICE 4711".to_vec(),
        remittance: "rent for October".into(),
        extension: Vec::new(),
    }
}

/// Payer and payee may speak what they like: each payment arrives as it was sent, and both learn the same.
#[test]
fn payments_cross_between_protocols() {
    let data = data();
    let switch = data.serve();
    let mut providers = [
        Provider::Iso(Iso::new(&data, &switch, 1)),
        Provider::Iso(Iso::new(&data, &switch, 2)),
        Provider::Native(Box::new(Wire::open(&data, 3))),
        Provider::Native(Box::new(Wire::open(&data, 4))),
    ];
    for (payer, payee) in [(1, 2), (1, 3), (3, 1), (3, 4), (2, 1)] {
        for reason in [None, Some(Reason::of(b"AC04"))] {
            let order = order(payer, payee, 12_345);
            let id = id_of(&order);
            providers[payer - 1].pay(&order, &private());
            let (amount, arrived) = providers[payee - 1].expect_forward(id);
            assert_eq!((amount, arrived), (12_345, private()), "{payer} to {payee}");
            providers[payee - 1].answer(id, reason);
            let to_payer = providers[payer - 1].expect_outcome(id);
            let (outcome, why, text) = match reason {
                None => (Outcome::Committed, "", ""),
                Some(_) => (Outcome::Rejected, "AC04", "as agreed"),
            };
            assert_eq!(to_payer, (outcome, why.to_owned(), text.to_owned()), "{payer} to {payee}");
            assert_eq!(providers[payee - 1].expect_outcome(id).0, outcome, "{payer} to {payee}");
        }
    }
    drop(providers);
    switch.stop();
    assert_eq!(data.committed(), 5);
}

/// A provider asks where it stands before a payment, while the payment is held and after it.
#[test]
fn a_provider_is_told_where_it_stands() {
    let data = data();
    let switch = data.serve();
    let (mut payer, mut payee) = (Iso::new(&data, &switch, 1), Iso::new(&data, &switch, 2));
    let order = order(1, 2, 12_345);
    let id = id_of(&order);
    let currency = order.currency;
    let before = [payer.standing(currency), payee.standing(currency)];
    assert!(before.iter().all(|report| report.standing == AccountStanding::Own && report.available > 12_345));
    payer.send(&Order::CreditTransfer(order, private()));
    payee.expect(|told| matches!(told, Incoming::Forward(_)).then_some(()));
    let held = payer.standing(currency);
    assert_eq!((held.debits_pending, held.available), (12_345, before[0].available - 12_345));
    payee.send(&Order::Answer(Answer::accept(id), Note::default()));
    payer.expect(|told| matches!(told, Incoming::Status(_)).then_some(()));
    let after = [payer.standing(currency), payee.standing(currency)];
    assert_eq!((after[0].debits_posted, after[0].debits_pending), (before[0].debits_posted + 12_345, 0));
    assert_eq!(after[0].available, before[0].available - 12_345);
    assert_eq!(after[1].credits_posted, before[1].credits_posted + 12_345);
    assert!(before[0].position < held.position && held.position < after[0].position);
    let nowhere = payer.standing(*b"ZMW");
    assert_eq!((nowhere.standing, nowhere.settlement, nowhere.available), (AccountStanding::None, None, 0));
    // Where another stands is nobody's business.
    let query = AccountQuery { query_id: PaymentId::random().bytes(), currency };
    let own = payer.message(&Order::AccountQuery(query));
    let others = own.replacen(
        "<AcctOwnr><Agt><FinInstnId><ClrSysMmbId><MmbId>",
        "<AcctOwnr><Agt><FinInstnId><ClrSysMmbId><MmbId>X",
        1,
    );
    assert_ne!(own, others);
    let answered = payer.post(others.as_bytes());
    assert_eq!((answered.status, answered.refusal().0.as_str()), (403, "not_allowed"), "{}", answered.body);
    switch.stop();
    data.verified();
}

/// The switch is killed between any two steps: what was acknowledged is there, and what was not read comes, once.
#[test]
fn a_kill_loses_nothing_and_doubles_nothing() {
    let data = data();
    let mut switch = data.serve();
    let (mut payer, mut payee) = (Iso::new(&data, &switch, 1), Iso::new(&data, &switch, 2));
    let orders: Vec<_> = (0..4).map(|n| order(1, 2, 100 + n)).collect();
    let again = |switch: Switch, payer: &mut Iso<'_>, payee: &mut Iso<'_>| {
        switch.kill();
        let switch = data.serve();
        (payer.address, payee.address) = (address(&switch), address(&switch));
        switch
    };
    for order in &orders {
        payer.send(&Order::CreditTransfer(order.clone(), private()));
    }
    switch = again(switch, &mut payer, &mut payee);
    for order in &orders {
        let id = id_of(order);
        payee.expect(|told| matches!(told, Incoming::Forward(forward) if forward.payment_id == id).then_some(()));
    }
    // Read, and not acknowledged: the cursor of the next request would have said so.
    switch = again(switch, &mut payer, &mut payee);
    for order in &orders {
        payee.send(&Order::Answer(Answer::accept(id_of(order)), Note::default()));
    }
    switch = again(switch, &mut payer, &mut payee);
    for provider in [&mut payer, &mut payee] {
        for order in &orders {
            let id = id_of(order);
            let committed = |told: &Incoming| matches!(told, Incoming::Status(s) if s.payment_id == id && s.outcome == Outcome::Committed);
            provider.expect(|told| committed(told).then_some(()));
            assert_eq!(provider.told.iter().filter(|told| committed(told)).count(), 1);
        }
    }
    // A provider that has lost its memory reads all of it again, in the same order.
    let numbered = |iso: &Iso<'_>| iso.told.iter().filter(|told| matches!(told, Incoming::Forward(_))).count();
    assert_eq!(numbered(&payee), orders.len());
    let known = std::mem::take(&mut payee.told);
    payee.cursor = Some(payee.cursor.as_ref().unwrap().split('-').next().unwrap().to_owned() + "-0-0-0-00000000-0");
    while payee.told.len() < known.len() {
        payee.read(2);
    }
    let ids = |told: &[Incoming]| told.iter().map(std::mem::discriminant).collect::<Vec<_>>();
    assert_eq!(ids(&payee.told), ids(&known));
    switch.stop();
    assert_eq!(data.committed(), 4);
}

/// Where a participant goes on is its cursor's to say; without one, what it has not acknowledged comes, whatever it did before.
#[test]
fn who_has_no_cursor_reads_from_the_start_and_who_wants_nothing_old_says_so() {
    let data = data();
    let mut switch = data.serve();
    let (mut payer, mut payee) = (Iso::new(&data, &switch, 1), Iso::new(&data, &switch, 2));
    let order = order(1, 2, 100);
    let id = id_of(&order);
    payer.send(&Order::CreditTransfer(order, private()));
    payee.expect(|told| matches!(told, Incoming::Forward(_)).then_some(()));
    payee.send(&Order::Answer(Answer::accept(id), Note::default()));
    payee.expect(|told| matches!(told, Incoming::Status(_)).then_some(()));
    switch.stop();
    switch = data.serve();
    payer.address = address(&switch);
    // It sends first, and has no cursor: the session begins without what is old.
    payer.send(&Order::Echo);
    // It does not wait, and what is there comes all the same.
    payer.read(0);
    let statuses = |iso: &Iso<'_>| {
        iso.told.iter().filter(|told| matches!(told, Incoming::Status(s) if s.payment_id == id)).count()
    };
    assert_eq!(statuses(&payer), 1);
    let mut newcomer = Iso { cursor: Some("end".to_owned()), ..Iso::new(&data, &switch, 1) };
    newcomer.read(0);
    assert!(newcomer.told.is_empty(), "{:?}", newcomer.told);
    assert_ne!(newcomer.cursor.as_deref(), Some("end"));
    switch.stop();
    data.verified();
}

#[test]
fn what_is_refused_says_why() {
    let data = data();
    let switch = data.serve();
    let mut iso = Iso::new(&data, &switch, 1);
    let check = |answered: Answered, status: u16, cause: &str, says: &str| {
        let (found, text) = answered.refusal();
        assert_eq!((answered.status, found.as_str()), (status, cause), "{}", answered.body);
        assert!(text.contains(says), "`{says}` in `{text}`");
        assert!(answered.body.contains("<MsgDefIdr>admi.002.001.01</MsgDefIdr>"), "{}", answered.body);
    };
    check(iso.post(b""), 400, "not_well_formed", "empty");
    check(iso.post(b"<Document"), 400, "not_well_formed", "");
    for bytes in [1 << 20, 100 << 20] {
        check(iso.post(&vec![b' '; bytes]), 413, "too_large", "bytes");
    }
    let plain = Order::CreditTransfer(order(1, 2, 5), private());
    let good = iso.message(&plain);
    check(
        iso.request("POST", "/iso20022/messages", "Content-Type: application/json\r\n", b"{}"),
        415,
        "encoding",
        "application/xml",
    );
    check(iso.request("PUT", "/iso20022/messages", "", b""), 405, "envelope", "POST");
    check(iso.request("GET", "/elsewhere", "", b""), 404, "envelope", "/iso20022/messages");
    check(iso.request("GET", "/iso20022/messages?wait=1000", "", b""), 400, "value", "wait");
    check(iso.request("GET", "/iso20022/messages?max=0", "", b""), 400, "value", "max");
    check(iso.request("GET", "/iso20022/messages?cursor=1", "", b""), 400, "value", "clearspan-cursor");
    check(iso.request("GET", "/iso20022/messages?count=1", "", b""), 400, "value", "wait, max and cursor");
    check(iso.post(good.replace("<MmbId>PSP0001", "<MmbId>PSP0002").as_bytes()), 403, "not_allowed", "PSP0001");
    check(iso.post(good.replace("Ccy=\"XTS\">0.05", "Ccy=\"XTS\">0.055").as_bytes()), 400, "amount", "2 decimals");
    // A currency that the world has, and this scheme has not, is a rule's to refuse: the payment has an outcome.
    iso.send(&Order::CreditTransfer(CreditTransfer { currency: *b"EUR", ..order(1, 2, 5) }, private()));
    let reason = iso.expect(|told| match told {
        Incoming::Status(status) if status.outcome == Outcome::Rejected => Some(status.reason.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(reason, "AM03");
    assert_eq!(iso.post(good.as_bytes()).status, 202, "and nothing of that hinders a good one");
    switch.stop();
    data.verified();
}

/// The gateway of this build: made, if it is not there yet.
fn gateway_binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let profile = Path::new(env!("CARGO_BIN_EXE_switch")).parent().unwrap();
        let mut build = Command::new(env!("CARGO"));
        build.args(["build", "--quiet", "--package", "adapters", "--bin", "gateway", "--target-dir"]);
        let built = build.arg(profile.parent().unwrap()).status().unwrap();
        assert!(built.success(), "the gateway can be built");
        profile.join("gateway")
    })
}

/// A gateway beside a provider. Dropped, it is killed.
struct Gateway {
    child: Child,
    address: SocketAddr,
}

impl Gateway {
    fn start(data: &Data, number: usize) -> Gateway {
        let pki = data.path("pki");
        let mut command = Command::new(gateway_binary());
        command.args([
            "iso20022",
            "--listen",
            "127.0.0.1:0",
            "--switch",
            &format!("localhost:{}", data.address().port()),
        ]);
        command.arg("--cert").arg(pki.join(format!("{}.pem", code(number))));
        command.arg("--key").arg(pki.join(format!("{}.key", code(number))));
        command.arg("--ca").arg(pki.join("ca.pem")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ready iso20022=").unwrap().parse().unwrap();
        Gateway { child, address }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A gateway keeps nothing: it may be killed, and the switch behind it, and neither loses or doubles a payment.
#[test]
fn a_gateway_may_be_killed_and_so_may_the_switch_behind_it() {
    let data = data();
    let mut switch = data.serve();
    let mut gateway = Gateway::start(&data, 1);
    let mut payer = Iso { by_gateway: true, address: gateway.address, ..Iso::new(&data, &switch, 1) };
    let mut ids = Vec::new();
    for round in 0..3 {
        let mut payee = Wire::open(&data, 2);
        let order = order(1, 2, 100 + round);
        let id = id_of(&order);
        payer.send(&Order::CreditTransfer(order, private()));
        assert_eq!(private_of(&payee.forward_of(id).1), private());
        payee.accept(id);
        assert_eq!(payee.status_of(id).outcome, Outcome::Committed);
        ids.push(id);
        if round == 1 {
            switch.kill();
            switch = data.serve();
        }
        drop(gateway);
        gateway = Gateway::start(&data, 1);
        payer.address = gateway.address;
        for id in &ids {
            let committed = |told: &Incoming| matches!(told, Incoming::Status(s) if s.payment_id == *id && s.outcome == Outcome::Committed);
            payer.expect(|told| committed(told).then_some(()));
            assert_eq!(payer.told.iter().filter(|told| committed(told)).count(), 1, "round {round}");
        }
    }
    drop(gateway);
    switch.stop();
    assert_eq!(data.committed(), 3);
}
