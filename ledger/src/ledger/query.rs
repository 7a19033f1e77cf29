//! Questions to a ledger: a transfer of any age, the statement of an account, transfers by time, balances as of a time.
//!
//! What is held in memory is answered from the book, the rest from the index. A page costs the reading of its own records, and
//! of at most one chunk of the index to know the balance before it.

use super::record::{LedgerSchema, TransferEvent, group_of, key_of};
use super::{Ledger, LedgerFault, Posted};
use crate::account::{AccountId, AccountIndex};
use crate::amount::{Amount, Currency};
use crate::history::Balances;
use crate::index::{GroupQuery, IndexSchema, TimeQuery};
use crate::journal::Storage;
use crate::limits::HISTORY_PAGE_MAX;
use crate::transfer::{FinalTransfer, Terms, TransferId, TransferState};

/// A transfer with everything that is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferView {
    /// Its name.
    pub id: TransferId,
    /// The account that gives.
    pub debit: AccountId,
    /// The account that receives.
    pub credit: AccountId,
    /// The currency of both.
    pub currency: Currency,
    /// What was asked for: more than `amount` where it balances and less was available.
    pub asked: Amount,
    /// What was reserved, or moved at once.
    pub amount: Amount,
    /// What has moved for good; `None` while reserved, and once voided or expired.
    pub moved_amount: Option<Amount>,
    /// Where it stands.
    pub state: TransferState,
    /// Code, flags, references, deadline.
    pub terms: Terms,
    /// Journal time of its making.
    pub made_ns: u64,
    /// Where in the journal it took this state, and when; `None` for what is still in memory.
    pub journaled: Option<(u64, u64)>,
}

/// Which part of an account's statement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementQuery {
    /// Movements of this time or later.
    pub from_ns: u64,
    /// Movements of before this time.
    pub until_ns: u64,
    /// 0, or [`Statement::next`] of the page before.
    pub from_record: u64,
    /// At most so many lines; never more than [`HISTORY_PAGE_MAX`].
    pub lines_max: usize,
}

/// One line of a statement: something moved, or, where the account keeps a history, was reserved or released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatementLine {
    /// Journal position.
    pub sequence: u64,
    /// Journal time.
    pub time_ns: u64,
    /// The transfer.
    pub transfer: TransferId,
    /// What became of it.
    pub state: TransferState,
    /// Is this account the one that gives?
    pub is_debit: bool,
    /// The account at the other end.
    pub counterpart: AccountId,
    /// What was reserved, or moved at once.
    pub amount: Amount,
    /// What moved for good.
    pub moved_amount: Option<Amount>,
    /// Code, flags, references, deadline.
    pub terms: Terms,
    /// The account's posted balances after it.
    pub balance: Posted,
    /// All four numbers after it, where the account keeps a history.
    pub balances: Option<Balances>,
}

/// A page of an account's statement. The closing balance of the last page is that at the end of the time asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The account.
    pub account: AccountId,
    /// Its currency.
    pub currency: Currency,
    /// Before the first line of this page.
    pub opening: Posted,
    /// In the order of the journal.
    pub lines: Vec<StatementLine>,
    /// After the last line of this page.
    pub closing: Posted,
    /// Where the next page begins; `None` on the last.
    pub next: Option<u64>,
}

/// A page of transfers by time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferPage {
    /// In the order in which they became final.
    pub transfers: Vec<TransferView>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<u64>,
}

impl<S: Storage> Ledger<S> {
    /// A transfer of any age.
    pub fn transfer(&self, id: TransferId) -> Result<Option<TransferView>, LedgerFault> {
        if let Some(index) = self.book().find_transfer(id) {
            return Ok(Some(self.view(&self.book().description(index), None)));
        }
        let Some(record) = self.index.find(&key_of(id))? else { return Ok(None) };
        self.event(&record).map(|event| Some(self.view_event(&event)))
    }

    /// A page of an account's statement; `None` when there is no such account.
    pub fn statement(&self, account: AccountId, query: &StatementQuery) -> Result<Option<Statement>, LedgerFault> {
        let Some(index) = self.book().find(account) else { return Ok(None) };
        let group = self.group(index);
        let page = self.index.group_page(&GroupQuery {
            group,
            from_record: query.from_record,
            from_ns: query.from_ns,
            until_ns: query.until_ns,
            records_max: query.lines_max.min(HISTORY_PAGE_MAX),
        })?;
        let mut balances = page.state_before;
        let mut lines = Vec::with_capacity(page.numbers.len());
        for record in page.records.chunks_exact(LedgerSchema::RECORD_BYTES) {
            LedgerSchema::advance(&mut balances, group, record);
            lines.push(self.line(index, &self.event(record)?, balances));
        }
        Ok(Some(Statement {
            account,
            currency: self.book().account(index).currency(),
            opening: page.state_before.into(),
            lines,
            closing: balances.into(),
            next: page.next,
        }))
    }

    /// What was posted on an account at the end of a time; `None` when there is no such account.
    pub fn posted_at(&self, account: AccountId, time_ns: u64) -> Result<Option<Posted>, LedgerFault> {
        let Some(index) = self.book().find(account) else { return Ok(None) };
        let state = self.index.group_state_at(self.group(index), time_ns)?;
        Ok(Some(state.into()))
    }

    /// All four numbers of an account at the end of a time; `None` when there is no such account, or it keeps no history.
    pub fn balances_at(&self, account: AccountId, time_ns: u64) -> Result<Option<Balances>, LedgerFault> {
        let Some(index) = self.book().find(account) else { return Ok(None) };
        if !self.book().account(index).keeps_history() {
            return Ok(None);
        }
        Ok(Some(self.index.group_state_at(self.group(index), time_ns)?))
    }

    /// Final transfers by the time at which they became so, from `from_ns` to before `until_ns`, a page of at most
    /// [`HISTORY_PAGE_MAX`]. `from_record` is 0, or [`TransferPage::next`] of the page before.
    pub fn transfers(&self, from_ns: u64, until_ns: u64, from_record: u64) -> Result<TransferPage, LedgerFault> {
        let query = TimeQuery { from_record, from_ns, until_ns, records_max: HISTORY_PAGE_MAX };
        let page = self.index.time_page(&query)?;
        let mut transfers = Vec::new();
        for record in page.records.chunks_exact(LedgerSchema::RECORD_BYTES) {
            let event = self.event(record)?;
            if event.transfer.state != TransferState::Reserved {
                transfers.push(self.view_event(&event));
            }
        }
        Ok(TransferPage { transfers, next: page.next })
    }

    fn group(&self, account: AccountIndex) -> u64 {
        group_of(account, self.book().account(account).keeps_history())
    }

    /// A record of the index, which speaks of accounts of this book only.
    fn event(&self, record: &[u8]) -> Result<TransferEvent, LedgerFault> {
        let accounts = self.book().accounts().len();
        let is_here = |event: &TransferEvent| event.transfer.debit.at().max(event.transfer.credit.at()) < accounts;
        let sequence = LedgerSchema::position(record).0;
        TransferEvent::decode(record).filter(is_here).ok_or(LedgerFault::Differs { what: "an index record", sequence })
    }

    fn view_event(&self, event: &TransferEvent) -> TransferView {
        self.view(&event.transfer, Some((event.sequence, event.time_ns)))
    }

    fn view(&self, transfer: &FinalTransfer, journaled: Option<(u64, u64)>) -> TransferView {
        let debit = self.book().account(transfer.debit);
        TransferView {
            id: transfer.id,
            debit: debit.id(),
            credit: self.book().account(transfer.credit).id(),
            currency: debit.currency(),
            asked: transfer.asked,
            amount: transfer.amount,
            moved_amount: transfer.moved_amount,
            state: transfer.state,
            terms: transfer.terms,
            made_ns: transfer.made_ns,
            journaled,
        }
    }

    fn line(&self, account: AccountIndex, event: &TransferEvent, balances: Balances) -> StatementLine {
        let transfer = &event.transfer;
        let is_debit = transfer.debit == account;
        let counterpart = if is_debit { transfer.credit } else { transfer.debit };
        StatementLine {
            sequence: event.sequence,
            time_ns: event.time_ns,
            transfer: transfer.id,
            state: transfer.state,
            is_debit,
            counterpart: self.book().account(counterpart).id(),
            amount: transfer.amount,
            moved_amount: transfer.moved_amount,
            terms: transfer.terms,
            balance: balances.into(),
            balances: self.book().account(account).keeps_history().then_some(balances),
        }
    }
}
