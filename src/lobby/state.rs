//! A room's state: made when the room opens, dropped when its last head goes.
//!
//! # Invariant
//!
//! The state is there exactly while heads are inside, and whoever is inside holds an [`Inside`]. While
//! the room is busy, the state belongs to whoever made it so. All else follows from the table in
//! [`life`](super::life). This is the only file with `unsafe`, and what its claims rest on is private
//! to it: the word, the cell, and how an `Inside` comes about and goes.
#![allow(unsafe_code)]

use core::mem::{needs_drop, MaybeUninit};

use super::life::{self, Claim, Enter, Leave, Life, Open, SetLock, Shut, Vacate};
use crate::slot::{
    run,
    Step::{Done, Next},
};
use crate::sync::{AtomicU64, UnsafeCell};

/// Proof that one head is inside the room at this address. It neither copies nor clones.
///
/// Whoever keeps one keeps the room where it is, as a seat does that borrows or shares the lobby.
pub(super) struct Inside {
    room: usize,
}

/// Proof that the room at this address was vacant and is the holder's to open.
pub(super) struct Claimed {
    room: usize,
}

/// One room: its word, and its state.
pub(super) struct State<T> {
    word: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: heads on several threads read one state, so `T: Sync`; the thread that makes a state need
// not be the one that drops it, so `T: Send`.
unsafe impl<T: Send + Sync> Sync for State<T> {}

impl<T> State<T> {
    pub(super) fn vacant(seats: u32) -> Self {
        State { word: life::first(seats), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    fn address(&self) -> usize {
        core::ptr::from_ref(self) as usize
    }

    #[inline]
    pub(super) fn read(&self) -> Life {
        life::read(&self.word)
    }

    #[inline]
    pub(super) fn read_after(&self) -> Life {
        life::read_after(&self.word)
    }

    /// Enters under a generation.
    #[inline]
    pub(super) fn enter(&self, generation: u32, seats: u32) -> Result<(Inside, Life), Shut> {
        self.run_enter(Enter::Look { generation }, seats)
    }

    /// As [`enter`](Self::enter), for a caller who has just seen that it may.
    #[inline]
    pub(super) fn enter_seen(&self, seen: Life, seats: u32) -> Result<(Inside, Life), Shut> {
        self.run_enter(Enter::Swap { seen }, seats)
    }

    #[inline]
    fn run_enter(&self, start: Enter, seats: u32) -> Result<(Inside, Life), Shut> {
        let entered = run!(start, &self.word, seats)?;
        Ok((Inside { room: self.address() }, entered))
    }

    /// The state.
    #[inline]
    pub(super) fn get<'a>(&'a self, inside: &'a Inside) -> &'a T {
        assert_eq!(inside.room, self.address(), "inside another room");
        // SAFETY: a head is inside, so the state was written before this head entered (`Open` →
        // `Enter`) and is dropped after it leaves (`Leave` → the last `Leave`). It leaves by value,
        // so not while this borrow lives. Nobody writes in between.
        self.value.with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Leaves; who leaves last drops the state. Yields what the room became.
    #[inline]
    pub(super) fn leave(&self, inside: Inside, seats: u32) -> Life {
        assert_eq!(inside.room, self.address(), "inside another room");
        let left = run!(Leave::Look, &self.word, seats);
        if left.held(seats) == 0 {
            // Also if the state's destructor panics.
            let _vacate = Vacates(&self.word);
            // SAFETY: this was the last head, so the state is there, and the room is busy now: it is
            // this caller's alone, after everything that other heads did (`Leave` → `Leave`).
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
        left
    }

    /// Takes a vacant room for oneself.
    pub(super) fn claim(&self, generation: u32, seats: u32) -> Option<Claimed> {
        let claimed = run!(Claim { generation }, &self.word, seats);
        claimed.then(|| Claimed { room: self.address() })
    }

    /// Opens a claimed room with this state, and with oneself inside.
    pub(super) fn open(&self, claimed: Claimed, value: T) -> (Inside, Life) {
        assert_eq!(claimed.room, self.address(), "a claim to another room");
        // SAFETY: the room is busy and this caller's alone, after the last state was dropped
        // (`Vacate` → `Claim`).
        self.value.with_mut(|cell| unsafe {
            (*cell).write(value);
        });
        let opened = run!(Open, &self.word);
        (Inside { room: self.address() }, opened)
    }

    /// Gives a claimed room up again.
    pub(super) fn abandon(&self, claimed: Claimed) {
        assert_eq!(claimed.room, self.address(), "a claim to another room");
        run!(Vacate, &self.word);
    }

    /// Locks or unlocks under a generation, if so many are inside. See [`SetLock`].
    pub(super) fn set_lock(
        &self,
        generation: u32,
        locked: bool,
        at_least: u32,
        seats: u32,
    ) -> Option<Result<u32, u32>> {
        run!(SetLock::Look { generation, locked, at_least }, &self.word, seats)
    }

    /// Drops the state of a room that is open still, with the lobby.
    pub(super) fn clear(&mut self, seats: u32) {
        if needs_drop::<T>() && self.read().held(seats) > 0 {
            self.word = life::first(seats);
            // SAFETY: heads were inside, so the state is there; their seats were forgotten, for
            // nobody else has the room any more. It was made vacant, so this happens once.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
    }
}

/// Makes a room vacant, or retires it, when it goes.
struct Vacates<'a>(&'a AtomicU64);

impl Drop for Vacates<'_> {
    fn drop(&mut self) {
        run!(Vacate, self.0);
    }
}
