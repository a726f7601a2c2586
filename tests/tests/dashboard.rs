//! The Grafana dashboard and the alerts, held to what a gateway shows at `/metrics`: each metric, label and value that
//! they name is there, and each metric that is there is shown.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use pushgate_tests::{Request, Rig};
use serde_json::Value;

/// Labels that Prometheus itself adds.
const SCRAPED: [&str; 2] = ["job", "instance"];

/// A configuration with one of everything that is counted by name.
const CONFIG: &str = "
    [[uplink.receivers]]
    name = 'in'
    forward = 'http://127.0.0.1:9/'
    [[uplink.destinations]]
    name = 'acme'
    url = 'http://127.0.0.1:9/'
    [[tencent.receivers]]
    name = 'im'
    sdk_app_id = '1400000000'";

/// What `/metrics` shows.
#[derive(Default)]
struct Shown {
    /// Families, with what they are.
    kinds: BTreeMap<String, String>,
    /// Of each series' name its labels, with the values they have.
    series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
}

impl Shown {
    fn read(text: &str) -> Self {
        let mut shown = Self::default();
        for line in text.lines() {
            if let Some(described) = line.strip_prefix("# TYPE ") {
                let (name, kind) = described.split_once(' ').expect("a kind");
                shown.kinds.insert(name.to_owned(), kind.to_owned());
                for suffix in suffixes(kind) {
                    shown.series.entry(format!("{name}{suffix}")).or_default();
                }
            } else if !line.starts_with('#') {
                let (series, _) = line.rsplit_once(' ').expect("a value");
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let known = shown.series.get_mut(name).unwrap_or_else(|| panic!("{line} has no type"));
                for (label, _, value) in matchers(labels.trim_end_matches('}')) {
                    known.entry(label.to_owned()).or_default().insert(value.to_owned());
                }
            }
        }
        shown
    }

    fn family(&self, series: &str) -> (&str, &str) {
        let of = |(name, kind): &(&String, &String)| {
            series.strip_prefix(&***name).is_some_and(|rest| suffixes(kind).contains(&rest))
        };
        self.kinds.iter().find(of).map(|(name, kind)| (&**name, &**kind)).expect("its family")
    }
}

fn suffixes(kind: &str) -> &'static [&'static str] {
    match kind {
        "counter" => &["_total"],
        "gauge" => &[""],
        "histogram" => &["_bucket", "_sum", "_count"],
        "info" => &["_info"],
        _ => panic!("{kind}"),
    }
}

/// The matchers of a selector: label, operator, value.
fn matchers(selector: &str) -> Vec<(&str, &str, &str)> {
    let (mut rest, mut found) = (selector, Vec::new());
    while let Some(quote) = rest.find('"') {
        let (head, value) = (&rest[..quote], &rest[quote + 1..]);
        let end = value.find('"').expect("a closing quote");
        let label = head.trim_start_matches(',').trim_end_matches(['=', '~', '!']);
        found.push((label.trim(), head.trim_start_matches(',')[label.len()..].trim(), &value[..end]));
        rest = &value[end + 1..];
    }
    found
}

fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// Checks a query, and notes which families it shows.
fn check(query: &str, shown: &Shown, used: &mut BTreeSet<String>) -> Result<(), String> {
    for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
        if query.matches(open).count() != query.matches(close).count() {
            return Err(format!("{open} without {close}"));
        }
    }
    let mut labels: BTreeSet<&str> = SCRAPED.into();
    for (at, _) in query.match_indices("pushgate_") {
        let name = word(&query[at..]);
        let series = shown.series.get(name).ok_or_else(|| format!("there is no series {name}"))?;
        let (family, kind) = shown.family(name);
        used.insert(family.to_owned());
        labels.extend(series.keys().map(String::as_str));
        let grows = ["rate(", "increase(", "changes(", "label_values("];
        if (kind == "counter" || kind == "histogram") && !grows.iter().any(|taken| query[..at].ends_with(taken)) {
            return Err(format!("{name} only ever grows: take its rate"));
        }
        let selector = query[at + name.len()..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
        for (label, operator, value) in matchers(selector.map_or("", |(selector, _)| selector)) {
            let values = series.get(label);
            if values.is_none() && !SCRAPED.contains(&label) {
                return Err(format!("{name} has no label {label}"));
            }
            let Some(values) = values.filter(|_| !value.contains('$') && operator.starts_with(['=', '!'])) else {
                continue;
            };
            if let Some(unknown) = value.split('|').find(|value| !values.contains(*value)) {
                // `sent` is no class of a lane over HTTP, and the other way round: one of them is enough.
                return Err(format!("{name} has no {label}=\"{unknown}\""));
            }
        }
    }
    for (at, by) in query.match_indices(" by (").chain(query.match_indices(" on (")) {
        let names = query[at + by.len()..].split(')').next().unwrap_or_default();
        if let Some(unknown) = names.split(',').map(str::trim).find(|name| !labels.contains(name)) {
            return Err(format!("nothing in it has a label {unknown}"));
        }
    }
    if query.contains("histogram_quantile") && !query.contains("(le") && !query.contains(", le)") {
        return Err("a quantile needs le".to_owned());
    }
    Ok(())
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

async fn shown() -> Shown {
    let rig = Rig::start(CONFIG).await;
    // Routes are shown once they have been taken.
    assert_eq!(rig.admin(Request::get("/metrics")).await.status, 200);
    Shown::read(&rig.admin(Request::get("/metrics")).await.body)
}

#[tokio::test]
async fn the_dashboard_shows_every_metric_and_names_none_that_is_not_there() {
    let shown = shown().await;
    let dashboard: Value = serde_json::from_str(&file("pushgate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut problems, mut used) = (Vec::new(), BTreeSet::new());
    let mut queries = Vec::new();
    for panel in panels {
        let targets = panel["targets"].as_array().into_iter().flatten();
        queries.extend(targets.map(|target| (panel["title"].as_str().unwrap(), target["expr"].as_str().unwrap())));
    }
    assert!(queries.len() > 60, "{}", queries.len());
    for (title, query) in &queries {
        if let Err(problem) = check(query, &shown, &mut used) {
            problems.push(format!("{title}: {problem}: {query}"));
        }
    }
    let unseen: Vec<_> = shown.kinds.keys().filter(|family| !used.contains(*family)).collect();
    assert!(problems.is_empty() && unseen.is_empty(), "{problems:#?}, shown in no panel: {unseen:?}");

    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["definition"].as_str() {
            check(query, &shown, &mut used).unwrap_or_else(|problem| panic!("{query}: {problem}"));
        }
    }
    for annotation in dashboard["annotations"]["list"].as_array().unwrap() {
        let query = annotation["expr"].as_str().unwrap();
        check(query, &shown, &mut used).unwrap_or_else(|problem| panic!("{query}: {problem}"));
    }
}

#[test]
fn the_dashboards_panels_lie_side_by_side_and_say_what_they_show() {
    let dashboard: Value = serde_json::from_str(&file("pushgate.json")).unwrap();
    let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
    for panel in dashboard["panels"].as_array().unwrap() {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is another's too");
        if panel["type"] != "row" {
            assert!(panel["description"].as_str().is_some_and(|words| words.ends_with('.')), "{title}");
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string() || panel["type"] == "table",
                "{title}: no unit"
            );
        }
        let place = |of: &str| panel["gridPos"][of].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24, "{title} lies beyond the edge");
                if let Some(other) = taken.insert((x, y), title) {
                    panic!("{title} lies over {other}");
                }
            }
        }
    }
}

#[tokio::test]
async fn the_alerts_name_only_what_is_there_and_say_what_to_do() {
    let (shown, rules) = (shown().await, file("pushgate.rules.yml"));
    let mut used = BTreeSet::new();
    let alerts: Vec<_> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10, "{}", alerts.len());
    for alert in alerts {
        let name = word(alert);
        let query = alert.split("expr: ").nth(1).unwrap();
        let end = ["\n        for:", "\n        labels:"].iter().filter_map(|next| query.find(next)).min().unwrap();
        let query = query[..end].replace('\n', " ");
        check(&query, &shown, &mut used).unwrap_or_else(|problem| panic!("{name}: {problem}: {query}"));
        for needed in ["severity: ", "summary: \"", "description: \""] {
            assert!(alert.contains(needed), "{name}: no {needed}");
        }
    }
    for family in [
        "pushgate_finished",
        "pushgate_lane_circuit_open",
        "pushgate_ready",
        "pushgate_send_lateness_seconds",
        "pushgate_store_errors",
    ] {
        assert!(used.contains(family), "nobody is told of {family}");
    }
}
