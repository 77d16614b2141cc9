//! A dialler and a listener with a bad network between them.

use ptp_core::{Config, Event, Identity, Listener, Message, Resumption, Session};

use super::proxy::Proxy;
use super::{accept, next};

/// Ana has called Ben through a proxy.
pub(crate) struct Network {
    pub(crate) ana: Session,
    pub(crate) ben: Session,
    pub(crate) proxy: Proxy,
    pub(crate) listener: Listener,
    /// Where Ben listens, without the proxy.
    pub(crate) address: String,
}

/// Ana and Ben, both with this configuration.
pub(crate) fn network(config: &Config) -> Network {
    network_with(config, config)
}

/// Ana with the first configuration, Ben with the second.
pub(crate) fn network_with(ana: &Config, ben: &Config) -> Network {
    super::watch();
    let listener = Listener::bind("127.0.0.1:0", ben).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let proxy = Proxy::to(&address);
    let ana = Session::connect(proxy.address(), ana).unwrap();
    Network {
        ana,
        ben: accept(&listener),
        proxy,
        listener,
        address,
    }
}

impl Network {
    /// Breaks the connection, and every new one; both sides have noticed.
    pub(crate) fn interrupt(&self) {
        self.proxy.refuse(true);
        self.proxy.reset();
        interrupted(&self.ana);
        interrupted(&self.ben);
    }

    /// As `interrupt`; what came before is taken as well.
    pub(crate) fn interrupt_past_messages(&self) {
        self.proxy.refuse(true);
        self.proxy.reset();
        for session in [&self.ana, &self.ben] {
            while !matches!(next(session), Some(Event::Interrupted(_))) {}
        }
    }

    /// Lets new connections pass again.
    pub(crate) fn heal(&self) {
        self.proxy.refuse(false);
    }
}

/// Takes the next event, which is an interruption.
pub(crate) fn interrupted(session: &Session) {
    let event = next(session);
    assert!(matches!(event, Some(Event::Interrupted(_))), "{event:?}");
}

/// Takes the next event, which is the end of an interruption.
pub(crate) fn resumed(session: &Session) -> Box<Resumption> {
    match next(session) {
        Some(Event::Resumed(resumption)) => resumption,
        other => panic!("not resumed but {other:?}"),
    }
}

/// Takes everything up to the end of an interruption; returns the messages among it.
pub(crate) fn until_resumed(session: &Session) -> Vec<Message> {
    let mut messages = Vec::new();
    loop {
        match next(session) {
            Some(Event::Received(message)) => messages.push(message),
            Some(Event::Interrupted(_)) => {}
            Some(Event::Resumed(_)) => return messages,
            other => panic!("not resumed but {other:?}"),
        }
    }
}

/// A configuration by which the same person calls again.
pub(crate) fn person() -> Config {
    let mut config = Config::open();
    config.identity = Some(Identity::generate().unwrap());
    config
}
