//! A history that is filled without `ptp`: of conversations over memory.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use ptp_core::transport::duplex;
use ptp_core::{Config, Event, History, Recording, Role, Session};

const SOON: Duration = Duration::from_secs(30);

/// What was said at a home.
pub(crate) struct Past(History);

/// A conversation, and both who hold it.
pub(crate) struct Talk {
    own: Session,
    peer: Session,
    recording: Recording,
}

impl Past {
    pub(crate) fn at(home: &Path) -> Self {
        Self(History::open(home.join("history.sqlite3")).unwrap())
    }

    /// Begins a conversation with somebody who says to be called so.
    pub(crate) fn with(&self, name: &str) -> Talk {
        let (left, right) = duplex(64 * 1024);
        let mut config = Config::open();
        config.name = name.to_owned();
        let listening = thread::spawn(move || Session::over(right, Role::Listener, &config));
        let own = Session::over(left, Role::Dialler, &Config::open()).unwrap();
        let peer = listening.join().unwrap().unwrap();
        let recording = self.0.record(&own).unwrap();
        Talk {
            own,
            peer,
            recording,
        }
    }

    /// Hears a line of a plain peer, and says one.
    pub(crate) fn plain(&self, heard: &str, said: &str) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let mut config = Config::open();
        config.plain = true;
        let own = Session::connect(&address, &config).unwrap();
        let mut peer = listener.accept().unwrap().0;
        let recording = self.0.record(&own).unwrap();
        peer.write_all(format!("{heard}\n").as_bytes()).unwrap();
        let event = own.events().recv_timeout(SOON).unwrap();
        recording.event(&event);
        recording.sent(own.sender().send(said).unwrap(), &said);
        recording.flush(SOON).unwrap();
    }
}

impl Talk {
    /// Sends a message that arrives.
    pub(crate) fn say(&self, text: &str) -> &Self {
        self.leave(text);
        self.peer.events().recv_timeout(SOON).unwrap();
        self.until(|event| matches!(event, Event::Delivered { .. }))
    }

    /// Sends a message that the peer does not take.
    pub(crate) fn leave(&self, text: &str) -> &Self {
        let id = self.own.sender().send(text).unwrap();
        self.recording.sent(id, &text);
        self.recording.flush(SOON).unwrap();
        self
    }

    /// Gets a message.
    pub(crate) fn hear(&self, text: &str) -> &Self {
        self.peer.sender().send(text).unwrap();
        self.until(|event| matches!(event, Event::Received(_)))
    }

    pub(crate) fn hear_bytes(&self, bytes: &[u8]) -> &Self {
        self.peer.sender().send(bytes).unwrap();
        self.until(|event| matches!(event, Event::Received(_)))
    }

    /// Loses the peer. So many of the messages that it did not take perhaps arrived, the others
    /// did not.
    pub(crate) fn lose(&self, perhaps: usize) -> &Self {
        self.own.abort();
        for event in self.own.events() {
            let mut event = event;
            if let Event::Disconnected(end) = &mut event {
                let mut left = std::mem::take(&mut end.unconfirmed);
                left.append(&mut end.unsent);
                end.unsent = left.split_off(perhaps);
                end.unconfirmed = left;
            }
            self.recording.event(&event);
        }
        self.recording.flush(SOON).unwrap();
        self
    }

    pub(crate) fn fingerprint(&self) -> String {
        self.peer.local_key().fingerprint().to_string()
    }

    pub(crate) fn key(&self) -> String {
        self.peer.local_key().to_string()
    }

    fn until(&self, is_it: impl Fn(&Event) -> bool) -> &Self {
        loop {
            let event = self.own.events().recv_timeout(SOON).unwrap();
            self.recording.event(&event);
            if is_it(&event) {
                self.recording.flush(SOON).unwrap();
                return self;
            }
        }
    }
}
