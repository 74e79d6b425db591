//! Durable code: steps, sleeps, signals, cursors and forks, through crashes at every boundary.

mod fork;
mod rest;
mod signals;
mod sleep;
mod steps;
