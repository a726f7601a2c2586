//! What is counted of a listener's requests over HTTP, by the route they took.
//!
//! The routes are learned as they are taken: a router's own patterns, of which there are as many as the program has.
//! A path that no route is for is counted under one name with all others.

use std::{
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{self, Next},
    response::Response,
};

use super::{
    histogram::{Histogram, Scale},
    page::{Family, Page},
};

/// Routes that are told apart: more than a listener has.
const ROUTES: usize = 64;

/// The name under which requests are counted that no route is for.
const NO_ROUTE: &str = "none";

/// Classes of statuses.
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Counts the requests of a listener.
#[derive(Debug)]
pub(crate) struct HttpCounts {
    listener: &'static str,
    /// Filled from the front, never emptied: who looks for a route needs no lock.
    routes: Box<[OnceLock<Route>]>,
    none: Route,
    in_flight: AtomicU64,
}

#[derive(Debug)]
struct Route {
    pattern: Box<str>,
    answers: [AtomicU64; STATUSES.len()],
    took: Histogram,
}

impl Route {
    fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), answers: Default::default(), took: Histogram::new(Scale::REQUEST) }
    }
}

impl HttpCounts {
    pub(super) fn new(listener: &'static str) -> Self {
        let routes = (0..ROUTES).map(|_| OnceLock::new()).collect();
        Self { listener, routes, none: Route::new(NO_ROUTE), in_flight: AtomicU64::new(0) }
    }

    /// Counts every request of `router`.
    pub(crate) fn count(self: &Arc<Self>, router: Router) -> Router {
        router.layer(middleware::from_fn_with_state(Arc::clone(self), counted))
    }

    fn route(&self, pattern: Option<&str>) -> &Route {
        let Some(pattern) = pattern else { return &self.none };
        // The first free place is taken by who comes to it.
        let mut routes = self.routes.iter().map(|place| place.get_or_init(|| Route::new(pattern)));
        routes.find(|route| *route.pattern == *pattern).unwrap_or(&self.none)
    }

    pub(super) fn answered(&self, pattern: Option<&str>, status: u16, began: Instant) {
        let route = self.route(pattern);
        if let Some(count) = route.answers.get(usize::from(status / 100).wrapping_sub(1)) {
            count.fetch_add(1, Relaxed);
        }
        route.took.observe(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }

    fn all(&self) -> impl Iterator<Item = &Route> {
        self.routes.iter().map_while(OnceLock::get).chain([&self.none])
    }
}

/// Shows the requests of all listeners.
pub(super) fn show(listeners: &[&HttpCounts], page: &mut Page<'_>) -> fmt::Result {
    let routes = || {
        listeners.iter().flat_map(|counts| {
            let listener = ("listener", counts.listener);
            counts.all().map(move |route| (listener, ("route", &*route.pattern), route))
        })
    };
    let requests = Family::new("http_requests", "Requests over HTTP, by route and class of status");
    let by_status = routes().flat_map(|(listener, name, route)| {
        let answers = STATUSES.iter().zip(&route.answers);
        answers.map(move |(status, count)| ([listener, name, ("status", *status)], count.load(Relaxed)))
    });
    page.counters(requests, by_status)?;
    let took = Family::seconds("http_request", "From a request's head to its answer's, by route");
    page.histograms(took, routes().map(|(listener, name, route)| ([listener, name], &route.took)))?;
    let in_flight = Family::new("http_in_flight", "Requests over HTTP that are being answered");
    let by_listener = listeners.iter().map(|counts| ([("listener", counts.listener)], counts.in_flight.load(Relaxed)));
    page.gauges(in_flight, by_listener)
}

async fn counted(State(counts): State<Arc<HttpCounts>>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let in_flight = InFlight::begin(&counts);
    let response = next.run(request).await;
    drop(in_flight);
    counts.answered(route.as_ref().map(MatchedPath::as_str), response.status().as_u16(), began);
    response
}

/// A request that is being answered; one whose client goes away is not any more.
struct InFlight<'c>(&'c AtomicU64);

impl<'c> InFlight<'c> {
    fn begin(counts: &'c HttpCounts) -> Self {
        counts.in_flight.fetch_add(1, Relaxed);
        Self(&counts.in_flight)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}
