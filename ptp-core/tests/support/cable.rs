//! Two computers and the cable between them: network namespaces of this test's own, whose line can
//! be made to fail as real ones do.

#![allow(
    dead_code,
    clippy::panic,
    reason = "each test file uses a part of it, and a helper that fails fails its test"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One of the two computers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

impl Side {
    /// The same for every cable: nobody else is on it.
    pub(crate) fn address(self) -> &'static str {
        match self {
            Self::Left => "10.0.0.1",
            Self::Right => "10.0.0.2",
        }
    }
}

/// How the line fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The cable is unplugged.
    Unplugged,
    /// Nothing arrives, and nobody is told.
    BlackHole,
    /// Nothing arrives at this side; the other direction works.
    OneWay(Side),
    /// Whatever is sent is answered with a reset.
    Reset,
    /// Each packet is lost with a probability of a tenth.
    Loss,
}

/// Two network namespaces with a link between them. Dropping it removes all.
pub(crate) struct Cable {
    left: Namespace,
    right: Namespace,
}

impl Cable {
    /// Panics where it can't be made, and says what it takes.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |side| format!("ptp-{}-{number}-{side}", std::process::id());
        let left = Namespace::new(name("left"));
        let right = Namespace::new(name("right"));
        let ends = ["name", LINK, "netns", &left.0];
        let link = ["type", "veth", "peer", "name", LINK, "netns", &right.0];
        run("ip", &[&["link", "add"], &ends[..], &link[..]].concat());
        let cable = Self { left, right };
        for side in [Side::Left, Side::Right] {
            let address = format!("{}/24", side.address());
            cable.ip(side, &["address", "add", &address, "dev", LINK]);
            cable.ip(side, &["link", "set", LINK, "up"]);
            // Also shows now, and not in the middle, whether the system has it.
            cable.iptables(side, &["--flush", "INPUT"]);
        }
        cable
    }

    /// The file that stands for a side's namespace.
    pub(crate) fn namespace(&self, side: Side) -> PathBuf {
        Path::new("/run/netns").join(&self.of(side).0)
    }

    /// The same command, run on this side.
    pub(crate) fn on(&self, side: Side, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.of(side).0]);
        inside.arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// From now on the line fails so.
    pub(crate) fn fail(&self, fault: Fault) {
        const LOSS: &str = "-m statistic --mode random --probability 0.1 -j DROP";
        // A reset must not be answered with another, nor be stopped.
        const RESET: &str = "-p tcp ! --tcp-flags RST RST -j REJECT --reject-with tcp-reset";
        let (sides, rule) = match fault {
            Fault::Unplugged => return self.ip(Side::Left, &["link", "set", LINK, "down"]),
            Fault::BlackHole => (&[Side::Left, Side::Right][..], "-j DROP"),
            Fault::OneWay(Side::Left) => (&[Side::Left][..], "-j DROP"),
            Fault::OneWay(Side::Right) => (&[Side::Right][..], "-j DROP"),
            Fault::Reset => (&[Side::Left, Side::Right][..], RESET),
            Fault::Loss => (&[Side::Left, Side::Right][..], LOSS),
        };
        let rule: Vec<&str> = ["--append", "INPUT"]
            .into_iter()
            .chain(rule.split(' '))
            .collect();
        for side in sides {
            self.iptables(*side, &rule);
        }
    }

    /// The line works again.
    pub(crate) fn mend(&self) {
        for side in [Side::Left, Side::Right] {
            self.iptables(side, &["--flush", "INPUT"]);
        }
        self.ip(Side::Left, &["link", "set", LINK, "up"]);
    }

    fn ip(&self, side: Side, args: &[&str]) {
        run("ip", &[&["-n", &self.of(side).0], args].concat());
    }

    fn iptables(&self, side: Side, args: &[&str]) {
        let exec = ["netns", "exec", &self.of(side).0, "iptables"];
        run("ip", &[&exec, args].concat());
    }

    fn of(&self, side: Side) -> &Namespace {
        match side {
            Side::Left => &self.left,
            Side::Right => &self.right,
        }
    }
}

/// The name of each end of the link, each in a namespace of its own.
const LINK: &str = "cable";

/// A network namespace by its name. Its end of a link goes with it, and so does the other end.
struct Namespace(String);

impl Namespace {
    fn new(name: String) -> Self {
        run("ip", &["netns", "add", &name]);
        Self(name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // Perhaps in a test that fails already.
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.0])
            .status();
    }
}

fn run(program: &str, args: &[&str]) {
    let line = format!("{program} {}", args.join(" "));
    let cause = match Command::new(program).args(args).output() {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("this test needs root, `ip` and `iptables`, see docs/testing.md: `{line}`: {cause}")
}
