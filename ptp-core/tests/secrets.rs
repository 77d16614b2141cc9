//! What must stay secret: nothing that is logged or printed tells a code or a private key.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod support;

use std::fs;
use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};
use ptp_core::{ConnectError, Identity, Notice};
use support::accept;
use support::home::{Home, code, listen, notice, wrong};

/// Keeps all that is logged.
struct Kept(Mutex<String>);

static KEPT: Kept = Kept(Mutex::new(String::new()));

impl Log for Kept {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}\n", record.target(), record.args());
        self.0.lock().unwrap().push_str(&line);
    }

    fn flush(&self) {}
}

/// A home whose secret key is known to this test, in hexadecimal digits.
fn home() -> (Home, String) {
    let folder = std::env::temp_dir().join(format!("ptp-secrets-{}", std::process::id()));
    let path = folder.join("identity");
    let identity = Identity::create(&path).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    fs::remove_dir_all(folder).unwrap();
    let secret = text.lines().find_map(|line| line.strip_prefix("secret "));
    let mut home = Home::new();
    home.identity = identity;
    (home, secret.unwrap().to_owned())
}

#[test]
fn neither_codes_nor_private_keys_are_ever_logged_or_printed() {
    log::set_logger(&KEPT).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let ((ana, ana_secret), (ben, ben_secret)) = (home(), home());
    let (listener, address) = listen(&ana.config("Ana"));
    let right = code(&listener);
    let mistaken = wrong(&right);
    let mut printed = String::new();
    let mut print =
        |what: &dyn std::fmt::Debug| printed.push_str(&format!("{what:?}\n{what:#?}\n"));

    let mut config = ben.config("Ben");
    config.code = Some(right.clone());
    print(&config);
    print(&ana.config("Ana"));
    print(&right);
    let needed = ben.dial(&address, None).err().unwrap();
    let error = ben.dial(&address, Some(mistaken.clone())).err().unwrap();
    assert!(matches!(error, ConnectError::WrongCode), "{error}");
    for error in [needed, error] {
        print(&error);
        print(&error.to_string());
    }
    drop(ben.dial(&address, Some(right.clone())).unwrap());
    print(accept(&listener).peer());
    let next = loop {
        let notice = notice(&listener);
        print(&notice);
        if let Notice::Code(code) = notice {
            break code.unwrap();
        }
    };
    drop(listener);

    let logged = KEPT.0.lock().unwrap().clone();
    assert!(logged.contains("turned away"), "nothing was kept");
    let bytes = |secret: &str| -> Vec<u8> {
        let pairs = secret.as_bytes().chunks(2);
        pairs
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    };
    for text in [logged, printed] {
        // However its parts are joined.
        let solid = |text: &str| text.replace(|letter: char| !letter.is_ascii_alphanumeric(), "");
        let joined = solid(&text);
        for code in [&right, &mistaken, &next] {
            let (number, words) = code.as_str().split_once('-').unwrap();
            let (first, _) = words.split_once('-').unwrap();
            assert!(!joined.contains(&solid(words)), "{text}");
            assert!(!joined.contains(&format!("{number}{first}")), "{text}");
        }
        for secret in [&ana_secret, &ben_secret] {
            assert!(!text.to_lowercase().contains(&**secret));
            let list = format!("{:?}", bytes(secret));
            assert!(!text.contains(list.trim_matches(['[', ']'])));
        }
    }
}
