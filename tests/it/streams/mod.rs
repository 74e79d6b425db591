//! The live streams against a real Postgres: every event once and in order, through reconnects, lost
//! wake-ups and slow readers. Never proves anything by waiting for a fixed time.

mod feed;
mod many;
mod mill;
mod one;
mod pages;
mod settings;
mod speed;
mod viewers;
