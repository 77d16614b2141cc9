//! What connecting consists of, each part by itself, as far as the public face shows it.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use ptp_core::transport::duplex;
use ptp_core::{Config, How, Identity, KnownPeers, Role, Session};

use super::table;
use crate::Result;

/// Does each part `times` times, in turn, and prints a table.
pub(super) fn measure(times: u32, folder: &Path) -> Result<()> {
    let (identity, peers) = (folder.join("identity"), folder.join("known_peers"));
    let key = Identity::create(&identity)?.public_key();
    let known = KnownPeers::open(&peers)?;
    let parts: [(&str, &dyn Fn() -> Result<()>); 6] = [
        ("a thread, started and joined", &|| {
            thread::spawn(|| {})
                .join()
                .map_err(|_| "a thread panicked".into())
        }),
        ("a key made: one X25519", &|| {
            Identity::generate()?;
            Ok(())
        }),
        ("identity read", &|| {
            Identity::load(&identity)?;
            Ok(())
        }),
        ("known peers read once", &|| {
            known.by_key(&key)?;
            Ok(())
        }),
        ("a peer remembered: written and synced", &|| {
            known.remember(key, "Ana", How::Paired, Some("localhost:5000"))?;
            known.forget(&key.fingerprint().to_string())?;
            Ok(())
        }),
        ("both sides in memory: the handshake", &in_memory),
    ];
    let mut took: Vec<Vec<Duration>> = parts.iter().map(|_| Vec::new()).collect();
    for _ in 0..times {
        for ((_, part), took) in parts.iter().zip(&mut took) {
            let begun = Instant::now();
            part()?;
            took.push(begun.elapsed());
        }
    }
    // Remembered and forgotten: two changes of the file.
    for took in &mut took[4] {
        *took /= 2;
    }
    table::print_parts(parts.iter().map(|(name, _)| *name).zip(took));
    Ok(())
}

/// A session over memory, and the threads of both sides.
fn in_memory() -> Result<()> {
    let (near, far) = duplex(64 * 1024);
    let answering = thread::spawn(move || Session::over(far, Role::Listener, &Config::open()));
    let session = Session::over(near, Role::Dialler, &Config::open())?;
    let other = answering.join().map_err(|_| "a thread panicked")??;
    session.abort();
    other.abort();
    Ok(())
}
