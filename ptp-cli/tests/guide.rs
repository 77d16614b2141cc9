//! `ptp` without arguments: on a terminal it asks, and goes on as the command would that was meant.

#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::net::{Ipv4Addr, TcpListener};
use std::process::Stdio;

use rustix::process::Signal;
use support::terminal::Terminal;
use support::{Home, Ptp, pair};

const QUESTION: &str = "A number, or the address of a computer that waits:";

fn guide(home: &Home) -> Terminal {
    let terminal = Terminal::with(80, 24, &mut home.ptp(&[]), |_| {});
    terminal.shows(QUESTION);
    terminal
}

#[test]
fn the_first_choice_waits_as_a_server() {
    // Whoever has the default port, it is not to be had.
    let _held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 5000));
    let home = Home::new();
    let terminal = guide(&home);
    terminal.is(&[
        "Wait for somebody, or connect to somebody who waits?",
        "",
        "  1  wait for somebody",
        "",
        QUESTION,
    ]);
    terminal.types("1\r");
    terminal.shows("=== Unified Message Application ===");
    terminal.shows("[ERROR] Port 5000 is in use");
    terminal.exits(3);
}

#[test]
fn a_known_peer_is_chosen_by_its_number() {
    let (ana, ben) = (Home::new(), Home::new());
    let port = pair(&ana, &ben);
    let args = ["server", &port, "--bind", "127.0.0.1"];
    let server = Ptp::run(ana.ptp(&args).stdin(Stdio::piped()).stdout(Stdio::piped()));
    server.complains("[SERVER] Waiting");
    let terminal = guide(&ben);
    terminal.shows(&format!("  2  connect to Ana, last at 127.0.0.1:{port}"));
    terminal.types("3\r");
    terminal.shows("Type a number from 1 to 2, or an address such as alice.lan");
    terminal.types("2\r");
    terminal.prompts().types("by number\r");
    server.prints("by number\n");
    terminal.types("quit\r").exits(0);
}

#[test]
fn an_address_is_typed_with_its_port() {
    let home = Home::new();
    let args = ["server", "0", "--bind", "127.0.0.1"];
    let server = Ptp::run(home.ptp(&args).stdin(Stdio::piped()).stdout(Stdio::piped()));
    let port = server.port();
    let terminal = guide(&home);
    terminal.types(&format!("127.0.0.1 {port}\r"));
    terminal.prompts().types("hello\r");
    server.prints("hello\n");
    terminal.types("quit\r").exits(0);
}

#[test]
fn what_stands_in_config_toml_holds_here_too() {
    let (ana, ben) = (Home::new(), Home::new());
    let port = pair(&ana, &ben);
    std::fs::write(ben.0.join("config.toml"), "name = 'Benedict'").unwrap();
    let args = ["server", &port, "--bind", "127.0.0.1"];
    let server = Ptp::run(ana.ptp(&args).stdin(Stdio::piped()).stdout(Stdio::piped()));
    server.complains("[SERVER] Waiting");
    let terminal = guide(&ben);
    terminal.types("2\r").prompts();
    server.complains("now goes by another name: Benedict");
    terminal.types("quit\r").exits(0);
    std::fs::write(ben.0.join("config.toml"), "nmae = 'Benedict'").unwrap();
    let terminal = guide(&ben);
    terminal.types("2\r").shows("did you mean name?");
    terminal.exits(2);
}

#[test]
fn a_name_is_shown_escaped() {
    let (ana, ben) = (Home::new(), Home::new());
    pair(&ana, &ben);
    let file = ben.0.join("known_peers");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("Ana", "A\u{378}na")).unwrap();
    guide(&ben).shows("  2  connect to A<U+0378>na, last at ");
}

#[test]
fn leaving_ends_it_as_one_would_expect() {
    let home = Home::new();
    guide(&home).types("\x04").exits(0);
    guide(&home).types("quit\r").exits(0);
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let terminal = guide(&home);
        terminal.signal(signal);
        terminal.exits(code);
    }
}

#[test]
fn without_a_terminal_on_both_sides_it_helps() {
    for keyboard in [false, true] {
        let home = Home::new();
        let terminal = Terminal::with(80, 24, &mut home.ptp(&[]), |command| {
            if keyboard {
                command.stdout(Stdio::null());
            } else {
                command.stdin(Stdio::null());
            }
        });
        terminal.shows("Usage: ptp");
        terminal.exits(2);
    }
}
