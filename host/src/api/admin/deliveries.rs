//! `/api/deliveries`: what became of everything accepted; one again, or never.

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::Deserialize;
use serde_json::json;

use super::{PAGE, refusal::Refusal};
use crate::{
    api::state::{Replay, Shared},
    store::{DeliveryFilter, DeliveryId, DeliverySummary, Removed, State as DeliveryState},
};

#[derive(Debug, Deserialize)]
pub(super) struct DeliveriesQuery {
    state: Option<String>,
    lane: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(super) async fn list(
    State(shared): State<Shared>,
    query: Result<Query<DeliveriesQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Query(query) = query.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "query", error.body_text()))?;
    let state = query.state.filter(|state| !state.is_empty()).map(|state| state.parse::<DeliveryState>()).transpose();
    let filter = DeliveryFilter {
        state: state.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, "state", error.to_string()))?,
        lane: query.lane.filter(|lane| !lane.is_empty()),
        limit: query.limit.unwrap_or(PAGE),
        cursor: query
            .cursor
            .filter(|cursor| !cursor.is_empty())
            .map(|cursor| parse_id("cursor", &cursor))
            .transpose()?,
    };
    Ok(Json(shared.store.deliveries(filter).await?).into_response())
}

pub(super) async fn show(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    let detail = shared.store.delivery(id).await?.ok_or_else(Refusal::no_delivery)?;
    let DeliverySummary { id, lane, state, attempts: _, created_at, next_at, last_error } = detail.summary;
    // What is sent over HTTP is JSON; a message for a device may be anything.
    let (body, body_base64) = match std::str::from_utf8(&detail.body) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(&detail.body))),
    };
    let answer = json!({
        "id": id,
        "lane": lane,
        "state": state,
        "created_at": created_at,
        "next_at": next_at,
        "finished_at": detail.finished_at,
        "last_error": last_error,
        "attempts": detail.attempts,
        "body": body,
        "body_base64": body_base64,
    });
    Ok(Json(answer).into_response())
}

pub(super) async fn remove(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    match shared.remove(id).await? {
        Removed::Done { .. } => Ok(StatusCode::NO_CONTENT.into_response()),
        Removed::NotFound => Err(Refusal::no_delivery()),
    }
}

pub(super) async fn replay(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let id = parse_id("id", &id)?;
    match shared.replay(id).await? {
        Replay::Done => Ok((StatusCode::ACCEPTED, Json(json!({ "ids": [id] }))).into_response()),
        Replay::NotFound => Err(Refusal::no_delivery()),
        Replay::Refused(state) => Err(Refusal::new(
            StatusCode::CONFLICT,
            "state",
            format!("the delivery is {state}; only a dead or dropped one can be replayed"),
        )),
    }
}

fn parse_id(field: &'static str, id: &str) -> Result<DeliveryId, Refusal> {
    id.parse().map_err(|_| Refusal::new(StatusCode::BAD_REQUEST, field, "must be the 32 hexadecimal digits of an id"))
}
