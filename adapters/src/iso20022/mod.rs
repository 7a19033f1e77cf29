//! ISO 20022: the messages of payment providers, from and to the canonical ones.
//!
//! `schema` has the structure of all messages, `profile` what the scheme allows of it, both as data. `document` reads a message from XML and checks it against both; then the file of the
//! message (`pacs008` and the others) takes from it what the switch uses, and what nobody took is *carried*: it goes to the other side in the private part's `extension`, as
//! the message it came in with nothing else in it, and `writer` puts it back in its place.
//!
//! A message is read, and written, in two directions: what a provider says to the switch is an `Order`, what the switch says to a provider an `Incoming`. The hub reads the one and writes the
//! other; a provider that is built on this, as the sandbox and the load test are, the other way.

mod acmt023;
mod acmt024;
mod admi;
mod camt026;
mod camt028;
mod camt029;
mod camt052;
mod camt056;
mod camt060;
mod cases;
mod checks;
pub mod document;
pub mod form;
pub mod http;
pub mod limits;
pub mod mailbox;
mod pacs002;
mod pacs004;
mod pacs008;
mod pacs009;
mod pacs028;
pub mod page;
mod pain013;
mod pain014;
pub mod profile;
pub mod refusal;
pub mod schema;
pub mod time;
mod transfer;
mod values;
mod writer;

use crate::limits::EXTENSION_BYTES_MAX;
use crate::message::{
    AccountQuery, AliasLookup, AliasLookupPrivate, AliasTransfer, AliasTransferPrivate, Answer, CaseAnswer, CaseCancel,
    CaseKind, CaseOpen, CaseState, CreditTransfer, Decision, MessageKind, Note, ParticipantCode, PaymentId,
    PaymentPrivate, Return,
};
use crate::native::client::{Incoming, Message};
use ledger::{Amount, Currency};

use document::{Decoder, Document, HEADER, NodeRef};
use profile::{MINOR_DIGITS_MAX, Profile};
use refusal::{Cause, Refusal};
use transfer::Transfer;
use writer::Writer;

/// What a provider says to the switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A payment order.
    CreditTransfer(CreditTransfer, PaymentPrivate),
    /// A payment order that names an alias.
    AliasTransfer(AliasTransfer, AliasTransferPrivate),
    /// The answer to a payment.
    Answer(Answer, Note),
    /// What became of this payment, return or case?
    StatusRequest(PaymentId),
    /// Money goes back.
    Return(Return, Note),
    /// A request to another provider.
    CaseOpen(CaseOpen, PaymentPrivate),
    /// The answer to a case, or word that a payment was posted.
    CaseAnswer(CaseAnswer, Note),
    /// A case is taken back.
    CaseCancel(CaseCancel, Note),
    /// Whose account is it?
    AliasLookup(AliasLookup, AliasLookupPrivate),
    /// Where does this provider stand in a currency?
    AccountQuery(AccountQuery),
    /// The provider can be paid again.
    SignOn,
    /// The provider is not to be paid.
    SignOff,
    /// Is the switch there? No message of the native protocol: who is connected knows.
    Echo,
}

impl Order {
    /// The payment, return, case, look-up or question that it is about; none of an event.
    pub fn id(&self) -> Option<PaymentId> {
        PaymentId::from_bytes(match self {
            Order::CreditTransfer(order, _) => order.payment_id,
            Order::AliasTransfer(order, _) => order.payment_id,
            Order::Answer(answer, _) => answer.payment_id,
            Order::StatusRequest(id) => id.bytes(),
            Order::Return(message, _) => message.return_id,
            Order::CaseOpen(opened, _) => opened.case_id,
            Order::CaseAnswer(answer, _) => answer.case_id,
            Order::CaseCancel(cancel, _) => cancel.case_id,
            Order::AliasLookup(lookup, _) => lookup.lookup_id,
            Order::AccountQuery(query) => query.query_id,
            Order::SignOn | Order::SignOff | Order::Echo => return None,
        })
    }

    /// Which canonical message it is.
    pub fn kind(&self) -> MessageKind {
        match self {
            Order::CreditTransfer(..) => MessageKind::CreditTransfer,
            Order::AliasTransfer(..) => MessageKind::AliasTransfer,
            Order::Answer(..) => MessageKind::Answer,
            Order::StatusRequest(_) => MessageKind::StatusRequest,
            Order::Return(..) => MessageKind::Return,
            Order::CaseOpen(..) => MessageKind::CaseOpen,
            Order::CaseAnswer(..) => MessageKind::CaseAnswer,
            Order::CaseCancel(..) => MessageKind::CaseCancel,
            Order::AliasLookup(..) => MessageKind::AliasLookup,
            Order::AccountQuery(_) => MessageKind::AccountQuery,
            Order::SignOn => MessageKind::SignOn,
            Order::SignOff => MessageKind::SignOff,
            Order::Echo => MessageKind::Echo,
        }
    }

    /// As the switch takes it; none of an `Echo`.
    pub fn message(&self) -> Option<Message<'_>> {
        Some(match self {
            Order::CreditTransfer(order, private) => Message::CreditTransfer(order, private),
            Order::AliasTransfer(order, private) => Message::AliasTransfer(order, private),
            Order::Answer(answer, note) => Message::Answer(answer, note),
            Order::StatusRequest(id) => Message::StatusRequest(*id),
            Order::Return(message, note) => Message::Return(message, note),
            Order::CaseOpen(opened, private) => Message::CaseOpen(opened, private),
            Order::CaseAnswer(answer, note) => Message::CaseAnswer(answer, note),
            Order::CaseCancel(cancel, note) => Message::CaseCancel(cancel, note),
            Order::AliasLookup(lookup, private) => Message::AliasLookup(lookup, private),
            Order::AccountQuery(query) => Message::AccountQuery(query),
            Order::SignOn => Message::SignOn,
            Order::SignOff => Message::SignOff,
            Order::Echo => return None,
        })
    }
}

/// A message of a provider, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// What it says. Up to ten transactions stand in one message, each with an outcome of its own.
    pub orders: Vec<Order>,
    /// Which message it is, as in `pacs.008.001.08`.
    pub message: &'static str,
    /// Its own id: `BizMsgIdr`, else `MsgId`.
    pub reference: String,
}

/// What stands on a message that is written.
#[derive(Clone, Copy, Debug)]
pub struct Addressed<'a> {
    /// How the scheme writes amounts.
    pub profile: &'static Profile,
    /// The message's id: at most 35 characters.
    pub message_id: &'a str,
    /// When it is written, in nanoseconds since 1970.
    pub created_at_ns: u64,
    /// Who writes it: a participant, or the switch by its name.
    pub from: &'a str,
    /// Who reads it.
    pub to: &'a str,
}

/// Reads a message that a provider sent: what it says, or why it is refused. Whether this sender may send it is looked at where one is said.
pub fn read_orders(decoder: &mut Decoder, message: &[u8], sender: Option<ParticipantCode>) -> Result<Orders, Refusal> {
    let document = decoder.decode(message)?;
    check_header(&document, sender)?;
    let orders = match document.definition().name {
        pacs008::NAME => of_transfers(&document, "DbtrAgt", sender, pacs008::read(&document)?)?,
        pacs009::NAME => of_transfers(&document, "Dbtr", sender, pacs009::read(&document)?)?,
        pacs002::NAME => pacs002::read_orders(&document)?,
        pacs004::NAME => pacs004::read_orders(&document)?,
        pacs028::NAME => pacs028::read_orders(&document)?,
        camt056::NAME => of_opener(&document, sender, camt056::read_orders(&document)?)?,
        camt026::NAME => of_opener(&document, sender, camt026::read_orders(&document)?)?,
        camt028::NAME => camt028::read_orders(&document)?,
        camt029::NAME => camt029::read_orders(&document)?,
        pain013::NAME => of_opener(&document, sender, pain013::read_orders(&document)?)?,
        pain014::NAME => pain014::read_orders(&document)?,
        acmt023::NAME => acmt023::read_orders(&document)?,
        camt060::NAME => camt060::read_orders(&document, sender)?,
        admi::EVENT => admi::read_event(&document)?,
        name => return Err(document.body().refuse(Cause::NotAllowed, format!("{name} is not for a provider to send"))),
    };
    Ok(Orders { orders, message: document.definition().name, reference: document.reference() })
}

/// Payment orders, which must be the sender's own.
fn of_transfers(
    document: &Document<'_>,
    payer: &'static str,
    sender: Option<ParticipantCode>,
    payments: Vec<Transfer>,
) -> Result<Vec<Order>, Refusal> {
    for payment in &payments {
        let transaction = document.node(payment.transaction);
        if let Some(sender) = sender.filter(|&sender| payment.forward.payer != sender) {
            let text = format!("{payer} must be the sender, {sender}: a provider orders its own payments");
            return Err(transaction.the(payer).refuse(Cause::NotAllowed, text));
        }
        if payment.forward.deadline_ns > 0 {
            let text = "the scheme does not allow SttlmTmReq of a payer: the switch says until when the payee provider may answer";
            return Err(transaction.the("SttlmTmReq").refuse(Cause::Profile, text));
        }
    }
    Ok(payments.into_iter().map(Transfer::into_order).collect())
}

/// Cases, which their opener must send.
fn of_opener(
    document: &Document<'_>,
    sender: Option<ParticipantCode>,
    orders: Vec<Order>,
) -> Result<Vec<Order>, Refusal> {
    let Some(sender) = sender else { return Ok(orders) };
    let is_foreign = |order: &Order| matches!(order, Order::CaseOpen(opened, _) if opened.opener != *sender.bytes());
    match orders.iter().any(is_foreign) {
        true => {
            let text = format!("who asks (Assgnr, CdtrAgt) must be the sender, {sender}");
            Err(document.body().refuse(Cause::NotAllowed, text))
        }
        false => Ok(orders),
    }
}

/// Reads a message that the switch sent to a provider. Nothing is told in the answer to a request (admi.002, admi.007, admi.011), which only says what became of that.
pub fn read_told(decoder: &mut Decoder, message: &[u8]) -> Result<Vec<Incoming>, Refusal> {
    let document = decoder.decode(message)?;
    check_header(&document, None)?;
    match document.definition().name {
        pacs008::NAME => of_forwards(&document, pacs008::read(&document)?),
        pacs009::NAME => of_forwards(&document, pacs009::read(&document)?),
        pacs002::NAME => pacs002::read_told(&document),
        pacs004::NAME => pacs004::read_told(&document),
        camt056::NAME => camt056::read_told(&document),
        camt026::NAME => camt026::read_told(&document),
        camt028::NAME => camt028::read_told(&document),
        camt029::NAME => camt029::read_told(&document),
        pain013::NAME => pain013::read_told(&document),
        pain014::NAME => pain014::read_told(&document),
        acmt024::NAME => acmt024::read_told(&document),
        camt052::NAME => camt052::read_told(&document),
        admi::REJECTION | admi::RECEIPT | admi::EVENT_RECEIPT => Ok(Vec::new()),
        name => Err(document.body().refuse(Cause::NotAllowed, format!("{name} is not for the switch to send"))),
    }
}

/// Payments that wait for an answer, whose payee the switch has found.
fn of_forwards(document: &Document<'_>, payments: Vec<Transfer>) -> Result<Vec<Incoming>, Refusal> {
    let forwards = payments.into_iter().map(|payment| match payment.alias {
        None => Ok(Incoming::Forward(Box::new(payment.forward))),
        Some(_) => {
            let text = "CdtrAgt must be a participant: the switch names the provider that an alias leads to";
            Err(document.node(payment.transaction).the("CdtrAgt").refuse(Cause::Profile, text))
        }
    });
    forwards.collect()
}

/// Writes messages. Holds the buffers for what is carried.
#[derive(Debug)]
pub struct Encoder {
    decoder: Decoder,
}

impl Encoder {
    /// Of messages as this profile has them.
    pub fn new(profile: &'static Profile) -> Encoder {
        Encoder { decoder: Decoder::new(profile) }
    }

    /// Appends the message in which a provider says this. False where it is none that the switch would take.
    pub fn write_order(&mut self, addressed: &Addressed<'_>, order: &Order, out: &mut String) -> bool {
        let a = addressed;
        match order {
            Order::CreditTransfer(order, private) => {
                let Some(transfer) = Transfer::of_credit(order, private) else { return false };
                self.write_transfer(a, &transfer, out);
            }
            Order::AliasTransfer(order, private) => {
                let Some(transfer) = Transfer::of_alias(order, private) else { return false };
                self.write_transfer(a, &transfer, out);
            }
            Order::Answer(answer, note) => {
                self.write(pacs002::NAME, a, &note.extension, out, |w| pacs002::write_answer(w, a, answer, note));
            }
            Order::StatusRequest(id) => self.write(pacs028::NAME, a, &[], out, |w| pacs028::write_order(w, a, *id)),
            Order::Return(message, note) => {
                self.write(pacs004::NAME, a, &note.extension, out, |w| pacs004::write_order(w, a, message, note));
            }
            Order::CaseOpen(opened, private) => {
                let kind = CaseKind::from_number(opened.kind);
                let (name, write): (_, fn(&mut Writer<'_, '_>, &Addressed<'_>, &CaseOpen, &PaymentPrivate)) = match kind
                {
                    Some(CaseKind::Recall) => (camt056::NAME, camt056::write_order),
                    Some(CaseKind::Information) => (camt026::NAME, camt026::write_order),
                    Some(CaseKind::PaymentRequest) => (pain013::NAME, pain013::write_order),
                    Some(CaseKind::Posting) | None => return false,
                };
                self.write(name, a, &private.extension, out, |w| write(w, a, opened, private));
            }
            Order::AliasLookup(lookup, private) => {
                self.write(acmt023::NAME, a, &[], out, |w| acmt023::write_order(w, a, lookup, private));
            }
            Order::AccountQuery(query) => {
                self.write(camt060::NAME, a, &[], out, |w| camt060::write_order(w, a, query));
            }
            Order::SignOn => self.write(admi::EVENT, a, &[], out, |w| admi::write_event(w, a, "SGON")),
            Order::SignOff => self.write(admi::EVENT, a, &[], out, |w| admi::write_event(w, a, "SGOF")),
            Order::Echo => self.write(admi::EVENT, a, &[], out, |w| admi::write_event(w, a, "PING")),
            // What a case is about decides the message, and these do not say it: `write_case_answer`, `write_case_cancel`.
            Order::CaseAnswer(..) | Order::CaseCancel(..) => return false,
        }
        true
    }

    /// Appends the message in which a provider answers a case of this kind.
    pub fn write_case_answer(
        &mut self,
        addressed: &Addressed<'_>,
        kind: CaseKind,
        answer: &CaseAnswer,
        note: &Note,
        out: &mut String,
    ) {
        let (a, extension) = (addressed, &note.extension);
        let is_reject = answer.decision == Decision::Reject as u8;
        match kind {
            CaseKind::PaymentRequest => {
                self.write(pain014::NAME, a, extension, out, |w| pain014::write_order(w, a, answer, note));
            }
            CaseKind::Posting => {
                self.write(pacs002::NAME, a, extension, out, |w| pacs002::write_posted(w, a, answer.case_id, note));
            }
            CaseKind::Information if !is_reject => {
                self.write(camt028::NAME, a, extension, out, |w| camt028::write(w, a, answer.case_id, note));
            }
            CaseKind::Recall | CaseKind::Information => {
                self.write(camt029::NAME, a, extension, out, |w| camt029::write_refusal(w, a, answer, note));
            }
        }
    }

    /// Appends the message in which a provider takes back a case of this kind that it has opened. False of a posting, which no provider opens.
    pub fn write_case_cancel(
        &mut self,
        addressed: &Addressed<'_>,
        kind: CaseKind,
        cancel: &CaseCancel,
        note: &Note,
        out: &mut String,
    ) -> bool {
        let Some(opening) = cases::opening_of(kind) else { return false };
        let a = addressed;
        self.write(camt056::NAME, a, &note.extension, out, |w| camt056::write_cancel(w, a, opening, cancel, note));
        true
    }

    /// Appends the message in which the switch says this. False where no message of ISO 20022 does: of what belongs to the connection, and of the directory's own.
    pub fn write_told(&mut self, addressed: &Addressed<'_>, told: &Incoming, out: &mut String) -> bool {
        let a = addressed;
        match told {
            Incoming::Forward(forward) => self.write_forward(a, forward, None, &[], out),
            Incoming::Status(status) => {
                self.write(pacs002::NAME, a, &status.note.extension, out, |w| pacs002::write_status(w, a, status));
            }
            Incoming::Returned(returned) => {
                self.write(pacs004::NAME, a, &returned.note.extension, out, |w| {
                    pacs004::write_returned(w, a, returned);
                });
            }
            Incoming::CaseForward(case) => {
                let extension = &case.private.extension;
                match case.kind {
                    CaseKind::Recall => {
                        self.write(camt056::NAME, a, extension, out, |w| camt056::write_forward(w, a, case));
                    }
                    CaseKind::Information => {
                        self.write(camt026::NAME, a, extension, out, |w| camt026::write_forward(w, a, case));
                    }
                    CaseKind::PaymentRequest => {
                        self.write(pain013::NAME, a, extension, out, |w| pain013::write_forward(w, a, case));
                    }
                    CaseKind::Posting => return false,
                }
            }
            Incoming::CaseStatus(case) => {
                let extension = &case.note.extension;
                match case.kind {
                    Some(CaseKind::PaymentRequest) => {
                        self.write(pain014::NAME, a, extension, out, |w| pain014::write_status(w, a, case));
                    }
                    Some(CaseKind::Posting) => {
                        self.write(pacs002::NAME, a, extension, out, |w| pacs002::write_posting(w, a, case));
                    }
                    Some(CaseKind::Information) if case.state == CaseState::Settled => {
                        self.write(camt028::NAME, a, extension, out, |w| {
                            camt028::write(w, a, case.case_id.bytes(), &case.note);
                        });
                    }
                    _ => self.write(camt029::NAME, a, extension, out, |w| camt029::write_status(w, a, case)),
                }
            }
            Incoming::AliasFound(found) => {
                self.write(acmt024::NAME, a, &[], out, |w| acmt024::write_found(w, a, found));
            }
            Incoming::AccountReport(report) => {
                self.write(camt052::NAME, a, &[], out, |w| camt052::write_report(w, a, report));
            }
            Incoming::Connected(_)
            | Incoming::Disconnected(_)
            | Incoming::AliasResult(_)
            | Incoming::DirectoryAnswer(_)
            | Incoming::Numbered(..)
            | Incoming::Refused(_)
            | Incoming::Acknowledged { .. } => return false,
        }
        true
    }

    /// Appends why a message is refused: admi.002.
    pub fn write_refusal(&mut self, addressed: &Addressed<'_>, refusal: &Refusal, out: &mut String) {
        self.write(admi::REJECTION, addressed, &[], out, |writer| admi::write_rejection(writer, addressed, refusal));
    }

    /// Appends that a message was taken: admi.007, or admi.011 of an event. Of several transactions some may have been refused: each has its own refusal, or none.
    pub fn write_receipt(
        &mut self,
        addressed: &Addressed<'_>,
        orders: &Orders,
        fates: &[Option<Refusal>],
        out: &mut String,
    ) {
        let event = match orders.orders.first() {
            Some(Order::SignOn) => "SGON",
            Some(Order::SignOff) => "SGOF",
            Some(Order::Echo) => "PING",
            _ => {
                self.write(admi::RECEIPT, addressed, &[], out, |w| admi::write_receipt(w, addressed, orders, fates));
                return;
            }
        };
        self.write(admi::EVENT_RECEIPT, addressed, &[], out, |w| {
            admi::write_event_receipt(w, addressed, &orders.reference, event);
        });
    }

    fn write_transfer(&mut self, addressed: &Addressed<'_>, transfer: &Transfer, out: &mut String) {
        self.write_forward(addressed, &transfer.forward, transfer.alias.as_ref(), &transfer.end_user, out);
    }

    /// A payment between providers for themselves says so in what is carried.
    fn write_forward(
        &mut self,
        addressed: &Addressed<'_>,
        forward: &crate::native::client::Forward,
        alias: Option<&(crate::directory::AliasType, Vec<u8>)>,
        end_user: &[u8],
        out: &mut String,
    ) {
        let extension = &forward.private.extension;
        if extension.starts_with(b"<FICdtTrf ") && alias.is_none() {
            return self
                .write(pacs009::NAME, addressed, extension, out, |writer| pacs009::write(writer, addressed, forward));
        }
        self.write(pacs008::NAME, addressed, extension, out, |writer| {
            pacs008::write(writer, addressed, forward, alias, end_user);
        });
    }

    /// Appends a message: header, document, and in that what is carried of another.
    fn write(
        &mut self,
        name: &'static str,
        addressed: &Addressed<'_>,
        extension: &[u8],
        out: &mut String,
        body: impl Fn(&mut Writer<'_, '_>),
    ) {
        let start = out.len();
        out.push_str("<Envelope>");
        write_header(name, addressed, out);
        let document = out.len();
        if self.write_with_rest(name, extension, out, &body) && self.decoder.decode(&out.as_bytes()[start..]).is_ok() {
            return;
        }
        // What would make the message invalid is no rest of one that was read here, and is left out.
        out.truncate(document);
        write_document(self.decoder.profile(), name, None, out, &body);
    }

    /// False where there is no rest of such a message.
    fn write_with_rest(
        &mut self,
        name: &'static str,
        extension: &[u8],
        out: &mut String,
        body: &impl Fn(&mut Writer<'_, '_>),
    ) -> bool {
        let profile = self.decoder.profile();
        if extension.is_empty() {
            return false;
        }
        let Some(rest) = self.decoder.decode_rest(name, extension) else { return false };
        write_document(profile, name, Some(rest.body()), out, body);
        true
    }
}

fn write_document(
    profile: &'static Profile,
    name: &'static str,
    rest: Option<NodeRef<'_>>,
    out: &mut String,
    body: &impl Fn(&mut Writer<'_, '_>),
) {
    let mut writer = Writer::begin(profile.schema, name, rest, out);
    body(&mut writer);
    writer.end();
    out.push_str("</Envelope>");
}

fn write_header(name: &'static str, addressed: &Addressed<'_>, out: &mut String) {
    let mut writer = Writer::begin(addressed.profile.schema, HEADER, None, out);
    for (element, code) in [("Fr", addressed.from), ("To", addressed.to)] {
        writer.within(&[element, "FIId", "FinInstnId", "ClrSysMmbId"], |writer| writer.text("MmbId", code));
    }
    writer.text("BizMsgIdr", addressed.message_id);
    writer.plain("MsgDefIdr", name);
    writer.plain("CreDt", time::Utc(addressed.created_at_ns));
    writer.end();
}

/// Writes what the headers of most messages begin with.
fn write_group_header(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>) {
    writer.text("MsgId", addressed.message_id);
    writer.plain("CreDtTm", time::Utc(addressed.created_at_ns));
}

/// The header must say what the document is, and who sends it.
fn check_header(document: &Document<'_>, sender: Option<ParticipantCode>) -> Result<(), Refusal> {
    let Some(header) = document.header() else { return Ok(()) };
    header.take_all();
    let definition = header.the("MsgDefIdr");
    let name = document.definition().name;
    if definition.text() != name {
        let text = format!("MsgDefIdr says another message than the document is, which is {name}");
        return Err(definition.refuse(Cause::Disagreement, text));
    }
    let Some(sender) = sender else { return Ok(()) };
    let from = header.the("Fr");
    let institution =
        from.child("FIId").ok_or_else(|| from.refuse(Cause::Profile, "Fr must be an institution: FIId"))?;
    if values::named_participant(institution)? != sender {
        let text = format!("Fr is another participant than the certificate names, which is {sender}");
        return Err(institution.refuse(Cause::NotAllowed, text));
    }
    Ok(())
}

/// Number and sums of a header must be those of the transactions.
fn check_totals(
    profile: &Profile,
    header: NodeRef<'_>,
    total_name: &'static str,
    amounts: &[(Amount, Currency)],
) -> Result<(), Refusal> {
    let count = header.the("NbOfTxs");
    if count.take().trim_start_matches('0').parse() != Ok(amounts.len()) {
        let text = format!("NbOfTxs says another number than there are transactions, which is {}", amounts.len());
        return Err(count.refuse(Cause::Disagreement, text));
    }
    if let Some(node) = header.child(total_name) {
        let (total, currency) = values::amount(profile, node)?;
        let sum: u128 = amounts.iter().map(|(amount, _)| u128::from(amount.minor_units())).sum();
        if amounts.iter().any(|&(_, other)| other != currency) || u128::from(total.minor_units()) != sum {
            return Err(node.refuse(Cause::Disagreement, format!("{total_name} is not the sum of the transactions")));
        }
    }
    // A control sum adds numbers, whatever they are of: in units of the smallest that ISO 20022 can say.
    if let Some(node) = header.child("CtrlSum") {
        let in_smallest = amounts.iter().map(|&(amount, currency)| {
            let scale = MINOR_DIGITS_MAX - profile.minor_digits(currency).unwrap_or(0);
            u128::from(amount.minor_units()) * 10_u128.pow(u32::from(scale))
        });
        if values::sum(node, MINOR_DIGITS_MAX) != Some(in_smallest.sum()) {
            return Err(node.refuse(Cause::Disagreement, "CtrlSum is not the sum of the transactions' amounts"));
        }
    }
    Ok(())
}

/// What nobody took of a message, as an extension for the other side.
fn carried(document: &Document<'_>, transaction: Option<NodeRef<'_>>) -> Result<Vec<u8>, Refusal> {
    let mut rest = String::new();
    writer::write_rest(document.definition().name, document.body(), transaction, &mut rest);
    if rest.len() > EXTENSION_BYTES_MAX {
        let text = format!(
            "what the switch does not use, and carries, has {} bytes; {EXTENSION_BYTES_MAX} is the most",
            rest.len()
        );
        return Err(transaction.unwrap_or(document.body()).refuse(Cause::TooLarge, text));
    }
    Ok(rest.into_bytes())
}
