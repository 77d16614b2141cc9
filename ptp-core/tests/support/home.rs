//! People at their computers: an identity each, and whom they know.

use ptp_core::{Code, Config, ConnectError, How, Identity, KnownPeers, Listener, Notice, Session};

use super::PATIENCE;

/// One person's computer: an identity and whom it knows.
pub(crate) struct Home {
    pub(crate) identity: Identity,
    pub(crate) peers: KnownPeers,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            identity: Identity::generate().unwrap(),
            peers: KnownPeers::in_memory(),
        }
    }

    /// Another computer of the same person: the same identity, and nobody known.
    pub(crate) fn second(&self) -> Self {
        Self {
            identity: self.identity.clone(),
            ..Self::new()
        }
    }

    pub(crate) fn config(&self, name: &str) -> Config {
        let mut config = Config::known(self.identity.clone(), self.peers.clone());
        name.clone_into(&mut config.name);
        config
    }

    /// Dials as Ben.
    pub(crate) fn dial(&self, address: &str, code: Option<Code>) -> Result<Session, ConnectError> {
        let mut config = self.config("Ben");
        config.code = code;
        Session::connect(address, &config)
    }

    pub(crate) fn remember(&self, other: &Self, name: &str, address: Option<&str>) {
        let key = other.identity.public_key();
        self.peers.remember(key, name, How::Added, address).unwrap();
    }

    pub(crate) fn knows(&self, other: &Self) -> bool {
        let key = other.identity.public_key();
        self.peers.by_key(&key).unwrap().is_some()
    }
}

/// A listener at any port, and its address.
pub(crate) fn listen(config: &Config) -> (Listener, String) {
    super::watch();
    let listener = Listener::bind("127.0.0.1:0", config).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// The next code that the listener shows.
pub(crate) fn code(listener: &Listener) -> Code {
    loop {
        if let Notice::Code(code) = notice(listener) {
            return code.unwrap();
        }
    }
}

/// What the listener tells next.
pub(crate) fn notice(listener: &Listener) -> Notice {
    listener.notices().recv_timeout(PATIENCE).unwrap()
}

/// Another code than this.
pub(crate) fn wrong(code: &Code) -> Code {
    let digits = if code.as_str().starts_with("0000") {
        "0001"
    } else {
        "0000"
    };
    Code::parse(&format!("{digits}{}", &code.as_str()[4..])).unwrap()
}
