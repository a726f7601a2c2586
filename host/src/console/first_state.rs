//! The page as it is first seen: how things stand, written into the document.
//!
//! A place in the document is a comment, `<!--name-->`. All of them are filled in one pass, so that nothing that is
//! filled in can be taken for a place.

use super::html::Html;
use crate::{
    engine::{CircuitState, LaneKey, LaneStatus},
    shown::Utc,
    store::{Counts, DeliverySummary, State},
};

/// Deliveries the page begins with (ours): a screen or two; the scripts page on from there.
pub(crate) const ROWS: usize = 50;

/// Dead letters on the overview (ours).
const DEAD_ROWS: usize = 6;

/// Lanes the page begins with, and how many of those that need a look (ours).
const LANE_ROWS: usize = 100;
const LOOK_ROWS: usize = 20;

const DOCUMENT: &str = include_str!("assets/index.html");

/// How things stand when the page is asked for.
#[derive(Debug)]
pub(crate) struct FirstState {
    /// What is stored.
    pub(crate) counts: Counts,
    /// How many devices are online.
    pub(crate) devices: usize,
    /// The lanes, in any order.
    pub(crate) lanes: Vec<LaneStatus>,
    /// The newest deliveries, newest first.
    pub(crate) deliveries: Vec<DeliverySummary>,
    /// The newest dead ones.
    pub(crate) dead: Vec<DeliverySummary>,
}

/// Writes the page. Without a state it has no data: it is served to everybody, and the state may need a token.
pub(crate) fn page(state: Option<&FirstState>) -> String {
    let mut page = Html::default();
    let mut rest = DOCUMENT;
    while let Some((before, after)) = rest.split_once("<!--") {
        let Some((place, after)) = after.split_once("-->") else { break };
        page.markup(before);
        fill(&mut page, place, state);
        rest = after;
    }
    page.markup(rest);
    page.into_string()
}

fn fill(page: &mut Html, place: &str, state: Option<&FirstState>) {
    if place == "version" {
        page.markup(env!("CARGO_PKG_VERSION"));
        return;
    }
    let Some(state) = state else {
        match place {
            "pending" | "delivered" | "dead" | "dropped" | "inbox" | "devices" => page.markup("–"),
            "look" => page.markup("<p class=\"empty\">Not known yet.</p>"),
            "note" => {
                page.markup("This gateway asks for its admin token, which only the scripts of this page can send.")
            }
            _ => page,
        };
        return;
    };
    let devices = u64::try_from(state.devices).unwrap_or(u64::MAX);
    match place {
        "pending" => count(page, state.counts.pending),
        "delivered" => count(page, state.counts.delivered),
        "dead" => count(page, state.counts.dead),
        "dropped" => count(page, state.counts.dropped),
        "inbox" => count(page, state.counts.inbox),
        "devices" => count(page, devices),
        "note" => page
            .markup("This is how things stood when the page was made. With scripts on, it is live, searches and acts."),
        "look" => look(page, &state.lanes),
        "dead-rows" => {
            state.dead.iter().take(DEAD_ROWS).for_each(|delivery| dead_row(page, delivery));
            page
        }
        "lane-rows" => {
            destinations(&state.lanes).into_iter().take(LANE_ROWS).for_each(|lane| lane_row(page, lane));
            page
        }
        "delivery-rows" => {
            state.deliveries.iter().take(ROWS).for_each(|delivery| delivery_row(page, delivery));
            page
        }
        _ => page,
    };
}

/// A number in groups of three, as the scripts write it.
fn count(page: &mut Html, count: u64) -> &mut Html {
    let digits = count.to_string();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            page.markup("\u{202f}");
        }
        page.shown(digit);
    }
    page
}

fn look<'p>(page: &'p mut Html, lanes: &[LaneStatus]) -> &'p mut Html {
    let mut bad: Vec<_> = lanes.iter().filter(|lane| standing(lane) != "closed").collect();
    if bad.is_empty() {
        return page.markup("<p class=\"empty\">None: every circuit is closed, nothing is paused.</p>");
    }
    bad.sort_by(|a, b| a.lane.cmp(&b.lane));
    for lane in bad.into_iter().take(LOOK_ROWS) {
        page.markup("<p><b>").text(&lane.lane).markup("</b> ").markup(standing(lane)).markup(", ");
        count(page, lane.pending as u64).markup(" pending ").text(lane.last_error.as_deref().unwrap_or_default());
        page.markup("</p>");
    }
    page
}

/// What a lane's circuit is called on the page, where being paused comes first.
fn standing(lane: &LaneStatus) -> &'static str {
    match lane.circuit {
        _ if lane.paused => "paused",
        _ if !lane.configured => "no destination",
        CircuitState::Closed => "closed",
        _ => "open",
    }
}

fn destinations(lanes: &[LaneStatus]) -> Vec<&LaneStatus> {
    let device = |lane: &LaneStatus| matches!(lane.lane.parse(), Ok(LaneKey::Device(_)));
    let mut lanes: Vec<_> = lanes.iter().filter(|lane| !device(lane)).collect();
    lanes.sort_by(|a, b| a.lane.cmp(&b.lane));
    lanes
}

fn lane_row(page: &mut Html, lane: &LaneStatus) {
    page.markup("<tr><td data-l=\"Lane\">").text(&lane.lane).markup("<br><span class=\"faint\">");
    page.text(lane.destination.as_deref().unwrap_or_default()).markup("</span></td><td data-l=\"Circuit\">");
    page.markup(standing(lane)).markup("</td><td data-l=\"Depth\">");
    count(page, lane.pending as u64).markup("</td><td data-l=\"In flight\">").shown(lane.in_flight);
    page.markup("</td><td></td><td></td><td data-l=\"Last error\">")
        .text(lane.last_error.as_deref().unwrap_or_default());
    page.markup("</td><td></td></tr>");
}

fn delivery_row(page: &mut Html, delivery: &DeliverySummary) {
    page.markup("<tr><td class=\"pick\"></td><td data-l=\"Accepted\">");
    time(page, delivery.created_at).markup("</td><td data-l=\"State\">");
    state(page, delivery.state).markup("</td><td data-l=\"Lane\">").text(&delivery.lane);
    page.markup("</td><td data-l=\"Id\" class=\"mono\">").shown(delivery.id);
    page.markup("</td><td data-l=\"Attempts\">").shown(delivery.attempts).markup("</td><td data-l=\"Next\">");
    match delivery.next_at {
        Some(at) => time(page, at),
        None => page.markup("–"),
    };
    page.markup("</td><td data-l=\"Last error\">").text(delivery.last_error.as_deref().unwrap_or_default());
    page.markup("</td></tr>");
}

fn dead_row(page: &mut Html, delivery: &DeliverySummary) {
    page.markup("<tr><td data-l=\"Accepted\">");
    time(page, delivery.created_at).markup("</td><td data-l=\"Lane\">").text(&delivery.lane);
    page.markup("</td><td data-l=\"Id\" class=\"mono\">").shown(delivery.id);
    page.markup("</td><td data-l=\"Attempts\">").shown(delivery.attempts).markup("</td><td data-l=\"Last error\">");
    page.text(delivery.last_error.as_deref().unwrap_or_default()).markup("</td></tr>");
}

fn state(page: &mut Html, state: State) -> &mut Html {
    page.markup(match state {
        State::Pending => "<span class=\"st c-wait\"><i aria-hidden=\"true\">◔</i>pending</span>",
        State::Delivered => "<span class=\"st c-good\"><i aria-hidden=\"true\">✓</i>delivered</span>",
        State::Dead => "<span class=\"st c-bad\"><i aria-hidden=\"true\">✕</i>dead</span>",
        State::Dropped => "<span class=\"st c-warn\"><i aria-hidden=\"true\">⊘</i>dropped</span>",
    })
}

fn time(page: &mut Html, millis: u64) -> &mut Html {
    let at = Utc(millis / 1000).to_string();
    page.markup("<time datetime=\"").text(&at).markup("\">");
    page.text(at.trim_end_matches('Z').replace('T', " ").as_str()).markup("</time>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::DeliveryId;

    const HOSTILE: &str = "</td><script>alert('1')</script>\"<!--delivery-rows-->\u{202e}\u{1b}[2J";

    fn delivery(state: State) -> DeliverySummary {
        DeliverySummary {
            id: DeliveryId::from_bytes([7; 16]),
            lane: format!("uplink:{HOSTILE}"),
            state,
            attempts: 4,
            created_at: 1_475_031_947_123,
            next_at: Some(1_475_031_948_000),
            last_error: Some(format!("status: {HOSTILE}")),
        }
    }

    fn lane(name: &str) -> LaneStatus {
        LaneStatus {
            lane: name.to_owned(),
            pending: 1_234_567,
            queued: 1,
            in_flight: 2,
            paused: false,
            circuit: CircuitState::Closed,
            probe_at: None,
            limit: 100_000,
            rate: 0.0,
            rate_limit: None,
            oldest_at: None,
            configured: true,
            destination: Some(format!("http://{HOSTILE}")),
            last_error: Some(HOSTILE.to_owned()),
            last_error_at: None,
        }
    }

    fn first_state() -> FirstState {
        FirstState {
            counts: Counts { pending: 0, delivered: 1_000_000, dead: 999, dropped: 1000, inbox: 12_345 },
            devices: 7,
            lanes: vec![
                lane(&format!("uplink:{HOSTILE}")),
                LaneStatus { paused: true, ..lane("uplink:acme") },
                lane("device:5003062"),
            ],
            deliveries: State::ALL.map(delivery).to_vec(),
            dead: vec![delivery(State::Dead); 9],
        }
    }

    #[test]
    fn nothing_that_a_peer_wrote_is_markup() {
        let page = page(Some(&first_state()));
        assert!(
            page.contains("&lt;/td&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&lt;!--delivery-rows--&gt;")
        );
        assert!(page.contains("\\u{202e}\\u{1b}[2J"));
        for never in ["<script>", "alert('", "\u{202e}", "\u{1b}", "<!--"] {
            assert!(!page.contains(never), "{never:?}");
        }
        assert_eq!(page.matches("<tr").count(), DOCUMENT.matches("<tr").count() + 4 + DEAD_ROWS + 2);
    }

    #[test]
    fn it_says_how_things_stand() {
        let page = page(Some(&first_state()));
        for told in [
            "<b data-n=\"pending\">0</b>",
            "<b data-n=\"delivered\">1\u{202f}000\u{202f}000</b>",
            "<b data-n=\"dead\">999</b>",
            "<b data-n=\"dropped\">1\u{202f}000</b>",
            "<b data-n=\"inbox\">12\u{202f}345</b>",
            "<b data-n=\"devices\">7</b>",
            "<p><b>uplink:acme</b> paused, 1\u{202f}234\u{202f}567 pending",
            "<time datetime=\"2016-09-28T03:05:47Z\">2016-09-28 03:05:47</time>",
            "07070707070707070707070707070707",
        ] {
            assert!(page.contains(told), "{told}");
        }
        assert!(!page.contains("device:5003062"), "a lane of a device is looked for, not listed");
    }

    #[test]
    fn without_a_state_it_has_no_data_and_every_place_is_filled() {
        let page = page(None);
        assert_eq!(page.matches('–').count(), 6);
        assert_eq!(page.matches("<tr").count(), DOCUMENT.matches("<tr").count());
        assert!(page.contains(concat!("<small id=\"version\">", env!("CARGO_PKG_VERSION"), "</small>")));
        assert!(!page.contains("<!--"));
    }

    /// A new gateway's page: nothing, and it says so.
    #[test]
    fn with_nothing_stored_it_is_calm() {
        let nothing =
            FirstState { counts: Counts::default(), devices: 0, lanes: vec![], deliveries: vec![], dead: vec![] };
        let page = page(Some(&nothing));
        assert_eq!(page.matches("\">0</b>").count(), 6);
        assert!(page.contains("every circuit is closed"));
    }
}
