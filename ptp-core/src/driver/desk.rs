//! The desk where codes are tried, shared by a listener's handshakes.

use std::net::SocketAddr;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::trust::Code;
use crate::trust::pairing::{Begin, Desk, Notice, Stale, Ticket};

/// A run's own deadline; the desk ends it at the same time.
const LONGEST_RUN: Duration = Duration::from_secs(2);
/// How often one who waits for his turn looks whether anybody still wants him to.
const TICK: Duration = Duration::from_millis(100);

/// A [`Desk`] under a lock, and where those wait whose turn has not come.
pub(crate) struct SharedDesk {
    counter: Mutex<Counter>,
    changed: Condvar,
}

struct Counter {
    desk: Desk,
    /// Where the last try came from.
    last: Option<SocketAddr>,
}

/// What the application is to be told of.
pub(crate) enum Told {
    /// The code that is to be shown now, if one could be made.
    Code(Option<Code>),
    /// A code was tried in vain too often, at last from this address.
    Burnt {
        tries: u32,
        address: Option<SocketAddr>,
    },
}

impl SharedDesk {
    /// `first` is the first code, if the application has given one.
    pub(crate) fn new(first: Option<Code>) -> Self {
        let now = Instant::now();
        Self {
            counter: Mutex::new(Counter {
                desk: match first {
                    Some(code) => Desk::with_code(now, getrandom::fill, code),
                    None => Desk::new(now, getrandom::fill),
                },
                last: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Waits until a run may begin, until `deadline`, and for as long as the caller `is_wanted`.
    pub(super) fn begin(
        &self,
        deadline: Instant,
        from: Option<SocketAddr>,
        is_wanted: &dyn Fn() -> bool,
    ) -> Turn<'_> {
        let mut counter = self.lock();
        loop {
            let now = Instant::now();
            match counter.desk.begin(now) {
                Begin::Run(ticket, code) => {
                    return Turn::Run(Run {
                        desk: self,
                        ticket: Some(ticket),
                        code,
                        until: now + LONGEST_RUN,
                        from,
                    });
                }
                Begin::Wait(until) if now < deadline && is_wanted() => {
                    let look = until.min(deadline).min(now + TICK);
                    let rest = look.saturating_duration_since(now);
                    let waited = self.changed.wait_timeout(counter, rest);
                    counter = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Begin::Wait(_) => return Turn::TooLate,
                Begin::NoCode => return Turn::NoCode,
            }
        }
    }

    /// Looks at the clock; returns what the application is to be told.
    pub(crate) fn poll(&self) -> Vec<Told> {
        let mut counter = self.lock();
        counter.desk.handle_timeout(Instant::now());
        let mut told = Vec::new();
        while let Some(notice) = counter.desk.poll_notice() {
            told.push(match notice {
                Notice::NewCode(code) => Told::Code(Some(code)),
                Notice::NoCode => Told::Code(None),
                Notice::Burnt { tries } => Told::Burnt {
                    tries,
                    address: counter.last,
                },
            });
        }
        told
    }

    /// When to call [`poll`](Self::poll) at the latest.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.lock().desk.next_timeout()
    }

    /// Does something for a run, and lets the others see what has become of it.
    fn change<T>(&self, change: impl FnOnce(&mut Desk, Instant) -> T) -> T {
        let changed = change(&mut self.lock().desk, Instant::now());
        self.changed.notify_all();
        changed
    }

    fn lock(&self) -> MutexGuard<'_, Counter> {
        self.counter.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of one who asks for a run.
pub(super) enum Turn<'a> {
    Run(Run<'a>),
    /// There is no code to try.
    NoCode,
    /// His time was up, or nobody wants him any more.
    TooLate,
}

/// The right to try the code once. Dropping it is a failure.
pub(super) struct Run<'a> {
    desk: &'a SharedDesk,
    ticket: Option<Ticket>,
    code: Code,
    until: Instant,
    from: Option<SocketAddr>,
}

impl Run<'_> {
    pub(super) fn code(&self) -> &Code {
        &self.code
    }

    pub(super) fn deadline(&self) -> Instant {
        self.until
    }

    /// The own share goes out next: a try is spent.
    pub(super) fn share_sent(&self) -> Result<(), Stale> {
        let ticket = self.ticket.as_ref().ok_or(Stale)?;
        self.desk.lock().last = self.from;
        self.desk.change(|desk, now| desk.share_sent(ticket, now))
    }

    /// The dialler knew the code, which is thereby used; the next one is made.
    pub(super) fn succeeded(mut self) -> Result<(), Stale> {
        let ticket = self.ticket.take().ok_or(Stale)?;
        self.desk.change(|desk, now| {
            desk.succeeded(ticket, now)?;
            desk.renew(now);
            Ok(())
        })
    }
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.desk.change(|desk, now| desk.failed(ticket, now));
        }
    }
}
