//! Tests on the real thing: each starts servers of its own. `ci/redis` installs and runs them all.

mod course;
mod gate;
mod lobby;
mod support;
mod tally;
