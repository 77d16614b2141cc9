//! The real terminal.

use std::{io, io::Write, time::Duration};

use crossterm::{cursor, event, terminal};

use super::screen::{DRAWN, Device, LEAVE};

pub(super) struct Tty;

impl Device for Tty {
    fn size(&self) -> (usize, usize) {
        size()
    }

    fn cursor_column(&self) -> Option<usize> {
        cursor::position().ok().map(|(column, _)| column.into())
    }

    fn set_raw(&self, raw: bool) -> io::Result<()> {
        if raw {
            terminal::enable_raw_mode()
        } else {
            terminal::disable_raw_mode()
        }
    }

    #[cfg(unix)]
    fn stop(&self) {
        use rustix::process::{Signal, kill_current_process_group};
        // The whole group, as the terminal itself would: a script that runs the program stops, too.
        let _ = kill_current_process_group(Signal::TSTP);
    }

    #[cfg(not(unix))]
    fn stop(&self) {}
}

/// Where to write to: unbuffered, so that a frame is one write.
#[cfg(unix)]
pub(super) fn output() -> io::Result<Box<dyn Write + Send>> {
    use std::{fs::File, os::fd::AsFd};
    Ok(Box::new(File::from(
        io::stdout().as_fd().try_clone_to_owned()?,
    )))
}

#[cfg(not(unix))]
pub(super) fn output() -> io::Result<Box<dyn Write + Send>> {
    Ok(Box::new(io::stdout()))
}

/// The columns and rows of the terminal that is standard output.
pub(crate) fn size() -> (usize, usize) {
    match window() {
        Some((columns, rows)) if columns > 0 && rows > 0 => (columns.into(), rows.into()),
        // A terminal made by a program that gave it no size.
        _ => (80, 24),
    }
}

/// Not crossterm's: that would start a program to find the size where the terminal has none.
#[cfg(unix)]
fn window() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some((size.ws_col, size.ws_row))
}

#[cfg(not(unix))]
fn window() -> Option<(u16, u16)> {
    terminal::size().ok()
}

/// Whether an event waits, after a millisecond: with less, crossterm doesn't look.
pub(super) fn more_events() -> io::Result<bool> {
    event::poll(Duration::from_millis(1))
}

pub(super) fn leave_raw_mode() {
    let _ = terminal::disable_raw_mode();
}

/// What is left to do when the thread that panics is the one that draws. Not through the screen's
/// own output, which is in its hands.
pub(super) fn restore_unlocked() {
    let _ = writeln!(io::stdout(), "{DRAWN}{LEAVE}");
}

/// Calls `ended` on HUP, INT, TERM and on hang-up, and `resumed` on CONT.
#[cfg(unix)]
pub(super) fn watch_signals(
    ended: impl FnMut(i32) + Send + 'static,
    resumed: impl Fn() + Send + 'static,
) -> io::Result<()> {
    use std::{
        sync::{Arc, Mutex, PoisonError},
        thread,
    };

    use signal_hook::{
        consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM},
        iterator::Signals,
    };

    let ended = Arc::new(Mutex::new(ended));
    let end = move |signal| ended.lock().unwrap_or_else(PoisonError::into_inner)(signal);
    let end_on_hang_up = end.clone();
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM, SIGCONT])?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if signal == SIGCONT {
                    resumed()
                } else {
                    end(signal)
                }
            }
        })?;
    thread::Builder::new()
        .name("hang-up".to_owned())
        .spawn(move || {
            wait_for_hang_up();
            end_on_hang_up(SIGHUP);
        })?;
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn watch_signals(
    _ended: impl FnMut(i32) + Send + 'static,
    _resumed: impl Fn() + Send + 'static,
) -> io::Result<()> {
    Ok(())
}

/// Whoever is not the controlling process's child gets no signal when the terminal goes away, and
/// crossterm would then read nothing for ever without waiting.
#[cfg(unix)]
fn wait_for_hang_up() {
    use rustix::event::{PollFd, PollFlags, poll};
    let input = io::stdin();
    loop {
        // No flags: only what is always reported, which is the hang-up.
        let mut watched = [PollFd::new(&input, PollFlags::empty())];
        match poll(&mut watched, None) {
            Err(rustix::io::Errno::INTR) => {}
            _ => return,
        }
    }
}
