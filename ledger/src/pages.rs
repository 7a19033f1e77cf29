//! Items in pages that never move: to grow costs one page at most, never a copy of all there are, neither in time nor in memory.

/// Items of one page: some tens of kilobytes of accounts or transfers, made in some microseconds.
const PAGE_ITEMS: usize = 1_024;

/// A list that grows and shrinks at its end.
pub struct Pages<T> {
    /// Pages of a known size, so that only the number of the page has to be checked. What is behind the end of the list is
    /// filled with items that mean nothing.
    pages: Vec<Box<[T; PAGE_ITEMS]>>,
    len: usize,
}

impl<T> Default for Pages<T> {
    fn default() -> Pages<T> {
        Pages { pages: Vec::new(), len: 0 }
    }
}

impl<T: Clone> Pages<T> {
    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item at a place.
    ///
    /// # Panics
    /// Where the list ends before it.
    #[inline]
    pub fn get(&self, at: usize) -> &T {
        assert!(at < self.len);
        &self.pages[at / PAGE_ITEMS][at % PAGE_ITEMS]
    }

    /// Of a place that is known to be in the list: here that is only checked where checks cost nothing.
    #[inline]
    pub fn get_mut(&mut self, at: usize) -> &mut T {
        debug_assert!(at < self.len);
        &mut self.pages[at / PAGE_ITEMS][at % PAGE_ITEMS]
    }

    /// Adds one at the end.
    #[inline]
    pub fn push(&mut self, item: T) {
        if self.len == self.pages.len() * PAGE_ITEMS {
            self.add_page(&item);
        }
        self.len += 1;
        *self.get_mut(self.len - 1) = item;
    }

    /// Takes the last one back.
    ///
    /// # Panics
    /// Where there is none.
    pub fn pop(&mut self) {
        assert!(self.len > 0, "what is taken back was there");
        self.len -= 1;
        // One page may stay empty, so that a list that goes up and down at its border makes no page each time.
        self.pages.truncate(self.len / PAGE_ITEMS + 1);
    }

    /// All, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &T> + DoubleEndedIterator {
        (0..self.len).map(|at| self.get(at))
    }

    #[cold]
    fn add_page(&mut self, filling: &T) {
        let page: Box<[T]> = vec![filling.clone(); PAGE_ITEMS].into_boxed_slice();
        self.pages.push(page.try_into().ok().expect("it has the length of a page"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_stay_in_their_order_over_the_borders_of_pages() {
        let mut pages = Pages::default();
        let len = 2 * PAGE_ITEMS + 1;
        for item in 0..len {
            pages.push(item);
            assert_eq!((pages.len(), *pages.get(item)), (item + 1, item));
        }
        assert!(pages.iter().copied().eq(0..len));
        for _ in PAGE_ITEMS - 1..len {
            pages.pop();
        }
        pages.push(7);
        *pages.get_mut(PAGE_ITEMS - 1) += 1;
        assert!(pages.iter().rev().copied().eq([8].into_iter().chain((0..PAGE_ITEMS - 1).rev())));
        for _ in 0..PAGE_ITEMS {
            pages.pop();
        }
        assert_eq!((pages.len(), pages.iter().next()), (0, None));
    }
}
