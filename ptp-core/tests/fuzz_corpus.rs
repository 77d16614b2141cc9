//! The fuzz targets on a stable compiler: their corpus, and seeded mutations of it.
//!
//! `PTP_SEED=7 cargo test -p ptp-core --test fuzz_corpus` replays one mutation in each target.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

use ptp_core::fuzzing;

/// Mutations of each target's corpus.
const MUTATIONS: u64 = 20_000;
/// What parsers stumble over: bounds of integers, of lengths, and of the kinds of frame.
const EDGES: [u8; 12] = [0, 1, 2, 3, 0x0a, 0x20, 0x7f, 0x80, 0x81, 0xfe, 0xff, b'\n'];

#[test]
fn hello_lines_break_no_promise() {
    replay("hello", fuzzing::hello);
}

#[test]
fn what_a_plain_peer_says_breaks_no_promise() {
    replay("plain", fuzzing::plain);
}

#[test]
fn records_break_no_promise() {
    replay("record", fuzzing::record);
}

#[test]
fn frames_break_no_promise() {
    replay("frame", fuzzing::frame);
}

#[test]
fn what_an_authenticated_peer_says_breaks_no_promise() {
    replay("inbound", fuzzing::inbound);
}

#[test]
fn frames_in_any_order_around_a_pairing_break_no_promise() {
    for seed in 0..MUTATIONS {
        let _announce = Announce {
            target: "inbound",
            seed,
        };
        let mut random = Random(seed);
        // Either side, and any way to cut it into records and reads.
        let how = 0x80 | random.below(0x20) as u8;
        let mut input = vec![how];
        for _ in 0..random.below(12) {
            // Share, confirmation, welcome, refusal and name; now and then any other.
            let kind = match random.below(8) {
                0 => random.below(256) as u8,
                other => 0x08 + other as u8 % 7,
            };
            let usual = [0, 1, 31, 32, 33, 34][random.below(6)];
            input.extend([kind, usual]);
            input.extend((0..usual).map(|_| random.below(256) as u8));
        }
        fuzzing::inbound(&input);
    }
}

fn replay(target: &str, run: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() >= 10);
    corpus.iter().for_each(|input| run(input));
    let seeds = match std::env::var("PTP_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..MUTATIONS).collect(),
    };
    for seed in seeds {
        let _announce = Announce { target, seed };
        run(&mutation(seed, &corpus));
    }
}

/// The inputs that are kept with the target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let entries = fs::read_dir(folder.join(target)).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// An input of the corpus with a few changes that the seed decides.
fn mutation(seed: u64, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut random = Random(seed);
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let (at, end) = (random.below(input.len()), random.below(input.len() + 1));
        let edge = EDGES[random.below(EDGES.len())];
        match random.below(7) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => input[at] = edge,
            2 => input.insert(at, edge),
            3 if at < input.len() => drop(input.splice(at..=at, [])),
            4 => input.truncate(end),
            5 if at < end => {
                let again = input[at..end].to_vec();
                input.splice(at..at, again);
            }
            _ => {
                let other = &corpus[random.below(corpus.len())];
                input.truncate(at);
                input.extend_from_slice(&other[random.below(other.len() + 1)..]);
            }
        }
    }
    input
}

/// SplitMix64.
struct Random(u64);

impl Random {
    /// A number from 0, below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (mixed % bound.max(1) as u64) as usize
    }
}

/// Tells on a panic how to see it again.
struct Announce<'a> {
    target: &'a str,
    seed: u64,
}

impl Drop for Announce<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { target, seed } = self;
            eprintln!("{target} fails: PTP_SEED={seed} cargo test -p ptp-core --test fuzz_corpus");
        }
    }
}
