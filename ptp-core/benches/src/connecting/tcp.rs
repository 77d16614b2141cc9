//! A bare TCP connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use super::{Caller, Clock, Door, Took};
use crate::Result;

/// The listening side.
pub(super) struct Tcp(TcpListener);

impl Tcp {
    pub(super) fn listen() -> Result<Self> {
        Ok(Self(TcpListener::bind("127.0.0.1:0")?))
    }
}

impl Door for Tcp {
    fn open(&mut self) -> Result<String> {
        Ok(self.0.local_addr()?.to_string())
    }

    fn answer(&mut self) -> Result<()> {
        let (mut stream, _) = self.0.accept()?;
        stream.set_nodelay(true)?;
        stream.write_all(b"x")?;
        stream.read_to_end(&mut Vec::new())?;
        Ok(())
    }
}

/// The dialling side.
pub(super) struct Dialler;

impl Caller for Dialler {
    fn call(&mut self, address: &str) -> Result<Took> {
        let mut clock = Clock::start();
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        clock.connected();
        stream.read_exact(&mut [0])?;
        Ok(clock.heard())
    }
}
