//! Where a token comes from, so that debug builds see one that goes to a place that did not give it.
//!
//! # Invariant
//!
//! In other builds there is nothing: a token then costs what it costs without its origin.

/// The address of what gave a token.
pub(crate) struct Origin {
    #[cfg(debug_assertions)]
    giver: usize,
}

impl Origin {
    #[inline(always)]
    pub(crate) fn of<T>(_giver: &T) -> Origin {
        Origin {
            #[cfg(debug_assertions)]
            giver: core::ptr::from_ref(_giver) as usize,
        }
    }

    /// Panics, in debug builds, unless the token came from there.
    #[inline(always)]
    pub(crate) fn check<T>(&self, _giver: &T) {
        #[cfg(debug_assertions)]
        assert_eq!(self.giver, core::ptr::from_ref(_giver) as usize, "a token from elsewhere");
    }
}
