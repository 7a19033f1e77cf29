//! What a run was measured on, and what it cost, from /proc.

use std::collections::BTreeMap;

use rustix::param::clock_ticks_per_second;
use serde::{Deserialize, Serialize};

/// The machine of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Of a thread of this process.
    pub(crate) fn of_own_thread(thread: i32) -> Option<CpuTicks> {
        CpuTicks::parse(&std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")).ok()?)
    }

    /// The name, which may hold anything, is in brackets; user and system time are fields 14 and 15 of proc(5).
    fn parse(stat: &str) -> Option<CpuTicks> {
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
        Some(CpuTicks { user: fields.next()?.parse().ok()?, sys: fields.next()?.parse().ok()? })
    }

    /// With that of another process.
    pub(crate) fn plus(self, other: CpuTicks) -> CpuTicks {
        CpuTicks { user: self.user + other.user, sys: self.sys + other.sys }
    }

    /// Seconds of user and of system time since `before`.
    pub(crate) fn seconds_since(self, before: CpuTicks) -> (f64, f64) {
        (seconds(self.user.saturating_sub(before.user)), seconds(self.sys.saturating_sub(before.sys)))
    }

    /// Seconds of both.
    pub(crate) fn seconds(self) -> f64 {
        seconds(self.user + self.sys)
    }
}

#[allow(clippy::float_arithmetic, reason = "a figure of the report")]
#[allow(clippy::cast_precision_loss, reason = "ticks of one run")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

/// The threads of a process by name, with what each has used so far. Threads of one name count together.
pub(crate) fn threads_of(process: u32) -> BTreeMap<String, CpuTicks> {
    let mut threads = BTreeMap::new();
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return threads };
    for task in tasks.flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let name = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map(|(name, _)| name.to_owned());
        if let Some((name, ticks)) = name.zip(CpuTicks::parse(&stat)) {
            let all: &mut CpuTicks = threads.entry(name).or_default();
            *all = all.plus(ticks);
        }
    }
    threads
}

/// Memory of a process that is in use, in MiB; none where it is gone.
pub(crate) fn resident_mib(process: u32) -> Option<u64> {
    resident_kib(process).map(|kib| kib / 1_024)
}

/// The same in KiB.
pub(crate) fn resident_kib(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    field(&status, "VmRSS")?.split_whitespace().next()?.parse().ok()
}

/// Raises the number of files that this process and its children may have open, as far as it may be.
pub(crate) fn raise_open_files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let granted = match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    granted.unwrap_or(u64::MAX)
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
    fn this_machine_and_process_can_be_read() {
        let machine = Machine::read();
        assert!(machine.cores > 0 && machine.memory_mib > 0, "{machine:?}");
        assert!(resident_mib(std::process::id()).is_some_and(|mib| mib > 0));
        assert!(!threads_of(std::process::id()).is_empty());
        assert_eq!(resident_mib(u32::MAX), None);
    }
}
