//! Two programs that come to know each other by a code, and know each other again without one.
//!
//! ```text
//! cargo run -p ptp-core --example pair -- ana listen :5000
//! cargo run -p ptp-core --example pair -- ben connect localhost:5000 4071-magnet-village
//! cargo run -p ptp-core --example pair -- ben connect localhost:5000
//! ```
//! The first word is the folder in which this side's identity and known peers are kept.

use std::error::Error;
use std::path::Path;
use std::thread;
use std::time::Duration;

use ptp_core::{Code, Config, Identity, KnownPeers, Listener, Notice, Session};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &*arguments.iter().map(|word| &**word).collect::<Vec<_>>() {
        [folder, "listen", address] => listen(address, &config(folder)?),
        [folder, "connect", address, code @ ..] => {
            let mut config = config(folder)?;
            config.code = code.first().map(|code| Code::parse(code)).transpose()?;
            introduce(&Session::connect(address, &config)?);
            Ok(())
        }
        _ => Err("usage: pair FOLDER listen ADDRESS:PORT | connect HOST:PORT [CODE]".into()),
    }
}

fn config(folder: &str) -> Result<Config, Box<dyn Error>> {
    let folder = Path::new(folder);
    let identity = Identity::load_or_create(folder.join("identity"))?;
    let peers = KnownPeers::open(folder.join("known_peers"))?;
    Ok(Config::known(identity, peers))
}

fn listen(address: &str, config: &Config) -> Result<(), Box<dyn Error>> {
    let listener = Listener::bind(address, config)?;
    let notices = listener.notices().clone();
    thread::spawn(move || {
        for notice in notices {
            match notice {
                Notice::Code(Some(code)) => println!("the next one's code: {}", code.as_str()),
                other => println!("{other:?}"),
            }
        }
    });
    loop {
        introduce(&listener.accept()?);
    }
}

fn introduce(session: &Session) {
    let peer = session.peer();
    if let Some(fingerprint) = peer.fingerprint() {
        println!("{:?} {fingerprint}", peer.standing());
    }
    session.finish();
    // Until the other side has finished, too.
    let _ = session.events().recv_timeout(Duration::from_secs(2));
}
