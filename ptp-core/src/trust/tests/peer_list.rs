//! The text of the known peers: who is in it, and what a change leaves alone.

use std::time::SystemTime;

use proptest::prelude::*;

use crate::trust::peer_list::PeerList;
use crate::trust::{How, KnownPeer, PeerProblem, PublicKey};

const NOW: &str = "2026-01-31T18:05:00Z";

fn key(number: u8) -> PublicKey {
    PublicKey([number + 2; 32])
}

fn line(name: &str, number: u8, addresses: &str) -> String {
    format!("{name} {} paired {NOW} {addresses}", key(number))
}

fn peer(name: &str, number: u8) -> KnownPeer {
    KnownPeer {
        name: name.to_owned(),
        key: key(number),
        addresses: Vec::new(),
        since: SystemTime::UNIX_EPOCH,
        how: How::Added,
    }
}

fn problem(text: impl AsRef<[u8]>) -> (usize, PeerProblem) {
    PeerList::parse(text.as_ref()).map(drop).unwrap_err()
}

#[test]
fn a_new_list_explains_its_columns_and_is_read_again() {
    let mut list = PeerList::parse(b"").unwrap();
    list.add(peer("Ana B", 1));
    let text = list.to_text();
    assert!(text.starts_with("# Peers that PTP knows, one a line."));
    let last = format!("\n\n\"Ana B\" {} added 1970-01-01T00:00:00Z\n", key(1));
    assert!(text.ends_with(&last), "{text}");
    let again = PeerList::parse(text.as_bytes()).unwrap();
    assert_eq!(again.peers().collect::<Vec<_>>(), [&peer("Ana B", 1)]);
}

#[test]
fn what_a_person_wrote_stays_as_it_is() {
    let (ana, ben) = (line("ana", 1, "a:1"), line("ben", 2, "\t b:1 "));
    let text = format!("\u{feff}# mine\r\n\n  {ana}\r\n   # \"odd\n{ben}\n\n#end");
    let mut list = PeerList::parse(text.as_bytes()).unwrap();
    assert_eq!(list.to_text(), format!("{text}\n"));

    list.change(&key(1), |peer| peer.note_address("a:2"))
        .unwrap();
    let changed = line("ana", 1, "a:2 a:1");
    let expected = format!("\u{feff}# mine\r\n\n{changed}\n   # \"odd\n{ben}\n\n#end\n");
    assert_eq!(list.to_text(), expected);

    list.remove(&key(1));
    list.add(peer("cid", 3));
    let text = list.to_text();
    let begin = format!("\u{feff}# mine\r\n\n   # \"odd\n{ben}\n\n#end\ncid ");
    assert!(text.starts_with(&begin), "{text}");
}

#[test]
fn a_change_that_changes_nothing_leaves_the_line_alone() {
    let text = format!("  {}\n", line("ana", 1, "a:1   b:1"));
    let mut list = PeerList::parse(text.as_bytes()).unwrap();
    list.change(&key(1), |peer| peer.note_address("a:1"))
        .unwrap();
    assert_eq!(list.to_text(), text);
    assert!(list.change(&key(2), |_| ()).is_none());
}

#[test]
fn a_wrong_line_is_told_by_its_number() {
    let ana = line("ana", 1, "");
    let text = format!("# one\n{ana}\n\nben\n");
    assert_eq!(problem(text), (4, PeerProblem::TooFew(1)));
    assert_eq!(problem(b"\n\xff\n"), (2, PeerProblem::NotText));
    assert_eq!(problem(b"# \xe2\x82\n"), (1, PeerProblem::NotText));
}

#[test]
fn a_name_a_key_and_an_address_stand_there_once() {
    let ana = line("ana", 1, "host:1 b:1");
    let with = |other: String| problem(format!("# one\n{ana}\n{other}\n"));
    assert_eq!(with(line("ANA", 2, "")), (3, PeerProblem::NameTaken(2)));
    assert_eq!(with(line("ben", 1, "")), (3, PeerProblem::KeyTaken(2)));
    let taken = |line, address: &str| PeerProblem::AddressTaken {
        line,
        address: address.to_owned(),
    };
    assert_eq!(with(line("ben", 2, "Host:1")), (3, taken(2, "Host:1")));
    assert_eq!(with(line("ben", 2, "c:1 c:1")), (3, taken(3, "c:1")));
}

#[test]
fn a_taken_name_is_numbered_in_any_case() {
    let mut list = PeerList::parse(b"").unwrap();
    let mut names = Vec::new();
    for (number, name) in (1..).zip(["Ana", "ana", "ana-2", "ÄNNE", "änne"]) {
        names.push(list.add(peer(name, number)).name);
    }
    assert_eq!(names, ["Ana", "ana-2", "ana-2-2", "ÄNNE", "änne-2"]);
    assert!(PeerList::parse(list.to_text().as_bytes()).is_ok());
}

proptest! {
    // Lists of strings take long to make up.
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn no_text_makes_the_reader_panic(bytes: Vec<u8>, lines: Vec<String>) {
        let _ = PeerList::parse(&bytes);
        let _ = PeerList::parse(lines.join("\n").as_bytes());
    }

    #[test]
    fn additions_and_removals_leave_a_list_that_can_be_read(
        names in proptest::collection::vec(".{0,8}", 1..20),
        gone: usize,
    ) {
        let mut list = PeerList::parse(b"# mine").unwrap();
        for (number, name) in (1..).zip(&names) {
            list.add(peer(&crate::trust::peer_name::from_claim(name), number));
        }
        list.remove(&key((gone % names.len()) as u8 + 1));
        let again = PeerList::parse(list.to_text().as_bytes());
        let again = again.map_err(|problem| TestCaseError::fail(format!("{problem:?}")))?;
        prop_assert_eq!(again.peers().count(), names.len() - 1);
        prop_assert!(again.peers().eq(list.peers()));
    }
}
