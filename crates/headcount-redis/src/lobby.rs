//! A lobby that several processes share.

use std::error::Error;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use headcount::{JoinRoomErrorKind, Lobby};
use tokio::time::Instant;

use crate::connection::{check_ttl, Answer, Connection};
use crate::error::{EngineError, RemoteError};
use crate::lease::{Guard, Keeper};
use crate::object::{args, fresh_id, ms, script, Object};

/// The name of a room of a [`RemoteLobby`]. The lobby never gives a name twice.
///
/// # Examples
///
/// ```
/// use headcount_redis::RemoteRoomId;
///
/// let id: RemoteRoomId = "1764211528123456".parse()?;
/// assert_eq!(id.to_string(), "1764211528123456");
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct RemoteRoomId(u64);

impl fmt::Display for RemoteRoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for RemoteRoomId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(RemoteRoomId)
    }
}

/// The facts about a room of a [`RemoteLobby`] at one instant.
///
/// # Examples
///
/// ```no_run
/// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
/// # let seat = lobby.join("ann").await?;
/// let room = lobby.room(seat.room_id()).await?.expect("the seat's room is open");
/// assert!(room.members <= room.seats);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RemoteRoomInfo {
    /// The number of members. Members whose lease has ended count until a call needs their seats.
    pub members: u32,
    /// The number of seats.
    pub seats: u32,
    /// Whether the room is locked.
    pub locked: bool,
}

/// The facts about a [`RemoteLobby`] at one instant.
///
/// # Examples
///
/// ```no_run
/// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
/// println!("{} members", lobby.stats().await?.members);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub struct RemoteLobbyStats {
    /// The number of open rooms. A room whose members' leases have all ended counts until a call
    /// needs their seats.
    pub rooms: u32,
    /// The number of members whose lease has not ended.
    pub members: u32,
    /// The number of open, unlocked rooms with a free seat.
    pub rooms_with_a_free_seat: u32,
}

/// The settings of a [`RemoteLobby`].
///
/// # Examples
///
/// ```no_run
/// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
/// use std::time::Duration;
/// use headcount_redis::RemoteLobby;
///
/// let games = RemoteLobby::builder(5)
///     .quorum(3)
///     .max_rooms(100)
///     .ttl(Duration::from_secs(20))
///     .hold(Duration::from_secs(5))
///     .build(&connection, "games")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteLobbyBuilder {
    seats: u32,
    quorum: u32,
    max_rooms: u32,
    ttl: Duration,
    hold: Duration,
}

impl RemoteLobbyBuilder {
    /// Sets the number of members that a game needs to start; by default one.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = headcount_redis::RemoteLobby::builder(5).quorum(3);
    /// ```
    pub fn quorum(mut self, members: u32) -> Self {
        self.quorum = members;
        self
    }

    /// Sets how many rooms may be open at once; by default any number.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = headcount_redis::RemoteLobby::builder(5).max_rooms(100);
    /// ```
    pub fn max_rooms(mut self, rooms: u32) -> Self {
        self.max_rooms = rooms;
        self
    }

    /// Sets after what time a seat that is not renewed is free; by default 15 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let settings = headcount_redis::RemoteLobby::builder(5).ttl(Duration::from_secs(5));
    /// ```
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// Sets for what time a refusal holds a seat elsewhere; by default 10 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let settings = headcount_redis::RemoteLobby::builder(5).hold(Duration::from_secs(5));
    /// ```
    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Returns the lobby of that name. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`Invalid`](RemoteError::Invalid) if a room has no seat or more than
    /// [`Lobby::MAX_SEATS`](headcount::Lobby::MAX_SEATS), or if a time is below a millisecond or
    /// above a day.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(connection: headcount_redis::Connection) -> Result<(), headcount_redis::RemoteError> {
    /// let jams = headcount_redis::RemoteLobby::builder(7).build(&connection, "jams")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn build(self, connection: &Connection, name: &str) -> Result<RemoteLobby, RemoteError> {
        let RemoteLobbyBuilder { seats, quorum, max_rooms, ttl, hold } = self;
        if seats == 0 || seats > Lobby::<()>::MAX_SEATS {
            return Err(RemoteError::Invalid("no seats, or more than Lobby::MAX_SEATS"));
        }
        let (ttl, hold) = (check_ttl(ttl)?, check_ttl(hold)?);
        let suffixes = ["rooms", "open", "members", "expiries", "state"];
        let object = Object::new(connection, script!("lobby.lua"), "lobby", name, &suffixes);
        let renew = args!["renew", ms(ttl), seats, max_rooms];
        let keeper = Arc::new(Keeper::new(object, ttl, renew, args!["leave"]));
        Ok(RemoteLobby { keeper, seats, quorum, max_rooms, hold })
    }
}

/// Rooms of numbered seats that fill one after the other, shared by several processes.
///
/// Each member has an id that the caller chooses, and at most one seat. A seat ends after the ttl
/// unless it is renewed; it is renewed in the background while a process holds the
/// [`RemoteSeat`]. A member that joins again, on any process, gets its seat again: that is
/// reconnection. The earlier `RemoteSeat` is lost then.
///
/// # Guarantees
///
/// While one primary loses no writes:
///
/// - *never-over*: no room has more members than seats, and at most `max_rooms` rooms are open.
/// - *seat-distinct*: two members of one room never have the same seat.
/// - *no-ghost*: the id of a room that has closed never admits a member again.
/// - *best-fit*: [`join`](Self::join) takes the most populated room with a free seat, and opens a
///   room only if no unlocked room has one. Members whose leases have ended count until they are
///   reaped; each call reaps up to 16, and as many more as it needs before it opens a room or
///   refuses.
/// - *once*: a call that is repeated, because its answer was lost, takes one seat.
///
/// # What is not promised
///
/// As for [`RemoteGate`](crate::RemoteGate#what-is-not-promised).
///
/// # Examples
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use headcount_redis::{Connection, RemoteJoinRoomError, RemoteLobby};
///
/// let connection = Connection::open("redis://127.0.0.1/").await?;
/// let jams = RemoteLobby::builder(7).build(&connection, "jams")?;
/// let first = jams.join("ann").await?;
///
/// // A socket joins the jam that the page load named. That jam may be full by now.
/// match jams.join_room("bob", first.room_id()).await {
///     Ok(seat) => println!("loop {} is yours", seat.number()),
///     Err(RemoteJoinRoomError::Redirected(held)) => {
///         println!("go to jam {}: loop {} is held for you", held.room_id(), held.number());
///         let seat = jams.join("bob").await?; // when bob comes, on whatever process
///     }
///     Err(error) => return Err(error.into()),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RemoteLobby {
    keeper: Arc<Keeper>,
    seats: u32,
    quorum: u32,
    max_rooms: u32,
    hold: Duration,
}

impl RemoteLobby {
    /// Returns the settings of a lobby with rooms of `seats` seats.
    ///
    /// # Examples
    ///
    /// ```
    /// let settings = headcount_redis::RemoteLobby::builder(7);
    /// ```
    pub fn builder(seats: u32) -> RemoteLobbyBuilder {
        RemoteLobbyBuilder {
            seats,
            quorum: 1,
            max_rooms: u32::MAX,
            ttl: Duration::from_secs(15),
            hold: Duration::from_secs(10),
        }
    }

    fn object(&self) -> &Object {
        self.keeper.object()
    }

    /// Seats that member in the filling room, or opens a room. A member that has a seat gets it
    /// again.
    ///
    /// # Errors
    ///
    /// [`Full`](RemoteError::Full) with the time until the first lease ends; or the engine's
    /// failure.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, a seat that the call may have taken is left in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// let seat = lobby.join("ann").await?;
    /// assert_eq!(lobby.join("ann").await?.number(), seat.number());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn join(&self, member: &str) -> Result<RemoteSeat, RemoteError> {
        match self.take(member, None).await? {
            Joined::Seated(seat) => Ok(seat),
            Joined::Refused(ms, _) => Err(RemoteError::full(ms)),
            Joined::Held(_, answer) => Err(answer.unexpected().into()),
        }
    }

    /// Seats that member in that room. If the room does not admit it, a seat in the filling room is
    /// held for it in the same step. A member that has a seat, in whatever room, gets it again.
    ///
    /// # Errors
    ///
    /// [`Redirected`](RemoteJoinRoomError::Redirected) with the seat that is held;
    /// [`Refused`](RemoteJoinRoomError::Refused) if there is no seat elsewhere either; or the
    /// engine's failure.
    ///
    /// # Cancel safety
    ///
    /// As [`join`](Self::join).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), Box<dyn std::error::Error>> {
    /// let ann = lobby.join("ann").await?;
    /// let bob = lobby.join_room("bob", ann.room_id()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn join_room(
        &self,
        member: &str,
        room: RemoteRoomId,
    ) -> Result<RemoteSeat, RemoteJoinRoomError> {
        match self.take(member, Some(room)).await? {
            Joined::Seated(seat) => Ok(seat),
            Joined::Held(held, _) => Err(RemoteJoinRoomError::Redirected(held)),
            Joined::Refused(ms, Some(kind)) => {
                Err(RemoteJoinRoomError::Refused { kind, error: RemoteError::full(ms) })
            }
            Joined::Refused(ms, None) => Err(RemoteError::full(ms).into()),
        }
    }

    async fn take(&self, member: &str, room: Option<RemoteRoomId>) -> Result<Joined, RemoteError> {
        let request = fresh_id()?;
        let mut guard = self.keeper.guard(args![member, &request]);
        let (ttl, hold) = (ms(self.keeper.ttl()), ms(self.hold));
        let mut args =
            args!["join", member, &request, ttl, hold, self.seats, self.max_rooms].to_vec();
        args.extend(room.map(crate::object::arg));
        let answer = self.object().run(&args).await?;
        let code = answer.get(0)?;
        if code == 0 {
            guard.disarm();
            return Ok(Joined::Refused(answer.get(1)?, kind(answer.get(2)?)));
        }
        let facts = Facts {
            room: RemoteRoomId(answer.number(1)?),
            number: answer.number(2)?,
            fence: answer.number(3)?,
            members: answer.number(4)?,
        };
        if let Some(kind) = kind(code) {
            // The seat is held for the member, not by this process.
            guard.disarm();
            let (lobby, member) = (self.clone(), member.into());
            let ends = answer.sent + self.hold;
            let held = HeldSeat { lobby, member, request, facts, kind, ends };
            return Ok(Joined::Held(held, answer));
        }
        if code != 1 {
            return Err(answer.unexpected().into());
        }
        let renew = args![member, facts.fence, facts.room, facts.number, &request];
        guard.keep(answer.sent, renew);
        let seat = RemoteSeat { lobby: self.clone(), member: member.into(), guard, facts };
        if seat.is_lost() {
            return Err(RemoteError::Lost);
        }
        Ok(Joined::Seated(seat))
    }

    /// Returns the room where [`join`](Self::join) would seat a new member, or `None` if it would
    /// open one.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// if let Some(room) = lobby.filling().await? {
    ///     println!("go to {room}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn filling(&self) -> Result<Option<RemoteRoomId>, RemoteError> {
        let answer = self.object().run(&args!["filling"]).await?;
        Ok(match answer.get(0)? {
            0 => None,
            _ => Some(RemoteRoomId(answer.number(1)?)),
        })
    }

    /// Locks that room: it admits no new member. Returns false if the room is not open.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// # let seat = lobby.join("ann").await?;
    /// assert!(lobby.lock(seat.room_id()).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn lock(&self, room: RemoteRoomId) -> Result<bool, RemoteError> {
        Ok(self.object().run(&args!["lock", room, 1]).await?.get(0)? == 1)
    }

    /// Unlocks that room. Returns false if the room is not open.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// # let seat = lobby.join("ann").await?;
    /// assert!(lobby.unlock(seat.room_id()).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn unlock(&self, room: RemoteRoomId) -> Result<bool, RemoteError> {
        Ok(self.object().run(&args!["lock", room, 0]).await?.get(0)? == 1)
    }

    /// Returns the facts about that room, or `None` if it is not open.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// # let seat = lobby.join("ann").await?;
    /// assert!(lobby.room(seat.room_id()).await?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn room(&self, room: RemoteRoomId) -> Result<Option<RemoteRoomInfo>, RemoteError> {
        let answer = self.object().run(&args!["room", room]).await?;
        if answer.get(0)? == 0 {
            return Ok(None);
        }
        let (members, seats) = (answer.number(1)?, answer.number(2)?);
        Ok(Some(RemoteRoomInfo { members, seats, locked: answer.get(3)? == 1 }))
    }

    /// Returns the facts about the lobby.
    ///
    /// # Errors
    ///
    /// The engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
    /// println!("{} rooms", lobby.stats().await?.rooms);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stats(&self) -> Result<RemoteLobbyStats, RemoteError> {
        let answer = self.object().run(&args!["stats"]).await?;
        Ok(RemoteLobbyStats {
            rooms: answer.number(0)?,
            members: answer.number(1)?,
            rooms_with_a_free_seat: answer.number(2)?,
        })
    }
}

impl fmt::Debug for RemoteLobby {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteLobby").field("seats", &self.seats).finish_non_exhaustive()
    }
}

enum Joined {
    Seated(RemoteSeat),
    /// With the answer, for a caller to whom this cannot happen.
    Held(HeldSeat, Answer),
    /// The ms until the first lease ends, and why the room refused.
    Refused(i64, Option<JoinRoomErrorKind>),
}

/// Returns the refusal of that code.
fn kind(code: i64) -> Option<JoinRoomErrorKind> {
    match code {
        3 => Some(JoinRoomErrorKind::Full),
        4 => Some(JoinRoomErrorKind::Locked),
        5 => Some(JoinRoomErrorKind::Gone),
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
struct Facts {
    room: RemoteRoomId,
    number: u32,
    fence: u64,
    members: u32,
}

/// A member's seat in a room of a [`RemoteLobby`].
///
/// While the process holds it, it is renewed in the background. Dropping it leaves the seat in the
/// background; [`leave`](Self::leave) returns once the seat is free; [`detach`](Self::detach) keeps
/// the seat for the member until the ttl is over.
///
/// # Examples
///
/// ```no_run
/// # async fn example(lobby: headcount_redis::RemoteLobby) -> Result<(), headcount_redis::RemoteError> {
/// let seat = lobby.join("ann").await?;
/// println!("seat {} in room {}", seat.number(), seat.room_id());
/// seat.leave().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a seat leaves it"]
pub struct RemoteSeat {
    lobby: RemoteLobby,
    member: String,
    guard: Guard,
    facts: Facts,
}

impl RemoteSeat {
    /// Returns the member's id.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// println!("{}", seat.member());
    /// # }
    /// ```
    pub fn member(&self) -> &str {
        &self.member
    }

    /// Returns the id of the room.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// println!("{}", seat.room_id());
    /// # }
    /// ```
    pub fn room_id(&self) -> RemoteRoomId {
        self.facts.room
    }

    /// Returns the number of the seat: the lowest that was free, from zero on.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// println!("{}", seat.number());
    /// # }
    /// ```
    pub fn number(&self) -> u32 {
        self.facts.number
    }

    /// Returns the number of members when this one joined, with this one.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// assert!(seat.members() >= 1);
    /// # }
    /// ```
    pub fn members(&self) -> u32 {
        self.facts.members
    }

    /// Returns the fence: a number above those of all seats that the lobby gave before.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// println!("{}", seat.fence());
    /// # }
    /// ```
    pub fn fence(&self) -> u64 {
        self.facts.fence
    }

    /// Returns whether the seat is lost: it could not be renewed in time, or the member joined
    /// again elsewhere. Reads the clock; a lost seat stays lost.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// assert!(!seat.is_lost());
    /// # }
    /// ```
    pub fn is_lost(&self) -> bool {
        self.guard.is_lost()
    }

    /// Returns once the seat is lost.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(seat: headcount_redis::RemoteSeat) {
    /// seat.lost().await;
    /// # }
    /// ```
    pub async fn lost(&self) {
        self.guard.lost().await;
    }

    /// Leaves the seat, and returns once the engine has confirmed that. Leaving a lost seat
    /// succeeds, and frees no other's.
    ///
    /// # Errors
    ///
    /// The engine's failure. The seat ends by itself then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the seat is left in the background.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(seat: headcount_redis::RemoteSeat) -> Result<(), headcount_redis::RemoteError> {
    /// seat.leave().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn leave(self) -> Result<(), RemoteError> {
        Ok(self.guard.release().await?)
    }

    /// Stops renewing the seat and does not leave it: the member finds it again if it joins within
    /// the ttl. For a member whose connection broke.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(seat: headcount_redis::RemoteSeat) {
    /// seat.detach();
    /// # }
    /// ```
    pub fn detach(mut self) {
        self.guard.disarm();
    }

    /// Starts the game of this room: if at least as many members as the quorum are inside, locks it
    /// and returns their number.
    ///
    /// # Errors
    ///
    /// [`Quorum`](RemoteStartError::Quorum) if fewer members are inside, and the room is unchanged;
    /// [`Remote`](RemoteStartError::Remote) with [`Lost`](RemoteError::Lost) if the room is not
    /// open any more, or with the engine's failure.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(seat: headcount_redis::RemoteSeat) -> Result<(), headcount_redis::RemoteStartError> {
    /// let players = seat.start().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn start(&self) -> Result<u32, RemoteStartError> {
        let quorum = self.lobby.quorum;
        let answer = self.lobby.object().run(&args!["start", self.facts.room, quorum]).await?;
        match answer.get(0)? {
            0 => Err(RemoteStartError::Quorum { occupied: answer.number(1)?, quorum }),
            1 => Ok(answer.number(1)?),
            _ => Err(RemoteError::Lost.into()),
        }
    }
}

/// A seat that is held for a member whose room did not admit it. It is the member's until the hold
/// ends: the member gets it by joining, on any process. Dropping it changes nothing.
///
/// # Examples
///
/// ```no_run
/// # async fn example(held: headcount_redis::HeldSeat) -> Result<(), headcount_redis::RemoteError> {
/// let seat = held.claim().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct HeldSeat {
    lobby: RemoteLobby,
    member: String,
    request: String,
    facts: Facts,
    kind: JoinRoomErrorKind,
    ends: Instant,
}

impl HeldSeat {
    /// Returns why the room that was asked for did not admit the member.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(held: headcount_redis::HeldSeat) {
    /// println!("{}", held.kind());
    /// # }
    /// ```
    pub fn kind(&self) -> JoinRoomErrorKind {
        self.kind
    }

    /// Returns the id of the room in which the seat is.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(held: headcount_redis::HeldSeat) {
    /// println!("go to {}", held.room_id());
    /// # }
    /// ```
    pub fn room_id(&self) -> RemoteRoomId {
        self.facts.room
    }

    /// Returns the number of the seat.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(held: headcount_redis::HeldSeat) {
    /// println!("seat {}", held.number());
    /// # }
    /// ```
    pub fn number(&self) -> u32 {
        self.facts.number
    }

    /// Returns the time until the hold ends.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn example(held: headcount_redis::HeldSeat) {
    /// println!("be there within {:?}", held.remaining());
    /// # }
    /// ```
    pub fn remaining(&self) -> Duration {
        self.ends.saturating_duration_since(Instant::now())
    }

    /// Claims the seat, as the member's joining does. If the hold has ended and the seat was given
    /// away, the member gets another.
    ///
    /// # Errors
    ///
    /// As [`RemoteLobby::join`].
    ///
    /// # Cancel safety
    ///
    /// As [`RemoteLobby::join`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(held: headcount_redis::HeldSeat) -> Result<(), headcount_redis::RemoteError> {
    /// let seat = held.claim().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn claim(self) -> Result<RemoteSeat, RemoteError> {
        self.lobby.join(&self.member).await
    }

    /// Gives the seat back. If the member has claimed it, nothing changes.
    ///
    /// # Errors
    ///
    /// The engine's failure. The hold ends by itself then.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn example(held: headcount_redis::HeldSeat) -> Result<(), headcount_redis::RemoteError> {
    /// held.decline().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn decline(self) -> Result<(), RemoteError> {
        self.lobby.object().run(&args!["leave", self.member, self.request]).await?;
        Ok(())
    }
}

/// Why [`RemoteLobby::join_room`] did not seat the member in that room.
///
/// # Examples
///
/// ```
/// use headcount::JoinRoomErrorKind;
/// use headcount_redis::{RemoteError, RemoteJoinRoomError};
///
/// let error = RemoteError::Full { retry_after: None };
/// let refused = RemoteJoinRoomError::Refused { kind: JoinRoomErrorKind::Locked, error };
/// assert_eq!(refused.to_string(), "the room is locked, and elsewhere too few places are free");
/// assert_eq!(refused.kind(), Some(JoinRoomErrorKind::Locked));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RemoteJoinRoomError {
    /// The room did not admit the member. A seat elsewhere is held for it.
    Redirected(HeldSeat),
    /// The room did not admit the member, and no seat was free elsewhere.
    Refused {
        /// Why the room did not admit the member.
        kind: JoinRoomErrorKind,
        /// Why there is no other seat, with the time until the first lease ends.
        error: RemoteError,
    },
    /// The engine failed.
    Remote(RemoteError),
}

impl RemoteJoinRoomError {
    /// Returns why the room did not admit the member, or `None` if that is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// use headcount_redis::{RemoteError, RemoteJoinRoomError};
    /// assert_eq!(RemoteJoinRoomError::Remote(RemoteError::Lost).kind(), None);
    /// ```
    pub fn kind(&self) -> Option<JoinRoomErrorKind> {
        match self {
            RemoteJoinRoomError::Redirected(held) => Some(held.kind),
            RemoteJoinRoomError::Refused { kind, .. } => Some(*kind),
            RemoteJoinRoomError::Remote(_) => None,
        }
    }
}

impl From<EngineError> for RemoteJoinRoomError {
    fn from(error: EngineError) -> Self {
        RemoteJoinRoomError::Remote(error.into())
    }
}

impl From<RemoteError> for RemoteJoinRoomError {
    fn from(error: RemoteError) -> Self {
        RemoteJoinRoomError::Remote(error)
    }
}

impl fmt::Display for RemoteJoinRoomError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteJoinRoomError::Redirected(held) => {
                write!(f, "{}: a seat is held in room {}", held.kind, held.facts.room)
            }
            RemoteJoinRoomError::Refused { kind, error } => {
                write!(f, "{kind}, and elsewhere {error}")
            }
            RemoteJoinRoomError::Remote(error) => error.fmt(f),
        }
    }
}

impl Error for RemoteJoinRoomError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoteJoinRoomError::Redirected(_) => None,
            RemoteJoinRoomError::Refused { error, .. } => Some(error),
            RemoteJoinRoomError::Remote(error) => Some(error),
        }
    }
}

/// Why [`RemoteSeat::start`] did not start the game.
///
/// # Examples
///
/// ```
/// let error = headcount_redis::RemoteStartError::Quorum { occupied: 2, quorum: 3 };
/// assert_eq!(error.to_string(), "quorum not reached: 2 of 3");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum RemoteStartError {
    /// Fewer members are inside than the quorum.
    Quorum {
        /// The number of members inside.
        occupied: u32,
        /// The number that was asked for.
        quorum: u32,
    },
    /// The room is lost, or the engine failed.
    Remote(RemoteError),
}

impl From<RemoteError> for RemoteStartError {
    fn from(error: RemoteError) -> Self {
        RemoteStartError::Remote(error)
    }
}

impl From<EngineError> for RemoteStartError {
    fn from(error: EngineError) -> Self {
        RemoteStartError::Remote(error.into())
    }
}

impl fmt::Display for RemoteStartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RemoteStartError::Quorum { occupied, quorum } => {
                write!(f, "quorum not reached: {occupied} of {quorum}")
            }
            RemoteStartError::Remote(error) => error.fmt(f),
        }
    }
}

impl Error for RemoteStartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RemoteStartError::Quorum { .. } => None,
            RemoteStartError::Remote(error) => Some(error),
        }
    }
}
