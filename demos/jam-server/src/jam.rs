//! One jam: who sits where, and what its members are told.
//!
//! Nothing here waits: what a tab is told goes into its [`Outbox`].

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use phoenix_frame::encode;
use serde_json::{json, Map, Value};

use crate::outbox::Outbox;
use crate::relay::Relay;
use crate::user::UserId;

/// The number of seats of a jam, and of loops.
pub const SEATS: usize = 7;

/// The loop of each seat.
pub const LOOPS: [&str; SEATS] = ["kick", "hats", "claps", "bass", "chords", "arpeggio", "lead"];

/// The prefix of a jam's topic; after it stands the room's id.
pub(crate) const PREFIX: &str = "jams:";

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks of this program protect is changed in steps that do not panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is known of the member on a seat.
#[derive(Debug, Clone)]
pub(crate) struct Meta {
    pub(crate) user: UserId,
    pub(crate) seat: u32,
    /// The number of the member's entry: it tells the member from an earlier one on this seat.
    pub(crate) entry: u64,
    pub(crate) playing: bool,
    /// Whether the connection broke, so that the seat is held.
    pub(crate) away: bool,
    /// The reference of this version of the meta, and of the one before.
    pub(crate) reference: u64,
    pub(crate) before: Option<u64>,
}

impl Meta {
    /// Returns the meta as clients get it.
    pub(crate) fn json(&self) -> Value {
        let mut meta = json!({
            "phx_ref": format!("{:x}", self.reference),
            "user_id": self.user.to_string(),
            "loop_name": LOOPS.get(self.seat as usize),
            "seat": self.seat,
            "playing": self.playing,
            "away": self.away,
        });
        if let Some(before) = self.before {
            meta["phx_ref_prev"] = format!("{before:x}").into();
        }
        meta
    }
}

/// One topic that a socket has joined.
#[derive(Debug, Clone)]
pub(crate) struct Tab {
    /// The number of the socket.
    pub(crate) socket: u64,
    /// The user of the socket.
    pub(crate) user: UserId,
    /// The ref of the join.
    pub(crate) join_ref: Option<String>,
    /// Where messages to the socket go.
    pub(crate) outbox: Outbox,
}

/// What all members of one jam share.
#[derive(Debug)]
pub(crate) struct Jam {
    topic: String,
    presence: Mutex<Presence>,
    /// The other processes, if there are any.
    relay: Option<Relay>,
}

#[derive(Debug, Default)]
struct Presence {
    /// The members of this process, by seat.
    members: BTreeMap<u32, Meta>,
    /// The members of each other process, by seat, as clients get them.
    others: HashMap<String, BTreeMap<u64, Value>>,
    tabs: Vec<Tab>,
}

/// Returns metas as the protocol has them, by user.
fn by_user(metas: impl IntoIterator<Item = Value>) -> Value {
    let mut users = Map::new();
    for meta in metas {
        let user = meta["user_id"].as_str().unwrap_or_default().to_owned();
        let user = users.entry(user).or_insert_with(|| json!({ "metas": [] }));
        if let Some(list) = user["metas"].as_array_mut() {
            list.push(meta);
        }
    }
    users.into()
}

/// Returns the metas by seat. A meta without a seat is none.
fn by_seat(metas: &Value) -> BTreeMap<u64, Value> {
    let metas = metas.as_array().into_iter().flatten();
    metas.filter_map(|meta| Some((meta["seat"].as_u64()?, meta.clone()))).collect()
}

impl Presence {
    fn has(&self, seat: u32, entry: u64) -> bool {
        self.members.get(&seat).is_some_and(|meta| meta.entry == entry)
    }

    /// Tells all tabs but those of one user.
    fn tell(&self, but: Option<UserId>, topic: &str, event: &str, payload: &Value) {
        let text = Utf8Bytes::from(encode(None, None, topic, event, payload));
        for tab in self.tabs.iter().filter(|tab| Some(tab.user) != but) {
            tab.outbox.send(text.clone());
        }
    }

    fn tell_diff(&self, topic: &str, joins: Vec<Value>, leaves: Vec<Value>) {
        if !joins.is_empty() || !leaves.is_empty() {
            let diff = json!({ "joins": by_user(joins), "leaves": by_user(leaves) });
            self.tell(None, topic, "presence_diff", &diff);
        }
    }

    /// Puts the members of another process in place, and tells the difference.
    fn put_others(&mut self, topic: &str, node: &str, new: BTreeMap<u64, Value>) {
        let old = self.others.remove(node).unwrap_or_default();
        let gone = |from: &BTreeMap<u64, Value>, to: &BTreeMap<u64, Value>| -> Vec<Value> {
            from.iter()
                .filter(|(seat, meta)| to.get(seat) != Some(meta))
                .map(|(_, meta)| meta.clone())
                .collect()
        };
        self.tell_diff(topic, gone(&new, &old), gone(&old, &new));
        if !new.is_empty() {
            self.others.insert(node.to_owned(), new);
        }
    }
}

impl Jam {
    pub(crate) fn new(topic: String, relay: Option<Relay>) -> Jam {
        Jam { topic, presence: Mutex::default(), relay }
    }

    pub(crate) fn topic(&self) -> &str {
        &self.topic
    }

    /// Adds a tab: it gets the reply to its join, and then the state of the jam.
    pub(crate) fn attach(&self, tab: Tab, reply: String) {
        let mut presence = lock(&self.presence);
        tab.outbox.send(reply.into());
        let others = presence.others.values().flat_map(BTreeMap::values).cloned();
        let state = by_user(presence.members.values().map(Meta::json).chain(others));
        let join_ref = tab.join_ref.as_deref();
        tab.outbox.send(encode(join_ref, None, &self.topic, "presence_state", &state).into());
        presence.tabs.push(tab);
    }

    /// Removes the tab of a socket.
    pub(crate) fn detach(&self, socket: u64) {
        lock(&self.presence).tabs.retain(|tab| tab.socket != socket);
    }

    /// Returns whether a tab of that user is there.
    pub(crate) fn has_tab(&self, user: UserId) -> bool {
        lock(&self.presence).tabs.iter().any(|tab| tab.user == user)
    }

    /// Tells the tabs of a user that its seat has gone to another process: their channel is closed.
    pub(crate) fn end(&self, user: UserId) {
        let mut presence = lock(&self.presence);
        for tab in presence.tabs.iter().filter(|tab| tab.user == user) {
            let join_ref = tab.join_ref.as_deref();
            tab.outbox
                .send(encode(join_ref, join_ref, &self.topic, "phx_close", &json!({})).into());
        }
        presence.tabs.retain(|tab| tab.user != user);
    }

    /// Puts a member on its seat.
    pub(crate) fn enter(&self, meta: Meta) {
        let mut presence = lock(&self.presence);
        self.change(&presence, vec![meta.json()], Vec::new());
        presence.members.insert(meta.seat, meta);
    }

    /// Removes the member of that entry. A later one on the same seat stays.
    pub(crate) fn leave(&self, seat: u32, entry: u64) {
        let mut presence = lock(&self.presence);
        if !presence.has(seat, entry) {
            return;
        }
        if let Some(meta) = presence.members.remove(&seat) {
            self.change(&presence, Vec::new(), vec![meta.json()]);
        }
    }

    /// Returns whether the member of that entry is on the seat.
    pub(crate) fn has(&self, seat: u32, entry: u64) -> bool {
        lock(&self.presence).has(seat, entry)
    }

    /// Changes what is known of the member of that entry, and tells all if `f` returns true.
    pub(crate) fn update(
        &self,
        seat: u32,
        entry: u64,
        reference: impl FnOnce() -> u64,
        f: impl FnOnce(&mut Meta) -> bool,
    ) {
        let mut presence = lock(&self.presence);
        let meta = presence.members.get_mut(&seat).filter(|meta| meta.entry == entry);
        let Some(meta) = meta else { return };
        let old = meta.clone();
        if !f(meta) {
            return;
        }
        meta.before = Some(old.reference);
        meta.reference = reference();
        let new = meta.json();
        self.change(&presence, vec![new], vec![old.json()]);
    }

    /// Tells the tabs here and in other processes of a change.
    fn change(&self, presence: &Presence, joins: Vec<Value>, leaves: Vec<Value>) {
        if let Some(relay) = &self.relay {
            relay.publish(&json!({ "topic": self.topic, "joins": joins, "leaves": leaves }));
        }
        presence.tell_diff(&self.topic, joins, leaves);
    }

    /// Tells all but the user itself of an event of its loop.
    pub(crate) fn tell_event(&self, user: UserId, event: &str) {
        // The payload of the client is not passed on: its user id could be another's.
        let payload = json!({ "user_id": user.to_string() });
        if let Some(relay) = &self.relay {
            relay.publish(&json!({ "topic": self.topic, "event": event, "payload": payload }));
        }
        lock(&self.presence).tell(Some(user), &self.topic, event, &payload);
    }

    /// Returns the members of this process, for the others.
    pub(crate) fn own(&self) -> Vec<Value> {
        lock(&self.presence).members.values().map(Meta::json).collect()
    }

    /// Takes over what another process tells of its members in this jam.
    pub(crate) fn hear(&self, node: &str, message: &Value) {
        let mut presence = lock(&self.presence);
        if let Some(event) = message["event"].as_str() {
            presence.tell(None, &self.topic, event, &message["payload"]);
            return;
        }
        let mut seats = presence.others.get(node).cloned().unwrap_or_default();
        for seat in by_seat(&message["leaves"]).keys() {
            seats.remove(seat);
        }
        seats.extend(by_seat(&message["joins"]));
        presence.put_others(&self.topic, node, seats);
    }

    /// Takes over the whole state of another process in this jam; `Value::Null` if it has none.
    pub(crate) fn hear_state(&self, node: &str, members: &Value) {
        lock(&self.presence).put_others(&self.topic, node, by_seat(members));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Users;

    #[test]
    fn a_member_that_ends_late_leaves_a_newcomer_on_its_seat_alone() {
        let (user, _) = Users::new([1; 32]).create();
        let meta = |entry| Meta {
            user,
            seat: 0,
            entry,
            playing: false,
            away: false,
            reference: entry,
            before: None,
        };
        let play = |meta: &mut Meta| !std::mem::replace(&mut meta.playing, true);
        let jam = Jam::new("jams:1".to_owned(), None);
        jam.enter(meta(1));
        jam.leave(0, 2);
        assert_eq!(jam.own().len(), 1);
        jam.enter(meta(2));
        jam.update(0, 1, || 9, play);
        assert_eq!(jam.own()[0]["playing"], false);
        jam.leave(0, 1);
        assert!(jam.has(0, 2) && !jam.has(0, 1));
        jam.update(0, 2, || 9, play);
        assert_eq!(jam.own()[0]["playing"], true);
        jam.leave(0, 2);
        assert!(jam.own().is_empty());
    }
}
