//! A TCP proxy in this process that stands for a bad network: it cuts, resets, stalls and changes
//! bytes where a test wants it to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// How often a write that waits looks whether the proxy has ended.
const TICK: Duration = Duration::from_millis(10);

/// Carries connections to a target, one after the other.
pub(crate) struct Proxy {
    address: String,
    closed: Arc<AtomicBool>,
    lanes: [Arc<Lane>; 2],
    sockets: Arc<Mutex<Vec<Arc<TcpStream>>>>,
    thread: Option<JoinHandle<()>>,
}

/// One direction.
pub(crate) struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed: u64,
    cut_at: Option<u64>,
    corrupt_at: Option<u64>,
    stalled: bool,
    ended: bool,
}

impl Proxy {
    /// Waits for callers and connects each to `target`.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let lanes = [Lane::new(), Lane::new()];
        let sockets = Arc::new(Mutex::new(Vec::new()));
        let closed = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (lanes, sockets) = (lanes.clone(), Arc::clone(&sockets));
            let (target, closed) = (target.to_owned(), Arc::clone(&closed));
            move || {
                while !closed.load(Ordering::Acquire) {
                    carry(&listener, &target, &lanes, &sockets);
                }
            }
        });
        Self {
            address,
            closed,
            lanes,
            sockets,
            thread: Some(thread),
        }
    }

    /// Where it waits for the caller.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// From the caller to the target.
    pub(crate) fn there(&self) -> &Lane {
        &self.lanes[0]
    }

    /// From the target to the caller.
    pub(crate) fn back(&self) -> &Lane {
        &self.lanes[1]
    }

    /// Lets nothing pass any more, in both directions.
    pub(crate) fn stall(&self) {
        self.lanes.iter().for_each(|lane| lane.stall());
    }

    /// Lets everything pass again.
    pub(crate) fn heal(&self) {
        let heal = |state: &mut State| state.stalled = false;
        self.lanes.iter().for_each(|lane| lane.change(heal));
    }

    /// Breaks both connections with a reset.
    pub(crate) fn reset(&self) {
        self.lanes.iter().for_each(|lane| lane.end());
        for socket in self.sockets.lock().unwrap().drain(..) {
            SockRef::from(&*socket)
                .set_linger(Some(Duration::ZERO))
                .unwrap();
            // Ends the wait of who reads here without a word to the other side.
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.reset();
        // A caller who never came must not keep the thread.
        let _ = TcpStream::connect(&self.address);
        self.reset();
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Lane {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// Ends both connections in front of the `offset`-th byte from now.
    pub(crate) fn cut_at(&self, offset: u64) {
        self.change(|state| state.cut_at = Some(state.passed + offset));
    }

    /// Changes the `offset`-th byte from now.
    pub(crate) fn corrupt(&self, offset: u64) {
        self.change(|state| state.corrupt_at = Some(state.passed + offset));
    }

    /// Lets nothing pass any more.
    pub(crate) fn stall(&self) {
        self.change(|state| state.stalled = true);
    }

    fn end(&self) {
        self.change(|state| state.ended = true);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// What of `bytes` is let through; `None` if it ends here.
    fn pass<'a>(&self, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        let mut state = self.lock();
        while state.stalled && !state.ended {
            state = self.changed.wait(state).unwrap();
        }
        if state.ended || state.cut_at == Some(state.passed) {
            return None;
        }
        let to_cut = state
            .cut_at
            .map_or(usize::MAX, |at| (at - state.passed) as usize);
        let length = bytes.len().min(to_cut);
        if let Some(at) = state.corrupt_at
            && let Some(byte) = at
                .checked_sub(state.passed)
                .and_then(|at| bytes[..length].get_mut(at as usize))
        {
            *byte ^= 1;
        }
        state.passed += length as u64;
        Some(&bytes[..length])
    }
}

fn carry(
    listener: &TcpListener,
    target: &str,
    lanes: &[Arc<Lane>; 2],
    sockets: &Mutex<Vec<Arc<TcpStream>>>,
) {
    let caller = Arc::new(listener.accept().unwrap().0);
    lanes
        .iter()
        .for_each(|lane| lane.change(|state| state.ended = false));
    let Ok(target) = TcpStream::connect(target) else {
        return;
    };
    let target = Arc::new(target);
    for socket in [&caller, &target] {
        socket.set_write_timeout(Some(TICK)).unwrap();
        socket.set_nodelay(true).unwrap();
    }
    *sockets.lock().unwrap() = vec![Arc::clone(&caller), Arc::clone(&target)];
    let back = thread::spawn({
        let (lane, target, caller) = (lanes[1].clone(), Arc::clone(&target), Arc::clone(&caller));
        move || pump(&lane, &target, &caller)
    });
    pump(&lanes[0], &caller, &target);
    back.join().unwrap();
}

/// Carries bytes until the end of the stream, which is carried as well.
fn pump(lane: &Lane, mut from: &TcpStream, to: &TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut bytes = &mut buffer[..length];
        while !bytes.is_empty() {
            let Some(passed) = lane.pass(bytes) else {
                if !lane.lock().ended {
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = from.shutdown(Shutdown::Both);
                }
                return;
            };
            let length = passed.len();
            if write(lane, to, passed).is_err() {
                return;
            }
            bytes = &mut bytes[length..];
        }
    }
    // What is stalled keeps back the end as well.
    let mut state = lane.lock();
    while state.stalled && !state.ended {
        state = lane.changed.wait(state).unwrap();
    }
    if !state.ended {
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn write(lane: &Lane, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !lane.lock().ended => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
