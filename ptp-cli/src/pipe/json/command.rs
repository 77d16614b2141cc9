//! What is read: commands, each on a line.

use std::io::{self, BufRead, BufReader, Read};

use crossbeam_channel::{Receiver, Sender};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::pipe::input::{self, End, Outlet, Outlets, PIECE, Unsent};
use crate::render;

/// A byte of a message may be written as `\u0000`.
const LONGEST_ESCAPE: u64 = 6;
/// What may stand around the message.
const AROUND: u64 = 4096;

/// What a command came to.
#[derive(Debug, PartialEq)]
pub(crate) enum News {
    /// A message was accepted by a conversation.
    Accepted {
        reference: Option<Reference>,
        id: u64,
        conversation: u64,
    },
    /// A line was not obeyed.
    Refused {
        kind: &'static str,
        message: String,
        line: u64,
        reference: Option<Reference>,
    },
}

/// What a script knows a message by.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Reference {
    Number(serde_json::Number),
    Text(String),
}

/// What a line says.
#[derive(Debug, PartialEq)]
enum Command {
    Send(Message),
    Quit,
}

#[derive(Debug, PartialEq)]
struct Message {
    content: Content,
    reference: Option<Reference>,
}

#[derive(Debug, PartialEq)]
enum Content {
    Text(String),
    Binary(Vec<u8>),
}

/// A line as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    send: Option<String>,
    send_binary: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<Reference>,
    quit: Option<bool>,
}

const HOW: &str = r#"write {"send":"text"}, {"send_binary":"base64"} or {"quit":true}"#;

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(line: &[u8]) -> Result<Self, String> {
        let fields: Fields =
            serde_json::from_slice(line).map_err(|error| format!("no command: {error}; {HOW}"))?;
        let content = match (fields.send, fields.send_binary, fields.quit) {
            (Some(text), None, None) => Content::Text(text),
            (None, Some(base64), None) => {
                let bytes = BASE64.decode(base64.as_bytes());
                Content::Binary(bytes.map_err(|error| format!("no base64: {error}"))?)
            }
            (None, None, Some(true)) if fields.reference.is_none() => return Ok(Self::Quit),
            _ => return Err(format!("not one command: {HOW}")),
        };
        Ok(Self::Send(Message {
            content,
            reference: fields.reference,
        }))
    }
}

/// Obeys every line of `input`: tells what it came to, and reports how the input ended. A line that
/// is no command does not end it.
pub(super) fn obey(
    input: impl Read,
    outlets: &Receiver<Outlet>,
    news: &Sender<News>,
    report: &mut dyn FnMut(End),
) {
    let Some(mut outlets) = Outlets::wait(outlets) else {
        return;
    };
    let mut input = BufReader::with_capacity(PIECE, input);
    let mut line = Vec::new();
    for number in 1u64.. {
        let longest = outlets.limit().saturating_mul(LONGEST_ESCAPE) + AROUND;
        let parsed = match read(&mut input, longest, &mut line) {
            Ok(Some(true)) => Command::parse(&line),
            Ok(Some(false)) => Err(format!("longer than {longest} bytes")),
            Ok(None) => return report(End::Eof),
            Err(error) => {
                let trouble = format!("{}: {error}", render::UNREADABLE);
                return report(End::Trouble(trouble, Exit::Unexpected));
            }
        };
        let told = match parsed {
            Ok(Command::Quit) => return input::quit(input, render::COMMANDS_BEHIND_QUIT, report),
            Ok(Command::Send(message)) => match send(&mut outlets, message, number, report) {
                Some(told) => told,
                None => return,
            },
            Err(message) => News::Refused {
                kind: "command",
                message,
                line: number,
                reference: None,
            },
        };
        if news.send(told).is_err() {
            return;
        }
    }
}

/// Sends a message; `None` if no session follows that could take it.
fn send(
    outlets: &mut Outlets,
    message: Message,
    line: u64,
    report: &mut dyn FnMut(End),
) -> Option<News> {
    let reference = message.reference;
    let sent = match &message.content {
        Content::Text(text) => outlets.send(text.as_str(), report),
        Content::Binary(bytes) => outlets.send(bytes.as_slice(), report),
    };
    match sent {
        Ok(id) => Some(News::Accepted {
            reference,
            id: id.get(),
            conversation: outlets.number(),
        }),
        Err(Unsent::TooLarge(limit)) => Some(News::Refused {
            kind: "too_large",
            message: format!("longer than the {limit} bytes that the other side takes"),
            line,
            reference,
        }),
        Err(Unsent::NotPlain) => Some(News::Refused {
            kind: "not_plain",
            message: "a plain conversation has only text".to_owned(),
            line,
            reference,
        }),
        Err(Unsent::Over) => None,
    }
}

/// Reads a line; whether it was read as a whole, or `None` at the end. Of one that is too long, the
/// rest is skipped.
fn read(input: &mut impl BufRead, longest: u64, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    if !input::read_line(input, longest, line)? {
        return Ok(None);
    }
    if line.ends_with(b"\n") || (line.len() as u64) < longest {
        return Ok(Some(true));
    }
    *line = Vec::new();
    input.skip_until(b'\n')?;
    Ok(Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, reference: Option<Reference>) -> Command {
        Command::Send(Message {
            content: Content::Text(text.to_owned()),
            reference,
        })
    }

    #[test]
    fn commands_are_read() {
        let parse = |line: &str| Command::parse(line.as_bytes()).unwrap();
        assert_eq!(parse(r#"{"send":"hi"}"#), text("hi", None));
        let seven = Some(Reference::Number(7.into()));
        assert_eq!(
            parse(" {\"ref\":7,\"send\":\"\\u0000\"}\r\n"),
            text("\0", seven)
        );
        let name = Some(Reference::Text("a".to_owned()));
        assert_eq!(parse(r#"{"send":"quit","ref":"a"}"#), text("quit", name));
        let binary = Command::Send(Message {
            content: Content::Binary(vec![0, 255]),
            reference: None,
        });
        assert_eq!(parse(r#"{"send_binary":"AP8="}"#), binary);
        assert_eq!(parse(r#"{"quit":true}"#), Command::Quit);
    }

    #[test]
    fn whatever_is_no_command_is_an_error() {
        let deep = "[".repeat(1_000_000);
        let lines: [&[u8]; 17] = [
            b"",
            b"\n",
            b"hi",
            b"{}",
            b"[]",
            b"null",
            b"{\"send\":7}",
            b"{\"send\":\"\xFF\"}",
            b"{\"send\":\"a\nb\"}",
            b"{\"send\":\"\\ud800\"}",
            b"{\"send\":\"a\"} {\"send\":\"b\"}",
            b"{\"send\":\"a\",\"quit\":true}",
            b"{\"send\":\"a\",\"send\":\"b\"}",
            b"{\"quit\":false}",
            b"{\"dance\":true}",
            b"{\"send_binary\":\"?\"}",
            deep.as_bytes(),
        ];
        for line in lines {
            let shown = String::from_utf8_lossy(&line[..line.len().min(40)]).into_owned();
            assert!(Command::parse(line).is_err(), "{shown}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_skipped_as_a_whole() {
        let mut input: &[u8] = b"12345\n1234\n12345678901234567890\nx";
        let mut line = Vec::new();
        let mut next = || read(&mut input, 6, &mut line).unwrap();
        let read: Vec<_> = std::iter::from_fn(&mut next).collect();
        assert_eq!(read, [true, true, false, true]);
    }
}
