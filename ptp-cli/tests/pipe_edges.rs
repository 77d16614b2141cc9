//! `ptp` in pipes that are very full, closed early, or not read at all.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper of a test fails it so"
)]

mod support;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, PipeReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Stdio};
use std::time::Instant;

use support::{PATIENCE, Ptp, Said, client, ptp, server_with_pipe};

#[test]
fn a_large_file_arrives_byte_for_byte() {
    const MEGABYTE: usize = 1024 * 1024;
    let size = 200 * MEGABYTE;
    let place = |name| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let (sent, received) = (place("sent.txt"), place("received.txt"));
    write_text(File::create(&sent).unwrap(), size);
    let start = Instant::now();
    let server = Ptp::run(
        ptp(&["server", "0", "--bind", "127.0.0.1"])
            .stdin(Stdio::null())
            .stdout(File::create(&received).unwrap()),
    );
    let port = server.port();
    let client = Ptp::run(
        ptp(&client(&port, &[]))
            .stdin(File::open(&sent).unwrap())
            .stdout(Stdio::piped()),
    );
    client.wait().is(0, "").is_content();
    server.wait().is(0, "").is_content();
    eprintln!("{size} bytes in {:?}", start.elapsed());
    assert!(fs::metadata(&sent).unwrap().len() >= size as u64);
    assert!(are_equal(&sent, &received));
    fs::remove_file(sent).unwrap();
    fs::remove_file(received).unwrap();
}

/// Lines of all lengths up to 200 characters.
fn write_text(file: File, size: usize) {
    let mut file = BufWriter::new(file);
    let (mut written, mut number) = (0, 0usize);
    while written < size {
        let line = format!("{number:>width$}\n", width = number * 7919 % 200);
        file.write_all(line.as_bytes()).unwrap();
        written += line.len();
        number += 1;
    }
    file.flush().unwrap();
}

fn are_equal(one: &PathBuf, other: &PathBuf) -> bool {
    let [mut one, mut other] =
        [one, other].map(|path| BufReader::with_capacity(1 << 20, File::open(path).unwrap()));
    loop {
        let (a, b) = (one.fill_buf().unwrap(), other.fill_buf().unwrap());
        let length = a.len().min(b.len());
        if a[..length] != b[..length] || length == 0 {
            return a.len() == b.len();
        }
        one.consume(length);
        other.consume(length);
    }
}

#[test]
fn an_output_closed_early_ends_it_quietly() {
    let (mut server, port) = server_with_pipe(&[]);
    // `ptp client … | head -1`
    let mut command = ptp(&client(&port, &["--stay"]));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut reader = BufReader::new(child.stdout.take().unwrap());
    let complaints = Said::by(child.stderr.take().unwrap());
    server.connected();
    server.write("one\n");
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "one\n");
    drop(reader);
    server.write("two\n");
    if !complaints.ends() {
        child.kill().unwrap();
    }
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let complaints = complaints.text();
    assert!(
        !complaints.contains("[ERROR]") && !complaints.contains("panic"),
        "{complaints}"
    );
    // The first line was read, and so its sender must not be told that it is perhaps lost.
    let ended = server.wait();
    let first_is_lost = ended.stderr.contains("2 messages");
    assert!(!first_is_lost, "{}", ended.stderr);
}

#[test]
fn what_was_sent_is_delivered_though_the_output_is_closed() {
    let (mut server, port) = server_with_pipe(&[]);
    let mut client = Ptp::run(
        ptp(&client(&port, &["--stay"]))
            .stdin(Stdio::piped())
            .stdout(closed_pipe()),
    );
    client.write("one\n");
    server.prints("one\n");
    server.write("nobody reads it\n");
    client.wait().is(0, "").is_content();
    assert_eq!(server.wait().stdout, b"one\n");
}

/// A pipe whose other end is closed.
fn closed_pipe() -> Stdio {
    let (_, writer) = std::io::pipe().unwrap();
    writer.into()
}

/// A server that hangs in a write, because nobody reads its output, and a client that has accepted
/// far more for it than it can take. The pipes must be held for this to stay so.
fn stuck(output_of_client: Stdio) -> (Ptp, Ptp, (PipeReader, ChildStdin)) {
    let (unread, output) = std::io::pipe().unwrap();
    let server = Ptp::run(
        ptp(&["server", "0", "--bind", "127.0.0.1"])
            .stdin(Stdio::piped())
            .stdout(output),
    );
    let port = server.port();
    let mut client = Ptp::run(
        ptp(&client(&port, &[]))
            .stdin(Stdio::piped())
            .stdout(output_of_client),
    );
    // A megabyte: the pipes and the buffers on the way hold 64 KiB each.
    let input = client.pour_on("a line that nobody reads\n".repeat(40_000));
    let input = input.recv_timeout(PATIENCE).unwrap();
    (server, client, (unread, input))
}

#[cfg(unix)]
#[test]
fn an_output_that_nobody_reads_does_not_keep_it_from_ending() {
    let (server, client, _pipes) = stuck(Stdio::piped());
    server.signal(rustix::process::Signal::TERM);
    server.wait().is(5, "").says("could not be written");
    client.wait().is(5, "").says("not delivered");
}

#[test]
fn what_could_not_be_delivered_is_told_though_the_output_is_closed() {
    let (mut server, client, _pipes) = stuck(closed_pipe());
    server.write("nobody reads it\n");
    client.wait().is(5, "").says("not delivered");
}
