//! Times in turns: on a machine whose speed moves by half, only what ran side by side can be compared.

use std::time::{Duration, Instant};

use crate::{peers::Operation, results::Results};

/// How long one turn lasts about: long beside a clock reading, short beside the moods of the machine.
const TURN: Duration = Duration::from_micros(500);

/// How fast one operation was.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// The median time of one run.
    pub(crate) time: Duration,
    /// The first operation's time divided by this one's, round by round: quartile, median, quartile.
    pub(crate) ratio: [f64; 3],
}

/// Runs the operations one after the other, round by round, until `budget` is spent.
pub(crate) fn in_turns(operations: &mut [Operation<'_>], budget: Duration) -> Vec<Speed> {
    let runs: Vec<u32> = operations.iter_mut().map(runs_of_a_turn).collect();
    let mut times = vec![Vec::new(); operations.len()];
    let started = Instant::now();
    while started.elapsed() < budget || times[0].is_empty() {
        for ((operation, &runs), times) in operations.iter_mut().zip(&runs).zip(&mut times) {
            // What the turn before has pushed out of the caches is not this operation's fault.
            turn(operation, 1);
            times.push(turn(operation, runs).as_secs_f64() / f64::from(runs));
        }
    }
    times.iter().map(|own| speed(own, &times[0])).collect()
}

fn runs_of_a_turn(operation: &mut Operation<'_>) -> u32 {
    let mut runs = 1;
    while turn(operation, runs) < TURN && runs < 1 << 20 {
        runs *= 2;
    }
    runs
}

fn turn(operation: &mut Operation<'_>, runs: u32) -> Duration {
    let mut results = Results::discarded();
    let started = Instant::now();
    for _ in 0..runs {
        operation(&mut results);
    }
    started.elapsed()
}

fn speed(own: &[f64], baseline: &[f64]) -> Speed {
    let ratios = sorted(baseline.iter().zip(own).map(|(baseline, own)| baseline / own).collect());
    let at = |quarter: usize| ratios[(ratios.len() - 1) * quarter / 4];
    let times = sorted(own.to_vec());
    Speed { time: Duration::from_secs_f64(times[(times.len() - 1) / 2]), ratio: [at(1), at(2), at(3)] }
}

fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}
