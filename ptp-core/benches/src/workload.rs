//! What is measured.

use clap::ValueEnum;

/// One kind of traffic.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// 64-byte messages, one way.
    OneWay,
    /// 64-byte messages, both ways at once.
    BothWays,
    /// 64-byte messages, one there and one back, densely.
    RoundTrip,
    /// 64 KiB messages, one way.
    Large,
}

impl Workload {
    /// Every workload, in the order of the tables.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// A message's length in bytes.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::OneWay | Self::BothWays | Self::RoundTrip => 64,
            Self::Large => 64 * 1024,
        }
    }

    /// What the table is called, with the unit of its figures.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::OneWay => "64 B one way, M messages/s",
            Self::BothWays => "64 B both ways at once, M messages/s together",
            Self::RoundTrip => "64 B round trip p50, µs (less is better)",
            Self::Large => "64 KiB one way, GB/s",
        }
    }
}
