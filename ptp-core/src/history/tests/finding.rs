//! What is found of what was kept.

use super::*;

#[test]
fn what_was_said_is_found_by_words_phrases_and_beginnings_in_any_script() {
    let (_folder, history, (session, _peer), recording) = conversation();
    let said = [
        "Good morning, Ana",
        "the deployment is at noon",
        "今天天气很好",
        "สวัสดีครับ",
        "안녕하세요",
        "un café",
        "🦕 ahoy",
        "हिन्दी में",
    ];
    say(&session, &recording, &said);
    recording.flush(SOON).unwrap();
    for (words, found) in [
        ("good", vec![0]),
        ("GOOD ana", vec![0]),
        ("\"good morning\"", vec![0]),
        ("\"morning good\"", vec![]),
        ("depl*", vec![1]),
        ("d*", vec![1]),
        ("depl", vec![]),
        ("天气", vec![2]),
        ("天", vec![2]),
        ("气天", vec![]),
        ("สวัสดี", vec![3]),
        ("녕하", vec![4]),
        ("cafe", vec![5]),
        ("🦕", vec![6]),
        ("हिन्दी", vec![7]),
        ("\"the dep\"*", vec![1]),
    ] {
        let entries = history.find(&search(words)).unwrap();
        let expected: Vec<_> = found.iter().map(|at: &usize| said[*at]).collect();
        assert_eq!(texts(&entries), expected, "{words}");
    }
    assert!(matches!(
        history.find(&search("?!")),
        Err(HistoryError::NoWord(_))
    ));
}

#[test]
fn filters_are_by_peer_time_and_number() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let (ana, _peer) = doctest_pair().unwrap();
    let (ben, _other) = doctest_pair().unwrap();
    let with_ana = history.record(&ana).unwrap();
    let with_ben = history.record(&ben).unwrap();
    say(&ana, &with_ana, &["the first", "the second"]);
    with_ana.flush(SOON).unwrap();
    let between = SystemTime::now() + Duration::from_millis(1);
    while SystemTime::now() <= between {}
    say(&ben, &with_ben, &["the third"]);
    with_ben.flush(SOON).unwrap();
    say(&ana, &with_ana, &["the fourth"]);
    with_ana.flush(SOON).unwrap();
    let all = HistoryFilter::default;
    let key = ana.peer().public_key().map(Who::Key);
    for words in [None, Some("the".to_owned())] {
        let found = |filter: HistoryFilter| {
            let search = words.clone();
            let entries = history.find(&HistoryFilter { search, ..filter }).unwrap();
            texts(&entries).join(",").replace("the ", "")
        };
        let with = key.clone();
        assert_eq!(found(all()), "first,second,third,fourth");
        assert_eq!(
            found(HistoryFilter {
                last: Some(2),
                ..all()
            }),
            "third,fourth"
        );
        assert_eq!(
            found(HistoryFilter {
                last: Some(0),
                ..all()
            }),
            ""
        );
        assert_eq!(
            found(HistoryFilter {
                with: with.clone(),
                ..all()
            }),
            "first,second,fourth"
        );
        assert_eq!(
            found(HistoryFilter {
                with,
                last: Some(2),
                ..all()
            }),
            "second,fourth"
        );
        let with = ben.peer().fingerprint().map(Who::Fingerprint);
        assert_eq!(found(HistoryFilter { with, ..all() }), "third");
        let since = Some(between);
        assert_eq!(found(HistoryFilter { since, ..all() }), "third,fourth");
        assert_eq!(
            found(HistoryFilter {
                until: since,
                ..all()
            }),
            "first,second"
        );
        assert_eq!(
            found(HistoryFilter {
                since,
                until: since,
                ..all()
            }),
            ""
        );
        let with = Some(Who::Name("nobody".into()));
        assert_eq!(found(HistoryFilter { with, ..all() }), "");
    }
}

#[test]
fn times_are_kept_to_where_clocks_are_set_and_programs_keep_things_late() {
    let folder = Folder::new();
    let history = History::open(folder.file()).unwrap();
    let database = connect(&folder.file()).unwrap();
    let (session, _peer) = doctest_pair().unwrap();
    // Forward, back, and some in between; others are deleted meanwhile.
    let times = [
        100, 200, 200, 300, 150, 900, 400, 500, 450, 300, 950, 950, 100, 1_000,
    ];
    let about = Arc::new(About::new(0, session.peer(), session.id(), 0));
    let mut store = store::Store::new(
        connect(&folder.file()).unwrap(),
        folder.file(),
        "a test".into(),
    );
    for (number, at) in (1..).zip(times) {
        let letter = queue::Letter {
            is_own: true,
            number,
            sent: at,
            at,
            body: queue::Body::Text(format!("at {at}").into()),
            repeats: None,
        };
        let about = Arc::clone(&about);
        let what = queue::What::Message(letter);
        store.keep(&[queue::Item { about, what }]).unwrap();
    }
    let found = |filter: HistoryFilter| {
        let entries = history.find(&filter).unwrap();
        let times = entries
            .iter()
            .map(|entry| text(entry)["at ".len()..].parse());
        times.collect::<Result<Vec<i64>, _>>().unwrap()
    };
    let mut left = times.to_vec();
    for deleted in [None, Some(900), Some(1_000), Some(100)] {
        if let Some(deleted) = deleted {
            let query = "DELETE FROM messages WHERE at = ?1";
            database.execute(query, [deleted]).unwrap();
            left.retain(|at| *at != deleted);
        }
        for bound in (0..=1_050).step_by(50) {
            let at = Some(recording::time(bound));
            for search in [None, Some("at".to_owned())] {
                let since = HistoryFilter {
                    since: at,
                    search,
                    ..HistoryFilter::default()
                };
                let until = HistoryFilter {
                    until: at,
                    since: None,
                    ..since.clone()
                };
                let those = |is_so: &dyn Fn(i64) -> bool| {
                    let all = left.iter().copied();
                    all.filter(|at| is_so(*at)).collect::<Vec<_>>()
                };
                assert_eq!(found(since), those(&|at| at >= bound));
                assert_eq!(found(until), those(&|at| at < bound));
            }
        }
    }
    // What is too old is found by the same.
    store.age(400).unwrap();
    left.retain(|at| *at >= 400);
    assert_eq!(found(HistoryFilter::default()), left);
}

#[test]
fn what_is_read_in_several_goes_is_complete_and_in_order() {
    let (_folder, history, _sides, recording) = conversation();
    // Two of them are as much as is read in one go.
    let long: Vec<_> = (1..=5)
        .map(|number| format!("number {number} {}", "x".repeat(2 << 20)))
        .collect();
    for (number, text) in (1..).zip(&long) {
        recording.sent(crate::MessageId(number), text);
    }
    recording.flush(SOON).unwrap();
    for (filter, first) in [
        (HistoryFilter::default(), 1),
        (search("number"), 1),
        (
            HistoryFilter {
                last: Some(4),
                ..search("number")
            },
            2,
        ),
    ] {
        let found = history.find(&filter).unwrap();
        let numbers: Vec<_> = found.iter().map(|entry| entry.number).collect();
        assert_eq!(numbers, (first..=5).collect::<Vec<_>>());
    }
    let mut seen = 0;
    let enough = |_| {
        seen += 1;
        match seen {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    history.visit(&HistoryFilter::default(), enough).unwrap();
    assert_eq!(seen, 3);
}
