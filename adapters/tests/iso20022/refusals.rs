//! Bad messages: each is refused with a cause, a place and a line, and never with a panic.

use adapters::iso20022::document::Decoder;
use adapters::iso20022::profile::Profile;
use adapters::iso20022::refusal::{Cause, Refusal};
use adapters::iso20022::{Addressed, Encoder, read_orders};
use adapters::message::ParticipantCode;

/// A good message.
const GOOD: &str = include_str!("files/pacs008.xml");

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:pacs.008.001.08";

fn refusal(message: &[u8]) -> Option<Refusal> {
    let sender = ParticipantCode::parse("NORTHBANK").expect("a code");
    read_orders(&mut Decoder::new(Profile::clearspan()), message, Some(sender)).err()
}

/// The good message with the first of one text replaced by another is refused, there, for that.
#[track_caller]
fn check(from: &str, to: &str, cause: Cause, path: &str) {
    assert!(GOOD.contains(from), "{from} is in the good message");
    let message = GOOD.replacen(from, to, 1);
    let refusal = refusal(message.as_bytes()).unwrap_or_else(|| panic!("{to} in the place of {from} is refused"));
    assert_eq!((refusal.cause, refusal.path.as_str()), (cause, path), "{to}: {refusal}");
    let line = 1 + GOOD[..GOOD.find(from).expect("it is there")].matches('\n').count();
    assert!(refusal.line >= line && refusal.line <= line + 14, "{to}: {refusal}, at line {line}");
    assert!(refusal.text.len() <= 350 && refusal.path.len() <= 350, "an admi.002 can say it: {refusal}");
}

/// As `check`, below the transaction.
#[track_caller]
fn check_transaction(from: &str, to: &str, cause: Cause, path: &str) {
    check(from, to, cause, &format!("/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[1]{path}"));
}

/// As `check`, below the header of the group.
#[track_caller]
fn check_group(from: &str, to: &str, cause: Cause, path: &str) {
    check(from, to, cause, &format!("/Document/FIToFICstmrCdtTrf/GrpHdr{path}"));
}

#[track_caller]
fn check_whole(message: &[u8], cause: Cause) {
    let refusal = refusal(message).expect("it is refused");
    assert_eq!(refusal.cause, cause, "{refusal}");
}

#[test]
fn the_good_message_is_good() {
    assert_eq!(refusal(GOOD.as_bytes()), None);
}

#[test]
fn what_is_no_xml() {
    check_whole(b"", Cause::NotWellFormed);
    check_whole(b" \n ", Cause::NotWellFormed);
    check_whole(b"{\"json\": true}", Cause::NotWellFormed);
    check_whole(&GOOD.as_bytes()[..GOOD.len() - 20], Cause::NotWellFormed);
    check_transaction("<TxId>TX-1</TxId>", "<TxId>TX-1</TxID>", Cause::NotWellFormed, "/PmtId/TxId");
    check_transaction("<TxId>TX-1", "<TxId>TX<1", Cause::NotWellFormed, "/PmtId/TxId");
    check_transaction("TX-1", "TX ]]> 1", Cause::NotWellFormed, "/PmtId/TxId");
    check_transaction(
        "Ccy=\"EUR\">125.50</IntrBkSttlmAmt>\n        <Acc",
        "Ccy=\"EUR\" Ccy=\"EUR\">125.50</IntrBkSttlmAmt><Acc",
        Cause::NotWellFormed,
        "",
    );
    check_transaction(
        "Ccy=\"EUR\">125.50</IntrBkSttlmAmt>\n        <Acc",
        "Ccy=EUR>125.50</IntrBkSttlmAmt><Acc",
        Cause::NotWellFormed,
        "",
    );
    check_whole(format!("{GOOD}<Document/>").as_bytes(), Cause::NotWellFormed);
    check_whole(format!("{GOOD}text").as_bytes(), Cause::NotWellFormed);
    check_whole(format!("<x/>{GOOD}").as_bytes(), Cause::NotWellFormed);
}

#[test]
fn encodings() {
    let with_mark = [&[0xEF, 0xBB, 0xBF], GOOD.as_bytes()].concat();
    check_whole(&with_mark, Cause::Encoding);
    let utf16: Vec<u8> = GOOD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_whole(&utf16, Cause::Encoding);
    check_whole(&[&[0xFF, 0xFE], &utf16[..]].concat(), Cause::Encoding);
    check_whole(&GOOD.replace("José", "Jos\u{1}").into_bytes(), Cause::Encoding);
    // Carried as they were, these made the message to the payee provider one that is not XML.
    check_whole(&GOOD.replace("Port Louis", "Port\u{FFFE}Louis").into_bytes(), Cause::Encoding);
    check_whole(&GOOD.replace("Port Louis", "Port\u{FFFF}Louis").into_bytes(), Cause::Encoding);
    assert_eq!(self::refusal(GOOD.replace("Port Louis", "Port\u{FFFD}\u{FF21}Louis").as_bytes()), None);
    let latin1: Vec<u8> = GOOD.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let refusal = refusal(&latin1).expect("it is no UTF-8");
    assert_eq!((refusal.cause, refusal.line), (Cause::Encoding, 41));
    check_whole(GOOD.replace("encoding=\"UTF-8\"", "encoding=\"ISO-8859-1\"").as_bytes(), Cause::Encoding);
    check_whole(GOOD.replace("version=\"1.0\"", "version=\"1.1\"").as_bytes(), Cause::NotWellFormed);
    check_whole(format!("\n{GOOD}").as_bytes(), Cause::NotWellFormed);
}

#[test]
fn what_could_bring_more_than_it_shows() {
    let declared = |entities: &str| GOOD.replace("<Envelope>", &format!("<!DOCTYPE Envelope [{entities}]><Envelope>"));
    check_whole(declared("").as_bytes(), Cause::Forbidden);
    let bomb: String = (1..10).map(|i| format!("<!ENTITY a{i} \"{}\">", format!("&a{};", i - 1).repeat(10))).collect();
    check_whole(declared(&format!("<!ENTITY a0 \"ha\">{bomb}")).as_bytes(), Cause::Forbidden);
    check_whole(declared("<!ENTITY x SYSTEM \"file:///etc/passwd\">").as_bytes(), Cause::Forbidden);
    check_transaction("TX-1", "&nbsp;", Cause::Forbidden, "/PmtId/TxId");
    check_transaction("TX-1", "&#0;", Cause::Forbidden, "/PmtId/TxId");
    check_transaction("TX-1", "&#xFFFE;", Cause::Forbidden, "/PmtId/TxId");
    check_whole(GOOD.replace("<Envelope>", "<?xml-stylesheet href=\"x\"?><Envelope>").as_bytes(), Cause::Forbidden);
}

#[test]
fn what_is_too_large() {
    let attributes: String = (0..10_000).map(|i| format!(" a{i}=\"x\"")).collect();
    check_whole(GOOD.replace("<GrpHdr>", &format!("<GrpHdr{attributes}>")).as_bytes(), Cause::Structure);
    let namespaces: String = (0..10_000).map(|i| format!(" xmlns:a{i}=\"x\"")).collect();
    check_whole(GOOD.replace("<GrpHdr>", &format!("<GrpHdr{namespaces}>")).as_bytes(), Cause::TooLarge);
    let deep = "<a>".repeat(10_000) + &"</a>".repeat(10_000);
    check_whole(deep.as_bytes(), Cause::Envelope);
    let supplement = format!("</RmtInf><SplmtryData><Envlp>{deep}</Envlp></SplmtryData>");
    check_whole(GOOD.replace("</RmtInf>", &supplement).as_bytes(), Cause::TooLarge);
    check_whole(" ".repeat(100 << 20).as_bytes(), Cause::TooLarge);
    let long = format!("<Ustrd>{}</Ustrd>", "x".repeat(140)).repeat(60);
    check_whole(GOOD.replace("<Ustrd>and &lt;more&gt;</Ustrd>", &long).as_bytes(), Cause::TooLarge);
}

#[test]
fn what_is_no_message_of_the_scheme() {
    check_whole(b"<Document/>", Cause::UnknownMessage);
    check_whole(b"<Document xmlns=\"urn:other\"><FIToFICstmrCdtTrf/></Document>", Cause::UnknownMessage);
    check_whole(b"<html><body/></html>", Cause::Envelope);
    check_whole(GOOD.replace(NAMESPACE, &NAMESPACE.replace("001.08", "001.09")).as_bytes(), Cause::UnknownMessage);
    check_whole(
        GOOD.replace(NAMESPACE, &NAMESPACE.replace("pacs.008.001.08", "head.001.001.02")).as_bytes(),
        Cause::UnknownMessage,
    );
    check_whole(GOOD.replace("head.001.001.02", "head.001.001.01").as_bytes(), Cause::UnknownMessage);
    check_whole(
        GOOD.replace(NAMESPACE, &NAMESPACE.replace("pacs.008.001.08", "pacs.002.001.10")).as_bytes(),
        Cause::Structure,
    );
    let body = &GOOD[GOOD.find("<Document").expect("it is there")..GOOD.find("</Envelope>").expect("it is there")];
    check_whole(format!("<Envelope>{body}{body}</Envelope>").as_bytes(), Cause::Envelope);
    check_whole(b"<Envelope></Envelope>", Cause::Envelope);
    check_whole(
        GOOD.replace("<FIToFICstmrCdtTrf>", "<FIToFICstmrCdtTrf xmlns=\"urn:other\">").as_bytes(),
        Cause::Structure,
    );
    check_whole(GOOD.replace("<GrpHdr>", "<GrpHdr xmlns=\"urn:other\">").as_bytes(), Cause::Structure);
    check_whole(GOOD.replace("<GrpHdr>", "<x:GrpHdr>").as_bytes(), Cause::NotWellFormed);
}

#[test]
fn elements_in_the_wrong_place() {
    check_transaction("<EndToEndId>INVOICE 4711</EndToEndId>", "", Cause::Structure, "/PmtId/EndToEndId");
    check_transaction("<TxId>TX-1</TxId>", "<TxId>TX-1</TxId><TxId>TX-2</TxId>", Cause::Structure, "/PmtId/TxId");
    check_transaction("<TxId>TX-1</TxId>", "<TxId>TX-1</TxId><InstrId>X</InstrId>", Cause::Structure, "/PmtId/InstrId");
    check_transaction("<TxId>TX-1</TxId>", "<Unknown>TX-1</Unknown>", Cause::Structure, "/PmtId/Unknown");
    check_transaction("<TxId>TX-1</TxId>", "<txid>TX-1</txid>", Cause::Structure, "/PmtId/txid");
    check_transaction("<TxId>TX-1", "text<TxId>TX-1", Cause::Structure, "/PmtId");
    check_transaction("TX-1", "<b>TX-1</b>", Cause::Structure, "/PmtId/TxId");
    check_transaction("<TxId>", "<TxId lang=\"en\">", Cause::Structure, "/PmtId");
    check_transaction("<IBAN>GB82WEST12345698765432</IBAN>", "", Cause::Structure, "/DbtrAcct/Id");
    check_transaction("</IBAN>", "</IBAN><Othr><Id>1</Id></Othr>", Cause::Structure, "/DbtrAcct/Id/Othr");
    check_transaction("<ChrgBr>SLEV</ChrgBr>", "", Cause::Structure, "/ChrgBr");
    check_group("<TtlIntrBkSttlmAmt Ccy=\"EUR\">", "<TtlIntrBkSttlmAmt>", Cause::Structure, "/TtlIntrBkSttlmAmt");
    check_whole(GOOD.replace("<CdtTrfTxInf>", "<!--").replace("</CdtTrfTxInf>", "-->").as_bytes(), Cause::Structure);
}

#[test]
fn texts_of_the_wrong_form() {
    check_transaction("TX-1", "", Cause::Value, "/PmtId/TxId");
    check_transaction("TX-1", &"x".repeat(36), Cause::Value, "/PmtId/TxId");
    check_transaction("f47ac10b-58cc-4372", "f47ac10b-58cc-1372", Cause::Value, "/PmtId/UETR");
    check_transaction("f47ac10b-58cc-4372", "F47AC10B-58CC-4372", Cause::Value, "/PmtId/UETR");
    check_transaction("<ChrgBr>SLEV", "<ChrgBr>FREE", Cause::Value, "/ChrgBr");
    check_group("<NbOfTxs>1", "<NbOfTxs>one", Cause::Value, "/NbOfTxs");
    check_group("2026-11-23T09:30:00.000Z</CreDtTm>", "2026-11-31T09:30:00.000Z</CreDtTm>", Cause::Value, "/CreDtTm");
    check_group("<MsgId>NORTH", "<MsgId>NORTH-NORTH-NORTH-NORTH", Cause::Value, "/MsgId");
    check_transaction("José", "José\u{85}", Cause::Profile, "/Cdtr/Nm");
    check_transaction("<MmbId>SOUTHBANK", "<MmbId>south bank", Cause::Value, "/CdtrAgt/FinInstnId/ClrSysMmbId/MmbId");
    check_transaction(
        "<ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId>",
        "<Nm>South</Nm>",
        Cause::Value,
        "/CdtrAgt/FinInstnId",
    );
    check_transaction("<Ctry>MU", "<Ctry>XX", Cause::Checksum, "/Dbtr/PstlAdr/Ctry");
    check_transaction("GB82WEST", "GB83WEST", Cause::Checksum, "/DbtrAcct/Id/IBAN");
    check_transaction("GB82WEST", "ZZ82WEST", Cause::Checksum, "/DbtrAcct/Id/IBAN");
    let bic = "<BICFI>SOUTZZFF</BICFI>";
    check_transaction(
        "<ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId>",
        bic,
        Cause::Checksum,
        "/CdtrAgt/FinInstnId/BICFI",
    );
    let lei = "<ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId><LEI>529900T8BM49AURSDO56</LEI>";
    check_transaction(
        "<ClrSysMmbId><MmbId>SOUTHBANK</MmbId></ClrSysMmbId>",
        lei,
        Cause::Checksum,
        "/CdtrAgt/FinInstnId/LEI",
    );
}

#[test]
fn amounts_and_currencies() {
    let amount = "<IntrBkSttlmAmt Ccy=\"EUR\">125.50</IntrBkSttlmAmt>\n        <Acc";
    let with = |currency: &str, number: &str| {
        format!("<IntrBkSttlmAmt Ccy=\"{currency}\">{number}</IntrBkSttlmAmt>\n        <Acc")
    };
    for number in ["125.505", "125.500", "0", "0.00", "1234567890123456.78901"] {
        let (text, path) = (with("EUR", number), "/IntrBkSttlmAmt");
        let cause = if number.len() > 12 { Cause::Value } else { Cause::Amount };
        check_transaction(amount, &text, cause, path);
    }
    check_transaction(amount, &with("JPY", "125.5"), Cause::Amount, "/IntrBkSttlmAmt");
    check_transaction(amount, &with("EUR", "-1"), Cause::Value, "/IntrBkSttlmAmt");
    check_transaction(amount, &with("EUR", "1,00"), Cause::Value, "/IntrBkSttlmAmt");
    check_transaction(amount, &with("EUR", "1e3"), Cause::Value, "/IntrBkSttlmAmt");
    check_transaction(amount, &with("eur", "125.50"), Cause::Currency, "");
    check_transaction(amount, &with("EURO", "125.50"), Cause::Currency, "");
    check_transaction(amount, &with("ZZZ", "125.50"), Cause::Currency, "/IntrBkSttlmAmt");
}

#[test]
fn times_without_zone() {
    check_group("09:30:00.000Z</CreDtTm>", "09:30:00</CreDtTm>", Cause::TimeZone, "/CreDtTm");
    check_transaction("09:29:59.950+00:00", "09:29:59.950", Cause::TimeZone, "/AccptncDtTm");
    check_transaction("2026-11-23T09:29:59.950", "1950-11-23T09:29:59.950", Cause::Value, "/AccptncDtTm");
}

#[test]
fn what_the_scheme_does_not_allow() {
    check_transaction("<UETR>f47ac10b-58cc-4372-a567-0e02b2c3d479</UETR>", "", Cause::Profile, "/PmtId/UETR");
    check_transaction("<ChrgBr>SLEV", "<ChrgBr>DEBT", Cause::Profile, "/ChrgBr");
    check_transaction("<ChrgBr>SLEV", "<XchgRate>1.1</XchgRate><ChrgBr>SLEV", Cause::Profile, "/XchgRate");
    check_group("<SttlmMtd>CLRG", "<SttlmMtd>INDA", Cause::Profile, "/SttlmInf/SttlmMtd");
    check_transaction(
        "<AccptncDtTm>",
        "<SttlmTmReq><RjctTm>09:30:10Z</RjctTm></SttlmTmReq><AccptncDtTm>",
        Cause::Profile,
        "/SttlmTmReq",
    );
}

#[test]
fn parts_that_disagree() {
    check("<MsgDefIdr>pacs.008", "<MsgDefIdr>pacs.009", Cause::Disagreement, "/AppHdr/MsgDefIdr");
    check("<MmbId>NORTHBANK", "<MmbId>EASTBANK", Cause::NotAllowed, "/AppHdr/Fr/FIId");
    check_group("<NbOfTxs>1", "<NbOfTxs>2", Cause::Disagreement, "/NbOfTxs");
    check_group("<CtrlSum>125.5", "<CtrlSum>125.51", Cause::Disagreement, "/CtrlSum");
    check_group("Ccy=\"EUR\">125.50", "Ccy=\"EUR\">125.51", Cause::Disagreement, "/TtlIntrBkSttlmAmt");
    check_group("Ccy=\"EUR\">125.50", "Ccy=\"USD\">125.50", Cause::Disagreement, "/TtlIntrBkSttlmAmt");
    check_transaction("<ChrgBr>", "<InstdAmt Ccy=\"EUR\">126.00</InstdAmt><ChrgBr>", Cause::Disagreement, "/InstdAmt");
    check_transaction(
        "<DbtrAgt><FinInstnId><ClrSysMmbId><MmbId>NORTHBANK",
        "<DbtrAgt><FinInstnId><ClrSysMmbId><MmbId>EASTBANK",
        Cause::Disagreement,
        "/DbtrAgt",
    );
}

#[test]
fn two_payments_with_one_id() {
    let start = GOOD.find("<CdtTrfTxInf>").expect("it is there");
    let end = GOOD.find("</CdtTrfTxInf>").expect("it is there") + "</CdtTrfTxInf>".len();
    let transaction = &GOOD[start..end];
    let twice = GOOD.replacen("<NbOfTxs>1", "<NbOfTxs>2", 1).replacen(transaction, &transaction.repeat(2), 1);
    let refusal = refusal(twice.as_bytes()).expect("it is refused");
    assert_eq!(refusal.cause, Cause::DuplicateId);
    assert_eq!(refusal.path, "/Document/FIToFICstmrCdtTrf/CdtTrfTxInf[2]/PmtId/UETR");
    assert_eq!(refusal.reference, "NORTH-2026-11-23-0001");
}

/// The id of a refused message is said again in the admi.002. What is no character of the scheme's made that a message that the scheme refuses: found by fuzzing.
#[test]
fn a_refusal_says_nothing_that_is_not_allowed() {
    let message = GOOD.replacen("NORTH-2026-11-23-0001", "NORTH\n2026 <x>", 1);
    let refusal = refusal(message.as_bytes()).expect("an id is no element");
    assert_eq!(refusal.reference, "NORTH\u{FFFD}2026");
    let (profile, mut out) = (Profile::clearspan(), String::new());
    let addressed = Addressed { profile, message_id: "CA1", created_at_ns: 1, from: "CLEARSPAN", to: "NORTHBANK" };
    Encoder::new(profile).write_refusal(&addressed, &refusal, &mut out);
    assert!(Decoder::new(profile).decode(out.as_bytes()).is_ok(), "{out}");
}
