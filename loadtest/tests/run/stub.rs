//! A switch that does what a script says: answers after a known time, stalls, cuts connections. It has no ledger and no disk.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::rc::Rc;
use std::time::Duration;

use adapters::check::{self, Checked, Request};
use adapters::directory::LookupResult;
use adapters::message::{
    Ack, AliasFound, AliasFoundPrivate, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate,
    CaseForward, CaseKind, CaseOpen, CaseState, CaseStatus, CreditTransfer, Error, ErrorCode, Forward, Lane,
    MessageKind, NO_ID, Outcome, Part, ParticipantCode, PaymentPrivate, Return, Returned, Status, Welcome,
};
use adapters::native::frame::{Decoded, Head, decode, encode};
use adapters::native::tls;
use loadtest::aliases::account_of;
use rustls::server::WebPkiClientVerifier;
use switch::pki::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

const CODES: [&str; 2] = ["PSP0001", "PSP0002"];

/// What it does.
#[derive(Clone, Copy, Default)]
pub(crate) struct Script {
    /// Between an order and its status.
    pub(crate) delay: Duration,
    /// At the order with this number it does nothing at all for this long.
    pub(crate) stall: Option<(u64, Duration)>,
    /// At the order with this number it cuts the connection, and has not seen the order.
    pub(crate) cut: Option<u64>,
    /// Every order whose number this divides is refused as busy.
    pub(crate) busy_every: Option<u64>,
    /// Every order whose number this divides gets no outcome, ever.
    pub(crate) silent_every: Option<u64>,
    /// Every order whose number this divides takes so long, instead of `delay`.
    pub(crate) slow_every: Option<(u64, Duration)>,
    /// Of every look-up whose number this divides a bucket holds too little.
    pub(crate) lookup_limited_every: Option<u64>,
    /// Every look-up whose number this divides is refused as busy.
    pub(crate) lookup_busy_every: Option<u64>,
    /// Of every payment to an alias whose number this divides a bucket holds too little.
    pub(crate) transfer_limited_every: Option<u64>,
    /// What it does wrong to the order with this number, and to no other.
    pub(crate) misdeed: Option<(u64, Misdeed)>,
}

/// What no switch may ever do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Misdeed {
    /// The payee provider is not told how it ended.
    ForgetsPayee,
    /// The payer provider hears nothing by number, only when it asks.
    ForgetsPayer,
    /// The payee provider is asked twice.
    ForwardsTwice,
    /// The payer provider is told twice.
    TellsPayerTwice,
    /// The payee provider is told twice.
    TellsPayeeTwice,
    /// The payee provider is asked for another amount.
    AltersAmount,
    /// The payee provider is asked in the name of another payer.
    AltersPayer,
    /// The payer provider is told that it is committed, the payee provider that it expired.
    TellsPayeeOtherwise,
    /// The payer provider is told that it is committed, and then that it expired.
    TellsPayerOtherwise,
    /// Both are told that it is committed, and the payee provider was never asked.
    CommitsUnasked,
    /// The payee provider of a payment to an alias is given another account.
    AltersAccount,
    /// The payment is refused, as if nobody had its alias.
    MissesPayee,
    /// Of the return with this number who had paid hears nothing.
    ForgetsReturned,
    /// It is told of it twice.
    TellsReturnedTwice,
    /// It gets one unit more than was returned.
    AltersReturn,
    /// More has come back by now than it should.
    AltersTotal,
    /// The return is said to have been rejected, and has gone back.
    RejectsReturned,
    /// Of the end of the case with this number its opener hears nothing.
    ForgetsCase,
    /// It is told of it twice.
    TellsCaseTwice,
    /// Both are told that it expired.
    MistakesCase,
    /// The responder is asked for one unit more.
    AltersCase,
    /// The look-up with this number is answered with another account.
    AltersAnswer,
    /// It is answered with another provider.
    AltersOwner,
    /// It is answered as if nobody had the alias.
    MissesAlias,
    /// Somebody has every alias from now on.
    FindsNobody,
    /// It is answered twice.
    AnswersTwice,
    /// It is acknowledged, and never answered.
    ForgetsAnswer,
}

/// A running stub; it ends with the test's process.
pub(crate) struct Stub {
    pki: tempfile::TempDir,
    address: String,
}

impl Stub {
    pub(crate) fn start(script: Script) -> Stub {
        let pki = tempfile::tempdir().unwrap();
        let authority = Authority::create(pki.path()).unwrap();
        authority.issue_server().unwrap();
        for code in CODES {
            authority.issue_participant(&ParticipantCode::parse(code).unwrap()).unwrap();
        }
        let config = server_config(&pki);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let local = tokio::task::LocalSet::new();
            local.block_on(&runtime, serve(listener, TlsAcceptor::from(config), script));
        });
        Stub { pki, address }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn pki(&self) -> &str {
        self.pki.path().to_str().unwrap()
    }
}

fn server_config(pki: &tempfile::TempDir) -> std::sync::Arc<rustls::ServerConfig> {
    let path = |name: &str| pki.path().join(name);
    let roots = std::sync::Arc::new(tls::read_roots(&path("ca.pem")).unwrap());
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, tls::crypto_provider()).build().unwrap();
    let certificates = tls::read_certificates(&path("server.pem")).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(tls::crypto_provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, tls::read_key(&path("server.key")).unwrap())
        .unwrap();
    config.into()
}

/// What all connections share.
struct World {
    script: Script,
    orders: u64,
    /// Payer of each payment that was seen.
    seen: HashMap<[u8; 16], [u8; 35]>,
    /// Payments that were decided.
    decided: HashSet<[u8; 16]>,
    /// The payment, the return or the case that is wronged.
    wronged: Option<[u8; 16]>,
    returns: u64,
    cases: u64,
    lookups: u64,
    /// What payments to aliases say in private.
    accounts: HashMap<[u8; 16], PaymentPrivate>,
    /// Cases, by their ids.
    opened: HashMap<[u8; 16], Case>,
    /// The request that each payment pays.
    requests: HashMap<[u8; 16], [u8; 16]>,
    /// How much of each payment has come back.
    returned: HashMap<[u8; 16], u64>,
    outboxes: BTreeMap<[u8; 35], Outbox>,
}

#[derive(Clone, Copy)]
struct Case {
    opener: [u8; 35],
    responder: [u8; 35],
    kind: u8,
}

/// Numbered frames of a participant, and its live connection.
#[derive(Default)]
struct Outbox {
    frames: Vec<Vec<u8>>,
    live: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl World {
    /// Numbers a message, keeps it, and sends it where there is a connection.
    fn tell<P: Part>(&mut self, code: [u8; 35], kind: MessageKind, routing: &P) {
        self.tell_with(code, kind, routing, None);
    }

    fn tell_with<P: Part>(&mut self, code: [u8; 35], kind: MessageKind, routing: &P, private: Option<&PaymentPrivate>) {
        let outbox = self.outboxes.entry(code).or_default();
        let head = Head { lane: Lane::Payments, number: outbox.frames.len() as u64 + 1, ..Head::PLAIN };
        let mut frame = Vec::new();
        encode(&mut frame, kind, head, routing, |out| private.iter().for_each(|private| private.write(out)));
        outbox.live.as_ref().map(|live| live.send(frame.clone()));
        outbox.frames.push(frame);
    }

    /// What is done wrong to this payment.
    fn misdeed(&self, id: [u8; 16]) -> Option<Misdeed> {
        self.script.misdeed.map(|misdeed| misdeed.1).filter(|_| self.wronged == Some(id))
    }

    /// What became of a payment.
    fn outcome(&self, id: [u8; 16]) -> Outcome {
        match (self.seen.contains_key(&id), self.decided.contains(&id)) {
            (_, true) => Outcome::Committed,
            (true, false) => Outcome::InFlight,
            (false, false) => Outcome::Unknown,
        }
    }

    /// The outcome again, to who asks, without a number.
    fn repeat_outcome(&mut self, code: [u8; 35], number: u64, id: [u8; 16]) {
        let answer = status(id, self.outcome(id));
        self.reply(code, MessageKind::Status, number, &answer);
    }

    /// Asks the payee provider, or does not.
    fn forward(&mut self, mut forward: Forward) {
        match self.misdeed(forward.payment_id) {
            Some(Misdeed::ForwardsTwice) => self.tell(forward.payee, MessageKind::Forward, &forward),
            Some(Misdeed::AltersAmount) => forward.amount += 1,
            Some(Misdeed::AltersPayer) => forward.payer = forward.payee,
            Some(Misdeed::CommitsUnasked) => return self.decide(forward.payment_id, forward.payee),
            _ => {}
        }
        let private = self.accounts.remove(&forward.payment_id);
        self.tell_with(forward.payee, MessageKind::Forward, &forward, private.as_ref());
    }

    /// Answers a look-up.
    fn look_up(&mut self, code: [u8; 35], number: u64, lookup: &Checked<'_, AliasLookup>) {
        self.lookups += 1;
        let (id, count) = (lookup.routing().lookup_id, self.lookups);
        let is_each = |every: Option<u64>| every.is_some_and(|every| count.is_multiple_of(every));
        if is_each(self.script.lookup_busy_every) {
            return self.reply(code, MessageKind::Error, 0, &refusal(ErrorCode::Busy, id, number));
        }
        let misdeed = self.script.misdeed.and_then(|(at, misdeed)| (at == count).then_some(misdeed));
        let private = AliasLookupPrivate::read(lookup.private_bytes()).unwrap();
        let row = row_of(&private.alias).or((misdeed == Some(Misdeed::FindsNobody)).then_some(0));
        let row = row.filter(|_| misdeed != Some(Misdeed::MissesAlias));
        let limited = is_each(self.script.lookup_limited_every);
        let result = match row {
            _ if limited => LookupResult::Limited,
            Some(_) => LookupResult::Found,
            None => LookupResult::NotFound,
        };
        let found = row.filter(|_| !limited);
        let owner = |row: u64| code_of(row + u64::from(misdeed == Some(Misdeed::AltersOwner)));
        let answer = AliasFound {
            lookup_id: id,
            result: result as u8,
            name_match: 0,
            participant: found.map_or([0; 35], owner),
            owned_since_ns: u64::from(found.is_some()),
            counters: [0; 9],
            retry_after_ms: if limited { 20 } else { 0 },
            position: if limited { 0 } else { count },
        };
        let account = found.map(|row| account_of(row + u64::from(misdeed == Some(Misdeed::AltersAnswer))));
        let private =
            account.map(|account| AliasFoundPrivate { account: account.into_bytes(), name: b"A**** M****".to_vec() });
        let answers = match misdeed {
            Some(Misdeed::AnswersTwice) => 2,
            Some(Misdeed::ForgetsAnswer) => 0,
            _ => 1,
        };
        for _ in 0..answers {
            let mut frame = Vec::new();
            encode(&mut frame, MessageKind::AliasFound, Head::PLAIN, &answer, |out| {
                private.iter().for_each(|private| private.write(out));
            });
            self.outboxes[&code].live.as_ref().map(|live| live.send(frame));
        }
        self.reply(code, MessageKind::Ack, number, &Ack { received: [0; 3] });
    }

    /// What the payee provider of a payment to an alias is to be asked; none where it is refused.
    fn order_to_alias(
        &mut self,
        (code, number, seen): ([u8; 35], u64, u64),
        order: &Checked<'_, AliasTransfer>,
    ) -> Option<Forward> {
        let routing = order.routing();
        let id = routing.payment_id;
        let limited = self.script.transfer_limited_every.is_some_and(|every| seen.is_multiple_of(every));
        let misdeed = self.script.misdeed.and_then(|(at, misdeed)| (at == seen).then_some(misdeed));
        let private = AliasTransferPrivate::read(order.private_bytes()).unwrap();
        let row = row_of(&private.alias).filter(|_| misdeed != Some(Misdeed::MissesPayee));
        let code_of_refusal = if limited { ErrorCode::LookupLimited } else { ErrorCode::AliasNotFound };
        let Some(row) = row.filter(|_| !limited) else {
            self.reply(code, MessageKind::Error, 0, &refusal(code_of_refusal, id, number));
            return None;
        };
        let account = account_of(row + u64::from(misdeed == Some(Misdeed::AltersAccount)));
        self.accounts.insert(id, PaymentPrivate { payee_account: account.into_bytes(), ..PaymentPrivate::default() });
        let is_taken = take_order(self, (code, number, seen), id, routing.request_id);
        is_taken.then(|| Forward {
            payment_id: id,
            payer: routing.payer,
            payee: code_of(row),
            amount: routing.amount.to_native(),
            currency: routing.currency,
            accepted_at_ns: routing.accepted_at_ns.to_native(),
            purpose: routing.purpose,
            lane: routing.lane,
            request_id: routing.request_id,
            deadline_ns: u64::MAX,
        })
    }

    /// Tells both sides, once.
    fn decide(&mut self, id: [u8; 16], payee: [u8; 35]) {
        if !self.decided.insert(id) {
            return;
        }
        let payer = self.seen[&id];
        if let Some(&request) = self.requests.get(&id) {
            self.close(request, CaseState::Settled);
        }
        let (committed, expired) = (status(id, Outcome::Committed), status(id, Outcome::Expired));
        let misdeed = self.misdeed(id);
        if misdeed != Some(Misdeed::ForgetsPayer) {
            self.tell(payer, MessageKind::Status, &committed);
        }
        match misdeed {
            Some(Misdeed::TellsPayerTwice) => self.tell(payer, MessageKind::Status, &committed),
            Some(Misdeed::TellsPayerOtherwise) => self.tell(payer, MessageKind::Status, &expired),
            Some(Misdeed::ForgetsPayee) => return,
            Some(Misdeed::TellsPayeeOtherwise) => return self.tell(payee, MessageKind::Status, &expired),
            Some(Misdeed::TellsPayeeTwice) => self.tell(payee, MessageKind::Status, &committed),
            _ => {}
        }
        self.tell(payee, MessageKind::Status, &committed);
    }

    /// Opens a case, and asks.
    fn open(&mut self, message: &CaseOpen) {
        self.cases += 1;
        let id = message.case_id;
        if self.script.misdeed.is_some_and(|(at, misdeed)| at == self.cases && misdeed >= Misdeed::ForgetsCase) {
            self.wronged = Some(id);
        }
        let CaseOpen { opener, responder, kind, .. } = *message;
        if self.opened.insert(id, Case { opener, responder, kind }).is_some() {
            return;
        }
        self.tell(opener, MessageKind::CaseStatus, &case_status(id, kind, CaseState::Open));
        let more = u64::from(self.misdeed(id) == Some(Misdeed::AltersCase));
        let forward = CaseForward {
            case_id: id,
            kind,
            original_id: message.original_id,
            opener,
            responder,
            amount: message.amount + more,
            currency: message.currency,
            amount_form: message.amount_form,
            reason: message.reason,
            deadline_ns: u64::MAX,
        };
        self.tell(responder, MessageKind::CaseForward, &forward);
    }

    /// Tells both how a case ended.
    fn close(&mut self, id: [u8; 16], state: CaseState) {
        let Case { opener, responder, kind } = self.opened[&id];
        let misdeed = self.misdeed(id);
        let state = if misdeed == Some(Misdeed::MistakesCase) { CaseState::Expired } else { state };
        let end = case_status(id, kind, state);
        self.tell(responder, MessageKind::CaseStatus, &end);
        if misdeed == Some(Misdeed::TellsCaseTwice) {
            self.tell(opener, MessageKind::CaseStatus, &end);
        }
        if misdeed != Some(Misdeed::ForgetsCase) {
            self.tell(opener, MessageKind::CaseStatus, &end);
        }
    }

    /// Gives money back.
    fn give_back(&mut self, payee: [u8; 35], message: &Return) {
        self.returns += 1;
        let id = message.return_id;
        let of_returns = |misdeed| (Misdeed::ForgetsReturned..Misdeed::ForgetsCase).contains(&misdeed);
        if self.script.misdeed.is_some_and(|(at, misdeed)| at == self.returns && of_returns(misdeed)) {
            self.wronged = Some(id);
        }
        let misdeed = self.misdeed(id);
        let total = self.returned.entry(message.original_id).or_default();
        *total += message.amount;
        let told = Returned {
            return_id: id,
            original_id: message.original_id,
            case_id: message.case_id,
            amount: message.amount + u64::from(misdeed == Some(Misdeed::AltersReturn)),
            currency: message.currency,
            reason: message.reason,
            returned_total: *total + u64::from(misdeed == Some(Misdeed::AltersTotal)),
            decided_at_ns: 1,
            position: 1,
        };
        let outcome = if misdeed == Some(Misdeed::RejectsReturned) { Outcome::Rejected } else { Outcome::Committed };
        self.tell(payee, MessageKind::Status, &status(id, outcome));
        let payer = self.seen[&message.original_id];
        if misdeed == Some(Misdeed::TellsReturnedTwice) {
            self.tell(payer, MessageKind::Returned, &told);
        }
        if misdeed != Some(Misdeed::ForgetsReturned) {
            self.tell(payer, MessageKind::Returned, &told);
        }
        if message.case_id != NO_ID {
            self.close(message.case_id, CaseState::Settled);
        }
    }

    fn reply<P: Part>(&mut self, code: [u8; 35], kind: MessageKind, acknowledged: u64, routing: &P) {
        let mut frame = Vec::new();
        encode(&mut frame, kind, Head { acknowledged, ..Head::PLAIN }, routing, |_| {});
        self.outboxes[&code].live.as_ref().map(|live| live.send(frame));
    }
}

async fn serve(listener: std::net::TcpListener, acceptor: TlsAcceptor, script: Script) {
    let listener = TcpListener::from_std(listener).unwrap();
    let world = World {
        script,
        orders: 0,
        seen: HashMap::new(),
        decided: HashSet::new(),
        wronged: None,
        returns: 0,
        cases: 0,
        lookups: 0,
        accounts: HashMap::new(),
        opened: HashMap::new(),
        requests: HashMap::new(),
        returned: HashMap::new(),
        outboxes: BTreeMap::new(),
    };
    let world = Rc::new(RefCell::new(world));
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (acceptor, world) = (acceptor.clone(), Rc::clone(&world));
        tokio::task::spawn_local(async move {
            socket.set_nodelay(true).unwrap();
            if let Ok(stream) = acceptor.accept(socket).await {
                converse(stream, world).await;
            }
        });
    }
}

async fn converse(stream: TlsStream<TcpStream>, world: Rc<RefCell<World>>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (sender, mut frames) = mpsc::unbounded_channel::<Vec<u8>>();
    let writing = tokio::task::spawn_local(async move {
        while let Some(frame) = frames.recv().await {
            if writer.write_all(&frame).await.is_err() || writer.flush().await.is_err() {
                break;
            }
        }
    });
    let mut received = Vec::new();
    let mut code = [0; 35];
    'reading: while reader.read_buf(&mut received).await.is_ok_and(|count| count > 0) {
        while let Decoded::Frame(frame, length) = decode(&received) {
            let goes_on = match check::request(&frame).ok().unwrap() {
                Request::Hello { participant, lineage, seen, .. } => {
                    code = *participant.bytes();
                    hello(&mut world.borrow_mut(), code, lineage == [7; 16], seen[0], &sender);
                    true
                }
                request => take(&world, code, frame.head.number, request),
            };
            received.drain(..length);
            if !goes_on {
                break 'reading;
            }
        }
    }
    writing.abort();
}

/// Goes on where the provider stopped.
fn hello(world: &mut World, code: [u8; 35], is_known: bool, seen: u64, sender: &mpsc::UnboundedSender<Vec<u8>>) {
    let outbox = world.outboxes.entry(code).or_default();
    let enqueued = outbox.frames.len() as u64;
    let after = if is_known { seen } else { enqueued };
    outbox.live = Some(sender.clone());
    let welcome = Welcome {
        lineage: [7; 16],
        resumed_after: [after, 0, 0],
        enqueued: [enqueued, 0, 0],
        time_ns: 1,
        frame_bytes_max: 12_288,
        in_flight_max: 1,
    };
    let old: Vec<Vec<u8>> = outbox.frames[usize::try_from(after).unwrap()..].to_vec();
    world.reply(code, MessageKind::Welcome, 0, &welcome);
    old.into_iter().for_each(|frame| drop(sender.send(frame)));
}

/// Deals with one request; false ends the connection.
fn take(world: &Rc<RefCell<World>>, code: [u8; 35], number: u64, request: Request<'_>) -> bool {
    match request {
        Request::CreditTransfer(order) => {
            let Some(seen) = see(&mut world.borrow_mut()) else { return false };
            let asked = order_taken(&mut world.borrow_mut(), (code, number, seen), &order);
            asked.into_iter().for_each(|forward| forward_later(world, seen, forward));
        }
        Request::AliasTransfer(order) => {
            let Some(seen) = see(&mut world.borrow_mut()) else { return false };
            let asked = world.borrow_mut().order_to_alias((code, number, seen), &order);
            asked.into_iter().for_each(|forward| forward_later(world, seen, forward));
        }
        Request::AliasLookup(lookup) => world.borrow_mut().look_up(code, number, &lookup),
        Request::Answer(answer) => world.borrow_mut().decide(answer.routing().payment_id, code),
        Request::StatusRequest(id) => world.borrow_mut().repeat_outcome(code, number, id.bytes()),
        request => take_beside(&mut world.borrow_mut(), code, number, request),
    }
    true
}

/// Counts an order, and stalls where the script says so. None where it cuts the connection, and has not seen the order.
fn see(world: &mut World) -> Option<u64> {
    world.orders += 1;
    if let Some((_, stall)) = world.script.stall.filter(|(at, _)| *at == world.orders) {
        // The whole thread: nobody is served meanwhile.
        std::thread::sleep(stall);
    }
    (world.script.cut != Some(world.orders)).then_some(world.orders)
}

/// Answers an order, the one with this place among all. Gives what its payee provider is to be asked, if it is.
fn order_taken(
    world: &mut World,
    (code, number, seen): ([u8; 35], u64, u64),
    order: &Checked<'_, CreditTransfer>,
) -> Option<Forward> {
    let routing = order.routing();
    let id = routing.payment_id;
    take_order(world, (code, number, seen), id, routing.request_id).then(|| Forward {
        payment_id: id,
        payer: routing.payer,
        payee: routing.payee,
        amount: routing.amount.to_native(),
        currency: routing.currency,
        accepted_at_ns: routing.accepted_at_ns.to_native(),
        purpose: routing.purpose,
        lane: routing.lane,
        request_id: routing.request_id,
        deadline_ns: u64::MAX,
    })
}

/// Is anybody to be asked about an order with this id?
fn take_order(
    world: &mut World,
    (code, number, seen): ([u8; 35], u64, u64),
    id: [u8; 16],
    request_id: [u8; 16],
) -> bool {
    let Script { busy_every, silent_every, misdeed, .. } = world.script;
    let is_each = |every: Option<u64>| every.is_some_and(|every| seen.is_multiple_of(every));
    if is_each(busy_every) {
        world.reply(code, MessageKind::Error, 0, &refusal(ErrorCode::Busy, id, number));
        return false;
    }
    if misdeed.is_some_and(|(at, misdeed)| at == seen && misdeed < Misdeed::ForgetsReturned) {
        world.wronged = Some(id);
    }
    world.reply(code, MessageKind::Ack, number, &Ack { received: [0; 3] });
    if request_id != NO_ID {
        world.requests.insert(id, request_id);
    }
    if world.seen.insert(id, code).is_some() {
        world.repeat_outcome(code, number, id);
        return false;
    }
    !is_each(silent_every)
}

/// Asks the payee provider, after the time of the order with this place among all.
fn forward_later(world: &Rc<RefCell<World>>, seen: u64, forward: Forward) {
    let Script { delay, slow_every, .. } = world.borrow().script;
    let slow = slow_every.filter(|(every, _)| seen.is_multiple_of(*every));
    let delay = slow.map_or(delay, |(_, delay)| delay);
    let world = Rc::clone(world);
    tokio::task::spawn_local(async move {
        tokio::time::sleep(delay).await;
        world.borrow_mut().forward(forward);
    });
}

fn refusal(code: ErrorCode, payment_id: [u8; 16], frame_number: u64) -> Error {
    Error { code: code as u16, field: 0, fatal: 0, retry_after_ms: 50, frame_number, payment_id }
}

/// The row of a mobile number; none where nobody has it.
fn row_of(alias: &[u8]) -> Option<u64> {
    std::str::from_utf8(alias).unwrap().strip_prefix("+2547").map(|digits| digits.parse().unwrap())
}

/// Whose the alias of a row is: they go round.
fn code_of(row: u64) -> [u8; 35] {
    let place = usize::try_from(row % 2).unwrap();
    *ParticipantCode::parse(CODES[place]).unwrap().bytes()
}

/// What goes beside orders and answers.
fn take_beside(world: &mut World, code: [u8; 35], number: u64, request: Request<'_>) {
    match request {
        Request::Return(message) => {
            let routing = message.routing();
            let message = Return {
                return_id: routing.return_id,
                original_id: routing.original_id,
                case_id: routing.case_id,
                amount: routing.amount.to_native(),
                currency: routing.currency,
                reason: routing.reason,
            };
            world.give_back(code, &message);
        }
        Request::CaseOpen(message) => {
            let routing = message.routing();
            let message = CaseOpen {
                case_id: routing.case_id,
                kind: routing.kind,
                original_id: routing.original_id,
                opener: routing.opener,
                responder: routing.responder,
                amount: routing.amount.to_native(),
                currency: routing.currency,
                amount_form: routing.amount_form,
                reason: routing.reason,
                expires_at_ns: 0,
            };
            world.open(&message);
        }
        Request::CaseAnswer(message) => world.close(message.routing().case_id, CaseState::Refused),
        _ => return,
    }
    world.reply(code, MessageKind::Ack, number, &Ack { received: [0; 3] });
}

fn case_status(case_id: [u8; 16], kind: u8, state: CaseState) -> CaseStatus {
    assert!(CaseKind::from_number(kind).is_some());
    CaseStatus { case_id, kind, state: state as u8, reason: [0; 4], field: 0, at_ns: 1, position: 1 }
}

fn status(payment_id: [u8; 16], outcome: Outcome) -> Status {
    Status { payment_id, outcome: outcome as u8, reason: [0; 4], field: 0, decided_at_ns: 1, position: 1 }
}
