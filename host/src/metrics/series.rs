//! The last five minutes by the second, and the last day by the minute, for charts.
//!
//! Two rings in memory, some 200 KB in all: what is older is Prometheus' to keep.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::pulse::{Late, Second};

/// Milliseconds of a second, of a minute, and of what a day is shown in.
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;
const FIVE_MINUTES: u64 = 5 * MINUTE;

/// Seconds that are kept.
const SECONDS: usize = 300;

/// Minutes that are kept: a day, and what is left of five minutes when it ends in their middle.
const MINUTES: usize = 1_440 + 4;

/// A span of time that charts show, up to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) enum Span {
    /// Five minutes, by the second.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// An hour, by the minute.
    #[serde(rename = "1h")]
    Hour,
    /// A day, by five minutes.
    #[serde(rename = "24h")]
    Day,
}

impl Span {
    const fn step(self) -> u64 {
        match self {
            Self::FiveMinutes => SECOND,
            Self::Hour => MINUTE,
            Self::Day => FIVE_MINUTES,
        }
    }

    const fn length(self) -> u64 {
        match self {
            Self::FiveMinutes => 300,
            Self::Hour => 60,
            Self::Day => 288,
        }
    }
}

/// A span of what happened, as charts show it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Chart {
    /// Milliseconds of a point.
    pub(crate) step: u64,
    /// Points of each column.
    pub(crate) length: u64,
    /// When the last point ends, in unix milliseconds; a multiple of `step`.
    pub(crate) end: u64,
    /// The columns.
    pub(crate) points: Columns,
}

/// What happened in each step. Before the start of the process there is nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub(crate) struct Columns {
    /// Deliveries accepted a second.
    pub(crate) accepted: Vec<Option<f64>>,
    /// Sends made a second.
    pub(crate) sends: Vec<Option<f64>>,
    /// Deliveries delivered a second.
    pub(crate) delivered: Vec<Option<f64>>,
    /// Sends failed a second.
    pub(crate) failed: Vec<Option<f64>>,
    /// Deliveries that died a second.
    pub(crate) dead: Vec<Option<f64>>,
    /// Device messages dropped a second.
    pub(crate) dropped: Vec<Option<f64>>,
    /// Milliseconds that half of the sends were late at the most; of a longer step, the median of its parts.
    pub(crate) late_p50: Vec<Option<u64>>,
    /// Milliseconds that 99 of 100 sends were late at the most; of a longer step, the worst of its parts.
    pub(crate) late_p99: Vec<Option<u64>>,
    /// Milliseconds that the latest send was late.
    pub(crate) late_max: Vec<Option<u64>>,
}

/// What happened in the second that has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Point {
    /// When it ended, in unix milliseconds.
    pub(crate) time: u64,
    /// Deliveries accepted.
    pub(crate) accepted: u64,
    /// Sends made.
    pub(crate) sends: u64,
    /// Deliveries delivered.
    pub(crate) delivered: u64,
    /// Sends failed.
    pub(crate) failed: u64,
    /// Deliveries that died.
    pub(crate) dead: u64,
    /// Device messages dropped.
    pub(crate) dropped: u64,
    /// Milliseconds that half of the sends were late at the most.
    pub(crate) late_p50: Option<u64>,
    /// Milliseconds that 99 of 100 sends were late at the most.
    pub(crate) late_p99: Option<u64>,
    /// Milliseconds that the latest send was late.
    pub(crate) late_max: Option<u64>,
}

/// The two rings.
#[derive(Debug, Default)]
pub(super) struct Series {
    /// When the newest second ended, in unix milliseconds; a multiple of 1000.
    end: u64,
    seconds: VecDeque<Part>,
    minutes: VecDeque<Part>,
    /// The seconds of the minute that runs.
    minute: Vec<Part>,
}

/// A span of what happened: sums, and over how many seconds.
#[derive(Clone, Copy, Debug, Default)]
struct Part {
    sums: Second,
    seconds: u32,
}

impl Series {
    /// Begins at `now`, in unix milliseconds; before it there is nothing.
    pub(super) fn begin(&mut self, now: u64) {
        *self = Self { end: now - now % SECOND, ..Self::default() };
    }

    /// Takes the second that has ended by `now`. Seconds that nobody has looked at are empty: what happened in them is
    /// in this one.
    pub(super) fn push(&mut self, now: u64, second: Second) {
        let missed = (now.saturating_sub(self.end) / SECOND).saturating_sub(1);
        if missed > FIVE_MINUTES / SECOND * Span::Day.length() {
            self.begin(now - SECOND);
        } else {
            (0..missed).for_each(|_| self.append(Second::default()));
        }
        self.append(second);
    }

    /// What happened in the newest second.
    pub(super) fn newest(&self) -> Point {
        let Second { accepted, sends, delivered, failed, dead, dropped, late } =
            self.seconds.back().map(|part| part.sums).unwrap_or_default();
        let [late_p50, late_p99, late_max] = columns(late);
        Point { time: self.end, accepted, sends, delivered, failed, dead, dropped, late_p50, late_p99, late_max }
    }

    /// What happened in a span.
    pub(super) fn chart(&self, span: Span) -> Chart {
        let (step, length) = (span.step(), span.length());
        let (ring, unit) = match span {
            Span::FiveMinutes => (&self.seconds, SECOND),
            Span::Hour | Span::Day => (&self.minutes, MINUTE),
        };
        let newest = self.end - self.end % unit;
        let end = self.end - self.end % step;
        let part_at = |at: u64| {
            let back = usize::try_from(newest.checked_sub(at)? / unit).ok()?;
            ring.get(ring.len().checked_sub(back + 1)?)
        };
        let mut points = Columns::default();
        for place in (0..length).rev() {
            let ends = end.saturating_sub(place * step);
            let parts = (0..step / unit).filter_map(|part| part_at(ends.checked_sub(part * unit)?));
            points.add(join(parts));
        }
        Chart { step, length, end, points }
    }

    fn append(&mut self, sums: Second) {
        let part = Part { sums, seconds: 1 };
        self.end += SECOND;
        push(&mut self.seconds, SECONDS, part);
        self.minute.push(part);
        if self.end.is_multiple_of(MINUTE) {
            if let Some(minute) = join(self.minute.iter()) {
                push(&mut self.minutes, MINUTES, minute);
            }
            self.minute.clear();
        }
    }
}

impl Columns {
    fn add(&mut self, part: Option<Part>) {
        let mean = |of: fn(&Second) -> u64| part.map(|part| mean(of(&part.sums), part.seconds));
        self.accepted.push(mean(|second| second.accepted));
        self.sends.push(mean(|second| second.sends));
        self.delivered.push(mean(|second| second.delivered));
        self.failed.push(mean(|second| second.failed));
        self.dead.push(mean(|second| second.dead));
        self.dropped.push(mean(|second| second.dropped));
        let [p50, p99, max] = columns(part.and_then(|part| part.sums.late));
        self.late_p50.push(p50);
        self.late_p99.push(p99);
        self.late_max.push(max);
    }
}

fn columns(late: Option<Late>) -> [Option<u64>; 3] {
    [late.map(|late| late.p50), late.map(|late| late.p99), late.map(|late| late.max)]
}

fn push(ring: &mut VecDeque<Part>, most: usize, part: Part) {
    if ring.len() == most {
        ring.pop_front();
    }
    ring.push_back(part);
}

/// Puts parts of a span together: what they count, the median of their medians, and the worst of the rest.
fn join<'p>(parts: impl Iterator<Item = &'p Part>) -> Option<Part> {
    let mut whole = Part::default();
    let (mut p50, mut worst) = (Vec::new(), None::<(u64, u64)>);
    for Part { sums, seconds } in parts {
        whole.seconds += seconds;
        whole.sums.accepted += sums.accepted;
        whole.sums.sends += sums.sends;
        whole.sums.delivered += sums.delivered;
        whole.sums.failed += sums.failed;
        whole.sums.dead += sums.dead;
        whole.sums.dropped += sums.dropped;
        if let Some(late) = sums.late {
            p50.push(late.p50);
            worst = Some(worst.map_or((late.p99, late.max), |(p99, max)| (p99.max(late.p99), max.max(late.max))));
        }
    }
    p50.sort_unstable();
    whole.sums.late = worst.and_then(|(p99, max)| Some(Late { p50: *p50.get((p50.len() - 1) / 2)?, p99, max }));
    (whole.seconds > 0).then_some(whole)
}

#[expect(clippy::cast_precision_loss, reason = "a second's events are few against 2^52")]
fn mean(sum: u64, seconds: u32) -> f64 {
    // To the thousandth: more digits tell nothing.
    (sum as f64 / f64::from(seconds.max(1)) * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A second that can be told from others: `n` deliveries, the latest `n` ms late.
    fn second(n: u64) -> Second {
        let late = (n > 0).then_some(Late { p50: n / 2, p99: n, max: n });
        Second { accepted: n, sends: 2 * n, delivered: n, late, ..Second::default() }
    }

    /// What happened in the second that ends at `end`, some minutes empty.
    fn happened(end: u64) -> u64 {
        let second = end / SECOND;
        if second / 60 % 3 == 1 { 0 } else { second * 7 % 13 }
    }

    /// Each point of a chart, counted anew from what happened.
    fn recounted(span: Span, began: u64, end: u64) -> Vec<[Option<f64>; 4]> {
        let ends = (0..span.length()).rev().map(|place| end - place * span.step());
        ends.map(|ends| {
            let seconds = (ends - span.step()..ends).step_by(1000).map(|from| from + SECOND);
            let seconds: Vec<_> = seconds.filter(|end| *end > began).map(happened).collect();
            let per_second = seconds.iter().sum::<u64>() as f64 / seconds.len() as f64;
            let worst = seconds.iter().max().filter(|worst| **worst > 0).map(|worst| *worst as f64);
            match seconds.is_empty() {
                true => [None; 4],
                false => [per_second, 2.0 * per_second]
                    .map(|n| Some((n * 1000.0).round() / 1000.0))
                    .into_iter()
                    .chain([worst, worst])
                    .collect::<Vec<_>>()
                    .try_into()
                    .unwrap(),
            }
        })
        .collect()
    }

    #[test]
    fn charts_tell_what_a_plain_recount_tells() {
        let began = 1_700_000_123_456;
        let first = began - began % SECOND;
        let mut series = Series::default();
        series.begin(began);
        // A day and some hours; looked at now and then, at odd times too.
        let mut now = first;
        for looked_at in [1, 59, 60, 61, 299, 300, 301, 3_599, 3_601, 7_777, 86_399, 86_700, 100_001] {
            while (now - first) / SECOND < looked_at {
                now += SECOND;
                series.push(now, second(happened(now)));
            }
            for span in [Span::FiveMinutes, Span::Hour, Span::Day] {
                let chart = series.chart(span);
                assert_eq!((chart.step, chart.length), (span.step(), span.length()));
                assert_eq!(chart.end, now - now % span.step(), "{span:?} at {looked_at}");
                let points = &chart.points;
                let told: Vec<_> = (0..usize::try_from(chart.length).unwrap())
                    .map(|at| {
                        let late = |late: &[Option<u64>]| late[at].map(|late| late as f64);
                        [points.accepted[at], points.sends[at], late(&points.late_p99), late(&points.late_max)]
                    })
                    .collect();
                assert_eq!(told, recounted(span, first, chart.end), "{span:?} at {looked_at}");
            }
        }
        assert_eq!((series.seconds.len(), series.minutes.len()), (SECONDS, MINUTES));
    }

    #[test]
    fn a_tick_that_comes_late_leaves_empty_seconds_and_loses_nothing() {
        let mut series = Series::default();
        series.begin(10_500);
        series.push(11_020, second(1));
        series.push(15_999, second(7));
        let chart = series.chart(Span::FiveMinutes);
        assert_eq!(chart.end, 15_000);
        assert_eq!(chart.points.accepted[293..], [None, None, Some(1.0), Some(0.0), Some(0.0), Some(0.0), Some(7.0)]);
        assert_eq!(series.newest().time, 15_000);
        // Days later what was is no longer shown, and no day is walked through.
        series.push(u64::MAX / 2, second(3));
        let chart = series.chart(Span::FiveMinutes);
        assert_eq!(chart.points.accepted[298..], [None, Some(3.0)]);
    }

    #[test]
    fn the_median_of_a_longer_step_is_the_median_of_its_parts() {
        let parts: Vec<_> = [2, 0, 20, 4].map(second).map(|sums| Part { sums, seconds: 1 }).into();
        let whole = join(parts.iter()).unwrap();
        assert_eq!(whole.sums.late, Some(Late { p50: 2, p99: 20, max: 20 }));
        assert!(join([].iter()).is_none());
    }
}
