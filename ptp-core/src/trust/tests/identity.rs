//! Identities in files.

use std::collections::HashSet;
use std::fs;
use std::sync::Barrier;
use std::thread;

use super::{CHILD_PATH, Folder, in_processes};
use crate::trust::{FileError, Identity, IdentityError, IdentityProblem, ParseKeyError};

/// The keys of Alice in RFC 7748, section 6.1.
const SECRET: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const PUBLIC: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";

fn refused(contents: impl AsRef<[u8]>) -> IdentityError {
    let folder = Folder::new();
    let path = folder.file("identity", &contents);
    let error = Identity::load_or_create(&path).unwrap_err();
    assert_eq!(
        fs::read(&path).unwrap(),
        contents.as_ref(),
        "it was changed"
    );
    assert!(
        error.to_string().contains(path.to_str().unwrap()),
        "{error}"
    );
    error
}

fn malformed(contents: impl AsRef<[u8]>) -> (usize, IdentityProblem) {
    match refused(contents) {
        IdentityError::Malformed { line, problem, .. } => (line, problem),
        error => panic!("{error}"),
    }
}

#[test]
fn the_keys_of_rfc_7748_are_loaded() {
    let folder = Folder::new();
    let texts = [
        format!("secret {SECRET}\npublic {PUBLIC}\n"),
        format!(
            "# mine\r\n\r\n  public\t{}\r\n# not yours\r\nsecret   {} ",
            PUBLIC.to_uppercase(),
            SECRET.to_uppercase()
        ),
    ];
    for text in texts {
        let identity = Identity::load(folder.file("identity", text)).unwrap();
        assert_eq!(identity.public_key().to_string(), PUBLIC);
        assert_eq!(identity.secret()[..2], [0x77, 0x07]);
    }
}

#[test]
fn what_is_created_is_loaded_again_and_says_what_it_is() {
    let folder = Folder::new();
    let path = folder.path().join("identity");
    let created = Identity::create(&path).unwrap();
    let loaded = Identity::load(&path).unwrap();
    assert_eq!(created.secret(), loaded.secret());
    assert_eq!(created.public_key(), loaded.public_key());
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# Private key of PTP: whoever has it is you."));
    assert!(text.ends_with(&format!("\npublic {}\n", created.public_key())));
    assert_eq!(folder.names(), ["identity"], "temporary files are left");
}

#[test]
fn the_secret_is_never_shown() {
    let folder = Folder::new();
    let text = format!("secret {SECRET}\npublic {PUBLIC}\n");
    let identity = Identity::load(folder.file("identity", text)).unwrap();
    assert!(!format!("{identity:?}").contains("7707"));
    let half = &SECRET[..63];
    for text in [
        format!("secret {half}"),
        format!("secret{SECRET}"),
        half.to_owned(),
    ] {
        let error = refused(text);
        assert!(!format!("{error} {error:?}").contains("7707"), "{error}");
    }
}

#[test]
fn each_malformed_line_is_named() {
    use IdentityProblem::{Missing, NotText, Public, Secret, Twice, Unknown};
    let (secret, public) = (format!("secret {SECRET}\n"), format!("public {PUBLIC}\n"));
    let zeros = "0".repeat(64);
    let wrong = [
        (String::new(), (1, Missing("secret"))),
        (secret.clone(), (2, Missing("public"))),
        (public.clone(), (2, Missing("secret"))),
        (format!("{secret}{public}{secret}"), (3, Twice)),
        (format!("{public}\n\n{public}"), (4, Twice)),
        (format!("secret {}\n{public}", &SECRET[1..]), (1, Secret)),
        (format!("secret {SECRET} {SECRET}"), (1, Secret)),
        (
            format!("{secret}public {}", &PUBLIC[1..]),
            (2, Public(ParseKeyError::Digits)),
        ),
        (
            format!("{secret}public {zeros}"),
            (2, Public(ParseKeyError::LowOrder)),
        ),
        (format!("{secret}{public}comment"), (3, Unknown)),
        (format!("Secret {SECRET}\n"), (1, Unknown)),
        ("secret".to_owned(), (1, Unknown)),
        ("\0".repeat(100), (1, Unknown)),
    ];
    for (text, expected) in wrong {
        assert_eq!(malformed(&text), expected, "{text:?}");
    }
    assert_eq!(malformed(b"# \xff\n"), (1, NotText));
    assert_eq!(malformed(b"#\n\xff\n"), (2, NotText));
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let other = Identity::generate().unwrap().public_key();
    let error = refused(format!("secret {SECRET}\npublic {other}\n"));
    assert!(matches!(error, IdentityError::Mismatch { .. }), "{error}");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let error = refused("#".repeat(4097));
    let expected = matches!(
        &error,
        IdentityError::File(FileError::TooLarge { limit: 4096, .. })
    );
    assert!(expected, "{error}");
}

#[test]
fn an_existing_file_is_never_overwritten() {
    for contents in ["", "mine"] {
        let folder = Folder::new();
        let path = folder.file("identity", contents);
        let error = Identity::create(&path).unwrap_err();
        let expected = matches!(error, IdentityError::File(FileError::Exists(_)));
        assert!(expected, "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), contents);
        assert_eq!(folder.names(), ["identity"]);
    }
}

#[test]
fn a_folder_in_its_place_is_refused() {
    let folder = Folder::new();
    for error in [
        Identity::load(folder.path()).unwrap_err(),
        Identity::load_or_create(folder.path()).unwrap_err(),
        Identity::create("/").unwrap_err(),
    ] {
        let expected = matches!(error, IdentityError::File(FileError::NotAFile(_)));
        assert!(expected, "{error}");
    }
}

#[test]
fn what_can_not_be_written_names_path_and_cause() {
    let folder = Folder::new();
    let file = folder.file("file", "");
    let error = Identity::create(file.join("identity")).unwrap_err();
    assert!(matches!(error, IdentityError::File(FileError::Io { .. })));
    assert!(
        error.to_string().contains(file.to_str().unwrap()),
        "{error}"
    );
}

#[test]
fn threads_that_begin_at_once_have_the_same_identity() {
    for _ in 0..10 {
        let folder = Folder::new();
        let path = folder.path().join("new/identity");
        let barrier = Barrier::new(8);
        let keys: HashSet<_> = thread::scope(|scope| {
            let begin = || {
                barrier.wait();
                Identity::load_or_create(&path).unwrap().public_key()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(begin)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        assert_eq!(keys.len(), 1);
        assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 1);
    }
}

#[test]
fn processes_that_begin_at_once_have_the_same_identity() {
    let folder = Folder::new();
    let path = folder.path().join("identity");
    let test = "trust::tests::identity::a_process_shows_its_identity";
    let shown = in_processes(4, test, &path);
    let public = Identity::load(&path).unwrap().public_key().to_string();
    assert!(
        shown.iter().all(|shown| shown.contains(&public)),
        "{shown:?}"
    );
    assert_eq!(folder.names(), ["identity"]);
}

/// Run by the one above.
#[test]
fn a_process_shows_its_identity() {
    if let Some(path) = std::env::var_os(CHILD_PATH) {
        println!("{}", Identity::load_or_create(path).unwrap().public_key());
    }
}

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use rustix::fs::{FileType, Mode};

    use super::super::{Folder, mode, set_mode};
    use super::{PUBLIC, SECRET};
    use crate::trust::{FileError, Identity, IdentityError};

    fn refused(path: &Path) -> FileError {
        match Identity::load_or_create(path) {
            Err(IdentityError::File(error)) => error,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn file_and_folders_are_for_the_user_alone() {
        let folder = Folder::new();
        set_mode(folder.path(), 0o755);
        let path = folder.path().join("share/ptp/identity");
        Identity::create(&path).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.path().join("share/ptp")), 0o700);
        assert_eq!(mode(&folder.path().join("share")), 0o700);
        assert_eq!(mode(folder.path()), 0o755, "it was there before");
    }

    #[test]
    fn a_file_that_others_have_any_permission_on_is_refused() {
        let folder = Folder::new();
        let text = format!("secret {SECRET}\npublic {PUBLIC}\n");
        let path = folder.file("my identity", text);
        for bit in 0..6 {
            set_mode(&path, 0o600 | 1 << bit);
            let error = refused(&path);
            let expected =
                matches!(error, FileError::Permissions { mode, .. } if mode == 0o600 | 1 << bit);
            assert!(expected, "{error}");
            let command = format!("run `chmod 600 '{}'`", path.display());
            assert!(error.to_string().ends_with(&command), "{error}");
        }
        for mode in [0o600, 0o400, 0o700] {
            set_mode(&path, mode);
            assert!(Identity::load(&path).is_ok(), "{mode:o}");
        }
    }

    #[test]
    fn a_link_is_refused_wherever_it_leads() {
        let folder = Folder::new();
        let text = format!("secret {SECRET}\npublic {PUBLIC}\n");
        let file = folder.file("file", text);
        let path = folder.path().join("identity");
        for target in [&file, &folder.path().join("absent"), &path, folder.path()] {
            symlink(target, &path).unwrap();
            assert!(matches!(refused(&path), FileError::Link(_)));
            let error = Identity::create(&path).unwrap_err();
            let expected = matches!(error, IdentityError::File(FileError::Exists(_)));
            assert!(expected, "{error}");
            fs::remove_file(&path).unwrap();
        }
        assert!(!folder.path().join("absent").exists());
    }

    #[test]
    fn a_pipe_is_refused_without_waiting_for_its_other_end() {
        let folder = Folder::new();
        let path = folder.path().join("identity");
        let (kind, mode) = (FileType::Fifo, Mode::RUSR | Mode::WUSR);
        rustix::fs::mknodat(rustix::fs::CWD, &path, kind, mode, 0).unwrap();
        assert!(matches!(refused(&path), FileError::NotAFile(_)));
    }
}
