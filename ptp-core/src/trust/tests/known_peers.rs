//! Known peers, in files and in memory.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, SystemTime};

use super::{CHILD_NUMBER, CHILD_PATH, Folder, in_processes};
use crate::trust::lock::Lock;
use crate::trust::{
    FileError, Forgotten, How, KnownPeers, KnownPeersError, PeerProblem, PublicKey,
};

fn key(number: u16) -> PublicKey {
    let [high, low] = number.to_be_bytes();
    let mut key = [7; 32];
    (key[0], key[1]) = (high, low);
    PublicKey(key)
}

/// The same in memory and in a file that does not exist yet.
fn stores() -> (Folder, [KnownPeers; 2]) {
    let folder = Folder::new();
    let file = KnownPeers::open(folder.path().join("new/known_peers")).unwrap();
    (folder, [file, KnownPeers::in_memory()])
}

fn path(folder: &Folder) -> PathBuf {
    folder.path().join("known_peers")
}

fn name(peers: &KnownPeers, number: u16, claimed: &str) -> String {
    let peer = peers.remember(key(number), claimed, How::Paired, None);
    peer.unwrap().name
}

#[test]
fn nobody_is_known_before_something_is_remembered() {
    let (folder, stores) = stores();
    for peers in stores {
        assert_eq!(peers.all().unwrap(), []);
        assert_eq!(peers.by_key(&key(1)).unwrap(), None);
        assert_eq!(peers.by_name("ana").unwrap(), None);
        assert_eq!(peers.bound_to("a:1").unwrap(), None);
    }
    assert_eq!(folder.names(), [""; 0], "asking makes no file");
}

#[test]
fn what_is_remembered_is_found_by_key_name_and_address() {
    let (_folder, stores) = stores();
    for peers in stores {
        let before = SystemTime::now() - Duration::from_secs(1);
        let ana = peers
            .remember(key(1), "Ana B", How::Paired, Some("Host:5000"))
            .unwrap();
        assert_eq!((ana.name.as_str(), ana.how), ("Ana B", How::Paired));
        assert_eq!(ana.addresses, ["Host:5000"]);
        assert!(ana.since >= before && ana.since <= SystemTime::now());
        assert_eq!(peers.by_key(&key(1)).unwrap().as_ref(), Some(&ana));
        assert_eq!(peers.by_name("ana b").unwrap().as_ref(), Some(&ana));
        assert_eq!(peers.bound_to("HOST:5000").unwrap().as_ref(), Some(&ana));
        assert_eq!(peers.bound_to("Host:5001").unwrap(), None);
        assert_eq!(peers.clone().all().unwrap(), [ana]);
    }
}

#[test]
fn a_known_key_keeps_its_name_and_gains_the_address() {
    let (_folder, stores) = stores();
    for peers in stores {
        let first = peers
            .remember(key(1), "ana", How::Added, Some("a:1"))
            .unwrap();
        let again = peers
            .remember(key(1), "eve", How::Paired, Some("b:1"))
            .unwrap();
        assert_eq!(again.addresses, ["b:1", "a:1"]);
        assert_eq!(
            (again.name, again.since, again.how),
            (first.name, first.since, first.how)
        );
        peers.note_address(&key(1), "A:1").unwrap();
        assert_eq!(peers.all().unwrap()[0].addresses, ["A:1", "b:1"]);
    }
}

#[test]
fn a_claimed_name_is_made_fit_and_free() {
    let (_folder, stores) = stores();
    for peers in stores {
        assert_eq!(name(&peers, 1, "ana\u{202e}\n"), "ana");
        assert_eq!(name(&peers, 2, "Ana"), "Ana-2");
        assert_eq!(name(&peers, 3, ""), "Remote");
        assert_eq!(name(&peers, 4, "\0"), "Remote-2");
        assert_eq!(name(&peers, 5, "# \"x\" \\"), "# \"x\" \\");
        assert_eq!(name(&peers, 6, "x KEY\npaired"), "x KEY paired");
        assert_eq!(peers.all().unwrap().len(), 6);
    }
}

#[test]
fn an_address_is_never_silently_bound_to_another_key() {
    let (_folder, stores) = stores();
    for peers in stores {
        peers
            .remember(key(1), "ana", How::Paired, Some("a:1"))
            .unwrap();
        peers.remember(key(2), "ben", How::Paired, None).unwrap();
        let before = peers.all().unwrap();
        let errors = [
            peers
                .remember(key(2), "ben", How::Paired, Some("A:1"))
                .unwrap_err(),
            peers
                .remember(key(3), "cid", How::Paired, Some("a:1"))
                .unwrap_err(),
            peers.note_address(&key(2), "a:1").unwrap_err(),
        ];
        for error in errors {
            let KnownPeersError::AddressBound {
                expected, found, ..
            } = &error
            else {
                panic!("{error}");
            };
            assert_eq!(expected.name, "ana");
            assert_ne!(*found, key(1).fingerprint());
            let text = error.to_string();
            assert!(text.contains(&key(1).fingerprint().to_string()), "{text}");
            assert!(text.contains(&found.to_string()), "{text}");
        }
        assert_eq!(peers.all().unwrap(), before);
    }
}

#[test]
fn what_is_no_address_is_refused() {
    let (_folder, stores) = stores();
    for peers in stores {
        for address in [
            "", "host", ":1", "h:", "h:x", "h:70000", "h h:1", "h\n:1", "\"h:1", "h:1 ",
        ] {
            let error = peers
                .remember(key(1), "ana", How::Paired, Some(address))
                .unwrap_err();
            assert!(matches!(error, KnownPeersError::Address(_)), "{error}");
        }
        assert_eq!(peers.all().unwrap(), []);
    }
}

#[test]
fn an_address_of_an_unknown_key_is_not_noted() {
    let error = KnownPeers::in_memory()
        .note_address(&key(1), "a:1")
        .unwrap_err();
    let fingerprint = key(1).fingerprint().to_string();
    assert!(error.to_string().contains(&fingerprint), "{error}");
}

#[test]
fn a_peer_is_forgotten_by_name_or_fingerprint() {
    let (_folder, stores) = stores();
    for peers in stores {
        let typed = key(1)
            .fingerprint()
            .to_string()
            .to_uppercase()
            .replace('-', " ");
        for what in ["ANA b", &typed] {
            let ana = peers
                .remember(key(1), "Ana B", How::Paired, Some("a:1"))
                .unwrap();
            assert_eq!(peers.forget(what).unwrap(), Forgotten::Peer(ana));
            assert_eq!(peers.all().unwrap(), []);
        }
    }
}

#[test]
fn by_its_address_only_the_binding_is_forgotten() {
    let (_folder, stores) = stores();
    for peers in stores {
        peers
            .remember(key(1), "ana", How::Paired, Some("a:1"))
            .unwrap();
        peers.note_address(&key(1), "b:1").unwrap();
        let Forgotten::Address { peer, address } = peers.forget("A:1").unwrap() else {
            panic!("the peer is gone");
        };
        assert_eq!((peer.name.as_str(), address.as_str()), ("ana", "A:1"));
        assert_eq!(peers.all().unwrap()[0].addresses, ["b:1"]);
        let ben = peers
            .remember(key(2), "ben", How::Paired, Some("a:1"))
            .unwrap();
        assert_eq!(peers.bound_to("a:1").unwrap(), Some(ben));
    }
}

#[test]
fn who_is_not_known_can_not_be_forgotten() {
    let (folder, stores) = stores();
    for peers in stores {
        let fingerprint = key(1).fingerprint().to_string();
        for what in ["", "ana", "a:1", &fingerprint] {
            let error = peers.forget(what).unwrap_err();
            assert!(error.to_string().contains(&format!("{what:?}")), "{error}");
        }
    }
    assert!(!folder.path().join("new/known_peers").exists());
}

#[test]
fn a_person_may_edit_the_file_meanwhile() {
    let folder = Folder::new();
    let peers = KnownPeers::open(path(&folder)).unwrap();
    peers.remember(key(1), "ana", How::Paired, None).unwrap();
    let text = fs::read_to_string(path(&folder)).unwrap();
    folder.file(
        "known_peers",
        text.replace("\nana ", "\n# my sister\nanna "),
    );
    assert_eq!(peers.by_name("ana").unwrap(), None);
    assert_eq!(peers.by_name("anna").unwrap().unwrap().key, key(1));
    peers.remember(key(2), "ben", How::Paired, None).unwrap();
    let text = fs::read_to_string(path(&folder)).unwrap();
    assert!(text.contains("\n# my sister\nanna "), "{text}");
}

#[test]
fn a_line_that_can_not_be_read_is_named_and_nothing_is_lost() {
    let folder = Folder::new();
    let peers = KnownPeers::open(path(&folder)).unwrap();
    let text = "# mine\nben 00 paired now\n";
    folder.file("known_peers", text);
    let errors = [
        KnownPeers::open(path(&folder)).unwrap_err(),
        peers.all().unwrap_err(),
        peers.by_key(&key(1)).unwrap_err(),
        peers.by_name("ana").unwrap_err(),
        peers.bound_to("a:1").unwrap_err(),
        peers
            .remember(key(1), "ana", How::Paired, None)
            .unwrap_err(),
        peers.note_address(&key(1), "a:1").unwrap_err(),
        peers.forget("ben").unwrap_err(),
    ];
    for error in errors {
        let KnownPeersError::Line {
            line: 2, problem, ..
        } = &error
        else {
            panic!("{error}");
        };
        assert!(matches!(problem, PeerProblem::Key(_)), "{problem}");
        let place = format!("{}, line 2: ", path(&folder).display());
        assert!(error.to_string().starts_with(&place), "{error}");
    }
    assert_eq!(fs::read_to_string(path(&folder)).unwrap(), text);
    assert_eq!(folder.names(), ["known_peers", "known_peers.lock"]);
}

#[test]
fn a_huge_file_is_neither_read_nor_written() {
    let folder = Folder::new();
    let mut text = "#".repeat(1024 * 1024 - 1) + "\n";
    folder.file("known_peers", &text);
    let peers = KnownPeers::open(path(&folder)).unwrap();
    let error = peers
        .remember(key(1), "ana", How::Paired, None)
        .unwrap_err();
    assert!(
        matches!(error, KnownPeersError::Full { limit: 1_048_576 }),
        "{error}"
    );
    assert_eq!(fs::read_to_string(path(&folder)).unwrap(), text);
    text.push('\n');
    folder.file("known_peers", &text);
    let error = peers.all().unwrap_err();
    assert!(
        matches!(error, KnownPeersError::File(FileError::TooLarge { .. })),
        "{error}"
    );
}

#[test]
fn a_lock_that_is_not_given_back_is_waited_for_only_so_long() {
    let folder = Folder::new();
    let file = folder.path().join("lock");
    let held = Lock::take(&file, Duration::ZERO).unwrap();
    let waited = Lock::take(&file, Duration::from_millis(20)).map(drop);
    assert!(
        matches!(waited, Err(FileError::Locked { .. })),
        "{waited:?}"
    );
    drop(held);
    Lock::take(&file, Duration::ZERO).unwrap();
}

/// Each remembers its own, notes an address of a shared one and forgets another of its own.
fn write(peers: &KnownPeers, writer: u16) {
    for number in 0..5 {
        let own = key(1000 + 10 * writer + number);
        let address = format!("host-{writer}:{number}");
        peers
            .remember(own, "same", How::Paired, Some(&address))
            .unwrap();
        peers.remember(key(1), "shared", How::Added, None).unwrap();
    }
    let gone = key(1000 + 10 * writer).fingerprint().to_string();
    peers.forget(&gone).unwrap();
}

fn assert_complete(peers: &KnownPeers, writers: u16) {
    let all = peers.all().unwrap();
    assert_eq!(all.len(), usize::from(4 * writers) + 1);
    let names: HashSet<_> = all.iter().map(|peer| &peer.name).collect();
    assert_eq!(names.len(), all.len());
    for (writer, number) in
        (0..writers).flat_map(|writer| (1..5).map(move |number| (writer, number)))
    {
        let bound = peers.bound_to(&format!("host-{writer}:{number}")).unwrap();
        assert_eq!(bound.unwrap().key, key(1000 + 10 * writer + number));
    }
}

#[test]
fn threads_that_write_at_once_lose_nothing() {
    let (_folder, stores) = stores();
    for peers in stores {
        let barrier = Barrier::new(6);
        thread::scope(|scope| {
            for writer in 0..6 {
                let (peers, barrier) = (&peers, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    write(peers, writer);
                });
            }
        });
        assert_complete(&peers, 6);
    }
}

#[test]
fn a_reader_never_sees_half_a_change() {
    let folder = Folder::new();
    let peers = KnownPeers::open(path(&folder)).unwrap();
    peers.remember(key(1), "shared", How::Added, None).unwrap();
    thread::scope(|scope| {
        let writing = scope.spawn(|| write(&peers, 0));
        while !writing.is_finished() {
            assert!(peers.by_key(&key(1)).unwrap().is_some());
        }
    });
}

#[test]
fn processes_that_write_at_once_lose_nothing() {
    let folder = Folder::new();
    let test = "trust::tests::known_peers::a_process_writes";
    in_processes(4, test, &path(&folder));
    assert_complete(&KnownPeers::open(path(&folder)).unwrap(), 4);
    assert_eq!(folder.names(), ["known_peers", "known_peers.lock"]);
}

/// Run by the one above.
#[test]
fn a_process_writes() {
    if let Some(path) = std::env::var_os(CHILD_PATH) {
        let number = std::env::var(CHILD_NUMBER).unwrap().parse().unwrap();
        write(&KnownPeers::open(path).unwrap(), number);
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::super::{Folder, mode, set_mode};
    use super::{key, path};
    use crate::trust::{FileError, How, KnownPeers, KnownPeersError};

    #[test]
    fn the_file_is_for_the_user_alone() {
        let folder = Folder::new();
        let peers = KnownPeers::open(path(&folder)).unwrap();
        peers.remember(key(1), "ana", How::Paired, None).unwrap();
        assert_eq!(mode(&path(&folder)), 0o600);
        assert_eq!(mode(&folder.path().join("known_peers.lock")), 0o600);
    }

    #[test]
    fn a_file_that_others_may_write_is_refused() {
        let folder = Folder::new();
        let path = folder.file("known_peers", "");
        let peers = KnownPeers::open(&path).unwrap();
        for (mode, fine) in [(0o620, false), (0o602, false), (0o644, true), (0o400, true)] {
            set_mode(&path, mode);
            match peers.all() {
                Err(KnownPeersError::File(FileError::Permissions { .. })) => assert!(!fine),
                all => assert!(fine && all.is_ok(), "{all:?}"),
            }
        }
    }

    #[test]
    fn links_are_refused() {
        let folder = Folder::new();
        let file = folder.file("file", "");
        let peers = KnownPeers::open(path(&folder)).unwrap();
        for name in ["known_peers.lock", "known_peers"] {
            let link = folder.path().join(name);
            symlink(&file, &link).unwrap();
            let error = peers
                .remember(key(1), "ana", How::Paired, None)
                .unwrap_err();
            let expected =
                matches!(&error, KnownPeersError::File(FileError::Link(path)) if *path == link);
            assert!(expected, "{error}");
            fs::remove_file(link).unwrap();
        }
        peers.remember(key(1), "ana", How::Paired, None).unwrap();
        assert_eq!(fs::read_to_string(file).unwrap(), "");
    }
}
