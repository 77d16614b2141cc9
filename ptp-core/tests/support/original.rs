//! A stand-in for the original program, as it is on the wire: a message is the stripped line in one
//! `send`, and one `recv(4096)` is one message, decoded strictly.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test crate uses a part of it, and a helper that fails fails its test"
)]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// What happened to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Message(String),
    /// The other side has left.
    Closed,
    /// A message that it can't decode, which ends it.
    Crashed(Vec<u8>),
}

pub(crate) struct Original {
    stream: TcpStream,
    seen: Receiver<Seen>,
}

impl Original {
    pub(crate) fn on(stream: TcpStream) -> Self {
        let (see, seen) = mpsc::channel();
        let mut incoming = stream.try_clone().unwrap();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let length = incoming.read(&mut buffer).unwrap_or(0);
                let event = match str::from_utf8(&buffer[..length]) {
                    Ok("") => Seen::Closed,
                    Ok(text) => Seen::Message(text.to_owned()),
                    Err(_) => Seen::Crashed(buffer[..length].to_vec()),
                };
                let goes_on = matches!(event, Seen::Message(_));
                if see.send(event).is_err() || !goes_on {
                    return;
                }
            }
        });
        Self { stream, seen }
    }

    pub(crate) fn say(&mut self, line: &str) {
        self.stream.write_all(line.trim().as_bytes()).unwrap();
    }

    /// What it sees next.
    pub(crate) fn see(&self) -> Seen {
        self.seen.recv_timeout(Duration::from_secs(20)).unwrap()
    }

    /// The next message.
    pub(crate) fn hear(&self) -> String {
        match self.see() {
            Seen::Message(text) => text,
            other => panic!("no message but {other:?}"),
        }
    }

    /// Sees to it that the next messages are this text. Which of them come in one depends on how busy
    /// the machine is.
    pub(crate) fn hear_all(&self, text: &str) {
        let mut heard = String::new();
        while heard.len() < text.len() {
            heard += &self.hear();
        }
        assert_eq!(heard, text);
    }

    /// `quit`: sends nothing and closes.
    pub(crate) fn quit(self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}
