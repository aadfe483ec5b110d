//! The text of each error, and what it says of its cause. That of a seat that is held elsewhere is
//! in `lobby.rs`.

use std::error::Error;
use std::time::Duration;

use headcount::JoinRoomErrorKind;
use headcount_redis::{
    Connection, EngineErrorKind, RemoteEnrollError, RemoteError, RemoteJoinRoomError,
    RemoteStartError,
};

use crate::support::run;

const FULL: RemoteError = RemoteError::Full { retry_after: None };

#[test]
fn texts() {
    let ends = RemoteError::Full { retry_after: Some(Duration::from_millis(250)) };
    for (error, text) in [
        (FULL, "too few places are free"),
        (ends, "too few places are free: the first lease ends in 250ms"),
        (RemoteError::Closed, "closed"),
        (RemoteError::Lost, "the lease has ended"),
        (RemoteError::AlreadyEnrolled { fence: 7 }, "the student is enrolled already"),
        (RemoteError::Invalid("a ttl of zero"), "invalid argument: a ttl of zero"),
    ] {
        assert_eq!(error.to_string(), text);
        assert!(error.engine().is_none() && error.source().is_none(), "{error}");
        let is = [error.is_full(), error.is_closed(), error.is_lost(), error.is_invalid()];
        assert_eq!(is.iter().filter(|is| **is).count(), usize::from(!text.contains("already")));
    }
    for (kind, text) in [
        (EngineErrorKind::Unreachable, "the server cannot be reached"),
        (EngineErrorKind::Timeout, "the server did not answer in time"),
        (EngineErrorKind::Denied, "the server denies access"),
        (EngineErrorKind::WrongType, "a key of the object holds another type of value"),
        (EngineErrorKind::OutOfMemory, "the server is out of memory"),
        (EngineErrorKind::ReadOnly, "the server is read-only"),
        (EngineErrorKind::Loading, "the server is loading its data"),
        (EngineErrorKind::ClusterDown, "the cluster is down"),
        (EngineErrorKind::BadReply, "the reply was not understood"),
        (EngineErrorKind::Other, "the server reported an error"),
    ] {
        assert_eq!(kind.to_string(), text);
    }
    let few = RemoteStartError::Quorum { occupied: 2, quorum: 3 };
    assert_eq!(few.to_string(), "quorum not reached: 2 of 3");
    let refused = RemoteJoinRoomError::Refused { kind: JoinRoomErrorKind::Locked, error: FULL };
    assert_eq!(refused.to_string(), "the room is locked, and elsewhere too few places are free");
    let failed = RemoteEnrollError::Failed(std::fmt::Error);
    assert_eq!(failed.to_string(), format!("enrollment failed: {}", std::fmt::Error));
}

/// The engine's failure is the source of each error that has it, and shows in its text.
#[test]
fn sources() {
    run(async {
        // No server listens there: the port is that of a listener that has gone.
        let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let settings = Connection::builder().patience(Duration::ZERO);
        let engine = settings.open(&format!("redis://{gone}/")).await.unwrap_err();
        let text = engine.to_string();
        assert!(text.starts_with("the server cannot be reached: "), "{text}");
        let error = RemoteError::from(engine.clone());
        assert_eq!((error.to_string(), error.engine()), (text.clone(), Some(&engine)));
        let enroll = RemoteEnrollError::<std::fmt::Error>::from(error.clone());
        let (start, join) =
            (RemoteStartError::from(error.clone()), RemoteJoinRoomError::from(error.clone()));
        for outer in [&enroll as &dyn Error, &start, &join] {
            assert_eq!(outer.to_string(), text);
            let source = outer.source().expect("the failure");
            assert_eq!(source.downcast_ref::<RemoteError>(), Some(&error));
            assert_eq!(source.source().expect("the engine's").to_string(), text);
        }
    });
}
