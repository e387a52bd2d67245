//! Requests by API: how many in which version, which errors, how long in which phase, how many
//! parked.
//!
//! An API's meter is made when its first request comes, and found by the key's number. Not here:
//! the names, which come with [`Requests::new`]. Must hold: what is counted for an API that nobody
//! uses costs no memory.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::histogram::Histogram;
use crate::number::{Counter, Gauge};
use crate::page::Page;
use crate::table::Metric;

/// One API as requests name it.
#[derive(Clone, Debug)]
pub struct Api {
    /// The number by which requests name it.
    pub key: i16,
    /// Its name.
    pub name: &'static str,
    /// The versions that there are.
    pub versions: RangeInclusive<i16>,
}

/// A part of a request's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It has come and waits for the former request of its connection.
    Queue,
    /// It is read, handled and its answer written.
    Local,
    /// Its answer waits for something to happen, or for its place among the answers.
    Waiting,
    /// Its answer is sent.
    Send,
}

impl Phase {
    /// Every phase, in order.
    pub const ALL: [Phase; 4] = [Phase::Queue, Phase::Local, Phase::Waiting, Phase::Send];

    fn name(self) -> &'static str {
        match self {
            Phase::Queue => "queue",
            Phase::Local => "local",
            Phase::Waiting => "waiting",
            Phase::Send => "send",
        }
    }
}

/// Requests of all APIs.
#[derive(Debug)]
pub struct Requests {
    /// By key.
    apis: Vec<Option<(Api, OnceLock<Arc<ApiMeter>>)>>,
    errors: Arc<[&'static str]>,
}

impl Requests {
    /// No request yet. `errors` names the error codes from -1 on.
    pub fn new(apis: impl IntoIterator<Item = Api>, errors: Vec<&'static str>) -> Requests {
        let mut by_key = Vec::new();
        for api in apis {
            let Ok(place) = usize::try_from(api.key) else { continue };
            if by_key.len() <= place {
                by_key.resize_with(place + 1, || None);
            }
            by_key[place] = Some((api, OnceLock::new()));
        }
        Requests { apis: by_key, errors: errors.into() }
    }

    /// The meter of an API, if there is such an API.
    pub fn of(&self, key: i16) -> Option<&Arc<ApiMeter>> {
        let (api, meter) = self.apis.get(usize::try_from(key).ok()?)?.as_ref()?;
        Some(meter.get_or_init(|| Arc::new(ApiMeter::new(api, Arc::clone(&self.errors)))))
    }

    pub(crate) fn write(&self, page: &mut Page) {
        let seen = self.apis.iter().flatten().filter_map(|(_, meter)| meter.get());
        seen.for_each(|meter| meter.write(page));
    }
}

/// Requests of one API.
#[derive(Debug)]
pub struct ApiMeter {
    name: &'static str,
    first_version: i16,
    /// By version from the first on; the last one counts all versions that there are not.
    versions: Box<[Counter]>,
    error_names: Arc<[&'static str]>,
    /// By code from -1 on.
    errors: Box<[Counter]>,
    phases: [Histogram; Phase::ALL.len()],
    total: Histogram,
    parked: Gauge,
}

impl ApiMeter {
    fn new(api: &Api, error_names: Arc<[&'static str]>) -> ApiMeter {
        let counters = |count: usize| (0..count).map(|_| Counter::default()).collect();
        ApiMeter {
            name: api.name,
            first_version: *api.versions.start(),
            versions: counters(api.versions.clone().count() + 1),
            errors: counters(error_names.len()),
            error_names,
            phases: std::array::from_fn(|_| Histogram::default()),
            total: Histogram::default(),
            parked: Gauge::default(),
        }
    }

    /// A request of this version was answered, or needs no answer; `times` are its phases in
    /// order.
    pub fn answered(&self, version: i16, times: [Duration; Phase::ALL.len()]) {
        let place = i32::from(version) - i32::from(self.first_version);
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let counter = self.versions.get(place).or(self.versions.last());
        counter.into_iter().for_each(Counter::one);
        for (histogram, time) in self.phases.iter().zip(times) {
            histogram.observe(time);
        }
        self.total.observe(times.iter().sum());
    }

    /// An answer says this code; a code without a name counts as -1, as it is shown elsewhere.
    pub fn error(&self, code: i16) {
        let place = usize::try_from(i32::from(code) + 1).unwrap_or_default();
        let counter = self.errors.get(place).or(self.errors.first());
        counter.into_iter().for_each(Counter::one);
    }

    /// A request is parked for as long as the answer is held.
    pub fn park(self: &Arc<Self>) -> Parked {
        self.parked.add(1);
        Parked(Arc::clone(self))
    }

    fn write(&self, page: &mut Page) {
        for (version, counter) in (self.first_version..).zip(&self.versions) {
            let is_last =
                usize::try_from(version - self.first_version) == Ok(self.versions.len() - 1);
            let version = if is_last { "unknown".to_owned() } else { version.to_string() };
            if counter.value() > 0 {
                page.put(Metric::Requests, &[self.name, &version], counter.value());
            }
        }
        for (error, counter) in self.error_names.iter().zip(&self.errors) {
            if counter.value() > 0 {
                page.put(Metric::Errors, &[self.name, error], counter.value());
            }
        }
        page.histogram(Metric::RequestTime, &[self.name], &self.total);
        for (phase, histogram) in Phase::ALL.into_iter().zip(&self.phases) {
            page.histogram(Metric::PhaseTime, &[self.name, phase.name()], histogram);
        }
        page.put(Metric::Parked, &[self.name], self.parked.value());
    }
}

/// A request that waits.
#[derive(Debug)]
pub struct Parked(Arc<ApiMeter>);

impl Drop for Parked {
    fn drop(&mut self) {
        self.0.parked.add(-1);
    }
}
