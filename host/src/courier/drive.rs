//! One delivery driven to its end here and now: what a command does, without a store or an engine.

use pushgate_core::{
    Instant, Schedule,
    delivery::{Action, Delivery, Outcome},
};

use super::Report;
use crate::clock::Clock;

/// One send of a delivery, once its answer is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which send, counted from 1.
    pub number: u8,
    /// When it was due.
    pub planned: Instant,
    /// When it began.
    pub started: Instant,
    /// When its answer, or the lack of one, was known.
    pub finished: Instant,
    /// What came of it.
    pub report: Report,
    /// When the next one is due, if there is one.
    pub next: Option<Instant>,
}

/// Sends on `schedule` until there is nothing left to do, telling `tell` each attempt.
///
/// `send` makes one send, within the schedule's time for an answer.
pub async fn drive<F: Future<Output = Report>>(
    schedule: &Schedule<'_>,
    clock: Clock,
    mut send: impl FnMut(u8) -> F,
    mut tell: impl FnMut(&Attempt),
) -> Outcome {
    let mut delivery = Delivery::new(clock.now());
    loop {
        match delivery.poll(schedule, clock.now()) {
            Action::Send { attempt: number, planned } => {
                let started = clock.now();
                delivery.sent(schedule, started);
                let report = send(number).await;
                let finished = clock.now();
                delivery.answered(schedule, finished, report.verdict);
                let next = match delivery.poll(schedule, finished) {
                    Action::Send { planned, .. } => Some(planned),
                    Action::WaitUntil(later) => Some(later),
                    Action::Done(_) => None,
                };
                tell(&Attempt { number, planned, started, finished, report, next });
            }
            Action::WaitUntil(later) => clock.sleep_until(later).await,
            Action::Done(outcome) => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use pushgate_core::Verdict;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_refused_batch_is_sent_four_times_a_second_apart() {
        let clock = Clock::start();
        let start = clock.now();
        let refused = || Report {
            verdict: Verdict::TryAgain,
            class: "code",
            status: Some(200),
            detail: "code 1".to_owned(),
            answer: None,
        };
        let mut moments = Vec::new();
        let outcome = drive(
            &Schedule::UPLINK,
            clock,
            |_| async { refused() },
            |attempt| moments.push((attempt.number, attempt.started.since(start), attempt.next.is_some())),
        )
        .await;
        assert_eq!(outcome, Outcome::Exhausted);
        assert_eq!(moments, [(1, 0, true), (2, 1000, true), (3, 2000, true), (4, 3000, false)]);
    }
}
