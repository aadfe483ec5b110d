//! The jams: which user sits where, and the seats that are held.
//!
//! A lobby chooses the jam and gives each member a seat; the seat's number is the member's loop, so
//! no two members of a jam have one loop. A [`Member`] owns its seat. The tabs of a user in one jam
//! share a member, so a user counts once; the last one that lets go ends it.

use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use headcount::{Holds, KeyedGate, KeyedPermit, OwnedKeyedPermit, Tally, Ticket};
use serde_json::{json, Value};
use tokio::sync::Notify;

use crate::args::Args;
use crate::hall::{Entered, Hall, Seat};
use crate::jam::{lock, Jam, Meta, Tab, PREFIX};
use crate::user::UserId;

/// One user in one jam. Its last owner's drop tells the others and frees the seat.
#[derive(Debug)]
pub(crate) struct Member {
    jams: Weak<Jams>,
    user: UserId,
    /// `None` once it is dropped.
    seat: Option<Seat>,
    /// The number of its entry in the jam.
    entry: u64,
    /// Whether the user may come back to a seat that the engine keeps.
    broken: AtomicBool,
    /// The ticket under which the member is held while its connection is broken.
    held: Mutex<Option<Ticket>>,
}

impl Member {
    fn seat(&self) -> &Seat {
        self.seat.as_ref().expect("it is taken by the drop alone")
    }

    fn jam(&self) -> &Jam {
        self.seat().jam()
    }

    /// Removes the tab of a socket.
    pub(crate) fn detach(&self, socket: u64) {
        self.jam().detach(socket);
    }

    fn set_away(&self, away: bool) {
        self.update(|meta| std::mem::replace(&mut meta.away, away) != away);
    }

    /// Changes what is known of the member, and tells all tabs if `f` returns true.
    fn update(&self, f: impl FnOnce(&mut Meta) -> bool) {
        if let Some(jams) = self.jams.upgrade() {
            self.jam().update(self.seat().number(), self.entry, || jams.next_reference(), f);
        }
    }

    /// Tells the others that the member's loop started, stopped or did something else.
    pub(crate) fn play(&self, event: &str) {
        // A member whose seat is lost plays no more.
        if !self.jam().has(self.seat().number(), self.entry) {
            return;
        }
        let playing = match event {
            "loop:played" => Some(true),
            "loop:stopped" => Some(false),
            _ => None,
        };
        if let Some(playing) = playing {
            self.update(|meta| std::mem::replace(&mut meta.playing, playing) != playing);
        }
        self.jam().tell_event(self.user, event);
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(jams) = self.jams.upgrade() {
            jams.forget(self);
        }
        let Some(seat) = self.seat.take() else { return };
        seat.jam().leave(seat.number(), self.entry);
        // The seat is given up after that, so its number is given again only then.
        if *self.broken.get_mut() {
            seat.detach();
        }
    }
}

/// A member of a user, while it lives, with its topic.
type WeakMember = (String, Weak<Member>);

/// Returns the living member of that jam. Upgrades no other: the last owner of a member must not
/// drop it under the lock of the list.
fn living(list: &[WeakMember], topic: &str) -> Option<Arc<Member>> {
    list.iter().filter(|(of, _)| of == topic).find_map(|(_, member)| member.upgrade())
}

/// A place that waits for its owner.
#[derive(Debug)]
enum Held {
    /// A seat for a page that was served, or for a client that was refused elsewhere.
    Seat(Seat, Option<OwnedKeyedPermit<IpAddr>>),
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
    /// The jam does not admit, and there is a seat in the jam of that topic; it is claimed with the
    /// ticket, or found by the user.
    Elsewhere(String, Option<Ticket>),
    /// No jam admits.
    Refused,
}

/// All jams.
#[derive(Debug)]
pub(crate) struct Jams {
    hall: Hall,
    holds: Holds<Held>,
    /// The living members of each user.
    members: Mutex<HashMap<UserId, Vec<WeakMember>>>,
    /// The turns of each user: its tabs take a seat one after the other.
    turns: Arc<KeyedGate<UserId>>,
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
    pub(crate) async fn open(args: &Args) -> io::Result<Arc<Jams>> {
        let pages = args.sockets_of_address;
        Ok(Arc::new(Jams {
            hall: Hall::open(args).await?,
            holds: Holds::new(args.page_hold),
            members: Mutex::default(),
            turns: Arc::new(KeyedGate::new(|_: &UserId| 1)),
            pages: Arc::new(KeyedGate::new(move |_: &IpAddr| pages)),
            args: args.clone(),
            // References of several processes must differ.
            references: AtomicU64::new(rand_reference()),
            put: Notify::new(),
            counters: Counters::default(),
        }))
    }

    /// Returns the key that proves users.
    pub(crate) async fn key(&self) -> io::Result<[u8; 32]> {
        self.hall.key().await
    }

    fn next_reference(&self) -> u64 {
        self.references.fetch_add(1, Ordering::Relaxed)
    }

    fn put(&self, held: Held, ttl: Duration) -> Ticket {
        let ticket = self.holds.put_for(held, ttl);
        self.put.notify_one();
        ticket
    }

    /// Does what must be done meanwhile, for as long as it is polled: gives up what is due, tells
    /// other processes and hears them, and ends members whose seat is lost.
    pub(crate) async fn run(&self) {
        tokio::join!(self.expire(), self.hall.run(), self.end_lost());
    }

    async fn expire(&self) {
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

    async fn end_lost(&self) {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let members: Vec<Arc<Member>> = {
                let members = lock(&self.members);
                members.values().flatten().filter_map(|(_, member)| member.upgrade()).collect()
            };
            for member in members.iter().filter(|member| member.seat().is_lost()) {
                // Its sockets may stay, with other topics or to join this one again.
                self.forget(member);
                member.jam().end(member.user);
                member.jam().leave(member.seat().number(), member.entry);
            }
        }
    }

    /// Waits until no other tab of the user takes a seat: two that came at once would else both
    /// take one.
    async fn turn(&self, user: UserId) -> KeyedPermit<'_, UserId> {
        self.turns.acquire(user).await.expect("turns are never closed")
    }

    /// Takes a seat in the jam that fills. No caller is refused while a hold is due.
    async fn seat_anywhere(&self, user: UserId) -> Option<Seat> {
        match self.hall.join(user).await {
            None if self.holds.expire() > 0 => self.hall.join(user).await,
            seat => seat,
        }
    }

    /// Returns the topic to show on a page, and the ticket of a seat that is held there for it.
    pub(crate) async fn page(&self, user: UserId, address: IpAddr) -> (String, Option<Ticket>) {
        let _turn = self.turn(user).await;
        if let Some(topic) = self.topic_of_member(user) {
            return (topic, None);
        }
        if let Ok(permit) = Arc::clone(&self.pages).try_acquire_owned(address) {
            if let Some(seat) = self.seat_anywhere(user).await {
                let topic = seat.jam().topic().to_owned();
                if let Seat::Remote(..) = seat {
                    // The engine keeps the seat for the user.
                    seat.detach();
                    return (topic, None);
                }
                let held = Held::Seat(seat, Some(permit));
                return (topic, Some(self.put(held, self.args.page_hold)));
            }
        }
        (self.hall.filling().await.unwrap_or_else(|| format!("{PREFIX}0")), None)
    }

    /// Returns the topic of the jam that the user became a member of last, if it is one still.
    fn topic_of_member(&self, user: UserId) -> Option<String> {
        let members = lock(&self.members);
        let mut living = members.get(&user)?.iter().filter(|(_, member)| member.strong_count() > 0);
        living.next_back().map(|(topic, _)| topic.clone())
    }

    /// Returns the user's member in that jam.
    fn member(&self, user: UserId, topic: &str) -> Option<Arc<Member>> {
        living(lock(&self.members).get(&user)?, topic)
    }

    /// Makes a member of a user on that seat. The caller has the user's turn.
    fn seated(self: &Arc<Self>, user: UserId, seat: Seat) -> Arc<Member> {
        let (topic, number) = (seat.jam().topic().to_owned(), seat.number());
        let entry = self.next_reference();
        let member = Arc::new(Member {
            jams: Arc::downgrade(self),
            user,
            seat: Some(seat),
            entry,
            broken: AtomicBool::new(false),
            held: Mutex::default(),
        });
        let listed = (topic, Arc::downgrade(&member));
        lock(&self.members).entry(user).or_default().push(listed);
        member.jam().enter(Meta {
            user,
            seat: number,
            entry,
            playing: false,
            away: false,
            reference: entry,
            before: None,
        });
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
    async fn enter(self: &Arc<Self>, user: UserId, id: &str, ticket: Option<Ticket>) -> Joined {
        let _turn = self.turn(user).await;
        let topic = format!("{PREFIX}{id}");
        let held = ticket.and_then(|ticket| self.holds.claim(ticket).ok());
        if let Some(member) = self.member(user, &topic) {
            self.end_hold(&member);
            self.counters.rejoined.increment();
            return Joined::Member(member);
        }
        match held {
            // The permit of the page ends here.
            Some(Held::Seat(seat, _permit)) if seat.jam().topic() == topic => {
                self.counters.claimed.increment();
                return Joined::Member(self.seated(user, seat));
            }
            // A ticket for another jam, or of a member: worth nothing here, and given up.
            other => drop(other),
        }
        let entered = match self.hall.join_jam(user, id).await {
            Entered::Refused if self.holds.expire() > 0 => self.hall.join_jam(user, id).await,
            entered => entered,
        };
        let elsewhere = match entered {
            Entered::Seated(seat) => return Joined::Member(self.seated(user, seat)),
            Entered::SeatElsewhere(topic) => Joined::Elsewhere(topic, None),
            Entered::Refused => match self.seat_anywhere(user).await {
                None => Joined::Refused,
                Some(seat) => {
                    let topic = seat.jam().topic().to_owned();
                    let ticket = self.put(Held::Seat(seat, None), self.args.page_hold);
                    Joined::Elsewhere(topic, Some(ticket))
                }
            },
        };
        self.counters.refused.increment();
        if let Joined::Elsewhere(..) = elsewhere {
            self.counters.redirected.increment();
        }
        elsewhere
    }

    /// Returns whether that text can be the id of a jam.
    pub(crate) fn knows(&self, id: &str) -> bool {
        self.hall.knows(id)
    }

    /// Lets a user into a jam, and tells the tab so with a reply that `reply` makes.
    pub(crate) async fn join(
        self: &Arc<Self>,
        tab: Tab,
        id: &str,
        ticket: Option<Ticket>,
        reply: impl FnOnce() -> String,
    ) -> Joined {
        let joined = self.enter(tab.user, id, ticket).await;
        if let Joined::Member(member) = &joined {
            self.counters.joined.increment();
            member.jam().attach(tab, reply());
            member.set_away(false);
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
        if member.jam().has_tab(member.user) {
            return;
        }
        if let Seat::Remote(..) = member.seat() {
            // The engine keeps the seat, so that the client can come back to another process.
            member.broken.store(true, Ordering::Relaxed);
            return;
        }
        member.set_away(true);
        let ticket = self.put(Held::Member(Arc::clone(&member)), self.args.reconnect_hold);
        let before = lock(&member.held).replace(ticket);
        if let Some(before) = before {
            drop(self.holds.claim(before));
        }
    }

    /// Returns the state of all jams for `/state`.
    pub(crate) async fn state(&self) -> Value {
        let (rooms, members, _) = self.hall.stats().await;
        json!({
            "rooms": rooms,
            "members": members,
            "held": self.holds.len(),
            "joined": self.counters.joined.get(),
            "refused": self.counters.refused.get(),
            "redirected": self.counters.redirected.get(),
        })
    }

    /// Returns what `/metrics` shows: names, types, texts and values.
    pub(crate) async fn metrics(&self) -> Vec<(&'static str, &'static str, &'static str, u64)> {
        let ((rooms, members, full), counters) = (self.hall.stats().await, &self.counters);
        let count = |n: usize| n as u64;
        vec![
            ("jam_rooms", "gauge", "Jams that are open.", count(rooms)),
            ("jam_members", "gauge", "Seats that are taken, held ones included.", count(members)),
            ("jam_full_rooms", "gauge", "Jams without a free seat.", count(full)),
            ("jam_held", "gauge", "Seats and members held here.", count(self.holds.len())),
            ("jam_joined_total", "counter", "Joins that were accepted.", counters.joined.get()),
            ("jam_claimed_total", "counter", "Joins on a held seat.", counters.claimed.get()),
            ("jam_rejoined_total", "counter", "Joins of a member.", counters.rejoined.get()),
            ("jam_refused_total", "counter", "Joins that were refused.", counters.refused.get()),
            (
                "jam_redirected_total",
                "counter",
                "Refusals with a seat elsewhere.",
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

fn rand_reference() -> u64 {
    let mut bytes = [0; 8];
    getrandom::fill(&mut bytes).expect("the operating system has random bytes");
    // Half of the range is left to count.
    u64::from_le_bytes(bytes) >> 1
}
