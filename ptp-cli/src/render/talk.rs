//! What the program says beside a conversation on a terminal.

use std::env;
use std::time::Duration;

use ptp_core::{Message, Peer, PublicKey, Session, Standing};

use super::{messages, plain, speaker, status};
use crate::escape;

/// Asks for a secret.
pub(crate) const SECRET: &str = "Secret (not shown; Esc calls it off): ";

/// Nothing was typed.
pub(crate) const NO_SECRET: &str = "[USER] No secret sent";
/// Stands in the place of a secret that was sent.
pub(crate) const SECRET_SENT: &str = "[USER] Secret sent";
/// Ctrl-R was pressed, and there is nothing to show.
pub(crate) const NO_SECRETS: &str = "[USER] There is no secret to show";

/// What `/help` shows.
const HELP: [&str; 7] = [
    "[HELP] /who     who is at the other end, and how you reach them",
    "[HELP] /secret  type something hidden, which they see only while they want to",
    "[HELP] /help    this",
    "[HELP] //text   send a line that begins with `/`",
    "[HELP] quit     or exit, Ctrl-D, Ctrl-C on an empty line: leave",
    "[HELP] Alt-Enter begins a new line; Up goes back to what you typed; Ctrl-C clears the line",
    "[HELP] A pasted block is one message",
];

/// The colours of names: all but red, in which errors are expected, and the two of the background.
const COLOURS: [u8; 10] = [32, 33, 34, 35, 36, 92, 93, 94, 95, 96];

/// As `speaker`, in the colour of the peer's key, if it has a name and colours are wanted.
pub(crate) fn coloured_speaker(peer: &Peer) -> String {
    let plain = speaker(peer);
    let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if unwanted || peer.name().is_empty() {
        return plain;
    }
    match peer.public_key() {
        Some(key) => format!("\x1b[{}m{plain}\x1b[39m", colour(key)),
        None => plain,
    }
}

/// Always the same for a key.
fn colour(key: PublicKey) -> u8 {
    let first = key.as_bytes()[0];
    COLOURS[usize::from(first) % COLOURS.len()]
}

/// Stands in the place of a secret that came.
pub(crate) fn secret_came(speaker: &str) -> String {
    status(&format!(
        "[SECRET] {speaker} sent a secret: Ctrl-R shows it until you press a key"
    ))
}

/// A secret came that is too large, or one too many.
pub(crate) fn secret_dropped(speaker: &str) -> String {
    status(&format!(
        "[ERROR] {speaker} sent a secret that is not kept: it is too long, or too many wait (Ctrl-R \
         shows them)"
    ))
}

/// A secret, while it is shown.
pub(crate) fn secret(message: &Message) -> String {
    message.as_text().unwrap_or_default().to_owned()
}

/// What stands below the prompt while the last lines are on their way.
pub(crate) fn undelivered_yet(count: u64) -> String {
    match count {
        0 => String::new(),
        1 => "[the last line is not delivered yet]".to_owned(),
        _ => format!("[the last {count} lines are not delivered yet]"),
    }
}

/// What `/help` shows.
pub(crate) fn help() -> Vec<String> {
    HELP.map(status).into()
}

/// A line that begins with `/` and is no command.
pub(crate) fn unknown_command(line: &str) -> String {
    let line = escape::name(line);
    format!("[ERROR] Not sent: {line} is no command. /help lists them; /{line} sends it as it is")
}

/// What `/who` shows.
pub(crate) fn who(session: &Session, round_trip: Option<Duration>) -> Vec<String> {
    let peer = session.peer();
    let (Some(fingerprint), Some(encryption)) = (peer.fingerprint(), session.encryption()) else {
        return plain::who(session).map(|line| status(&line)).into();
    };
    let standing = match peer.standing() {
        Standing::Known => "whom you know",
        Standing::Paired => "paired by a code in this conversation",
        Standing::Own => "your own identity",
        _ => "not verified",
    };
    let place = match peer.address() {
        Some(address) => format!("at {address}, direct"),
        None => "direct".to_owned(),
    };
    let trip = match round_trip {
        Some(trip) => format!("round trip {} ms", milliseconds(trip)),
        None => "no sign of life for a second".to_owned(),
    };
    let stats = session.stats();
    let sent = match (stats.sent, stats.unacknowledged) {
        (0, _) => "nothing sent yet".to_owned(),
        (sent, 0) => format!("{sent} {} sent, all delivered", messages(sent)),
        (sent, waiting) => format!(
            "{sent} {} sent, {waiting} not delivered yet",
            messages(sent)
        ),
    };
    let lines = [
        format!(
            "[WHO] {}, {standing}; fingerprint {fingerprint}",
            speaker(peer)
        ),
        format!("[WHO] {place}, encrypted: {encryption}"),
        format!(
            "[WHO] {trip}; connection taken up again {} times; {sent}",
            stats.resumes
        ),
    ];
    lines.map(|line| status(&line)).into()
}

/// With as many digits as are worth reading.
fn milliseconds(time: Duration) -> String {
    let milliseconds = time.as_secs_f64() * 1e3;
    match milliseconds {
        0.0..10.0 => format!("{milliseconds:.1}"),
        _ => format!("{milliseconds:.0}"),
    }
}

/// Something could not be done beside the conversation.
pub(crate) fn no_thread(error: &std::io::Error) -> String {
    format!("[ERROR] The system has no room for this now ({error}): try again")
}
