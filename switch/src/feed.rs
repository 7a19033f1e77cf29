//! What one participant is sent, over one connection or two: which numbers of each lane went where, and which came back acknowledged.
//!
//! A participant may have a connection in each of two slots. A turn's new frames go to one of them, the next turn's to the other, so the numbers of a lane
//! interleave over the two. What the provider acknowledges counts over both. When one is cut, what it was given goes to the other, made anew from records.
//!
//! Each number of a lane is in one state:
//!
//! | a number is | frames of it are given to connection c | its connection is cut, the other is live | the provider has it |
//! |---|---|---|---|
//! | waiting (above `sent`) | given to c | stays | acknowledged: an earlier connection gave it, and it came late |
//! | given to c | cannot be | again | acknowledged |
//! | again (to be sent again) | given to c | stays | acknowledged |
//! | acknowledged | stays | stays | stays |
//!
//! New frames are given in the order of numbers, so what waits is all that is above `sent`. Once no connection is left nothing of this matters: the next `Hello` says
//! what the provider has, and everything after that waits.
//!
//! The feed knows numbers, not messages. It does no I/O; who may be given something (who has room) it is told.

use std::collections::VecDeque;

use adapters::limits::CONNECTION_SLOTS;
use adapters::message::{Cursors, Lane, OUTBOX_LANES};

use crate::entry::ParticipantId;
use crate::limits::SPANS_MAX;
use crate::session::SessionKey;
use crate::watermarks::LaneWatermarks;

/// Numbers of a lane, from `first` to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The lowest.
    pub first: u64,
    /// The highest.
    pub last: u64,
}

/// Numbers in ascending order, as few spans as there can be.
#[derive(Clone, Debug, Default)]
struct Spans(VecDeque<Span>);

impl Spans {
    /// Would a span that begins with this number only make the last one longer?
    fn is_continued_by(&self, first: u64) -> bool {
        self.0.back().is_some_and(|last| last.last + 1 == first)
    }

    /// Adds numbers that are not there.
    fn insert(&mut self, span: Span) {
        // Nearly always behind all others.
        if self.is_continued_by(span.first) {
            let back = self.0.len() - 1;
            self.0[back].last = span.last;
            return;
        }
        let place = match self.0.back() {
            Some(back) if span.first < back.first => self.0.partition_point(|other| other.first < span.first),
            _ => self.0.len(),
        };
        self.0.insert(place, span);
        self.join(place + 1);
        self.join(place);
    }

    /// Makes one of the span here and the one before it, where nothing is between them.
    fn join(&mut self, place: usize) {
        let Some(before) = place.checked_sub(1) else { return };
        if let Some(&span) = self.0.get(place)
            && self.0[before].last + 1 == span.first
        {
            self.0[before].last = span.last;
            self.0.remove(place);
        }
    }

    /// Takes these numbers out from the front, as far as they are there.
    fn trim(&mut self, through: u64) {
        while let Some(front) = self.0.front_mut()
            && front.first <= through
        {
            front.first = through.saturating_add(1);
            if front.first > front.last {
                self.0.pop_front();
            }
        }
    }

    /// Takes these numbers out, as far as they are there.
    fn remove(&mut self, span: Span) {
        for other in std::mem::take(&mut self.0) {
            let before = Span { last: other.last.min(span.first.saturating_sub(1)), ..other };
            let after = Span { first: other.first.max(span.last.saturating_add(1)), ..other };
            self.0.extend([before, after].into_iter().filter(|rest| rest.first <= rest.last));
        }
    }

    /// How many numbers.
    fn count(&self) -> u64 {
        self.0.iter().map(|span| span.last - span.first + 1).sum()
    }
}

/// One lane of one participant.
#[derive(Clone, Debug, Default)]
struct LaneFeed {
    /// Given to some connection.
    sent: u64,
    /// The provider has everything up to here.
    acknowledged: u64,
    /// Given to the connection of each slot and not acknowledged.
    given: [Spans; CONNECTION_SLOTS],
    /// Given to a connection that is no more, and not acknowledged.
    again: Spans,
    /// Records are being made into frames. If they are new, `sent` stands until they are here, so nothing newer overtakes them.
    is_rendering: bool,
}

impl LaneFeed {
    /// May numbers from `first` on be given to this slot, or are too many spans remembered already?
    fn has_place_for(&self, slot: usize, first: u64) -> bool {
        // With one connection there is one span, and nothing more is looked at.
        self.given[slot].is_continued_by(first) || self.spans() < SPANS_MAX
    }

    fn spans(&self) -> usize {
        self.again.0.len() + self.given.iter().map(|spans| spans.0.len()).sum::<usize>()
    }

    /// True if that is news.
    fn acknowledge(&mut self, number: u64) -> bool {
        let is_news = number > self.acknowledged;
        if is_news {
            self.acknowledged = number;
            self.given.iter_mut().for_each(|spans| spans.trim(number));
            self.again.trim(number);
        }
        is_news
    }
}

/// What one participant is sent.
#[derive(Clone, Debug, Default)]
pub struct Feed {
    /// The live connection of each slot.
    lines: [Option<SessionKey>; CONNECTION_SLOTS],
    lanes: [LaneFeed; OUTBOX_LANES],
    /// The turn that last gave something new, and the slot that it went to.
    turn: u64,
    slot: usize,
    /// Counts how often the last connection has left. Frames that were asked for in an earlier life are nobody's.
    life: u64,
    /// Is it in the list of those with records to be made into frames?
    pub is_behind: bool,
    /// Is it in the list of those whose acknowledgements are to be journaled?
    pub has_moved: bool,
    /// The batch in which the participant has payment orders, and how many.
    orders: (u64, u32),
}

impl Feed {
    /// The live connection of a slot.
    pub fn line(&self, slot: usize) -> Option<SessionKey> {
        self.lines[slot]
    }

    /// All live connections.
    pub fn lines(&self) -> impl Iterator<Item = SessionKey> {
        self.lines.into_iter().flatten()
    }

    /// Is anybody there?
    pub fn is_live(&self) -> bool {
        self.lines != [None; CONNECTION_SLOTS]
    }

    /// The life that frames must have been asked for in.
    pub fn life(&self) -> u64 {
        self.life
    }

    /// Payment orders of the participant in the open batch, which follows this journal position: the limit is the participant's, whatever its connections do.
    pub fn orders_after(&self, position: u64) -> u32 {
        if self.orders.0 == position { self.orders.1 } else { 0 }
    }

    /// One more order is in that batch.
    pub fn count_order(&mut self, position: u64) {
        self.orders = (position, self.orders_after(position) + 1);
    }

    /// A connection begins where no other is: its lanes go on after these numbers.
    pub fn start(&mut self, slot: usize, key: SessionKey, resumed_after: Cursors) {
        assert!(!self.is_live(), "who is alone says where it goes on");
        self.lines[slot] = Some(key);
        for (lane, after) in self.lanes.iter_mut().zip(resumed_after) {
            (lane.sent, lane.acknowledged) = (after, after);
        }
    }

    /// Can a provider that has seen so much be the one whose other connection is live? Who has seen what was never sent is in another life.
    pub fn could_have_seen(&self, seen: Cursors) -> bool {
        self.lanes.iter().zip(seen).all(|(lane, seen)| seen <= lane.sent || seen == u64::MAX)
    }

    /// A connection begins beside another: what it has seen is acknowledged. Gives what is acknowledged of each lane.
    pub fn join(&mut self, slot: usize, key: SessionKey, seen: Cursors) -> Cursors {
        assert!(self.lines[slot].is_none() && self.is_live() && self.could_have_seen(seen));
        self.lines[slot] = Some(key);
        for (lane, seen) in self.lanes.iter_mut().zip(seen) {
            if seen != u64::MAX {
                lane.acknowledge(seen);
            }
        }
        self.acknowledged()
    }

    /// The connection of a slot is gone. True if the other one is to be sent something again.
    #[must_use]
    pub fn leave(&mut self, slot: usize) -> bool {
        self.lines[slot] = None;
        let is_live = self.is_live();
        for lane in &mut self.lanes {
            let given = std::mem::take(&mut lane.given[slot]);
            if is_live {
                given.0.into_iter().for_each(|span| lane.again.insert(span));
            } else {
                lane.again.0.clear();
                lane.is_rendering = false;
            }
        }
        self.life += u64::from(!is_live);
        self.lanes.iter().any(|lane| !lane.again.0.is_empty())
    }

    /// The number of a new frame: who gets it, if it is the next one and somebody has room. It is given then.
    pub fn offer(
        &mut self,
        lane: Lane,
        number: u64,
        turn: u64,
        has_room: impl Fn(SessionKey) -> bool,
    ) -> Option<SessionKey> {
        let place = lane_place(lane);
        if self.lanes[place].sent + 1 != number {
            return None;
        }
        if self.turn != turn {
            self.turn = turn;
            self.slot = (self.slot + 1) % CONNECTION_SLOTS;
        }
        let (slot, key) = self.choose(|slot, key| has_room(key) && self.lanes[place].has_place_for(slot, number))?;
        self.slot = slot;
        let lane = &mut self.lanes[place];
        lane.sent = number;
        lane.given[slot].insert(Span { first: number, last: number });
        Some(key)
    }

    /// The connection that is in turn, or the other, whichever may first.
    fn choose(&self, may: impl Fn(usize, SessionKey) -> bool) -> Option<(usize, SessionKey)> {
        let slots = (0..CONNECTION_SLOTS).map(|offset| (self.slot + offset) % CONNECTION_SLOTS);
        slots.filter_map(|slot| Some((slot, self.lines[slot]?))).find(|&(slot, key)| may(slot, key))
    }

    /// Is there anything that must be made into frames, where so much is enqueued?
    pub fn is_lane_behind(&self, lane: Lane, enqueued: u64) -> bool {
        let lane = &self.lanes[lane_place(lane)];
        lane.sent < enqueued || !lane.again.0.is_empty()
    }

    /// Asks for frames of a lane, unless that is being done, or what could be asked for has no place. False where it does not.
    pub fn begin_rendering(&mut self, lane: Lane) -> bool {
        let lane = &mut self.lanes[lane_place(lane)];
        let next = lane.sent + 1;
        let has_place = !lane.again.0.is_empty()
            || (0..CONNECTION_SLOTS).any(|slot| self.lines[slot].is_some() && lane.has_place_for(slot, next));
        has_place && !std::mem::replace(&mut lane.is_rendering, true)
    }

    /// What is to be made into frames now, where so much is enqueued: first what must be sent again. None where the provider has it all meanwhile.
    pub fn wanted(&mut self, lane: Lane, enqueued: u64) -> Option<Span> {
        let lane = &mut self.lanes[lane_place(lane)];
        let new = Span { first: lane.sent + 1, last: enqueued };
        let wanted = lane.again.0.front().copied().or((new.first <= new.last).then_some(new));
        lane.is_rendering = wanted.is_some();
        wanted
    }

    /// The frames that were asked for are here, in the life in which they were: who gets them. None where the provider has them already.
    pub fn give_rendered(
        &mut self,
        lane: Lane,
        made: Span,
        has_room: impl Fn(SessionKey) -> bool,
    ) -> Option<SessionKey> {
        let place = lane_place(lane);
        assert!(self.lanes[place].is_rendering, "frames come because they were asked for");
        // Who has room now; if nobody has, who had some when they were asked for takes this portion as well.
        let (slot, key) = self.choose(|_, key| has_room(key)).or_else(|| self.choose(|_, _| true))?;
        let lane = &mut self.lanes[place];
        lane.is_rendering = false;
        if made.last > lane.sent {
            assert!(made.first <= lane.sent + 1, "nothing new is given before it is its turn");
            lane.sent = made.last;
        } else {
            lane.again.remove(made);
        }
        let first = made.first.max(lane.acknowledged + 1);
        if first > made.last {
            return None;
        }
        lane.given[slot].insert(Span { first, last: made.last });
        Some(key)
    }

    /// The provider says that it has everything up to `number` of a lane, on either connection, where so much is enqueued. Tells whether that is news; none where
    /// it cannot have that. It can have more than these connections were given: what an earlier one was given may come after the `Hello` of a later one.
    #[must_use]
    pub fn take_acknowledgement(&mut self, lane: Lane, number: u64, enqueued: Cursors) -> Option<bool> {
        let Some(place) = lane.outbox_index() else { return Some(false) };
        let lane = &mut self.lanes[place];
        let is_possible = number <= enqueued[place];
        is_possible.then(|| {
            lane.sent = lane.sent.max(number);
            lane.acknowledge(number)
        })
    }

    /// What the provider has, of each lane.
    pub fn acknowledged(&self) -> Cursors {
        self.lanes.each_ref().map(|lane| lane.acknowledged)
    }

    /// How far each lane has come, where so much is enqueued.
    pub fn watermarks(&self, enqueued: Cursors) -> [LaneWatermarks; OUTBOX_LANES] {
        std::array::from_fn(|place| {
            let LaneFeed { sent, acknowledged, .. } = self.lanes[place];
            LaneWatermarks { enqueued: enqueued[place], sent, acknowledged }
        })
    }

    /// Checks the order of each lane's watermarks, and that every number between two of them is in one place.
    pub fn validate(&self, enqueued: Cursors) {
        self.watermarks(enqueued).iter().for_each(LaneWatermarks::validate);
        for lane in self.lanes.iter().filter(|_| self.is_live()) {
            let somewhere = lane.again.count() + lane.given.iter().map(Spans::count).sum::<u64>();
            assert_eq!(
                somewhere,
                lane.sent - lane.acknowledged,
                "what was sent is given or to be sent again: {lane:?}"
            );
        }
    }
}

fn lane_place(lane: Lane) -> usize {
    lane.outbox_index().unwrap_or_else(|| unreachable!("the session lane has no outbox"))
}

/// All feeds, by participant number.
#[derive(Default)]
pub struct Feeds {
    list: Vec<Feed>,
}

impl Feeds {
    /// The feed of a participant that was connected once; none of any other.
    pub fn get(&self, participant: ParticipantId) -> Option<&Feed> {
        self.list.get(participant.0 as usize - 1)
    }

    /// As `get`, to change it.
    pub fn get_mut(&mut self, participant: ParticipantId) -> Option<&mut Feed> {
        self.list.get_mut(participant.0 as usize - 1)
    }

    /// The feed of a participant that connects.
    pub fn of(&mut self, participant: ParticipantId) -> &mut Feed {
        let place = participant.0 as usize - 1;
        if self.list.len() <= place {
            self.list.resize_with(place + 1, Feed::default);
        }
        &mut self.list[place]
    }

    /// All, with their participants.
    pub fn iter(&self) -> impl Iterator<Item = (ParticipantId, &Feed)> {
        (1..).map(ParticipantId).zip(&self.list)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    #![allow(clippy::cast_possible_truncation, reason = "numbers of a test are small")]
    use super::*;
    use crate::session::{PeerCertificate, Session, Sessions};
    use adapters::message::ParticipantCode;

    const LANE: Lane = Lane::Payments;

    /// Where a number is, as in the table above.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum State {
        Waiting,
        Given(usize),
        Again,
        Acknowledged,
    }
    use State::{Acknowledged, Again, Given, Waiting};

    #[derive(Clone, Copy, Debug)]
    enum Input {
        /// Frames of it go to this connection.
        Give(usize),
        /// This connection is cut, and the other is live.
        Cut(usize),
        /// It is acknowledged.
        Acknowledge,
    }

    /// The table above. None is what cannot be.
    fn next(state: State, input: Input) -> Option<State> {
        match (state, input) {
            (Waiting, Input::Give(slot)) => Some(Given(slot)),
            (Waiting, Input::Cut(_)) => Some(Waiting),
            (Waiting, Input::Acknowledge) => Some(Acknowledged),
            (Given(_), Input::Give(_)) => None,
            (Given(slot), Input::Cut(cut)) if slot == cut => Some(Again),
            (Given(slot), Input::Cut(_)) => Some(Given(slot)),
            (Given(_), Input::Acknowledge) => Some(Acknowledged),
            (Again, Input::Give(slot)) => Some(Given(slot)),
            (Again, Input::Cut(_)) => Some(Again),
            (Again, Input::Acknowledge) => Some(Acknowledged),
            (Acknowledged, _) => Some(Acknowledged),
        }
    }

    impl Feed {
        fn state_of(&self, number: u64) -> State {
            let lane = &self.lanes[0];
            let is_in = |spans: &Spans| spans.0.iter().any(|span| span.first <= number && number <= span.last);
            let places = [is_in(&lane.given[0]), is_in(&lane.given[1]), is_in(&lane.again)];
            let of_sent = [(places[0], Given(0)), (places[1], Given(1)), (places[2], Again)];
            let mut states: Vec<State> = of_sent.into_iter().filter(|(is, _)| *is).map(|(_, state)| state).collect();
            states.extend((number > lane.sent).then_some(Waiting));
            states.extend((number <= lane.acknowledged).then_some(Acknowledged));
            assert_eq!(states.len(), 1, "number {number} is in one place: {lane:?}");
            states[0]
        }

        fn slot_of(&self, key: SessionKey) -> usize {
            self.lines.iter().position(|line| *line == Some(key)).unwrap()
        }
    }

    /// What can happen.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// One more number, in a turn of its own, while the connections in this set have room.
        New([bool; 2]),
        /// Frames are asked for.
        Ask,
        /// They come: of one number, or of all.
        Made(bool),
        Cut(usize),
        Join(usize),
        /// The provider has so many more, from the lowest on.
        Has(u64),
    }

    #[derive(Clone)]
    struct World {
        keys: [SessionKey; 2],
        feed: Feed,
        /// What the table says of numbers from 1 on.
        states: Vec<State>,
        asked: Option<(u64, Span)>,
    }

    impl World {
        fn new() -> World {
            let mut sessions = Sessions::default();
            let holder = ParticipantCode::parse("ALPHA").unwrap();
            let certificate = PeerCertificate { holder, fingerprint: [0; 32] };
            let keys = [0, 1].map(|_| sessions.add(Session::new(certificate, 0)));
            World { keys, feed: Feed::default(), states: Vec::new(), asked: None }
        }

        fn move_each(&mut self, span: Span, input: Input) {
            for number in span.first..=span.last {
                let state = &mut self.states[number as usize - 1];
                *state = next(*state, input).unwrap_or_else(|| panic!("{number}: {input:?} of {state:?}"));
            }
        }

        fn all(&self) -> Span {
            Span { first: 1, last: self.states.len() as u64 }
        }

        /// Does the step, as far as it can be done now.
        fn step(&mut self, step: Step) {
            let enqueued = self.states.len() as u64;
            match step {
                Step::New(room) if enqueued < 5 => {
                    self.states.push(Waiting);
                    let number = enqueued + 1;
                    let keys = self.keys;
                    let has_room = |key| room[usize::from(key == keys[1])];
                    if let Some(key) = self.feed.offer(LANE, number, number, has_room) {
                        assert!(has_room(key));
                        let slot = self.feed.slot_of(key);
                        self.move_each(Span { first: number, last: number }, Input::Give(slot));
                    }
                }
                Step::Ask if self.feed.is_live() && self.asked.is_none() => {
                    let is_asked = self.feed.is_lane_behind(LANE, enqueued) && self.feed.begin_rendering(LANE);
                    let wanted = if is_asked { self.feed.wanted(LANE, enqueued) } else { None };
                    self.asked = wanted.map(|span| (self.feed.life(), span));
                }
                Step::Made(one) => {
                    let Some((life, asked)) = self.asked.take() else { return };
                    if life != self.feed.life() {
                        return;
                    }
                    let made = Span { last: if one { asked.first } else { asked.last }, ..asked };
                    if let Some(key) = self.feed.give_rendered(LANE, made, |_| true) {
                        let slot = self.feed.slot_of(key);
                        // Of what the provider has meanwhile, nothing is remembered.
                        self.move_each(made, Input::Give(slot));
                    }
                }
                Step::Cut(slot) if self.feed.line(slot).is_some() => {
                    let again = self.feed.leave(slot);
                    if self.feed.is_live() {
                        self.move_each(self.all(), Input::Cut(slot));
                        assert_eq!(again, self.states.contains(&Again));
                    } else {
                        assert!(!again);
                    }
                }
                Step::Join(slot) if self.feed.line(slot).is_none() => {
                    if self.feed.is_live() {
                        let acknowledged = self.feed.join(slot, self.keys[slot], [0, u64::MAX, 0]);
                        assert_eq!(acknowledged, [self.feed.lanes[0].acknowledged, 0, 0]);
                    } else {
                        // What it has seen is what it had acknowledged: everything after that waits.
                        let seen = self.feed.lanes[0].acknowledged;
                        self.feed.start(slot, self.keys[slot], [seen, 0, 0]);
                        self.states.iter_mut().skip(seen as usize).for_each(|state| *state = Waiting);
                    }
                }
                Step::Has(more) if self.feed.is_live() => {
                    let number = self.feed.lanes[0].acknowledged + more;
                    let is_possible = number <= enqueued;
                    let taken = self.feed.take_acknowledgement(LANE, number, [enqueued, 0, 0]);
                    assert_eq!(taken, is_possible.then_some(true));
                    if is_possible {
                        self.move_each(Span { first: 1, last: number }, Input::Acknowledge);
                    }
                }
                _ => {}
            }
            self.check();
        }

        fn check(&self) {
            let enqueued = self.states.len() as u64;
            self.feed.validate([enqueued, 0, 0]);
            if self.feed.is_live() {
                let found: Vec<State> = (1..=enqueued).map(|number| self.feed.state_of(number)).collect();
                assert_eq!(found, self.states);
                let is_behind = self.states.iter().any(|state| matches!(state, Waiting | Again));
                assert_eq!(self.feed.is_lane_behind(LANE, enqueued), is_behind);
            }
        }
    }

    const STEPS: [Step; 13] = [
        Step::New([true, true]),
        Step::New([true, false]),
        Step::New([false, true]),
        Step::New([false, false]),
        Step::Ask,
        Step::Made(true),
        Step::Made(false),
        Step::Cut(0),
        Step::Cut(1),
        Step::Join(0),
        Step::Join(1),
        Step::Has(1),
        Step::Has(3),
    ];

    fn every_way(world: &World, depth: usize) {
        if depth == 0 {
            return;
        }
        for step in STEPS {
            let mut world = world.clone();
            world.step(step);
            every_way(&world, depth - 1);
        }
    }

    /// From the beginning, and from where both connections are there and have been given something, and one of them was cut.
    #[test]
    fn every_number_is_where_the_table_says_whatever_happens() {
        every_way(&World::new(), 4);
        let mut both = World::new();
        let begin = [Step::Join(0), Step::Join(1), STEPS[0], STEPS[0], STEPS[0], STEPS[0]];
        begin.into_iter().for_each(|step| both.step(step));
        assert_eq!(both.states, [Given(1), Given(0), Given(1), Given(0)], "the turns alternate");
        every_way(&both, 5);
        both.step(Step::Cut(1));
        assert_eq!(both.states, [Again, Given(0), Again, Given(0)]);
        every_way(&both, 5);
    }

    #[test]
    fn who_has_seen_what_was_never_sent_is_in_another_life() {
        let mut world = World::new();
        [Step::Join(0), STEPS[0], STEPS[0]].into_iter().for_each(|step| world.step(step));
        for (seen, could) in [([0; 3], true), ([2, 0, 0], true), ([3, 0, 0], false), ([u64::MAX; 3], true)] {
            assert_eq!(world.feed.could_have_seen(seen), could, "{seen:?}");
        }
        assert_eq!(world.feed.join(1, world.keys[1], [2, u64::MAX, 0]), [2, 0, 0]);
    }

    /// Turns that alternate cost a span each. With too many they alternate no more: all goes to one connection, until the provider says what it has.
    #[test]
    fn spans_are_bounded_and_one_connection_needs_one() {
        let mut world = World::new();
        world.feed.start(0, world.keys[0], [0; 3]);
        let mut number = 0;
        while number < 2 * SPANS_MAX as u64 {
            number += 1;
            assert_eq!(world.feed.offer(LANE, number, number, |_| true), Some(world.keys[0]));
        }
        assert_eq!(world.feed.lanes[0].spans(), 1);
        world.feed.join(1, world.keys[1], [0; 3]);
        let first = number;
        let mut offer = |feed: &mut Feed, has_room: [bool; 2]| {
            let given = feed.offer(LANE, number + 1, number + 1, |key| has_room[usize::from(key == world.keys[1])]);
            number += u64::from(given.is_some());
            assert!(feed.lanes[0].spans() <= SPANS_MAX);
            feed.validate([number, 0, 0]);
            given.map(|key| usize::from(key == world.keys[1]))
        };
        for turn in 0..SPANS_MAX {
            assert!(offer(&mut world.feed, [true; 2]).is_some(), "{turn}");
        }
        assert_eq!(world.feed.lanes[0].spans(), SPANS_MAX);
        let last = offer(&mut world.feed, [true; 2]);
        assert_eq!(last, offer(&mut world.feed, [true; 2]), "always the same");
        let has_room = [last == Some(1), last == Some(0)];
        assert_eq!(offer(&mut world.feed, has_room), None, "the other cannot be given a span of its own");
        assert_eq!(world.feed.take_acknowledgement(LANE, first + 10, [first + 10, 0, 0]), Some(true));
        assert_eq!(world.feed.take_acknowledgement(LANE, first + 10, [first + 10, 0, 0]), Some(false), "no news");
        assert!(offer(&mut world.feed, has_room).is_some());
    }

    #[test]
    fn orders_are_counted_for_one_batch() {
        let mut feed = Feed::default();
        feed.count_order(7);
        feed.count_order(7);
        assert_eq!((feed.orders_after(7), feed.orders_after(9)), (2, 0));
        feed.count_order(9);
        assert_eq!(feed.orders_after(9), 1);
    }
}
