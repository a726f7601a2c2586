//! One scrape's text, a family after the other.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet},
    metrics::MetricType,
    registry::Unit,
};

use super::histogram::Histogram;

/// The labels of a series, with their values.
pub(super) type Labels<'l, const N: usize> = [(&'l str, &'l str); N];

/// Writes families in OpenMetrics' text.
pub(super) struct Page<'e> {
    encoder: DescriptorEncoder<'e>,
}

/// What a family is called, in what it is counted, and what it says.
#[derive(Clone, Copy)]
pub(super) struct Family {
    name: &'static str,
    unit: Option<&'static Unit>,
    help: &'static str,
}

impl Family {
    /// A family of plain numbers.
    pub(super) const fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, unit: None, help }
    }

    /// A family of seconds; its name ends so.
    pub(super) const fn seconds(name: &'static str, help: &'static str) -> Self {
        Self { name, unit: Some(&Unit::Seconds), help }
    }

    /// A family of bytes; its name ends so.
    pub(super) const fn bytes(name: &'static str, help: &'static str) -> Self {
        Self { name, unit: Some(&Unit::Bytes), help }
    }
}

impl<'e> Page<'e> {
    pub(super) fn new(encoder: DescriptorEncoder<'e>) -> Self {
        Self { encoder }
    }

    /// Writes what only grows.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        self.family(family, MetricType::Counter, series, |encoder, value| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Writes what goes up and down.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (Labels<'l, N>, u64)>,
    ) -> fmt::Result {
        self.family(family, MetricType::Gauge, series, |encoder, value| encoder.encode_gauge(&value))
    }

    /// Writes one level that is no whole number.
    pub(super) fn level(&mut self, family: Family, value: f64) -> fmt::Result {
        self.family(family, MetricType::Gauge, [([], value)], |encoder, value| encoder.encode_gauge(&value))
    }

    /// Writes distributions.
    pub(super) fn histograms<'l, 'h, const N: usize>(
        &mut self,
        family: Family,
        series: impl IntoIterator<Item = (Labels<'l, N>, &'h Histogram)>,
    ) -> fmt::Result {
        self.family(family, MetricType::Histogram, series, |encoder, histogram| {
            let (buckets, sum) = histogram.shown();
            let count = buckets.iter().map(|(_, count)| count).sum();
            encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        })
    }

    /// Writes what stays as it is, in its labels.
    pub(super) fn info(&mut self, family: Family, labels: Labels<'_, 1>) -> fmt::Result {
        let mut encoder = self.describe(family, MetricType::Info)?;
        encoder.encode_info(&labels)
    }

    fn family<'l, V, const N: usize>(
        &mut self,
        family: Family,
        kind: MetricType,
        series: impl IntoIterator<Item = (Labels<'l, N>, V)>,
        mut write: impl FnMut(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut encoder = self.describe(family, kind)?;
        for (labels, value) in series {
            match N {
                0 => write(&mut encoder, value)?,
                _ => write(&mut encoder.encode_family(&labels)?, value)?,
            }
        }
        Ok(())
    }

    fn describe(
        &mut self,
        Family { name, unit, help }: Family,
        kind: MetricType,
    ) -> Result<MetricEncoder<'_>, fmt::Error> {
        self.encoder.encode_descriptor(name, help, unit, kind)
    }
}
