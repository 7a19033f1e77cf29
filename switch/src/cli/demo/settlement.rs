//! The end of the demo's day: the operator closes the settlement window of its payments, and settles it. The commands go the way of `switch admin`.

use std::path::Path;

use super::super::Failure;
use super::super::print::money;
use super::{CURRENCY, PROVIDERS};
use crate::engine::scheme::settlement::Cycle;
use crate::lookup::Trouble;
use crate::operator::view::{NetRow, Question, View, WindowRow, WindowState};
use crate::operator::{Action, Decided, Request, SettlementInput};
use crate::server::AdminOffice;

/// Closes the open window, settles it, and prints both.
pub(super) fn tell_settlement(data: &Path) -> Result<(), Failure> {
    let desk = Desk { office: AdminOffice::of(data) };
    desk.settle().map_err(Failure::fault)
}

struct Desk<'a> {
    office: AdminOffice<'a>,
}

impl Desk<'_> {
    fn settle(&self) -> Result<(), Trouble> {
        // What an earlier demo of this directory left open, and what this one brought.
        self.give(Action::CutOff { currency: CURRENCY.to_owned(), cycle: Cycle::Payments })?;
        for window in self.windows()?.into_iter().filter(|window| window.state != WindowState::Open) {
            self.settle_window(&window)?;
        }
        Ok(())
    }

    fn settle_window(&self, window: &WindowRow) -> Result<(), Trouble> {
        let number = window.window;
        println!("\nThe operator closes settlement window {number} of {CURRENCY}: what each owes, or is owed");
        let mut nets = self.nets(number)?;
        for net in &nets {
            let amount = money(net.net.unsigned_abs(), net.minor_digits);
            let verb = if net.net < 0 { "owes" } else { "gets" };
            println!("  {:<20} {verb} {amount:>20}", name_of(&net.participant));
        }
        let sum: i128 = nets.iter().map(|net| net.net).sum();
        println!("  all together {:>32}", money(sum.unsigned_abs(), window.minor_digits));
        let step = |step| Action::StepSettlement {
            currency: CURRENCY.to_owned(),
            cycle: Cycle::Payments,
            window: number,
            step,
        };
        if window.state == WindowState::Closed {
            let started = self.give(step(SettlementInput::Start))?;
            println!(
                "  started: what debtors owe is held on their settlement accounts (journal position {})",
                started.position
            );
        }
        nets.retain(|net| !net.is_confirmed);
        nets.sort_by_key(|net| net.net > 0);
        let mut last = None;
        for net in nets {
            last = Some(self.give(step(SettlementInput::Confirm(net.participant)))?);
        }
        if let Some(last) = last {
            println!("  settled: debtors first, then creditors (journal position {})", last.position);
        }
        Ok(())
    }

    fn windows(&self) -> Result<Vec<WindowRow>, Trouble> {
        match self.office.look(Question::Windows {})? {
            View::Windows(page) => Ok(page.rows),
            other => Err(Trouble::Fault(format!("the switch answers what was not asked: {other:?}"))),
        }
    }

    /// All of three providers stand on one page.
    fn nets(&self, window: u32) -> Result<Vec<NetRow>, Trouble> {
        let question = Question::Nets { currency: CURRENCY.to_owned(), cycle: Cycle::Payments, window, after: 0 };
        match self.office.look(question)? {
            View::Nets(page) => Ok(page.rows),
            other => Err(Trouble::Fault(format!("the switch answers what was not asked: {other:?}"))),
        }
    }

    /// Gives a command with two people's names under it.
    fn give(&self, action: Action) -> Result<Decided, Trouble> {
        let request = Request {
            operator: "demo.operator".to_owned(),
            approver: Some("demo.approver".to_owned()),
            reason: "end of the demo's day".to_owned(),
            action,
        };
        match self.office.give(request)? {
            Decided { refused: Some(refused), .. } => Err(Trouble::Refused(refused.text)),
            decided => Ok(decided),
        }
    }
}

fn name_of(code: &str) -> &str {
    PROVIDERS.iter().find(|(known, ..)| *known == code).map_or(code, |(_, name, _)| name)
}
