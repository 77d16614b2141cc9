//! TCP: the only place that talks to sockets, and so the only one with platform calls.
//!
//! On Unix one attempt is made without blocking, and `poll` waits for the next: one call where
//! data is there, and a deadline costs no socket option. Elsewhere the socket's own timeouts wait;
//! there a hang-up may be noticed only at the deadline, which the callers keep short.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use super::{Halves, Hangup, ReadHalf, Transport, WriteHalf};

/// Keepalive is only for what the session's own pings can't see: a forgotten half of a handshake.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// Callers that the system holds until they are accepted. Where they are more, it drops them, and
/// they try again after a second: a flood must not make everybody else wait for that.
const BACKLOG: i32 = 1024;

impl Transport for TcpStream {
    fn split(self) -> io::Result<Halves> {
        // What is said goes out at once: the driver gathers, the system must not.
        self.set_nodelay(true)?;
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
        SockRef::from(&self).set_tcp_keepalive(&keepalive)?;
        let peer = self.peer_addr().ok().map(unmapped);
        let stream = Arc::new(self);
        Ok(Halves {
            reader: Box::new(Tcp(Arc::clone(&stream))),
            writer: Box::new(Tcp(Arc::clone(&stream))),
            hangup: Arc::new(Tcp(stream)),
            peer,
        })
    }
}

struct Tcp(Arc<TcpStream>);

impl ReadHalf for Tcp {
    fn read(&mut self, buffer: &mut [u8], deadline: Instant) -> io::Result<usize> {
        system::read(&self.0, buffer, deadline)
    }
}

impl WriteHalf for Tcp {
    fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        system::write(&self.0, bytes, deadline)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>], deadline: Instant) -> io::Result<usize> {
        system::write_vectored(&self.0, slices, deadline)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn limit_silence(&mut self, timeout: Duration) -> io::Result<()> {
        system::limit_silence(&self.0, timeout)
    }
}

impl Hangup for Tcp {
    fn hang_up(&self) {
        // Fails only where the connection is gone already.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

/// Shows an IPv4 peer of an IPv6 socket as what it is.
pub(crate) fn unmapped(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Listens at `address`; the unspecified IPv6 address takes IPv4 as well.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // Elsewhere the option means that two programs may share a port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Waits for a caller until `deadline`.
pub(crate) fn accept(listener: &TcpListener, deadline: Instant) -> io::Result<TcpStream> {
    system::accept(listener, deadline)
}

/// Connects to `address` until `deadline`.
pub(crate) fn connect(address: SocketAddr, deadline: Instant) -> io::Result<TcpStream> {
    let rest = deadline.saturating_duration_since(Instant::now());
    if rest.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    TcpStream::connect_timeout(&address, rest)
}

#[cfg(unix)]
mod system {
    use std::os::fd::AsFd;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

    use super::*;

    pub(super) fn read(
        stream: &TcpStream,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        attempt(stream, PollFlags::IN, deadline, || {
            let (length, _) = recv(stream, &mut *buffer, RecvFlags::DONTWAIT)?;
            Ok(length)
        })
    }

    pub(super) fn write(stream: &TcpStream, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        attempt(stream, PollFlags::OUT, deadline, || {
            Ok(send(stream, bytes, SendFlags::DONTWAIT | NO_SIGNAL)?)
        })
    }

    pub(super) fn write_vectored(
        stream: &TcpStream,
        slices: &[IoSlice<'_>],
        deadline: Instant,
    ) -> io::Result<usize> {
        attempt(stream, PollFlags::OUT, deadline, || {
            let mut nothing = SendAncillaryBuffer::default();
            let flags = SendFlags::DONTWAIT | NO_SIGNAL;
            Ok(sendmsg(stream, slices, &mut nothing, flags)?)
        })
    }

    pub(super) fn accept(listener: &TcpListener, deadline: Instant) -> io::Result<TcpStream> {
        listener.set_nonblocking(true)?;
        let stream = attempt(listener, PollFlags::IN, deadline, || {
            Ok(listener.accept()?.0)
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    pub(super) fn limit_silence(stream: &TcpStream, timeout: Duration) -> io::Result<()> {
        SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(super) fn limit_silence(_: &TcpStream, _: Duration) -> io::Result<()> {
        Ok(())
    }

    #[cfg(not(target_vendor = "apple"))]
    const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
    // There the standard library sets SO_NOSIGPIPE on each socket.
    #[cfg(target_vendor = "apple")]
    const NO_SIGNAL: SendFlags = SendFlags::empty();

    /// Tries; waits until `socket` is ready; tries again.
    fn attempt<T>(
        socket: &impl AsFd,
        ready: PollFlags,
        deadline: Instant,
        mut once: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            match once() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // The system gave the peer up: not to be taken for a deadline of ours.
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, error));
                }
                result => return result,
            }
            let rest = deadline.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let rest = Timespec {
                tv_sec: i64::try_from(rest.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: rest.subsec_nanos().into(),
            };
            match poll(&mut [PollFd::new(socket, ready)], Some(&rest)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(not(unix))]
mod system {
    use std::io::{Read, Write};

    use super::*;

    /// The longest wait in one call, since a hang-up from another thread may not end it.
    const TICK: Duration = Duration::from_millis(100);

    pub(super) fn read(
        mut stream: &TcpStream,
        buffer: &mut [u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        attempt(deadline, |wait| {
            stream.set_read_timeout(Some(wait))?;
            stream.read(buffer)
        })
    }

    pub(super) fn write(
        mut stream: &TcpStream,
        bytes: &[u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        attempt(deadline, |wait| {
            stream.set_write_timeout(Some(wait))?;
            stream.write(bytes)
        })
    }

    pub(super) fn write_vectored(
        mut stream: &TcpStream,
        slices: &[IoSlice<'_>],
        deadline: Instant,
    ) -> io::Result<usize> {
        attempt(deadline, |wait| {
            stream.set_write_timeout(Some(wait))?;
            stream.write_vectored(slices)
        })
    }

    pub(super) fn accept(listener: &TcpListener, deadline: Instant) -> io::Result<TcpStream> {
        listener.set_nonblocking(true)?;
        let stream = attempt(deadline, |wait| match listener.accept() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                std::thread::sleep(wait);
                Err(error)
            }
            accepted => Ok(accepted?.0),
        })?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    pub(super) fn limit_silence(_: &TcpStream, _: Duration) -> io::Result<()> {
        Ok(())
    }

    fn attempt<T>(
        deadline: Instant,
        mut once: impl FnMut(Duration) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let rest = deadline.saturating_duration_since(Instant::now());
            match once(rest.clamp(Duration::from_millis(1), TICK)) {
                Err(error) if waited(&error) && rest.is_zero() => {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                Err(error) if waited(&error) => {}
                result => return result,
            }
        }
    }

    fn waited(error: &io::Error) -> bool {
        use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
        matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
    }
}
