//! `GET /api/series`: what happened in the last minutes, hour or day, in columns for charts.

use axum::{Json, extract::State};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{query::Query, refusal::Refusal};
use crate::{
    api::state::Shared,
    metrics::{Chart, Span},
};

/// Which span to show.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct SeriesQuery {
    /// How far back; five minutes when it is not given.
    #[param(inline)]
    span: Option<Span>,
}

/// Show what happened lately.
///
/// Columns of numbers, the oldest first, for charts: kept in memory, so nothing is known of what was before the process
/// started.
#[utoipa::path(
    get, path = "/api/series", operation_id = "show_series", tag = "gateway",
    params(SeriesQuery),
    responses((status = 200, description = "The span.", body = Chart))
)]
pub(super) async fn series(
    State(shared): State<Shared>,
    Query(query): Query<SeriesQuery>,
) -> Result<Json<Chart>, Refusal> {
    Ok(Json(shared.metrics.chart(query.span.unwrap_or(Span::FiveMinutes))))
}
