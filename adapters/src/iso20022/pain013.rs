//! pain.013.001.07, creditor payment activation request: a request to pay.
//!
//! `PmtId/UETR` is the request's id. The payee's provider is `CdtrAgt`, the payer's `DbtrAgt`. Where the payer may choose to pay less, `PmtCond/AmtModAllwd` is true.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{
    NOT_PROVIDED, account, amount, choice_time_ns, named_participant, shown, taken, time_ns, uetr, write_account,
    write_amount, write_participant,
};
use super::writer::Writer;
use super::{Addressed, Order, carried, write_group_header};
use crate::message::{AmountForm, CaseKind, CaseOpen, NO_ID, ParticipantCode, PaymentPrivate, Reason};
use crate::native::client::{CaseForward, Incoming};
use ledger::{Amount, Currency};

/// Its name.
pub(super) const NAME: &str = "pain.013.001.07";

/// What `PmtCond` must say beside whether the amount may be changed, and says of most requests.
const USUAL_CONDITIONS: [(&str, &str); 2] = [("EarlyPmtAllwd", "true"), ("GrntedPmtReqd", "false")];

/// The requests of a message.
pub(super) fn read_orders(document: &Document<'_>) -> Result<Vec<Order>, Refusal> {
    let order = |case: CaseForward| {
        let (amount, currency) =
            case.amount.map_or((0, [0; 3]), |(amount, currency)| (amount.minor_units(), currency.bytes()));
        let opened = CaseOpen {
            case_id: case.case_id.bytes(),
            kind: CaseKind::PaymentRequest as u8,
            original_id: NO_ID,
            opener: *case.opener.bytes(),
            responder: *case.responder.bytes(),
            amount,
            currency,
            amount_form: case.form as u8,
            reason: Reason::NONE.bytes(),
            expires_at_ns: case.deadline_ns,
        };
        Order::CaseOpen(opened, case.private)
    };
    Ok(read(document)?.into_iter().map(order).collect())
}

/// Requests that wait for an answer.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    Ok(read(document)?.into_iter().map(|case| Incoming::CaseForward(Box::new(case))).collect())
}

fn read(document: &Document<'_>) -> Result<Vec<CaseForward>, Refusal> {
    let header = document.body().the("GrpHdr");
    time_ns(header.the("CreDtTm"))?;
    header.the("MsgId").take();
    header.the("InitgPty").take_all();
    let mut cases: Vec<CaseForward> = Vec::new();
    let mut amounts = Vec::new();
    for instruction in document.body().all("PmtInf") {
        // Where a message has several, each is a request of its own, and what is carried of it is its own.
        let count = instruction.all("CdtTrfTx").count();
        let transaction = instruction.the("CdtTrfTx");
        if count > 1 {
            return Err(instruction
                .refuse(Cause::Profile, "a PmtInf has one CdtTrfTx in this scheme: give each request a PmtInf"));
        }
        let case = read_request(document, instruction, transaction)?;
        if cases.iter().any(|earlier| earlier.case_id == case.case_id) {
            let text = "two requests of the message have this UETR: each has its own";
            return Err(transaction.the("PmtId").the("UETR").refuse(Cause::DuplicateId, text));
        }
        amounts.extend(case.amount);
        cases.push(case);
    }
    super::check_totals(document.profile(), header, "", &amounts)?;
    for (case, instruction) in cases.iter_mut().zip(document.body().all("PmtInf")) {
        case.private.extension = carried(document, Some(instruction))?;
    }
    Ok(cases)
}

fn read_request(
    document: &Document<'_>,
    instruction: NodeRef<'_>,
    transaction: NodeRef<'_>,
) -> Result<CaseForward, Refusal> {
    let text = |node: NodeRef<'_>, path: &[&'static str]| node.find(path).map(taken).unwrap_or_default();
    let of = |node: Option<NodeRef<'_>>| node.map(|node| account(node).as_bytes().to_vec()).unwrap_or_default();
    instruction.the("PmtMtd").take();
    instruction.the("ReqdExctnDt").take_all();
    transaction.the("ChrgBr").take();
    instruction.the("Dbtr").take();
    transaction.the("Cdtr").take();
    let asked = transaction.the("Amt");
    let asked = asked.child("InstdAmt").ok_or_else(|| asked.refuse(Cause::Profile, "Amt must be an InstdAmt"))?;
    let (own, of_instruction) = (transaction.child("PmtCond"), instruction.child("PmtCond"));
    // Where both are there, that of the instruction means nothing.
    own.and(of_instruction).into_iter().for_each(NodeRef::take_all);
    let condition = own.or(of_instruction);
    let said = |name| condition.and_then(|condition| condition.child(name));
    let may_pay_less = said("AmtModAllwd").and_then(|node| super::form::boolean(node.take())).unwrap_or(false);
    for (name, usual) in USUAL_CONDITIONS {
        said(name).filter(|node| node.text() == usual).into_iter().for_each(NodeRef::take_all);
    }
    let end_to_end_id =
        Some(taken(transaction.the("PmtId").the("EndToEndId"))).filter(|id| id != NOT_PROVIDED.as_bytes());
    let private = PaymentPrivate {
        payer_name: text(instruction, &["Dbtr", "Nm"]),
        payer_account: of(instruction.child("DbtrAcct")),
        payee_name: text(transaction, &["Cdtr", "Nm"]),
        payee_account: of(transaction.child("CdtrAcct")),
        end_to_end_id: end_to_end_id.unwrap_or_default(),
        remittance: text(transaction, &["RmtInf", "Ustrd"]),
        extension: Vec::new(),
    };
    Ok(CaseForward {
        case_id: uetr(transaction.the("PmtId").the("UETR")),
        kind: CaseKind::PaymentRequest,
        original_id: None,
        opener: named_participant(transaction.the("CdtrAgt"))?,
        responder: named_participant(instruction.the("DbtrAgt"))?,
        amount: Some(amount(document.profile(), asked)?),
        form: if may_pay_less { AmountForm::UpTo } else { AmountForm::Fixed },
        reason: Reason::NONE,
        deadline_ns: instruction.child("XpryDt").map_or(Ok(0), choice_time_ns)?,
        private,
    })
}

/// Writes a request, as its opener does.
pub(super) fn write_order(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    opened: &CaseOpen,
    private: &PaymentPrivate,
) {
    let (Some(opener), Some(responder)) =
        (ParticipantCode::from_bytes(opened.opener), ParticipantCode::from_bytes(opened.responder))
    else {
        return;
    };
    let form = AmountForm::from_number(opened.amount_form).unwrap_or(AmountForm::Fixed);
    let amount = Amount::new(opened.amount).zip(Currency::parse(&opened.currency));
    write(writer, addressed, opened.case_id, (opener, responder), (amount, form), opened.expires_at_ns, private);
}

/// Writes a request that waits for an answer.
pub(super) fn write_forward(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, case: &CaseForward) {
    let parties = (case.opener, case.responder);
    write(writer, addressed, case.case_id.bytes(), parties, (case.amount, case.form), case.deadline_ns, &case.private);
}

fn write(
    writer: &mut Writer<'_, '_>,
    addressed: &Addressed<'_>,
    case_id: [u8; 16],
    (opener, responder): (ParticipantCode, ParticipantCode),
    (amount, form): (Option<(Amount, Currency)>, AmountForm),
    expires_at_ns: u64,
    private: &PaymentPrivate,
) {
    writer.open("GrpHdr");
    write_group_header(writer, addressed);
    writer.plain("NbOfTxs", 1);
    writer.within(&["InitgPty", "Id", "OrgId", "Othr"], |writer| writer.text("Id", opener.as_str()));
    writer.close();
    writer.open("PmtInf");
    writer.plain("PmtMtd", "TRF");
    writer.within(&["ReqdExctnDt"], |writer| writer.plain("DtTm", super::time::Utc(addressed.created_at_ns)));
    if expires_at_ns > 0 {
        writer.within(&["XpryDt"], |writer| writer.plain("DtTm", super::time::Utc(expires_at_ns)));
    }
    // What is carried of conditions is completed where it stands.
    let is_of_instruction = writer.rest_has("PmtCond");
    if is_of_instruction {
        write_conditions(writer, form);
    }
    writer.open_kept("Dbtr");
    writer.text("Nm", &shown(&private.payer_name));
    writer.close();
    write_account(writer, "DbtrAcct", &shown(&private.payer_account));
    write_participant(writer, "DbtrAgt", responder.as_str());
    writer.open("CdtTrfTx");
    writer.open("PmtId");
    writer.text("EndToEndId", super::values::or_not_provided(&shown(&private.end_to_end_id)));
    writer.plain("UETR", uuid::Uuid::from_bytes(case_id));
    writer.close();
    if form == AmountForm::UpTo && !is_of_instruction || writer.rest_has("PmtCond") {
        write_conditions(writer, form);
    }
    if let Some((amount, currency)) = amount {
        writer.within(&["Amt"], |writer| write_amount(writer, addressed.profile, "InstdAmt", amount, currency));
    }
    writer.plain("ChrgBr", "SLEV");
    write_participant(writer, "CdtrAgt", opener.as_str());
    writer.open_kept("Cdtr");
    writer.text("Nm", &shown(&private.payee_name));
    writer.close();
    write_account(writer, "CdtrAcct", &shown(&private.payee_account));
    writer.within(&["RmtInf"], |writer| writer.text("Ustrd", &shown(&private.remittance)));
    writer.close();
    writer.close();
}

fn write_conditions(writer: &mut Writer<'_, '_>, form: AmountForm) {
    writer.open("PmtCond");
    writer.plain("AmtModAllwd", form == AmountForm::UpTo);
    for (name, usual) in USUAL_CONDITIONS {
        writer.text_or_rest(name, usual);
    }
    writer.close();
}
