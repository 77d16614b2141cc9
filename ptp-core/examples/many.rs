//! Millions of messages: handed over together, and taken together.
//!
//! One side sends readings of a sensor that is read very often; the other sums them up.
//!
//! ```text
//! cargo run --release -p ptp-core --example many -- listen :5000
//! cargo run --release -p ptp-core --example many -- connect localhost:5000
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use ptp_core::{Config, Event, Session};

const READINGS: u64 = 10_000_000;
const AT_ONCE: u64 = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut config = Config::open();
    // What came together is one event.
    config.batches = true;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(|word| &**word).collect::<Vec<_>>() {
        ["listen", address] => sum(&Session::listen(address, &config)?),
        ["connect", address] => send(Session::connect(address, &config)?),
        _ => Err("usage: many listen ADDRESS:PORT | connect HOST:PORT".into()),
    }
}

fn send(session: Session) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    for first in (0..READINGS).step_by(AT_ONCE as usize) {
        let readings: Vec<_> = (first..first + AT_ONCE).map(u64::to_be_bytes).collect();
        session.sender().send_all(&readings)?;
    }
    session.sender().flush(Duration::from_secs(10))?;
    println!("{READINGS} readings in {:?}", start.elapsed());
    session.close(Duration::from_secs(10));
    Ok(())
}

fn sum(session: &Session) -> Result<(), Box<dyn Error>> {
    let (mut count, mut sum) = (0, 0);
    for event in session.events() {
        match event {
            Event::Batch(batch) => {
                for message in &*batch {
                    sum += u64::from_be_bytes(message.as_bytes().try_into()?);
                    count += 1;
                }
            }
            Event::Disconnected(end) => println!("{count} readings, sum {sum}: {}", end.reason),
            _ => {}
        }
    }
    Ok(())
}
