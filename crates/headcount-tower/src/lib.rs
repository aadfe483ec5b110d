//! A [`tower`](https://docs.rs/tower) layer that admits or rejects a request at once, and holds the
//! place until the response body has ended.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod body;
mod layer;
mod observe;
mod place;
mod places;
mod rejection;
mod service;
mod waiting;

pub use body::GateBody;
pub use layer::{GateLayer, KeyedGateLayer};
pub use place::Place;
pub use places::{ByKey, Places};
pub use rejection::{PlainText, Reject, Rejection};
pub use service::{GateFuture, GateService};
