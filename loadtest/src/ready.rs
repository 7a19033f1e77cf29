//! Which connections have something to do.
//!
//! Asking every socket in every turn costs 40 ns each: nothing for sixteen of them, half of a core for a thousand. Here each connection has a waker of its
//! own, which puts it on a list and wakes the one task; a turn asks only those on the list.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// The list, and the task that reads it. Locked for a moment at a time, and by one thread but for the end of a handshake.
#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    places: Vec<usize>,
    task: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One connection's waker.
struct Bell {
    place: usize,
    is_listed: AtomicBool,
    shared: Arc<Shared>,
}

impl Bell {
    /// Puts the connection on the list; the task, if it is to be woken.
    fn list(&self) -> Option<Waker> {
        if self.is_listed.swap(true, Ordering::AcqRel) {
            return None;
        }
        let mut inner = self.shared.lock();
        inner.places.push(self.place);
        inner.task.clone()
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(task) = self.list() {
            task.wake();
        }
    }
}

/// All connections, by place.
pub(crate) struct Ready {
    shared: Arc<Shared>,
    bells: Vec<(Arc<Bell>, Waker)>,
    /// What was taken from the list; kept for its memory.
    taken: Vec<usize>,
}

impl Ready {
    /// So many connections, all on the list: each must be asked once before its socket can tell.
    pub(crate) fn new(count: usize) -> Ready {
        let shared = Arc::new(Shared::default());
        let bells = (0..count).map(|place| {
            let bell = Arc::new(Bell { place, is_listed: AtomicBool::new(false), shared: Arc::clone(&shared) });
            (Arc::clone(&bell), Waker::from(bell))
        });
        let ready = Ready { bells: bells.collect(), shared, taken: Vec::new() };
        (0..count).for_each(|place| ready.list(place));
        ready
    }

    /// Takes the list of this turn; from now on `cx` is whom to wake. To be given back with `give_back`.
    pub(crate) fn take(&mut self, cx: &Context<'_>) -> Vec<usize> {
        let mut taken = std::mem::take(&mut self.taken);
        let mut inner = self.shared.lock();
        if inner.task.as_ref().is_none_or(|task| !task.will_wake(cx.waker())) {
            inner.task = Some(cx.waker().clone());
        }
        std::mem::swap(&mut taken, &mut inner.places);
        drop(inner);
        // Before they are asked: what comes while they are, lists them again.
        taken.iter().for_each(|&place| self.bells[place].0.is_listed.store(false, Ordering::Release));
        taken
    }

    /// The list of a turn, for its memory.
    pub(crate) fn give_back(&mut self, mut taken: Vec<usize>) {
        taken.clear();
        self.taken = taken;
    }

    /// For a connection's sockets and handshakes.
    pub(crate) fn waker(&self, place: usize) -> &Waker {
        &self.bells[place].1
    }

    /// To be asked in the next turn, which is certain to come.
    pub(crate) fn list(&self, place: usize) {
        self.bells[place].0.list();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Task {
        is_woken: AtomicBool,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.is_woken.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn who_rings_is_asked_once_and_the_task_is_woken() {
        let task = Arc::new(Task::default());
        let waker = Waker::from(Arc::clone(&task));
        let cx = Context::from_waker(&waker);
        let mut ready = Ready::new(3);
        let take = |ready: &mut Ready| {
            let taken = ready.take(&cx);
            let places = taken.clone();
            ready.give_back(taken);
            places
        };
        assert_eq!(take(&mut ready), [0, 1, 2], "everybody is asked once");
        assert_eq!(take(&mut ready), [0; 0]);
        ready.list(2);
        assert!(!task.is_woken.load(Ordering::Relaxed));
        ready.waker(1).wake_by_ref();
        ready.waker(1).wake_by_ref();
        assert!(task.is_woken.load(Ordering::Relaxed));
        assert_eq!(take(&mut ready), [2, 1]);
        ready.waker(1).wake_by_ref();
        assert_eq!(take(&mut ready), [1]);
    }
}
