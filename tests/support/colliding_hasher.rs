//! A hasher that gives all keys the same hash.

use std::hash::{BuildHasher, Hasher};

#[derive(Clone, Default)]
pub(crate) struct Same;

impl BuildHasher for Same {
    type Hasher = Same;

    fn build_hasher(&self) -> Same {
        Same
    }
}

impl Hasher for Same {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}
