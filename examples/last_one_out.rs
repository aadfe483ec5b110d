//! Four cooks share five eggs. The last one out turns off the light: exactly one is told so.

use std::thread;

use headcount::Tally;

fn main() {
    let (eggs, cooks) = (Tally::new(5), Tally::new(4));
    // All or none: with fewer than three eggs there is no omelette.
    let cook = || (eggs.try_sub(3).is_ok(), cooks.decrement() == 0);
    let cooked = thread::scope(|scope| {
        let cooks = [(); 4].map(|()| scope.spawn(cook));
        cooks.map(|cook| cook.join().unwrap())
    });
    let omelettes = cooked.iter().filter(|(omelette, _)| *omelette).count();
    let last = cooked.iter().filter(|(_, is_last)| *is_last).count();
    println!("{omelettes} omelette, {} eggs are left, {last} turned off the light", eggs.get());
    assert_eq!((omelettes, eggs.get(), last), (1, 2, 1));

    // An order that fails takes back what it added; a sale that succeeds stays.
    assert_eq!(
        eggs.add_with(12, |_| Err::<(), _>("the shop is closed")),
        Err("the shop is closed")
    );
    assert_eq!(eggs.sub_with(2, Ok::<_, ()>), Ok(0));
}
