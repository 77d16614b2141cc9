//! What docs/json.md says, read from its tables.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

const DOCUMENT: &str = include_str!("../../../docs/json.md");
/// What every event has.
const COMMON: [&str; 3] = ["v", "event", "time"];

/// What every entry of the history has.
const VERSION: [&str; 1] = ["v"];

/// Fields, `outer.inner` where they are nested, with their types.
type Fields = BTreeMap<String, String>;

/// The fields of each event, and those of an entry of the history.
pub(crate) struct Schema {
    events: BTreeMap<String, Fields>,
    entry: Fields,
}

impl Schema {
    pub(crate) fn documented() -> &'static Self {
        static SCHEMA: OnceLock<Schema> = OnceLock::new();
        SCHEMA.get_or_init(|| Self::read(DOCUMENT))
    }

    fn read(document: &str) -> Self {
        let (events, history) = document.split_once("\n## History\n").unwrap();
        let events: BTreeMap<_, _> = events
            .split("\n### ")
            .skip(1)
            .map(|section| {
                let (name, rest) = section.split_once('\n').unwrap();
                (name.trim_matches('`').to_owned(), table(rest))
            })
            .collect();
        assert!(events.len() > 10, "the events were not found");
        let entry = table(history);
        assert!(entry.len() > 10, "the fields of an entry were not found");
        Self { events, entry }
    }

    /// Asserts that an event is as documented.
    pub(crate) fn check(&self, event: &Value) {
        let name = event["event"].as_str().unwrap_or_default();
        let fields = self
            .events
            .get(name)
            .unwrap_or_else(|| panic!("no such event: {event}"));
        assert_eq!(event["v"], 1, "{event}");
        assert!(is_time(&event["time"]), "{event}");
        check(event, flat(event, &COMMON), fields);
        if let Some(sent) = event.get("sent") {
            assert!(is_time(sent), "{event}");
        }
    }

    /// Asserts that an entry of the history is as documented.
    pub(crate) fn check_entry(&self, entry: &Value) {
        assert_eq!(entry["v"], 1, "{entry}");
        check(entry, flat(entry, &VERSION), &self.entry);
        for time in ["sent_at", "delivered_at"] {
            let time = entry.get(time);
            assert!(time.is_none_or(is_time), "{entry}");
        }
    }

    /// All fields that an entry may have.
    pub(crate) fn entry_fields(&self) -> BTreeSet<String> {
        self.entry.keys().cloned().collect()
    }

    /// All events with all their fields.
    pub(crate) fn fields(&self) -> BTreeSet<(String, String)> {
        let fields = |(name, fields): (&String, &BTreeMap<String, String>)| {
            let name = name.clone();
            let fields: Vec<_> = fields.keys().cloned().collect();
            fields.into_iter().map(move |field| (name.clone(), field))
        };
        self.events.iter().flat_map(fields).collect()
    }
}

/// An event with each of its fields.
pub(crate) fn fields_of(event: &Value) -> Vec<(String, String)> {
    let name = event["event"].as_str().unwrap();
    let fields = flat(event, &COMMON).into_iter();
    fields.map(|(field, _)| (name.to_owned(), field)).collect()
}

/// The fields of an entry of the history.
pub(crate) fn fields_of_entry(entry: &Value) -> Vec<String> {
    let fields = flat(entry, &VERSION).into_iter();
    fields.map(|(field, _)| field).collect()
}

/// The documented commands, each a line.
pub(crate) fn commands() -> Vec<&'static str> {
    let (_, rest) = DOCUMENT.split_once("```json\n").unwrap();
    rest.split_once("```").unwrap().0.lines().collect()
}

/// The first table of fields. Those of other things have other columns.
fn table(section: &str) -> Fields {
    let rows = section
        .lines()
        .skip_while(|line| !line.starts_with("| field |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let fields = rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`').to_owned(), cells[2].to_owned())
    });
    fields.collect()
}

fn check(object: &Value, found: Vec<(String, &Value)>, fields: &Fields) {
    let found: BTreeMap<_, _> = found.into_iter().collect();
    for (field, value) in &found {
        let documented = fields.get(field);
        let documented = documented.unwrap_or_else(|| panic!("{field} in {object}"));
        assert!(fits(value, documented), "{field}: {documented} in {object}");
    }
    for (field, documented) in fields {
        let is_there = found.contains_key(field) || documented.ends_with(", optional");
        assert!(is_there, "no {field} in {object}");
    }
}

/// The fields but the `common` ones, those of an object within it by themselves.
fn flat<'a>(object: &'a Value, common: &[&str]) -> Vec<(String, &'a Value)> {
    let mut fields = Vec::new();
    for (name, value) in object.as_object().unwrap() {
        match value.as_object() {
            _ if common.contains(&name.as_str()) => {}
            Some(inner) => {
                let inner = inner.iter();
                fields.extend(inner.map(|(field, value)| (format!("{name}.{field}"), value)));
            }
            None => fields.push((name.clone(), value)),
        }
    }
    fields
}

fn fits(value: &Value, documented: &str) -> bool {
    let all = |is: fn(&Value) -> bool| value.as_array().is_some_and(|all| all.iter().all(is));
    match documented.trim_end_matches(", optional") {
        "number" => value.is_number(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "array of string" => all(Value::is_string),
        "array of number" => all(Value::is_number),
        "any" => true,
        other => panic!("the documentation has a type {other}"),
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn is_time(value: &Value) -> bool {
    let shape: String = value
        .as_str()
        .unwrap_or_default()
        .chars()
        .map(|character| {
            if character.is_ascii_digit() {
                '0'
            } else {
                character
            }
        })
        .collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// The examples in the documentation, too.
#[test]
fn the_examples_are_as_documented() {
    let lines: Vec<_> = DOCUMENT
        .lines()
        .filter(|line| line.starts_with("{\"v\""))
        .collect();
    assert!(lines.len() > 3);
    for line in lines {
        let object: Value = serde_json::from_str(line).unwrap();
        match object.get("event") {
            Some(_) => Schema::documented().check(&object),
            None => Schema::documented().check_entry(&object),
        }
    }
}
