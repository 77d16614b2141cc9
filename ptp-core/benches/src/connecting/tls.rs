//! TLS 1.3 by rustls, a full handshake each time.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::{Caller, Clock, Door, Took};
use crate::Result;
use crate::peers::rustls::provider;

/// The name in the certificate.
const NAME: &str = "localhost";

/// The listening side.
pub(super) struct Tls {
    listener: TcpListener,
    config: Arc<ServerConfig>,
    /// The certificate, and its key if the dialler is to show it, too.
    credentials: String,
}

impl Tls {
    pub(super) fn listen(mutual: bool) -> Result<Self> {
        let CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed([NAME.to_owned()])?;
        let (certificate, key) = (cert.der().clone(), signing_key.serialize_der());
        let mut credentials = hex(&certificate);
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?;
        let builder = if mutual {
            credentials = format!("{credentials} {}", hex(&key));
            let roots = Arc::new(roots(&certificate)?);
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?,
            )
        } else {
            builder.with_no_client_auth()
        };
        let config = builder.with_single_cert(vec![certificate], PrivateKeyDer::try_from(key)?)?;
        Ok(Self {
            listener: TcpListener::bind("127.0.0.1:0")?,
            config: Arc::new(config),
            credentials,
        })
    }
}

impl Door for Tls {
    fn open(&mut self) -> Result<String> {
        let address = self.listener.local_addr()?;
        Ok(format!("{address} {}", self.credentials))
    }

    fn answer(&mut self) -> Result<()> {
        let (mut stream, _) = self.listener.accept()?;
        stream.set_nodelay(true)?;
        let mut tls = ServerConnection::new(Arc::clone(&self.config))?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        rustls::Stream::new(&mut tls, &mut stream).write_all(b"x")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

/// The dialling side; it is told whom to trust with the first call.
#[derive(Default)]
pub(super) struct Dialler(Option<Arc<ClientConfig>>);

impl Caller for Dialler {
    fn call(&mut self, address: &str) -> Result<Took> {
        let (address, credentials) = address.split_once(' ').ok_or("no certificate")?;
        let config = match &mut self.0 {
            Some(config) => config,
            empty => empty.insert(Arc::new(client(credentials)?)),
        };
        let mut clock = Clock::start();
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut tls = ClientConnection::new(Arc::clone(config), NAME.try_into()?)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        clock.connected();
        rustls::Stream::new(&mut tls, &mut stream).read_exact(&mut [0])?;
        Ok(clock.heard())
    }
}

fn client(credentials: &str) -> Result<ClientConfig> {
    let mut credentials = credentials.split(' ').map(bytes);
    let certificate = CertificateDer::from(credentials.next().ok_or("no certificate")??);
    let builder = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots(&certificate)?);
    let mut config = match credentials.next() {
        Some(key) => {
            builder.with_client_auth_cert(vec![certificate], PrivateKeyDer::try_from(key?)?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn roots(certificate: &CertificateDer<'static>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone())?;
    Ok(roots)
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn bytes(digits: &str) -> Result<Vec<u8>> {
    let pairs = (0..digits.len() / 2).map(|at| u8::from_str_radix(&digits[2 * at..][..2], 16));
    Ok(pairs.collect::<std::result::Result<_, _>>()?)
}
