//! `POST /api/deliveries/replay` and `/api/deliveries/drop`: many deliveries at once, by their ids or a page of a filter
//! at a time, each request one commit.

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use super::{
    deliveries::span,
    query::{Nothing, Query},
    refusal::{Answer, Refusal},
};
use crate::{
    api::{body::UnreadBody, state::Shared},
    engine::LaneKey,
    store::{DeliveryFilter, DeliveryId, Done, MAX_SELECTED, Millis, NotDone, Selection, State as DeliveryState},
};

/// Which deliveries are acted on: `ids`, or `filter` with `cursor` and `limit`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Act {
    /// These.
    #[schema(max_items = 500)]
    ids: Option<Vec<DeliveryId>>,
    /// Those like this, newest first.
    #[schema(value_type = Like)]
    filter: Option<Like>,
    /// Of `filter`: only those accepted before this one, `next` of the answer before.
    #[schema(value_type = DeliveryId)]
    cursor: Option<DeliveryId>,
    /// Of `filter`: how many at the most.
    #[schema(minimum = 1, maximum = 500, default = 500)]
    limit: Option<usize>,
}

/// Chooses deliveries: by `until`, and by one more at least, so that nothing is emptied by mistake.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Like {
    /// Only those that stand here.
    #[schema(value_type = DeliveryState)]
    state: Option<DeliveryState>,
    /// Only those of this lane.
    #[schema(max_length = 256, example = "uplink:acme")]
    lane: Option<String>,
    /// Only those accepted at this time or later, in unix milliseconds.
    #[schema(minimum = 0, maximum = 281_474_976_710_655_u64, example = 1_700_000_000_000_u64)]
    since: Option<Millis>,
    /// Only those accepted before this time, in unix milliseconds: what comes in meanwhile is not meant.
    #[schema(minimum = 0, maximum = 281_474_976_710_655_u64, example = 1_700_000_000_000_u64)]
    until: Millis,
}

/// What became of the deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Acted {
    /// How many were acted on.
    done: usize,
    /// Those of `ids` that were not, with the reason.
    refused: Vec<Refused>,
    /// The `cursor` of the next page of the filter, if there is one.
    #[schema(required, value_type = Option<String>, example = "018bcfe568007000800000000000002a")]
    next: Option<DeliveryId>,
}

/// A delivery that was not acted on.
#[derive(Debug, Serialize, ToSchema)]
struct Refused {
    /// Names it.
    id: DeliveryId,
    /// Why, for people.
    #[schema(example = "no delivery has this id")]
    message: String,
}

/// Replay many deliveries.
///
/// Makes dead and dropped ones pending again, each on a fresh schedule: those named, or a page of a filter, whose other
/// deliveries are passed over. What cannot be replayed keeps no other from it. As pages only go down, what fails again
/// meanwhile is not replayed twice.
#[utoipa::path(
    post, path = "/api/deliveries/replay", operation_id = "replay_deliveries", tag = "deliveries",
    request_body = Act,
    responses(
        (status = 200, description = "What became of them.", body = Acted),
        (status = 413, description = "The body is too large.", body = Answer),
    )
)]
pub(super) async fn replay(
    State(shared): State<Shared>,
    Query(Nothing {}): Query<Nothing>,
    body: UnreadBody,
) -> Result<Json<Acted>, Refusal> {
    let which = selection(read(body).await?)?;
    Ok(Json(shared.replay_some(which).await?.into()))
}

/// Drop many deliveries.
///
/// Deletes those named, or a page of a filter, pending or finished, with their attempts. A send under way is not broken
/// off.
#[utoipa::path(
    post, path = "/api/deliveries/drop", operation_id = "drop_deliveries", tag = "deliveries",
    request_body = Act,
    responses(
        (status = 200, description = "What became of them.", body = Acted),
        (status = 413, description = "The body is too large.", body = Answer),
    )
)]
pub(super) async fn drop(
    State(shared): State<Shared>,
    Query(Nothing {}): Query<Nothing>,
    body: UnreadBody,
) -> Result<Json<Acted>, Refusal> {
    let which = selection(read(body).await?)?;
    Ok(Json(shared.remove_some(which).await?.into()))
}

async fn read<T: DeserializeOwned>(body: UnreadBody) -> Result<T, Refusal> {
    let body = body.read().await?;
    serde_json::from_slice(&body).map_err(|error| Refusal::bad_request("body", error.to_string()))
}

fn selection(act: Act) -> Result<Selection, Refusal> {
    match act {
        Act { ids: Some(ids), filter: None, cursor: None, limit: None } if ids.len() <= MAX_SELECTED => {
            Ok(Selection::Ids(ids))
        }
        Act { ids: Some(_), filter: None, cursor: None, limit: None } => {
            Err(Refusal::bad_request("ids", format!("must be at most {MAX_SELECTED}: ask for the others in turn")))
        }
        Act { ids: Some(_), .. } => {
            Err(Refusal::bad_request("ids", "goes by itself: filter, cursor and limit are another way"))
        }
        Act { ids: None, filter: None, .. } => {
            Err(Refusal::bad_request("ids", "required: the deliveries' ids, or a filter that chooses them"))
        }
        Act { ids: None, filter: Some(like), cursor, limit } => {
            let Like { state, lane, since, until } = like;
            if state.is_none() && lane.is_none() && since.is_none() {
                return Err(Refusal::bad_request(
                    "filter",
                    "needs state, lane or since beside until: all that was ever accepted is never meant",
                ));
            }
            if lane.as_deref().is_some_and(|lane| lane.parse::<LaneKey>().is_err()) {
                return Err(Refusal::bad_request("filter.lane", crate::engine::NotALane.to_string()));
            }
            let limit = limit.unwrap_or(MAX_SELECTED);
            if !(1..=MAX_SELECTED).contains(&limit) {
                return Err(Refusal::bad_request("limit", format!("must be a whole number from 1 to {MAX_SELECTED}")));
            }
            let ids = span(since, Some(until))?;
            Ok(Selection::Page(DeliveryFilter { state, lane, ids, limit, cursor }))
        }
    }
}

impl From<Done<DeliveryId>> for Acted {
    fn from(Done { done, refused, next }: Done<DeliveryId>) -> Self {
        let refused = refused.into_iter().map(|(id, why)| Refused {
            id,
            message: match why {
                NotDone::NotFound => "no delivery has this id".to_owned(),
                NotDone::Stands(state) => {
                    format!("the delivery is {state}; only a dead or dropped one can be replayed")
                }
            },
        });
        Self { done: done.len(), refused: refused.collect(), next }
    }
}
