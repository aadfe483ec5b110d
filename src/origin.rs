//! The address of the object that handed out a token. Debug builds check it when the token returns.
//!
//! # Invariant
//!
//! In release builds the type is empty, so a token costs the same with it as without it.

/// The address of the object that handed out a token.
pub(crate) struct Origin {
    #[cfg(debug_assertions)]
    giver: usize,
}

impl Origin {
    /// Returns the origin of a token that `giver` hands out.
    #[inline(always)]
    pub(crate) fn of<T>(_giver: &T) -> Origin {
        Origin {
            #[cfg(debug_assertions)]
            giver: core::ptr::from_ref(_giver) as usize,
        }
    }

    /// Panics in debug builds unless `giver` handed out the token.
    #[inline(always)]
    pub(crate) fn check<T>(&self, _giver: &T) {
        #[cfg(debug_assertions)]
        assert_eq!(self.giver, core::ptr::from_ref(_giver) as usize, "a token from elsewhere");
    }
}
