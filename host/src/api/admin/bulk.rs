//! `POST /api/deliveries/replay` and `/api/deliveries/drop`: many deliveries at once, by their ids or a page of a filter
//! at a time, each request one commit.

use axum::{Json, extract::State};
use serde::{Deserialize, Deserializer, Serialize};
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

/// Which deliveries are acted on, as `bodies.json` describes it: `ids`, or `filter` with `cursor` and `limit`.
///
/// A member that is there has a value, but for `cursor`: `null` begins at the newest, as no cursor does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Act {
    #[serde(default, deserialize_with = "given")]
    ids: Option<Vec<DeliveryId>>,
    #[serde(default, deserialize_with = "given")]
    filter: Option<Like>,
    cursor: Option<DeliveryId>,
    #[serde(default, deserialize_with = "given")]
    limit: Option<usize>,
}

/// Chooses deliveries: by `until`, and by one more at least.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Like {
    #[serde(default, deserialize_with = "given")]
    state: Option<DeliveryState>,
    #[serde(default, deserialize_with = "given")]
    lane: Option<String>,
    #[serde(default, deserialize_with = "given")]
    since: Option<Millis>,
    until: Millis,
}

fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
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
    request_body(
        content = ref("#/components/schemas/Act"), content_type = "application/json",
        description = "Which ones.",
    ),
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
    request_body(
        content = ref("#/components/schemas/Act"), content_type = "application/json",
        description = "Which ones.",
    ),
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

async fn read(body: UnreadBody) -> Result<Act, Refusal> {
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_str, from_value};

    use super::*;

    fn chosen(act: &str) -> Result<Selection, String> {
        let act = from_str(act).map_err(|error| error.to_string())?;
        selection(act).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn the_documents_examples_choose_something() {
        let bodies: Value = from_str(include_str!("../bodies.json")).unwrap();
        let examples = bodies["Act"]["examples"].as_array().unwrap();
        let chosen = examples.iter().map(|example| selection(from_value(example.clone()).unwrap()).unwrap());
        let chosen: Vec<_> = chosen.collect();
        assert!(matches!(&chosen[..], [Selection::Ids(ids), Selection::Page(_)] if ids.len() == 1), "{chosen:?}");
    }

    #[test]
    fn what_is_not_said_outright_chooses_nothing() {
        for (act, told) in [
            ("{}", "ids: required"),
            (r#"{"filter":{"until":1}}"#, "filter: needs state, lane or since"),
            (r#"{"filter":{"state":"dead"}}"#, "missing field `until`"),
            (r#"{"filter":{"state":"dead","until":1},"limit":null}"#, "invalid type: null"),
            (r#"{"filter":{"state":null,"lane":"uplink:acme","until":1}}"#, "expected value"),
            (r#"{"filter":{"lane":"acme","until":1}}"#, "filter.lane: a lane is"),
            (r#"{"ids":[],"limit":1}"#, "ids: goes by itself"),
            (r#"{"ids":null}"#, "invalid type: null"),
        ] {
            let refused = chosen(act).unwrap_err();
            assert!(refused.starts_with(told), "{act}: {refused}");
        }
    }
}
