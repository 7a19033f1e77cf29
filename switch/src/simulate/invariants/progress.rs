//! Once faults are over and everybody behaves, everything finishes: no payment and no case stays open, nobody waits for a message, an acknowledgement or the answer to
//! a command, and the history's files have all that memory has let go.

use super::Finding;
use crate::pipeline::Pipeline;
use crate::simulate::auditor::Auditor;
use crate::simulate::disk::VirtualDisk;
use crate::simulate::operator::Operator;
use crate::simulate::provider::Provider;

pub(in super::super) const NAME: &str = "everything finishes";

/// What is not finished yet.
pub(in super::super) fn check(
    pipeline: Option<&Pipeline<VirtualDisk>>,
    auditor: &Auditor,
    (providers, operator): (&[Provider], &Operator),
) -> Finding {
    let pipeline = pipeline.ok_or("the switch is not up")?;
    let counts = pipeline.engine().counts();
    if counts.in_flight > 0 || counts.cases_open > 0 {
        let open = auditor.cases().map(|(_, case)| case).find(|case| case.is_open());
        let first = open.map(|case| (case.last(), case.deadline_ns, pipeline.engine().time_ns()));
        let (in_flight, cases) = (counts.in_flight, counts.cases_open);
        return Err(format!("{in_flight} payments are in flight, {cases} cases open, of which {first:?}"));
    }
    let (indexed, floor) = (pipeline.watermarks().indexed, pipeline.engine().floor());
    if indexed < floor {
        return Err(format!("the files of the history end at {indexed}, and memory begins after {floor}"));
    }
    if operator.awaited() > 0 {
        return Err(format!("{} commands of the operator are not answered", operator.awaited()));
    }
    providers.iter().try_for_each(|provider| provider.is_settled(auditor))
}
