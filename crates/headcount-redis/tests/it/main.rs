//! Tests on the real thing: each starts servers of its own. `ci/redis` installs and runs them all.

mod gate;
mod support;
