//! Tests on the real thing: each starts servers of its own. `ci/redis` installs and runs them all.

mod course;
mod faults;
mod gate;
mod leased;
mod lobby;
mod support;
mod tally;
