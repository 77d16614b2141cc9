//! A session beside another source of events: `select!` waits for both at once.
//!
//! Each side tells the other the time it has been running, once a second, until one is stopped.
//!
//! ```text
//! cargo run -p ptp-core --example select -- listen :5000
//! cargo run -p ptp-core --example select -- connect localhost:5000
//! ```

use std::error::Error;
use std::time::{Duration, Instant};

use crossbeam_channel::{select, tick};
use ptp_core::{Config, Event, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let session = match &*arguments.iter().map(|word| &**word).collect::<Vec<_>>() {
        ["listen", address] => Session::listen(address, &Config::open())?,
        ["connect", address] => Session::connect(address, &Config::open())?,
        _ => return Err("usage: select listen ADDRESS:PORT | connect HOST:PORT".into()),
    };
    let start = Instant::now();
    let ticker = tick(Duration::from_secs(1));
    let sender = session.sender();
    loop {
        select! {
            recv(session.events()) -> event => match event? {
                Event::Received(message) => println!("the peer: {:?}", message.as_text()),
                Event::Disconnected(end) => {
                    println!("{}", end.reason);
                    return Ok(());
                }
                _ => {}
            },
            recv(ticker) -> _ => {
                // `send` could block here and keep the events waiting; `try_send` never does.
                if let Err(error) = sender.try_send(format!("{:?}", start.elapsed())) {
                    println!("not sent: {error}");
                }
            }
        }
    }
}
