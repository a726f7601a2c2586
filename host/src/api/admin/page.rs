//! `GET /`: the console.
//!
//! The page and its files are served to everybody: they hold nothing secret, and a browser that opens an address cannot
//! send a bearer token with it. How things stand is written into the page only where no token is needed to ask for it.

use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, HeaderName, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH, REFERRER_POLICY,
            X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware,
    response::{Html, IntoResponse, Response},
    routing::get,
};

use crate::{
    api::state::Shared,
    console::{self, FirstState, assets::ASSETS},
    store::{DeliveryFilter, State as DeliveryState, StoreError},
};

/// What the browser is told of the console: only its own files and its own API, in no frame, nothing from a string.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
                      trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 5] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// Says whether everybody who can reach the page may see how things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    /// No token is configured.
    State,
    /// The state needs the token.
    NoData,
}

/// The routes of the console.
pub(super) fn router(shows: Shows) -> Router<Shared> {
    let mut router = Router::new().route("/", get(async move |State(shared): State<Shared>| page(shared, shows).await));
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
    router.layer(middleware::map_response(sealed))
}

async fn page(shared: Shared, shows: Shows) -> Response {
    let state = match shows {
        Shows::NoData => None,
        Shows::State => match first_state(&shared).await {
            Ok(state) => Some(state),
            Err(error) => {
                // The page still comes, and its scripts tell what is wrong.
                tracing::error!(%error, "the console begins without data");
                None
            }
        },
    };
    ([(CACHE_CONTROL, "no-store")], Html(console::page(state.as_ref()))).into_response()
}

async fn first_state(shared: &Shared) -> Result<FirstState, StoreError> {
    let newest = |state| DeliveryFilter { state, lane: None, limit: console::ROWS, cursor: None };
    Ok(FirstState {
        counts: shared.store.counts().await?,
        devices: shared.registry.len(),
        lanes: shared.engine.lanes().await,
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

async fn sealed(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
