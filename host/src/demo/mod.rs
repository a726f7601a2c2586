//! The demonstration: three protocols, both sides, on loopback, on their own schedules.
//!
//! Everything is real: a [gateway](crate::gateway) with its store and its three listeners, receivers that refuse on purpose, devices
//! on the link, requests over HTTP. What happens is told as it happens (`timeline.rs`) and at the end held against the
//! pages of the protocols (`acts.rs`): each send's moment, each outcome, each item that should have come out at the
//! other end.

mod acts;
mod receivers;
mod stage;
mod timeline;

use std::time::Duration;

use tokio::time;

pub use acts::{Protocol, Summary};
pub use timeline::{Line, Tone};

use acts::Acts;
use stage::Stage;
use timeline::Timeline;

/// When the demonstration gives up on something that should have happened long ago.
const LONGEST: Duration = Duration::from_secs(40);

/// How often the timeline is told what has settled.
const SETTLING: Duration = Duration::from_millis(20);

/// Runs the demonstration, telling each line of its timeline, and returns what is to be said of each protocol.
///
/// # Errors
///
/// What keeps it from being run at all; a protocol that does not do what its page says is no error but a [`Summary`].
pub async fn run(tell: &mut dyn FnMut(&Line)) -> Result<Vec<Summary>, CannotRun> {
    let (mut stage, mut told) = Stage::set().await?;
    let mut events = stage.gateway.events();
    let mut timeline = Timeline::new(stage.clock, tell);
    let mut acts = Acts::default();
    for line in stage.introduction() {
        timeline.now(line);
    }
    stage.perform(&mut acts, &mut timeline).await?;

    let end = time::sleep(LONGEST);
    tokio::pin!(end);
    let mut settling = time::interval(SETTLING);
    while !acts.are_over() {
        tokio::select! {
            event = events.recv() => match event {
                Ok(event) => {
                    timeline.event(&event, &acts);
                    acts.note(&event);
                }
                Err(error) => return Err(CannotRun(format!("the gateway's events are lost: {error}"))),
            },
            Some(line) = told.recv() => {
                acts.hear(&line);
                timeline.take(line);
            }
            _ = settling.tick() => timeline.settle(),
            () = &mut end => break,
        }
    }
    timeline.end();
    let inbox = stage.inbox().await?;
    let summaries = acts.summaries(&inbox);
    stage.strike().await;
    Ok(summaries)
}

/// Why the demonstration cannot be run.
#[derive(Debug)]
pub struct CannotRun(String);

impl CannotRun {
    fn because(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl std::fmt::Display for CannotRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotRun {}
