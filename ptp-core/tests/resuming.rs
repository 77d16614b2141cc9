//! A session outlives its connection.

mod support;

use std::time::Duration;

use ptp_core::{Config, Event, Listener, Session};
use support::proxy::Proxy;
use support::{PATIENCE, accept, message, next};

#[test]
fn after_a_reset_both_sides_go_on_where_they_were() {
    let mut config = Config::open();
    config.timeout = Duration::from_secs(2);
    let listener = Listener::bind("127.0.0.1:0", &config).unwrap();
    let proxy = Proxy::to(&listener.local_addr().unwrap().to_string());
    let ana = Session::connect(proxy.address(), &config).unwrap();
    let ben = accept(&listener);
    ana.sender().send("one").unwrap();
    assert_eq!(message(&ben), "one");
    proxy.reset();
    for session in [&ana, &ben] {
        let event = next(session);
        assert!(matches!(event, Some(Event::Interrupted(_))), "{event:?}");
    }
    ana.sender().send("two").unwrap();
    ben.sender().send("back").unwrap();
    for session in [&ana, &ben] {
        let Some(Event::Resumed(resumption)) = next(session) else {
            panic!("not resumed");
        };
        assert_eq!(resumption.resent, 1);
    }
    assert_eq!(message(&ben), "two");
    assert_eq!(message(&ana), "back");
    assert_eq!(ana.stats().resumes, 1);
    let closing = std::thread::spawn(move || ana.close(PATIENCE));
    assert!(support::rest(&ben).1.reason.is_closed());
    assert!(closing.join().unwrap().is_delivered());
}
