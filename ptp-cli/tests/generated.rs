//! Completions and man pages, which are made of the command line itself.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::process::{Command, Stdio};

use support::{Home, Ptp, ptp};

const OPTIONS: [&str; 6] = ["verbatim", "json", "on-message", "ask", "choices", "resume"];

fn printed(args: &[&str]) -> String {
    let output = ptp(args).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_have_the_options_in_every_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        for option in OPTIONS {
            assert!(script.contains(option), "{option} is not in {shell}'s");
        }
        // What takes an option of config.toml back is there, but not offered.
        assert!(!script.contains("no-open"), "{shell}");
    }
    Ptp::without_input(&["completions", "tcsh"])
        .wait()
        .is(2, "");
}

#[test]
fn the_shells_that_are_there_read_their_completions() {
    let folder = Home::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let path = folder.0.join(shell);
        std::fs::write(&path, printed(&["completions", shell])).unwrap();
        let Ok(output) = Command::new(shell).arg("-n").arg(&path).output() else {
            continue;
        };
        assert!(output.status.success(), "{shell}: {output:?}");
    }
}

#[test]
fn the_man_pages_have_the_options() {
    let page = printed(&["man"]);
    assert!(page.contains(".TH ptp 1"));
    for command in ["server", "client", "peers", "completions"] {
        assert!(page.contains(command), "{command}");
    }
    let folder = Home::new();
    // The folder need not be there.
    let place = folder.0.join("man1");
    assert_eq!(printed(&["man", place.to_str().unwrap()]), "");
    let read = |name: &str| std::fs::read_to_string(place.join(name)).unwrap();
    assert_eq!(read("ptp.1"), page);
    let client = read("ptp-client.1").replace('\\', "");
    for option in OPTIONS {
        assert!(client.contains(&format!("--{option}")), "{option}");
    }
    assert!(!client.contains("no-open"));
    assert!(read("ptp-peers-forget.1").contains("forget"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = Home::new();
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = folder.0.join("file");
    std::fs::write(&file, "").unwrap();
    let place = file.join("man1");
    let ended = Ptp::without_input(&["man", place.to_str().unwrap()]).wait();
    ended.is(1, "").says("[ERROR] ").says("can't be written");
}
