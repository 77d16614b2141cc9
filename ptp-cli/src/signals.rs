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

/// While it is held, HUP, INT and TERM end the program with the exit code of a signal before a
/// connection stood; after that they do nothing until they are watched.
pub(crate) struct ExitMeanwhile(#[cfg(unix)] std::sync::Arc<std::sync::atomic::AtomicBool>);

/// See [`ExitMeanwhile`]. Windows ends the program by itself.
pub(crate) fn exit_meanwhile() -> ExitMeanwhile {
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let held = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            let held = std::sync::Arc::clone(&held);
            let status = 128 + signal;
            if let Err(error) =
                signal_hook::flag::register_conditional_shutdown(signal, status, held)
            {
                log::warn!("signals can't be watched: {error}");
            }
        }
        ExitMeanwhile(held)
    }
    #[cfg(not(unix))]
    ExitMeanwhile()
}

#[cfg(unix)]
impl Drop for ExitMeanwhile {
    fn drop(&mut self) {
        self.0.store(false, std::sync::atomic::Ordering::SeqCst);
    }
}
