//! A room's state: made when the room opens, dropped when its last head goes.
//!
//! # Invariant
//!
//! The state is there exactly while heads are inside, and whoever is inside holds an [`Entered`]. While
//! the room is busy, the state belongs to the holder of its [`Exclusive`]. All else follows from the table
//! in `word.rs`.
//!
//! This is the only file of the lobby with `unsafe`. What its claims rest on is private to it: the word, the cell,
//! and how the two tokens come about and go. What it asks of others is that a token goes back to the
//! room that gave it; a seat keeps the room's location beside the token, and debug builds check it.
#![allow(unsafe_code)]

use core::mem::MaybeUninit;

use crate::origin::Origin;
use crate::protocol::room::{
    self, ClaimRoom, EnterRoom, LeaveRoom, OpenRoom, RoomRefusal, RoomSize, RoomWord, SetLock,
    VacateRoom,
};
use crate::protocol::step::{run, Step::Done};
use crate::sync::{AtomicU64, UnsafeCell};

/// Proof that one head is inside a room. It neither copies nor clones.
pub(super) struct Entered(Origin);

/// Proof that a room is busy, and the holder's. It neither copies nor clones.
pub(super) struct Exclusive(Origin);

/// What became of a room that somebody left.
pub(super) enum Departure {
    /// Others are inside still.
    OpenRoom(RoomWord),
    /// Nobody is: the state is to be cleared.
    Empty(Exclusive),
}

/// One room: its word, and its state.
pub(super) struct RoomCell<T> {
    word: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: heads on several threads read one state, so `T: Sync`; the thread that makes a state need
// not be the one that drops it, so `T: Send`.
unsafe impl<T: Send + Sync> Sync for RoomCell<T> {}

impl<T> RoomCell<T> {
    pub(super) fn vacant(size: RoomSize) -> Self {
        RoomCell { word: room::first(size), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    #[inline]
    pub(super) fn read(&self) -> RoomWord {
        room::read(&self.word)
    }

    #[inline]
    pub(super) fn read_after(&self) -> RoomWord {
        room::read_after(&self.word)
    }

    /// Enters under a generation. Yields what the room became, and the seat if the word has it.
    #[inline]
    pub(super) fn enter(
        &self,
        generation: u32,
        size: RoomSize,
    ) -> Result<(Entered, (RoomWord, u32)), RoomRefusal> {
        let entered = run!(EnterRoom::Look { generation }, &self.word, size)?;
        Ok((Entered(Origin::of(self)), entered))
    }

    /// As [`enter`](Self::enter), for a caller who has just seen that it may.
    #[inline]
    pub(super) fn enter_seen(
        &self,
        seen: RoomWord,
        size: RoomSize,
    ) -> Result<(Entered, (RoomWord, u32)), RoomRefusal> {
        let entered = run!(EnterRoom::Swap { seen }, &self.word, size)?;
        Ok((Entered(Origin::of(self)), entered))
    }

    /// As [`enter_seen`](Self::enter_seen), if nothing has changed since.
    #[inline]
    pub(super) fn enter_unchanged(
        &self,
        seen: RoomWord,
        size: RoomSize,
    ) -> Option<(Entered, (RoomWord, u32))> {
        match (EnterRoom::Swap { seen }).step(&self.word, size) {
            Done(Ok(entered)) => Some((Entered(Origin::of(self)), entered)),
            _ => None,
        }
    }

    /// The state.
    #[inline]
    pub(super) fn get<'a>(&'a self, inside: &'a Entered) -> &'a T {
        inside.0.check(self);
        // SAFETY: a head is inside, so the state was written before this head entered (`OpenRoom` →
        // `EnterRoom`) and is dropped after it leaves (`LeaveRoom` → the last `LeaveRoom`). It leaves by value,
        // so not while this borrow lives. Nobody writes in between.
        self.value.with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Leaves, with the seat of that number if the word has it.
    #[inline]
    pub(super) fn leave(&self, inside: Entered, number: u32, size: RoomSize) -> Departure {
        inside.0.check(self);
        let left = run!(LeaveRoom::Look { number }, &self.word, size);
        if left.is_busy() {
            Departure::Empty(Exclusive(inside.0))
        } else {
            Departure::OpenRoom(left)
        }
    }

    /// Drops the state of a room that everybody has left, and makes the room vacant, or retires it,
    /// also if the destructor panics.
    pub(super) fn clear(&self, busy: Exclusive) {
        struct Vacates<'a, T>(&'a RoomCell<T>, Option<Exclusive>);

        impl<T> Drop for Vacates<'_, T> {
            fn drop(&mut self) {
                if let Some(busy) = self.1.take() {
                    self.0.vacate(busy);
                }
            }
        }

        busy.0.check(self);
        let _vacates = Vacates(self, Some(busy));
        // SAFETY: the last head has just left, so the state is there, and it is this caller's alone,
        // after everything that other heads did (`LeaveRoom` → the last `LeaveRoom`).
        self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
    }

    /// Takes a vacant room for oneself, to open it under that generation.
    pub(super) fn claim(&self, generation: u32, size: RoomSize) -> Option<Exclusive> {
        let claimed = run!(ClaimRoom { generation }, &self.word, size);
        claimed.then(|| Exclusive(Origin::of(self)))
    }

    /// Opens a claimed room with this state, and with oneself inside, on seat 0.
    pub(super) fn open(&self, busy: Exclusive, value: T, size: RoomSize) -> (Entered, RoomWord) {
        busy.0.check(self);
        // SAFETY: the room is busy and this caller's alone, after the last state was dropped
        // (`VacateRoom` → `ClaimRoom`).
        self.value.with_mut(|cell| unsafe {
            (*cell).write(value);
        });
        let opened = run!(OpenRoom, &self.word, size);
        (Entered(busy.0), opened)
    }

    /// Gives up a room that has no state.
    pub(super) fn vacate(&self, busy: Exclusive) {
        busy.0.check(self);
        run!(VacateRoom, &self.word);
    }

    /// Locks or unlocks under a generation, if so many are inside. See [`SetLock`].
    pub(super) fn set_lock(
        &self,
        generation: u32,
        locked: bool,
        at_least: u32,
        size: RoomSize,
    ) -> Option<Result<u32, u32>> {
        run!(SetLock::Look { generation, locked, at_least }, &self.word, size)
    }

    /// Drops the state of a room that is open still, with the lobby.
    pub(super) fn abandon(&mut self, size: RoomSize) {
        if self.read().held(size) > 0 {
            self.word = room::first(size);
            // SAFETY: heads were inside, so the state is there; their seats were forgotten, for
            // nobody else has the room any more. It was made vacant, so this happens once.
            self.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
        }
    }
}
