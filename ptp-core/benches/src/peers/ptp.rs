//! ptp-core through its public face: encrypted, acknowledged, windows on.

use std::time::Duration;

use ptp_core::{Config, Event, Listener, Sender, Session};

use crate::Result;
use crate::numbered::{Sink, Source};
use crate::peer::{Peer, exchange_in_threads};

/// A session and its send handle.
pub(crate) struct Ptp {
    session: Session,
    sender: Sender,
}

impl Peer for Ptp {
    type Listener = Listener;

    fn listen(_size: usize) -> Result<(Listener, String)> {
        let listener = Listener::bind("127.0.0.1:0", &Config::open())?;
        let address = listener.local_addr()?.to_string();
        Ok((listener, address))
    }

    fn accept(listener: Listener) -> Result<Self> {
        Ok(Self::over(listener.accept()?))
    }

    fn connect(address: &str, _size: usize) -> Result<Self> {
        Ok(Self::over(Session::connect(address, &Config::open())?))
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.sender.send(message)?;
        Ok(())
    }

    #[inline]
    fn recv(&mut self, take: impl FnMut(&[u8])) -> Result<()> {
        receive(&self.session, take)
    }

    fn exchange(&mut self, source: &mut Source, sink: &mut Sink) -> Result<()> {
        let Self { session, sender } = self;
        exchange_in_threads(
            || {
                while let Some(message) = source.next() {
                    sender.send(message)?;
                }
                Ok(())
            },
            || {
                while sink.is_open() {
                    receive(session, |message| sink.take(message))?;
                }
                Ok(())
            },
        )
    }

    fn close(self) -> Result<()> {
        self.session.close(Duration::from_secs(5));
        Ok(())
    }
}

impl Ptp {
    fn over(session: Session) -> Self {
        Self {
            sender: session.sender(),
            session,
        }
    }
}

#[inline]
fn receive(session: &Session, mut take: impl FnMut(&[u8])) -> Result<()> {
    match session.events().recv()? {
        Event::Received(message) => take(message.as_bytes()),
        Event::Disconnected(end) => return Err(format!("disconnected: {end:?}").into()),
        _ => {}
    }
    Ok(())
}
