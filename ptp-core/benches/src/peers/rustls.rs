//! The same length prefix and batching as `raw`, over rustls: TLS 1.3, AES-256-GCM, ring.

use std::fmt::Write as _;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustix::event::{PollFd, PollFlags, poll};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
};

use crate::Result;
use crate::numbered::{Sink, Source};
use crate::peer::{self, Inbox, Peer, frame};

/// As it comes: batches of what a std `BufWriter` holds, and reads of what `read_tls` asks for.
pub(crate) type Plain = Rustls<{ 8 * 1024 }, { 4 * 1024 }>;
/// Batches and reads as large as raw's.
pub(crate) type Tuned = Rustls<{ peer::BATCH }, { 256 * 1024 }>;

/// What is sealed at once; with 256 KiB the records leave the cache, at half the speed.
const PIECE: usize = 64 * 1024;
/// The name in the certificate.
const NAME: &str = "localhost";

/// A connection, with what is not sealed yet and what was not taken yet.
pub(crate) struct Rustls<const BATCH: usize, const READ: usize> {
    tls: Connection,
    stream: TcpStream,
    batch: Vec<u8>,
    sealed: usize,
    wire: Vec<u8>,
    inbox: Inbox,
}

impl<const BATCH: usize, const READ: usize> Peer for Rustls<BATCH, READ> {
    type Listener = (TcpListener, Arc<ServerConfig>);

    fn listen(_size: usize) -> Result<(Self::Listener, String)> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let key = PrivateKeyDer::try_from(signing_key.serialize_der())?;
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut address = format!("{} ", listener.local_addr()?);
        for byte in cert.der().as_ref() {
            write!(address, "{byte:02x}")?;
        }
        Ok(((listener, Arc::new(config)), address))
    }

    fn accept((listener, config): Self::Listener, _size: usize) -> Result<Self> {
        let tls = ServerConnection::new(config)?;
        Self::over(listener.accept()?.0, tls.into())
    }

    fn connect(address: &str, _size: usize) -> Result<Self> {
        let (address, certificate) = address.split_once(' ').ok_or("no certificate")?;
        let certificate: Vec<u8> = (0..certificate.len() / 2)
            .map(|at| u8::from_str_radix(&certificate[2 * at..2 * at + 2], 16))
            .collect::<std::result::Result<_, _>>()?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certificate))?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), NAME.try_into()?)?;
        Self::over(TcpStream::connect(address)?, tls.into())
    }

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
        while self.has_outgoing() {
            self.push()?;
        }
        Ok(())
    }

    fn recv(&mut self, mut take: impl FnMut(&[u8])) -> Result<()> {
        let mut any = self.inbox.drain(&mut take);
        while !any {
            any = self.receive(&mut take)?;
        }
        Ok(())
    }

    /// In one thread on a nonblocking socket: a rustls connection has no halves.
    fn exchange(&mut self, source: &mut Source, sink: &mut Sink) -> Result<()> {
        self.stream.set_nonblocking(true)?;
        let mut ended = false;
        while !ended || self.has_outgoing() || sink.is_open() {
            if !ended && !self.has_outgoing() {
                ended = self.fill(source);
            }
            let pushed = self.push()?;
            let pulled = self.pull(sink)?;
            if !pushed && !pulled {
                self.wait()?;
            }
        }
        self.stream.set_nonblocking(false)?;
        Ok(())
    }
}

impl<const BATCH: usize, const READ: usize> Rustls<BATCH, READ> {
    /// Shakes hands.
    fn over(stream: TcpStream, mut tls: Connection) -> Result<Self> {
        stream.set_nodelay(true)?;
        tls.set_buffer_limit(None);
        let mut rustls = Self {
            tls,
            stream,
            batch: Vec::with_capacity(2 * BATCH),
            sealed: 0,
            wire: vec![0; READ],
            inbox: Inbox::new(),
        };
        while rustls.tls.is_handshaking() {
            rustls.tls.complete_io(&mut rustls.stream)?;
        }
        // The first message may have come, and been opened, with the end of the handshake.
        if rustls.tls.process_new_packets()?.plaintext_bytes_to_read() > 0 {
            let bytes = rustls.tls.reader().read(rustls.inbox.space())?;
            rustls.inbox.filled(bytes)?;
        }
        Ok(rustls)
    }

    /// Fills the batch, and says whether the source has ended.
    fn fill(&mut self, source: &mut Source) -> bool {
        while self.batch.len() < BATCH {
            let Some(message) = source.next() else {
                return true;
            };
            frame(&mut self.batch, message);
        }
        false
    }

    fn has_outgoing(&self) -> bool {
        self.tls.wants_write() || !self.batch.is_empty()
    }

    /// Seals a piece of the batch when the last one is out, writes, and says whether it could.
    fn push(&mut self) -> Result<bool> {
        if !self.tls.wants_write() && !self.batch.is_empty() {
            let end = self.batch.len().min(self.sealed + PIECE);
            self.tls.writer().write_all(&self.batch[self.sealed..end])?;
            self.sealed = end;
            if end == self.batch.len() {
                self.batch.clear();
                self.sealed = 0;
            }
        }
        let mut any = false;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.stream) {
                Ok(_) => any = true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(any)
    }

    /// Reads once, opens what came, and says whether there was a message.
    fn receive(&mut self, mut take: impl FnMut(&[u8])) -> Result<bool> {
        let bytes = self.stream.read(&mut self.wire)?;
        if bytes == 0 {
            return Err("the other side closed".into());
        }
        let (mut start, mut any) = (0, false);
        while start < bytes {
            start += self.tls.read_tls(&mut &self.wire[start..bytes])?;
            any |= self.open(&mut take)?;
        }
        Ok(any)
    }

    /// Opens the records that rustls was given, and says whether there was a message.
    fn open(&mut self, take: impl FnMut(&[u8])) -> Result<bool> {
        let mut plain = self.tls.process_new_packets()?.plaintext_bytes_to_read();
        while plain > 0 {
            let bytes = self.tls.reader().read(self.inbox.space())?;
            self.inbox.filled(bytes)?;
            plain -= bytes;
        }
        Ok(self.inbox.drain(take))
    }

    /// Receives for [`Peer::exchange`], and says whether something came.
    fn pull(&mut self, sink: &mut Sink) -> Result<bool> {
        match self.receive(|message| sink.take(message)) {
            Ok(_) => Ok(true),
            Err(error) if is_would_block(error.as_ref()) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Waits until the socket has something, or takes something if there is any.
    fn wait(&self) -> Result<()> {
        let writing = if self.tls.wants_write() {
            PollFlags::OUT
        } else {
            PollFlags::empty()
        };
        poll(
            &mut [PollFd::new(&self.stream, PollFlags::IN | writing)],
            None,
        )?;
        Ok(())
    }
}

/// ring, and of the suites the one that PTP has, too.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    let cipher_suites = vec![ring::cipher_suite::TLS13_AES_256_GCM_SHA384];
    Arc::new(CryptoProvider {
        cipher_suites,
        ..ring::default_provider()
    })
}

fn is_would_block(error: &(dyn std::error::Error + Send + Sync + 'static)) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == ErrorKind::WouldBlock)
}
