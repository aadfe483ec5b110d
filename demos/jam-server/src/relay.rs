//! What the processes of one set of jams tell each other, through the channel of a Redis or Valkey:
//! who came, who left, what a loop did, and each second all members. A process that is silent for
//! as long as its seats live is gone, and so are its members.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::StreamExt;
use redis::AsyncCommands;
use serde_json::{json, Value};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::warn;

use crate::jam::lock;

const CHANNEL: &str = "jam-server";
/// How often a process tells all that it has.
const BEAT: Duration = Duration::from_secs(1);
/// After this time a broken connection is made again.
const PAUSE: Duration = Duration::from_millis(200);

/// The sending end.
#[derive(Clone, Debug)]
pub(crate) struct Relay {
    node: String,
    sender: mpsc::UnboundedSender<String>,
}

/// What is done with what the other processes tell.
pub(crate) trait Listener {
    /// Something changed in one jam of another process.
    fn hear(&self, node: &str, message: &Value);
    /// All that another process has: its members, by topic.
    fn hear_state(&self, node: &str, topics: &Value);
    /// Returns all that this process has, by topic.
    fn state(&self) -> Value;
}

impl Relay {
    pub(crate) fn new() -> (Relay, mpsc::UnboundedReceiver<String>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut node = [0; 8];
        getrandom::fill(&mut node).expect("the operating system has random bytes");
        (Relay { node: format!("{:016x}", u64::from_le_bytes(node)), sender }, receiver)
    }

    /// Tells the other processes.
    pub(crate) fn publish(&self, message: &Value) {
        let mut message = message.clone();
        message["node"] = self.node.as_str().into();
        // It fails only when the program ends.
        let _ = self.sender.send(message.to_string());
    }

    /// Carries messages to the other processes, and theirs to the listener, for as long as it is
    /// polled.
    pub(crate) async fn run(
        &self,
        client: &redis::Client,
        mut messages: mpsc::UnboundedReceiver<String>,
        ttl: Duration,
        listener: &impl Listener,
    ) {
        let heard: Mutex<HashMap<String, Instant>> = Mutex::default();
        let speak = async {
            loop {
                let Ok(mut connection) = client.get_multiplexed_async_connection().await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                while let Some(message) = messages.recv().await {
                    let sent: redis::RedisResult<()> = connection.publish(CHANNEL, message).await;
                    if let Err(error) = sent {
                        // The next state has what this message said.
                        warn!(%error, "a message to the other processes was lost");
                        break;
                    }
                }
            }
        };
        let listen = async {
            loop {
                if let Ok(mut subscription) = client.get_async_pubsub().await {
                    if subscription.subscribe(CHANNEL).await.is_ok() {
                        let mut stream = subscription.on_message();
                        while let Some(message) = stream.next().await {
                            let text: String = message.get_payload().unwrap_or_default();
                            let Ok(message) = serde_json::from_str::<Value>(&text) else {
                                continue;
                            };
                            match message["node"].as_str() {
                                Some(node) if node != self.node => {
                                    lock(&heard).insert(node.to_owned(), Instant::now());
                                    if message["topics"].is_object() {
                                        listener.hear_state(node, &message["topics"]);
                                    } else {
                                        listener.hear(node, &message);
                                    }
                                }
                                _ => {}
                            }
                        }
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let beat = async {
            loop {
                self.publish(&json!({ "topics": listener.state() }));
                let mut gone = Vec::new();
                lock(&heard).retain(|node, last| {
                    let lives = last.elapsed() < ttl;
                    if !lives {
                        gone.push(node.clone());
                    }
                    lives
                });
                for node in gone {
                    listener.hear_state(&node, &json!({}));
                }
                tokio::time::sleep(BEAT).await;
            }
        };
        tokio::join!(speak, listen, beat);
    }
}
