//! The handshakes that a listener has under way.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{Shutdown, TcpStream};

use crate::protocol::Answer;

/// The handshakes that are under way, the oldest first.
#[derive(Default)]
pub(super) struct UnderWay {
    next: u64,
    streams: VecDeque<(u64, TcpStream)>,
}

impl UnderWay {
    /// Enters a caller; the oldest gives way if there are `most` already.
    pub(super) fn begin(&mut self, stream: TcpStream, most: usize) -> u64 {
        if self.streams.len() >= most.max(1)
            && let Some((_, oldest)) = self.streams.pop_front()
        {
            let _ = oldest.shutdown(Shutdown::Both);
        }
        self.next += 1;
        self.streams.push_back((self.next, stream));
        self.next
    }

    /// Whether it was not yet ended, nor gave way.
    pub(super) fn holds(&self, number: u64) -> bool {
        self.streams.iter().any(|(other, _)| *other == number)
    }

    pub(super) fn end(&mut self, number: u64) {
        self.streams.retain(|(other, _)| *other != number);
    }

    /// Tells a caller whom nobody can attend to.
    pub(super) fn refuse(&mut self, number: u64) {
        if let Some((_, mut stream)) = self.streams.pop_back_if(|(last, _)| *last == number) {
            let line = Answer::Overloaded.line();
            // The first bytes of a connection always find room; who is gone need not be told.
            let _ = stream.write(line.as_bytes());
        }
    }

    /// Breaks all of them off.
    pub(super) fn break_off(&self) {
        for (_, stream) in &self.streams {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
