//! A server that answers scripts with whatever the test wants.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// Starts the server and returns its address. To a script it sends what `answer` makes of the token
/// of the call; to all else it says OK.
pub(crate) async fn start(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                while let Ok(1..) = stream.read_buf(&mut buffer).await {
                    while let Some((words, length)) = command(&buffer) {
                        buffer.drain(..length);
                        let reply = match (words.first(), words.last()) {
                            (Some(name), Some(token)) if name == "EVALSHA" => answer(token),
                            _ => b"+OK\r\n".to_vec(),
                        };
                        if stream.write_all(&reply).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    format!("redis://127.0.0.1:{port}/")
}

/// Returns the words of the first whole command, and its length.
fn command(bytes: &[u8]) -> Option<(Vec<String>, usize)> {
    // Returns the number in the line at that position, and the position behind the line.
    let number = |at: usize| -> Option<(usize, usize)> {
        let rest = bytes.get(at..)?;
        let end = rest.windows(2).position(|end| end == b"\r\n")?;
        Some((std::str::from_utf8(&rest[1..end]).ok()?.parse().ok()?, at + end + 2))
    };
    let (count, mut at) = number(0)?;
    let mut words = Vec::new();
    for _ in 0..count {
        let (length, begin) = number(at)?;
        words.push(String::from_utf8_lossy(bytes.get(begin..begin + length)?).into_owned());
        at = begin + length + 2;
    }
    (at <= bytes.len()).then_some((words, at))
}
