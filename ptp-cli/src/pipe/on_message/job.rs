//! One run of the program, for one message.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use ptp_core::{Message, Session};

use super::super::manner::trust;
use super::Program;
use crate::escape;
use crate::open::CODE_VARIABLE;

/// How often it is looked whether a program that has closed its output has ended, at most.
const LOOK: Duration = Duration::from_millis(50);

/// What a run came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finished {
    Answer(Vec<u8>),
    /// It printed nothing.
    Silent,
    Failed(String),
}

/// A program that runs. Shared with the thread that waits for its end.
pub(super) struct Job(Arc<Mutex<Child>>);

impl Job {
    /// Starts the program, without a shell. What the peer chose never is an argument. `tell` is
    /// called once, when it has ended by itself.
    pub(super) fn start(
        program: &Program,
        session: &Session,
        message: Message,
        tell: impl FnOnce(Finished) + Send + 'static,
    ) -> io::Result<Self> {
        let peer = session.peer();
        let fingerprint = peer.fingerprint().map(|it| it.to_string());
        let mut command = Command::new(&program.command);
        command
            .args(&program.arguments)
            // Escaped: one with a zero byte in it would keep every program from being started.
            .env("PTP_PEER_NAME", &*escape::name(peer.name()))
            .env("PTP_PEER_FINGERPRINT", fingerprint.unwrap_or_default())
            .env("PTP_PEER_TRUST", trust(peer.standing()))
            .env("PTP_MESSAGE_ID", message.id().to_string())
            .env_remove(CODE_VARIABLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        apart(&mut command);
        let mut child = command.spawn()?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let child = Arc::new(Mutex::new(child));
        let limit = session.max_message();
        let running = Arc::clone(&child);
        let writing = thread::Builder::new().name("program-in".into());
        let reading = thread::Builder::new().name("program-out".into());
        let started = writing
            .spawn(move || {
                if let Some(mut stdin) = stdin {
                    // A program need not read what it is told.
                    let _ = stdin.write_all(message.as_bytes());
                }
            })
            .and_then(|_| reading.spawn(move || tell(finish(&running, stdout, limit))));
        let job = Self(child);
        match started {
            Ok(_) => Ok(job),
            Err(error) => {
                job.kill();
                Err(error)
            }
        }
    }

    /// Ends the program, and what it has started.
    pub(super) fn kill(&self) {
        kill(&mut lock(&self.0));
    }
}

fn lock(child: &Mutex<Child>) -> MutexGuard<'_, Child> {
    child.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads what the program prints, and waits for its end.
fn finish(child: &Mutex<Child>, stdout: Option<ChildStdout>, limit: u64) -> Finished {
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        // Two more for the end of a line, and one that shows that it is too long.
        let read = stdout
            .take(limit.saturating_add(3))
            .read_to_end(&mut output);
        if let Err(error) = read {
            kill(&mut lock(child));
            return Finished::Failed(format!("its output can't be read: {error}"));
        }
    }
    trim(&mut output);
    if output.len() as u64 > limit {
        kill(&mut lock(child));
        return Finished::Failed(format!("it printed more than {limit} bytes"));
    }
    match wait(child) {
        Ok(status) if !status.success() => Finished::Failed(status.to_string()),
        Err(error) => Finished::Failed(error.to_string()),
        Ok(_) if output.is_empty() => Finished::Silent,
        Ok(_) => Finished::Answer(output),
    }
}

/// Waits so that it can be killed meanwhile.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(status) = lock(child).try_wait()? {
            return Ok(status);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOOK);
    }
}

/// Takes one end of a line away.
fn trim(output: &mut Vec<u8>) {
    for end in [b'\n', b'\r'] {
        if output.last() != Some(&end) {
            return;
        }
        output.pop();
    }
}

/// A group of its own: Ctrl-C says goodbye, and does not end a program in the middle of an answer.
#[cfg(unix)]
fn apart(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    command.process_group(0);
}

#[cfg(not(unix))]
fn apart(_command: &mut Command) {}

/// Ends a program with its group, unless it has ended; its number is its own until it was waited for.
#[cfg(unix)]
fn kill(child: &mut Child) {
    use rustix::process::{Pid, Signal, kill_process_group};
    if matches!(child.try_wait(), Ok(None)) {
        // It may be ending by itself.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.wait();
    }
}

#[cfg(not(unix))]
fn kill(child: &mut Child) {
    // It may be ending by itself.
    let _ = child.kill();
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_end_of_a_line_is_taken_away() {
        for (output, trimmed) in [
            ("", ""),
            ("a", "a"),
            ("a\n", "a"),
            ("a\r\n", "a"),
            ("a\n\n", "a\n"),
            ("a\r", "a\r"),
            ("\n", ""),
        ] {
            let mut bytes = output.as_bytes().to_vec();
            trim(&mut bytes);
            assert_eq!(bytes, trimmed.as_bytes(), "{output:?}");
        }
    }
}
