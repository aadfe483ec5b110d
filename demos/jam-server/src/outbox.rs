//! The messages that wait for one socket.

use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes};
use tokio::sync::{mpsc, Notify};

/// The sending end of a socket's queue. A queue that is full tells the socket's session, which
/// ends.
#[derive(Clone, Debug)]
pub(crate) struct Outbox {
    sender: mpsc::Sender<Message>,
    overflow: Arc<Notify>,
}

impl Outbox {
    /// Creates a queue of that many messages.
    pub(crate) fn new(messages: usize) -> (Outbox, mpsc::Receiver<Message>) {
        let (sender, receiver) = mpsc::channel(messages.max(1));
        (Outbox { sender, overflow: Arc::default() }, receiver)
    }

    /// Queues a text.
    pub(crate) fn send(&self, text: Utf8Bytes) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.sender.try_send(Message::Text(text)) {
            self.overflow.notify_one();
        }
    }

    /// Waits until a message found the queue full.
    pub(crate) async fn overflowed(&self) {
        self.overflow.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_tells() {
        let (outbox, mut receiver) = Outbox::new(1);
        outbox.send("one".into());
        let told = tokio::time::timeout(std::time::Duration::from_millis(20), outbox.overflowed());
        assert!(told.await.is_err());
        outbox.send("two".into());
        outbox.overflowed().await;
        assert_eq!(receiver.recv().await, Some(Message::text("one")));
        assert_eq!(receiver.try_recv().ok(), None);
    }
}
