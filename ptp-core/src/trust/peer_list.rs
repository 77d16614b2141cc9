//! The known peers as a text, and the changes to it: whatever a person wrote around them stays.

use std::collections::{HashMap, HashSet};

use super::PublicKey;
use super::fingerprint::Fingerprint;
use super::peer_line::{KnownPeer, PeerProblem, folded_address};
use super::peer_name;

/// The lines of the file, in their order.
pub(super) struct PeerList {
    lines: Vec<Line>,
}

struct Line {
    /// As it was typed, without the end of line.
    text: String,
    peer: Option<KnownPeer>,
}

impl Line {
    fn parse(bytes: &[u8]) -> Result<Self, PeerProblem> {
        let text = str::from_utf8(bytes).map_err(|_| PeerProblem::NotText)?;
        Ok(Self {
            text: text.to_owned(),
            peer: KnownPeer::from_line(text)?,
        })
    }
}

impl PeerList {
    /// An empty text has no peers. A wrong line is told with its number, counted from 1.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, (usize, PeerProblem)> {
        let bytes = if bytes.is_empty() {
            HEADER.as_bytes()
        } else {
            bytes
        };
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let (mut lines, mut taken) = (Vec::new(), Taken::default());
        for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
            let line = Line::parse(line).and_then(|line| taken.take(number, line));
            lines.push(line.map_err(|problem| (number, problem))?);
        }
        Ok(Self { lines })
    }

    pub(super) fn to_text(&self) -> String {
        let lines = self.lines.iter();
        lines.flat_map(|line| [line.text.as_str(), "\n"]).collect()
    }

    pub(super) fn peers(&self) -> impl Iterator<Item = &KnownPeer> {
        self.lines.iter().filter_map(|line| line.peer.as_ref())
    }

    pub(super) fn by_key(&self, key: &PublicKey) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.key == *key)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&KnownPeer> {
        let name = peer_name::folded(name);
        self.peers()
            .find(|peer| peer_name::folded(&peer.name) == name)
    }

    pub(super) fn by_fingerprint(&self, fingerprint: Fingerprint) -> Option<&KnownPeer> {
        self.peers()
            .find(|peer| peer.key.fingerprint() == fingerprint)
    }

    pub(super) fn bound_to(&self, address: &str) -> Option<&KnownPeer> {
        self.peers().find(|peer| peer.is_at(address))
    }

    /// Adds a peer whose key is not known yet, with a free name after the one that it has.
    pub(super) fn add(&mut self, mut peer: KnownPeer) -> KnownPeer {
        let taken: HashSet<_> = self
            .peers()
            .map(|peer| peer_name::folded(&peer.name))
            .collect();
        peer.name = peer_name::free(&peer.name, |name| taken.contains(&peer_name::folded(name)));
        self.lines.push(Line {
            text: peer.to_line(),
            peer: Some(peer.clone()),
        });
        peer
    }

    /// Changes the peer with this key, if there is one; yields it as it is then.
    pub(super) fn change(
        &mut self,
        key: &PublicKey,
        change: impl FnOnce(&mut KnownPeer),
    ) -> Option<KnownPeer> {
        let is_it = |line: &&mut Line| line.peer.as_ref().is_some_and(|peer| peer.key == *key);
        let line = self.lines.iter_mut().find(is_it)?;
        let peer = line.peer.as_mut()?;
        let before = peer.clone();
        change(peer);
        if *peer != before {
            line.text = peer.to_line();
        }
        Some(peer.clone())
    }

    pub(super) fn remove(&mut self, key: &PublicKey) {
        self.lines
            .retain(|line| line.peer.as_ref().is_none_or(|peer| peer.key != *key));
    }
}

/// What stands in which line: a peer is known by each of these, so none may stand there twice.
#[derive(Default)]
struct Taken {
    names: HashMap<String, usize>,
    keys: HashMap<PublicKey, usize>,
    addresses: HashMap<String, usize>,
}

impl Taken {
    fn take(&mut self, number: usize, line: Line) -> Result<Line, PeerProblem> {
        let Some(peer) = &line.peer else {
            return Ok(line);
        };
        if let Some(first) = self.names.insert(peer_name::folded(&peer.name), number) {
            return Err(PeerProblem::NameTaken(first));
        }
        if let Some(first) = self.keys.insert(peer.key, number) {
            return Err(PeerProblem::KeyTaken(first));
        }
        for address in &peer.addresses {
            if let Some(first) = self.addresses.insert(folded_address(address), number) {
                return Err(PeerProblem::AddressTaken {
                    line: first,
                    address: address.clone(),
                });
            }
        }
        Ok(line)
    }
}

/// How the file begins that this program makes.
const HEADER: &str = "\
# Peers that PTP knows, one a line. This file may be edited; what stands behind # stays.
#
# NAME KEY HOW SINCE [HOST:PORT ...]
#
# NAME   unique; in \"quotes\" if it holds a space, and \\\" within them is a quote, \\\\ a backslash
# KEY    the public key, 64 digits from 0 to 9 and a to f
# HOW    paired (by a code) or added (by hand)
# SINCE  a time, such as 2026-01-31T18:05:00Z
# HOST:PORT  where the peer is reached, the newest first, at most 8; only this key is expected there

";
