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

/// Asks; meanwhile HUP, INT and TERM end the program as before a connection stood. After that they
/// do nothing until they are watched.
#[cfg(unix)]
pub(crate) fn exit_meanwhile<T>(ask: impl FnOnce() -> T) -> T {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::flag::register_conditional_shutdown;

    let asking = Arc::new(AtomicBool::new(true));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        // Where it fails, the system ends the program by the signal itself.
        let _ = register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asking));
    }
    let answer = ask();
    asking.store(false, Ordering::SeqCst);
    answer
}

#[cfg(not(unix))]
pub(crate) fn exit_meanwhile<T>(ask: impl FnOnce() -> T) -> T {
    ask()
}

/// From now on Ctrl-C does not end the program, only what it has started.
#[cfg(unix)]
pub(crate) fn outlive_interrupt() {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    // A handler, which a started program does not have: ignored, it would be ignored there, too.
    // Where it fails, both end.
    let noticed = Arc::new(AtomicBool::new(false));
    let _ = signal_hook::flag::register(signal_hook::consts::SIGINT, noticed);
}

#[cfg(not(unix))]
pub(crate) fn outlive_interrupt() {}
