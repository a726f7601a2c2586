//! `GET /`: the console.
//!
//! The page and its files are served to everybody: they hold nothing secret, and a browser that opens an address cannot
//! send a bearer token with it. How things stand is written into the page only where no token is needed to ask for it.
//! What the browser is told of them, as of every answer, is in `origin`.

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH},
    },
    response::{Html, IntoResponse, Response},
    routing::get,
};

use super::token::Guard;
use crate::{
    api::state::Shared,
    console::{self, FirstState, assets::ASSETS},
    engine::LaneLevels,
    store::{DeliveryFilter, State as DeliveryState, StoreError},
    telemetry::seldom::seldom,
};

/// The routes of the console.
pub(super) fn router(guard: Guard) -> Router<Shared> {
    let mut router =
        Router::new().route("/", get(async move |State(shared): State<Shared>| page(shared, &guard).await));
    for asset in &ASSETS {
        let etag = asset.etag();
        router = router.route(
            asset.path,
            get(async move |headers: HeaderMap| {
                let fixed = [(CACHE_CONTROL, HeaderValue::from_static("no-cache")), (ETAG, etag.clone())];
                if has(&headers, &etag) {
                    return (StatusCode::NOT_MODIFIED, fixed).into_response();
                }
                (fixed, [(CONTENT_TYPE, asset.content_type)], asset.text).into_response()
            }),
        );
    }
    router
}

async fn page(shared: Shared, guard: &Guard) -> Response {
    let state = if guard.asks_for_token() {
        None
    } else {
        // Without it the page still comes, and its scripts tell what is wrong.
        first_state(&shared).await.inspect_err(|error| seldom!(error, %error, "the console begins without data")).ok()
    };
    ([(CACHE_CONTROL, "no-store")], Html(console::page(state.as_ref()))).into_response()
}

async fn first_state(shared: &Shared) -> Result<FirstState, StoreError> {
    let newest = |state| DeliveryFilter { state, limit: console::ROWS, ..DeliveryFilter::default() };
    Ok(FirstState {
        counts: shared.store.counts().await?,
        devices: shared.registry.len(),
        lanes: {
            let LaneLevels { mut destinations, devices } = shared.engine.levels().await;
            destinations.extend(devices.noted);
            destinations
        },
        deliveries: shared.store.deliveries(newest(None)).await?.deliveries,
        dead: shared.store.deliveries(newest(Some(DeliveryState::Dead))).await?.deliveries,
    })
}

/// Whether the client has exactly this already.
fn has(headers: &HeaderMap, etag: &HeaderValue) -> bool {
    let known = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|one| one == "*" || etag.to_str().is_ok_and(|etag| one.strip_prefix("W/").unwrap_or(one) == etag))
}
