//! libzmq's PAIR sockets over tcp, encrypted by CURVE. Connecting happens in libzmq's own thread.

use zmq::{Context, CurveKeyPair, PAIR, Socket};

use super::{Caller, Clock, Door, Took};
use crate::Result;

/// Either side: its keys, and the listening side's socket of the next call.
pub(super) struct Curve {
    context: Context,
    keys: CurveKeyPair,
    socket: Option<Socket>,
}

impl Curve {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            context: Context::new(),
            keys: CurveKeyPair::new()?,
            socket: None,
        })
    }
}

impl Door for Curve {
    fn open(&mut self) -> Result<String> {
        let socket = self.context.socket(PAIR)?;
        socket.set_curve_server(true)?;
        socket.set_curve_secretkey(&self.keys.secret_key)?;
        socket.bind("tcp://127.0.0.1:*")?;
        let endpoint = socket.get_last_endpoint()?;
        let endpoint = endpoint.map_err(|_| "the endpoint is not text")?;
        self.socket = Some(socket);
        let key = zmq::z85_encode(&self.keys.public_key)?;
        Ok(format!("{endpoint} {key}"))
    }

    fn answer(&mut self) -> Result<()> {
        let socket = self.socket.take().ok_or("not open")?;
        // Waits for the caller.
        socket.send("x", 0)?;
        socket.recv_bytes(0)?;
        Ok(())
    }
}

impl Caller for Curve {
    fn call(&mut self, address: &str) -> Result<Took> {
        let (endpoint, key) = address.split_once(' ').ok_or("no key")?;
        let mut clock = Clock::start();
        let socket = self.context.socket(PAIR)?;
        socket.set_curve_serverkey(&zmq::z85_decode(key)?)?;
        socket.set_curve_publickey(&self.keys.public_key)?;
        socket.set_curve_secretkey(&self.keys.secret_key)?;
        socket.connect(endpoint)?;
        clock.connected();
        socket.recv_bytes(0)?;
        let took = clock.heard();
        socket.send("x", 0)?;
        Ok(took)
    }
}
