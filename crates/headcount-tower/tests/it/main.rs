//! The layers under axum and hyper over loopback, and by themselves.

mod admission;
mod by_key;
mod observed;
mod over_loopback;
mod storm;
mod support;
mod waiting;
mod websocket;
