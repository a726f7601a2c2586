//! What a scenario reports: figures, what they are held against, and what did not add up.

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

/// What one scenario measured.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// `accept`, `deliver`, …
    pub(crate) bench: &'static str,
    /// Which scenario of it.
    pub(crate) row: &'static str,
    /// What was measured; in JSON an object by name.
    #[serde(serialize_with = "by_name")]
    pub(crate) figures: Vec<Figure>,
    /// What it was measured with.
    pub(crate) with: Map<String, Value>,
    /// What was counted and is not as it must be: the figures are then those of something else. Missing a target is no
    /// problem in this sense.
    pub(crate) problems: Vec<String>,
}

impl Row {
    pub(super) fn new(bench: &'static str, row: &'static str) -> Self {
        Self { bench, row, figures: Vec::new(), with: Map::new(), problems: Vec::new() }
    }

    /// Adds a figure.
    pub(super) fn figure(&mut self, figure: Figure) -> &mut Self {
        self.figures.push(figure);
        self
    }

    /// Notes what it was measured with.
    pub(super) fn with(&mut self, name: &str, value: impl Into<Value>) -> &mut Self {
        self.with.insert(name.to_owned(), value.into());
        self
    }

    /// Counts as a problem that `counted` is not `expected`.
    pub(super) fn expect(&mut self, what: &str, counted: u64, expected: u64) -> &mut Self {
        if counted != expected {
            self.problems.push(format!("{what}: counted {counted}, expected {expected}"));
        }
        self
    }
}

/// A number with its name, its unit and what it is held against.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    #[serde(skip)]
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    /// Nothing for a ratio.
    pub(crate) unit: &'static str,
    #[serde(flatten)]
    pub(crate) target: Option<Target>,
}

/// What a figure is held against.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Target {
    pub(crate) target: f64,
    pub(crate) bound: Bound,
    /// The value as a multiple of the target.
    pub(crate) of_target: f64,
}

/// On which side of its target a figure should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    /// As much as that or more.
    AtLeast,
    /// As much as that or less.
    AtMost,
}

impl Figure {
    pub(super) fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name, value, unit, target: None }
    }

    pub(super) fn at_least(self, target: f64) -> Self {
        self.held_against(target, Bound::AtLeast)
    }

    pub(super) fn at_most(self, target: f64) -> Self {
        self.held_against(target, Bound::AtMost)
    }

    fn held_against(self, target: f64, bound: Bound) -> Self {
        let target = Target { target, bound, of_target: self.value / target };
        Self { target: Some(target), ..self }
    }
}

fn by_name<S: Serializer>(figures: &[Figure], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(figures.iter().map(|figure| (figure.name, figure)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_json_object_with_its_figures_by_name() {
        let mut row = Row::new("accept", "accept");
        row.figure(Figure::new("per_second", 10.0, "req/s")).figure(Figure::new("ratio", 0.7, "").at_least(0.35));
        row.with("in_flight", 64);
        assert_eq!(
            serde_json::to_string(&row).unwrap(),
            concat!(
                r#"{"bench":"accept","row":"accept","figures":{"per_second":{"value":10.0,"unit":"req/s"},"#,
                r#""ratio":{"value":0.7,"unit":"","target":0.35,"bound":"at_least","of_target":2.0}},"#,
                r#""with":{"in_flight":64},"problems":[]}"#
            )
        );
    }

    #[test]
    fn a_count_that_is_not_what_it_must_be_is_a_problem() {
        let mut row = Row::new("deliver", "batching");
        assert!(row.expect("items received", 9, 9).problems.is_empty());
        row.expect("items received", 8, 9);
        assert_eq!(row.problems, ["items received: counted 8, expected 9"]);
    }
}
