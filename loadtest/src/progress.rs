//! What a person sees while a run goes on; nothing where standard error is no terminal.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::limits::NS_PER_S;
use crate::tally::Tally;

/// A bar.
pub(crate) struct Progress {
    bar: ProgressBar,
    ended: u64,
}

impl Progress {
    pub(crate) fn new(is_wanted: bool, duration_ns: u64) -> Progress {
        if !is_wanted || !std::io::stderr().is_terminal() {
            return Progress { bar: ProgressBar::hidden(), ended: 0 };
        }
        let bar = ProgressBar::with_draw_target(Some(duration_ns / NS_PER_S), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} s  {msg}") {
            bar.set_style(style);
        }
        Progress { bar, ended: 0 }
    }

    /// To be called once a second.
    pub(crate) fn show(&mut self, elapsed_ns: u64, tally: &Tally, open: usize) {
        let ended = tally.ended();
        let last_second = ended - std::mem::replace(&mut self.ended, ended);
        if !self.bar.is_hidden() {
            self.bar.set_position(elapsed_ns / NS_PER_S);
            self.bar.set_message(format!("{last_second} payments/s, {open} open"));
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
