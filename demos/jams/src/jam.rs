//! A jam and its players. They keep counts of their own, apart from the lobby's.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use headcount::{Lobby, RoomId, Seat};

/// The house of all jams. Relaxed throughout: its sums are read when the threads have ended, and
/// its flags must not add an ordering that the lobby itself lacks.
#[derive(Default)]
pub(crate) struct House {
    open: AtomicU32,
    most_open: AtomicU32,
    opened: AtomicU64,
    fullest: AtomicU32,
    /// Players that were given a loop that another player played, or a jam under another name.
    cheated: AtomicU64,
    /// Jams that were closed with a player inside.
    dropped: AtomicU64,
}

impl House {
    /// Creates a lobby for jams of that many players.
    pub(crate) fn lobby(self: &Arc<House>, seats: u32) -> Lobby<Jam> {
        let house = Arc::clone(self);
        Lobby::builder(seats).build_with(move |id| Jam::open(id, seats, &house))
    }

    /// Returns the number of jams that are open now.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Ordering::Relaxed)
    }

    /// Returns the most jams that were open at once.
    pub(crate) fn most_open(&self) -> u32 {
        self.most_open.load(Ordering::Relaxed)
    }

    /// Returns the number of jams that were ever opened.
    pub(crate) fn opened(&self) -> u64 {
        self.opened.load(Ordering::Relaxed)
    }

    /// Returns the most players that one jam had.
    pub(crate) fn fullest(&self) -> u32 {
        self.fullest.load(Ordering::Relaxed)
    }

    /// Returns what a player has seen go wrong, if anything.
    pub(crate) fn flaw(&self) -> Option<String> {
        let cheated = self.cheated.load(Ordering::Relaxed);
        let dropped = self.dropped.load(Ordering::Relaxed);
        if cheated > 0 {
            Some(format!("{cheated} got a loop that was taken, or were in another jam than told"))
        } else if dropped > 0 {
            Some(format!("{dropped} jams were closed with players inside"))
        } else {
            None
        }
    }
}

/// The state of a room: the loops that its members play, one at each seat.
pub(crate) struct Jam {
    id: RoomId,
    played: Box<[AtomicBool]>,
    players: AtomicU32,
    house: Arc<House>,
}

impl Jam {
    fn open(id: RoomId, seats: u32, house: &Arc<House>) -> Jam {
        let open = house.open.fetch_add(1, Ordering::Relaxed) + 1;
        house.most_open.fetch_max(open, Ordering::Relaxed);
        house.opened.fetch_add(1, Ordering::Relaxed);
        let played = (0..seats).map(|_| AtomicBool::new(false)).collect();
        Jam { id, played, players: AtomicU32::new(0), house: Arc::clone(house) }
    }
}

impl Drop for Jam {
    fn drop(&mut self) {
        let silent = self.played.iter().all(|played| !played.load(Ordering::Relaxed));
        self.house.dropped.fetch_add(u64::from(!silent), Ordering::Relaxed);
        self.house.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A player, which plays the loop of its seat until it is dropped.
pub(crate) struct Player<'a>(Seat<'a, Jam>);

impl<'a> Player<'a> {
    pub(crate) fn new(seat: Seat<'a, Jam>) -> Player<'a> {
        let jam = seat.state();
        let players = jam.players.fetch_add(1, Ordering::Relaxed) + 1;
        jam.house.fullest.fetch_max(players, Ordering::Relaxed);
        let player = Player(seat);
        let fair = player.play(true) && player.0.state().id == player.0.room_id();
        player.0.state().house.cheated.fetch_add(u64::from(!fair), Ordering::Relaxed);
        player
    }

    /// Begins or ends the loop. Returns false if there is none, or if it was so already.
    fn play(&self, on: bool) -> bool {
        let played = self.0.state().played.get(self.0.number() as usize);
        played.is_some_and(|played| played.swap(on, Ordering::Relaxed) != on)
    }
}

impl Drop for Player<'_> {
    fn drop(&mut self) {
        let fair = self.play(false);
        let jam = self.0.state();
        jam.players.fetch_sub(1, Ordering::Relaxed);
        jam.house.cheated.fetch_add(u64::from(!fair), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_of_a_sound_lobby_see_nothing_wrong() {
        let house = Arc::new(House::default());
        let lobby = house.lobby(2);
        let players: Vec<_> = (0..5).map(|_| Player::new(lobby.join().unwrap())).collect();
        assert_eq!((house.open(), house.fullest()), (3, 2));
        drop(players);
        assert_eq!((house.open(), house.most_open(), house.opened()), (0, 3, 3));
        assert_eq!(house.flaw(), None);
    }

    #[test]
    fn a_loop_that_is_played_by_another_is_seen() {
        let house = Arc::new(House::default());
        let lobby = house.lobby(2);
        let seat = lobby.join().unwrap();
        seat.state().played[0].store(true, Ordering::Relaxed);
        drop(Player::new(seat));
        assert!(house.flaw().unwrap().contains("1 got a loop that was taken"));
    }

    #[test]
    fn a_jam_under_another_name_is_seen() {
        let house = Arc::new(House::default());
        let (inner, other) = (Arc::clone(&house), Lobby::new(7).filling());
        let lobby = Lobby::builder(2).build_with(move |_| Jam::open(other, 2, &inner));
        drop(Player::new(lobby.join().unwrap()));
        assert!(house.flaw().unwrap().contains("in another jam than told"));
    }

    #[test]
    fn a_jam_that_closes_on_a_player_is_seen() {
        let house = Arc::new(House::default());
        let lobby = house.lobby(2);
        let seat = lobby.join().unwrap();
        seat.state().played[1].store(true, Ordering::Relaxed);
        drop(seat);
        assert!(house.flaw().unwrap().contains("1 jams were closed with players inside"));
    }
}
