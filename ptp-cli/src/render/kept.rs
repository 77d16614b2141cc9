//! What the program says of what is kept, beside the conversation.

use std::borrow::Cow;

use jiff::Zoned;
use ptp_core::{Content, Entry, Fate, HistoryError, Peer};

use super::history::{said, spoken};
use super::{messages, speaker};
use crate::escape;
use crate::history::time;

/// What earlier conversations did not deliver is asked about; `decision` reads the answer.
pub(crate) const SEND_AGAIN: &str = "Send again? [y]es, [n]ot now, [d]rop: ";
/// What was answered is none of these, and it is asked once more.
pub(crate) const UNCLEAR: &str =
    "[HISTORY] That is no answer, and was not sent to anybody: write y, n or d";
/// It will be asked again.
pub(crate) const NOT_NOW: &str =
    "[HISTORY] Not sent; you are asked again next time (`ptp history undelivered` lists them)";
/// It will not.
pub(crate) const DROPPED: &str = "[HISTORY] Dropped: they stay in the history, and are not sent";
/// What was said before ends.
const UP_TO_NOW: &str = "[HISTORY] Up to now";

/// Messages that are shown before they are asked about; of more only their number is.
const MOST_SHOWN: usize = 10;
/// Of each of them, and of the last lines: what is longer would bury the conversation that begins.
const MOST_CHARACTERS: usize = 500;
const MOST_LINES: usize = 5;

/// What a person decided about what was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    SendAgain,
    NotNow,
    Drop,
    /// Perhaps it was meant for the peer.
    Unclear,
}

/// Reads an answer to `SEND_AGAIN`; no answer is not now.
pub(crate) fn decision(answer: &str) -> Decision {
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Decision::SendAgain,
        "" | "n" | "no" | "not now" => Decision::NotNow,
        "d" | "drop" => Decision::Drop,
        _ => Decision::Unclear,
    }
}

/// Something can't be kept, and why.
pub(crate) fn not_kept(error: &HistoryError) -> String {
    let how_far = match error {
        HistoryError::Slow(_) => "not all of it is kept",
        _ => "is not kept",
    };
    let error = error.to_string();
    format!(
        "[ERROR] The conversation goes on, but {how_far}: {}",
        escape::name(&error)
    )
}

/// So many messages, receipts and the like of a conversation are missing.
pub(crate) fn entries_not_kept(count: u64) -> String {
    let entries = if count == 1 { "entry" } else { "entries" };
    format!(
        "[ERROR] The history lacks {count} {entries} of this conversation: they could not be kept"
    )
}

/// There is something that an earlier conversation did not deliver, and nobody to ask.
pub(crate) fn left_undelivered(peer: &Peer, left: &[Entry]) -> String {
    let count = left.len() as u64;
    format!(
        "[HISTORY] {count} {} to {} did not arrive earlier: --resend yes sends them again, --resend no \
         says nothing, `ptp history undelivered` lists them",
        messages(count),
        speaker(peer)
    )
}

/// Whether there is something that an earlier conversation did not deliver is not known.
pub(crate) fn not_looked_up(error: &HistoryError) -> String {
    let error = error.to_string();
    format!(
        "[ERROR] What did not arrive earlier can't be looked up, and is not sent again: {}",
        escape::name(&error)
    )
}

/// They are sent again, or were taken over by another program.
pub(crate) fn sending_again(left: &[Entry]) -> String {
    let count = left.len() as u64;
    if count == 0 {
        return "[HISTORY] Another ptp of yours is sending them again already".to_owned();
    }
    let perhaps = left.iter().filter(|entry| entry.fate == Fate::Unconfirmed);
    let twice = match perhaps.count() as u64 {
        0 => String::new(),
        1 if count == 1 => "; it may have arrived before".to_owned(),
        perhaps if perhaps == count => "; they may have arrived before".to_owned(),
        perhaps => format!("; {perhaps} of them may have arrived before"),
    };
    format!("[HISTORY] Sending again {count} {}{twice}", messages(count))
}

/// Not all of them were taken.
pub(crate) fn not_all_again(rest: usize) -> String {
    let rest = rest as u64;
    format!(
        "[ERROR] {rest} {} not sent: the other side has not read what was sent before. You are asked again \
         next time",
        messages(rest)
    )
}

/// A conversation in a pipe has ended before all of them were taken.
pub(crate) fn over_before_again(rest: usize) -> String {
    let rest = rest as u64;
    format!(
        "[ERROR] {rest} {} not sent again: the conversation ended before that. They are kept \
         (`ptp history undelivered`)",
        messages(rest)
    )
}

/// What earlier conversations did not deliver, to decide about.
pub(crate) fn undelivered_before(left: &[Entry]) -> Vec<String> {
    let mut lines = vec![String::new()];
    for entry in left.iter().take(MOST_SHOWN) {
        let label = match entry.fate {
            Fate::Unsent => "[NOT DELIVERED]",
            _ => "[PERHAPS NOT DELIVERED]",
        };
        lines.push(super::status(&format!(
            "{label}: {}",
            said(&shortened(entry))
        )));
    }
    if let Some(more) = left.len().checked_sub(MOST_SHOWN).filter(|more| *more != 0) {
        lines.push(super::status(&format!(
            "[HISTORY] and {more} more: `ptp history undelivered` lists them"
        )));
    }
    lines
}

/// The last lines of earlier conversations, dim, between two of our own.
pub(crate) fn last_lines(peer: &Peer, entries: &[Entry]) -> Vec<String> {
    let now = Zoned::now();
    let line = |entry: &Entry| {
        let at = time::here(time::of(entry), now.time_zone());
        let at = match at.date() == now.date() {
            true => at.strftime("%H:%M"),
            false => at.strftime("%Y-%m-%d %H:%M"),
        };
        format!("\x1b[2m{at} {}\x1b[m", spoken(&shortened(entry)))
    };
    let before = format!("[HISTORY] Earlier with {}", speaker(peer));
    [String::new(), super::status(&before)]
        .into_iter()
        .chain(entries.iter().map(line))
        .chain([super::status(UP_TO_NOW)])
        .collect()
}

fn shortened(entry: &Entry) -> Cow<'_, Entry> {
    let (Content::Text(text), mut lines) = (&entry.content, 0) else {
        return Cow::Borrowed(entry);
    };
    let end = text
        .char_indices()
        .enumerate()
        .find(|(count, (_, letter))| {
            lines += usize::from(escape::breaks_line(*letter));
            *count == MOST_CHARACTERS || lines == MOST_LINES
        });
    let Some(start) = end.and_then(|(_, (end, _))| text.get(..end)) else {
        return Cow::Borrowed(entry);
    };
    let mut short = entry.clone();
    short.content = Content::Text(format!("{start} [`ptp history` shows the rest]"));
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_kept_is_told_without_anything_that_a_terminal_obeys() {
        let told = not_kept(&HistoryError::Full("/home/\u{1b}[2J\n[PEER]".into()));
        assert!(told.contains("/home/^[[2J^J[PEER]"), "{told}");
    }

    #[test]
    fn where_some_is_kept_it_is_not_said_that_nothing_is() {
        let told = not_kept(&HistoryError::Slow("/home".into()));
        assert!(told.contains("but not all of it is kept: "), "{told}");
        let told = not_kept(&HistoryError::Full("/home".into()));
        assert!(told.contains("but is not kept: "), "{told}");
    }

    #[test]
    fn only_an_answer_is_an_answer() {
        for (answer, expected) in [
            (" Y", Decision::SendAgain),
            ("yes", Decision::SendAgain),
            ("", Decision::NotNow),
            ("no", Decision::NotNow),
            ("drop", Decision::Drop),
            ("yes, at noon", Decision::Unclear),
            ("\u{1b}", Decision::Unclear),
        ] {
            assert_eq!(decision(answer), expected, "{answer:?}");
        }
    }
}
