//! What a conversation loses by being kept: one way, with and without, in turn.

use std::path::Path;
use std::time::Instant;

use ptp_core::{Event, History};

use super::{PATIENCE, pair};
use crate::Result;
use crate::table::median;

/// All of them find room in the queue.
const MESSAGES: u64 = 200_000;

pub(super) fn run(folder: &Path, rounds: u32) -> Result<()> {
    let history = History::open(folder.join("cost.sqlite3"))?;
    let (mut with, mut without, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let (alone, kept) = (converse(None)?, converse(Some(&history))?);
        ratios.push(kept / alone);
        without.push(alone);
        with.push(kept);
    }
    println!(
        "\n64 B one way over memory, M messages/s: {:.2} without a history, {:.2} with one at the \
         sender; ratio {:.2}, median of {rounds} rounds",
        median(without),
        median(with),
        median(ratios)
    );
    Ok(())
}

/// A burst, until the peer has all of it; in millions a second.
fn converse(history: Option<&History>) -> Result<f64> {
    let (session, peer) = pair()?;
    let recording = history
        .map(|history| history.record(&session))
        .transpose()?;
    let taking = std::thread::spawn(move || {
        let received = peer.events().iter();
        let received = received.filter(|event| matches!(event, Event::Received(_)));
        received.take(MESSAGES as usize).count()
    });
    let body = "x".repeat(64);
    let begun = Instant::now();
    for _ in 0..MESSAGES {
        let id = session.sender().send(body.as_str())?;
        if let Some(recording) = &recording {
            recording.sent(id, &body);
        }
        for event in session.events().try_iter() {
            if let Some(recording) = &recording {
                recording.event(&event);
            }
        }
    }
    let taken = taking.join().map_err(|_| "the peer panicked")?;
    let elapsed = begun.elapsed();
    if taken as u64 != MESSAGES {
        return Err("messages are missing".into());
    }
    if let Some(recording) = recording {
        recording.flush(PATIENCE)?;
    }
    Ok(MESSAGES as f64 / elapsed.as_secs_f64() / 1e6)
}
