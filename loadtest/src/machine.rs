//! What a run was measured on, and what it cost, from /proc.

use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// The machine of a report.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// Its model.
    pub cpu: String,
    /// Memory of the machine, in MiB.
    pub memory_mib: u64,
    /// Release of the kernel.
    pub kernel: String,
}

impl Machine {
    /// This machine. What cannot be read is "unknown" or 0.
    pub fn read() -> Machine {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let unknown = || "unknown".to_owned();
        let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
        let memory_kib = field(&read("/proc/meminfo"), "MemTotal").and_then(|text| {
            let digits = text.split_whitespace().next()?;
            digits.parse::<u64>().ok()
        });
        Machine {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            cpu: field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown),
            memory_mib: memory_kib.unwrap_or(0) / 1_024,
            kernel: if kernel.is_empty() { unknown() } else { kernel },
        }
    }
}

/// The value of the first line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let mut fields = text.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(key, _)| key.trim() == name).map(|(_, value)| value.trim().to_owned())
}

/// Processor time that a process has used, in ticks of the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CpuTicks {
    user: u64,
    sys: u64,
}

impl CpuTicks {
    /// Of a process; none where it is gone.
    pub(crate) fn of(process: u32) -> Option<CpuTicks> {
        CpuTicks::parse(&std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
    }

    /// The name, which may hold anything, is in brackets; user and system time are fields 14 and 15 of proc(5).
    fn parse(stat: &str) -> Option<CpuTicks> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(CpuTicks { user: fields.next()?.parse().ok()?, sys: fields.next()?.parse().ok()? })
    }

    /// Seconds of user and of system time since `before`.
    #[allow(clippy::float_arithmetic, reason = "a figure of the report")]
    #[allow(clippy::cast_precision_loss, reason = "ticks of one run")]
    pub(crate) fn seconds_since(self, before: CpuTicks) -> (f64, f64) {
        let seconds = |now: u64, then: u64| now.saturating_sub(then) as f64 / clock_ticks_per_second() as f64;
        (seconds(self.user, before.user), seconds(self.sys, before.sys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 42 42 0 -1 4194560 100 0 0 0 250 30 0 0 20 0 1 0 100";
        assert_eq!(CpuTicks::parse(stat), Some(CpuTicks { user: 250, sys: 30 }));
        assert_eq!(CpuTicks::parse("nothing"), None);
        assert!(CpuTicks::of(std::process::id()).is_some());
    }

    #[test]
    fn this_machine_can_be_read() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine:?}");
    }
}
