//! Where the seats of the jams are: in this process, or in a Redis or Valkey that several processes
//! share.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use headcount::{Lobby, OwnedSeat, RoomId};
use headcount_redis::{Connection, RemoteJoinRoomError, RemoteLobby, RemoteSeat};
use redis::AsyncCommands;
use serde_json::{json, Map, Value};
use tokio::sync::mpsc;
use tracing::warn;

use crate::args::Args;
use crate::jam::{lock, Jam, PREFIX, SEATS};
use crate::relay::{Listener, Relay};
use crate::user::{UserId, Users};

/// The name of the lobby in the engine.
const NAME: &str = "jams";
/// Where the engine has the key that proves users.
const KEY: &str = "jam-server:key";

/// A seat of a jam.
#[derive(Debug)]
pub(crate) enum Seat {
    Local(OwnedSeat<Jam>),
    Remote(RemoteSeat, Arc<Jam>),
}

impl Seat {
    pub(crate) fn jam(&self) -> &Jam {
        match self {
            Seat::Local(seat) => seat.state(),
            Seat::Remote(_, jam) => jam,
        }
    }

    pub(crate) fn number(&self) -> u32 {
        match self {
            Seat::Local(seat) => seat.number(),
            Seat::Remote(seat, _) => seat.number(),
        }
    }

    /// Returns whether the engine has given the seat to another owner, or let it end.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Seat::Remote(seat, _) if seat.is_lost())
    }

    /// Leaves the seat to its user for as long as the engine keeps it. A local seat is given up.
    pub(crate) fn detach(self) {
        if let Seat::Remote(seat, _) = self {
            seat.detach();
        }
    }
}

/// What came of a join of one jam.
pub(crate) enum Entered {
    Seated(Seat),
    /// The engine has a seat for the user in the jam of that topic.
    SeatElsewhere(String),
    Refused,
}

/// All seats.
#[derive(Debug)]
pub(crate) enum Hall {
    Local(Arc<Lobby<Jam>>),
    Remote(Box<RemoteHall>),
}

/// The seats in an engine, and what is known of the other processes.
pub(crate) struct RemoteHall {
    lobby: RemoteLobby,
    client: redis::Client,
    relay: Relay,
    messages: Mutex<Option<mpsc::UnboundedReceiver<String>>>,
    ttl: Duration,
    /// The jams in which this process has members.
    jams: Mutex<HashMap<String, Weak<Jam>>>,
    /// The last state of each other process.
    others: Mutex<Others>,
}

/// The members of each other process, by topic. A process without members is not listed.
#[derive(Debug, Default)]
struct Others(HashMap<String, Value>);

impl Others {
    fn put(&mut self, node: &str, topics: &Value) {
        if topics.as_object().is_none_or(Map::is_empty) {
            self.0.remove(node);
        } else {
            self.0.insert(node.to_owned(), topics.clone());
        }
    }
}

impl std::fmt::Debug for RemoteHall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteHall").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Hall {
    pub(crate) async fn open(args: &Args) -> io::Result<Hall> {
        let Some(url) = &args.redis else {
            let lobby = Lobby::builder(SEATS as u32).max_rooms(args.jams);
            let lobby = lobby.build_with(|id| Jam::new(format!("{PREFIX}{id}"), None));
            return Ok(Hall::Local(Arc::new(lobby)));
        };
        let connection = Connection::open(url).await.map_err(io::Error::other)?;
        let lobby = RemoteLobby::builder(SEATS as u32)
            .max_rooms(args.jams)
            .ttl(args.seat_ttl)
            .hold(args.page_hold)
            .build(&connection, NAME)
            .map_err(io::Error::other)?;
        let (relay, messages) = Relay::new();
        Ok(Hall::Remote(Box::new(RemoteHall {
            lobby,
            client: redis::Client::open(&**url).map_err(io::Error::other)?,
            relay,
            messages: Mutex::new(Some(messages)),
            ttl: args.seat_ttl,
            jams: Mutex::default(),
            others: Mutex::default(),
        })))
    }

    /// Returns the key that proves users: one of this run, or the one that all processes share.
    pub(crate) async fn key(&self) -> io::Result<[u8; 32]> {
        let own = Users::random_key();
        let Hall::Remote(hall) = self else { return Ok(own) };
        let shared = async {
            let mut connection = hall.client.get_multiplexed_async_connection().await?;
            let _: bool = connection.set_nx(KEY, &own[..]).await?;
            connection.get::<_, Vec<u8>>(KEY).await
        };
        let shared: Vec<u8> =
            shared.await.map_err(|error: redis::RedisError| io::Error::other(error))?;
        shared.try_into().map_err(|_| io::Error::other("the shared key is not of 32 bytes"))
    }

    /// Returns whether that text can be the id of a jam.
    pub(crate) fn knows(&self, id: &str) -> bool {
        match self {
            Hall::Local(_) => id.parse::<RoomId>().is_ok(),
            // One spelling only.
            Hall::Remote(_) => id.parse::<u64>().is_ok_and(|number| number.to_string() == id),
        }
    }

    /// Takes a seat in the jam that fills.
    pub(crate) async fn join(&self, user: UserId) -> Option<Seat> {
        match self {
            Hall::Local(lobby) => Arc::clone(lobby).join_owned().ok().map(Seat::Local),
            Hall::Remote(hall) => match hall.lobby.join(&user.to_string()).await {
                Ok(seat) => Some(hall.seat(seat)),
                Err(error) => {
                    warn!(%error, "no seat");
                    None
                }
            },
        }
    }

    /// Takes a seat in that jam.
    pub(crate) async fn join_jam(&self, user: UserId, id: &str) -> Entered {
        match self {
            Hall::Local(lobby) => {
                let seat =
                    id.parse().ok().and_then(|id| Arc::clone(lobby).join_room_owned(id).ok());
                seat.map_or(Entered::Refused, |seat| Entered::Seated(Seat::Local(seat)))
            }
            Hall::Remote(hall) => {
                let Ok(room) = id.parse() else { return Entered::Refused };
                match hall.lobby.join_room(&user.to_string(), room).await {
                    Ok(seat) if seat.room_id() == room => Entered::Seated(hall.seat(seat)),
                    // The user is a member of another jam.
                    Ok(seat) => {
                        let topic = format!("{PREFIX}{}", seat.room_id());
                        seat.detach();
                        Entered::SeatElsewhere(topic)
                    }
                    Err(RemoteJoinRoomError::Redirected(held)) => {
                        Entered::SeatElsewhere(format!("{PREFIX}{}", held.room_id()))
                    }
                    Err(error) => {
                        warn!(%error, "no seat");
                        Entered::Refused
                    }
                }
            }
        }
    }

    /// Returns the topic of the jam that fills, if one can be told.
    pub(crate) async fn filling(&self) -> Option<String> {
        match self {
            Hall::Local(lobby) => Some(format!("{PREFIX}{}", lobby.filling())),
            Hall::Remote(hall) => {
                Some(format!("{PREFIX}{}", hall.lobby.filling().await.ok().flatten()?))
            }
        }
    }

    /// Returns the numbers of jams, members and full jams.
    pub(crate) async fn stats(&self) -> (usize, usize, usize) {
        match self {
            Hall::Local(lobby) => {
                let stats = lobby.stats();
                (stats.rooms, stats.members, stats.full)
            }
            Hall::Remote(hall) => match hall.lobby.stats().await {
                Ok(stats) => (
                    stats.rooms as usize,
                    stats.members as usize,
                    (stats.rooms - stats.rooms_with_a_free_seat) as usize,
                ),
                Err(_) => (0, 0, 0),
            },
        }
    }

    /// Tells the other processes, and hears them, for as long as it is polled.
    pub(crate) async fn run(&self) {
        if let Hall::Remote(hall) = self {
            let messages = lock(&hall.messages).take();
            if let Some(messages) = messages {
                hall.relay.run(&hall.client, messages, hall.ttl, &**hall).await;
            }
        }
        std::future::pending().await
    }
}

impl RemoteHall {
    fn seat(&self, seat: RemoteSeat) -> Seat {
        let topic = format!("{PREFIX}{}", seat.room_id());
        let mut jams = lock(&self.jams);
        let jam = jams.get(&topic).and_then(Weak::upgrade).unwrap_or_else(|| {
            let jam = Arc::new(Jam::new(topic.clone(), Some(self.relay.clone())));
            for (node, topics) in &lock(&self.others).0 {
                jam.hear_state(node, &topics[&topic]);
            }
            jams.retain(|_, jam| jam.strong_count() > 0);
            jams.insert(topic, Arc::downgrade(&jam));
            jam
        });
        drop(jams);
        Seat::Remote(seat, jam)
    }

    fn living(&self) -> Vec<Arc<Jam>> {
        lock(&self.jams).values().filter_map(Weak::upgrade).collect()
    }
}

impl Listener for RemoteHall {
    fn hear(&self, node: &str, message: &Value) {
        let topic = message["topic"].as_str().unwrap_or_default();
        let jam = lock(&self.jams).get(topic).and_then(Weak::upgrade);
        if let Some(jam) = jam {
            jam.hear(node, message);
        }
    }

    fn hear_state(&self, node: &str, topics: &Value) {
        lock(&self.others).put(node, topics);
        for jam in self.living() {
            jam.hear_state(node, &topics[jam.topic()]);
        }
    }

    fn state(&self) -> Value {
        let topics =
            self.living().into_iter().map(|jam| (jam.topic().to_owned(), json!(jam.own())));
        topics.collect::<Map<_, _>>().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_gone_is_not_kept() {
        let mut others = Others::default();
        others.put("a", &json!({ "jams:1": [] }));
        others.put("b", &json!({ "jams:1": [] }));
        others.put("a", &json!({}));
        assert_eq!(others.0.keys().collect::<Vec<_>>(), ["b"]);
    }
}
