//! The frames: what the official client relies on.

use serde_json::json;

use crate::client::{page, request, seats, server, Client};

#[tokio::test]
async fn a_join_is_answered_and_gets_the_state() {
    let running = server(|_| {}).await;
    let page = page(running.address, "/", None).await;
    let mut client = Client::connect(running.address, &page.token).await;
    let join = json!(["3", "3", page.topic, "phx_join", { "ticket": page.ticket }]);
    client.send(join).await;
    let reply = client.wait(|_| true).await;
    let user = reply[4]["response"]["user_id"].as_str().unwrap().to_owned();
    assert!(page.token.starts_with(&user));
    let accepted = json!({ "status": "ok", "response": { "user_id": user } });
    assert_eq!(reply, json!(["3", "3", page.topic, "phx_reply", accepted]));
    // The state comes next: a client that has the reply knows that its channel is joined.
    let state = client.wait(|_| true).await;
    assert_eq!(state[3], "presence_state");
    assert_eq!((&state[0], &state[1], &state[2]), (&json!("3"), &json!(null), &json!(page.topic)));
    let meta = &state[4][&user]["metas"][0];
    assert_eq!((&meta["user_id"], &meta["loop_name"]), (&json!(user), &json!("kick")));
    assert!(meta["phx_ref"].is_string());
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn members_learn_of_each_other() {
    let running = server(|_| {}).await;
    let one = page(running.address, "/", None).await;
    let mut first = Client::connect(running.address, &one.token).await;
    let (_, first_id) = first.enter(&one.topic, &one.ticket).await;
    let mut second = Client::connect(running.address, "").await;
    let (second_ref, second_id) = second.enter(&one.topic, "").await;
    assert_ne!(first_id, second_id);
    let state = second.event("presence_state").await;
    assert_eq!(seats(&state), [(0, first_id.clone()), (1, second_id.clone())]);
    let diff = first.event("presence_diff").await;
    // The first diff may be its own join.
    let diff = if diff[4]["joins"].get(&second_id).is_some() {
        diff
    } else {
        first.event("presence_diff").await
    };
    assert_eq!(diff[4]["joins"][&second_id]["metas"][0]["loop_name"], "hats");
    assert_eq!((&diff[0], &diff[1]), (&json!(null), &json!(null)));

    second.push(&second_ref, &one.topic, "loop:played").await;
    let played = first.event("loop:played").await;
    assert_eq!(played, json!([null, null, one.topic, "loop:played", { "user_id": second_id }]));
    // One diff: the old meta leaves and the new one joins, with the reference of the old.
    let diff = first.event("presence_diff").await;
    let (old, new) =
        (&diff[4]["leaves"][&second_id]["metas"][0], &diff[4]["joins"][&second_id]["metas"][0]);
    assert_eq!((&old["playing"], &new["playing"]), (&json!(false), &json!(true)));
    assert_eq!(new["phx_ref_prev"], old["phx_ref"]);
    assert_ne!(new["phx_ref"], old["phx_ref"]);
    // Its sender gets the diff, and not the event.
    second.event("presence_diff").await;
    second.is_silent().await;

    second.close().await;
    let diff = first.event("presence_diff").await;
    assert_eq!(diff[4]["leaves"][&second_id]["metas"][0]["playing"], true);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_leave_is_answered_and_closes_the_channel() {
    let running = server(|_| {}).await;
    let page = page(running.address, "/", None).await;
    let mut client = Client::connect(running.address, &page.token).await;
    let (join_ref, _) = client.enter(&page.topic, &page.ticket).await;
    client.event("presence_state").await;
    let message_ref = client.push(&join_ref, &page.topic, "phx_leave").await;
    assert_eq!(client.reply(&message_ref).await, json!({ "status": "ok", "response": {} }));
    let close = client.event("phx_close").await;
    assert_eq!(close, json!([join_ref, join_ref, page.topic, "phx_close", {}]));
    assert_eq!(running.state().await["members"], 0);
    // A topic that was never joined is left with the same answer, and no close.
    let message_ref = client.push("9", "jams:never", "phx_leave").await;
    assert_eq!(client.reply(&message_ref).await["status"], "ok");
    client.is_silent().await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_second_join_of_a_topic_replaces_the_first_on_the_same_seat() {
    let running = server(|_| {}).await;
    let mut clients = Vec::new();
    let first = page(running.address, "/", None).await;
    for number in 0..7 {
        let mut client = Client::connect(running.address, "").await;
        let ticket = if number == 0 { &*first.ticket } else { "" };
        client.enter(&first.topic, ticket).await;
        clients.push(client);
    }
    // The jam is full, of which this client is a member.
    let client = &mut clients[6];
    let state = client.event("presence_state").await;
    let (join_ref, user) = client.enter(&first.topic, "").await;
    let close = client.event("phx_close").await;
    assert_eq!((&close[0], &close[1]), (&json!("1"), &json!("1")));
    let again = client.event("presence_state").await;
    assert_eq!(again[0], json!(join_ref));
    assert_eq!(seats(&state), seats(&again));
    assert!(seats(&again).contains(&(6, user)));
    // A message of the first join is ignored.
    client.forget().await;
    client.push("1", &first.topic, "loop:played").await;
    client.is_silent().await;
    assert_eq!(running.state().await["members"], 7);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn what_the_server_does_not_know_is_answered() {
    let running = server(|_| {}).await;
    let page = page(running.address, "/", None).await;
    let mut client = Client::connect(running.address, &page.token).await;
    for (topic, event) in
        [("rooms:1", "phx_join"), ("jams:1", "phx_join"), ("jams:1", "loop:played")]
    {
        let reference = client.push("1", topic, event).await;
        let reply = client.reply(&reference).await;
        let refused = json!({ "status": "error", "response": { "reason": "unmatched topic" } });
        assert_eq!(reply, refused, "{topic} {event}");
    }
    let (join_ref, _) = client.enter(&page.topic, &page.ticket).await;
    let reference = client.push(&join_ref, &page.topic, "shout").await;
    assert_eq!(client.reply(&reference).await["response"]["reason"], "unmatched event");
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn only_version_2_and_own_pages_get_a_socket() {
    let running = server(|_| {}).await;
    for query in ["", "vsn=1.0.0", "token=x"] {
        let refused = Client::try_connect(running.address, query).await;
        assert!(refused.is_err_and(|error| error.to_string().contains("403")), "{query}");
    }
    let upgrade = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://other.test\r\n";
    let answer = request(running.address, "/socket/websocket?vsn=2.0.0", upgrade).await;
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn pages_figures_and_files_are_served() {
    let running = server(|_| {}).await;
    for (path, part) in [
        ("/app.js", "window.Phoenix"),
        ("/phoenix.js", "Phoenix"),
        ("/phoenix-license.txt", "Copyright"),
        ("/style.css", ".seat"),
        ("/sound.js", "PATTERNS"),
        ("/metrics", "# TYPE jam_sockets gauge\njam_sockets 0\n"),
        ("/state", "\"members\":0"),
    ] {
        let response = request(running.address, path, "").await;
        assert!(response.starts_with("HTTP/1.1 200"), "{path}: {response}");
        assert!(response.contains(part), "{path}");
        assert!(response.to_lowercase().contains("content-security-policy: default-src 'self'"));
    }
    for path in ["/jams/nothing", "/none", "/jams/0000000000000000"] {
        assert!(request(running.address, path, "").await.starts_with("HTTP/1.1 404"), "{path}");
    }
    assert!(running.shut_down().await);
}
