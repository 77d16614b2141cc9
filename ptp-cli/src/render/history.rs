//! What `ptp history` lists and says.

use std::borrow::Cow;
use std::path::Path;

use jiff::Zoned;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use ptp_core::{Content, Entry, Fate, HistoryError, PastPeer};

use super::messages;
use crate::escape;
use crate::history::time;

/// Nothing was ever kept.
pub(crate) const NOTHING_KEPT: &str = "Nothing is kept yet: `ptp server --history` and `ptp client \
    HOST --history` keep what is said, and so does the line `history = true` in config.toml, always";
/// Nothing is as it was asked for.
pub(crate) const NOTHING_FITS: &str =
    "Nothing that was kept fits: leave out an option, or look through all with `ptp history`";
/// Nobody has to be told anything.
pub(crate) const ALL_DELIVERED: &str =
    "Nothing is undelivered: whatever you sent arrived, or was dropped or sent again";
/// How those that are listed reach their peer yet.
pub(crate) const OFFERED_AGAIN: &str = "They are offered again when you next talk to them with \
    --history; `--resend yes` does not ask";
/// The answer was not yes.
pub(crate) const UNCHANGED: &str = "Nothing was changed";

/// Where the text of an entry begins, behind its time.
const GUTTER: usize = 6;
/// Bytes that are no text are shown as far as a person may recognise them.
const MOST_BYTES: usize = 256;

/// For whom a listing is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// Who reads it as it is.
    Plain,
    /// What makes a page of it.
    Markdown,
}

/// Entries, each under its day and its conversation.
pub(crate) struct Listing {
    style: Style,
    zone: TimeZone,
    /// Where the one before stands.
    before: Option<(Date, i64)>,
}

impl Listing {
    pub(crate) fn new(style: Style, zone: TimeZone) -> Self {
        Self {
            style,
            zone,
            before: None,
        }
    }

    /// The lines of the next entry, and of what it stands under where that is new.
    pub(crate) fn next(&mut self, entry: &Entry) -> String {
        let at = time::here(time::of(entry), &self.zone);
        let place = (at.date(), entry.conversation);
        let new_day = self.before.is_none_or(|(day, _)| day != place.0);
        let mut lines = String::new();
        if new_day {
            let gap = if self.before.is_some() { "\n" } else { "" };
            lines += &match self.style {
                Style::Plain => format!("{gap}=== {} ===\n", at.strftime("%Y-%m-%d, %A")),
                Style::Markdown => format!("{gap}## {}\n", at.date()),
            };
        }
        if self.before != Some(place) {
            let peer = peer(&entry.peer);
            lines += &match self.style {
                Style::Plain => format!("--- with {peer} ---\n"),
                Style::Markdown => format!("\n### with {}\n\n", markdown(&peer)),
            };
        }
        self.before = Some(place);
        lines += &match self.style {
            Style::Plain => plain_line(entry, &at),
            Style::Markdown => markdown_line(entry, &at),
        };
        lines + "\n"
    }
}

fn plain_line(entry: &Entry, at: &Zoned) -> String {
    format!("{} {}", at.strftime("%H:%M"), spoken(entry))
}

/// Who said what, and whether it arrived.
pub(super) fn spoken(entry: &Entry) -> String {
    match content(entry, GUTTER) {
        Ok(said) => format!("{}: {said}{}", speaker(entry), mark(entry)),
        Err(gap) => format!("[{gap}]"),
    }
}

/// What was said.
pub(super) fn said(entry: &Entry) -> String {
    content(entry, GUTTER).map_or_else(|gap| format!("[{gap}]"), Cow::into_owned)
}

fn markdown_line(entry: &Entry, at: &Zoned) -> String {
    let at = at.strftime("%H:%M");
    let said = match content(entry, 0) {
        Ok(said) => said,
        Err(gap) => return format!("- {at} *{gap}*"),
    };
    // The lines of a text are those of its item, each ended by force.
    let lines = said.lines().map(|line| {
        let text = line.trim_start_matches(' ');
        match text.is_empty() {
            true => "&nbsp;".to_owned(),
            false => "&nbsp;".repeat(line.len() - text.len()) + &markdown(text),
        }
    });
    let text = lines.collect::<Vec<_>>().join("\\\n  ");
    let mark = match mark(entry) {
        "" => String::new(),
        mark => format!(" *{}*", mark.trim_start()),
    };
    format!("- **{at} {}:** {text}{mark}", markdown(&speaker(entry)))
}

/// What an entry says, fit to be shown; or that something is missing.
fn content(entry: &Entry, gutter: usize) -> Result<Cow<'_, str>, String> {
    match &entry.content {
        Content::Text(text) => Ok(escape::text(text, gutter)),
        Content::Binary(bytes) if bytes.len() <= MOST_BYTES => Ok(escape::bytes(bytes, gutter)),
        Content::Binary(bytes) => {
            let length = grouped(bytes.len() as u64);
            Ok(format!("[binary, {length} bytes]").into())
        }
        Content::Gap(count) => Err(format!(
            "{} {} could not be kept here",
            grouped(*count),
            messages(*count)
        )),
        _ => Err("something that this version of ptp does not know".to_owned()),
    }
}

/// Whom a conversation was with. Behind the name, which may have been only their word, stands what
/// nobody can choose.
fn peer(peer: &PastPeer) -> String {
    let sure = match (peer.key, &peer.address) {
        (Some(key), _) => key.fingerprint().to_string(),
        (None, Some(address)) => format!("{}, not encrypted", escape::name(address)),
        (None, None) => "not encrypted".to_owned(),
    };
    format!("{} ({sure})", called(&peer.name))
}

fn speaker(entry: &Entry) -> Cow<'_, str> {
    match entry.fate.is_own() {
        true => "You".into(),
        false => called(&entry.peer.name),
    }
}

/// A peer's name; in quotes if it could be taken for more than one.
fn called(name: &str) -> Cow<'_, str> {
    match escape::name(name) {
        name if name.is_empty() => "Remote".into(),
        name if name.contains(':') || name.trim().eq_ignore_ascii_case("you") => {
            format!("\"{name}\"").into()
        }
        name => name,
    }
}

fn mark(entry: &Entry) -> &'static str {
    match (entry.fate, entry.is_settled) {
        (Fate::Unsent, false) => " (not delivered)",
        (Fate::Unsent, true) => " (not delivered; sent again or dropped)",
        (Fate::Unconfirmed, false) => " (perhaps not delivered)",
        (Fate::Unconfirmed, true) => " (perhaps not delivered; sent again or dropped)",
        (Fate::Pending, _) => " (not delivered yet)",
        _ => "",
    }
}

/// A text that Markdown takes for nothing else: no link, heading or HTML.
fn markdown(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        // These alone mean nothing anywhere.
        if character.is_ascii_punctuation() && !",;'\"?/%".contains(character) {
            plain.push('\\');
        }
        plain.push(character);
    }
    plain
}

/// With a comma before each three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Nothing was kept with whom was asked for.
pub(crate) fn nothing_with(name: &str) -> String {
    let name = escape::name(name);
    format!(
        "Nothing was kept with {name}: `ptp peers` lists whom you know, and `ptp history` whom you \
         talked with"
    )
}

/// Asks whether to delete so many messages.
pub(crate) fn forget_question(count: u64, all: bool, with: Option<&str>) -> String {
    let all = if all { "all " } else { "" };
    let with = with.map_or_else(String::new, |name| format!(" with {}", escape::name(name)));
    format!("Delete {all}{} {}{with}?", grouped(count), messages(count))
}

/// So many messages were deleted.
pub(crate) fn forgot(count: u64) -> String {
    format!("Deleted {} {}", grouped(count), messages(count))
}

/// Asks whether to offer so many messages no more.
pub(crate) fn drop_question(count: u64) -> String {
    format!("Never offer {} {} again?", grouped(count), messages(count))
}

/// So many messages are not offered any more.
pub(crate) fn dropped(count: u64) -> String {
    format!(
        "Not offered again: {} {}. In the history they stay",
        grouped(count),
        messages(count)
    )
}

/// A question where nobody can answer.
pub(crate) fn unasked(question: &str) -> String {
    format!("[ERROR] {question} Nobody can be asked here: add --yes")
}

/// How large the file was, and is.
pub(crate) fn compacted(file: &Path, before: u64, after: u64) -> String {
    let file = file.to_string_lossy();
    format!(
        "{}: {} bytes before, {} now",
        escape::name(&file),
        grouped(before),
        grouped(after)
    )
}

/// What was to be listed can't be written.
pub(crate) fn unwritable(cause: &std::io::Error) -> String {
    format!("[ERROR] What was kept can't be written to standard output: {cause}")
}

/// The history can't be used.
pub(crate) fn error(error: &HistoryError) -> String {
    let text = error.to_string();
    format!("[ERROR] {}", escape::text(&text, 0))
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::{Duration, SystemTime};

    use ptp_core::transport::duplex;
    use ptp_core::{Config, History, HistoryFilter, Role, Session};

    use super::*;

    const SOON: Duration = Duration::from_secs(30);
    const MORNING: u64 = 1_795_593_600; // 2026-11-25 08:00 UTC

    /// One that was sent in the morning, to be changed: only a history makes them.
    fn sent(text: &str) -> Entry {
        let (left, right) = duplex(64 * 1024);
        let peer = thread::spawn(|| Session::over(right, Role::Listener, &Config::open()));
        let session = Session::over(left, Role::Dialler, &Config::open()).unwrap();
        let _peer = peer.join().unwrap().unwrap();
        let name = format!(
            "ptp-render-{}-{:?}",
            std::process::id(),
            thread::current().id()
        );
        let folder = std::env::temp_dir().join(name);
        let history = History::open(folder.join("history.sqlite3")).unwrap();
        let recording = history.record(&session).unwrap();
        recording.sent(session.sender().send("").unwrap(), &"");
        recording.flush(SOON).unwrap();
        let mut entry = history.find(&HistoryFilter::default()).unwrap().remove(0);
        drop(history);
        std::fs::remove_dir_all(folder).unwrap();
        entry.peer.name = "Ana".to_owned();
        entry.fate = Fate::Delivered;
        entry.content = Content::Text(text.to_owned());
        entry.sent_at = SystemTime::UNIX_EPOCH + Duration::from_secs(MORNING);
        entry
    }

    fn received(text: &str) -> Entry {
        let mut entry = sent(text);
        entry.fate = Fate::Received;
        entry.delivered_at = Some(entry.sent_at);
        entry
    }

    /// The line alone.
    fn line(style: Style, entry: &Entry) -> String {
        let lines = Listing::new(style, TimeZone::UTC).next(entry);
        let start = if style == Style::Plain {
            "08:00 "
        } else {
            "- "
        };
        let lines: Vec<_> = lines
            .lines()
            .skip_while(|it| !it.starts_with(start))
            .collect();
        lines.join("\n")
    }

    #[test]
    fn days_and_conversations_have_a_line_where_they_begin() {
        let mut entry = sent("late");
        entry.peer.key = None;
        entry.peer.address = Some("192.0.2.7".to_owned());
        let zone = TimeZone::posix("<+14>-14").unwrap();
        for (style, expected) in [
            (
                Style::Plain,
                "=== 2026-11-25, Wednesday ===\n--- with Ana (192.0.2.7, not encrypted) ---\n\
                 22:00 You: late\n22:00 You: late\n\
                 --- with Ana (192.0.2.7, not encrypted) ---\n22:00 You: late\n\
                 \n=== 2026-11-26, Thursday ===\n--- with Ana (192.0.2.7, not encrypted) ---\n\
                 00:00 You: late\n",
            ),
            (
                Style::Markdown,
                "## 2026-11-25\n\n### with Ana \\(192\\.0\\.2\\.7, not encrypted\\)\n\n\
                 - **22:00 You:** late\n- **22:00 You:** late\n\
                 \n### with Ana \\(192\\.0\\.2\\.7, not encrypted\\)\n\n- **22:00 You:** late\n\
                 \n## 2026-11-26\n\n### with Ana \\(192\\.0\\.2\\.7, not encrypted\\)\n\n\
                 - **00:00 You:** late\n",
            ),
        ] {
            let mut entry = entry.clone();
            let mut listing = Listing::new(style, zone.clone());
            let mut lines = listing.next(&entry) + &listing.next(&entry);
            entry.conversation += 1;
            lines += &listing.next(&entry);
            entry.sent_at += Duration::from_secs(2 * 3600);
            lines += &listing.next(&entry);
            assert_eq!(lines, expected);
        }
    }

    #[test]
    fn what_did_not_arrive_is_marked_and_what_is_missing_is_told() {
        let mut entry = sent("hi");
        for (fate, plain, markdown) in [
            (Fate::Delivered, "08:00 You: hi", "- **08:00 You:** hi"),
            (Fate::Unknown, "08:00 You: hi", "- **08:00 You:** hi"),
            (
                Fate::Pending,
                "08:00 You: hi (not delivered yet)",
                "- **08:00 You:** hi *(not delivered yet)*",
            ),
            (
                Fate::Unsent,
                "08:00 You: hi (not delivered)",
                "- **08:00 You:** hi *(not delivered)*",
            ),
            (
                Fate::Unconfirmed,
                "08:00 You: hi (perhaps not delivered)",
                "- **08:00 You:** hi *(perhaps not delivered)*",
            ),
        ] {
            entry.fate = fate;
            assert_eq!(line(Style::Plain, &entry), plain);
            assert_eq!(line(Style::Markdown, &entry), markdown);
        }
        entry.is_settled = true;
        let settled = "08:00 You: hi (perhaps not delivered; sent again or dropped)";
        assert_eq!(line(Style::Plain, &entry), settled);
        let mut gap = received("");
        gap.content = Content::Gap(1234);
        let plain = "08:00 [1,234 messages could not be kept here]";
        assert_eq!(line(Style::Plain, &gap), plain);
        gap.content = Content::Gap(1);
        let markdown = "- 08:00 *1 message could not be kept here*";
        assert_eq!(line(Style::Markdown, &gap), markdown);
    }

    #[test]
    fn one_that_came_has_the_time_of_this_computer() {
        let mut entry = received("from the future");
        entry.sent_at += Duration::from_secs(1 << 40);
        assert_eq!(line(Style::Plain, &entry), "08:00 Ana: from the future");
    }

    #[test]
    fn markdown_takes_a_text_for_nothing_but_a_text() {
        for (text, shown) in [
            ("a, b; it's 50% \"so\"?", "a, b; it's 50% \"so\"?"),
            ("# no heading", "\\# no heading"),
            ("<b onload=x()>&amp;", "\\<b onload\\=x\\(\\)\\>\\&amp;"),
            ("[a](javascript:b)", "\\[a\\]\\(javascript\\:b\\)"),
            (
                "![a][b] `c` *d* __e__ ~f~",
                "\\!\\[a\\]\\[b\\] \\`c\\` \\*d\\* \\_\\_e\\_\\_ \\~f\\~",
            ),
            (
                "https://a.example @b c|d",
                "https\\://a\\.example \\@b c\\|d",
            ),
            ("\\# $x$ {y}", "\\\\\\# \\$x\\$ \\{y\\}"),
            (
                "1. one\n- two\n\n    code\n---",
                "1\\. one\\\n  \\- two\\\n  &nbsp;\\\n  &nbsp;&nbsp;&nbsp;&nbsp;code\\\n  \\-\\-\\-",
            ),
            ("\u{1b}[2J\u{202e}", "\\^\\[\\[2J\\<U\\+202E\\>"),
        ] {
            let expected = format!("- **08:00 Ana:** {shown}");
            assert_eq!(line(Style::Markdown, &received(text)), expected);
        }
    }

    #[test]
    fn digits_stand_in_groups_of_three() {
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (12_345_678, "12,345,678"),
        ] {
            assert_eq!(grouped(number), shown);
        }
    }
}
