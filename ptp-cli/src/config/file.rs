//! The text of the file: keys that are options, and their values.

use std::fmt::{self, Display};
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::options::{Kind, KnownOption, opposite};
use crate::escape;

/// More than anybody writes by hand, and little to read.
const LONGEST: u64 = 64 * 1024;
/// How alike two names are of which one is probably meant for the other, from 0 to 1.
const ALIKE: f64 = 0.75;

/// An option that the file gives.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) option: &'a KnownOption,
    pub(super) value: Value,
    pub(super) line: usize,
}

/// What an option is set to. It is shown as TOML, without anything that a terminal obeys.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Flag(bool),
    Number(String),
    Text(String),
    List(Vec<Self>),
}

/// Why the file can't be used, and in which line.
#[derive(Debug)]
pub(crate) struct ConfigError {
    pub(crate) line: Option<usize>,
    pub(crate) fault: Fault,
}

/// What is wrong with the file. No value is told, since one may be a pairing code.
#[derive(Debug)]
pub(crate) enum Fault {
    Unreadable(io::Error),
    NoFile,
    TooLong {
        limit: u64,
    },
    NotText,
    NotToml {
        cause: String,
    },
    Table {
        key: String,
    },
    Unknown {
        key: String,
        nearest: Option<String>,
    },
    Twice {
        name: String,
        before: usize,
    },
    /// Of a type that the option has not; `example` is how it is written.
    Type {
        name: String,
        example: String,
    },
    /// A value that the option has not.
    Value {
        name: String,
        cause: String,
    },
    /// Two options of which only one can be given.
    Clash {
        name: String,
        other: String,
    },
}

/// Reads the file. Where there is none, nothing is set.
pub(super) fn read<'a>(
    path: &Path,
    options: &'a [KnownOption],
) -> Result<Vec<Setting<'a>>, ConfigError> {
    match load(path) {
        Ok(text) => parse(&text, options),
        Err(ConfigError {
            fault: Fault::Unreadable(cause),
            ..
        }) if cause.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

impl Setting<'_> {
    /// The words that say the same on a command line. A value is joined to its option, so that
    /// whatever it is can't be taken for anything else.
    pub(super) fn words(&self) -> Vec<String> {
        let word = &self.option.word;
        let with = |value: &Value| format!("{word}={}", value.plain());
        match &self.value {
            Value::Flag(given) => vec![word.clone(); usize::from(*given)],
            Value::Number(count) if self.option.kind == Kind::Count => {
                vec![word.clone(); count.parse().unwrap_or_default()]
            }
            Value::List(values) => values.iter().map(with).collect(),
            value => vec![with(value)],
        }
    }
}

impl Value {
    /// The value of a word that stands for one in `args.rs`.
    pub(super) fn from_default(word: String) -> Self {
        match word.parse::<i64>() {
            Ok(_) => Self::Number(word),
            Err(_) => Self::Text(word),
        }
    }

    fn plain(&self) -> &str {
        match self {
            Self::Number(text) | Self::Text(text) => text,
            Self::Flag(_) | Self::List(_) => "",
        }
    }

    /// The value as the option takes it, if it does; `says` is false for a key that says the
    /// opposite.
    fn of(value: &DeValue, kind: Kind, says: bool) -> Option<Self> {
        match (kind, value) {
            (Kind::Flag, DeValue::Boolean(given)) => Some(Self::Flag(*given == says)),
            (Kind::Count, DeValue::Integer(count)) => {
                let count = u8::try_from(integer(count)?).ok()?;
                Some(Self::Number(count.to_string()))
            }
            (Kind::Many, DeValue::Array(values)) => Self::list(values),
            (Kind::One | Kind::Many, value) => Self::single(value),
            _ => None,
        }
    }

    fn list(values: &DeArray) -> Option<Self> {
        let values = values.iter().map(|value| Self::single(value.get_ref()));
        Some(Self::List(values.collect::<Option<_>>()?))
    }

    fn single(value: &DeValue) -> Option<Self> {
        match value {
            DeValue::String(text) => Some(Self::Text(text.clone().into_owned())),
            DeValue::Integer(number) => Some(Self::Number(integer(number)?.to_string())),
            DeValue::Float(number) => Some(Self::Number(number.as_str().to_owned())),
            _ => None,
        }
    }
}

impl Display for Value {
    fn fmt(&self, to: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Flag(given) => write!(to, "{given}"),
            Self::Number(number) => to.write_str(number),
            Self::Text(text) => to.write_str(&quoted(text)),
            Self::List(values) => {
                let values: Vec<_> = values.iter().map(ToString::to_string).collect();
                write!(to, "[{}]", values.join(", "))
            }
        }
    }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            _ if escape::is_shown(character) => quoted.push(character),
            _ => quoted += &format!("\\U{:08X}", u32::from(character)),
        }
    }
    quoted + "\""
}

fn integer(number: &DeInteger) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn load(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |cause| without_line(Fault::Unreadable(cause));
    // What is no file, such as a named pipe, might never be opened.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(without_line(Fault::NoFile));
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.len() as u64 > LONGEST {
        return Err(without_line(Fault::TooLong { limit: LONGEST }));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        ConfigError {
            line: Some(line_at(error.as_bytes(), valid)),
            fault: Fault::NotText,
        }
    })
}

/// Reads the text of the file; what comes first in it is told first.
pub(super) fn parse<'a>(
    text: &str,
    options: &'a [KnownOption],
) -> Result<Vec<Setting<'a>>, ConfigError> {
    let at = |span: Range<usize>| line_at(text.as_bytes(), span.start);
    let table = DeTable::parse(text).map_err(|error| ConfigError {
        line: error.span().map(at),
        fault: Fault::NotToml {
            cause: error.message().to_owned(),
        },
    })?;
    let mut entries: Vec<_> = table.get_ref().iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in entries {
        let line = at(key.span());
        let fail = |fault| ConfigError {
            line: Some(line),
            fault,
        };
        let setting = setting(key.get_ref(), value.get_ref(), line, options).map_err(fail)?;
        let same = |other: &&Setting| other.option.id == setting.option.id;
        if let Some(before) = settings.iter().find(same) {
            return Err(fail(Fault::Twice {
                name: setting.option.name.clone(),
                before: before.line,
            }));
        }
        settings.push(setting);
    }
    Ok(settings)
}

fn setting<'a>(
    key: &str,
    value: &DeValue,
    line: usize,
    options: &'a [KnownOption],
) -> Result<Setting<'a>, Fault> {
    if value.is_table() {
        return Err(Fault::Table {
            key: key.to_owned(),
        });
    }
    let name = key.replace('_', "-");
    let turned = |option: &KnownOption| option.kind == Kind::Flag && opposite(&option.name) == name;
    let found = options
        .iter()
        .find(|option| option.name == name || turned(option));
    let Some(option) = found else {
        return Err(Fault::Unknown {
            key: key.to_owned(),
            nearest: nearest(&name, options),
        });
    };
    match Value::of(value, option.kind, option.name == name) {
        Some(value) => Ok(Setting {
            option,
            value,
            line,
        }),
        None => Err(Fault::Type {
            example: option.example(&name),
            name,
        }),
    }
}

fn nearest(name: &str, options: &[KnownOption]) -> Option<String> {
    let likeness = |option: &KnownOption| strsim::jaro_winkler(name, &option.name);
    let nearest = options
        .iter()
        .map(|option| (likeness(option), option))
        .max_by(|(one, _), (other, _)| one.total_cmp(other));
    let (likeness, option) = nearest?;
    (likeness >= ALIKE).then(|| option.name.clone())
}

fn without_line(fault: Fault) -> ConfigError {
    ConfigError { line: None, fault }
}

fn line_at(text: &[u8], place: usize) -> usize {
    let before = text.get(..place).unwrap_or(text);
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::super::options::all;
    use super::*;

    #[test]
    fn values_are_shown_as_they_are_written() {
        let options = all();
        for (written, shown) in [
            ("name = 'A \"b\" \\ c'", r#""A \"b\" \\ c""#),
            (
                "name = \"a\\u001b[2J\\u202Eb\\n\"",
                r#""a\U0000001B[2J\U0000202Eb\U0000000A""#,
            ),
            ("name = 7", "7"),
            ("timeout = 0.5", "0.5"),
            ("timeout = 1_0", "10"),
            ("timeout = 0x10", "16"),
            ("open = true", "true"),
            ("verbose = 2", "2"),
            ("on-message = ['a', 1, '-b c']", r#"["a", 1, "-b c"]"#),
            ("on-message = 'a'", r#""a""#),
            ("on-message = []", "[]"),
        ] {
            let settings = parse(written, &options).unwrap();
            assert_eq!(settings[0].value.to_string(), shown, "{written}");
            let again = format!("{} = {shown}", settings[0].option.name);
            assert_eq!(parse(&again, &options).unwrap()[0].value, settings[0].value);
        }
    }

    #[test]
    fn keys_have_hyphens_or_underscores_and_flags_an_opposite() {
        let options = all();
        for (written, name, value) in [
            ("code_file = 'f'", "code-file", Value::Text("f".to_owned())),
            (
                "input-history = false",
                "no-input-history",
                Value::Flag(true),
            ),
            ("no_open = true", "open", Value::Flag(false)),
        ] {
            let settings = parse(written, &options).unwrap();
            assert_eq!(settings[0].option.name, name);
            assert_eq!(settings[0].value, value);
        }
    }

    #[test]
    fn a_file_that_is_not_understood_says_in_which_line_and_why() {
        let options = all();
        for (text, line, fault) in [
            ("open", 1, "NotToml"),
            ("name = 'Ana'\ncode = 4071-magnet-village", 2, "NotToml"),
            ("name = 'a'\nname = 'b'", 2, "NotToml"),
            (
                "# so\n\nnmae = 'Ana'",
                3,
                "Unknown { key: \"nmae\", nearest: Some(\"name\") }",
            ),
            (
                "time_out = 1",
                1,
                "Unknown { key: \"time_out\", nearest: Some(\"timeout\") }",
            ),
            ("no-name = true", 1, "Unknown"),
            ("xyz = 1", 1, "Unknown { key: \"xyz\", nearest: None }"),
            ("[server]\nname = 'Ana'", 1, "Table"),
            ("name.first = 'Ana'", 1, "Table"),
            ("name = { first = 'Ana' }", 1, "Table"),
            (
                "code-file = 'a'\ncode_file = 'b'",
                2,
                "Twice { name: \"code-file\", before: 1 }",
            ),
            (
                "open = true\nno-open = true",
                2,
                "Twice { name: \"open\", before: 1 }",
            ),
            (
                "open = 1",
                1,
                "Type { name: \"open\", example: \"open = true or false\" }",
            ),
            ("input-history = 'no'", 1, "Type { name: \"input-history\""),
            (
                "name = true",
                1,
                "Type { name: \"name\", example: \"name = \\\"NAME\\\"\" }",
            ),
            ("name = ['Ana']", 1, "Type"),
            (
                "timeout = false",
                1,
                "Type { name: \"timeout\", example: \"timeout = 10\" }",
            ),
            ("timeout = 99999999999999999999", 1, "Type"),
            ("code = 2020-01-01", 1, "Type"),
            ("verbose = true", 1, "Type"),
            ("verbose = 256", 1, "Type"),
            ("on-message = [['a']]", 1, "Type"),
        ] {
            let error = parse(text, &options).unwrap_err();
            assert_eq!(error.line, Some(line), "{text}");
            let told = format!("{:?}", error.fault);
            assert!(told.starts_with(fault), "{text}: {told}");
        }
    }

    #[test]
    fn no_fault_tells_the_code() {
        let options = all();
        for text in [
            "code = 4071-magnet-village",
            "code = '4071-magnet",
            "code = ['4071-magnet']",
        ] {
            let told = format!("{:?}", parse(text, &options).unwrap_err());
            assert!(!told.contains("magnet"), "{told}");
        }
    }
}
