//! The jams: which user sits where, what all members of a jam are told, and the seats that are
//! held.
//!
//! A lobby chooses the jam and gives each member a seat; the seat's number is the member's loop, so
//! no two members of a jam have one loop. A [`Member`] owns its seat. The tabs of a user in one jam
//! share a member, so a user counts once; the last one that lets go ends it.
//!
//! Nothing here waits: what a tab is told goes into its [`Outbox`].

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use axum::extract::ws::Utf8Bytes;
use headcount::{
    Holds, JoinError, KeyedGate, Lobby, OwnedKeyedPermit, OwnedSeat, RoomId, Tally, Ticket,
};
use phoenix_frame::encode;
use serde_json::{json, Map, Value};
use tokio::sync::Notify;

use crate::args::Args;
use crate::outbox::Outbox;
use crate::user::UserId;

/// The number of seats of a jam, and of loops.
pub const SEATS: usize = 7;

/// The loop of each seat.
pub const LOOPS: [&str; SEATS] = ["kick", "hats", "claps", "bass", "chords", "arpeggio", "lead"];

/// The prefix of a jam's topic.
const PREFIX: &str = "jams:";

/// Returns the topic of a jam.
pub(crate) fn topic_of(id: RoomId) -> String {
    format!("{PREFIX}{id}")
}

/// Returns the jam of a topic, if it is one.
pub(crate) fn jam_of(topic: &str) -> Option<RoomId> {
    topic.strip_prefix(PREFIX)?.parse().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What the locks below protect is changed in steps that do not panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What all members of one jam share: the state of its room.
#[derive(Debug, Default)]
pub(crate) struct Jam {
    presence: Mutex<Presence>,
}

#[derive(Debug, Default)]
struct Presence {
    /// What is known of the member on each seat.
    members: BTreeMap<u32, Meta>,
    tabs: Vec<Tab>,
}

#[derive(Debug, Clone)]
struct Meta {
    user: UserId,
    seat: u32,
    playing: bool,
    /// Whether the connection broke, so that the seat is held.
    away: bool,
    /// The reference of this version of the meta, and of the one before.
    reference: u64,
    before: Option<u64>,
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

impl Meta {
    fn json(&self) -> Value {
        let mut meta = json!({
            "phx_ref": format!("{:x}", self.reference),
            "user_id": self.user.to_string(),
            "loop_name": LOOPS[self.seat as usize],
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

/// Returns the metas, by user.
fn by_user<'a>(metas: impl IntoIterator<Item = &'a Meta>) -> Value {
    let mut users = Map::new();
    for meta in metas {
        let user = users.entry(meta.user.to_string()).or_insert_with(|| json!({ "metas": [] }));
        if let Some(list) = user["metas"].as_array_mut() {
            list.push(meta.json());
        }
    }
    users.into()
}

impl Presence {
    /// Tells all tabs but those of one user.
    fn tell(&self, but: Option<UserId>, topic: &str, event: &str, payload: &Value) {
        let text = Utf8Bytes::from(encode(None, None, topic, event, payload));
        for tab in self.tabs.iter().filter(|tab| Some(tab.user) != but) {
            tab.outbox.send(text.clone());
        }
    }

    fn tell_change(&self, topic: &str, joins: Option<&Meta>, leaves: Option<&Meta>) {
        let diff = json!({ "joins": by_user(joins), "leaves": by_user(leaves) });
        self.tell(None, topic, "presence_diff", &diff);
    }
}

/// One user in one jam. Its last owner's drop tells the others and frees the seat.
#[derive(Debug)]
pub(crate) struct Member {
    jams: Weak<Jams>,
    user: UserId,
    id: RoomId,
    seat: OwnedSeat<Jam>,
    /// The ticket under which the member is held while its connection is broken.
    held: Mutex<Option<Ticket>>,
}

impl Member {
    fn presence(&self) -> MutexGuard<'_, Presence> {
        lock(&self.seat.state().presence)
    }

    /// Adds a tab: it gets the reply to its join, and then the state of the jam.
    fn attach(&self, tab: Tab, reply: String) {
        let topic = topic_of(self.id);
        let mut presence = self.presence();
        tab.outbox.send(reply.into());
        let state = by_user(presence.members.values());
        let join_ref = tab.join_ref.as_deref();
        tab.outbox.send(encode(join_ref, None, &topic, "presence_state", &state).into());
        presence.tabs.push(tab);
        drop(presence);
        self.change(|meta| std::mem::take(&mut meta.away));
    }

    /// Removes the tab of a socket.
    pub(crate) fn detach(&self, socket: u64) {
        self.presence().tabs.retain(|tab| tab.socket != socket);
    }

    /// Changes what is known of the member, and tells all tabs if `f` returns true.
    fn change(&self, f: impl FnOnce(&mut Meta) -> bool) {
        let Some(jams) = self.jams.upgrade() else { return };
        let mut presence = self.presence();
        let Some(meta) = presence.members.get_mut(&self.seat.number()) else { return };
        let old = meta.clone();
        if !f(meta) {
            return;
        }
        meta.before = Some(old.reference);
        meta.reference = jams.next_reference();
        let new = meta.clone();
        presence.tell_change(&topic_of(self.id), Some(&new), Some(&old));
    }

    /// Tells the others that the member's loop started, stopped or did something else.
    pub(crate) fn play(&self, event: &str) {
        let playing = match event {
            "loop:played" => Some(true),
            "loop:stopped" => Some(false),
            _ => None,
        };
        if let Some(playing) = playing {
            self.change(|meta| std::mem::replace(&mut meta.playing, playing) != playing);
        }
        // The payload of the client is not passed on: its user id could be another's.
        let payload = json!({ "user_id": self.user.to_string() });
        self.presence().tell(Some(self.user), &topic_of(self.id), event, &payload);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(jams) = self.jams.upgrade() {
            jams.forget(self);
        }
        let mut presence = self.presence();
        if let Some(meta) = presence.members.remove(&self.seat.number()) {
            presence.tell_change(&topic_of(self.id), None, Some(&meta));
        }
        // The seat is dropped after this, so its number is given again only then.
    }
}

/// A member of a user, while it lives, with its jam.
type WeakMember = (RoomId, Weak<Member>);

/// Returns the living member of that jam. Upgrades no other: the last owner of a member must not
/// drop it under the lock of the list.
fn living(list: &[WeakMember], id: RoomId) -> Option<Arc<Member>> {
    list.iter().filter(|(jam, _)| *jam == id).find_map(|(_, member)| member.upgrade())
}

/// A place that waits for its owner.
#[derive(Debug)]
enum Held {
    /// A seat for a page that was served, or for a client that was refused elsewhere.
    Seat(OwnedSeat<Jam>, Option<OwnedKeyedPermit<IpAddr>>),
    /// A member whose connection broke. Only kept: the member is found by its user.
    Member(#[allow(dead_code)] Arc<Member>),
}

/// What happened, counted.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Joins that were accepted.
    pub(crate) joined: Tally,
    /// Joins that claimed the seat of a ticket.
    pub(crate) claimed: Tally,
    /// Joins of a user that was a member already: another tab, or a reconnection.
    pub(crate) rejoined: Tally,
    /// Joins that were refused.
    pub(crate) refused: Tally,
    /// Refused joins that were told of a held seat elsewhere.
    pub(crate) redirected: Tally,
    /// Held places that were given up at their deadline.
    pub(crate) expired: Tally,
}

impl Default for Counters {
    fn default() -> Counters {
        let [joined, claimed, rejoined, refused, redirected, expired] =
            [const { Tally::new(0) }; 6];
        Counters { joined, claimed, rejoined, refused, redirected, expired }
    }
}

/// The answer to a join.
#[derive(Debug)]
pub(crate) enum Joined {
    /// The user is a member; the tab was told so.
    Member(Arc<Member>),
    /// The jam does not admit. There may be a seat held in another one.
    Refused(Option<(RoomId, Ticket)>),
}

/// All jams.
#[derive(Debug)]
pub(crate) struct Jams {
    lobby: Arc<Lobby<Jam>>,
    holds: Holds<Held>,
    /// The living members of each user.
    members: Mutex<HashMap<UserId, Vec<WeakMember>>>,
    /// The pages of each address that have a seat held.
    pages: Arc<KeyedGate<IpAddr>>,
    args: Args,
    references: AtomicU64,
    /// Notified when something was put into `holds`.
    put: Notify,
    /// What happened.
    pub(crate) counters: Counters,
}

impl Jams {
    /// Creates jams that open as users come.
    pub(crate) fn new(args: &Args) -> Arc<Jams> {
        let lobby = Lobby::builder(SEATS as u32).max_rooms(args.jams);
        let pages = args.sockets_of_address;
        Arc::new(Jams {
            lobby: Arc::new(lobby.build_with(|_| Jam::default())),
            holds: Holds::new(args.page_hold),
            members: Mutex::default(),
            pages: Arc::new(KeyedGate::new(move |_: &IpAddr| pages)),
            args: args.clone(),
            references: AtomicU64::new(1),
            put: Notify::new(),
            counters: Counters::default(),
        })
    }

    fn next_reference(&self) -> u64 {
        self.references.fetch_add(1, Ordering::Relaxed)
    }

    fn put(&self, held: Held, ttl: std::time::Duration) -> Ticket {
        let ticket = self.holds.put_for(held, ttl);
        self.put.notify_one();
        ticket
    }

    /// Gives up what is due, for as long as it is polled.
    pub(crate) async fn expire(&self) {
        loop {
            let put = self.put.notified();
            match self.holds.next_deadline() {
                None => put.await,
                Some(deadline) => tokio::select! {
                    () = put => {}
                    () = tokio::time::sleep_until(deadline.into()) => {
                        self.counters.expired.add(self.holds.expire() as u64);
                    }
                },
            }
        }
    }

    /// Takes a seat in the jam that fills. No client is refused while a hold is due.
    fn seat_anywhere(&self) -> Result<OwnedSeat<Jam>, JoinError> {
        self.holds.or_expire(|| Arc::clone(&self.lobby).join_owned())
    }

    /// Returns the jam to show on a page, and the ticket of a seat that is held there for it.
    pub(crate) fn page(&self, user: UserId, address: IpAddr) -> (RoomId, Option<Ticket>) {
        if let Some(id) = self.jam_of_member(user) {
            return (id, None);
        }
        let seat = Arc::clone(&self.pages)
            .try_acquire_owned(address)
            .ok()
            .and_then(|permit| Some((self.seat_anywhere().ok()?, permit)));
        match seat {
            Some((seat, permit)) => {
                let id = seat.room_id();
                (id, Some(self.put(Held::Seat(seat, Some(permit)), self.args.page_hold)))
            }
            None => (self.lobby.filling(), None),
        }
    }

    /// Returns the jam that the user became a member of last, if it is one still.
    fn jam_of_member(&self, user: UserId) -> Option<RoomId> {
        let members = lock(&self.members);
        let mut living = members.get(&user)?.iter().filter(|(_, member)| member.strong_count() > 0);
        living.next_back().map(|(id, _)| *id)
    }

    /// Returns the user's member in that jam.
    fn member(&self, user: UserId, id: RoomId) -> Option<Arc<Member>> {
        living(lock(&self.members).get(&user)?, id)
    }

    /// Makes a member of a user on that seat, unless the user has become one by another tab.
    fn seated(self: &Arc<Self>, user: UserId, seat: OwnedSeat<Jam>) -> Arc<Member> {
        let (id, number) = (seat.room_id(), seat.number());
        let member = Member { jams: Arc::downgrade(self), user, id, seat, held: Mutex::default() };
        let member = Arc::new(member);
        let mut members = lock(&self.members);
        let list = members.entry(user).or_default();
        let known = living(list, id);
        if let Some(known) = known {
            drop(members);
            return known;
        }
        list.push((id, Arc::downgrade(&member)));
        drop(members);
        let meta = Meta {
            user,
            seat: number,
            playing: false,
            away: false,
            reference: self.next_reference(),
            before: None,
        };
        let mut presence = member.presence();
        presence.tell_change(&topic_of(id), Some(&meta), None);
        presence.members.insert(number, meta);
        drop(presence);
        member
    }

    /// Removes a member that ends from the list of its user.
    fn forget(&self, member: &Member) {
        let mut members = lock(&self.members);
        if let Some(list) = members.get_mut(&member.user) {
            list.retain(|(_, other)| !std::ptr::eq(other.as_ptr(), member));
            if list.is_empty() {
                members.remove(&member.user);
            }
        }
    }

    /// Lets a user into a jam: as the member it is, on the seat of the ticket, or on a free one.
    fn enter(self: &Arc<Self>, user: UserId, id: RoomId, ticket: Option<Ticket>) -> Joined {
        let held = ticket.and_then(|ticket| self.holds.claim(ticket).ok());
        if let Some(member) = self.member(user, id) {
            self.end_hold(&member);
            self.counters.rejoined.increment();
            return Joined::Member(member);
        }
        match held {
            // The permit of the page ends here.
            Some(Held::Seat(seat, _permit)) if seat.room_id() == id => {
                self.counters.claimed.increment();
                return Joined::Member(self.seated(user, seat));
            }
            // A ticket for another jam, or of a member: worth nothing here, and given up.
            other => drop(other),
        }
        match self.holds.or_expire(|| Arc::clone(&self.lobby).join_room_owned(id)) {
            Ok(seat) => Joined::Member(self.seated(user, seat)),
            Err(_) => {
                self.counters.refused.increment();
                let elsewhere = self.seat_anywhere().ok().map(|seat| {
                    self.counters.redirected.increment();
                    let id = seat.room_id();
                    (id, self.put(Held::Seat(seat, None), self.args.page_hold))
                });
                Joined::Refused(elsewhere)
            }
        }
    }

    /// Lets a user into a jam, and tells the tab so with a reply that `reply` makes.
    pub(crate) fn join(
        self: &Arc<Self>,
        tab: Tab,
        id: RoomId,
        ticket: Option<Ticket>,
        reply: impl FnOnce() -> String,
    ) -> Joined {
        let joined = self.enter(tab.user, id, ticket);
        if let Joined::Member(member) = &joined {
            self.counters.joined.increment();
            member.attach(tab, reply());
        }
        joined
    }

    /// Ends the hold on a member, which stays a member for as long as a tab has it.
    pub(crate) fn end_hold(&self, member: &Member) {
        let ticket = lock(&member.held).take();
        if let Some(ticket) = ticket {
            drop(self.holds.claim(ticket));
        }
    }

    /// Keeps a member whose connection broke until its client may be back, unless another tab of
    /// the user has it too.
    pub(crate) fn hold(&self, member: Arc<Member>) {
        if member.presence().tabs.iter().any(|tab| tab.user == member.user) {
            return;
        }
        member.change(|meta| !std::mem::replace(&mut meta.away, true));
        let ticket = self.put(Held::Member(Arc::clone(&member)), self.args.reconnect_hold);
        let before = lock(&member.held).replace(ticket);
        if let Some(before) = before {
            drop(self.holds.claim(before));
        }
    }

    /// Returns the state of all jams for `/state`.
    pub(crate) fn state(&self) -> Value {
        let stats = self.lobby.stats();
        let jams: Vec<Value> = self
            .lobby
            .rooms()
            .take(100)
            .map(|jam| json!({ "topic": topic_of(jam.id), "members": jam.members, "seats": jam.seats }))
            .collect();
        json!({
            "rooms": stats.rooms,
            "members": stats.members,
            "held": self.holds.len(),
            "joined": self.counters.joined.get(),
            "refused": self.counters.refused.get(),
            "redirected": self.counters.redirected.get(),
            "jams": jams,
        })
    }

    /// Returns what `/metrics` shows: names, types, texts and values.
    pub(crate) fn metrics(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
        let (stats, counters) = (self.lobby.stats(), &self.counters);
        vec![
            ("jam_rooms", "gauge", "Jams that are open.", stats.rooms as u64),
            (
                "jam_members",
                "gauge",
                "Seats that are taken, held ones included.",
                stats.members as u64,
            ),
            ("jam_full_rooms", "gauge", "Jams without a free seat.", stats.full as u64),
            ("jam_held", "gauge", "Seats and members that are held.", self.holds.len() as u64),
            ("jam_joined_total", "counter", "Joins that were accepted.", counters.joined.get()),
            ("jam_claimed_total", "counter", "Joins on a held seat.", counters.claimed.get()),
            ("jam_rejoined_total", "counter", "Joins of a member.", counters.rejoined.get()),
            ("jam_refused_total", "counter", "Joins that were refused.", counters.refused.get()),
            (
                "jam_redirected_total",
                "counter",
                "Refusals with a held seat elsewhere.",
                counters.redirected.get(),
            ),
            (
                "jam_expired_total",
                "counter",
                "Holds that reached their deadline.",
                counters.expired.get(),
            ),
        ]
    }
}
