//! A game of 3 to 5 players: it starts when enough are there, and takes no more players from then
//! on.

use headcount::Gate;

fn main() {
    let game = Gate::new(5);
    let mut players = Vec::new();
    for name in ["Ann", "Bob", "Cyd", "Dan"] {
        match game.try_acquire() {
            Ok(seat) => players.push(seat),
            Err(refused) => {
                println!("{name} is refused: {refused}");
                assert!(refused.is_closed());
                continue;
            }
        }
        // Counting the players and closing the game is one step: no player slips in between.
        match game.close_if_occupied(3) {
            Ok(players) => println!("{name} joins, and the game starts with {players} players"),
            Err(players) => println!("{name} joins; {players} of at least 3 players are there"),
        }
    }
    assert_eq!(players.len(), 3);
}
