//! The writer thread of a plain session.

use std::io;
use std::time::{Duration, Instant};

use super::Shared;
use crate::transport::WriteHalf;

/// The longest wait for room in one call: on systems where a hang-up does not end it, it is noticed
/// then.
const TICK: Duration = Duration::from_secs(1);

/// Writes until nothing is to be written ever again, and ends the stream in both directions: a peer
/// may take an end in one for the end of the conversation.
pub(super) fn run(shared: &Shared, mut writer: Box<dyn WriteHalf>) {
    let mut result = Ok(true);
    while let (Ok(true), Some(piece)) = (&result, next_piece(shared)) {
        result = write(shared, &mut *writer, &piece);
        if let Ok(true) = result {
            shared.change(|state| state.queue.handle_written(Instant::now()));
        }
    }
    // The reader tells what became of the connection.
    let _ = writer.finish();
    shared.hangup.hang_up();
    shared.change(|state| {
        state.written = true;
        state.write_error = result.err();
    });
}

/// What to write next, as soon as it is due; `None` if there never will be anything.
fn next_piece(shared: &Shared) -> Option<Vec<u8>> {
    let mut state = shared.lock();
    loop {
        if let Some(line) = state.last_word.take() {
            return Some(line.into_bytes());
        }
        if state.over || (state.closing && state.queue.is_empty()) {
            return None;
        }
        let (now, end) = (Instant::now(), state.line_end);
        if let Some(piece) = state.queue.poll_transmit(now, end) {
            return Some(piece);
        }
        let due = state.queue.next_timeout(now);
        state = shared.wait(state, due);
    }
}

/// Writes all of `piece`, in one go where the system has room; `false` if it is not wanted any more.
fn write(shared: &Shared, writer: &mut dyn WriteHalf, mut piece: &[u8]) -> io::Result<bool> {
    while !piece.is_empty() {
        match writer.write(piece, Instant::now() + TICK) {
            Ok(length) => piece = piece.get(length..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                if shared.lock().over {
                    return Ok(false);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
