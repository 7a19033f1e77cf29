//! Every number of a lane leaves in its place, after the one before it, for one of the participant's connections; again only where the connection that had it is gone.
//! `Welcome` says where the numbers go on, a connection is replaced only by a `Hello` that may do so, and what a participant says that it has, has arrived. What is right
//! says `auditor/deliveries.rs`.

pub(in super::super) const NAME: &str = "outbox numbers without gap or repeat";
