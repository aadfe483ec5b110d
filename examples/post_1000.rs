//! The author of the 1000th post gets a gold star: exactly one author, however many post at once.

use std::thread;

use headcount::Tally;

fn main() {
    let posts = Tally::new(0);
    let stars = thread::scope(|scope| {
        // Each change returns what the count became, so no two authors see the same number.
        let author = || (0..300).filter(|_| posts.increment() == 1000).count();
        let authors: Vec<_> = (0..8).map(|_| scope.spawn(author)).collect();
        authors.into_iter().map(|author| author.join().unwrap()).sum::<usize>()
    });
    println!("{} posts by 8 authors, {stars} gold star", posts.get());
    assert_eq!((posts.get(), stars), (2400, 1));
}
