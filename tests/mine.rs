mod engines;
mod packed;
mod server;
mod stand_in;
mod tasks;
