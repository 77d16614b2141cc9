//! Each planted bug against the tests that must catch it: this program run again, with the bug and
//! without.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;
use std::{env, io, thread};

use super::Bug;

/// Enough for the simulation to meet each bug, which it does within the first few dozens.
const SEEDS: &str = "400";
/// Far more than all these tests take together.
const LIMIT: Duration = Duration::from_secs(120);

const SIMULATION: &str = "simulated_conversations_lose_nothing_double_nothing_and_end";
const EVERY_BYTE: &str = "a_conversation_that_is_reset_at_any_byte_goes_on";

/// Tests each of which must catch the bug.
fn caught_by(bug: Bug) -> &'static [&'static str] {
    match bug {
        Bug::AckEarly => &["only_what_the_application_took_is_acknowledged", SIMULATION],
        Bug::ConfirmIgnored => &["what_was_taken_and_is_not_confirmed_still_waits"],
        Bug::EvictOldest | Bug::WindowOverrun => &[
            "a_full_window_has_no_room_even_where_there_is_credit",
            SIMULATION,
        ],
        Bug::CreditUnchecked => &["a_message_beyond_the_credit_ends_the_connection"],
        Bug::CreditAnew => &["of_credit_in_bytes_a_resume_gives_nothing_back", SIMULATION],
        Bug::ResumeTooFar | Bug::ResumeTooEarly => &[
            "what_was_lost_on_its_way_is_sent_again_behind_what_arrived",
            EVERY_BYTE,
            SIMULATION,
        ],
        Bug::PartialIgnored => &[
            "of_a_message_in_parts_only_what_is_missing_is_sent_again",
            "a_message_in_parts_survives_a_loss_behind_each_of_its_pieces",
            SIMULATION,
        ],
        Bug::TimeNotRepeated => &[
            "the_time_is_said_again_where_it_was_lost_in_the_middle_of_a_batch",
            "the_resume_in_the_specification_is_what_this_code_says",
        ],
        Bug::AckNotRepeated => {
            &["a_lost_acknowledgement_is_said_anew_and_nothing_is_handed_over_twice"]
        }
        Bug::RequestNotRepeated => &["whoever_waits_for_an_acknowledgement_asks_again"],
        Bug::ByeNotRepeated => &[
            "a_goodbye_is_said_again_where_the_first_was_lost",
            EVERY_BYTE,
            SIMULATION,
        ],
        Bug::NeverDead => &[
            "a_silent_peer_is_dead_after_two_pings_however_far_the_clock_jumps",
            "a_silent_peer_is_asked_after_a_third_and_dead_after_the_whole_timeout",
            SIMULATION,
        ],
        Bug::DeadAfterJump => &["a_clock_that_jumps_kills_nobody_who_answers", SIMULATION],
        Bug::KeptSealed => &[
            "what_was_sealed_is_plain_where_it_is_sent_again_and_handed_back",
            "what_is_handed_back_is_exact_after_any_number_of_pulls",
            SIMULATION,
        ],
        Bug::UnconfirmedAsUnsent => &[
            "what_is_handed_back_is_exact_after_any_number_of_pulls",
            SIMULATION,
        ],
        Bug::UnsentAsUnconfirmed => &[
            "what_is_handed_back_is_exact_after_any_number_of_pulls",
            "what_the_peer_said_it_does_not_have_is_handed_back_as_unsent",
        ],
        Bug::DeliveredEarly => {
            &["what_the_peer_has_not_acknowledged_is_never_told_to_be_delivered"]
        }
        Bug::EndIsGoodbye => &["a_stream_that_ends_without_a_goodbye_is_gone_on_with"],
        Bug::GenerationIgnored | Bug::NoTakeOver => &["only_a_newer_connection_takes_over"],
        Bug::CallerUnchecked => {
            &["a_stranger_with_the_right_session_or_a_peer_with_a_wrong_one_is_refused"]
        }
        Bug::ListenerUnchecked => &["a_session_goes_on_with_nobody_but_its_peer"],
        Bug::NotReplaced => {
            &["a_peer_that_begins_anew_replaces_a_session_in_whose_greeting_it_went_silent"]
        }
    }
}

/// Runs those tests; returns what came of them, `ok` or `FAILED`, in their order.
fn run(tests: &[&str], bug: Option<Bug>) -> Vec<String> {
    let mut again = Command::new(env::current_exe().unwrap());
    again.args(tests).env("PTP_SEEDS", SEEDS);
    match bug {
        Some(bug) => again.env("PTP_PLANTED_BUG", format!("{bug:?}")),
        None => again.env_remove("PTP_PLANTED_BUG"),
    };
    let again = again.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut again = again.spawn().unwrap();
    let (told, telling) = mpsc::channel();
    let stdout = again.stdout.take().unwrap();
    thread::spawn(move || told.send(io::read_to_string(stdout).unwrap()));
    let Ok(report) = telling.recv_timeout(LIMIT) else {
        again.kill().unwrap();
        panic!("{bug:?}: {tests:?} do not end");
    };
    again.wait().unwrap();
    let result = |test: &&str| {
        let (_, behind) = report.split_once(&format!("::{test} ... "))?;
        Some(behind.lines().next()?.to_owned())
    };
    let results = tests.iter().map(|test| result(test).unwrap_or_default());
    results.collect()
}

#[test]
fn each_planted_bug_is_caught_by_each_of_its_tests() {
    for bug in Bug::ALL {
        let tests = caught_by(*bug);
        assert!(!tests.is_empty());
        for (test, result) in tests.iter().zip(run(tests, Some(*bug))) {
            assert_eq!(result, "FAILED", "{test} does not catch {bug:?}");
        }
    }
}

#[test]
fn where_no_bug_is_planted_the_same_tests_pass() {
    let tests: BTreeSet<_> = Bug::ALL.iter().flat_map(|bug| caught_by(*bug)).collect();
    let tests: Vec<&str> = tests.into_iter().copied().collect();
    for (test, result) in tests.iter().zip(run(&tests, None)) {
        assert_eq!(result, "ok", "{test}");
    }
}

#[test]
fn the_documentation_lists_the_bugs_and_their_tests() {
    let text = include_str!("../../../docs/testing.md");
    let rows: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let listed = |bug: &Bug| {
        let row = rows
            .iter()
            .find(|row| row.starts_with(&format!("| `{bug:?}` | ")));
        let row = row.unwrap_or_else(|| panic!("{bug:?} is not listed"));
        row.split('`')
            .skip(3)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    for bug in Bug::ALL {
        let tests: Vec<String> = listed(bug);
        assert_eq!(tests, caught_by(*bug), "{bug:?}");
    }
    assert_eq!(rows.len(), Bug::ALL.len());
}
