//! A change of the number of places.

use super::CEILING;

/// A change of the number of places.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Resize {
    To(u32),
    Raise(u32),
    /// By so many, or to none if there are fewer.
    Lower(u32),
}

impl Resize {
    /// Returns what `from` places become, unless that is above [`CEILING`].
    pub(crate) fn target(self, from: u32) -> Result<u32, ()> {
        let to = match self {
            Resize::To(to) => to,
            Resize::Raise(n) => from.saturating_add(n),
            Resize::Lower(n) => from.saturating_sub(n),
        };
        if to <= CEILING {
            Ok(to)
        } else {
            Err(())
        }
    }

    /// Returns what is left of the change after a part of it.
    #[cfg(not(feature = "wait"))]
    pub(crate) fn rest(self, from: u32, to: u32) -> Resize {
        match self {
            Resize::To(_) => self,
            // A raise is never in parts.
            Resize::Raise(_) => Resize::Raise(0),
            Resize::Lower(n) => Resize::Lower(n - (from - to)),
        }
    }
}
