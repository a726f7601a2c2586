//! `[telemetry]`: where traces go.

use super::{
    reader::{Section, Value},
    target::Target,
};
use std::fmt;

/// Where traces go, which share of them, and what they are known by there. All are ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Telemetry {
    /// The collector: the base URL where it takes OTLP over HTTP, to which `/v1/traces` is added. Default none: nothing
    /// is recorded.
    pub otlp: Option<Target>,
    /// The share of requests that are recorded, where the caller has not decided it. Default 1, from 0 to 1.
    pub sampling: Sampling,
    /// The name of this gateway among what the collector knows. Default `pushgate`.
    pub service_name: String,
    /// Further attributes of this gateway, each as `name=value`. Default none.
    pub resource: Vec<Attribute>,
}

impl Default for Telemetry {
    fn default() -> Self {
        Self {
            otlp: None,
            sampling: Sampling::default(),
            service_name: env!("CARGO_PKG_NAME").to_owned(),
            resource: Vec::new(),
        }
    }
}

/// The most bytes of a name or an attribute (ours): it goes with every batch.
const MOST_BYTES: usize = 256;

/// The most attributes (ours).
const MOST_ATTRIBUTES: usize = 32;

impl Telemetry {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let default = Self::default();
        Self {
            otlp: section.optional("otlp", collector),
            sampling: section.or("sampling", default.sampling, |value| {
                let ratio = value.decimal()?;
                let sampling = Sampling::new(ratio);
                if sampling.is_none() {
                    value.report("must be from 0 to 1, such as 0.05 for one request in twenty");
                }
                sampling
            }),
            service_name: section.or("service_name", default.service_name, |value| value.parse(name)),
            resource: section.optional("resource", attributes).unwrap_or(default.resource),
        }
    }

    /// Everything the collector is told of this gateway.
    pub(crate) fn attributes(&self) -> Vec<(String, String)> {
        let own = [("service.name", &*self.service_name), ("service.version", env!("CARGO_PKG_VERSION"))];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        own.into_iter()
            .chain(self.resource.iter().map(|Attribute { name, value }| (name.clone(), value.clone())))
            .collect()
    }
}

fn collector(value: &Value<'_>) -> Option<Target> {
    let target = Target::read(value)?;
    if target.uri().query().is_some() {
        value.report("must not have a query (`?…`): `/v1/traces` is added to it");
        return None;
    }
    Some(target)
}

fn name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MOST_BYTES || text.contains(char::is_control) {
        return Err(format!("must be 1 to {MOST_BYTES} bytes without control characters"));
    }
    Ok(text.to_owned())
}

fn attributes(value: &Value<'_>) -> Option<Vec<Attribute>> {
    let list = value.list()?;
    if list.len() > MOST_ATTRIBUTES {
        value.report(format_args!("must have at most {MOST_ATTRIBUTES} attributes"));
        return None;
    }
    Some(list.iter().filter_map(|value| value.parse(Attribute::parse)).collect())
}

/// An attribute of the gateway, such as `deployment.environment.name=production`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    name: String,
    value: String,
}

impl Attribute {
    fn parse(text: &str) -> Result<Self, String> {
        let shape = || "must be NAME=VALUE, such as deployment.environment.name=production".to_owned();
        let (key, value) = text.split_once('=').ok_or_else(shape)?;
        let (key, value) = (key.trim(), value.trim());
        if key.starts_with("service.name") || key == "service.version" {
            return Err(format!("must not be {key}: telemetry.service_name says it, or the gateway itself"));
        }
        if key.is_empty() {
            return Err(shape());
        }
        Ok(Self { name: name(key)?, value: name(value)? })
    }
}

/// A share, to the millionth.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sampling {
    millionths: u32,
}

const WHOLE: u32 = 1_000_000;

impl Sampling {
    /// Takes a ratio from 0 to 1; `None` for any other number.
    #[must_use]
    pub fn new(ratio: f64) -> Option<Self> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and a million")]
        let millionths = |ratio: f64| (ratio * f64::from(WHOLE)).round() as u32;
        (0.0..=1.0).contains(&ratio).then(|| Self { millionths: millionths(ratio) })
    }

    /// Says whether `chance`, drawn from `0..of`, is within the share.
    pub(crate) fn takes(self, chance: u64, of: u64) -> bool {
        u128::from(chance) * u128::from(WHOLE) < u128::from(of) * u128::from(self.millionths)
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self { millionths: WHOLE }
    }
}

/// As it is written.
impl fmt::Display for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.millionths) / f64::from(WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn problem(text: &str) -> String {
        Config::parse(text, "pushgate.toml").expect_err(text).to_string()
    }

    #[test]
    fn everything_can_be_set() {
        let text = "[telemetry]
otlp = 'http://127.0.0.1:4318'
sampling = 0.25
service_name = 'gate'
resource = ['deployment.environment.name=production', 'host.name = gw-1']";
        let telemetry = Config::parse(text, "pushgate.toml").unwrap().telemetry;
        assert_eq!(telemetry.otlp.as_ref().map(ToString::to_string).as_deref(), Some("http://127.0.0.1:4318/"));
        assert_eq!(telemetry.sampling, Sampling { millionths: 250_000 });
        let version = env!("CARGO_PKG_VERSION");
        let attributes = [
            ("service.name", "gate"),
            ("service.version", version),
            ("deployment.environment.name", "production"),
            ("host.name", "gw-1"),
        ];
        assert_eq!(telemetry.attributes(), attributes.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(Config::parse("[telemetry]\nsampling = 1", "f").unwrap().telemetry, Telemetry::default());
    }

    #[test]
    fn a_wrong_value_is_told_with_its_place_and_what_to_do() {
        for (line, what) in [
            ("otlp = 'localhost:4318'", "pushgate.toml:2:8: telemetry.otlp: must be an http or https URL"),
            ("otlp = 'http://h:4318?x=1'", "must not have a query"),
            ("sampling = 1.5", "pushgate.toml:2:12: telemetry.sampling: must be from 0 to 1"),
            ("sampling = nan", "must be from 0 to 1"),
            ("sampling = -0.5", "must be from 0 to 1"),
            ("sampling = '1'", "telemetry.sampling: must be a number"),
            ("service_name = ''", "1 to 256 bytes"),
            ("resource = ['a']", "telemetry.resource[0]: must be NAME=VALUE"),
            ("resource = ['service.name=x']", "telemetry.service_name says it"),
        ] {
            let told = problem(&format!("[telemetry]\n{line}\n"));
            assert!(told.contains(what), "{line}: {told}");
        }
    }

    #[test]
    fn a_share_takes_what_is_within_it() {
        for (ratio, takes) in [(0.0, 0), (0.1, 1), (0.5, 5), (0.999_999, 10), (1.0, 10)] {
            let sampling = Sampling::new(ratio).unwrap();
            assert_eq!((0..10).filter(|chance| sampling.takes(*chance, 10)).count(), takes, "{ratio}");
        }
    }
}
