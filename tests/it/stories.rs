//! The five cases of *An Atomic Rant*, each on many real threads.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread;

use headcount::{Course, EnrollError, Gate, Tally, TryAcquireError};

/// Runs `f` on `count` threads, which start together. Returns the result of each.
fn crowd<T: Send>(count: u32, f: impl Fn(u32) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(count as usize);
    thread::scope(|scope| {
        let run = |number| {
            start.wait();
            f(number)
        };
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || run(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

/// *never-over*, *both-counters*: at most 30 students in a course.
#[test]
fn at_most_30_students_in_a_course() {
    let course = Course::new(30);
    let students = Mutex::new(Vec::new());
    let outcomes = crowd(60, |student| {
        let outcome = course.enroll(|taken| {
            assert!((1..=30).contains(&taken));
            let counts = course.counts();
            assert!(counts.enrolled < counts.taken && counts.taken <= 30);
            if student % 10 == 0 {
                return Err("no account");
            }
            students.lock().unwrap().push(student);
            Ok(student)
        });
        assert_ne!(outcome, Err(EnrollError::Closed));
        outcome
    });
    let enrolled = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert_eq!(students.lock().unwrap().len(), enrolled);
    let counts = course.counts();
    assert_eq!((counts.taken as usize, counts.enrolled as usize), (enrolled, enrolled));

    // The callers that failed have given their places back: the rest of the course can be filled.
    let missing = 30 - counts.enrolled;
    let more = crowd(missing + 5, |_| course.enroll(|_| Ok::<_, ()>(())));
    assert_eq!(more.iter().filter(|outcome| outcome.is_ok()).count(), missing as usize);
    assert_eq!(more.iter().filter(|&outcome| *outcome == Err(EnrollError::Full)).count(), 5);
    assert_eq!(course.counts().enrolled, 30);
}

/// *never-over*: more than 2 but fewer than 6 players in a game; a running game admits none.
#[test]
fn more_than_2_but_fewer_than_6_players_in_a_game() {
    for _ in 0..50 {
        let game = Gate::new(5);
        let (playing, over) = (AtomicU32::new(0), Barrier::new(12));
        let joined = crowd(12, |_| {
            let player = game.try_acquire();
            if player.is_ok() {
                playing.fetch_add(1, SeqCst);
                // Each player that finds enough players closes the game; several can succeed.
                if let Ok(players) = game.close_if_occupied(3) {
                    assert!((3..=5).contains(&players));
                }
            }
            over.wait();
            player.map(drop)
        });
        let players = playing.load(SeqCst);
        assert!((3..=5).contains(&players), "{players} players");
        assert_eq!(joined.iter().filter(|outcome| outcome.is_ok()).count(), players as usize);
        assert!(game.is_closed());
        assert_eq!(game.occupied(), 0);
        assert_eq!(game.try_acquire().unwrap_err(), TryAcquireError::Closed);
    }
}

/// *never-over*, *no-leak*: a chat room of at most 50.
#[test]
fn a_chat_room_of_at_most_50() {
    static ROOM: Gate = Gate::new(50);
    let (inside, most, all_in) = (AtomicU32::new(0), AtomicU32::new(0), Barrier::new(80));
    let stayed = crowd(80, |_| {
        let guest = ROOM.try_acquire();
        if guest.is_ok() {
            most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
        }
        assert!(ROOM.occupied() <= 50);
        all_in.wait();
        if guest.is_ok() {
            inside.fetch_sub(1, SeqCst);
        }
        guest.is_ok()
    });
    assert_eq!(stayed.iter().filter(|&&stayed| stayed).count(), 50);
    assert_eq!(most.into_inner(), 50);
    assert_eq!(ROOM.occupied(), 0);
}

/// *once*: the exact total number of posts, so that exactly one caller gets the gold star.
#[test]
fn the_1000th_post_gets_exactly_one_gold_star() {
    let posts = Tally::new(0);
    let stars = crowd(8, |_| (0..250).filter(|_| posts.increment() == 1000).count());
    assert_eq!(stars.iter().sum::<usize>(), 1);
    assert_eq!(posts.reset(), 2000);

    // Posts that could not be saved do not count, however many threads try at once.
    let saved = crowd(8, |thread| {
        let save = |post| {
            posts.increment_with(|_| if (thread + post) % 7 == 0 { Err(()) } else { Ok(()) })
        };
        (0..250).filter(|&post| save(post).is_ok()).count()
    });
    assert_eq!(posts.get(), saved.iter().sum::<usize>() as u64);
}

/// *never-over*: only one piece of code at a time reorders a large data set.
#[test]
fn one_at_a_time_reorders_a_large_data_set() {
    static REORDER: Gate = Gate::new(1);
    let (inside, runs) = (AtomicU32::new(0), AtomicU32::new(0));
    let outcomes = crowd(8, |_| {
        (0..200)
            .map(|_| {
                REORDER.try_run(|| {
                    assert_eq!(inside.fetch_add(1, SeqCst), 0);
                    thread::yield_now();
                    runs.fetch_add(1, SeqCst);
                    assert_eq!(inside.fetch_sub(1, SeqCst), 1);
                })
            })
            .filter(Result::is_ok)
            .count()
    });
    let ran: usize = outcomes.into_iter().sum();
    assert!(ran > 0);
    assert_eq!(runs.into_inner() as usize, ran);
    assert_eq!(REORDER.occupied(), 0);
}
