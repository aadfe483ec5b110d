//! The text frames of the Phoenix channel protocol, version 2.0.0: JSON arrays of five elements,
//! `[join_ref, ref, topic, event, payload]`.
//!
//! A crate of its own, so that the fuzz target for the parser builds nothing else.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde_json::{json, Value};

/// The greatest number of bytes of a ref, a topic or an event.
pub const MAX_TEXT: usize = 128;

/// A frame that a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The ref of the join that the frame belongs to.
    pub join_ref: Option<Cow<'a, str>>,
    /// The ref that a reply names.
    pub message_ref: Option<Cow<'a, str>>,
    /// The topic.
    pub topic: Cow<'a, str>,
    /// The event.
    pub event: Cow<'a, str>,
    /// The payload.
    pub payload: Value,
}

/// A text that is not a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// It is not a JSON array of a ref, a ref, a topic, an event and a payload.
    Malformed,
    /// A ref, the topic or the event is longer than [`MAX_TEXT`] bytes.
    TooLong,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FrameError::Malformed => "not an array of join ref, ref, topic, event and payload",
            FrameError::TooLong => "a ref, the topic or the event is too long",
        })
    }
}

impl Error for FrameError {}

/// A text that is borrowed from the frame unless it has an escape sequence.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Frame<'a> {
    /// Parses a text frame.
    ///
    /// # Errors
    ///
    /// [`FrameError`] if the text is not a frame. The parser of JSON bounds the depth of a payload.
    ///
    /// # Examples
    ///
    /// ```
    /// use phoenix_frame::{Frame, FrameError};
    ///
    /// let frame = Frame::parse(r#"["3","4","jams:1","phx_join",{}]"#)?;
    /// assert_eq!((&*frame.topic, &*frame.event), ("jams:1", "phx_join"));
    /// assert_eq!(Frame::parse("{}"), Err(FrameError::Malformed));
    /// # Ok::<(), FrameError>(())
    /// ```
    pub fn parse(text: &'a str) -> Result<Frame<'a>, FrameError> {
        type Fields<'a> = (Option<Text<'a>>, Option<Text<'a>>, Text<'a>, Text<'a>, Value);
        let (join_ref, message_ref, topic, event, payload): Fields<'a> =
            serde_json::from_str(text).map_err(|_| FrameError::Malformed)?;
        let frame = Frame {
            join_ref: join_ref.map(|text| text.0),
            message_ref: message_ref.map(|text| text.0),
            topic: topic.0,
            event: event.0,
            payload,
        };
        let refs = [&frame.join_ref, &frame.message_ref].into_iter().flatten();
        if refs.chain([&frame.topic, &frame.event]).any(|text| text.len() > MAX_TEXT) {
            return Err(FrameError::TooLong);
        }
        Ok(frame)
    }

    /// Returns the reply to this frame, with its refs and topic.
    ///
    /// # Examples
    ///
    /// ```
    /// let heartbeat = r#"[null,"4","phoenix","heartbeat",{}]"#;
    /// let reply = phoenix_frame::Frame::parse(heartbeat)?.reply(Ok(serde_json::json!({})));
    /// assert_eq!(
    ///     reply,
    ///     r#"[null,"4","phoenix","phx_reply",{"response":{},"status":"ok"}]"#
    /// );
    /// # Ok::<(), phoenix_frame::FrameError>(())
    /// ```
    #[must_use]
    pub fn reply(&self, response: Result<Value, Value>) -> String {
        let (status, response) = match response {
            Ok(response) => ("ok", response),
            Err(response) => ("error", response),
        };
        let payload = json!({ "status": status, "response": response });
        encode(
            self.join_ref.as_deref(),
            self.message_ref.as_deref(),
            &self.topic,
            "phx_reply",
            &payload,
        )
    }
}

/// Returns a text frame.
///
/// # Examples
///
/// ```
/// let push = phoenix_frame::encode(None, None, "jams:1", "loop:played", &serde_json::json!({}));
/// assert_eq!(push, r#"[null,null,"jams:1","loop:played",{}]"#);
/// ```
#[must_use]
pub fn encode(
    join_ref: Option<&str>,
    message_ref: Option<&str>,
    topic: &str,
    event: &str,
    payload: &Value,
) -> String {
    json!([join_ref, message_ref, topic, event, payload]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_the_client_are_parsed() {
        let text = r#"["3",null,"jams:00","loop:pl\u0061yed",{"user_id":[1]}]"#;
        let frame = Frame::parse(text).unwrap();
        assert_eq!(frame.join_ref.as_deref(), Some("3"));
        assert_eq!(frame.message_ref, None);
        assert_eq!(&*frame.event, "loop:played");
        assert_eq!(frame.payload["user_id"][0], 1);
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        let deep = format!(r#"["1","1","t","e",{}1{}]"#, "[".repeat(4000), "]".repeat(4000));
        let texts = [
            "",
            "null",
            "[]",
            r#"["1","1","t","e"]"#,
            r#"["1","1","t","e",{},1]"#,
            r#"[1,"1","t","e",{}]"#,
            r#"["1","1",null,"e",{}]"#,
            r#"["1","1","t","e",{}"#,
            r#"["1","1","t","e",{}] x"#,
            &deep,
        ];
        for text in texts {
            assert_eq!(Frame::parse(text), Err(FrameError::Malformed), "{text:.40}");
        }
        for place in 0..4 {
            let mut fields = ["a", "a", "a", "a"].map(str::to_owned);
            fields[place] = "a".repeat(MAX_TEXT);
            let text = |fields: &[String; 4]| {
                let [join_ref, message_ref, topic, event] = fields;
                json!([join_ref, message_ref, topic, event, {}]).to_string()
            };
            assert!(Frame::parse(&text(&fields)).is_ok());
            fields[place].push('a');
            assert_eq!(Frame::parse(&text(&fields)), Err(FrameError::TooLong), "field {place}");
        }
    }

    #[test]
    fn the_texts_of_errors() {
        let text = "not an array of join ref, ref, topic, event and payload";
        assert_eq!(FrameError::Malformed.to_string(), text);
        assert_eq!(FrameError::TooLong.to_string(), "a ref, the topic or the event is too long");
    }

    #[test]
    fn a_reply_echoes_refs_and_topic() {
        let frame = Frame::parse(r#"["3","5","jams:1","phx_join",{}]"#).unwrap();
        let reply = frame.reply(Err(json!({ "new_topic": "jams:2" })));
        let read = Frame::parse(&reply).unwrap();
        assert_eq!(read.join_ref, frame.join_ref);
        assert_eq!(read.message_ref, frame.message_ref);
        assert_eq!(read.payload["status"], "error");
        assert_eq!(read.payload["response"]["new_topic"], "jams:2");
    }
}
