//! Sockets in the data directory of a running switch, for whoever may enter that directory anyway: mode 0600, one request a connection, lines of JSON both ways.
//!
//! What is asked and answered there is the matter of `desk` and `admin`; here is how it is made, who is let in, and how a request is read. Each connection has a
//! thread of its own, of which there are few.

use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::limits::LOCAL_ACCEPT_PAUSE_MS;
use crate::lookup::Trouble;

/// A socket's path has so many bytes at most; one is the zero at its end.
const PATH_BYTES_MAX: usize = 107;

/// One socket, and who may come.
#[derive(Clone, Copy)]
pub(super) struct Visits {
    /// The file is `NAME.socket`.
    pub(super) name: &'static str,
    /// What is done there, for the log and for those who are too many.
    pub(super) what: &'static str,
    /// So many are served at a time.
    pub(super) connections_max: usize,
    /// Whoever takes nothing of an answer for so long gets no more of it, in milliseconds.
    pub(super) stall_ms: u64,
}

impl Visits {
    /// Where it is made: a directory that nobody else can enter, until it has its mode.
    fn preparing(&self) -> String {
        format!("{}.preparing", self.name)
    }

    /// Where the socket of a data directory is, if its path is not too long for one.
    pub(super) fn path(&self, data: &Path) -> Result<PathBuf, String> {
        let preparing = self.preparing();
        if data.join(&preparing).join("s").as_os_str().len() > PATH_BYTES_MAX {
            let (most, data) = (PATH_BYTES_MAX - preparing.len() - 3, data.display());
            return Err(format!("the path {data} is too long for a socket in it: at most {most} bytes"));
        }
        Ok(data.join(format!("{}.socket", self.name)))
    }
}

/// A socket that is there.
pub(super) struct LocalSocket {
    visits: Visits,
    listener: UnixListener,
    path: PathBuf,
}

/// Somebody who is being served.
struct Visitor {
    stream: UnixStream,
    thread: JoinHandle<()>,
}

impl LocalSocket {
    /// Makes the socket; replaces one that a switch has left which was killed. The data directory is locked by this switch.
    pub(super) fn bind(data: &Path, visits: Visits) -> Result<LocalSocket, String> {
        let path = visits.path(data)?;
        let failed = |error: io::Error| format!("{}: {error}", path.display());
        let preparing = data.join(visits.preparing());
        let _ = std::fs::remove_dir_all(&preparing);
        std::fs::DirBuilder::new().mode(0o700).create(&preparing).map_err(failed)?;
        let made = preparing.join("s");
        let listener = UnixListener::bind(&made).map_err(failed)?;
        std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
        std::fs::rename(&made, &path).map_err(failed)?;
        std::fs::remove_dir(&preparing).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        Ok(LocalSocket { visits, listener, path })
    }

    /// Serves until the switch stops; then those who are being served are cut off, and the socket is removed. `attend` serves one connection, to its end.
    pub(super) fn run(self, stop: watch::Receiver<bool>, attend: impl Fn(&UnixStream) + Clone + Send + 'static) {
        let LocalSocket { visits, listener, path } = self;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let mut visitors = Vec::new();
        let served =
            runtime.and_then(|runtime| runtime.block_on(serve(visits, listener, &attend, stop, &mut visitors)));
        if let Err(error) = served {
            tracing::warn!(reason = %error, "no {} until the next start", visits.what);
        }
        for Visitor { stream, thread } in visitors {
            // It may have gone.
            let _ = stream.shutdown(Shutdown::Both);
            // A panic there was said on standard error, and is no reason for the switch not to stop in order.
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(path);
    }
}

async fn serve(
    visits: Visits,
    listener: UnixListener,
    attend: &(impl Fn(&UnixStream) + Clone + Send + 'static),
    mut stop: watch::Receiver<bool>,
    visitors: &mut Vec<Visitor>,
) -> io::Result<()> {
    let listener = tokio::net::UnixListener::from_std(listener)?;
    let mut is_failing = false;
    loop {
        let accepted = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            accepted = listener.accept() => accepted,
        };
        visitors.retain(|visitor| !visitor.thread.is_finished());
        let received = match accepted {
            Ok((stream, _)) => {
                is_failing = false;
                stream.into_std().and_then(|stream| receive(visits, stream, attend, visitors))
            }
            Err(error) => {
                // Out of file descriptors, most likely: waiting is all there is to do. It is said once.
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::warn!(reason = %error, "no connection for {} can be taken now", visits.what);
                }
                tokio::select! {
                    _ = stop.wait_for(|stop| *stop) => return Ok(()),
                    () = tokio::time::sleep(Duration::from_millis(LOCAL_ACCEPT_PAUSE_MS)) => {}
                }
                continue;
            }
        };
        // One who cannot be served is one who is not served: the others are.
        if let Err(error) = received {
            tracing::warn!(reason = %error, "a connection for {} was refused", visits.what);
        }
    }
}

fn receive(
    visits: Visits,
    stream: UnixStream,
    attend: &(impl Fn(&UnixStream) + Clone + Send + 'static),
    visitors: &mut Vec<Visitor>,
) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_write_timeout(Some(Duration::from_millis(visits.stall_ms)))?;
    if visitors.len() >= visits.connections_max {
        let text = format!("{} others are {}; try again", visits.connections_max, visits.what);
        // A line fits the socket's buffer: this waits for nobody.
        let _ = TroubleLine::write(&Trouble::Fault(text), &mut &stream);
        return Ok(());
    }
    let (theirs, attend) = (stream.try_clone()?, attend.clone());
    let thread = std::thread::Builder::new().name(visits.name.to_owned()).spawn(move || attend(&theirs))?;
    visitors.push(Visitor { stream, thread });
    Ok(())
}

/// Reads the request of a connection, of so many bytes and within so many milliseconds, and lets `answer` write to it.
pub(super) fn attend(
    stream: &UnixStream,
    bounds: (usize, u64),
    answer: impl FnOnce(&[u8], &mut BufWriter<&UnixStream>) -> Result<(), Trouble>,
) {
    let mut out = BufWriter::new(stream);
    match read_request(stream, bounds).and_then(|line| answer(&line, &mut out)) {
        Ok(()) => {}
        // It has gone, or takes nothing.
        Err(Trouble::Output(_)) => return,
        Err(trouble) => drop(TroubleLine::write(&trouble, &mut out)),
    }
    let _ = out.flush();
    let _ = stream.shutdown(Shutdown::Both);
}

/// The request's line, which must be whole in time.
fn read_request(mut stream: &UnixStream, (bytes_max, ms_max): (usize, u64)) -> Result<Vec<u8>, Trouble> {
    let until = Instant::now() + Duration::from_millis(ms_max);
    let mut line = Vec::new();
    let mut buffer = [0; 1_024];
    while !line.contains(&b'\n') {
        if line.len() > bytes_max {
            return Err(Trouble::Asked(format!("a request of more than {bytes_max} bytes")));
        }
        let late = || Trouble::Asked(format!("a request that was not whole within {ms_max} ms"));
        let left = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()).ok_or_else(late)?;
        stream.set_read_timeout(Some(left)).map_err(Trouble::Output)?;
        match stream.read(&mut buffer) {
            Ok(0) => return Err(Trouble::Asked("a request that ends before the end of its line".to_owned())),
            Ok(count) => line.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Err(late()),
            Err(error) => return Err(Trouble::Output(error)),
        }
    }
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    line.truncate(end);
    Ok(line)
}

/// A request as it is read, of the version that this switch answers.
pub(super) fn parse<T: serde::de::DeserializeOwned>(line: &[u8], known: u32) -> Result<T, Trouble> {
    /// What every version of a request has.
    #[derive(Deserialize)]
    struct Versioned {
        version: u32,
    }
    let wrong = |error: serde_json::Error| Trouble::Asked(format!("a request that is none: {error}"));
    let Versioned { version } = serde_json::from_slice(line).map_err(wrong)?;
    if version != known {
        let text = format!("a request of version {version}; this switch answers version {known}: use its own `switch`");
        return Err(Trouble::Asked(text));
    }
    serde_json::from_slice(line).map_err(wrong)
}

/// Writes one line of an answer.
pub(super) fn write_line(answer: &impl Serialize, out: &mut impl Write) -> Result<(), Trouble> {
    let line = serde_json::to_string(answer).map_err(|error| Trouble::Output(error.into()))?;
    writeln!(out, "{line}").map_err(Trouble::Output)
}

/// What went wrong, as it stands in a line: `{"trouble":{"kind":"asked","text":"..."}}`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TroubleLine {
    kind: TroubleKind,
    text: String,
}

/// What kind of trouble, as [`Trouble`] has it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TroubleKind {
    Asked,
    NotThere,
    Fault,
}

impl TroubleLine {
    fn write(trouble: &Trouble, out: &mut impl Write) -> Result<(), Trouble> {
        let kind = match trouble {
            Trouble::Asked(_) => TroubleKind::Asked,
            Trouble::NotThere(_) => TroubleKind::NotThere,
            // What is refused is an answer, and no trouble.
            Trouble::Fault(_) | Trouble::Refused(_) | Trouble::Output(_) => TroubleKind::Fault,
        };
        let line = TroubleLine { kind, text: trouble.to_string() };
        write_line(&serde_json::json!({ "trouble": line }), out)
    }

    pub(super) fn into_trouble(self) -> Trouble {
        match self.kind {
            TroubleKind::Asked => Trouble::Asked(self.text),
            TroubleKind::NotThere => Trouble::NotThere(self.text),
            TroubleKind::Fault => Trouble::Fault(self.text),
        }
    }
}

/// Connects to a socket of the switch that runs on a data directory. `otherwise` says what to do where none runs.
pub(super) fn call(data: &Path, visits: Visits, otherwise: &str) -> Result<UnixStream, Trouble> {
    let path =
        visits.path(data).map_err(|text| Trouble::Asked(format!("{text}; move the directory, or {otherwise}")))?;
    UnixStream::connect(&path).map_err(|error| {
        let is_absent = matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused);
        Trouble::Asked(if is_absent {
            format!(
                "no switch runs on {} ({} does not answer): start it, or {otherwise}",
                data.display(),
                path.display()
            )
        } else {
            format!("{}: {error}", path.display())
        })
    })
}

/// Sends a request and hands over the lines of the answer, until one is said to be the last. `then` is what follows where there is none.
pub(super) fn ask<A: serde::de::DeserializeOwned>(
    stream: &UnixStream,
    request: &impl Serialize,
    then: &str,
    mut take: impl FnMut(A) -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let lost = |error: io::Error| Trouble::Fault(format!("the switch has ended the connection: {error}{then}"));
    let line = serde_json::to_string(request).map_err(|error| lost(error.into()))?;
    // A switch that serves enough others answers, and ends, before it has read: its answer says why.
    let sent = (&mut &*stream).write_all(format!("{line}\n").as_bytes());
    for line in BufReader::new(stream).lines() {
        let answer = serde_json::from_str(&line.map_err(lost)?).map_err(|error| lost(error.into()))?;
        if take(answer)? {
            return Ok(());
        }
    }
    sent.map_err(lost).and(Err(broken_off(then)))
}

pub(super) fn broken_off(then: &str) -> Trouble {
    Trouble::Fault(format!("the switch broke its answer off{then}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop where it stands")]
    use super::*;

    const VISITS: Visits = Visits { name: "payments", what: "testing", connections_max: 1, stall_ms: 100 };

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_said() {
        assert_eq!(VISITS.path(Path::new("/data")).unwrap(), Path::new("/data/payments.socket"));
        let long = format!("/{}", "d".repeat(PATH_BYTES_MAX));
        let text = VISITS.path(Path::new(&long)).unwrap_err();
        assert!(text.contains("too long for a socket") && text.contains(&long), "{text}");
        // The longest that is said to be right is one that a socket can be made under.
        let most = PATH_BYTES_MAX - VISITS.preparing().len() - 3;
        assert!(VISITS.path(Path::new(&"d".repeat(most))).is_ok());
        assert!(VISITS.path(Path::new(&"d".repeat(most + 1))).is_err());
    }

    #[test]
    fn a_request_that_dribbles_in_is_given_up_when_its_time_is_over() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (ended, end) = std::sync::mpsc::channel::<()>();
        let dribble = std::thread::spawn(move || {
            // Each byte comes well before the time-out: only the whole is too late.
            while end.recv_timeout(Duration::from_millis(20)).is_err() {
                if theirs.write_all(b" ").is_err() {
                    break;
                }
            }
            let mut said = String::new();
            theirs.read_to_string(&mut said).unwrap();
            said
        });
        let began = Instant::now();
        attend(&ours, (4_096, 300), |_, _| unreachable!("no line has come"));
        assert!(began.elapsed() >= Duration::from_millis(300));
        ended.send(()).unwrap();
        drop(ours);
        let said = dribble.join().unwrap();
        assert!(said.contains("\"kind\":\"asked\"") && said.contains("not whole within 300 ms"), "{said}");
    }

    #[test]
    fn who_takes_nothing_of_an_answer_gets_no_more_of_it() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        theirs.write_all(b"{}\n").unwrap();
        let began = Instant::now();
        let mut lines = 0;
        attend(&ours, (4_096, 5_000), |_, out| {
            loop {
                write_line(&"x".repeat(10_000), out)?;
                lines += 1;
            }
        });
        assert!(
            lines < 1_000 && began.elapsed() >= Duration::from_millis(100),
            "{lines} lines are not to fit a socket"
        );
    }

    #[test]
    fn a_request_that_is_too_long_is_refused_before_it_ends() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(&[b' '; 3_000]).unwrap();
        attend(&ours, (2_000, 5_000), |_, _| unreachable!("no line has come"));
        let mut said = String::new();
        drop(ours);
        // The rest of it was never read, which is told after the answer.
        let _ = theirs.read_to_string(&mut said);
        assert!(said.contains("more than 2000 bytes"), "{said}");
    }
}
