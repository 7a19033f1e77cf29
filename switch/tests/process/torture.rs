//! `make torture`: a real switch and real providers under load, while the process is killed and stopped, writes fail, the disk is full, and
//! files are truncated and damaged between runs. The verdict is an outside checker's, which trusts only what providers recorded.
//!
//! `TORTURE_SEED` and `TORTURE_ROUNDS` choose what happens and how often.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::disk::{SmallDisk, flip, records};
use crate::harness::{Data, Switch};
use crate::kill::{Fleet, PROVIDERS, Random, audit};

/// What happens in one round.
#[derive(Clone, Copy, Debug)]
enum Mishap {
    /// SIGKILL.
    Kill,
    /// SIGSTOP for a while; then it goes on.
    Pause,
    /// SIGSTOP, and SIGKILL before it goes on.
    PauseAndKill,
    /// A write to the journal fails.
    WriteFails,
    /// No byte is left on the disk.
    DiskFull,
    /// A bit of a record turns between two runs.
    Flip,
    /// A segment loses its end between two runs.
    Truncate,
    /// The history is damaged or gone between two runs.
    HistoryGone,
}

const MISHAPS: [Mishap; 8] = [
    Mishap::Kill,
    Mishap::Pause,
    Mishap::PauseAndKill,
    Mishap::WriteFails,
    Mishap::DiskFull,
    Mishap::Flip,
    Mishap::Truncate,
    Mishap::HistoryGone,
];

/// How long a switch may go on with a disk that is full or fails, before the round ends.
const FAILING_MAX: Duration = Duration::from_secs(6);

#[test]
#[ignore = "it takes minutes: make torture"]
fn what_providers_recorded_is_true_after_everything() {
    let setting = |name: &str, usual: u64| std::env::var(name).map_or(usual, |value| value.parse().unwrap());
    let (seed, rounds) = (setting("TORTURE_SEED", 0x5eed_0007), setting("TORTURE_ROUNDS", 40));
    let disk = SmallDisk::mount(5 * 4 * switch::limits::BATCH_BYTES_MAX);
    let data = Arc::new(match &disk {
        Some(disk) => Data::inside(&disk.root, PROVIDERS),
        None => Data::with_participants(PROVIDERS),
    });
    eprintln!("seed {seed}, {rounds} rounds, {}", if disk.is_some() { "on a small disk" } else { "no mount allowed" });
    data.set_timeout(3_000, 500);
    let mut random = Random(seed);
    let mut switch = data.serve();
    let fleet = Fleet::start(&data, &mut random);
    let mut left = Vec::new();
    for round in 1..=rounds {
        fleet.let_it_run(&mut random);
        let mishap = next_mishap(&mut left, &mut random);
        eprintln!("round {round}: {mishap:?}, {} payments are final", fleet.finals());
        switch = suffer(mishap, &data, disk.as_ref(), switch, &mut random);
        if !matches!(mishap, Mishap::Pause) {
            switch.kill();
            data.verified();
            fleet.compare_with_journal(&data);
            switch = data.serve();
        }
    }
    let providers = fleet.finish();
    audit(&data, switch, &providers);
}

/// One that has not happened since all of them had: in any order, and none is left out.
fn next_mishap(left: &mut Vec<Mishap>, random: &mut Random) -> Mishap {
    if left.is_empty() {
        *left = MISHAPS.to_vec();
    }
    left.swap_remove(usize::try_from(random.below(left.len() as u64)).unwrap())
}

/// Lets it happen; afterwards a switch runs on a whole disk.
fn suffer(mishap: Mishap, data: &Data, disk: Option<&SmallDisk>, switch: Switch, random: &mut Random) -> Switch {
    let pause = Duration::from_millis(random.below(4_000));
    match mishap {
        Mishap::Kill => {}
        Mishap::Pause => {
            switch.pause();
            std::thread::sleep(pause);
            switch.go_on();
            return switch;
        }
        Mishap::PauseAndKill => {
            switch.pause();
            std::thread::sleep(pause);
        }
        Mishap::WriteFails => {
            switch.kill();
            run_failing(limited(data, random));
            return data.serve();
        }
        Mishap::DiskFull => {
            switch.kill();
            return with_full_disk(data, disk);
        }
        Mishap::Flip => {
            switch.kill();
            refuse_flip(data, random);
            return data.serve();
        }
        Mishap::Truncate => {
            switch.kill();
            refuse_truncation(data, random);
            return data.serve();
        }
        Mishap::HistoryGone => {
            switch.kill();
            damage_history(data, random);
            return data.serve();
        }
    }
    switch
}

/// The command that serves, in which a write fails soon: the kernel's limit for the size of a file stands for a disk that refuses.
fn limited(data: &Data, random: &mut Random) -> Command {
    let written = std::fs::read(last_segment(data)).unwrap().iter().rposition(|&byte| byte != 0).unwrap_or(0);
    let limit = (written + 4_096) / 512 + usize::try_from(random.below(2_000)).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", &format!("trap '' XFSZ; ulimit -f {limit}; exec \"$@\""), "sh"]);
    let serve = data.serve_command();
    command.arg(serve.get_program()).args(serve.get_args());
    command
}

/// Runs a switch whose disk fails, until it has ended or was given time enough.
fn run_failing(command: Command) {
    let until = Instant::now() + FAILING_MAX;
    let Some(mut failing) = Switch::try_start(command) else { return };
    while Instant::now() < until && !failing.has_ended() {
        std::thread::sleep(Duration::from_millis(20));
    }
    failing.kill_if_alive();
}

/// No byte is left, the next segment's place included; where nothing may be mounted, it is a kill.
fn with_full_disk(data: &Data, disk: Option<&SmallDisk>) -> Switch {
    let Some(disk) = disk else { return data.serve() };
    let _ = std::fs::remove_file(data.path("journal").join("next.preparing"));
    let filler = disk.root.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    // Until there is no space: then it fails.
    while std::io::Write::write_all(&mut file, &[1; 65_536]).is_ok() {}
    drop(file);
    run_failing(data.serve_command());
    std::fs::remove_file(filler).unwrap();
    data.serve()
}

/// A bit turns in a record that a later one vouches for: the start is refused, and nothing is changed.
fn refuse_flip(data: &Data, random: &mut Random) {
    let segment = any_segment(data, random);
    let places = records(&segment);
    if places.len() < 3 {
        return;
    }
    let place = places[usize::try_from(random.below(places.len() as u64 - 2)).unwrap()] + random.below(128);
    flip(&segment, place);
    assert_refused(data, &segment);
    flip(&segment, place);
}

/// A segment loses its end, anything from a byte to all but a byte: the start is refused. Its copy is whole.
fn refuse_truncation(data: &Data, random: &mut Random) {
    let segment = any_segment(data, random);
    let whole = std::fs::read(&segment).unwrap();
    let file = std::fs::File::options().write(true).open(&segment).unwrap();
    file.set_len(1 + random.below(whole.len() as u64 - 1)).unwrap();
    let ended = data.serve_in_vain();
    assert_eq!(ended.complaint().0, Some(2), "{ended:?}");
    std::fs::write(&segment, whole).unwrap();
}

fn assert_refused(data: &Data, segment: &Path) {
    let ended = data.serve_in_vain();
    let (status, complaint) = ended.complaint();
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(status == Some(2) && complaint.contains("damaged") && complaint.contains(name), "{ended:?}");
}

/// It is no truth of its own: whatever is wrong with it, it is made again.
fn damage_history(data: &Data, random: &mut Random) {
    let directory = data.path("history");
    let files = || std::fs::read_dir(&directory).into_iter().flatten().map(|entry| entry.unwrap().path());
    match random.below(2) {
        0 => files().for_each(|file| std::fs::remove_file(file).unwrap()),
        _ => files().filter(|file| file.metadata().unwrap().len() > 0).for_each(|file| {
            let length = file.metadata().unwrap().len();
            std::fs::File::options().write(true).open(&file).unwrap().set_len(length / 2).unwrap();
        }),
    }
}

/// All segments, the oldest first.
fn segments(data: &Data) -> Vec<PathBuf> {
    let journal = std::fs::read_dir(data.path("journal")).unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> =
        journal.filter(|path| path.extension().is_some_and(|extension| extension == "segment")).collect();
    segments.sort();
    segments
}

fn last_segment(data: &Data) -> PathBuf {
    segments(data).pop().unwrap()
}

fn any_segment(data: &Data, random: &mut Random) -> PathBuf {
    let mut segments = segments(data);
    segments.swap_remove(usize::try_from(random.below(segments.len() as u64)).unwrap())
}
