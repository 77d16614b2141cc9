//! What the program says about questions, programs that answer, and JSON.

use std::time::Duration;

use ptp_core::{Message, Peer};

use crate::escape;

/// Commands came behind the one to leave.
pub(crate) const COMMANDS_BEHIND_QUIT: &str =
    "[ERROR] Commands behind `quit` were not obeyed: make it the last line";
/// The other side has answered, and went on.
const BEHIND_GOODBYE: &str = "[CLIENT] Behind the answer:";
/// The input of commands can't be read.
pub(crate) const UNREADABLE: &str = "[ERROR] The commands can't be read";

/// A question with what may be answered, on one line.
pub(crate) fn question_with_choices(question: &str, choices: &[String]) -> String {
    format!("{question} ({})", list(choices))
}

/// Said to the other side where its answer is none of the choices.
pub(crate) fn ask_again(choices: &[String]) -> String {
    format!("Please answer with one of these: {}", list(choices))
}

fn list(choices: &[String]) -> String {
    let numbered: Vec<_> = (1..)
        .zip(choices)
        .map(|(number, choice)| format!("{number} {choice}"))
        .collect();
    numbered.join(", ")
}

/// A message that came when the question was answered already.
pub(crate) fn aside(peer: &Peer, message: &Message) -> String {
    let line = super::message(&super::speaker(peer), message);
    format!("{BEHIND_GOODBYE} {line}")
}

/// Nobody answered in time.
pub(crate) fn no_answer(wait: Duration) -> String {
    format!(
        "[ERROR] No answer within {}: ask again, or give more time with --wait",
        humantime::format_duration(wait)
    )
}

/// The other side does not answer with one of the choices.
pub(crate) fn no_valid_answer(tries: u32) -> String {
    format!("[ERROR] {tries} answers, and none of them one of the choices: is a person there?")
}

/// The question can't be sent.
pub(crate) fn unanswerable(cause: &str) -> String {
    format!("[ERROR] The question was not sent: {cause}")
}

/// A program could not be started.
pub(crate) fn not_run(program: &str, id: u64, cause: &std::io::Error) -> String {
    let program = escape::name(program);
    format!(
        "[ERROR] Message {id}: {program} can't be run ({cause}): give its path, such as ./answer.sh"
    )
}

/// A program ended badly.
pub(crate) fn program_failed(program: &str, id: u64, why: &str) -> String {
    let program = escape::name(program);
    format!("[ERROR] Message {id}: {program} failed ({why}), nothing was answered")
}

/// An answer that nobody can be given any more, or that is too large.
pub(crate) fn answer_unsent(id: u64, cause: &str) -> String {
    format!("[ERROR] The answer to message {id} was not sent: {cause}")
}

/// Messages for which there was no time.
pub(crate) fn cut_off(count: u64) -> String {
    format!(
        "[ERROR] {count} {} came to no program: the conversation was over",
        super::messages(count)
    )
}
