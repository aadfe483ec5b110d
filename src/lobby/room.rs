//! The rooms of a page: each one's word, its seats, and its state.
//!
//! # Invariant
//!
//! - A member has a seat, in the room's word or in the bitmap beside it. It frees the seat before
//!   it leaves.
//! - A [`RoomRef`] pairs a room with its page and its location, and all rooms of a page have the
//!   size that the page keeps.
//! - A room's state is a box of its own. It exists from when a member has made it until after the
//!   last member of that generation has left. The room's *stage* tells in one word whether the
//!   state of a generation is being made, or exists and the pointer beside it is that state's. Only
//!   members of a generation change the stage to one of that generation, so a stage of another
//!   generation means that no member has begun to make the state.
//! - The member that closed the room takes its state afterwards, by an exchange of the stage. If a
//!   member of a later generation makes the next state before, its exchange of the stage takes the
//!   earlier state instead. So one thread drops each state. Before the closing nothing is known: a
//!   member may still join, make the state and leave, and the room's word is the same as before.
//!
//! The fields that these rest on are private to this file. All calls are safe but two, which take a
//! [`Seated`] back: this file cannot know from which room it came, as a seat keeps the location of
//! its room and not a reference. Debug builds check it.
#![allow(unsafe_code)]

use core::cell::RefCell;

use crossbeam_utils::CachePadded;

use super::hints::Hints;
use super::id::{RoomId, MARK_BITS};
use super::Lobby;
use crate::block::{Block, BlockRef};
use crate::origin::Origin;
use crate::protocol::bound::Bounds;
use crate::protocol::mutants::{mutant, ordering};
use crate::protocol::party::{EnterMany, PartyWanted};
use crate::protocol::room::{
    self, EnterRoom, FlagWanted, LeaveRoom, OpenRoom, PassRoom, RoomRefusal, RoomSize, RoomWord,
    SetFlag,
};
use crate::protocol::seat_bitmap;
use crate::protocol::step::{run, Step};
use crate::sync::{
    nulls, per_thread, zeros, AtomicPtr, AtomicU64, Ordering, StateCondvar, StateMutex,
    StateMutexGuard,
};

/// What some rooms of one size share, and the hints to them. Behind it stand their words.
pub(super) type PageHead<T> = CachePadded<Page<T>>;

/// A reference to a page: its head and the words of its rooms.
pub(super) type PageRef<'a, T> = BlockRef<'a, PageHead<T>, AtomicU64>;

/// The head of a page, beside the words of its rooms.
pub(super) struct Page<T> {
    /// The bitmaps of seats, in rooms whose word has no space for them.
    seats: Box<[AtomicU64]>,
    /// The stage of each room's state, and the state itself; none in a lobby without states.
    stages: Box<[AtomicU64]>,
    states: Box<[AtomicPtr<T>]>,
    /// The pages own the states.
    _owns: core::marker::PhantomData<T>,
    hints: Hints,
    size: RoomSize,
}

// SAFETY: members on several threads read one state, so `T: Sync`; the thread that makes a state
// and the thread that drops it may differ, so `T: Send`.
unsafe impl<T: Send + Sync> Sync for Page<T> {}

// SAFETY: as above.
unsafe impl<T: Send> Send for Page<T> {}

/// Returns the number of words of a room's bitmap of seats.
fn bitmap_words(size: RoomSize) -> usize {
    if size.is_small() {
        0
    } else {
        (size.seats() as usize).div_ceil(64)
    }
}

/// Creates a page of `rooms` vacant rooms.
pub(super) fn new_page<T>(
    rooms: usize,
    size: RoomSize,
    has_states: bool,
) -> Block<PageHead<T>, AtomicU64> {
    let states = if has_states { rooms } else { 0 };
    let page = Page {
        seats: zeros(rooms * bitmap_words(size)),
        stages: zeros(states),
        states: nulls(states),
        _owns: core::marker::PhantomData,
        hints: Hints::new(rooms, size.seats() + 1),
        size,
    };
    Block::zeros(CachePadded::new(page), rooms)
}

impl<T> Page<T> {
    #[inline]
    pub(super) fn hints(&self) -> &Hints {
        &self.hints
    }
}

impl<'a, T> PageRef<'a, T> {
    /// Returns the room at a location in this page, of which `offset` is the offset.
    #[inline]
    pub(super) fn at(self, location: u32, offset: usize) -> Option<RoomRef<'a, T>> {
        Some(RoomRef { page: self, word: self.cells().get(offset)?, offset, location })
    }
}

/// Returns the states of rooms whose seats were forgotten. The page is to be dropped.
pub(super) fn take_states<T>(
    page: &mut Block<PageHead<T>, AtomicU64>,
) -> impl Iterator<Item = Box<T>> + '_ {
    let page = page.get();
    (0..page.stages.len()).filter_map(move |offset| {
        let word = room::read(&page.cells()[offset]);
        // Relaxed: the caller has the page exclusively.
        let stage = page.stages[offset].load(Ordering::Relaxed);
        if word.members() == 0 || stage != Stage::Made.of(word.generation()) {
            return None;
        }
        page.stages[offset].store(0, Ordering::Relaxed);
        // SAFETY: the state exists, by its stage, and the last member has not left. The seats of
        // the members were forgotten, as the page is borrowed exclusively, and no other reference
        // to the state is left. The stage is cleared, so this happens once.
        Some(unsafe { Box::from_raw(page.states[offset].load(Ordering::Relaxed)) })
    })
}

/// How far a room's state is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stage {
    /// A member makes it.
    Making = 1,
    /// A member makes it, and others wait for that.
    Awaited = 2,
    /// It exists.
    Made = 3,
    /// The constructor has panicked, or the state was taken to be dropped.
    Absent = 4,
}

/// The bits of a stage that are not the generation.
const STAGE_BITS: u32 = 3;

per_thread! {
    // The addresses of the stages of the states that the thread makes.
    static MAKES: RefCell<Vec<usize>> = RefCell::new(Vec::new());
}

impl Stage {
    fn of(self, generation: u32) -> u64 {
        u64::from(generation) << STAGE_BITS | self as u64
    }
}

/// A reference to one room, with its page and its location.
pub(super) struct RoomRef<'a, T> {
    page: PageRef<'a, T>,
    word: &'a AtomicU64,
    offset: usize,
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
const _: () = assert!(NUMBER_BITS < MARK_BITS);

/// A taken seat, as a [`Seat`](super::Seat) keeps it.
pub(super) struct Seated {
    /// The room's id with the seat in place of the mark: its number, and above that whether it
    /// completed the quorum.
    packed: RoomId,
    entered: Entered,
}

/// Seats of one room that were just taken together, as an iterator that is to be run to its end.
pub(super) struct TakenSeats<'a, T> {
    at: RoomRef<'a, T>,
    word: RoomWord,
    /// The number of members that have not been taken out, and in small rooms their seats.
    left: u32,
    seats: u64,
    is_new: bool,
}

/// How the opening of a room ends.
pub(super) enum Opening<'a, T> {
    Opened(TakenSeats<'a, T>),
    /// The room was not opened: it had one generation left, and is retired now.
    Retired,
    /// Another caller has opened it.
    Lost,
}

/// The state of a room after a member has left.
pub(super) enum Departure<T> {
    /// Other members are inside.
    Occupied(RoomWord),
    /// The caller was the last member, and drops the room's state, if it was made.
    Closed(RoomWord, Option<Box<T>>),
}

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

impl<T> TakenSeats<'_, T> {
    /// Returns the word that the room had once the seats were taken.
    pub(super) fn word(&self) -> RoomWord {
        self.word
    }

    /// Returns whether the callers have opened the room. Then they are to make its state.
    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }
}

impl<T> Iterator for TakenSeats<'_, T> {
    type Item = TakenSeat;

    fn next(&mut self) -> Option<TakenSeat> {
        self.left = self.left.checked_sub(1)?;
        let number = self.seats.trailing_zeros();
        self.seats &= self.seats.wrapping_sub(1);
        Some(self.at.sit((self.word, number)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left as usize, Some(self.left as usize))
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
    pub(super) fn page(self) -> PageRef<'a, T> {
        self.page
    }

    #[inline]
    pub(super) fn location(self) -> u32 {
        self.location
    }

    #[inline]
    pub(super) fn offset(self) -> usize {
        self.offset
    }

    #[inline]
    pub(super) fn read(self) -> RoomWord {
        room::read(self.word)
    }

    /// Reads the word after a hint to the room was removed.
    #[inline]
    pub(super) fn read_after(self) -> RoomWord {
        room::read_after(self.word)
    }

    fn bitmap(self) -> &'a [AtomicU64] {
        let words = bitmap_words(self.page.size);
        &self.page.head().seats[self.offset() * words..][..words]
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
        Entered(Origin::of(self.word))
    }

    /// Enters under a generation.
    pub(super) fn enter(self, generation: u32) -> Result<TakenSeat, RoomRefusal> {
        match run!(EnterRoom::Look { generation }, self.word, self.page.size) {
            Ok(entered) => Ok(self.sit(entered)),
            // A party of one.
            Err(RoomRefusal::Unlisted) => {
                self.enter_many(generation, 1)?.next().ok_or(RoomRefusal::Full)
            }
            Err(refusal) => Err(refusal),
        }
    }

    /// As [`enter`](Self::enter), if a reading and at most one exchange tell the outcome. Returns
    /// `Err(None)` otherwise: for large, vacant and unlisted rooms that do not refuse the caller,
    /// and if another call changes the word meanwhile.
    #[inline(always)]
    pub(super) fn enter_at_once(self, generation: u32) -> Result<TakenSeat, Option<RoomRefusal>> {
        match (EnterRoom::Look { generation }).step(self.word, self.page.size) {
            Step::Next(EnterRoom::Swap { seen }) => self.enter_unchanged(seen).ok_or(None),
            Step::Next(EnterRoom::Look { .. }) => Err(None),
            Step::Done(Ok(entered)) => Ok(self.sit(entered)),
            Step::Done(Err(RoomRefusal::Vacant | RoomRefusal::Unlisted)) => Err(None),
            Step::Done(Err(refusal)) => Err(Some(refusal)),
        }
    }

    /// Takes `n` seats under a generation.
    pub(super) fn enter_many(
        self,
        generation: u32,
        n: u32,
    ) -> Result<TakenSeats<'a, T>, RoomRefusal> {
        self.take_many(EnterMany::Look { generation, wanted: PartyWanted { n, named: true } }, n)
    }

    /// Takes `n` seats in a room that the caller has just read, and that admitted so many.
    pub(super) fn enter_many_seen(
        self,
        seen: RoomWord,
        n: u32,
    ) -> Result<TakenSeats<'a, T>, RoomRefusal> {
        self.take_many(EnterMany::Swap { seen, wanted: PartyWanted { n, named: false } }, n)
    }

    fn take_many(self, entering: EnterMany, n: u32) -> Result<TakenSeats<'a, T>, RoomRefusal> {
        let (word, seats) = run!(entering, self.word, self.page.size)?;
        Ok(TakenSeats { at: self, word, left: n, seats, is_new: false })
    }

    /// Enters a room that the caller has just read, and that admitted.
    #[inline(never)]
    pub(super) fn enter_seen(self, seen: RoomWord) -> Result<TakenSeat, RoomRefusal> {
        Ok(self.sit(run!(EnterRoom::Swap { seen }, self.word, self.page.size)?))
    }

    /// Enters a small room if its word is still `seen`, with which it admits. Large rooms are
    /// not entered.
    #[inline]
    pub(super) fn enter_unchanged(self, seen: RoomWord) -> Option<TakenSeat> {
        if !self.page.size.is_small() {
            return None;
        }
        match (EnterRoom::Swap { seen }).step(self.word, self.page.size) {
            Step::Done(Ok((word, number))) => {
                Some(TakenSeat { entered: self.entered(), location: self.location, number, word })
            }
            _ => None,
        }
    }

    /// As [`enter_unchanged`](Self::enter_unchanged), for rooms of any size.
    pub(super) fn enter_any_unchanged(self, seen: RoomWord) -> Option<TakenSeat> {
        match (EnterRoom::Swap { seen }).step(self.word, self.page.size) {
            Step::Done(Ok(entered)) => Some(self.sit(entered)),
            _ => None,
        }
    }

    /// Opens a vacant room of that generation, with `n` members. See [`OpenRoom`].
    pub(super) fn open(
        self,
        generation: u32,
        n: u32,
        listed: bool,
        bounds: &Bounds,
    ) -> Opening<'a, T> {
        let opening = match listed {
            true => OpenRoom::new(generation, n, self.page.size),
            false => OpenRoom::unlisted(generation, self.page.size),
        };
        match run!(opening, self.word, || bounds) {
            None => Opening::Lost,
            Some(word) if word.is_retired() => Opening::Retired,
            Some(word) => {
                let seats = (1 << n.min(63)) - 1;
                Opening::Opened(TakenSeats { at: self, word, left: n, seats, is_new: true })
            }
        }
    }

    /// Marks a room as not counted that the caller has just read, and that was counted and did not
    /// admit. Returns its present word as an error if it has changed.
    pub(super) fn pass(self, seen: RoomWord, bounds: &Bounds) -> Result<RoomWord, RoomWord> {
        run!(PassRoom::Swap { seen }, self.word, || bounds)
    }

    /// Leaves a small room if that is plain (see [`LeaveRoom`]) and no other call changes the word
    /// meanwhile. Gives back the seat otherwise: all others are left to [`leave`](Self::leave).
    ///
    /// # Safety
    ///
    /// As [`leave`](Self::leave).
    #[inline(always)]
    pub(super) unsafe fn leave_plainly<'b>(
        self,
        seated: Seated,
        bounds: impl Fn() -> &'b Bounds,
    ) -> Result<RoomWord, Seated> {
        seated.entered.0.check(self.word);
        let (number, size) = (seated.number(), self.page.size);
        if !size.is_small() {
            return Err(seated);
        }
        match (LeaveRoom::Look { number }).step(self.word, size, &bounds) {
            Step::Next(plain @ LeaveRoom::Plain { .. }) => {
                match plain.step(self.word, size, &bounds) {
                    Step::Done(left) => Ok(left),
                    Step::Next(_) => Err(seated),
                }
            }
            _ => Err(seated),
        }
    }

    /// Frees the seat and leaves the room.
    ///
    /// # Safety
    ///
    /// `seated` was taken in this room: by a `RoomRef` to the same location in the same lobby.
    pub(super) unsafe fn leave(self, seated: Seated, bounds: &Bounds) -> Departure<T> {
        seated.entered.0.check(self.word);
        let (number, size) = (seated.number(), self.page.size);
        if !size.is_small() {
            seat_bitmap::free(self.bitmap(), number);
        }
        let left = run!(LeaveRoom::Look { number }, self.word, size, || bounds);
        if left.members() > 0 {
            return Departure::Occupied(left);
        }
        // SAFETY: `seated` was a member of this room, as the caller promises, and has closed it.
        Departure::Closed(left, unsafe { self.take_state(seated.generation()) })
    }

    /// Takes the state of a generation, if it was made and no later member has taken it.
    ///
    /// # Safety
    ///
    /// The caller has closed the room of that generation.
    unsafe fn take_state(self, generation: u32) -> Option<Box<T>> {
        let offset = self.offset();
        let (stage, made) = (self.page.stages.get(offset)?, Stage::Made.of(generation));
        // Relaxed: the exchange that closed the room is an Acquire. It comes after all that members
        // did (`LeaveRoom`), so this is their last stage or that of a later generation.
        if stage.load(Ordering::Relaxed) != made {
            return None;
        }
        // Relaxed: as above.
        let state = self.page.states[offset].load(Ordering::Relaxed);
        // Release, pairs with the exchange in `make`: the pointer was read before a member of a
        // later generation writes it. No model can kill its weakening: no load in loom reads what
        // is written later. Relaxed on failure: that member takes the state.
        let absent = Stage::Absent.of(generation);
        stage.compare_exchange(made, absent, Ordering::Release, Ordering::Relaxed).ok()?;
        // SAFETY: until the exchange the pointer was the state's of this generation. Members are
        // gone, as the caller promises, and what they did comes before. The stage was changed, so
        // no other thread takes it.
        Some(unsafe { Box::from_raw(state) })
    }

    /// Returns the state. Makes it by `make` if no member has; waits if another one is doing so.
    ///
    /// # Safety
    ///
    /// As [`leave`](Self::leave).
    #[inline]
    pub(super) unsafe fn state<'s>(
        self,
        seated: &'s Seated,
        waiters: &Waiters,
        make: impl FnOnce() -> T,
    ) -> &'s T
    where
        'a: 's,
    {
        seated.entered.0.check(self.word);
        let (stage, state) = (&self.page.stages[self.offset()], &self.page.states[self.offset()]);
        let generation = seated.generation();
        // Acquire, pairs with the Release in `make`: the state was written.
        let order = ordering!("room-state-no-acquire", Acquire => Relaxed);
        if stage.load(order) != Stage::Made.of(generation) {
            self.make(generation, waiters, true, make);
        }
        // SAFETY: the stage says that the state of this generation exists, and the pointer was
        // written before. `seated` is a member of this generation, as the caller promises; the
        // state is dropped after the last member has left, and `leave` takes `seated` by value, so
        // that is after this borrow ends. Relaxed: written before the stage, and not again in this
        // generation.
        unsafe { &*state.load(Ordering::Relaxed) }
    }

    /// Makes the state by `make`, unless a member has made it or is doing so. Does not wait.
    ///
    /// # Safety
    ///
    /// As [`leave`](Self::leave).
    pub(super) unsafe fn make_state(
        self,
        seated: &Seated,
        waiters: &Waiters,
        make: impl FnOnce() -> T,
    ) {
        seated.entered.0.check(self.word);
        self.make(seated.generation(), waiters, false, make);
    }

    /// Makes the state unless a member has. If another one is doing so, waits for it or returns.
    #[cold]
    fn make(self, generation: u32, waiters: &Waiters, waits: bool, make: impl FnOnce() -> T) {
        let (stage, state) = (&self.page.stages[self.offset()], &self.page.states[self.offset()]);
        let is = |wanted: Stage, seen: u64| seen == wanted.of(generation);
        let address = core::ptr::from_ref(stage) as usize;
        // Acquire, pairs with the Release below: the state was written.
        let mut seen = stage.load(ordering!("room-make-look-no-acquire", Acquire => Relaxed));
        loop {
            if is(Stage::Made, seen) {
                return;
            }
            if is(Stage::Making, seen) || is(Stage::Awaited, seen) {
                if !waits {
                    return;
                }
                let is_own = MAKES.try_with(|makes| makes.borrow().contains(&address));
                assert!(
                    !is_own.unwrap_or(false),
                    "the constructor of a room's state asks for that state"
                );
                seen = waiters.wait(stage, seen, Stage::Awaited.of(generation));
                continue;
            }
            // Acquire, pairs with the exchange in `take_state`. No model can kill its weakening: as
            // there. Acquire on failure: as above.
            let making = Stage::Making.of(generation);
            let failure = ordering!("room-make-retry-no-acquire", Acquire => Relaxed);
            match stage.compare_exchange(seen, making, Ordering::Acquire, failure) {
                Ok(_) => break,
                Err(now) => seen = now,
            }
        }
        // The member that closed the room in an earlier generation has not taken its state, and
        // does not any more. Dropped last, since it is the user's code.
        let earlier = seen & ((1 << STAGE_BITS) - 1) == Stage::Made as u64;
        let _earlier = (earlier && !mutant!("room-state-not-taken-over")).then(|| {
            // SAFETY: until the exchange the pointer was the state's of that generation. Its
            // members are gone, and what they did comes before the caller entered. The stage was
            // changed, so no other thread takes it.
            unsafe { Box::from_raw(state.load(Ordering::Relaxed)) }
        });
        // A thread that has dropped its thread-locals already notes nothing, here and in the drop.
        let _ = MAKES.try_with(|makes| makes.borrow_mut().push(address));
        let mut making = Making { stage, generation, waiters, ends: Stage::Absent };
        let made = Box::into_raw(Box::new(make()));
        // Relaxed: the stage publishes it.
        state.store(made, Ordering::Relaxed);
        making.ends = Stage::Made;
    }

    /// Sets or clears a flag of the room under a generation, if it has at least so many members.
    /// See [`SetFlag`].
    pub(super) fn set_flag(
        self,
        generation: u32,
        wanted: FlagWanted,
        bounds: &Bounds,
    ) -> Option<Result<u32, u32>> {
        let look = SetFlag::Look { generation, wanted };
        run!(look, self.word, self.page.size, || bounds)
    }

    /// Returns the room's word itself, for a survey.
    pub(super) fn word(self) -> &'a AtomicU64 {
        self.word
    }
}

/// The right to make a state. Its destructor says how that ended.
struct Making<'a> {
    stage: &'a AtomicU64,
    generation: u32,
    waiters: &'a Waiters,
    ends: Stage,
}

impl Drop for Making<'_> {
    fn drop(&mut self) {
        // Calls nest, so it is the last.
        let _ = MAKES.try_with(|makes| makes.borrow_mut().pop());
        // Release, pairs with the Acquire of `state`: the state was written.
        let order = ordering!("room-state-no-release", Release => Relaxed);
        let before = self.stage.swap(self.ends.of(self.generation), order);
        if before == Stage::Awaited.of(self.generation) {
            self.waiters.wake();
        }
    }
}

/// Threads that wait for a state which another thread makes.
#[derive(Default)]
pub(super) struct Waiters {
    lock: StateMutex<()>,
    changed: StateCondvar,
}

impl Waiters {
    fn lock(&self) -> StateMutexGuard<'_, ()> {
        // No user code runs under the lock, and it guards no data.
        self.lock.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Waits while the stage is `awaited`, which it becomes if it is still `seen`. Returns the
    /// present one.
    fn wait(&self, stage: &AtomicU64, seen: u64, awaited: u64) -> u64 {
        let mut guard = self.lock();
        // Acquire on failure: as in `make`. The thread that makes the state changes the stage
        // before it takes the lock, so it finds that it is awaited or this exchange finds that it
        // has ended.
        let failure = ordering!("room-wait-no-acquire", Acquire => Relaxed);
        let swapped = stage.compare_exchange(seen, awaited, Ordering::Relaxed, failure);
        if let Err(now) = swapped {
            return now;
        }
        loop {
            guard = match self.changed.wait(guard) {
                Ok(guard) => guard,
                Err(poisoned) => poisoned.into_inner(),
            };
            // Acquire: as in `make`. No model can kill its weakening: loom wakes the thread only by
            // `wake`, whose lock orders the same.
            let now = stage.load(Ordering::Acquire);
            if now != awaited {
                return now;
            }
        }
    }

    fn wake(&self) {
        drop(self.lock());
        if !mutant!("room-state-waiters-not-woken") {
            self.changed.notify_all();
        }
    }
}
