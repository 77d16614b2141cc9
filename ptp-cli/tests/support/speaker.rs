//! Somebody who says numbered lines, a few at a time, so that a conversation takes a while.

use std::io::Write;
use std::process::ChildStdin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Ptp;

pub(crate) struct Speaker {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(usize, ChildStdin)>,
}

impl Ptp {
    /// Begins to write the lines that `numbered` gives, so many in a breath. In breaths of five a
    /// thousand lines take a quarter of a second.
    pub(crate) fn speak(&mut self, count: usize, name: &'static str, breath: usize) -> Speaker {
        let mut pipe = self.input.take().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            for number in 1..=count {
                let line = format!("{name} {number}\n");
                let stopped = stopped.load(Ordering::Acquire);
                if stopped || pipe.write_all(line.as_bytes()).is_err() {
                    return (number - 1, pipe);
                }
                if number % breath == 0 {
                    thread::sleep(Duration::from_millis(1));
                }
            }
            (count, pipe)
        });
        Speaker { stop, thread }
    }
}

impl Speaker {
    /// Waits until all is said. The input ends when what is returned is dropped.
    #[must_use]
    pub(crate) fn finish(self) -> ChildStdin {
        self.thread.join().unwrap().1
    }

    /// Says nothing more. Returns how many lines were said, and the input as above.
    #[must_use]
    pub(crate) fn stop(self) -> (usize, ChildStdin) {
        self.stop.store(true, Ordering::Release);
        self.thread.join().unwrap()
    }
}
