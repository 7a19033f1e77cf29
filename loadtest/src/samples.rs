//! What a run looked like from one moment to the next.
//!
//! The generator counts and hands over an `Interval` each time; a thread of its own completes it with what /proc and the switch say, shows it, and
//! keeps it. So neither the reading nor the showing delays a payment.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use serde::{Deserialize, Serialize};

use crate::limits::SAMPLES_WAITING_MAX;
use crate::machine::{CpuTicks, resident_mib};
use crate::view::View;

/// What the generator counted in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Interval {
    /// Its end, in seconds after the first payment was due.
    pub at_s: f64,
    /// Its length.
    pub length_s: f64,
    /// Payments a second that the schedule asks for at its end; 0 in a closed loop, and after the schedule.
    pub due_per_s: u64,
    /// Payments that were sent.
    pub offered: u64,
    /// Payments committed.
    pub committed: u64,
    /// Payments rejected, expired or refused.
    pub failed: u64,
    /// Half of the payments that became final in it took no longer, in microseconds from the intended time.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// All.
    pub max_us: u64,
    /// 99 of 100 were on disk within this.
    pub accepted_p99_us: u64,
    /// 99 of 100 had reached the payee provider within this.
    pub forwarded_p99_us: u64,
    /// Payments without an outcome at its end.
    pub open: u64,
    /// Payments that had fallen due at its end and that the switch had not taken: not sent, or not acknowledged.
    pub behind: u64,
    /// Payments in the bulk lane, which are in no figure above but `offered`, `open` and `behind`; none where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bulk: Option<ApartInterval>,
    /// Payments of a flood, which are in `open` and `behind`; none where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flood: Option<ApartInterval>,
    /// Look-ups of aliases, which are in no figure above; none where there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookups: Option<LookupInterval>,
}

/// Look-ups in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LookupInterval {
    /// Look-ups a second that the schedule asks for at its end; 0 in a closed loop, and after the schedule.
    pub due_per_s: u64,
    /// Sent.
    pub asked: u64,
    /// Answered with found or not found.
    pub answered: u64,
    /// Limited by a bucket, or refused.
    pub failed: u64,
    /// Half of those that were answered took no longer, in microseconds from the intended time.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// Without an answer at its end.
    pub open: u64,
    /// Due at its end and not sent.
    pub unsent: u64,
}

/// What was counted apart in one interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApartInterval {
    /// Payments committed.
    pub committed: u64,
    /// Half of those that became final took no longer, in microseconds from the intended time.
    pub p50_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
}

/// One moment of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sample {
    /// What the generator counted.
    #[serde(flatten)]
    pub interval: Interval,
    /// Cores that the generator's one thread used, 0 to 1.
    pub generator_thread_cores: f64,
    /// Cores that the generator's process used.
    pub generator_cores: f64,
    /// Cores that the switch used; null where it is not ours, or away.
    pub switch_cores: Option<f64>,
    /// Memory of the switch.
    pub switch_mib: Option<u64>,
    /// What the switch says of itself.
    pub switch: Option<SwitchStatus>,
}

/// One line of `switch serve --status-file`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SwitchStatus {
    /// Connections.
    pub connections: u64,
    /// Payments without an outcome.
    pub in_flight: u64,
    /// Bytes that wait for providers to take them.
    pub pending_bytes: u64,
    /// Journal positions that have a place in the order.
    pub sequenced: u64,
    /// That are on disk.
    pub durable: u64,
    /// That are decided.
    pub applied: u64,
    /// That are in the history's files.
    pub indexed: u64,
    /// Frames that wait for the history.
    pub waiting_for_history: u64,
    /// Lanes of connections that wait for older messages.
    pub waiting_for_renderer: u64,
    /// Messages of outboxes that are held in memory.
    pub outbox_records_held: u64,
    /// Outcomes that are not in the history's files yet.
    pub outcomes_unindexed: u64,
    /// Syncs of the journal since the switch was started.
    pub syncs: u64,
    /// Microseconds that they and all writes before them took.
    pub disk_us_total: u64,
    /// The longest write or sync in the second before this line, in microseconds.
    pub disk_us_longest: u64,
    /// Settlement windows closed since the switch was started.
    pub windows_closed: u64,
    /// The longest that applying a batch took since then in which one was, in microseconds.
    pub cut_off_us_longest: u64,
}

/// The switch's process, as far as it is ours to look at. It changes when the switch is started again.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    /// Its id; 0 while there is none.
    pub process: Arc<AtomicU32>,
    /// Where it writes its status.
    pub status_file: Option<PathBuf>,
}

impl Watched {
    fn process(&self) -> Option<u32> {
        Some(self.process.load(Ordering::Relaxed)).filter(|&process| process != 0)
    }

    pub(crate) fn status(&self) -> Option<SwitchStatus> {
        let text = std::fs::read_to_string(self.status_file.as_ref()?).ok()?;
        serde_json::from_str(&text).ok()
    }
}

/// Takes the generator's intervals.
pub(crate) struct Sampler {
    sender: Option<SyncSender<Interval>>,
    thread: Option<JoinHandle<Vec<Sample>>>,
}

impl Sampler {
    /// Must be made on the generator's thread, whose processor time is looked at.
    pub(crate) fn start(watched: Watched, view: View) -> std::io::Result<Sampler> {
        let (sender, intervals) = sync_channel(SAMPLES_WAITING_MAX);
        let generator_thread = rustix::thread::gettid().as_raw_nonzero().get();
        let completion = Completion { watched, generator_thread, before: None };
        let thread = std::thread::Builder::new().name("samples".to_owned());
        let thread = thread.spawn(move || complete(&intervals, completion, view))?;
        Ok(Sampler { sender: Some(sender), thread: Some(thread) })
    }

    /// The first interval begins: what making connections cost is in none.
    pub(crate) fn begin(&self) {
        self.take(Interval::default());
    }

    /// Hands an interval over. Where too many wait it is lost: the load comes first.
    pub(crate) fn take(&self, interval: Interval) {
        if let Some(sender) = &self.sender {
            let _ = sender.try_send(interval);
        }
    }

    /// All samples; nothing is shown any more.
    pub(crate) fn finish(&mut self) -> Vec<Sample> {
        self.sender = None;
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or_default()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.finish();
    }
}

fn complete(intervals: &Receiver<Interval>, mut completion: Completion, mut view: View) -> Vec<Sample> {
    let mut samples = Vec::new();
    completion.begin();
    while let Ok(interval) = intervals.recv() {
        if interval.length_s <= 0.0 {
            completion.begin();
            continue;
        }
        let sample = completion.complete(interval);
        view.show(&sample);
        samples.push(sample);
    }
    view.clear();
    samples
}

/// What is needed to say what changed since the last sample.
struct Completion {
    watched: Watched,
    generator_thread: i32,
    before: Option<Reading>,
}

/// Processor time at a moment.
#[derive(Clone, Copy)]
struct Reading {
    generator_thread: CpuTicks,
    generator: CpuTicks,
    switch: Option<(u32, CpuTicks)>,
}

impl Completion {
    fn begin(&mut self) {
        self.before = Some(self.read());
    }

    fn read(&self) -> Reading {
        let switch = self.watched.process().and_then(|process| Some((process, CpuTicks::of(process)?)));
        Reading {
            generator_thread: CpuTicks::of_own_thread(self.generator_thread).unwrap_or_default(),
            generator: CpuTicks::of(std::process::id()).unwrap_or_default(),
            switch,
        }
    }

    #[allow(clippy::float_arithmetic, reason = "figures of the report, not money")]
    fn complete(&mut self, interval: Interval) -> Sample {
        let now = self.read();
        let before = self.before.replace(now).unwrap_or(now);
        let cores = |now: CpuTicks, before: CpuTicks| {
            let (user, sys) = now.seconds_since(before);
            if interval.length_s > 0.0 { (user + sys) / interval.length_s } else { 0.0 }
        };
        // A switch that was started again begins to count anew.
        let same = |now: (u32, CpuTicks)| before.switch.filter(|before| before.0 == now.0).map(|before| before.1);
        Sample {
            interval,
            generator_thread_cores: cores(now.generator_thread, before.generator_thread),
            generator_cores: cores(now.generator, before.generator),
            switch_cores: now.switch.map(|switch| cores(switch.1, same(switch).unwrap_or_default())),
            switch_mib: self.watched.process().and_then(resident_mib),
            switch: self.watched.status(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_come_back_as_samples_in_their_order() {
        let watched = Watched { process: Arc::new(AtomicU32::new(std::process::id())), status_file: None };
        let mut sampler = Sampler::start(watched, View::none()).expect("a thread");
        for number in 1..=3 {
            sampler.take(Interval { committed: number, length_s: 1.0, ..Interval::default() });
        }
        let samples = sampler.finish();
        assert_eq!(samples.iter().map(|sample| sample.interval.committed).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(samples.iter().all(|sample| sample.switch_cores.is_some() && sample.switch_mib > Some(0)));
    }

    #[test]
    fn a_sample_is_flat_in_json_and_can_be_read_again() {
        let sample = Sample { switch_cores: Some(0.5), ..Sample::default() };
        let json = serde_json::to_value(&sample).expect("it can be written");
        assert!(json["p99_us"].is_u64() && json["switch_cores"].is_f64());
        assert_eq!(serde_json::from_value::<Sample>(json).expect("it can be read"), sample);
    }
}
