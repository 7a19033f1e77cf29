//! Payments that are to be recalled together.

use std::collections::VecDeque;

use crate::flights::Id;
use crate::limits::RECALLS_REMEMBERED_MAX;

/// The newest of them, until they are recalled.
#[derive(Default)]
pub(crate) struct Remembered {
    list: VecDeque<(u32, Id)>,
    is_over: bool,
}

impl Remembered {
    /// One more. Gives the one that is let go of: the oldest where there are too many, and this one where it is too late.
    pub(crate) fn push(&mut self, payment: (u32, Id)) -> Option<(u32, Id)> {
        if self.is_over {
            return Some(payment);
        }
        self.list.push_back(payment);
        if self.list.len() > RECALLS_REMEMBERED_MAX { self.list.pop_front() } else { None }
    }

    /// All of them, once.
    pub(crate) fn take(&mut self) -> VecDeque<(u32, Id)> {
        self.is_over = true;
        std::mem::take(&mut self.list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_remembered_until_they_are_taken() {
        let mut remembered = Remembered::default();
        let max = u32::try_from(RECALLS_REMEMBERED_MAX).expect("it is small");
        let forgotten: Vec<_> = (0..=max).filter_map(|place| remembered.push((place, [7; 16]))).collect();
        assert_eq!(forgotten, [(0, [7; 16])]);
        let taken = remembered.take();
        assert_eq!((taken.len(), taken[0].0), (RECALLS_REMEMBERED_MAX, 1));
        assert_eq!(remembered.push((9, [7; 16])), Some((9, [7; 16])), "too late");
        assert!(remembered.take().is_empty());
    }
}
