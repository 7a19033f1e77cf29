//! What an operator does to the scheme: a command with a name and a reason. It goes into the journal as a signed entry, and is decided by the engine like everything else.
//!
//! A [`Request`] is what came from outside, a [`Command`] what was checked as far as that can be without the state. What an entry does not say and what depends on files is
//! checked right before the command gets its place in the order, by [`Command::write`]; such a refusal leaves no trace. All else is the engine's to decide: its answer is
//! a [`Decided`], and what it refuses stays in the journal.
//!
//! A new command is a variant of [`Action`] with an entry kind of its own, and an arm in each method of it; its name, its reason, its way and its answer are those of all:
//! `switch admin` -> socket or `--offline` -> pipeline -> journal -> engine -> [`Decided`]. What operators look at are [`view`]s.

mod action;
pub mod directory;
pub mod reference;
pub mod story;
pub mod tariff;
pub mod view;

use ledger::Currency;
use serde::{Deserialize, Serialize};

pub use self::action::{Action, SettlementInput, TermsWords, rules_as_keys};
use crate::engine::Engine;
use crate::engine::scheme::rejects::CommandReject;
use crate::entry::{ArchivedSignature, EntryKind, Signature};
use crate::limits::{OPERATOR_NAME_BYTES, REASON_TEXT_BYTES};

/// A command as it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Who gives it.
    pub operator: String,
    /// Who else answers for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<String>,
    /// Why.
    pub reason: String,
    /// What.
    pub action: Action,
}

/// Why a command did not get into the journal. Nothing was changed, and nothing is left of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It cannot be, as it was asked.
    Asked(String),
    /// It can be, and not now.
    NotNow(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Refusal::Asked(text) | Refusal::NotNow(text)) = self;
        f.write_str(text)
    }
}

/// What became of a command that is in the journal: durable, and decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Journal position of its entry.
    pub position: u64,
    /// Journal time.
    pub time_ns: u64,
    /// Why it was refused, and changed nothing; none where it was carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refused>,
}

/// The engine's no.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The number of the reject.
    pub number: u16,
    /// What is wrong, and what to do.
    pub text: String,
}

impl Decided {
    /// As the engine has answered.
    pub fn new(position: u64, time_ns: u64, result: Result<(), CommandReject>) -> Decided {
        let refused = |reject: CommandReject| Refused { number: reject.number(), text: reject.text().to_owned() };
        Decided { position, time_ns, refused: result.err().map(refused) }
    }
}

/// A command that says who gives it, and what can be.
#[derive(Clone, Debug)]
pub struct Command {
    request: Request,
}

impl Command {
    /// Checks what can be checked without the state.
    pub fn from_request(request: Request) -> Result<Command, Refusal> {
        check_name(&request.operator).map_err(|what| Refusal::Asked(format!("operator {what}")))?;
        if let Some(approver) = &request.approver {
            check_name(approver).map_err(|what| Refusal::Asked(format!("approver {what}")))?;
        }
        check_reason(&request.reason).map_err(Refusal::Asked)?;
        request.action.check_alone().map_err(Refusal::Asked)?;
        Ok(Command { request })
    }

    /// Who gives it.
    pub fn operator(&self) -> &str {
        &self.request.operator
    }

    /// What kind of entry it becomes.
    pub fn kind(&self) -> EntryKind {
        self.request.action.kind()
    }

    /// How many outcomes memory is to hold after it, where that can be fewer than now: then it must wait until the others are in the history's files.
    pub fn outcomes_kept(&self) -> Option<u32> {
        match &self.request.action {
            Action::ActivateRules { to, .. } => Some(to.outcomes_kept),
            _ => None,
        }
    }

    /// Appends its entry, if it can go into the journal as the engine is now; where it cannot, nothing is appended.
    pub fn write(&self, engine: &Engine, out: &mut Vec<u8>) -> Result<(), Refusal> {
        let Request { operator, approver, reason, action } = &self.request;
        let approver = approver.as_deref().unwrap_or_default();
        let signature = Signature { operator: padded(operator), approver: padded(approver), reason: padded(reason) };
        action.write(engine, &signature, out)
    }
}

/// A currency's letters.
fn letters(currency: &str) -> Result<[u8; 3], String> {
    let known = Currency::parse(currency.as_bytes()).map(Currency::bytes);
    known
        .ok_or_else(|| format!("currency `{}`: expected three upper-case letters by ISO 4217", currency.escape_debug()))
}

fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..text.len()].copy_from_slice(text.as_bytes());
    bytes
}

/// The name of an operator or an approver is that of an account, and says who it was without further keys: it is not sealed.
pub fn check_name(name: &str) -> Result<(), String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_@".contains(&byte);
    if (1..=OPERATOR_NAME_BYTES).contains(&name.len()) && name.bytes().all(is_letter) {
        return Ok(());
    }
    Err(format!("`{}`: expected 1 to {OPERATOR_NAME_BYTES} of A-Z a-z 0-9 . - _ @", name.escape_debug()))
}

/// A reason is a line of text.
pub fn check_reason(reason: &str) -> Result<(), String> {
    let is_text = !reason.trim().is_empty() && reason.trim() == reason && !reason.chars().any(char::is_control);
    if is_text && reason.len() <= REASON_TEXT_BYTES {
        return Ok(());
    }
    let bytes = reason.len();
    Err(format!(
        "the reason: expected one line of 1 to {REASON_TEXT_BYTES} bytes, without blanks around it; this has {bytes}"
    ))
}

/// Who gave a journaled command, who approved it, and why; as text, whatever the journal holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Who gave it.
    pub operator: String,
    /// The second person; none where one was enough.
    pub approver: Option<String>,
    /// Why.
    pub reason: String,
}

impl Signed {
    /// As an entry has it.
    pub fn of(signature: &ArchivedSignature) -> Signed {
        let approver = text_of(&signature.approver);
        Signed {
            operator: text_of(&signature.operator),
            approver: (!approver.is_empty()).then_some(approver),
            reason: text_of(&signature.reason),
        }
    }
}

/// Text with zeros behind it. A journal from elsewhere may hold anything: nothing of it reaches a screen but what can be printed.
fn text_of(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use crate::config::{Genesis, GenesisCurrency, GenesisParticipant, GenesisRules};
    use crate::engine::Batch;
    use crate::engine::scheme::members::Standing;
    use crate::entry::{self, Body, Sender, StandingSet, write_command, write_signed_command};
    use crate::genesis::scheme_rules;

    /// An engine in which the rules are those that requests begin from.
    fn engine() -> Engine {
        let mut engine = Engine::new();
        let mut payload = Vec::new();
        write_command(&mut payload, EntryKind::ActivateRules, &scheme_rules(&GenesisRules::default()));
        engine.apply(Batch { first_sequence: 1, time_ns: 1, payload: &payload }, &mut Vec::new()).unwrap();
        engine
    }

    fn request(operator: &str, reason: &str, change: fn(&mut GenesisRules)) -> Request {
        let from = GenesisRules::default();
        let mut to = from.clone();
        change(&mut to);
        let action = Action::ActivateRules { from, to };
        Request { operator: operator.to_owned(), approver: None, reason: reason.to_owned(), action }
    }

    fn refusal(operator: &str, reason: &str, change: fn(&mut GenesisRules)) -> String {
        Command::from_request(request(operator, reason, change)).unwrap_err().to_string()
    }

    #[test]
    fn nonsense_is_refused_by_name() {
        for name in ["", "j doe", "j\u{e4}n", "a\n", &"n".repeat(36)] {
            assert!(refusal(name, "why", |_| {}).starts_with("operator `"), "{name}");
        }
        let nobody = Request { approver: Some(String::new()), ..request("j.doe", "why", |_| {}) };
        assert!(Command::from_request(nobody).unwrap_err().to_string().starts_with("approver ``"));
        for reason in ["", " ", " why", "a\nb", &"r".repeat(141)] {
            assert!(refusal("j.doe", reason, |_| {}).starts_with("the reason: expected one line"), "{reason}");
        }
        assert!(refusal("j.doe", "why", |rules| rules.timeout_ms = 0).contains("payee_share_ms and skew_ms"));
        assert!(refusal("j.doe", "why", |rules| rules.outcomes_kept = 0).contains("outcomes_kept must be from 1"));
        assert!(refusal("j.doe", "why", |rules| rules.version = 9).contains("version 9 is unknown"));
        assert!(refusal("j.doe", "why", |rules| rules.bulk_purposes = vec!["nope".into()]).contains("bulk_purposes"));
    }

    #[test]
    fn an_entry_says_who_and_why() {
        let reason = "r".repeat(140);
        let alone = request("j.doe@bank", &reason, |rules| rules.timeout_ms = 8_000);
        let both = Request { approver: Some("m.roe".to_owned()), ..alone.clone() };
        let mut bytes = Vec::new();
        Command::from_request(both).unwrap().write(&engine(), &mut bytes).unwrap();
        let (entry, _) = entry::read(&bytes).unwrap();
        assert_eq!(Signed::of(entry.signature.unwrap()).approver.as_deref(), Some("m.roe"));
        let command = Command::from_request(alone).unwrap();
        let mut bytes = Vec::new();
        command.write(&engine(), &mut bytes).unwrap();
        assert!(bytes.len() <= crate::limits::COMMAND_BYTES_MAX);
        let (entry, _) = entry::read(&bytes).unwrap();
        assert_eq!(entry.sender, Sender::Operator);
        let Body::ActivateRules(rules) = entry.body else { panic!("{:?}", entry.body) };
        assert_eq!(rules.timeout_ns.to_native(), 8_000_000_000);
        let signed = Signed::of(entry.signature.unwrap());
        assert_eq!(signed, Signed { operator: "j.doe@bank".into(), approver: None, reason });
    }

    /// A participant could be opened whose payments would move accounts that are closed for good: money that it was paid could be paid out by nobody.
    #[test]
    fn nobody_settles_through_who_is_closed() {
        let participant = |code: &str| GenesisParticipant { code: code.to_owned(), ..GenesisParticipant::default() };
        let currency =
            GenesisCurrency { code: "XTS".to_owned(), minor_digits: 2, amount_max: 100, ..GenesisCurrency::default() };
        let participant = vec![participant("ALPHA"), participant("BRAVO")];
        let genesis =
            Genesis { rules: GenesisRules::default(), directory: None, currency: vec![currency], participant };
        let mut payload = crate::genesis::commands(&genesis).concat();
        let signature = Signature { operator: padded("j.doe"), approver: padded("m.roe"), reason: padded("why") };
        let closed = StandingSet { participant: 2, standing: Standing::Closed as u8 };
        write_signed_command(&mut payload, EntryKind::StandingSet, &signature, &closed);
        let mut engine = Engine::new();
        engine.apply(Batch { first_sequence: 1, time_ns: 1, payload: &payload }, &mut Vec::new()).unwrap();
        let open = |sponsor: &str| {
            let (participant, sponsor) = ("ECHO".to_owned(), Some(sponsor.to_owned()));
            let action =
                Action::OpenParticipant { participant, is_active: true, class: 0, sponsor, is_technical: false };
            let (operator, approver, reason) = ("j.doe".to_owned(), Some("m.roe".to_owned()), "why".to_owned());
            Command::from_request(Request { operator, approver, reason, action })
                .unwrap()
                .write(&engine, &mut Vec::new())
        };
        assert_eq!(open("ALPHA"), Ok(()));
        assert!(open("BRAVO").unwrap_err().to_string().contains("sponsor BRAVO: it is closed for good"));
    }

    #[test]
    fn a_request_names_every_rule() {
        let text = serde_json::to_string(&request("j.doe", "why", |_| {})).unwrap();
        assert!(serde_json::from_str::<Request>(&text).is_ok());
        let less = text.replacen("\"skew_ms\":1000,", "", 1);
        assert!(serde_json::from_str::<Request>(&less).unwrap_err().to_string().contains("lack `skew_ms`"));
        let more = text.replacen("\"skew_ms\":1000,", "\"skew_ms\":1000,\"skew\":1,", 1);
        assert!(serde_json::from_str::<Request>(&more).unwrap_err().to_string().contains("unknown field `skew`"));
    }

    #[test]
    fn rules_as_people_write_them_are_the_rules_that_are_journaled() {
        let written = GenesisRules { bulk_purposes: vec!["SALA".into(), "PENS".into()], ..GenesisRules::default() };
        let mut engine = Engine::new();
        let mut payload = Vec::new();
        write_command(&mut payload, EntryKind::ActivateRules, &scheme_rules(&written));
        let batch = Batch { first_sequence: 1, time_ns: 1, payload: &payload };
        engine.apply(batch, &mut Vec::new()).unwrap();
        assert_eq!(GenesisRules::of(engine.rules()), written);
    }
}
