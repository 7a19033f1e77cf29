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
