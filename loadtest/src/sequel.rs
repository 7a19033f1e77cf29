//! What comes before and after a payment: it is asked for, returned, recalled.
//!
//! A payment keeps its place until all of that is over, so nothing is remembered beside payments that are held anyway. Its returns and cases have ids that are
//! made of its own (`flights::Kin`): whoever hears of one finds the payment without a search.

use adapters::message::CaseState;

use crate::flights::Kin;

/// What is to follow a payment once it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sequel {
    /// Nothing.
    #[default]
    Nothing,
    /// The payee provider returns it whole.
    Return,
    /// The payee provider returns it in two parts, one after the other.
    ReturnInTwo,
    /// The payer provider recalls it, and the payee provider returns it.
    RecallReturned,
    /// The payer provider recalls it, and the payee provider refuses.
    RecallRefused,
}

impl Sequel {
    /// Is it recalled?
    pub(crate) fn is_recall(self) -> bool {
        matches!(self, Sequel::RecallReturned | Sequel::RecallRefused)
    }

    /// Which part of so much goes back with this return, and how much has gone back with it.
    pub(crate) fn part(self, kin: Kin, amount: u64) -> (u64, u64) {
        match (self, kin) {
            (Sequel::ReturnInTwo, Kin::Return) => (amount / 2, amount / 2),
            (Sequel::ReturnInTwo, _) => (amount - amount / 2, amount),
            _ => (amount, amount),
        }
    }

    /// Its returns.
    pub(crate) fn returns(self) -> &'static [Kin] {
        match self {
            Sequel::Nothing | Sequel::RecallRefused => &[],
            Sequel::Return | Sequel::RecallReturned => &[Kin::Return],
            Sequel::ReturnInTwo => &[Kin::Return, Kin::SecondReturn],
        }
    }
}

/// What a provider has to send beside orders and answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Errand {
    /// The payee provider asks for the payment.
    #[default]
    Ask,
    /// The payer provider makes the payment it was asked for.
    Pay,
    /// The payer provider could not make it.
    RefuseRequest,
    /// The payee provider gives it back, in this return.
    Return(Kin),
    /// The payer provider asks for it back.
    Recall,
    /// The payee provider does not give it back.
    RefuseRecall,
}

/// What the two providers of a case, the one that opened it first, were told about it by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CaseTold {
    /// The opener: that it is open.
    pub(crate) is_open: bool,
    /// The responder: that it is asked.
    pub(crate) is_asked: bool,
    /// Both: how it ended.
    pub(crate) ends: [Option<CaseState>; 2],
}

impl CaseTold {
    /// Has everybody heard what there is to hear? What the rules reject nobody else hears of.
    pub(crate) fn is_over(&self) -> bool {
        match self.ends {
            [Some(CaseState::Rejected), _] => true,
            [opener, responder] => opener.is_some() && responder.is_some() && self.is_open && self.is_asked,
        }
    }
}

/// How far a payment with more than its order has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Progress {
    /// Of what was last sent for it, and by whom: what is refused before is past.
    pub(crate) ticket: u64,
    /// See `ticket`: the place of the connection.
    pub(crate) sender: u32,
    /// See `ticket`.
    pub(crate) errand: Errand,
    /// When the payer provider was asked: the order is the same each time it is sent.
    pub(crate) asked_ns: u64,
    /// The payee provider was told that the first and the second return are final.
    pub(crate) returned: [bool; 2],
    /// The payer provider was told of them.
    pub(crate) received: [bool; 2],
    /// The request before it.
    pub(crate) request: CaseTold,
    /// The recall after it.
    pub(crate) recall: CaseTold,
}

impl Progress {
    /// Is everything of this sequel over?
    pub(crate) fn is_over(&self, sequel: Sequel) -> bool {
        let is_returned = |kin: &Kin| self.returned[kin.part()] && self.received[kin.part()];
        let is_recalled = !sequel.is_recall() || self.recall.is_over();
        // What the rules did not let be recalled is not returned either.
        let is_rejected = self.recall.ends[0] == Some(CaseState::Rejected);
        is_recalled && (is_rejected || sequel.returns().iter().all(is_returned))
    }

    /// One of its two cases.
    pub(crate) fn case(&mut self, kin: Kin) -> &mut CaseTold {
        if kin == Kin::Request { &mut self.request } else { &mut self.recall }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_parts_are_the_whole() {
        for amount in [2, 3, 1_000_001] {
            let [first, second] = [Kin::Return, Kin::SecondReturn].map(|kin| Sequel::ReturnInTwo.part(kin, amount));
            assert_eq!((first.0 + second.0, second.1), (amount, amount));
            assert!(0 < first.0 && first.1 == first.0);
            assert_eq!(Sequel::Return.part(Kin::Return, amount), (amount, amount));
        }
    }

    #[test]
    fn a_sequel_is_over_when_both_have_heard_all_of_it() {
        let done = CaseTold { is_open: true, is_asked: true, ends: [Some(CaseState::Settled); 2] };
        let mut progress = Progress { returned: [true, false], received: [true, false], ..Progress::default() };
        assert!(progress.is_over(Sequel::Nothing) && progress.is_over(Sequel::Return));
        assert!(!progress.is_over(Sequel::ReturnInTwo) && !progress.is_over(Sequel::RecallReturned));
        progress.recall = done;
        assert!(progress.is_over(Sequel::RecallReturned) && progress.is_over(Sequel::RecallRefused));
        progress.recall.ends[1] = None;
        assert!(!progress.is_over(Sequel::RecallRefused), "who was asked has not heard the end");
        progress.recall = CaseTold { ends: [Some(CaseState::Rejected), None], ..CaseTold::default() };
        assert!(Progress { returned: [false; 2], ..progress }.is_over(Sequel::RecallReturned), "nobody was asked");
    }
}
