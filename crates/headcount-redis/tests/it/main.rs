//! Tests on the real thing: each starts servers of its own. `ci/redis` installs and runs them all.

mod cluster;
mod course;
mod errors;
mod faults;
mod gate;
mod inputs;
mod leased;
mod lobby;
mod models;
mod processes;
mod support;
mod tally;
