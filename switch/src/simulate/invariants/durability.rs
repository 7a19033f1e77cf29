//! Nothing durable is lost: whatever ended the process, its next start finds every batch that was on disk, unchanged and in order.

use super::Finding;
use crate::simulate::auditor::Auditor;
use crate::simulate::machine::Found;

pub(in super::super) const NAME: &str = "nothing durable is lost";

pub(in super::super) fn check(auditor: &mut Auditor, found: &[Found]) -> Finding {
    auditor.take_recovered(found)
}
