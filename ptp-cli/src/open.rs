//! From the command line to an open session.

use std::sync::Arc;

use ptp_core::{Config, Listener, Session};

use crate::args::{Command, Options};
use crate::exit::Exit;
use crate::render;

/// A conversation that has begun.
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    /// Tells further callers that the server is busy for as long as it is held.
    pub(crate) listener: Option<Listener>,
}

/// Why none has: what to say, and how to exit.
pub(crate) type Failure = (String, Exit);

/// Waits for somebody, or goes to somebody, as the command says; `say` shows status lines.
pub(crate) fn open(command: &Command, say: &impl Fn(&str)) -> Result<Opened, Failure> {
    let opened = match command {
        Command::Server {
            port,
            bind,
            options,
        } => wait(*port, bind.as_deref(), options, say),
        Command::Client {
            host,
            port,
            options,
        } => go(host, *port, options, say),
    }?;
    say("");
    say(&render::connected(opened.session.peer()));
    Ok(opened)
}

fn wait(
    port: u16,
    bind: Option<&str>,
    options: &Options,
    say: &impl Fn(&str),
) -> Result<Opened, Failure> {
    let address = format!("{}:{port}", bracketed(bind.unwrap_or_default()));
    let unexpected = |error: &dyn std::fmt::Display| (format!("[ERROR] {error}"), Exit::Unexpected);
    let listener = Listener::bind(&address, &config(options))
        .map_err(|error| render::listen_error(&error, port))?;
    let bound = listener.local_addr().map_err(|error| unexpected(&error))?;
    say(&format!("[SERVER] Listening on port {}", bound.port()));
    for line in render::invitations(bound, &own_addresses()) {
        say(&line);
    }
    say("[SERVER] Waiting for incoming connection...");
    let session = listener.accept().map_err(|error| unexpected(&error))?;
    Ok(Opened {
        session: Arc::new(session),
        listener: Some(listener),
    })
}

fn go(host: &str, port: u16, options: &Options, say: &impl Fn(&str)) -> Result<Opened, Failure> {
    let place = format!("{}:{port}", bracketed(host));
    say(&format!("[CLIENT] Connecting to {place}..."));
    let session = Session::connect(&place, &config(options))
        .map_err(|error| render::connect_error(&error, &place, options.timeout.as_secs_f64()))?;
    Ok(Opened {
        session: Arc::new(session),
        listener: None,
    })
}

fn config(options: &Options) -> Config {
    let mut config = Config::open();
    config.name.clone_from(&options.name);
    config.connect_timeout = options.timeout;
    config.handshake_timeout = options.timeout;
    config.max_sessions = 1;
    config
}

/// An IPv6 address as it stands before a port; everything else as it is.
fn bracketed(host: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

fn own_addresses() -> Vec<(std::net::IpAddr, String)> {
    // Without them the conversation works just as well.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    interfaces
        .into_iter()
        .map(|interface| (interface.ip(), interface.name))
        .collect()
}
