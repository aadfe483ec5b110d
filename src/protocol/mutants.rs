//! Named weakenings: how the proofs of this crate are known to bite.
//!
//! Each ordering that is stronger than Relaxed, and each second look or re-check, carries a name at
//! its site. In ordinary builds both macros are constants. Under `--cfg headcount_mutants` the
//! variable `HEADCOUNT_MUTANT` of the environment picks one name, and that site is weakened.
//! A file in `ci/mutants.d` names the test that has to fail then, and `ci/mutants` runs them all.

/// The ordering of a site, and the weaker one that its mutant uses:
/// `ordering!("slot-leave", Release => Relaxed)`. Several mutants of one site are listed one after
/// the other.
macro_rules! ordering {
    ($($name:literal, $strong:ident => $weak:ident);+ $(;)?) => {{
        #[cfg(headcount_mutants)]
        let ordering = $crate::protocol::mutants::pick(&[
            $(($name, $crate::sync::Ordering::$strong, $crate::sync::Ordering::$weak)),+
        ]);
        #[cfg(not(headcount_mutants))]
        let ordering = $crate::protocol::mutants::first([$($crate::sync::Ordering::$strong),+]);
        ordering
    }};
}

/// Whether a mutant is active; `false`, as a constant, in ordinary builds:
/// `if !mutant!("waitlist-no-recheck") && slot.read().is_closed()`.
macro_rules! mutant {
    ($name:literal) => {{
        #[cfg(headcount_mutants)]
        let active = $crate::protocol::mutants::is_active($name);
        #[cfg(not(headcount_mutants))]
        let active = false;
        active
    }};
}

#[allow(unused_imports)] // Not every set of features has a use for both.
pub(crate) use {mutant, ordering};

use crate::sync::Ordering;

/// The ordering of a site in ordinary builds.
#[cfg(not(headcount_mutants))]
#[inline(always)]
pub(crate) const fn first<const N: usize>(orderings: [Ordering; N]) -> Ordering {
    orderings[0]
}

/// The active mutant, if any. Read once: a model must be able to run twice alike.
#[cfg(headcount_mutants)]
pub(crate) fn is_active(name: &str) -> bool {
    static ACTIVE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ACTIVE.get_or_init(|| std::env::var("HEADCOUNT_MUTANT").ok()).as_deref() == Some(name)
}

/// The weaker ordering of the active mutant, or else the strong one.
#[cfg(headcount_mutants)]
pub(crate) fn pick(sites: &[(&str, Ordering, Ordering)]) -> Ordering {
    let active = sites.iter().find(|(name, ..)| is_active(name));
    active.map_or(sites[0].1, |&(_, _, weak)| weak)
}
