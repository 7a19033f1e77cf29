//! Disks that fill up, and journals that were damaged: the switch says what is wrong and stops or does not start; what it acknowledged is there.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use adapters::limits::EXTENSION_BYTES_MAX;
use adapters::message::{Outcome, PaymentId, PaymentPrivate};

use crate::harness::{Data, Ended, Switch, eventually};
use crate::wire::{Wire, order, written};

const MIB: usize = 1 << 20;

/// Orders payments until the connection ends; those that the switch acknowledged before.
fn pay_until_it_stops(data: &Data) -> Vec<PaymentId> {
    let private = PaymentPrivate { extension: vec![7; EXTENSION_BYTES_MAX], ..PaymentPrivate::default() };
    let private = written(&private);
    let mut payer = Wire::open(data, 1);
    let mut ids = Vec::new();
    loop {
        ids.extend((0..32).map(|_| payer.pay_with(&order(1, 2, 1), &private)));
        if !payer.is_acknowledged(payer.number) {
            ids.truncate(usize::try_from(payer.acknowledged).unwrap());
            return ids;
        }
    }
}

/// Every payment is known to a switch that has made space; and it takes new ones.
fn nothing_is_missing(data: &Data, switch: Switch, acknowledged: &[PaymentId]) {
    assert!(!acknowledged.is_empty(), "the disk was full before anything was acknowledged");
    let mut payer = Wire::open(data, 1);
    for &id in acknowledged {
        assert_ne!(payer.ask(id).outcome, Outcome::Unknown, "{id} was acknowledged");
    }
    let mut payee = Wire::open(data, 2);
    let id = payer.pay(&order(1, 2, 1));
    payee.forward_of(id);
    payee.accept(id);
    assert_eq!(payer.status_of(id).outcome, Outcome::Committed);
    switch.stop();
    data.verified();
}

fn expect_fault(ended: &Ended, words: &[&str]) {
    let (status, complaint) = ended.complaint();
    assert_eq!(status, Some(1), "{ended:?}");
    words.iter().for_each(|word| assert!(complaint.contains(word), "`{word}` is not in: {complaint}"));
}

/// A write in the middle of the journal fails. The kernel's limit for the size of a file stands for a disk that is full: it needs no
/// privilege, and fails the write that crosses it and nothing else.
#[test]
fn a_write_that_fails_stops_the_switch_and_nothing_acknowledged_is_lost() {
    let data = Data::new();
    data.serve().stop();
    // In blocks of 512 bytes, as POSIX counts. A shell that ignores the signal hands that on; the write then returns an error.
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", 2 * MIB / 512), "sh"]);
    let serve = data.serve_command();
    limited.arg(serve.get_program()).args(serve.get_args());
    let switch = Switch::start(limited);
    let acknowledged = pay_until_it_stops(&data);
    expect_fault(
        &switch.ended(),
        &["could not write", "00000000000000000001.segment", "File too large", "then start again"],
    );
    data.verified();
    nothing_is_missing(&data, data.serve(), &acknowledged);
}

/// A file system of its own in memory, in a mount namespace that only lives as long as this. Others reach it through `/proc`.
pub(crate) struct SmallDisk {
    holder: Child,
    pub(crate) root: PathBuf,
}

impl SmallDisk {
    /// None where the system lets this user mount nothing.
    pub(crate) fn mount(size: usize) -> Option<SmallDisk> {
        let script = format!("mount -t tmpfs -o size={size} tmpfs /mnt && echo mounted && read end");
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--map-root-user", "sh", "-c", &script]);
        let mut holder = unshare.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take()?).read_line(&mut line).unwrap();
        let root = PathBuf::from(format!("/proc/{}/root/mnt", holder.id()));
        let disk = SmallDisk { holder, root };
        (line == "mounted\n").then_some(disk)
    }

    fn fill(&self, bytes: usize) -> PathBuf {
        let path = self.root.join("filler");
        std::fs::write(&path, vec![1; bytes]).unwrap();
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// No space for the next segment: the disk is really full. Where nothing may be mounted, the test above stands alone.
#[test]
fn a_full_disk_stops_the_switch_and_after_space_is_made_it_goes_on() {
    let segment = 4 * switch::limits::BATCH_BYTES_MAX;
    let Some(disk) = SmallDisk::mount(3 * segment) else {
        return eprintln!("skipped: this user may not mount a file system");
    };
    let data = Data::inside(&disk.root, 4);
    let filler = disk.fill(3 * segment / 2);
    let switch = data.serve();
    let acknowledged = pay_until_it_stops(&data);
    expect_fault(&switch.ended(), &["no space left", "make space and start again"]);
    data.verified();
    std::fs::remove_file(filler).unwrap();
    nothing_is_missing(&data, data.serve(), &acknowledged);
}

/// Changes one byte of a file.
pub(crate) fn flip(path: &Path, offset: u64) {
    let file = std::fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

/// Where the records of a segment begin: blocks that begin with the magic.
pub(crate) fn records(path: &Path) -> Vec<u64> {
    let bytes = std::fs::read(path).unwrap();
    let blocks = (0..).step_by(4_096).zip(bytes.chunks(4_096));
    blocks.filter(|(_, block)| block.starts_with(b"CLSPNJRN")).map(|(offset, _)| offset).collect()
}

#[test]
fn a_damaged_journal_is_named_and_not_started() {
    let data = Data::new();
    let switch = data.serve();
    let (mut payer, mut payee) = (Wire::open(&data, 1), Wire::open(&data, 2));
    for _ in 0..3 {
        let id = payer.pay(&order(1, 2, 1));
        payee.forward_of(id);
        payee.accept(id);
        payer.status_of(id);
    }
    switch.stop();
    let segment = data.first_segment();
    let early = records(&segment)[2];
    let before = std::fs::read(&segment).unwrap();
    // In the payload, and in the header.
    for place in [early + 200, early + 70] {
        flip(&segment, place);
        let damaged = std::fs::read(&segment).unwrap();
        let ended = data.serve_in_vain();
        let (status, complaint) = ended.complaint();
        assert_eq!(status, Some(2), "{ended:?}");
        let words = ["damaged", "00000000000000000001.segment", &format!("offset {early}"), "restore"];
        words.iter().for_each(|word| assert!(complaint.contains(word), "`{word}` is not in: {complaint}"));
        let (status, verdict) = data.verify();
        assert_eq!((status, &verdict["ok"]), (1, &false.into()), "{verdict}");
        assert_eq!(verdict["damage"]["offset"], early, "{verdict}");
        let named = verdict["damage"]["segment"].as_str().unwrap();
        assert!(named.ends_with("00000000000000000001.segment"), "{verdict}");
        assert!(damaged == std::fs::read(&segment).unwrap(), "nothing was changed");
        flip(&segment, place);
    }
    assert!(before == std::fs::read(&segment).unwrap());
    assert_eq!(data.committed(), 3);
    data.serve().stop();
}

/// A record that a kill has left half: nobody was told about it, so it is cut and that is said.
#[test]
fn a_torn_tail_is_cut_and_reported() {
    let data = Data::new();
    let switch = data.serve();
    Wire::open(&data, 1).fence();
    switch.kill();
    let segment = data.first_segment();
    let end = std::fs::read(&segment).unwrap().iter().rposition(|&byte| byte != 0).unwrap();
    let next_block = (end as u64 / 4_096 + 1) * 4_096;
    // Magic, version 0, kind 1, and then what never got there.
    let mut half = b"CLSPNJRN\0\0\x01\0".to_vec();
    half.extend_from_slice(&[0x11; 500]);
    std::fs::File::options().write(true).open(&segment).unwrap().write_all_at(&half, next_block).unwrap();
    let switch = data.serve();
    eventually("the cut is logged", || {
        switch.log().iter().any(|line| line.contains("WARN") && line.contains("torn record")).then_some(())
    });
    let mut payer = Wire::open(&data, 1);
    payer.pay(&order(1, 2, 1));
    payer.fence();
    switch.stop();
    assert_eq!(data.verified()["payments"]["in_flight"], 1);
}
