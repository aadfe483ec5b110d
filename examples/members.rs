//! A club of 5: two places are for members only, a moderator always gets in, and the number of
//! places changes while people are inside.

use headcount::Gate;

fn main() {
    let club = Gate::new(5);
    let guest = || club.try_acquire_leaving(1, 2);
    let mut guests: Vec<_> = (0..9).filter_map(|_| guest().ok()).collect();
    let members: Vec<_> = (0..9).filter_map(|_| club.try_acquire().ok()).collect();
    println!("{} guests and {} members are inside", guests.len(), members.len());
    assert_eq!((guests.len(), members.len()), (3, 2));

    // The moderator is one too many, so the next that leaves makes no room.
    let moderator = club.force_acquire(1);
    assert_eq!((club.occupied(), club.capacity()), (6, 5));
    guests.pop();
    assert!(club.try_acquire().unwrap_err().is_full());

    // A larger room, without a place lost or doubled if others change it too.
    assert_eq!(club.raise_capacity(3), 8);
    assert!(guest().is_ok(), "one of three free places, and two are left");

    // A smaller one: all stay, and newcomers wait until enough have left.
    assert_eq!(club.lower_capacity(6), 2);
    assert_eq!(club.occupied(), 5);
    drop((guests, members));
    println!("after all others have left: {} of {}", club.occupied(), club.capacity());
    drop(moderator);

    // All free places at once, for a private party.
    assert_eq!(club.try_acquire_all().expect("the club is empty").count(), 2);
}
