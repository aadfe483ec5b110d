//! One socket: what its client sends, what it is answered, and how it ends.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{close_code, CloseFrame, Message, WebSocket};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use phoenix_frame::{encode, Frame};
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::jam::{Tab, PREFIX};
use crate::jams::{Joined, Member};
use crate::outbox::Outbox;
use crate::server::Server;
use crate::user::UserId;

/// How long the last messages to a client may take.
const LAST_MESSAGES: Duration = Duration::from_secs(2);

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The client closed the connection.
    Closed,
    /// The connection broke, or the client misses the server's heartbeats. It may come back.
    Broken,
    /// The client sent nothing for as long as it may.
    Idle,
    /// The client sent what is no frame of the protocol.
    Malformed,
    /// The client sent a message that is too large.
    TooLarge,
    /// The client sends too much.
    TooMany,
    /// The client reads too slowly.
    TooSlow,
    /// The server ends.
    Shutdown,
}

impl End {
    /// Returns the frame that says so to the client.
    fn close_frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            End::Closed | End::Broken => return None,
            End::Idle => (close_code::POLICY, "no message for too long"),
            End::Malformed => (close_code::INVALID, "not a frame of the protocol"),
            End::TooLarge => (close_code::SIZE, "the message is too large"),
            End::TooMany => (close_code::POLICY, "too many messages"),
            End::TooSlow => (close_code::POLICY, "messages are read too slowly"),
            End::Shutdown => (close_code::RESTART, "the server ends"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }
}

/// A token bucket: so many messages a second, and twice as many at once.
struct Rate {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Rate {
    fn new(per_second: u32) -> Rate {
        let per_second = f64::from(per_second);
        Rate { per_second, tokens: 2.0 * per_second, filled: Instant::now() }
    }

    fn allows_one(&mut self) -> bool {
        let now = Instant::now();
        let new = (now - self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + new).min(2.0 * self.per_second);
        self.filled = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

/// A topic that the client has joined.
struct Channel {
    join_ref: Option<String>,
    member: Arc<Member>,
}

struct Session<'a> {
    server: &'a Arc<Server>,
    user: UserId,
    number: u64,
    outbox: Outbox,
    channels: HashMap<String, Channel>,
}

/// Serves one socket until it ends, and returns why it did.
pub(crate) async fn run(server: &Arc<Server>, socket: WebSocket, user: UserId) -> End {
    let (sink, mut stream) = socket.split();
    let (outbox, messages) = Outbox::new(server.args.outgoing);
    let (stop, stopped) = oneshot::channel();
    let mut writer = tokio::spawn(write(sink, messages, stopped));
    let number = server.next_socket();
    let mut session = Session { server, user, number, outbox, channels: HashMap::new() };
    let mut rate = Rate::new(server.args.messages_per_second);
    let mut closing = server.closing();
    let why = loop {
        let received = tokio::select! {
            received = tokio::time::timeout(server.args.idle, stream.next()) => received,
            () = session.outbox.overflowed() => break End::TooSlow,
            _ = &mut writer => break End::Broken,
            _ = closing.wait_for(|closes| *closes) => break End::Shutdown,
        };
        let message = match received {
            Err(_) => break End::Idle,
            Ok(None) => break End::Broken,
            Ok(Some(Err(error))) => break of_error(error),
            Ok(Some(Ok(message))) => message,
        };
        if !rate.allows_one() {
            break End::TooMany;
        }
        match message {
            Message::Text(text) => match Frame::parse(&text) {
                Ok(frame) => session.receive(&frame).await,
                Err(_) => break End::Malformed,
            },
            // The official client so ends a connection that does not answer, and comes back.
            Message::Close(Some(frame)) if frame.reason == "heartbeat timeout" => {
                break End::Broken
            }
            Message::Close(_) => break End::Closed,
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) => {}
        }
    };
    session.end(why);
    // It fails if the writer has ended.
    let _ = stop.send(why);
    if !writer.is_finished() {
        let _ = writer.await;
    }
    why
}

/// Sends what is queued, and when the session ends the close frame that says why.
async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut messages: mpsc::Receiver<Message>,
    mut stopped: oneshot::Receiver<End>,
) {
    let why = loop {
        tokio::select! {
            why = &mut stopped => break why,
            sent = send_next(&mut sink, &mut messages) => if sent.is_err() { return },
        }
    };
    let Ok(why) = why else { return };
    let last = async {
        while let (Ok(message), true) = (messages.try_recv(), why != End::TooSlow) {
            sink.send(message).await?;
        }
        sink.send(Message::Close(why.close_frame())).await
    };
    // The client may read no more.
    let _ = tokio::time::timeout(LAST_MESSAGES, last).await;
}

async fn send_next(
    sink: &mut SplitSink<WebSocket, Message>,
    messages: &mut mpsc::Receiver<Message>,
) -> Result<(), axum::Error> {
    match messages.recv().await {
        Some(message) => sink.send(message).await,
        // The session has dropped the queue and is about to say why.
        None => std::future::pending().await,
    }
}

/// Returns why a session ends on that error.
fn of_error(error: axum::Error) -> End {
    use tungstenite::error::{Error, ProtocolError};
    match error.into_inner().downcast_ref() {
        Some(Error::Capacity(_)) => End::TooLarge,
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => End::Broken,
        Some(Error::Protocol(_) | Error::Utf8(_)) => End::Malformed,
        _ => End::Broken,
    }
}

impl Session<'_> {
    async fn receive(&mut self, frame: &Frame<'_>) {
        match (&*frame.topic, &*frame.event) {
            ("phoenix", "heartbeat") => self.outbox.send(frame.reply(Ok(json!({}))).into()),
            (_, "phx_join") => self.join(frame).await,
            (topic, "phx_leave") => {
                // A client also leaves topics that it was refused.
                let channel = self.channels.remove(topic);
                self.outbox.send(frame.reply(Ok(json!({}))).into());
                if let Some(channel) = channel {
                    self.leave(topic, channel);
                }
            }
            (topic, event) => match self.channels.get(topic) {
                // A message of an earlier join.
                Some(channel) if channel.join_ref.as_deref() != frame.join_ref.as_deref() => {}
                Some(channel) if is_loop_event(event) => channel.member.play(event),
                Some(_) => self.refuse(frame, "unmatched event"),
                None => self.refuse(frame, "unmatched topic"),
            },
        }
    }

    fn refuse(&self, frame: &Frame<'_>, reason: &str) {
        self.outbox.send(frame.reply(Err(json!({ "reason": reason }))).into());
    }

    async fn join(&mut self, frame: &Frame<'_>) {
        let topic = &*frame.topic;
        let id = topic.strip_prefix(PREFIX).filter(|id| self.server.jams.knows(id));
        let Some(id) = id else { return self.refuse(frame, "unmatched topic") };
        // The client gave up an earlier join of the topic. Its member stays until the new join has
        // it, as a full jam would refuse its own member.
        let earlier = self.channels.remove(topic);
        if let Some(channel) = &earlier {
            channel.member.detach(self.number);
            let join_ref = channel.join_ref.as_deref();
            self.outbox.send(encode(join_ref, join_ref, topic, "phx_close", &json!({})).into());
        }
        if self.channels.len() >= self.server.args.topics {
            return self.refuse(frame, "too many topics");
        }
        let ticket = frame.payload["ticket"].as_str().and_then(|ticket| ticket.parse().ok());
        let join_ref = frame.join_ref.as_deref().map(str::to_owned);
        let tab = Tab {
            socket: self.number,
            user: self.user,
            join_ref: join_ref.clone(),
            outbox: self.outbox.clone(),
        };
        let reply = || frame.reply(Ok(json!({ "user_id": self.user.to_string() })));
        match self.server.jams.join(tab, id, ticket, reply).await {
            Joined::Member(member) => {
                self.channels.insert(topic.to_owned(), Channel { join_ref, member });
            }
            Joined::Elsewhere(topic, ticket) => {
                let ticket = ticket.map(|ticket| ticket.to_string());
                let seat = json!({ "new_topic": topic, "ticket": ticket });
                self.outbox.send(frame.reply(Err(seat)).into());
            }
            Joined::Refused => self.refuse(frame, "all jams are full"),
        }
    }

    /// Gives up a topic that the client left.
    fn leave(&self, topic: &str, Channel { join_ref, member }: Channel) {
        member.detach(self.number);
        self.server.jams.end_hold(&member);
        let join_ref = join_ref.as_deref();
        self.outbox.send(encode(join_ref, join_ref, topic, "phx_close", &json!({})).into());
    }

    /// Gives up all topics. The members are held if the client may come back.
    fn end(self, why: End) {
        for (_, Channel { member, .. }) in self.channels {
            member.detach(self.number);
            if why == End::Broken {
                self.server.jams.hold(member);
            }
        }
    }
}

/// Returns whether it is an event of a loop, as `loop:played`.
fn is_loop_event(event: &str) -> bool {
    let name = event.strip_prefix("loop:").unwrap_or_default();
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_twice_as_much_at_once_and_no_more_later() {
        let mut rate = Rate::new(10);
        assert_eq!((0..100).filter(|_| rate.allows_one()).count(), 20);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!((0..100).filter(|_| rate.allows_one()).count(), 5);
        tokio::time::advance(Duration::from_secs(1000)).await;
        assert_eq!((0..100).filter(|_| rate.allows_one()).count(), 20);
    }

    #[test]
    fn events_of_loops() {
        assert!(is_loop_event("loop:played") && is_loop_event("loop:x_y"));
        for event in ["loop:", "loop", "loop:A", "loop:\u{e9}", "phx_close", "presence_diff"] {
            assert!(!is_loop_event(event), "{event}");
        }
    }
}
