//! The rooms of a page: each one's word, its state, and its seats.
//!
//! # Invariant
//!
//! - A room's state exists from the step that opens the room until the last member has left and the
//!   thread that emptied the room has dropped it. A member holds an [`Entered`]; the thread that
//!   owns a busy room holds a [`ClaimedRoom`] before the state is made, or an [`EmptiedRoom`]
//!   before it is dropped. The table in `protocol/room.rs` gives the rest.
//! - A member has a seat, in the room's word or in the bitmap beside it. It frees the seat before
//!   it leaves.
//! - A [`RoomRef`] pairs a room with its page and its location, and all rooms of a page have the
//!   size that the page keeps.
//!
//! The fields that these rest on are private to this file. All calls are safe but two, which take a
//! [`Seated`] back: this file cannot know from which room it came, as a seat keeps the location of
//! its room and not a reference. Debug builds check it.
#![allow(unsafe_code)]

use core::mem::{needs_drop, MaybeUninit};

use super::hints::Hints;
use super::id::{RoomId, MARK_SHIFT};
use super::Lobby;
use crate::origin::Origin;
use crate::protocol::mutants::mutant;
use crate::protocol::room::{
    self, ClaimRoom, EnterRoom, LeaveRoom, OpenRoom, RoomRefusal, RoomSize, RoomWord, SetLock,
    VacateRoom,
};
use crate::protocol::seat_bitmap;
use crate::protocol::step::{run, Step::Done};
use crate::sync::{AtomicU64, UnsafeCell};

/// One room: its word and its state.
struct RoomCell<T> {
    word: AtomicU64,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: members on several threads read one state, so `T: Sync`; the thread that makes a state
// and the thread that drops it may differ, so `T: Send`.
unsafe impl<T: Send + Sync> Sync for RoomCell<T> {}

/// Some rooms of one size, and the hints to them.
pub(super) struct Page<T> {
    cells: Box<[RoomCell<T>]>,
    /// The bitmaps of seats, in rooms whose word has no space for them.
    seats: Box<[AtomicU64]>,
    hints: Hints,
    size: RoomSize,
    /// The bits of a location that are the offset in the page.
    offsets: u32,
}

/// Returns the number of words of a room's bitmap of seats.
fn bitmap_words(size: RoomSize) -> usize {
    if size.is_small() {
        0
    } else {
        (size.seats() as usize).div_ceil(64)
    }
}

impl<T> Page<T> {
    /// Creates a page of `rooms` vacant rooms; the low `offset_bits` of a location are the offset.
    pub(super) fn new(rooms: usize, size: RoomSize, offset_bits: u32) -> Page<T> {
        let vacant =
            || RoomCell { word: room::first(size), value: UnsafeCell::new(MaybeUninit::uninit()) };
        let free = core::iter::repeat_with(|| AtomicU64::new(0));
        Page {
            cells: core::iter::repeat_with(vacant).take(rooms).collect(),
            seats: free.take(rooms * bitmap_words(size)).collect(),
            hints: Hints::new(rooms, size.seats()),
            size,
            offsets: (1 << offset_bits) - 1,
        }
    }

    /// Returns the room at a location in this page.
    #[inline]
    pub(super) fn at(&self, location: u32) -> Option<RoomRef<'_, T>> {
        let cell = self.cells.get(self.offset(location))?;
        Some(RoomRef { page: self, cell, location })
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    #[inline]
    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }

    #[inline]
    pub(super) fn offset(&self, location: u32) -> usize {
        (location & self.offsets) as usize
    }
}

impl<T> Drop for Page<T> {
    /// Drops the states of rooms whose seats were forgotten.
    fn drop(&mut self) {
        if needs_drop::<T>() {
            for cell in &mut self.cells {
                if room::read(&cell.word).held(self.size) > 0 {
                    cell.word = room::first(self.size);
                    // SAFETY: the room has members, so its state exists. Their seats were
                    // forgotten, as the page is borrowed exclusively, and no other reference to the
                    // state is left. The word says vacant now, so this happens once.
                    cell.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
                }
            }
        }
    }
}

/// A reference to one room, with its page and its location.
pub(super) struct RoomRef<'a, T> {
    page: &'a Page<T>,
    cell: &'a RoomCell<T>,
    location: u32,
}

impl<T> Clone for RoomRef<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for RoomRef<'_, T> {}

/// Proof that one member is inside a room. It neither copies nor clones.
struct Entered(Origin);

/// A seat that was just taken, and the word that the room had then.
pub(super) struct TakenSeat {
    entered: Entered,
    location: u32,
    number: u32,
    word: RoomWord,
}

const NUMBER_BITS: u32 = 12;
const _: () = assert!(Lobby::<()>::MAX_SEATS <= 1 << NUMBER_BITS);
const _: () = assert!(NUMBER_BITS < u64::BITS - MARK_SHIFT);

/// A taken seat, as a [`Seat`](super::Seat) keeps it.
pub(super) struct Seated {
    /// The room's id with the seat in place of the mark: its number, and above that whether it
    /// completed the quorum.
    packed: RoomId,
    entered: Entered,
}

/// The state of a room after a member has left.
pub(super) enum Departure<'a, T> {
    /// Other members are inside.
    Occupied(RoomWord),
    /// The caller was the last member and has to clear the room.
    Emptied(EmptiedRoom<'a, T>),
}

/// A busy room without a state, which the caller owns. Dropping it makes the room vacant.
pub(super) struct ClaimedRoom<'a, T>(RoomRef<'a, T>);

/// A busy room with a state, which the caller owns and has to clear.
#[must_use = "the room stays busy until it is cleared"]
pub(super) struct EmptiedRoom<'a, T>(RoomRef<'a, T>);

impl TakenSeat {
    /// Returns the word that the room had once the seat was taken.
    #[inline]
    pub(super) fn word(&self) -> RoomWord {
        self.word
    }

    #[inline]
    pub(super) fn into_seated(self, completed_quorum: bool) -> Seated {
        let TakenSeat { entered, location, number, word } = self;
        let seat = u32::from(completed_quorum) << NUMBER_BITS | number;
        Seated { packed: RoomId::new(seat, location, word.generation()), entered }
    }
}

impl Seated {
    #[inline]
    pub(super) fn number(&self) -> u32 {
        self.packed.mark() & ((1 << NUMBER_BITS) - 1)
    }

    pub(super) fn completed_quorum(&self) -> bool {
        self.packed.mark() >> NUMBER_BITS != 0
    }

    #[inline]
    pub(super) fn location(&self) -> u32 {
        self.packed.location()
    }

    pub(super) fn generation(&self) -> u32 {
        self.packed.generation()
    }

    /// Returns the room's id in the lobby with that mark.
    pub(super) fn room_id(&self, mark: u32) -> RoomId {
        self.packed.with_mark(mark)
    }
}

impl<'a, T> RoomRef<'a, T> {
    #[inline]
    pub(super) fn page(self) -> &'a Page<T> {
        self.page
    }

    #[inline]
    pub(super) fn location(self) -> u32 {
        self.location
    }

    #[inline]
    pub(super) fn offset(self) -> usize {
        self.page.offset(self.location)
    }

    #[inline]
    pub(super) fn read(self) -> RoomWord {
        room::read(&self.cell.word)
    }

    /// Reads the word after a hint to the room was removed.
    #[inline]
    pub(super) fn read_after(self) -> RoomWord {
        room::read_after(&self.cell.word)
    }

    fn bitmap(self) -> &'a [AtomicU64] {
        let words = bitmap_words(self.page.size);
        &self.page.seats[self.offset() * words..][..words]
    }

    /// Takes the lowest free seat for a member that has just entered, unless the room is small:
    /// then `number` is its seat.
    #[inline]
    fn sit(self, (word, number): (RoomWord, u32)) -> TakenSeat {
        let small = self.page.size.is_small();
        let number = if small { number } else { seat_bitmap::take(self.bitmap()) };
        TakenSeat { entered: self.entered(), location: self.location, number, word }
    }

    /// Returns the token of a member that has just entered.
    #[inline]
    fn entered(self) -> Entered {
        Entered(Origin::of(self.cell))
    }

    /// Enters under a generation.
    #[inline]
    pub(super) fn enter(self, generation: u32) -> Result<TakenSeat, RoomRefusal> {
        Ok(self.sit(run!(EnterRoom::Look { generation }, &self.cell.word, self.page.size)?))
    }

    /// Enters a room that the caller has just read, and that admitted.
    #[inline]
    pub(super) fn enter_seen(self, seen: RoomWord) -> Result<TakenSeat, RoomRefusal> {
        Ok(self.sit(run!(EnterRoom::Swap { seen }, &self.cell.word, self.page.size)?))
    }

    /// Enters a small room if its word is still the one that the caller has read. Large rooms are
    /// left to [`enter_seen`](Self::enter_seen).
    #[inline]
    pub(super) fn enter_unchanged(self, seen: RoomWord) -> Option<TakenSeat> {
        if !self.page.size.is_small() {
            return None;
        }
        match (EnterRoom::Swap { seen }).step(&self.cell.word, self.page.size) {
            Done(Ok((word, number))) => {
                Some(TakenSeat { entered: self.entered(), location: self.location, number, word })
            }
            _ => None,
        }
    }

    /// Returns the state.
    ///
    /// # Safety
    ///
    /// `seated` was taken in this room: by a `RoomRef` to the same location in the same lobby.
    #[inline]
    pub(super) unsafe fn state<'s>(self, seated: &'s Seated) -> &'s T
    where
        'a: 's,
    {
        seated.entered.0.check(self.cell);
        // SAFETY: `seated` is a member of this room, as the caller promises. So the state was
        // written before that member entered (`OpenRoom` → `EnterRoom`), and is dropped after it
        // leaves (`LeaveRoom` → the last `LeaveRoom`). `leave` takes `seated` by value, so that is
        // after this borrow ends. The state is not written in between.
        self.cell.value.with(|value| unsafe { (*value).assume_init_ref() })
    }

    /// Frees the seat and leaves the room.
    ///
    /// # Safety
    ///
    /// As [`state`](Self::state).
    #[inline]
    pub(super) unsafe fn leave(self, seated: Seated) -> Departure<'a, T> {
        seated.entered.0.check(self.cell);
        let (number, size) = (seated.number(), self.page.size);
        if !size.is_small() {
            seat_bitmap::free(self.bitmap(), number);
        }
        let left = run!(LeaveRoom::Look { number }, &self.cell.word, size);
        if left.is_busy() {
            Departure::Emptied(EmptiedRoom(self))
        } else {
            Departure::Occupied(left)
        }
    }

    /// Claims a vacant room, to open it under that generation.
    pub(super) fn claim(self, generation: u32) -> Option<ClaimedRoom<'a, T>> {
        let claimed = run!(ClaimRoom { generation }, &self.cell.word, self.page.size);
        claimed.then(|| ClaimedRoom(self))
    }

    /// Locks or unlocks the room under a generation, if it has at least so many members. See
    /// [`SetLock`].
    pub(super) fn set_lock(
        self,
        generation: u32,
        locked: bool,
        at_least: u32,
    ) -> Option<Result<u32, u32>> {
        run!(SetLock::Look { generation, locked, at_least }, &self.cell.word, self.page.size)
    }
}

impl<T> ClaimedRoom<'_, T> {
    /// Opens the room with this state, and with the caller as member on seat 0.
    pub(super) fn open(self, value: T) -> TakenSeat {
        let at = self.0;
        // The room is opened instead.
        core::mem::forget(self);
        if !at.page.size.is_small() {
            // Seat 0, as no member is inside.
            seat_bitmap::take(at.bitmap());
        }
        // SAFETY: the room is busy and owned by this caller, since the previous state was dropped
        // (`VacateRoom` → `ClaimRoom`).
        at.cell.value.with_mut(|cell| unsafe {
            (*cell).write(value);
        });
        let word = run!(OpenRoom, &at.cell.word, at.page.size);
        TakenSeat { entered: at.entered(), location: at.location, number: 0, word }
    }
}

impl<T> Drop for ClaimedRoom<'_, T> {
    /// Makes the room vacant, or retires it.
    fn drop(&mut self) {
        run!(VacateRoom, &self.0.cell.word);
    }
}

impl<'a, T> EmptiedRoom<'a, T> {
    pub(super) fn room(&self) -> RoomRef<'a, T> {
        self.0
    }

    /// Drops the state, and makes the room vacant or retires it, also if the destructor panics.
    pub(super) fn clear(self) {
        let mut _vacates = Some(ClaimedRoom(self.0));
        if mutant!("room-vacant-before-drop") {
            _vacates = None;
        }
        // SAFETY: the last member has just left, so the state exists. It is owned by this caller,
        // and all that other members did comes before (`LeaveRoom` → the last `LeaveRoom`).
        self.0.cell.value.with_mut(|value| unsafe { (*value).assume_init_drop() });
    }
}
