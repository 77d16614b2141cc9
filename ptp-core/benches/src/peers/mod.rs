//! The peers that were built in, by name.

mod ptp;
mod raw;
#[cfg(feature = "rustls")]
pub(crate) mod rustls;
#[cfg(feature = "zmq")]
mod zmq;

use std::time::Duration;

use clap::ValueEnum;

use crate::Result;
use crate::play::{self, Outcome};
use crate::workload::Workload;

/// A peer, in the order of the rounds.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PeerName {
    /// Length prefix and batching over a TcpStream, nothing else: the ceiling.
    Raw,
    /// libzmq, PAIR, plain, as it comes.
    #[cfg(feature = "zmq")]
    Zmq,
    /// The same with the high-water mark that is best here.
    #[cfg(feature = "zmq")]
    ZmqTuned,
    /// libzmq, PAIR, encrypted by CURVE.
    #[cfg(feature = "zmq")]
    ZmqCurve,
    /// Length prefix and batching over rustls: TLS 1.3, AES-256-GCM; 8 KiB batches, 4 KiB reads.
    #[cfg(feature = "rustls")]
    Rustls,
    /// The same with 256 KiB batches and reads.
    #[cfg(feature = "rustls")]
    RustlsTuned,
    /// ptp-core through its public face, an event for each message.
    Ptp,
    /// The same with batches.
    PtpBatches,
}

/// Calls a generic function of [`play`] for the peer of this name.
macro_rules! with_peer {
    ($name:expr, $function:ident ( $($argument:expr),* )) => {
        match $name {
            PeerName::Raw => play::$function::<raw::Raw>($($argument),*),
            #[cfg(feature = "zmq")]
            PeerName::Zmq => play::$function::<zmq::Zmq<false, false>>($($argument),*),
            #[cfg(feature = "zmq")]
            PeerName::ZmqTuned => play::$function::<zmq::Zmq<false, true>>($($argument),*),
            #[cfg(feature = "zmq")]
            PeerName::ZmqCurve => play::$function::<zmq::Zmq<true, false>>($($argument),*),
            #[cfg(feature = "rustls")]
            PeerName::Rustls => play::$function::<rustls::Plain>($($argument),*),
            #[cfg(feature = "rustls")]
            PeerName::RustlsTuned => play::$function::<rustls::Tuned>($($argument),*),
            PeerName::Ptp => play::$function::<ptp::OneByOne>($($argument),*),
            PeerName::PtpBatches => play::$function::<ptp::Batched>($($argument),*),
        }
    };
}

impl PeerName {
    /// Every peer that was built in.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// Whether the others are compared with this one.
    pub(crate) fn is_reference(self) -> bool {
        matches!(self, Self::Ptp | Self::PtpBatches)
    }

    /// [`play::dial`] as this peer.
    pub(crate) fn dial(
        self,
        address: &str,
        workload: Workload,
        duration: Duration,
    ) -> Result<Outcome> {
        with_peer!(self, dial(address, workload, duration))
    }

    /// [`play::listen`] as this peer.
    pub(crate) fn listen(
        self,
        workload: Workload,
        duration: Duration,
        publish: impl FnOnce(&str) -> Result<()>,
    ) -> Result<Outcome> {
        with_peer!(self, listen(workload, duration, publish))
    }
}

/// What clap calls it.
pub(crate) fn name(value: impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}
