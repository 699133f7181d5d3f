//! The one integration-test binary; each flow is a module.

mod alone;
mod architecture;
mod architectures;
mod bad_bundle;
mod bad_data;
mod choices;
mod classical;
mod command_line;
mod comparing;
mod desk;
mod download;
mod exported;
mod jobs;
mod kill;
mod loading;
mod memory;
mod probes;
mod store;
