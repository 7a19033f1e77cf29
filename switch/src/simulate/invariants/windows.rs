//! Windows: nets are those of the auditor, which counts postings, and sum to zero. What is closed changes by confirmations alone, until it is settled or given up.

use std::collections::BTreeMap;

use super::{Finding, Turn};
use crate::engine::scheme::settlement::{CycleBook, Net};
use crate::simulate::auditor::Window;

pub(in super::super) const NAME: &str = "closed windows change by their settlement alone";

/// Nets of closed windows after the turn before.
#[derive(Default)]
pub(in super::super) struct Before {
    nets: BTreeMap<(u32, u8, u32), Vec<Net>>,
}

impl Before {
    pub(super) fn check(&mut self, turn: &Turn<'_>) -> Finding {
        if turn.records.is_empty() {
            return Ok(());
        }
        let books = turn.pipeline.engine().scheme().settlement.cycles();
        let right: Vec<_> = turn.auditor.scheme().cycles().collect();
        if books.len() != right.len() {
            return Err(format!("{} cycles have windows, it should be {}", books.len(), right.len()));
        }
        let mut nets = BTreeMap::new();
        for (book, (currency, cycle, open_number, windows)) in books.iter().zip(right) {
            let of = (book.currency as usize, book.cycle as u8, book.open_number, book.windows.len());
            if of != (currency, cycle, open_number, windows.len()) {
                return Err(format!(
                    "{of:?} are not the windows of {:?}",
                    (currency, cycle, open_number, windows.len())
                ));
            }
            check_open(turn, book)?;
            for (window, right) in book.windows.iter().zip(windows) {
                check_closed(window, right)?;
                let key = (book.currency, book.cycle as u8, window.number);
                if let Some(before) = self.nets.get(&key) {
                    check_change(before, &window.nets)?;
                }
                nets.insert(key, window.nets.clone());
            }
        }
        self.nets = nets;
        Ok(())
    }
}

fn check_open(turn: &Turn<'_>, book: &CycleBook) -> Finding {
    let (nets, own) = turn.pipeline.engine().open_nets(book);
    if nets.iter().map(|net| net.net).sum::<i128>() + own != 0 {
        return Err(format!("open nets do not sum to zero: {nets:?}, and {own}"));
    }
    let mut of: Vec<(u32, i128)> = nets.iter().map(|net| (net.participant, net.net)).collect();
    if own != 0 {
        of.insert(0, (0, own));
    }
    let right = turn.auditor.scheme().open_nets(book.currency as usize, book.cycle as u8);
    if of == right { Ok(()) } else { Err(format!("the open window has {of:?}, it should be {right:?}")) }
}

fn check_closed(window: &crate::engine::scheme::settlement::Window, right: &Window) -> Finding {
    let nets: Vec<(u32, i128, bool)> =
        window.nets.iter().map(|net| (net.participant, net.net, net.is_confirmed)).collect();
    if (window.number, window.is_settling, &nets) != (right.number, right.is_settling, &right.nets) {
        return Err(format!("a window is {window:?}, it should be {right:?}"));
    }
    let sum: i128 = window.nets.iter().map(|net| net.net).sum();
    if sum + window.scheme_net == 0 { Ok(()) } else { Err(format!("nets do not sum to zero: {window:?}")) }
}

fn check_change(before: &[Net], now: &[Net]) -> Finding {
    let is_same = |(one, other): (&Net, &Net)| {
        one.participant == other.participant && one.net == other.net && (other.is_confirmed || !one.is_confirmed)
    };
    let is_kept = before.len() == now.len() && before.iter().zip(now).all(is_same);
    if is_kept { Ok(()) } else { Err(format!("nets of a closed window were {before:?} and are {now:?}")) }
}
