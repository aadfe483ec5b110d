//! Three tickets to a show are reserved for ten minutes. The customer confirms or releases them, or
//! gets more time to pay; a payment that comes too late buys nothing. The show is never oversold.

use std::time::Duration;

use headcount::{Course, Holds};

const MINUTES: Duration = Duration::from_secs(60);

fn main() {
    let show = Course::new(6);
    let holds = Holds::new(10 * MINUTES);
    // All three or none.
    let reserve = || show.try_reserve_many(3);
    let choose = || holds.or_expire(reserve).map(|places| holds.put(places));

    let (ann, bob) = (choose().unwrap(), choose().unwrap());
    println!("Cyd is told: {}", choose().unwrap_err());

    // Ann pays. Bob has begun to pay, and gets more time; then he gives up.
    holds.claim(ann).unwrap().confirm();
    assert!(holds.extend(bob, 15 * MINUTES));
    assert!(holds.release(bob));

    // Cyd chooses, and is too late: Dan needs the places.
    let cyd = holds.put_for(reserve().unwrap(), Duration::ZERO);
    let dan = choose().unwrap();
    println!("Cyd's payment is returned: {}", holds.claim(cyd).unwrap_err());
    holds.claim(dan).unwrap().confirm();

    assert_eq!((show.counts().taken, show.counts().enrolled), (6, 6));
    println!("6 places, 6 sold");
}
