//! What a family of figures is: declared once, as a constant beside what fills it. The registry, the
//! scrape and `docs/metrics.md` all read the declaration. Knows nothing of what is counted.

use std::collections::BTreeMap;

use prometheus::core::Collector;
use prometheus::proto::MetricFamily;
use prometheus::{
    CounterVec, Error, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry,
};

/// The labels of what is told of a RedisCluster.
pub(super) const OF_CLUSTER: &[&str] = &["namespace", "cluster"];

/// One family of figures.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// Its name, with its unit.
    pub name: &'static str,
    /// What kind of figure.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [&'static str],
    /// What it tells.
    pub help: &'static str,
}

/// The kinds of figures.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Only rises.
    Counter,
    /// A counter that a member keeps, told as it stands: it begins anew where its process does, which is
    /// what `rate()` takes a smaller number for. A count of our own would miss what was done while no
    /// operator looked.
    Told,
    /// Rises and falls.
    Gauge,
    /// Counts below these bounds.
    Histogram(&'static [f64]),
}

impl Kind {
    /// As Prometheus calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter | Self::Told => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl Family {
    pub(super) const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            labels,
            help,
        }
    }

    pub(super) const fn told(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Told,
            labels,
            help,
        }
    }

    pub(super) const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Gauge,
            labels,
            help,
        }
    }

    pub(super) const fn histogram(
        name: &'static str,
        labels: &'static [&'static str],
        bounds: &'static [f64],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Histogram(bounds),
            labels,
            help,
        }
    }

    fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// A counter of events in this registry.
    pub(super) fn events(&self, registry: &Registry) -> prometheus::Result<IntCounterVec> {
        let counter = IntCounterVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    /// A counter of seconds in this registry.
    pub(super) fn seconds(&self, registry: &Registry) -> prometheus::Result<CounterVec> {
        let counter = CounterVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    /// A gauge in this registry.
    pub(super) fn level(&self, registry: &Registry) -> prometheus::Result<GaugeVec> {
        let gauge = GaugeVec::new(self.opts(), self.labels)?;
        registry.register(Box::new(gauge.clone()))?;
        Ok(gauge)
    }

    /// A histogram in this registry.
    pub(super) fn spread(&self, registry: &Registry) -> prometheus::Result<HistogramVec> {
        let Kind::Histogram(bounds) = self.kind else {
            return Err(Error::Msg(format!("{} is no histogram", self.name)));
        };
        let opts = HistogramOpts::new(self.name, self.help).buckets(bounds.to_vec());
        let histogram = HistogramVec::new(opts, self.labels)?;
        registry.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }
}

/// Gauges that are made for one scrape, and counters that members keep, so that nothing is left of what is gone.
pub(super) struct Sheet {
    gauges: BTreeMap<&'static str, GaugeVec>,
    told: BTreeMap<&'static str, IntCounterVec>,
}

impl Sheet {
    /// Empty, for the families that are made so.
    pub(super) fn new<'a>(families: impl Iterator<Item = &'a Family>) -> prometheus::Result<Self> {
        let (mut gauges, mut told) = (BTreeMap::new(), BTreeMap::new());
        for family in families {
            match family.kind {
                Kind::Gauge => {
                    let gauge = GaugeVec::new(family.opts(), family.labels)?;
                    gauges.insert(family.name, gauge);
                }
                Kind::Told => {
                    let counter = IntCounterVec::new(family.opts(), family.labels)?;
                    told.insert(family.name, counter);
                }
                Kind::Counter | Kind::Histogram(_) => {}
            }
        }
        Ok(Self { gauges, told })
    }

    /// Writes one figure.
    pub(super) fn set(
        &self,
        family: &Family,
        labels: &[&str],
        value: f64,
    ) -> prometheus::Result<()> {
        let gauge = self.gauges.get(family.name);
        let gauge = gauge.ok_or_else(|| undeclared(family))?;
        gauge.get_metric_with_label_values(labels)?.set(value);
        Ok(())
    }

    /// Tells what a member has counted, once for these labels.
    pub(super) fn tell(
        &self,
        family: &Family,
        labels: &[&str],
        counted: u64,
    ) -> prometheus::Result<()> {
        let series = self.told.get(family.name);
        let series = series.ok_or_else(|| undeclared(family))?;
        series.get_metric_with_label_values(labels)?.inc_by(counted);
        Ok(())
    }

    /// What was written.
    pub(super) fn collect(&self) -> impl Iterator<Item = MetricFamily> {
        let gauges = self.gauges.values().flat_map(Collector::collect);
        gauges.chain(self.told.values().flat_map(Collector::collect))
    }
}

fn undeclared(family: &Family) -> Error {
    Error::Msg(format!("{} is not in the catalogue", family.name))
}

/// As a float: 1 for yes.
pub(super) fn flag(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// As a float.
#[allow(
    clippy::cast_precision_loss,
    reason = "Prometheus has only floats; 2^53 bytes are enough"
)]
pub(super) fn float(value: u64) -> f64 {
    value as f64
}

/// How many, as a float.
pub(super) fn count(number: usize) -> f64 {
    float(u64::try_from(number).unwrap_or(u64::MAX))
}
