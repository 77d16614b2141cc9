//! Signals in a pipe; on a terminal the terminal watches them.

use std::io;

/// Calls `ended` with the number of the signal on HUP, INT and TERM, on a thread of its own.
/// Windows has none of these: nothing happens.
///
/// # Errors
/// If the signals can't be watched.
#[cfg(unix)]
pub(crate) fn watch(ended: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(ended))?;
    Ok(())
}

#[cfg(not(unix))]
pub(crate) fn watch(_ended: impl Fn(i32) + Send + 'static) -> io::Result<()> {
    Ok(())
}
