//! acmt.024.001.03, identification verification report: the answer to a look-up or a verification of a name.
//!
//! | canonical | `Vrfctn` | `Rsn` |
//! |---|---|---|
//! | found; or the name matches | true | |
//! | close match, with the name | false | `PN02` |
//! | no match | false | `PN01` |
//! | matching not possible | false | `NR01` |
//! | not found | false | `AC01` |
//! | limited | false | `LIMITED <milliseconds>`, after which to come again |
//!
//! `UpdtdPtyAndAcctId` has name, account and participant. What ISO 20022 has no place for (owned since, risk counters, journal position) stands in `SplmtryData`, element `Entry` of `urn:clearspan:directory`.

use super::document::{Document, NodeRef};
use super::refusal::{Cause, Refusal};
use super::values::{Hex, account, id, named_participant, shown, taken, time_ns, write_account, write_participant};
use super::writer::Writer;
use super::{Addressed, write_group_header};
use crate::directory::{LookupResult, NameMatch};
use crate::native::client::{AliasFound, Incoming};

/// Its name.
pub(super) const NAME: &str = "acmt.024.001.03";

/// What says that a bucket holds too little.
const LIMITED: &str = "LIMITED ";

/// The answers of a message.
pub(super) fn read_told(document: &Document<'_>) -> Result<Vec<Incoming>, Refusal> {
    let body = document.body();
    time_ns(body.the("Assgnmt").the("CreDtTm"))?;
    body.all("Rpt").map(|report| read_report(body, report).map(|found| Incoming::AliasFound(Box::new(found)))).collect()
}

fn read_report(body: NodeRef<'_>, report: NodeRef<'_>) -> Result<AliasFound, Refusal> {
    let is_verified = super::form::boolean(report.the("Vrfctn").take()) == Some(true);
    let why = report.child("Rsn").and_then(|why| why.children().next()).map(NodeRef::take);
    let limited = why.and_then(|why| why.strip_prefix(LIMITED)).and_then(|ms| ms.parse().ok());
    let (result, name_match) = match why {
        _ if limited.is_some() => (LookupResult::Limited, None),
        None if is_verified => (LookupResult::Found, None),
        Some("PN02") => (LookupResult::Found, Some(NameMatch::CloseMatch)),
        Some("PN01") => (LookupResult::Found, Some(NameMatch::NoMatch)),
        Some("NR01") => (LookupResult::Found, Some(NameMatch::NotPossible)),
        Some("AC01") => (LookupResult::NotFound, None),
        _ => {
            return Err(
                report.refuse(Cause::Profile, "Rsn is one of PN02 PN01 NR01 AC01 or LIMITED, where Vrfctn is false")
            );
        }
    };
    let told = report.child("UpdtdPtyAndAcctId");
    let entry = Entry::read(body.find(&["SplmtryData", "Envlp"]).map(NodeRef::take).unwrap_or_default());
    let is_found = result == LookupResult::Found;
    Ok(AliasFound {
        lookup_id: id(report.the("OrgnlId"))?,
        result,
        name_match: name_match.or((is_found && entry.is_verification).then_some(NameMatch::Match)),
        participant: told.and_then(|told| told.child("Agt")).map(named_participant).transpose()?,
        owned_since_ns: entry.owned_since_ns,
        counters: entry.counters,
        retry_after_ms: limited.unwrap_or(0),
        position: entry.position,
        account: told
            .and_then(|told| told.child("Acct").filter(|said| said.child("Id").is_some()))
            .map(|said| account(said).as_bytes().to_vec())
            .unwrap_or_default(),
        name: told.and_then(|told| told.find(&["Pty", "Nm"])).map(taken).unwrap_or_default(),
    })
}

/// What ISO 20022 has no place for.
#[derive(Default)]
struct Entry {
    is_verification: bool,
    owned_since_ns: u64,
    counters: [u8; 9],
    position: u64,
}

impl Entry {
    /// From the element that `write` makes; nothing of another.
    fn read(xml: &str) -> Entry {
        let attribute = |name: &str| {
            let (_, rest) = xml.split_once(&format!(" {name}=\""))?;
            rest.split_once('"').map(|(value, _)| value)
        };
        let mut counters = [0; 9];
        for (counter, class) in counters.iter_mut().zip(attribute("counters").unwrap_or_default().split(' ')) {
            *counter = class.parse().unwrap_or(0);
        }
        Entry {
            is_verification: attribute("verification") == Some("true"),
            owned_since_ns: attribute("ownedSince")
                .and_then(super::time::DateTime::parse)
                .and_then(super::time::DateTime::since_1970_ns)
                .unwrap_or(0),
            counters,
            position: attribute("position").and_then(|position| position.parse().ok()).unwrap_or(0),
        }
    }
}

/// Writes an answer.
pub(super) fn write_found(writer: &mut Writer<'_, '_>, addressed: &Addressed<'_>, found: &AliasFound) {
    let (is_verified, why) = match (found.result, found.name_match) {
        (LookupResult::Found, None | Some(NameMatch::Match)) => (true, None),
        (LookupResult::Found, Some(NameMatch::CloseMatch)) => (false, Some("PN02")),
        (LookupResult::Found, Some(NameMatch::NoMatch)) => (false, Some("PN01")),
        (LookupResult::Found, Some(NameMatch::NotPossible)) => (false, Some("NR01")),
        (LookupResult::NotFound, _) => (false, Some("AC01")),
        (LookupResult::Limited, _) => (false, None),
    };
    writer.open("Assgnmt");
    write_group_header(writer, addressed);
    for (name, code) in [("Assgnr", addressed.from), ("Assgne", addressed.to)] {
        writer.within(&[name], |writer| write_participant(writer, "Agt", code));
    }
    writer.close();
    writer.open("Rpt");
    writer.plain("OrgnlId", Hex(found.lookup_id.bytes()));
    writer.plain("Vrfctn", is_verified);
    writer.within(&["Rsn"], |writer| match why {
        Some(code) => writer.plain("Cd", code),
        None if found.result == LookupResult::Limited => {
            writer.plain("Prtry", format_args!("{LIMITED}{}", found.retry_after_ms));
        }
        None => {}
    });
    writer.open("UpdtdPtyAndAcctId");
    writer.within(&["Pty"], |writer| writer.text("Nm", &shown(&found.name)));
    write_account(writer, "Acct", &shown(&found.account));
    if let Some(participant) = found.participant {
        write_participant(writer, "Agt", participant.as_str());
    }
    writer.close();
    writer.close();
    if found.result == LookupResult::Found {
        let counters = found.counters.map(|class| class.to_string()).join(" ");
        let (since, position) = (super::time::Utc(found.owned_since_ns), found.position);
        let is_verification = found.name_match.is_some();
        writer.within(&["SplmtryData"], |writer| {
            writer.plain(
                "Envlp",
                format_args!(
                    "<Entry xmlns=\"urn:clearspan:directory\" verification=\"{is_verification}\" ownedSince=\"{since}\" counters=\"{counters}\" position=\"{position}\"/>"
                ),
            );
        });
    }
}
