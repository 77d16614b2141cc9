//! How fast conversations are kept and searched: a burst of messages as people write them, then
//! searches, beside `grep` over the same lines in a file.

mod chat;
mod cost;
mod searches;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use std::{env, fs, process};

use ptp_core::{Config, History, MessageId, Recording, Role, Session, Who, transport};

use crate::Result;

/// So many are told, and then waited for until they are kept.
const BATCH: u64 = 20_000;
/// One in so many is of the peer who holds few.
const SHARE: u64 = 100;
/// Much longer than a batch takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the searches need to know of what was kept.
struct Kept {
    history: History,
    /// The same texts, one a line.
    lines: PathBuf,
    /// When half of them were there.
    middle: SystemTime,
    /// The peer who holds few.
    few: Who,
}

pub(crate) fn conduct(messages: u64, times: u32, folder: Option<PathBuf>) -> Result<()> {
    let folder = folder.unwrap_or_else(env::temp_dir);
    let folder = folder.join(format!("ptp-history-{}", process::id()));
    fs::create_dir(&folder)?;
    let done = keep(messages, &folder)
        .and_then(|kept| searches::run(&kept, times))
        .and_then(|()| cost::run(&folder, times.min(9)));
    fs::remove_dir_all(&folder)?;
    done
}

/// Two sides over memory.
fn pair() -> Result<(Session, Session)> {
    let (left, right) = transport::duplex(1 << 20);
    let listening =
        std::thread::spawn(move || Session::over(right, Role::Listener, &Config::open()));
    let dialler = Session::over(left, Role::Dialler, &Config::open())?;
    let listener = listening.join().map_err(|_| "the listener panicked")??;
    Ok((dialler, listener))
}

/// A conversation that is kept, with the numbers of messages that it has sent: what is measured is
/// the history, and not the session.
struct Conversation {
    session: Session,
    recording: Recording,
    /// The first of them last.
    ids: Vec<MessageId>,
}

impl Conversation {
    fn of(history: &History, messages: u64) -> Result<Self> {
        let (session, peer) = pair()?;
        let taking = std::thread::spawn(move || peer.events().iter().for_each(drop));
        let ids = (0..messages).map(|_| session.sender().send(""));
        let ids: std::result::Result<Vec<_>, _> = ids.collect();
        let mut ids = ids.map_err(|error| error.to_string())?;
        ids.reverse();
        session.abort();
        taking.join().map_err(|_| "the peer panicked")?;
        let recording = history.record(&session)?;
        Ok(Self {
            session,
            recording,
            ids,
        })
    }
}

/// Keeps so many messages, as fast as it goes.
fn keep(messages: u64, folder: &Path) -> Result<Kept> {
    let texts = chat::texts(messages);
    let lines = folder.join("lines");
    fs::write(&lines, texts.join("\n") + "\n")?;
    let bytes: usize = texts.iter().map(String::len).sum();
    let file = folder.join("history.sqlite3");
    let history = History::open(&file)?;
    let few = messages / SHARE;
    let mut with_most = Conversation::of(&history, messages - few)?;
    let mut with_few = Conversation::of(&history, few)?;
    with_few.recording.flush(PATIENCE)?;

    let (start, mut telling) = (Instant::now(), Duration::ZERO);
    let mut middle = SystemTime::now();
    let mut told = 0;
    for batch in texts.chunks(BATCH as usize) {
        let begun = Instant::now();
        for text in batch {
            told += 1;
            let conversation = match told % SHARE {
                0 => &mut with_few,
                _ => &mut with_most,
            };
            let id = conversation.ids.pop().ok_or("too few numbers")?;
            conversation.recording.sent(id, text);
        }
        telling += begun.elapsed();
        with_most.recording.flush(PATIENCE)?;
        with_few.recording.flush(PATIENCE)?;
        if told <= messages / 2 {
            middle = SystemTime::now();
        }
    }
    let elapsed = start.elapsed();
    println!(
        "kept: {:.0} messages/s; {messages} of {} bytes on average in {elapsed:.1?}, file of {} MB",
        messages as f64 / elapsed.as_secs_f64(),
        bytes as u64 / messages,
        fs::metadata(&file)?.len() / 1_000_000,
    );
    println!(
        "telling of one: {} ns for whoever tells",
        telling.as_nanos() / u128::from(messages)
    );
    let key = with_few.session.peer().public_key();
    Ok(Kept {
        history,
        lines,
        middle,
        few: Who::Key(key.ok_or("a peer without a key")?),
    })
}
