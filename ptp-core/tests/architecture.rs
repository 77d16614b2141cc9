//! The architecture, checked on the source text: who may name whom, what the protocol may not
//! name, and how long files and functions may be (docs/architecture.md).

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "support/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::fs;

use source::{Source, code, functions, paths, root, sources, without_tests};

/// Which modules of the library a module may name. Where names are given, only those of it.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "lib",
        &[
            "config",
            "connect",
            "diagnosis",
            "driver",
            "error",
            "event",
            "history",
            "listener",
            "peer",
            "planted",
            "protocol",
            "report",
            "sender",
            "session",
            "transport",
            "trust",
        ],
    ),
    (
        "session",
        &[
            "sender",
            "driver",
            "transport",
            "trust",
            "config",
            "error",
            "event",
            "connect",
            "peer",
            "report",
            "protocol::Message",
            "protocol::MessageId",
        ],
    ),
    ("sender", &["driver", "error", "protocol"]),
    (
        "driver",
        &[
            "protocol",
            "transport",
            "config",
            "error",
            "event",
            "trust",
            "planted",
        ],
    ),
    (
        "listener",
        &[
            "session",
            "driver",
            "config",
            "error",
            "peer",
            "planted",
            "protocol",
            "transport",
            "trust",
        ],
    ),
    (
        "diagnosis",
        &[
            "connect",
            "driver",
            "config",
            "error",
            "protocol::identify",
            "protocol::Pairing",
            "transport",
            "trust",
        ],
    ),
    (
        "history",
        &[
            "session",
            "peer",
            "event",
            "protocol::Message",
            "protocol::MessageId",
            "protocol::MessageKind",
            "protocol::MessageRef",
            "protocol::Payload",
            "trust",
        ],
    ),
    ("peer", &["trust"]),
    ("report", &["event", "protocol::Message"]),
    ("connect", &["error", "transport"]),
    ("protocol", &["planted"]),
    ("planted", &[]),
    ("transport", &[]),
    ("config", &["trust"]),
    ("event", &["protocol"]),
    ("error", &["protocol", "trust"]),
    // Keys that are typed or read from a file are refused as those of a handshake are: one list.
    ("trust", &["protocol::is_low_order"]),
    ("fuzzing", &["protocol"]),
];
/// What nothing under protocol/ may name: it has no I/O, no thread, no clock.
const NOT_IN_PROTOCOL: [&str; 7] = [
    "std::net",
    "std::thread",
    "std::fs",
    "std::io",
    "Instant::now",
    "SystemTime::now",
    "crossbeam",
];

const LONGEST_FILE: usize = 400;
const LONGEST_FUNCTION: usize = 60;
const LONGEST_MAIN: usize = 40;

/// The module that a name at the crate's root comes from: `pub use module::{Name, ..}`.
fn at_home(path: &str, library: &[Source]) -> String {
    let (first, _) = path.split_once("::").unwrap_or((path, ""));
    let root = library
        .iter()
        .find(|source| source.module == "lib")
        .unwrap();
    let text = root.code.join(" ");
    let exported = text.split("pub use ").skip(1).flat_map(paths);
    exported
        .into_iter()
        .find(|exported| exported.ends_with(&format!("::{first}")))
        .unwrap_or_else(|| path.to_owned())
}

fn arrows(library: &[Source]) -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for source in library.iter().filter(|source| source.module != "lib") {
        for path in source.named() {
            let path = at_home(&path, library);
            if path.split("::").next() != Some(&source.module) {
                arrows.insert((source.module.clone(), path));
            }
        }
    }
    arrows
}

fn top(path: &str) -> &str {
    path.split("::").next().unwrap_or(path)
}

#[test]
fn modules_name_only_those_that_they_may() {
    let library = sources("ptp-core");
    assert!(library.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for (from, path) in arrows(&library) {
        let allowed = ARROWS.iter().find(|(module, _)| *module == from);
        let allowed = allowed.unwrap_or_else(|| panic!("{from} has no arrows yet: give it some"));
        let fits = |arrow: &str| path == arrow || path.starts_with(&format!("{arrow}::"));
        if !allowed.1.iter().any(|arrow| fits(arrow)) {
            wrong.push(format!("{from} → {path}"));
        }
    }
    assert!(wrong.is_empty(), "not allowed: {wrong:#?}");
}

#[test]
fn modules_form_no_ring() {
    let library = sources("ptp-core");
    let mut arrows: BTreeSet<(String, String)> = arrows(&library)
        .into_iter()
        .map(|(from, path)| (from, top(&path).to_owned()))
        .collect();
    // Take away what names nobody that is left, again and again: rings stay.
    loop {
        let ends: BTreeSet<_> = arrows.iter().map(|(from, _)| from.clone()).collect();
        let before = arrows.len();
        arrows.retain(|(_, to)| ends.contains(to));
        if arrows.len() == before {
            break;
        }
    }
    assert!(arrows.is_empty(), "a ring within: {arrows:#?}");
}

#[test]
fn the_protocol_has_no_io_no_thread_and_no_clock() {
    for source in sources("ptp-core")
        .iter()
        .filter(|source| source.module == "protocol")
    {
        for (number, line) in (1..).zip(&source.code) {
            for name in NOT_IN_PROTOCOL {
                assert!(
                    !line.contains(name),
                    "{}:{number} names {name}",
                    source.name()
                );
            }
        }
    }
}

#[test]
fn the_command_names_only_the_public_face() {
    for source in sources("ptp-cli") {
        for (number, line) in (1..).zip(&source.code) {
            for (at, _) in line.match_indices("ptp_core::") {
                let name = &line[at + "ptp_core::".len()..];
                let public = name
                    .starts_with(|letter: char| letter.is_uppercase() || letter == '{')
                    || name.starts_with("transport");
                assert!(public, "{}:{number}: {line}", source.name());
            }
        }
    }
}

#[test]
fn files_and_functions_are_short() {
    let mut long = Vec::new();
    for source in sources("ptp-core").iter().chain(&sources("ptp-cli")) {
        if source.lines.len() > LONGEST_FILE {
            long.push(format!(
                "{} has {} lines",
                source.name(),
                source.lines.len()
            ));
        }
        for (number, name, length) in functions(source) {
            if length > LONGEST_FUNCTION {
                long.push(format!(
                    "{}:{number} {name} has {length} lines",
                    source.name()
                ));
            }
        }
        if source.path.ends_with("ptp-cli/src/main.rs") && source.lines.len() > LONGEST_MAIN {
            long.push(format!(
                "{} has {} lines",
                source.name(),
                source.lines.len()
            ));
        }
    }
    assert!(long.is_empty(), "split by concept: {long:#?}");
}

#[test]
fn unsafe_code_stays_forbidden() {
    let workspace = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
    for package in ["ptp-core", "ptp-cli"] {
        let Ok(manifest) = fs::read_to_string(root().join(package).join("Cargo.toml")) else {
            continue;
        };
        let inherits = manifest.contains("\n[lints]\nworkspace = true\n");
        assert!(inherits, "{package} does not inherit the workspace's lints");
    }
}

#[test]
fn the_checks_themselves_see_what_they_look_for() {
    let found = paths("error::{ConnectError, inner::{A, B as C}};");
    assert_eq!(
        found,
        ["error::ConnectError", "error::inner::A", "error::inner::B"]
    );
    assert_eq!(paths("Stage::Connect,"), ["Stage::Connect"]);
    assert_eq!(code(r#"a("// \" no"); // yes"#), "a(); ");
    let lines = ["a", "#[cfg(test)]", "mod tests {", "    b", "}", "c"].map(str::to_owned);
    assert_eq!(without_tests(&lines), ["a", "c"]);
    let library = sources("ptp-core");
    assert_eq!(top(&at_home("Stage::Connect", &library)), "error");
    let longest = library
        .iter()
        .flat_map(functions)
        .map(|(_, _, length)| length)
        .max();
    assert!(longest.is_some_and(|longest| longest > 20), "{longest:?}");
    assert!(arrows(&library).contains(&("sender".to_owned(), "driver::Shared".to_owned())));
}
