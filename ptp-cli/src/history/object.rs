//! An entry as a JSON object on a line (docs/json.md).

use std::time::SystemTime;

use data_encoding::{BASE64, HEXLOWER};
use jiff::Timestamp;
use ptp_core::{Content, Entry, Fate};
use serde::Serialize;

use super::time;
use crate::escape;

/// The version of everything that is written (docs/json.md).
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Object<'a> {
    v: u32,
    id: i64,
    conversation: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    peer: Peer<'a>,
    #[serde(flatten)]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_at: Option<String>,
    #[serde(flatten)]
    said: Said<'a>,
}

#[derive(Serialize)]
struct Peer<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
}

/// What a gap has not.
#[derive(Serialize)]
struct Message {
    number: u64,
    direction: &'static str,
    state: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    settled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Said<'a> {
    Text(&'a str),
    Binary(String),
    Gap(u64),
}

/// The entry as a line, with its end.
///
/// # Errors
/// Those of the JSON writer, which knows none for this.
pub(super) fn line(entry: &Entry) -> serde_json::Result<String> {
    let said = match &entry.content {
        Content::Text(text) => Said::Text(text),
        Content::Binary(bytes) => Said::Binary(BASE64.encode(bytes)),
        Content::Gap(count) => Said::Gap(*count),
        // Of a newer library than this was made for.
        _ => Said::Gap(0),
    };
    let is_gap = matches!(said, Said::Gap(_));
    let message = Message {
        number: entry.number,
        direction: if entry.fate.is_own() {
            "sent"
        } else {
            "received"
        },
        state: state(entry.fate),
        settled: entry.is_settled,
    };
    let key = entry.peer.key;
    let json = serde_json::to_string(&Object {
        v: VERSION,
        id: entry.id.get(),
        conversation: entry.conversation,
        session: entry.session.map(|id| HEXLOWER.encode(&id)),
        peer: Peer {
            name: &entry.peer.name,
            fingerprint: key.map(|key| key.fingerprint().to_string()),
            key: key.map(|key| key.to_string()),
            address: entry.peer.address.as_deref(),
        },
        message: (!is_gap).then_some(message),
        sent_at: rfc3339(if is_gap {
            time::of(entry)
        } else {
            entry.sent_at
        }),
        delivered_at: entry.delivered_at.filter(|_| !is_gap).and_then(rfc3339),
        said,
    })?;
    Ok(escape::json(&json) + "\n")
}

fn state(fate: Fate) -> &'static str {
    match fate {
        Fate::Received => "received",
        Fate::Delivered => "delivered",
        Fate::Pending => "pending",
        Fate::Unsent => "unsent",
        Fate::Unconfirmed => "unconfirmed",
        _ => "unknown",
    }
}

/// In UTC with milliseconds; none that no calendar has: a message's is its sender's word.
fn rfc3339(time: SystemTime) -> Option<String> {
    let time = Timestamp::try_from(time).ok()?;
    Some(format!("{time:.3}"))
}
