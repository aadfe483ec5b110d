//! The server through its own front door: pages over HTTP, and a client of the channel protocol
//! over WebSocket.

mod client;
mod joins;
mod limits;
mod load;
mod processes;
mod protocol;
