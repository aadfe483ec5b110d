//! The parser of the jam server's frames: any text is refused or parsed, and the reply to a parsed
//! frame is a frame with the same refs and topic.

#![no_main]

use libfuzzer_sys::fuzz_target;
use phoenix_frame::{Frame, MAX_TEXT};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(frame) = Frame::parse(text) else { return };
    assert!(frame.topic.len() <= MAX_TEXT && frame.event.len() <= MAX_TEXT);
    let reply = frame.reply(Ok(frame.payload.clone()));
    let read = Frame::parse(&reply).expect("a reply is a frame");
    assert_eq!((&read.join_ref, &read.message_ref), (&frame.join_ref, &frame.message_ref));
    assert_eq!((&*read.topic, &*read.event), (&*frame.topic, "phx_reply"));
    // Not the payload itself: printing and parsing can change the last digit of a number.
    assert_eq!(read.payload["status"], "ok");
});
