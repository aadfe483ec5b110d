//! Named weakenings, as in the crate `headcount`: how the tests are known to bite.
//!
//! In ordinary builds both macros are constants. Under `--cfg headcount_mutants` the variable
//! `HEADCOUNT_MUTANT` of the environment picks one name, and that site is weakened. Scripts are
//! weakened by their text: `HEADCOUNT_MUTANT_TEXT` is replaced by `HEADCOUNT_MUTANT_BY`.
//! `ci/redis-mutants` has the list, with the tests that have to fail.

/// The ordering of a site, and the weaker one that its mutant uses.
macro_rules! ordering {
    ($name:literal, $strong:ident => $weak:ident) => {
        if $crate::mutants::mutant!($name) {
            $crate::sync::Ordering::$weak
        } else {
            $crate::sync::Ordering::$strong
        }
    };
}

/// Whether a mutant is active; `false`, as a constant, in ordinary builds.
macro_rules! mutant {
    ($name:literal) => {{
        #[cfg(headcount_mutants)]
        let active = $crate::mutants::is_active($name);
        #[cfg(not(headcount_mutants))]
        let active = false;
        active
    }};
}

pub(crate) use {mutant, ordering};

/// The active mutant, if any. Read once: a model must be able to run twice alike.
#[cfg(headcount_mutants)]
pub(crate) fn is_active(name: &str) -> bool {
    static ACTIVE: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    ACTIVE.get_or_init(|| std::env::var("HEADCOUNT_MUTANT").ok()).as_deref() == Some(name)
}

/// The text of a script.
#[cfg(not(headcount_mutants))]
pub(crate) fn script(text: &str) -> std::borrow::Cow<'_, str> {
    text.into()
}

/// The text of a script, weakened.
#[cfg(headcount_mutants)]
pub(crate) fn script(text: &str) -> std::borrow::Cow<'_, str> {
    let word = |name| std::env::var(name).ok();
    match (word("HEADCOUNT_MUTANT_TEXT"), word("HEADCOUNT_MUTANT_BY")) {
        (Some(is), Some(by)) => text.replace(&is, &by).into(),
        _ => text.into(),
    }
}
