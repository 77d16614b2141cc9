//! Says everything back to everyone who calls, or calls an echo and says a few things to it.
//!
//! ```text
//! cargo run -p ptp-core --example echo -- listen :5000
//! cargo run -p ptp-core --example echo -- connect localhost:5000
//! ```

use std::error::Error;
use std::thread;
use std::time::Duration;

use ptp_core::{Config, Event, Listener, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(|word| &**word).collect::<Vec<_>>() {
        ["listen", address] => listen(address),
        ["connect", address] => connect(address),
        _ => Err("usage: echo listen ADDRESS:PORT | connect HOST:PORT".into()),
    }
}

/// Holds as many sessions at the same time as the configuration allows, a thread for each.
fn listen(address: &str) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(address, &Config::open())?;
    println!("listening at {}", listener.local_addr()?);
    loop {
        let session = listener.accept()?;
        thread::spawn(move || echo(&session));
    }
}

fn echo(session: &Session) {
    let sender = session.sender();
    for event in session.events() {
        match event {
            // Whether the peer is still there the next event tells.
            Event::Received(message) => drop(sender.send(message)),
            Event::Disconnected(end) => println!("{:?}: {}", session.peer().address(), end.reason),
            _ => {}
        }
    }
}

fn connect(address: &str) -> Result<(), Box<dyn Error>> {
    let session = Session::connect(address, &Config::open())?;
    for words in ["one", "two", "three"] {
        session.sender().send(words)?;
        // The event after it can only be the answer or the end.
        match session.events().recv()? {
            Event::Received(message) => println!("{words} came back as {:?}", message.as_text()),
            event => return Err(format!("no answer: {event:?}").into()),
        }
    }
    let report = session.close(Duration::from_secs(5));
    println!("everything delivered: {}", report.is_delivered());
    Ok(())
}
