//! A length prefix and batching over a std `TcpStream`: what any library could reach at most.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::Result;
use crate::numbered::{Sink, Source};
use crate::peer::{BATCH, Inbox, Peer, exchange_in_threads, frame};

/// A connection with its two halves.
pub(crate) struct Raw {
    writing: Writing,
    reading: Reading,
}

impl Peer for Raw {
    type Listener = TcpListener;

    fn listen(_size: usize) -> Result<(TcpListener, String)> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        Ok((listener, address))
    }

    fn accept(listener: TcpListener, _size: usize) -> Result<Self> {
        Self::over(listener.accept()?.0)
    }

    fn connect(address: &str, _size: usize) -> Result<Self> {
        Self::over(TcpStream::connect(address)?)
    }

    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        self.writing.send(message)
    }

    fn flush(&mut self) -> Result<()> {
        self.writing.flush()
    }

    #[inline]
    fn recv(&mut self, take: impl FnMut(&[u8])) -> Result<()> {
        self.reading.recv(take)
    }

    fn exchange(&mut self, source: &mut Source, sink: &mut Sink) -> Result<()> {
        let Self { writing, reading } = self;
        exchange_in_threads(
            || {
                while let Some(message) = source.next() {
                    writing.send(message)?;
                }
                writing.flush()
            },
            || {
                while sink.is_open() {
                    reading.recv(|message| sink.take(message))?;
                }
                Ok(())
            },
        )
    }
}

impl Raw {
    fn over(stream: TcpStream) -> Result<Self> {
        stream.set_nodelay(true)?;
        let reading = Reading {
            stream: stream.try_clone()?,
            inbox: Inbox::new(),
        };
        Ok(Self {
            writing: Writing {
                stream,
                batch: Vec::with_capacity(2 * BATCH),
            },
            reading,
        })
    }
}

struct Writing {
    stream: TcpStream,
    batch: Vec<u8>,
}

impl Writing {
    #[inline]
    fn send(&mut self, message: &[u8]) -> Result<()> {
        frame(&mut self.batch, message);
        if self.batch.len() >= BATCH {
            self.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.batch)?;
        self.batch.clear();
        Ok(())
    }
}

struct Reading {
    stream: TcpStream,
    inbox: Inbox,
}

impl Reading {
    #[inline]
    fn recv(&mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        while !self.inbox.drain(&mut take) {
            let bytes = self.stream.read(self.inbox.space())?;
            self.inbox.filled(bytes)?;
        }
        Ok(())
    }
}
