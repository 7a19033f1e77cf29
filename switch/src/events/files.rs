//! The files of the stream: appended to by one, read by whoever wants.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::EventFault;
use super::record::{RECORD_BYTES, decode, encode, header};
use crate::engine::scheme::events::Event;
use crate::limits::{EVENT_FILES_MAX, EVENTS_PER_FILE};

/// How the names of files end.
const SUFFIX: &str = ".events";

/// The files, to append to.
pub struct EventFiles {
    directory: PathBuf,
    lineage: [u8; 16],
    /// Of the file that is written; none before the first.
    last: Option<(u64, File)>,
    /// The newest event that is written.
    through: u64,
    /// Was anything written since the last sync?
    is_unsynced: bool,
}

/// Some events, and how far the stream goes.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// In order.
    pub events: Vec<Event>,
    /// The oldest that is kept.
    pub first: u64,
    /// The newest there is.
    pub through: u64,
}

fn failed(path: &Path) -> impl Fn(io::Error) -> EventFault {
    let path = path.display().to_string();
    move |error| EventFault(format!("{path}: {error}"))
}

fn name_of(first: u64) -> String {
    format!("{first:020}{SUFFIX}")
}

/// The number of the first event of the file that an event belongs into.
fn first_of(number: u64) -> u64 {
    (number - 1) / EVENTS_PER_FILE * EVENTS_PER_FILE + 1
}

/// Where an event stands in its file.
fn offset_of(number: u64) -> u64 {
    (number - first_of(number) + 1) * RECORD_BYTES as u64
}

/// The numbers of the first events of all files, in order.
fn firsts(directory: &Path) -> Result<Vec<u64>, EventFault> {
    let mut firsts = Vec::new();
    let listed = match std::fs::read_dir(directory) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(firsts),
        Err(error) => return Err(failed(directory)(error)),
    };
    for file in listed {
        let name = file.map_err(failed(directory))?.file_name();
        let digits = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        let first = digits.filter(|digits| digits.len() == 20).and_then(|digits| digits.parse().ok());
        firsts.extend(first.filter(|first| *first > 0 && first_of(*first) == *first));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// How far a directory's stream is whole: the oldest event, and the newest; (1, 0) for none. With a file of another lineage, or with none before a gap, it ends there.
pub fn survey(directory: &Path, lineage: [u8; 16]) -> Result<(u64, u64), EventFault> {
    let firsts = firsts(directory)?;
    let (mut oldest, mut through) = (1, 0);
    for (place, &first) in firsts.iter().enumerate() {
        let path = directory.join(name_of(first));
        let is_last = place + 1 == firsts.len();
        let file = File::open(&path).map_err(failed(&path))?;
        let bytes = file.metadata().map_err(failed(&path))?.len();
        let mut head = [0; RECORD_BYTES];
        let has_head = bytes >= RECORD_BYTES as u64 && file.read_exact_at(&mut head, 0).map_err(failed(&path)).is_ok();
        let follows = place == 0 || first == through + 1;
        if !has_head || head != header(lineage, first) || !follows {
            break;
        }
        if place == 0 {
            oldest = first;
        }
        let whole = (bytes / RECORD_BYTES as u64 - 1).min(EVENTS_PER_FILE);
        through = if is_last || whole < EVENTS_PER_FILE {
            whole_through(&file, first, whole).map_err(failed(&path))?
        } else {
            first + EVENTS_PER_FILE - 1
        };
        if through != first + EVENTS_PER_FILE - 1 {
            break;
        }
    }
    Ok((oldest, through))
}

/// The last event before the first that is none, of so many that a file has room for.
fn whole_through(file: &File, first: u64, count: u64) -> io::Result<u64> {
    let mut through = first - 1;
    for_each_record(file, first, count, |number, bytes| {
        let is_whole = decode(number, bytes).is_some();
        through += u64::from(is_whole);
        is_whole
    })?;
    Ok(through)
}

/// Hands over the bytes of so many events of a file, until `take` wants no more.
fn for_each_record(
    file: &File,
    from: u64,
    count: u64,
    mut take: impl FnMut(u64, &[u8; RECORD_BYTES]) -> bool,
) -> io::Result<()> {
    let mut buffer = vec![0; RECORD_BYTES * 1_024];
    let (mut number, end) = (from, from + count);
    while number < end {
        let portion = (end - number).min(1_024);
        let bytes = usize::try_from(portion).unwrap_or(0) * RECORD_BYTES;
        file.read_exact_at(&mut buffer[..bytes], offset_of(number))?;
        for record in buffer[..bytes].as_chunks::<RECORD_BYTES>().0 {
            if !take(number, record) {
                return Ok(());
            }
            number += 1;
        }
    }
    Ok(())
}

/// The events after a number, at most so many, of a stream that goes to `through`. Events that were dropped are not there: `first` says which are.
pub fn read_page(directory: &Path, after: u64, most: usize, through: u64) -> Result<EventPage, EventFault> {
    let first = firsts(directory)?.first().copied().unwrap_or(1);
    let mut events = Vec::new();
    let mut number = after.saturating_add(1);
    while number >= first && number <= through && events.len() < most {
        let path = directory.join(name_of(first_of(number)));
        let file = match File::open(&path) {
            Ok(file) => file,
            // It was dropped just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let first = firsts(directory)?.first().copied().unwrap_or(1);
                return Ok(EventPage { events: Vec::new(), first, through });
            }
            Err(error) => return Err(failed(&path)(error)),
        };
        let last = through.min(first_of(number) + EVENTS_PER_FILE - 1);
        let count = (last + 1 - number).min((most - events.len()) as u64);
        let mut damaged = None;
        for_each_record(&file, number, count, |number, bytes| {
            match decode(number, bytes) {
                Some(event) => events.push(event),
                None => damaged = Some(number),
            }
            damaged.is_none()
        })
        .map_err(failed(&path))?;
        if let Some(number) = damaged {
            let path = path.display();
            return Err(EventFault(format!(
                "{path}: event {number} is not what was written: stop the switch, remove the directory's files, and start it: they are made again"
            )));
        }
        number += count;
    }
    Ok(EventPage { events, first, through })
}

impl EventFiles {
    /// Opens the files of a journal's stream; cuts off what is torn, and removes what is not of it.
    pub fn open(directory: &Path, lineage: [u8; 16]) -> Result<EventFiles, EventFault> {
        std::fs::create_dir_all(directory).map_err(failed(directory))?;
        let (_, through) = survey(directory, lineage)?;
        let directory = directory.to_owned();
        let mut files = EventFiles { directory, lineage, last: None, through, is_unsynced: false };
        files.cut(through)?;
        Ok(files)
    }

    /// Where they lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The number of the newest event that is written; 0 before the first.
    pub fn through(&self) -> u64 {
        self.through
    }

    /// Removes all events behind a number, for they are not of this journal.
    pub fn cut(&mut self, through: u64) -> Result<(), EventFault> {
        self.last = None;
        for first in firsts(&self.directory)? {
            let path = self.directory.join(name_of(first));
            if through < first {
                std::fs::remove_file(&path).map_err(failed(&path))?;
            } else if first == first_of(through) {
                let file = OpenOptions::new().read(true).write(true).open(&path).map_err(failed(&path))?;
                file.set_len(offset_of(through) + RECORD_BYTES as u64).map_err(failed(&path))?;
                file.sync_all().map_err(failed(&path))?;
                self.last = Some((first, file));
            }
        }
        self.through = through;
        self.sync_directory()
    }

    /// Takes what was told of a batch. What is there already is held against it, and is not written again; where it is another, the journal is right.
    pub fn append(&mut self, told: &[Event]) -> Result<(), EventFault> {
        let known = told.partition_point(|event| event.number <= self.through);
        for event in &told[..known] {
            if !self.has(event)? {
                tracing::warn!(
                    number = event.number,
                    "events are others than those of the journal: they are written anew"
                );
                self.cut(event.number - 1)?;
                return self.append(told);
            }
        }
        let mut new = &told[known..];
        while let Some(event) = new.first() {
            if event.number != self.through + 1 {
                let (expected, number) = (self.through + 1, event.number);
                return Err(EventFault(format!("event {number} comes where {expected} is next")));
            }
            let room = first_of(event.number) + EVENTS_PER_FILE - event.number;
            let (these, others) = new.split_at(new.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
            self.write(these)?;
            new = others;
        }
        Ok(())
    }

    /// Is this event there?
    fn has(&self, event: &Event) -> Result<bool, EventFault> {
        let path = self.directory.join(name_of(first_of(event.number)));
        let file = match File::open(&path) {
            Ok(file) => file,
            // The oldest were dropped.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(failed(&path)(error)),
        };
        let mut bytes = [0; RECORD_BYTES];
        file.read_exact_at(&mut bytes, offset_of(event.number)).map_err(failed(&path))?;
        Ok(bytes == encode(event))
    }

    /// Writes events that belong into one file.
    fn write(&mut self, events: &[Event]) -> Result<(), EventFault> {
        let first = first_of(self.through + 1);
        if self.last.as_ref().is_none_or(|(known, _)| *known != first) {
            self.begin_file(first)?;
        }
        let path = self.directory.join(name_of(first));
        let bytes: Vec<u8> = events.iter().flat_map(encode).collect();
        let Some((_, file)) = &self.last else { unreachable!("it was begun in the lines above") };
        file.write_all_at(&bytes, offset_of(self.through + 1)).map_err(failed(&path))?;
        self.through += events.len() as u64;
        self.is_unsynced = true;
        Ok(())
    }

    /// Syncs the file before, begins the next, and lets the oldest go.
    fn begin_file(&mut self, first: u64) -> Result<(), EventFault> {
        self.sync()?;
        let path = self.directory.join(name_of(first));
        let opened = OpenOptions::new().read(true).write(true).create_new(true).open(&path);
        let file = opened.map_err(failed(&path))?;
        file.write_all_at(&header(self.lineage, first), 0).map_err(failed(&path))?;
        file.sync_all().map_err(failed(&path))?;
        self.last = Some((first, file));
        let firsts = firsts(&self.directory)?;
        for dropped in &firsts[..firsts.len().saturating_sub(EVENT_FILES_MAX)] {
            let path = self.directory.join(name_of(*dropped));
            std::fs::remove_file(&path).map_err(failed(&path))?;
        }
        self.sync_directory()
    }

    /// Waits until all that was written is on disk; the number of the newest.
    pub fn sync(&mut self) -> Result<u64, EventFault> {
        if let Some((first, file)) = self.last.as_ref().filter(|_| self.is_unsynced) {
            file.sync_data().map_err(failed(&self.directory.join(name_of(*first))))?;
        }
        self.is_unsynced = false;
        Ok(self.through)
    }

    fn sync_directory(&self) -> Result<(), EventFault> {
        let directory = File::open(&self.directory).map_err(failed(&self.directory))?;
        directory.sync_all().map_err(failed(&self.directory))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;
    use crate::engine::scheme::events::EventKind;

    const LINEAGE: [u8; 16] = [7; 16];

    fn event(number: u64) -> Event {
        Event { number, position: 10 * number, amount: -i128::from(number), ..Event::of(EventKind::NetConfirmed) }
    }

    fn events(from: u64, through: u64) -> Vec<Event> {
        (from..=through).map(event).collect()
    }

    fn read(directory: &Path) -> Vec<Event> {
        let (first, through) = survey(directory, LINEAGE).unwrap();
        read_page(directory, first - 1, usize::MAX, through).unwrap().events
    }

    fn written(directory: &Path, through: u64) -> EventFiles {
        let mut files = EventFiles::open(directory, LINEAGE).unwrap();
        files.append(&events(1, through)).unwrap();
        assert_eq!(files.sync().unwrap(), through);
        files
    }

    /// A crash leaves the file at any length, and in its last bytes anything: what is whole stays, the replay makes the rest again, and nothing is there twice.
    #[test]
    fn a_file_that_is_torn_at_any_byte_is_made_whole_by_the_replay() {
        let whole = tempfile::tempdir().unwrap();
        written(whole.path(), 3);
        let bytes = std::fs::read(whole.path().join(name_of(1))).unwrap();
        assert_eq!(bytes.len(), 4 * RECORD_BYTES);
        for length in 0..=bytes.len() {
            for garbage in [0, RECORD_BYTES] {
                let torn = tempfile::tempdir().unwrap();
                let path = torn.path().join(name_of(1));
                std::fs::write(&path, [&bytes[..length], &vec![0xa5; garbage][..]].concat()).unwrap();
                let kept = (length / RECORD_BYTES).saturating_sub(1) as u64;
                let mut files = EventFiles::open(torn.path(), LINEAGE).unwrap();
                assert_eq!(files.through(), kept, "{length} bytes and {garbage}");
                assert_eq!(read(torn.path()), events(1, kept));
                files.append(&events(1, 2)).unwrap();
                files.append(&events(3, 3)).unwrap();
                files.sync().unwrap();
                assert_eq!(std::fs::read(&path).unwrap(), bytes, "{length} bytes and {garbage}");
            }
        }
    }

    #[test]
    fn a_byte_that_was_changed_ends_the_stream_there() {
        let whole = tempfile::tempdir().unwrap();
        written(whole.path(), 3);
        let path = whole.path().join(name_of(1));
        let bytes = std::fs::read(&path).unwrap();
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x40;
            std::fs::write(&path, &changed).unwrap();
            let kept = (place / RECORD_BYTES).saturating_sub(1) as u64;
            assert_eq!(survey(whole.path(), LINEAGE).unwrap(), (1, kept), "byte {place}");
            if place >= RECORD_BYTES {
                let fault = read_page(whole.path(), 0, 9, 3).unwrap_err().to_string();
                assert!(fault.contains(&format!("event {} is not what was written", kept + 1)), "{fault}");
            }
        }
    }

    #[test]
    fn the_oldest_files_go_and_whoever_asks_for_them_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = EventFiles::open(directory.path(), LINEAGE).unwrap();
        // A file more than is kept, of the first and the last events of each: the rest is a hole, as large as it would be.
        let last = EVENT_FILES_MAX as u64 + 1;
        for file in 0..last {
            files.through = file * EVENTS_PER_FILE;
            files.append(&[event(files.through + 1)]).unwrap();
            files.through = (file + 1) * EVENTS_PER_FILE - 1;
            files.append(&[event(files.through + 1)]).unwrap();
        }
        let through = files.sync().unwrap();
        assert_eq!(through, last * EVENTS_PER_FILE);
        let page = read_page(directory.path(), 0, 10, through).unwrap();
        assert_eq!((page.events.len(), page.first, page.through), (0, EVENTS_PER_FILE + 1, through));
        let page = read_page(directory.path(), through - 1, 10, through).unwrap();
        assert_eq!(page.events, [event(through)]);
        assert_eq!(survey(directory.path(), LINEAGE).unwrap().0, EVENTS_PER_FILE + 1);
        // What was dropped is not written again by a replay from the beginning.
        files.append(&events(1, 5)).unwrap();
        assert_eq!(files.through(), through);
        assert!(!directory.path().join(name_of(1)).exists());
    }

    #[test]
    fn a_page_goes_over_the_end_of_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = EventFiles::open(directory.path(), LINEAGE).unwrap();
        files.append(&events(1, EVENTS_PER_FILE + 2)).unwrap();
        files.sync().unwrap();
        drop(files);
        let files = EventFiles::open(directory.path(), LINEAGE).unwrap();
        assert_eq!(files.through(), EVENTS_PER_FILE + 2);
        let page = read_page(directory.path(), EVENTS_PER_FILE - 2, 4, files.through()).unwrap();
        assert_eq!(page.events, events(EVENTS_PER_FILE - 1, EVENTS_PER_FILE + 2));
        // The second file is gone, as if it had never been made: the first is whole.
        std::fs::remove_file(directory.path().join(name_of(EVENTS_PER_FILE + 1))).unwrap();
        assert_eq!(EventFiles::open(directory.path(), LINEAGE).unwrap().through(), EVENTS_PER_FILE);
    }

    #[test]
    fn what_is_not_of_this_journal_is_written_anew() {
        let directory = tempfile::tempdir().unwrap();
        written(directory.path(), 5);
        let mut files = EventFiles::open(directory.path(), LINEAGE).unwrap();
        let other = Event { code: 9, ..event(3) };
        files.append(&[event(2), other, event(4)]).unwrap();
        assert_eq!(files.sync().unwrap(), 4, "the fifth was of another course of things");
        assert_eq!(read(directory.path()), [event(1), event(2), other, event(4)]);
        let fault = files.append(&[event(6)]).unwrap_err().to_string();
        assert!(fault.contains("event 6 comes where 5 is next"), "{fault}");
        drop(files);
        let files = EventFiles::open(directory.path(), [8; 16]).unwrap();
        assert_eq!((files.through(), firsts(directory.path()).unwrap().len()), (0, 0), "those of another journal go");
    }
}
