//! Two people, line by line: `chat listen :5000` here, `chat connect HOST:5000` there.
//! What a peer sends is shown as it came: escape it where that could do harm to your terminal.

use std::error::Error;
use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let session = match &*arguments.iter().map(|word| &**word).collect::<Vec<_>>() {
        ["listen", address] => Session::listen(address, &Config::open())?,
        ["connect", address] => Session::connect(address, &Config::open())?,
        _ => return Err("usage: chat listen ADDRESS:PORT | connect HOST:PORT".into()),
    };
    let events = session.events().clone();
    let showing = thread::spawn(move || {
        for event in events {
            match event {
                Event::Received(message) => println!("> {}", message.as_text().unwrap_or("…")),
                Event::Disconnected(end) => eprintln!("{}", end.reason),
                _ => {}
            }
        }
    });
    // An error means that the peer has gone: the other thread has said so.
    for line in std::io::stdin().lines() {
        if session.sender().send(line?).is_err() {
            break;
        }
    }
    // What is left goes out, and what the peer still says is shown by the other thread.
    let _ = session.sender().flush(Duration::from_secs(5));
    session.finish();
    showing
        .join()
        .map_err(|_| "the other thread panicked".into())
}
