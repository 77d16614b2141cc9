//! ptp-core through its public face: encrypted, acknowledged, windows on.

use std::time::Duration;

use ptp_core::{Config, Event, Listener, Sender, Session};

use crate::Result;
use crate::numbered::{Sink, Source};
use crate::peer::{Peer, exchange_in_threads};

/// What is gathered for one call, in bytes.
const BATCH: usize = 32 * 1024;

/// As it comes: an event for each message.
pub(crate) type OneByOne = Ptp<false>;
/// With batches in both directions, as raw and rustls have them.
pub(crate) type Batched = Ptp<true>;

/// A session, and its outgoing half.
pub(crate) struct Ptp<const BATCHES: bool> {
    session: Session,
    outgoing: Outgoing<BATCHES>,
}

/// A send handle, and the messages that are to go with its next call.
struct Outgoing<const BATCHES: bool> {
    sender: Sender,
    size: usize,
    batch: Vec<u8>,
}

impl<const BATCHES: bool> Peer for Ptp<BATCHES> {
    type Listener = Listener;

    fn listen(_size: usize) -> Result<(Listener, String)> {
        let listener = Listener::bind("127.0.0.1:0", &config(BATCHES))?;
        let address = listener.local_addr()?.to_string();
        Ok((listener, address))
    }

    fn accept(listener: Listener, size: usize) -> Result<Self> {
        Ok(Self::over(listener.accept()?, size))
    }

    fn connect(address: &str, size: usize) -> Result<Self> {
        Ok(Self::over(
            Session::connect(address, &config(BATCHES))?,
            size,
        ))
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.outgoing.send(message)
    }

    fn flush(&mut self) -> Result<()> {
        self.outgoing.flush()
    }

    #[inline]
    fn recv(&mut self, take: impl FnMut(&[u8])) -> Result<()> {
        receive(&self.session, take)
    }

    fn exchange(&mut self, source: &mut Source, sink: &mut Sink) -> Result<()> {
        let Self { session, outgoing } = self;
        exchange_in_threads(
            || {
                while let Some(message) = source.next() {
                    outgoing.send(message)?;
                }
                outgoing.flush()
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

impl<const BATCHES: bool> Ptp<BATCHES> {
    fn over(session: Session, size: usize) -> Self {
        Self {
            outgoing: Outgoing {
                sender: session.sender(),
                size,
                batch: Vec::with_capacity(2 * BATCH),
            },
            session,
        }
    }
}

impl<const BATCHES: bool> Outgoing<BATCHES> {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        if !BATCHES || message.len() >= BATCH {
            self.sender.send(message)?;
            return Ok(());
        }
        self.batch.extend_from_slice(message);
        if self.batch.len() >= BATCH {
            return self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        self.sender.send_all(self.batch.chunks_exact(self.size))?;
        self.batch.clear();
        Ok(())
    }
}

fn config(batches: bool) -> Config {
    let mut config = Config::open();
    config.batches = batches;
    config
}

#[inline]
fn receive(session: &Session, mut take: impl FnMut(&[u8])) -> Result<()> {
    match session.events().recv()? {
        Event::Received(message) => take(message.as_bytes()),
        Event::Batch(batch) => batch.iter().for_each(|message| take(message.as_bytes())),
        Event::Disconnected(end) => return Err(format!("disconnected: {end:?}").into()),
        _ => {}
    }
    Ok(())
}
