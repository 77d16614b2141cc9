//! Which program has a port, where the system tells.

use ptp_core::ListenError;

/// A program's name, which may hold anything, and the number of its process.
type Program = (String, u32);

/// Who has the port that could not be had; `None` if that is not why, or the system does not tell:
/// it hides the programs of other users.
pub(super) fn in_the_way(error: &ListenError) -> Option<Program> {
    match error {
        ListenError::Bind { address, cause } if cause.kind() == std::io::ErrorKind::AddrInUse => {
            system::owner(*address)
        }
        _ => None,
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
    use std::path::Path;

    use super::Program;

    /// The state of a socket that listens, in /proc/net/tcp.
    const LISTENS: &str = "0A";

    pub(super) fn owner(wanted: SocketAddr) -> Option<Program> {
        let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(fs::read_to_string);
        let mut lines = tables.iter().flatten().flat_map(|table| table.lines());
        let inode = lines.find_map(|line| inode_in_the_way(line, wanted))?;
        holder(&format!("socket:[{inode}]"))
    }

    /// The inode of the socket in a line of the table, if it listens where `wanted` is.
    pub(super) fn inode_in_the_way(line: &str, wanted: SocketAddr) -> Option<&str> {
        let mut fields = line.split_whitespace();
        let (ip, port) = fields.nth(1)?.split_once(':')?;
        let listens = fields.nth(1)? == LISTENS;
        let same_port = u16::from_str_radix(port, 16).ok()? == wanted.port();
        let (theirs, ours) = (address(ip)?.to_canonical(), wanted.ip().to_canonical());
        let overlap = theirs == ours || theirs.is_unspecified() || ours.is_unspecified();
        (listens && same_port && overlap).then(|| fields.nth(5))?
    }

    /// An address as it stands there: words of 32 bits as this machine has them in memory.
    fn address(text: &str) -> Option<IpAddr> {
        let mut bytes = [0; 16];
        let words = text.len() / 8;
        for (word, bytes) in (0..words).zip(bytes.chunks_exact_mut(4)) {
            let digits = text.get(word * 8..word * 8 + 8)?;
            bytes.copy_from_slice(&u32::from_str_radix(digits, 16).ok()?.to_ne_bytes());
        }
        match (words, bytes) {
            (1, [a, b, c, d, ..]) => Some(Ipv4Addr::new(a, b, c, d).into()),
            (4, all) => Some(Ipv6Addr::from(all).into()),
            _ => None,
        }
    }

    /// The process that has the socket open.
    fn holder(socket: &str) -> Option<Program> {
        fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
            let process = entry.file_name().to_str()?.parse().ok()?;
            let mut open = fs::read_dir(entry.path().join("fd")).ok()?.flatten();
            open.find(|file| fs::read_link(file.path()).is_ok_and(|at| at == Path::new(socket)))?;
            let name = fs::read_to_string(entry.path().join("comm")).ok()?;
            Some((name.trim_end().to_owned(), process))
        })
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn owner(_: std::net::SocketAddr) -> Option<super::Program> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{SocketAddr, TcpListener};

    use super::*;

    #[test]
    fn the_program_that_has_a_port_is_named() {
        for held in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let Ok(listener) = TcpListener::bind(held) else {
                eprintln!("no {held} here");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            for wanted in ["127.0.0.1", "0.0.0.0", "[::]"] {
                let wanted: SocketAddr = format!("{wanted}:{port}").parse().unwrap();
                let (name, process) = system::owner(wanted).unwrap();
                assert_eq!(process, std::process::id(), "{held} {wanted}");
                assert!(!name.is_empty());
            }
        }
    }

    #[test]
    fn only_who_listens_there_is_in_the_way() {
        let word = u32::from_ne_bytes([127, 0, 0, 1]);
        let line = |state| {
            format!(
                "   0: {word:08X}:1388 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 4711 1 0"
            )
        };
        let at = |wanted: &str| wanted.parse::<SocketAddr>().unwrap();
        for (state, wanted, found) in [
            ("0A", "127.0.0.1:5000", Some("4711")),
            ("0A", "0.0.0.0:5000", Some("4711")),
            ("0A", "[::]:5000", Some("4711")),
            ("0A", "127.0.0.2:5000", None),
            ("0A", "127.0.0.1:5001", None),
            ("01", "127.0.0.1:5000", None),
        ] {
            let line = line(state);
            let inode = system::inode_in_the_way(&line, at(wanted));
            assert_eq!(inode, found, "{state} {wanted}");
        }
        let head = "  sl  local_address rem_address   st tx_queue";
        assert_eq!(system::inode_in_the_way(head, at("0.0.0.0:5000")), None);
    }
}
