//! The window of outcomes forgets nothing that the history lacks: an id whose outcome has left memory is never decided a second time. The auditor
//! forgets nothing, and looks at every order that is decided.

pub(in super::super) const NAME: &str = "no payment is decided twice";
