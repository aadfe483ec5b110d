//! Seats: distinct loops, held seats, redirects, reconnections, tabs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{json, Value};

use crate::client::{eventually, page, seats, server, Client, Page};

async fn join_page(running: &jam_server::Running, page: &Page) -> Client {
    let mut client = Client::connect(running.address, &page.token).await;
    client.enter(&page.topic, &page.ticket).await;
    client
}

#[tokio::test]
async fn pages_are_seated_before_their_sockets_come() {
    let running = server(|_| {}).await;
    let mut pages = Vec::new();
    for _ in 0..8 {
        pages.push(page(running.address, "/", None).await);
    }
    let topics: BTreeSet<_> = pages.iter().map(|page| page.topic.clone()).collect();
    assert_eq!(topics.len(), 2, "seven pages are told one jam, and the eighth another");
    let mut clients = Vec::new();
    for page in pages.iter().rev() {
        clients.push(join_page(&running, page).await);
    }
    assert_eq!(running.state().await["refused"], 0);
    assert_eq!(
        (running.state().await["members"].clone(), running.state().await["held"].clone()),
        (json!(8), json!(0))
    );
    let first = &mut clients[1];
    first.event("presence_state").await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn eight_told_one_jam_are_seven_and_one_and_the_refusal_has_a_seat() {
    let running = server(|_| {}).await;
    let told = page(running.address, "/", None).await;
    let mut clients = Vec::new();
    for number in 0..7 {
        let mut client = Client::connect(running.address, "").await;
        let ticket = if number == 0 { &*told.ticket } else { "" };
        client.enter(&told.topic, ticket).await;
        clients.push(client);
    }
    let state = clients[6].event("presence_state").await;
    let numbers: Vec<u64> = seats(&state).into_iter().map(|(seat, _)| seat).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);

    let mut eighth = Client::connect(running.address, "").await;
    let (_, refusal) = eighth.join(&told.topic, "").await;
    assert_eq!(refusal["status"], "error");
    let response = &refusal["response"];
    let (topic, ticket) =
        (response["new_topic"].as_str().unwrap(), response["ticket"].as_str().unwrap());
    assert_ne!(topic, told.topic);
    // Seven others fill the jam that it was told of: one fewer than seven, as a seat is held.
    let mut others = Vec::new();
    for _ in 0..6 {
        let mut other = Client::connect(running.address, "").await;
        other.enter(topic, "").await;
        others.push(other);
    }
    let mut late = Client::connect(running.address, "").await;
    assert_eq!(late.join(topic, "").await.1["status"], "error");
    eighth.enter(topic, ticket).await;
    assert_eq!(running.state().await["redirected"], 2);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_seat_that_is_not_claimed_is_given_up() {
    let running = server(|args| args.page_hold = Duration::from_millis(50)).await;
    let told = page(running.address, "/", None).await;
    assert_eq!(running.state().await["held"], 1);
    eventually("the seat is free", async || running.state().await["members"] == 0).await;
    assert_eq!(running.state().await["held"], 0);
    // The ticket is worth nothing now; the jam that it was for is gone.
    let mut client = Client::connect(running.address, &told.token).await;
    let (_, refusal) = client.join(&told.topic, &told.ticket).await;
    let response = &refusal["response"];
    client
        .enter(response["new_topic"].as_str().unwrap(), response["ticket"].as_str().unwrap())
        .await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_ticket_is_claimed_once() {
    let running = server(|_| {}).await;
    let told = page(running.address, "/", None).await;
    let mut one = Client::connect(running.address, "").await;
    let mut two = Client::connect(running.address, "").await;
    one.enter(&told.topic, &told.ticket).await;
    two.enter(&told.topic, &told.ticket).await;
    for forged in ["", "x", "00000000000000000000000000000000"] {
        let mut client = Client::connect(running.address, "").await;
        client.enter(&told.topic, forged).await;
        client.close().await;
    }
    let state = two.event("presence_state").await;
    assert_eq!(seats(&state).len(), 2);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn the_same_seat_after_a_reconnection() {
    let running = server(|_| {}).await;
    let pages = [page(running.address, "/", None).await, page(running.address, "/", None).await];
    let mut first = join_page(&running, &pages[0]).await;
    let mut second = join_page(&running, &pages[1]).await;
    let state = second.event("presence_state").await;
    let mine =
        seats(&state).into_iter().find(|(_, user)| pages[1].token.starts_with(user)).unwrap();
    assert_eq!(mine.0, 1);
    second.cut();
    // The others see that it is away, and its seat is not given to a newcomer.
    let away = |diff: &Value| {
        diff[3] == "presence_diff" && diff[4]["joins"][&mine.1]["metas"][0]["away"] == true
    };
    first.wait(away).await;
    let mut third = Client::connect(running.address, "").await;
    third.enter(&pages[0].topic, "").await;
    let state = third.event("presence_state").await;
    assert_eq!(seats(&state).len(), 3);

    let mut back = Client::connect(running.address, &pages[1].token).await;
    let (_, user) = back.enter(&pages[1].topic, "").await;
    assert_eq!(user, mine.1);
    let state = back.event("presence_state").await;
    assert!(seats(&state).contains(&mine));
    eventually("no hold is left", async || running.state().await["held"] == 0).await;
    back.close().await;
    eventually("its seat is free at once", async || running.state().await["members"] == 2).await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_seat_of_a_broken_connection_is_given_up_at_last() {
    let running = server(|args| args.reconnect_hold = Duration::from_millis(50)).await;
    let page = page(running.address, "/", None).await;
    let client = join_page(&running, &page).await;
    client.cut();
    eventually("it is held", async || running.state().await["held"] == 1).await;
    eventually("it is free", async || running.state().await["members"] == 0).await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_user_with_two_tabs_counts_once() {
    let running = server(|_| {}).await;
    let one = page(running.address, "/", None).await;
    let mut first = join_page(&running, &one).await;
    // The second tab's page is told the jam of the user, and takes no seat.
    let two = page(running.address, "/", Some(&one.token)).await;
    assert_eq!((&two.topic, &*two.ticket), (&one.topic, ""));
    let second = join_page(&running, &two).await;
    assert_eq!(running.state().await["members"], 1);
    second.close().await;
    eventually("one socket is left", async || running.sockets() == 1).await;
    assert_eq!(running.state().await["members"], 1);
    first.event("presence_state").await;
    // A tab that breaks while another is there holds nothing.
    let third = join_page(&running, &two).await;
    third.cut();
    eventually("one socket is left", async || running.sockets() == 1).await;
    assert_eq!(
        (&running.state().await["members"], &running.state().await["held"]),
        (&json!(1), &json!(0))
    );
    first.close().await;
    eventually("the last tab has left", async || running.state().await["members"] == 0).await;
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn the_last_member_closes_the_jam() {
    let running = server(|_| {}).await;
    let told = page(running.address, "/", None).await;
    let client = join_page(&running, &told).await;
    client.close().await;
    eventually("the jam is closed", async || running.state().await["rooms"] == 0).await;
    let next = page(running.address, "/", None).await;
    assert_ne!(next.topic, told.topic);
    assert!(running.shut_down().await);
}

#[tokio::test]
async fn a_full_server_says_so_and_seats_again_when_a_hold_is_due() {
    let running = server(|args| {
        args.jams = 1;
        args.page_hold = Duration::from_millis(400);
    })
    .await;
    let mut pages = Vec::new();
    for _ in 0..7 {
        pages.push(page(running.address, "/", None).await);
    }
    let late = page(running.address, "/", None).await;
    assert_eq!(late.ticket, "");
    let mut client = Client::connect(running.address, &late.token).await;
    let (_, refusal) = client.join(&pages[0].topic, "").await;
    assert_eq!(refusal["response"]["reason"], "all jams are full");
    eventually("the held seats are due", async || running.state().await["held"] == 0).await;
    let again = page(running.address, "/", None).await;
    assert_ne!(again.ticket, "");
    assert!(running.shut_down().await);
}
