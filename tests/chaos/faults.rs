//! The kills of a scenario: when, whom, for how long. The schedule follows from the seed alone; how the processes
//! interleave does not.

use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::ledger::uptime;
use crate::processes::Mill;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Worker,
    Api,
    Postgres,
    Everything,
}

/// A kill, in seconds of uptime.
#[derive(Debug, Clone)]
pub struct Kill {
    pub at: f64,
    pub of_postgres: bool,
    /// All that it was meant for had lived until then, and was gone after.
    pub hit: bool,
}

/// From the first kill until everything is up again.
#[derive(Debug)]
pub struct FaultPhase {
    pub began: f64,
    pub ended: f64,
    pub kills: Vec<Kill>,
    /// Programs that ended though nobody killed them.
    pub gave_up: Vec<String>,
}

/// Kills `rounds` times, one to three seconds after the last recovery, and starts again what was killed.
pub async fn inflict(mill: &mut Mill, victim: Victim, rounds: usize, seed: u64) -> FaultPhase {
    let mut random = StdRng::seed_from_u64(seed);
    let began = uptime();
    let mut kills = Vec::new();
    for _ in 0..rounds {
        // Now and then the next kill comes while what was killed before still starts.
        if random.random_bool(0.8) {
            mill.answers().await;
        }
        watch(mill, Duration::from_millis(random.random_range(1_000..3_000))).await;
        let down = Duration::from_millis(random.random_range(0..1_000));
        let worker = if random.random() { "worker-1" } else { "worker-2" };
        let programs: &[&str] = match victim {
            Victim::Worker => &[worker],
            Victim::Api => &["serve"],
            Victim::Postgres => &[],
            Victim::Everything => &["serve", "worker-1", "worker-2"],
        };
        let of_postgres = matches!(victim, Victim::Postgres | Victim::Everything);
        let at = uptime();
        let mut hit = !of_postgres || mill.kill_postgres().await;
        for name in programs {
            hit &= mill.kill(name);
        }
        kills.push(Kill { at, of_postgres, hit });
        if of_postgres {
            // Without their database the programs must be able to start, and wait for it.
            for name in programs {
                mill.start_again(name);
            }
            watch(mill, down).await;
            mill.restart_postgres().await;
        } else {
            watch(mill, down).await;
            for name in programs {
                mill.start_again(name);
            }
        }
    }
    mill.answers().await;
    mill.supervise();
    FaultPhase { began, ended: uptime(), kills, gave_up: mill.gave_up.clone() }
}

/// Lets time pass, but lets no program stay down.
async fn watch(mill: &mut Mill, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        mill.supervise();
        tokio::time::sleep(Duration::from_millis(50).min(until - Instant::now())).await;
    }
}
