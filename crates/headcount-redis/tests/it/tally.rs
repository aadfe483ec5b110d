use headcount_redis::RemoteTally;

use crate::support::{connect, on_both, Engine, Server};

on_both! { counts, saturates_at_both_ends, the_thousandth_is_told_once }

async fn tally(server: &Server, start: u64) -> RemoteTally {
    RemoteTally::new(&connect(&server.url()).await, "posts", start).unwrap()
}

async fn counts(engine: Engine) {
    let server = Server::start(engine);
    let posts = tally(&server, 998).await;
    assert_eq!(posts.get().await, Ok(998));
    assert_eq!(server.command::<i64>(&["DBSIZE"]), 0, "reading writes nothing");
    assert_eq!(posts.increment().await, Ok(999));
    assert_eq!(posts.add(3).await, Ok(1002));
    assert_eq!(posts.sub(2).await, Ok(1000));
    assert_eq!(posts.decrement().await, Ok(999));
    assert_eq!(posts.get().await, Ok(999));
}

async fn saturates_at_both_ends(engine: Engine) {
    let server = Server::start(engine);
    let posts = tally(&server, RemoteTally::MAX - 1).await;
    assert_eq!(posts.increment().await, Ok(RemoteTally::MAX));
    assert_eq!(posts.increment().await, Ok(RemoteTally::MAX));
    assert_eq!(posts.add(u64::MAX).await, Ok(RemoteTally::MAX));
    assert_eq!(posts.decrement().await, Ok(RemoteTally::MAX - 1));
    assert_eq!(posts.sub(u64::MAX).await, Ok(0));
    assert_eq!(posts.decrement().await, Ok(0));
    assert!(RemoteTally::new(&connect(&server.url()).await, "x", u64::MAX)
        .unwrap_err()
        .is_invalid());
}

async fn the_thousandth_is_told_once(engine: Engine) {
    let server = Server::start(engine);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let posts = tally(&server, 0).await;
        tasks.spawn(async move {
            let mut told = Vec::new();
            for _ in 0..150 {
                told.push(posts.increment().await.unwrap());
            }
            told
        });
    }
    let mut told = tasks.join_all().await.concat();
    told.sort();
    assert_eq!(told, (1..=1200).collect::<Vec<_>>());
}
