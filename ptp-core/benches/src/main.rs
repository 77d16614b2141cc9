//! `compare`: PTP beside its peers, two processes over loopback TCP, interleaved round by round.
//!
//! For every run this program starts itself twice, as the listening and as the dialling side of
//! one [`peer::Peer`], and lets them play one [`workload::Workload`]. The processes are fresh for
//! each run, so that no peer inherits another's heap, threads or socket buffers.
//!
//! ```text
//! cargo run --release --features zmq,rustls -- --rounds 5 --seconds 1
//! cargo run --release --features zmq -- --only one-way,large --peers zmq,ptp
//! cargo run --release --features zmq,rustls -- connecting --times 300
//! cargo run --release --features history -- history --messages 1000000
//! ```

mod connecting;
#[cfg(feature = "history")]
mod history;
mod numbered;
mod orchestra;
mod peer;
mod peers;
mod play;
mod table;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use connecting::Way;
use peers::PeerName;
use workload::Workload;

/// An error that ends the run; nothing here is handled, only shown.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Compares message libraries: two processes, loopback TCP, all peers interleaved.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// How often each peer runs each workload.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long the sender sends in each run.
    #[arg(long, default_value = "1", value_parser = seconds)]
    seconds: Duration,
    /// Only these workloads.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Workload>,
    /// Only these peers.
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<PeerName>,
    /// Be one side of one run; how this program calls itself.
    #[arg(long, value_enum, hide = true)]
    side: Option<orchestra::Side>,
    /// Where the dialling side finds the other.
    #[arg(long, hide = true, default_value = "")]
    address: String,
}

/// What is measured beside messages.
#[derive(Subcommand)]
enum Command {
    /// How long it takes until two programs are connected.
    Connecting {
        /// How often each way is taken.
        #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
        times: u32,
        /// Only these ways.
        #[arg(long, value_enum, value_delimiter = ',')]
        ways: Vec<Way>,
        /// Where identities and known peers are kept meanwhile; the system's folder for temporary
        /// files if it is not given.
        #[arg(long)]
        folder: Option<PathBuf>,
        /// Be the listening side; how this program calls itself.
        #[arg(long, hide = true)]
        listen: Option<PathBuf>,
    },
    /// How fast conversations are kept and searched.
    #[cfg(feature = "history")]
    History {
        /// How many messages are kept.
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
        messages: u64,
        /// How often each search is done.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
        times: u32,
        /// Where the history is kept meanwhile; the system's folder for temporary files if it is not
        /// given.
        #[arg(long)]
        folder: Option<PathBuf>,
    },
}

fn seconds(text: &str) -> std::result::Result<Duration, String> {
    text.parse()
        .map_err(|_| "not a number".to_owned())
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()))
}

fn main() -> Result<()> {
    let mut args = Args::parse();
    match args.command {
        Some(Command::Connecting {
            times,
            mut ways,
            folder,
            listen,
        }) => {
            if ways.is_empty() {
                ways = Way::value_variants().to_vec();
            }
            return match listen {
                Some(folder) => connecting::listen(times, &folder),
                None => connecting::conduct(&ways, times, folder),
            };
        }
        #[cfg(feature = "history")]
        Some(Command::History {
            messages,
            times,
            folder,
        }) => return history::conduct(messages, times, folder),
        None => {}
    }
    if args.only.is_empty() {
        args.only = Workload::all();
    }
    if args.peers.is_empty() {
        args.peers = PeerName::all();
    }
    match args.side {
        Some(side) => {
            let (workload, peer) = (args.only[0], args.peers[0]);
            orchestra::be(side, peer, workload, args.seconds, &args.address)
        }
        None => orchestra::conduct(&args.only, &args.peers, args.rounds, args.seconds),
    }
}
