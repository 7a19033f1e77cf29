//! Nothing durable is lost: whatever ended the process, its next start finds every batch that was on disk, unchanged and in order. The auditor
//! compares them, since it knows them.

pub(in super::super) const NAME: &str = "nothing durable is lost";
