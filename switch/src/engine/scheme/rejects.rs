//! Why a command of the operator is refused: numbered, in one table (`docs/scheme-rules.md`, Rejects).

/// A command changed nothing. The numbers are in events and in documents: never renumber, never reuse.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandReject {
    /// No such participant.
    ParticipantUnknown = 1,
    /// The scheme does not settle this currency.
    CurrencyUnknown = 2,
    /// A field has a value that means nothing, alone or beside the others.
    ValueMeaningless = 3,
    /// The participant is closed, for good.
    ParticipantClosed = 10,
    /// No participant goes from its standing to that one.
    TransitionNotPermitted = 11,
    /// There is money on its accounts.
    ParticipantHasMoney = 12,
    /// Payments, cases or orders of it are open.
    ParticipantHasBusiness = 13,
    /// Others settle through it.
    ParticipantSponsors = 14,
    /// It has part in a window that is not settled.
    ParticipantInSettlement = 15,
    /// It has no accounts of its own.
    ParticipantNotDirect = 16,
    /// It connects for nobody: it is no technical provider.
    ParticipantNotTechnical = 17,
    /// So many certificates of it are registered as may be at a time.
    CertificatesFull = 18,
    /// No such certificate is registered.
    CertificateUnknown = 19,
    /// A limit becomes less than what is in use.
    LimitBelowUse = 20,
    /// The reference was used for another order.
    ReferenceUsed = 30,
    /// No order has this reference.
    ReferenceUnknown = 31,
    /// The order is confirmed or aborted.
    OrderDecided = 32,
    /// What is blocked can only be set free.
    BlockedNotConfirmed = 33,
    /// The receiver was not allowed as one.
    TransferNotAllowed = 34,
    /// The account does not have so much that backs nothing else.
    MoneyInsufficient = 35,
    /// So many orders are prepared, or were ever made, as the switch keeps.
    OrdersFull = 36,
    /// The cycle has no windows.
    CycleUnknown = 50,
    /// No such window was opened.
    WindowUnknown = 51,
    /// It is settled or aborted.
    WindowFinal = 52,
    /// Its settlement has not been started.
    WindowNotSettling = 53,
    /// Its settlement has been started.
    WindowSettling = 54,
    /// So many windows are not settled as the switch keeps.
    WindowsFull = 55,
    /// A debtor does not have its net.
    DebtorUnfunded = 56,
    /// The participant has no net in the window.
    NetUnknown = 57,
    /// Its net is confirmed.
    NetConfirmed = 58,
    /// Debtors first: so much has not come in yet.
    DebtorsFirst = 59,
    /// A net is more than one movement can be.
    NetTooLarge = 60,
    /// The tariff has another number than the next, or comes into force before the one before it.
    TariffOutOfOrder = 70,
    /// Bands leave a gap, overlap, or do not end at the largest amount.
    BandsIncomplete = 71,
    /// So many tariffs wait to come into force as the switch keeps.
    TariffsFull = 72,
    /// So many keys of ID systems are trusted as may be at a time.
    IssuerKeysFull = 80,
    /// No such key is trusted.
    IssuerKeyUnknown = 81,
    /// The directory's hashes are being made anew.
    RehashRuns = 82,
    /// No name stands under it.
    OperatorMissing = 100,
    /// Two people means two: who gives a command does not approve it.
    ApproverIsOperator = 101,
    /// It moves money or opens doors, and nobody has approved it.
    ApproverMissing = 102,
}

impl CommandReject {
    /// All of them, in the order of their numbers.
    pub const ALL: [CommandReject; 41] = [
        CommandReject::ParticipantUnknown,
        CommandReject::CurrencyUnknown,
        CommandReject::ValueMeaningless,
        CommandReject::ParticipantClosed,
        CommandReject::TransitionNotPermitted,
        CommandReject::ParticipantHasMoney,
        CommandReject::ParticipantHasBusiness,
        CommandReject::ParticipantSponsors,
        CommandReject::ParticipantInSettlement,
        CommandReject::ParticipantNotDirect,
        CommandReject::ParticipantNotTechnical,
        CommandReject::CertificatesFull,
        CommandReject::CertificateUnknown,
        CommandReject::LimitBelowUse,
        CommandReject::ReferenceUsed,
        CommandReject::ReferenceUnknown,
        CommandReject::OrderDecided,
        CommandReject::BlockedNotConfirmed,
        CommandReject::TransferNotAllowed,
        CommandReject::MoneyInsufficient,
        CommandReject::OrdersFull,
        CommandReject::CycleUnknown,
        CommandReject::WindowUnknown,
        CommandReject::WindowFinal,
        CommandReject::WindowNotSettling,
        CommandReject::WindowSettling,
        CommandReject::WindowsFull,
        CommandReject::DebtorUnfunded,
        CommandReject::NetUnknown,
        CommandReject::NetConfirmed,
        CommandReject::DebtorsFirst,
        CommandReject::NetTooLarge,
        CommandReject::TariffOutOfOrder,
        CommandReject::BandsIncomplete,
        CommandReject::TariffsFull,
        CommandReject::IssuerKeysFull,
        CommandReject::IssuerKeyUnknown,
        CommandReject::RehashRuns,
        CommandReject::OperatorMissing,
        CommandReject::ApproverIsOperator,
        CommandReject::ApproverMissing,
    ];

    /// As in events and documents.
    pub fn number(self) -> u16 {
        self as u16
    }

    /// The reject with a number.
    pub fn from_number(number: u16) -> Option<CommandReject> {
        CommandReject::ALL.into_iter().find(|reject| reject.number() == number)
    }

    /// What to say to a person: what is wrong, and what can be done.
    pub fn text(self) -> &'static str {
        match self {
            CommandReject::ParticipantUnknown => "there is no such participant",
            CommandReject::CurrencyUnknown => "the scheme does not settle this currency",
            CommandReject::ValueMeaningless => "a value means nothing, alone or beside the others",
            CommandReject::ParticipantClosed => "the participant is closed for good",
            CommandReject::TransitionNotPermitted => "no participant goes from its standing to that one",
            CommandReject::ParticipantHasMoney => "there is money on its accounts: pay it out first",
            CommandReject::ParticipantHasBusiness => "payments, cases or orders of it are open: let them end first",
            CommandReject::ParticipantSponsors => "others settle through it: close them first",
            CommandReject::ParticipantInSettlement => "it has part in a window that is not settled: settle it first",
            CommandReject::ParticipantNotDirect => "the participant has no accounts of its own",
            CommandReject::ParticipantNotTechnical => "the participant is no technical provider",
            CommandReject::CertificatesFull => "so many certificates are registered as may be: revoke one first",
            CommandReject::CertificateUnknown => "no such certificate is registered",
            CommandReject::LimitBelowUse => "more than that is in use: set it higher, or wait until less is",
            CommandReject::ReferenceUsed => "the reference was used for another order: choose another",
            CommandReject::ReferenceUnknown => "no order has this reference",
            CommandReject::OrderDecided => "the order is confirmed or aborted already",
            CommandReject::BlockedNotConfirmed => "what is blocked can only be set free: abort it",
            CommandReject::TransferNotAllowed => "the receiver was not allowed as one: allow it first",
            CommandReject::MoneyInsufficient => "the account does not have so much that backs nothing else",
            CommandReject::OrdersFull => "so many orders are prepared, or were made, as the switch keeps",
            CommandReject::CycleUnknown => "the cycle has no windows in this currency",
            CommandReject::WindowUnknown => "no such window was opened",
            CommandReject::WindowFinal => "the window is settled or aborted already",
            CommandReject::WindowNotSettling => "its settlement has not been started: start it first",
            CommandReject::WindowSettling => "its settlement has been started already",
            CommandReject::WindowsFull => "so many windows are not settled as the switch keeps: settle one first",
            CommandReject::DebtorUnfunded => "a debtor does not have its net: the events say who lacks how much",
            CommandReject::NetUnknown => "the participant has no net in this window",
            CommandReject::NetConfirmed => "its net is confirmed already",
            CommandReject::DebtorsFirst => "so much has not come in yet: confirm debtors first",
            CommandReject::NetTooLarge => {
                "a net is more than can move at once: abort the window, and bring it down first"
            }
            CommandReject::TariffOutOfOrder => "not the next tariff, or in force before the one before it",
            CommandReject::BandsIncomplete => "bands leave a gap, overlap, or do not reach the largest amount",
            CommandReject::TariffsFull => "so many tariffs wait to come into force as the switch keeps",
            CommandReject::IssuerKeysFull => "so many keys of ID systems are trusted as may be: revoke one first",
            CommandReject::IssuerKeyUnknown => "no such key of an ID system is trusted",
            CommandReject::RehashRuns => "the directory's hashes are being made anew: wait until that is done",
            CommandReject::OperatorMissing => "it names no operator: give it with a name",
            CommandReject::ApproverIsOperator => "who approves it is who gives it: let another person approve it",
            CommandReject::ApproverMissing => "it moves money or opens doors: let another person approve it",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_the_same_table_in_the_same_order() {
        let document = include_str!("../../../../docs/scheme-rules.md");
        let (_, section) = document.split_once("## Rejects").expect("the section");
        let mut rows = section.lines().filter(|line| line.contains(" | `"));
        for reject in CommandReject::ALL {
            let row = format!("| {} | `{reject:?}` | {} |", reject.number(), reject.text());
            assert_eq!(rows.next(), Some(row.as_str()));
        }
        assert_eq!(rows.next(), None, "a row of the document has no reject");
        assert!(CommandReject::ALL.is_sorted_by_key(|reject| reject.number()));
    }
}
