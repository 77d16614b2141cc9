//! What is written: events, each to a line.

use std::fmt::Write;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use data_encoding::BASE64;
use ptp_core::{End, Interruption, Message, Peer, Reason, Resumption};
use serde::Serialize;

use super::super::manner::trust;
use super::command::Reference;
use crate::escape;
use crate::exit::Exit;

/// The version of everything that is written (docs/json.md).
const VERSION: u32 = 1;
/// What an error begins with where people read it.
pub(super) const ERROR: &str = "[ERROR] ";

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    Listening {
        port: u16,
        addresses: Vec<IpAddr>,
    },
    Pairing {
        code: &'a str,
    },
    Notice {
        message: &'a str,
    },
    Connected {
        peer: Who<'a>,
    },
    Received {
        id: u64,
        from: &'a str,
        #[serde(flatten)]
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        sent: Option<String>,
    },
    Accepted {
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
        id: u64,
    },
    Delivered {
        id: u64,
    },
    Interrupted {
        cause: &'a str,
        patience: f64,
    },
    Resumed {
        after: f64,
        resent: u64,
    },
    Disconnected {
        reason: &'static str,
        #[serde(skip_serializing_if = "str::is_empty")]
        cause: &'a str,
        undelivered: usize,
        unsent: Vec<u64>,
        unconfirmed: Vec<u64>,
    },
    Error {
        kind: &'static str,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        line: Option<u64>,
        #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
        reference: Option<Reference>,
    },
}

/// Who is at the other end.
#[derive(Debug, Serialize)]
pub(super) struct Who<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<SocketAddr>,
    trust: &'static str,
}

/// What a message says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Content<'a> {
    Text(&'a str),
    Binary(String),
}

impl<'a> Event<'a> {
    pub(super) fn connected(peer: &'a Peer) -> Self {
        Self::Connected {
            peer: Who {
                name: peer.name(),
                fingerprint: peer.fingerprint().map(|it| it.to_string()),
                address: peer.address(),
                trust: trust(peer.standing()),
            },
        }
    }

    pub(super) fn received(peer: &'a Peer, message: &'a Message) -> Self {
        Self::Received {
            id: message.id().get(),
            from: peer.name(),
            content: match message.as_text() {
                Some(text) => Content::Text(text),
                None => Content::Binary(BASE64.encode(message.as_bytes())),
            },
            sent: rfc3339(message.sent_at()),
        }
    }

    pub(super) fn interrupted(interruption: &'a Interruption) -> Self {
        Self::Interrupted {
            cause: &interruption.cause,
            patience: interruption.patience.as_secs_f64(),
        }
    }

    pub(super) fn resumed(resumption: &Resumption) -> Self {
        Self::Resumed {
            after: resumption.after.as_secs_f64(),
            resent: resumption.resent,
        }
    }

    pub(super) fn disconnected(end: &'a End) -> Self {
        let ids = |messages: &[Message]| messages.iter().map(|it| it.id().get()).collect();
        Self::Disconnected {
            reason: match end.reason {
                Reason::ClosedByPeer => "closed_by_peer",
                Reason::ClosedHere => "closed_here",
                Reason::TimedOut => "timed_out",
                Reason::Protocol => "protocol",
                Reason::Replaced => "replaced",
                Reason::Forgotten => "forgotten",
                _ => "reset",
            },
            cause: &end.cause,
            undelivered: end.unsent.len() + end.unconfirmed.len(),
            unsent: ids(&end.unsent),
            unconfirmed: ids(&end.unconfirmed),
        }
    }

    /// The event as a line, with its end.
    ///
    /// What a terminal might obey, and what some take for the end of a line, is escaped: it may be
    /// the other side's.
    pub(super) fn line(&self) -> serde_json::Result<String> {
        #[derive(Serialize)]
        struct Line<'a> {
            v: u32,
            #[serde(flatten)]
            event: &'a Event<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            time: Option<String>,
        }
        let json = serde_json::to_string(&Line {
            v: VERSION,
            event: self,
            time: rfc3339(SystemTime::now()),
        })?;
        Ok(escape::json(&json) + "\n")
    }
}

/// What an error is about: for each exit code a word.
pub(super) fn kind(exit: Exit) -> &'static str {
    match exit {
        Exit::Unreachable => "unreachable",
        Exit::Untrusted => "untrusted",
        Exit::Undelivered => "undelivered",
        _ => "unexpected",
    }
}

/// What people read, without what it begins with.
pub(super) fn plain(line: &str) -> String {
    let text = line.replace(&format!("\n{ERROR}"), "\n");
    let text = text.trim_start();
    match text.split_once("] ") {
        Some((tag, text)) if tag.starts_with('[') => text.to_owned(),
        _ => text.to_owned(),
    }
}

/// A time, if it is in years that RFC 3339 can write: a message's is its sender's word.
fn rfc3339(time: SystemTime) -> Option<String> {
    let mut text = String::new();
    let time = time.max(SystemTime::UNIX_EPOCH);
    write!(text, "{}", humantime::format_rfc3339_millis(time)).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(event: &Event) -> serde_json::Value {
        let line = event.line().unwrap();
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        serde_json::from_str(&line).unwrap()
    }

    #[test]
    fn an_event_begins_with_its_version_and_name() {
        let line = Event::Delivered { id: 7 }.line().unwrap();
        assert!(line.starts_with(r#"{"v":1,"event":"delivered","id":7,"time":""#));
        assert!(line.ends_with("Z\"}\n"));
    }

    #[test]
    fn whatever_is_in_a_text_it_is_one_line_that_no_terminal_obeys_and_reads_as_it_was() {
        let odd =
            "\"\\\0\r\n\x1b[2J\u{7f}\u{85}\u{9b}\u{2028}\u{202e}\u{200b}\u{e0001}漢字é\u{301}";
        let event = Event::Notice { message: odd };
        let line = event.line().unwrap();
        let hidden =
            |character: char| character.is_control() || "\u{2028}\u{202e}".contains(character);
        assert!(!line.trim_end_matches('\n').contains(hidden));
        assert!(line.contains("漢字é\u{301}"));
        assert_eq!(read(&event)["message"], odd);
    }

    #[test]
    fn a_time_that_cannot_be_written_is_left_out() {
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        assert_eq!(rfc3339(far), None);
        let last = rfc3339(far - Duration::from_millis(1));
        assert_eq!(last.as_deref(), Some("9999-12-31T23:59:59.999Z"));
        let before = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(rfc3339(before).as_deref(), Some("1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn an_error_is_told_without_what_marks_it_for_people() {
        assert_eq!(plain("[ERROR] Port 1 is in use"), "Port 1 is in use");
        assert_eq!(plain("[ERROR] one\n[ERROR]   two"), "one\n  two");
        assert_eq!(plain("no tag"), "no tag");
    }
}
