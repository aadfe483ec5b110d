use headcount_redis::{RemoteCourse, RemoteEnrollError, RemoteError};

use crate::support::script::weakened;
use crate::support::{connect, ms, on_both, until, Engine, Server};

on_both! {
    enrolls_and_gives_back, a_student_has_one_place, a_late_confirmation, withdraws_once, closes,
    a_reservation_that_is_dropped_is_cancelled, a_repeated_confirmation_does_not_enroll_again,
    enrollments_do_not_expire,
}

async fn course(server: &Server, capacity: u32, hold: u64) -> RemoteCourse {
    RemoteCourse::new(&connect(&server.url()).await, "algebra", capacity, ms(hold)).unwrap()
}

async fn counts(course: &RemoteCourse) -> (u32, u32) {
    let counts = course.counts().await.unwrap();
    (counts.taken, counts.enrolled)
}

async fn enrolls_and_gives_back(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 2, 60_000).await;
    assert_eq!(counts(&course).await, (0, 0));
    assert_eq!(server.command::<i64>(&["DBSIZE"]), 0, "reading writes nothing");
    let (taken, _) = course
        .enroll("ann", async |taken| {
            assert_eq!(counts(&course).await, (1, 0));
            Ok::<_, ()>(taken)
        })
        .await
        .unwrap();
    assert_eq!((taken, counts(&course).await), (1, (1, 1)));

    let failed = course.enroll("bob", async |taken| Err::<(), _>(taken)).await;
    assert_eq!(failed.unwrap_err(), RemoteEnrollError::Failed(2));
    assert_eq!(counts(&course).await, (1, 1));

    let reservation = course.try_reserve("eve").await.unwrap();
    let refused = course.try_reserve("bob").await.unwrap_err();
    assert!(matches!(refused, RemoteError::Full { retry_after: Some(time) } if time > ms(50_000)));
    reservation.cancel().await.unwrap();
    assert_eq!(counts(&course).await, (1, 1));
}

async fn a_student_has_one_place(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 2, 60_000).await;
    let first = course.try_reserve("ann").await.unwrap();
    let second = course.try_reserve("ann").await.unwrap();
    assert!(second.fence() > first.fence());
    assert_eq!(counts(&course).await, (1, 0));
    // The first was taken over: it can neither confirm nor cancel.
    assert_eq!(first.confirm().await.unwrap_err(), RemoteError::Lost);
    assert_eq!(counts(&course).await, (1, 0));
    let enrollment = second.confirm().await.unwrap();
    let again = course.try_reserve("ann").await.unwrap_err();
    assert_eq!(again, RemoteError::AlreadyEnrolled { fence: enrollment.fence() });
    assert_eq!(counts(&course).await, (1, 1));
}

async fn a_late_confirmation(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 1, 50).await;
    let late = course.try_reserve("ann").await.unwrap();
    tokio::time::sleep(ms(80)).await;
    assert_eq!(counts(&course).await, (0, 0));
    let ann = late.confirm().await.expect("late, and free");
    assert_eq!(counts(&course).await, (1, 1));
    assert!(ann.withdraw().await.unwrap());

    let replaced = course.try_reserve("ann").await.unwrap();
    tokio::time::sleep(ms(80)).await;
    course.try_reserve("bob").await.unwrap().cancel().await.unwrap();
    let ann = course.try_reserve("ann").await.unwrap();
    assert_eq!(replaced.confirm().await.unwrap_err(), RemoteError::Lost, "ended, and replaced");
    ann.cancel().await.unwrap();

    let late = course.try_reserve("ann").await.unwrap();
    tokio::time::sleep(ms(80)).await;
    let bob = course.try_reserve("bob").await.unwrap();
    assert_eq!(late.confirm().await.unwrap_err(), RemoteError::Lost, "late, and full");
    bob.confirm().await.unwrap();
    assert_eq!(counts(&course).await, (1, 1));
}

async fn withdraws_once(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 1, 60_000).await;
    let first = course.try_reserve("ann").await.unwrap().confirm().await.unwrap();
    let found = course.enrollment("ann").await.unwrap().expect("ann is enrolled");
    assert_eq!(found.fence(), first.fence());
    assert_eq!(found.withdraw().await, Ok(true));
    assert!(course.enrollment("ann").await.unwrap().is_none());
    let second = course.try_reserve("ann").await.unwrap().confirm().await.unwrap();
    // A repetition gets the first answer, and does not concern the later enrollment.
    assert_eq!(first.withdraw().await, Ok(true));
    assert_eq!(counts(&course).await, (1, 1));
    assert_eq!(second.withdraw().await, Ok(true));
    assert_eq!(counts(&course).await, (0, 0));
}

async fn closes(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 2, 60_000).await;
    let reservation = course.try_reserve("ann").await.unwrap();
    course.close().await.unwrap();
    assert!(course.counts().await.unwrap().closed);
    assert_eq!(course.try_reserve("bob").await.unwrap_err(), RemoteError::Closed);
    reservation.confirm().await.unwrap();
    course.reopen().await.unwrap();
    course.try_reserve("bob").await.unwrap().cancel().await.unwrap();
}

async fn a_reservation_that_is_dropped_is_cancelled(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 1, 60_000).await;
    drop(course.try_reserve("ann").await.unwrap());
    until("the place is free", async || counts(&course).await == (0, 0)).await;
}

async fn a_repeated_confirmation_does_not_enroll_again(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 1, 60_000).await;
    let monitored = course.try_reserve("ann").await.unwrap();
    let request: String = server.command(&["HGET", "{headcount:algebra}:course:reserved", "ann"]);
    let (fence, request) = request.split_once('/').unwrap();
    let ann = monitored.confirm().await.unwrap();
    let confirm = |server: &Server| -> Vec<i64> {
        let script = weakened(
            [
                include_str!("../../src/lua/common.lua"),
                include_str!("../../src/lua/course.lua"),
                include_str!("../../src/lua/last.lua"),
            ]
            .concat(),
        );
        let keys = ["pending", "enrolled", "reserved", "ended", "fence", "closed"]
            .map(|suffix| format!("{{headcount:algebra}}:course:{suffix}"));
        let mut words = vec!["EVAL", &script, "6"];
        words.extend(keys.iter().map(String::as_str));
        words.extend(["confirm", "ann", request, fence, "1", "77"]);
        server.command(&words)
    };
    assert_eq!(confirm(&server), [1, 1, 77], "a repetition gets the first answer");
    assert!(ann.withdraw().await.unwrap());
    assert_eq!(confirm(&server), [0, 77], "a repetition that comes too late changes nothing");
    assert_eq!(counts(&course).await, (0, 0));
}

async fn enrollments_do_not_expire(engine: Engine) {
    let server = Server::start(engine);
    let course = course(&server, 2, 60_000).await;
    course.try_reserve("ann").await.unwrap().confirm().await.unwrap();
    let _bob = course.try_reserve("bob").await.unwrap();
    let keys: Vec<String> = server.command(&["KEYS", "*"]);
    for key in keys {
        let left: i64 = server.command(&["PTTL", &key]);
        assert_eq!(left == -1, key.ends_with(":enrolled"), "{key}: {left}");
    }
}
