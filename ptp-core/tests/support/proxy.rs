//! A TCP proxy in this process that stands for a bad network: it cuts, resets, stalls, slices and
//! changes bytes where a test wants it to.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::SockRef;

/// How often a write that waits looks whether its connection has ended.
const TICK: Duration = Duration::from_millis(10);
/// What the system holds of what is on the way, so that a stalled line is soon felt.
const BUFFER: usize = 64 * 1024;

/// Carries connections to a target, each as a link with a number.
pub(crate) struct Proxy {
    address: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    target: Mutex<String>,
    closed: AtomicBool,
    refuses: AtomicBool,
    lanes: [Lane; 2],
    links: Mutex<Vec<Link>>,
}

/// One connection that is carried.
struct Link {
    number: u64,
    /// The caller, and the target.
    sockets: [Arc<TcpStream>; 2],
}

/// One direction, of all links.
pub(crate) struct Lane {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    passed: u64,
    cut_at: Option<u64>,
    corrupt_at: Option<u64>,
    /// The most that is written at a time.
    slice: Option<usize>,
    stalled: bool,
    /// The newest link; what is frozen and what has ended are those up to a number.
    newest: u64,
    frozen: u64,
    ended: u64,
}

impl State {
    fn stands(&self, link: u64) -> bool {
        (self.stalled || link <= self.frozen) && link > self.ended
    }
}

impl Proxy {
    /// Waits for callers and connects each to `target`.
    pub(crate) fn to(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let shared = Arc::new(Shared {
            target: Mutex::new(target.to_owned()),
            closed: AtomicBool::new(false),
            refuses: AtomicBool::new(false),
            lanes: [Lane::new(), Lane::new()],
            links: Mutex::default(),
        });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || accept(&listener, &shared)
        });
        Self {
            address,
            shared,
            thread: Some(thread),
        }
    }

    /// Where it waits for callers.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Connects callers to another target from now on.
    pub(crate) fn lead_to(&self, target: &str) {
        target.clone_into(&mut self.shared.target.lock().unwrap());
    }

    /// From the caller to the target.
    pub(crate) fn there(&self) -> &Lane {
        &self.shared.lanes[0]
    }

    /// From the target to the caller.
    pub(crate) fn back(&self) -> &Lane {
        &self.shared.lanes[1]
    }

    /// Lets nothing pass any more, in both directions, until it is healed.
    pub(crate) fn stall(&self) {
        self.lanes().for_each(Lane::stall);
    }

    /// Lets pass again what was held back, and all that comes.
    pub(crate) fn heal(&self) {
        self.lanes().for_each(Lane::heal);
    }

    /// Lets nothing pass any more on the present links, in both directions.
    pub(crate) fn freeze(&self) {
        self.lanes().for_each(Lane::freeze);
    }

    /// Writes at most so many bytes at a time, in both directions; `None` for as many as come.
    pub(crate) fn slice(&self, most: Option<usize>) {
        self.lanes().for_each(|lane| lane.slice(most));
    }

    /// Breaks new callers off, or lets them in again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.shared.refuses.store(refuses, Ordering::Release);
    }

    /// Breaks both connections of all links with a reset.
    pub(crate) fn reset(&self) {
        self.shared.reset();
    }

    /// Ends the stream in both directions, and throws away what comes behind.
    pub(crate) fn finish(&self) {
        self.finish_back();
        self.finish_there();
    }

    /// Ends the stream to the caller alone; the other direction stays as it is.
    pub(crate) fn finish_back(&self) {
        for link in self.shared.links().iter() {
            let _ = link.sockets[0].shutdown(Shutdown::Write);
        }
    }

    /// Ends the stream to the target alone; the other direction stays as it is.
    pub(crate) fn finish_there(&self) {
        for link in self.shared.links().iter() {
            let _ = link.sockets[1].shutdown(Shutdown::Write);
        }
    }

    /// How many callers came so far, refused ones not counted.
    pub(crate) fn callers(&self) -> u64 {
        self.there().lock().newest
    }

    /// How many links there are now.
    pub(crate) fn links(&self) -> usize {
        self.shared.links().len()
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.shared.lanes.iter()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        // Wakes who waits for callers.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, Vec<Link>> {
        self.links.lock().unwrap()
    }

    fn reset(&self) {
        for lane in &self.lanes {
            lane.change(|state| state.ended = state.newest);
        }
        for socket in self.links().drain(..).flat_map(|link| link.sockets) {
            reset(&socket);
        }
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Ends both connections in front of the `offset`-th byte from now, once.
    pub(crate) fn cut_at(&self, offset: u64) {
        self.change(|state| state.cut_at = Some(state.passed + offset));
    }

    /// Changes the `offset`-th byte from now.
    pub(crate) fn corrupt(&self, offset: u64) {
        self.change(|state| state.corrupt_at = Some(state.passed + offset));
    }

    /// Writes at most so many bytes at a time; `None` for as many as come.
    pub(crate) fn slice(&self, most: Option<usize>) {
        self.change(|state| state.slice = most);
    }

    /// Lets nothing pass any more, until it is healed.
    pub(crate) fn stall(&self) {
        self.change(|state| state.stalled = true);
    }

    /// Lets pass again what was held back, and all that comes.
    pub(crate) fn heal(&self) {
        self.change(|state| (state.stalled, state.frozen) = (false, 0));
    }

    /// Lets nothing pass any more on the present links.
    pub(crate) fn freeze(&self) {
        self.change(|state| state.frozen = state.newest);
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn has_ended(&self, link: u64) -> bool {
        link <= self.lock().ended
    }

    /// Waits while nothing may pass; returns whether the link still lasts.
    fn may_pass(&self, link: u64) -> bool {
        let mut state = self.lock();
        while state.stands(link) {
            state = self.changed.wait(state).unwrap();
        }
        link > state.ended
    }

    /// What of `bytes` is let through; `None` if it ends here.
    fn pass<'a>(&self, link: u64, bytes: &'a mut [u8]) -> Option<&'a [u8]> {
        if !self.may_pass(link) {
            return None;
        }
        let mut state = self.lock();
        if state.cut_at == Some(state.passed) {
            state.cut_at = None;
            return None;
        }
        let to_cut = state
            .cut_at
            .map_or(usize::MAX, |at| (at - state.passed) as usize);
        let most = state.slice.unwrap_or(usize::MAX).min(to_cut);
        let length = bytes.len().min(most);
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

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    let mut threads: Vec<JoinHandle<()>> = Vec::new();
    for number in 1.. {
        let caller = loop {
            let caller = listener.accept().unwrap().0;
            if shared.closed.load(Ordering::Acquire) {
                shared.reset();
                return threads
                    .into_iter()
                    .for_each(|thread| thread.join().unwrap());
            }
            if !shared.refuses.load(Ordering::Acquire) {
                break caller;
            }
            reset(&caller);
        };
        let target = shared.target.lock().unwrap().clone();
        let Ok(target) = TcpStream::connect(target) else {
            reset(&caller);
            continue;
        };
        let sockets = [Arc::new(caller), Arc::new(target)];
        for socket in &sockets {
            SockRef::from(&**socket)
                .set_send_buffer_size(BUFFER)
                .unwrap();
            SockRef::from(&**socket)
                .set_recv_buffer_size(BUFFER)
                .unwrap();
            socket.set_write_timeout(Some(TICK)).unwrap();
            socket.set_nodelay(true).unwrap();
        }
        for lane in &shared.lanes {
            lane.change(|state| state.newest = number);
        }
        let link = Link {
            number,
            sockets: sockets.clone(),
        };
        shared.links().push(link);
        threads.retain(|thread| !thread.is_finished());
        let shared = Arc::clone(shared);
        threads.push(thread::spawn(move || carry(&shared, number, sockets)));
    }
}

fn carry(shared: &Arc<Shared>, number: u64, sockets: [Arc<TcpStream>; 2]) {
    let [caller, target] = sockets;
    let back = thread::spawn({
        let (shared, caller, target) =
            (Arc::clone(shared), Arc::clone(&caller), Arc::clone(&target));
        move || pump(&shared.lanes[1], number, &target, &caller)
    });
    pump(&shared.lanes[0], number, &caller, &target);
    back.join().unwrap();
    shared.links().retain(|link| link.number != number);
}

/// Carries bytes until the end of the stream, which is carried as well.
fn pump(lane: &Lane, link: u64, mut from: &TcpStream, to: &TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let mut bytes = &mut buffer[..length];
        while !bytes.is_empty() {
            let Some(passed) = lane.pass(link, bytes) else {
                if !lane.has_ended(link) {
                    let _ = to.shutdown(Shutdown::Both);
                    let _ = from.shutdown(Shutdown::Both);
                }
                return;
            };
            let length = passed.len();
            if write(lane, link, to, passed).is_err() {
                // Whoever does not read any more may still have something to say.
                let _ = from.shutdown(Shutdown::Read);
                return;
            }
            bytes = &mut bytes[length..];
        }
    }
    // What is stalled keeps back the end as well.
    if lane.may_pass(link) {
        let _ = to.shutdown(Shutdown::Write);
    }
}

fn write(lane: &Lane, link: u64, mut to: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(length) => bytes = &bytes[length..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !lane.has_ended(link) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Sees to it that the connection ends with a reset as soon as the last who holds it lets go.
fn reset(socket: &TcpStream) {
    SockRef::from(socket)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    // Ends the wait of who reads here without a word to the other side.
    let _ = socket.shutdown(Shutdown::Read);
}
