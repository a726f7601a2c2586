//! `[lingyang]`: the apps whose devices connect here.

use super::{
    client_tls::ClientTls,
    reader::{Section, Value},
    secret::{HEADER_ADVICE, Secret, fits_a_header},
    settings::Noted,
    target::Target,
};
use std::ops::RangeInclusive;

/// The apps whose devices connect here. No id stands twice, and no cid belongs to two apps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lingyang {
    apps: Vec<App>,
}

impl Lingyang {
    /// The apps, in the order of the file.
    #[must_use]
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// Finds the app with the id `id`.
    #[must_use]
    pub fn app(&self, id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.id == id)
    }

    /// Finds the app that the device `cid` belongs to: "the app is found by cid".
    #[must_use]
    pub fn app_of(&self, cid: u32) -> Option<&App> {
        self.apps.iter().find(|app| app.owns(cid))
    }

    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let mut taken = Taken::default();
        Self { apps: section.each("apps", |app| App::read(app, &mut taken)) }
    }
}

/// An app: its keys, its devices and its webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct App {
    id: String,
    keys: Vec<Secret>,
    cids: Vec<RangeInclusive<u32>>,
    webhook: Option<Target>,
    webhook_tls: Option<ClientTls>,
}

impl App {
    /// What `X-APP-ID` says. Any length: the vendor's own sample breaks the documented one.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The keys, at least one: any of them may match a request or a token, the first signs.
    #[must_use]
    pub fn keys(&self) -> &[Secret] {
        &self.keys
    }

    /// The cids of its devices, at least one closed range, 0 in none.
    #[must_use]
    pub fn cids(&self) -> &[RangeInclusive<u32>] {
        &self.cids
    }

    /// Where messages with `callback` 1 go too.
    #[must_use]
    pub const fn webhook(&self) -> Option<&Target> {
        self.webhook.as_ref()
    }

    /// How the webhook is reached over TLS, beyond what every `https` URL gets.
    #[must_use]
    pub const fn webhook_tls(&self) -> Option<&ClientTls> {
        self.webhook_tls.as_ref()
    }

    /// Whether a text can be an app's id.
    pub(crate) fn is_id(text: &str) -> bool {
        fits_a_header(text) && text.len() <= MAX_ID_LEN
    }

    /// Whether the device `cid` belongs to this app.
    #[must_use]
    pub fn owns(&self, cid: u32) -> bool {
        self.cids.iter().any(|range| range.contains(&cid))
    }

    fn read(section: &mut Section<'_>, taken: &mut Taken) -> Option<Self> {
        let id = section.required("id", |value| taken.id(value));
        if let Some(id) = &id {
            section.call(id);
        }
        let keys = section.required("keys", |value| {
            let keys = value.non_empty_list("devices and servers of an app need a key")?;
            Some(keys.iter().filter_map(Secret::read_for_header).collect())
        });
        let cids = section.required("cids", |value| {
            let ranges = value.non_empty_list("a device belongs to the app whose range its cid is in")?;
            Some(ranges.iter().filter_map(|range| taken.range(range)).collect())
        });
        let (webhook, webhook_tls) = ClientTls::read_with_url(section, "webhook", "webhook_tls");
        Some(Self { id: id?, keys: keys?, cids: cids?, webhook, webhook_tls })
    }
}

/// Bytes an app's id may have (ours): it becomes part of a lane's name. The page documents 4, and breaks that itself.
const MAX_ID_LEN: usize = 64;

/// The ids and cids of the apps read so far, each with its line.
#[derive(Default)]
struct Taken {
    ids: Vec<(String, usize)>,
    ranges: Vec<(RangeInclusive<u32>, usize)>,
}

impl Taken {
    fn id(&mut self, value: &Value<'_>) -> Option<String> {
        let id = value.parse_unnoted(|text| match text {
            text if !fits_a_header(text) => Err(HEADER_ADVICE),
            text if text.len() > MAX_ID_LEN => Err("must be at most 64 bytes"),
            text => Ok(text.to_owned()),
        })?;
        if let Some((_, line)) = self.ids.iter().find(|(other, _)| *other == id) {
            value.report(format_args!("`{id}` is taken by the app on line {line}; ids are unique"));
            return None;
        }
        self.ids.push((id.clone(), value.line()));
        Some(id)
    }

    fn range(&mut self, value: &Value<'_>) -> Option<RangeInclusive<u32>> {
        let bounds = value.list()?;
        let [first, last] = bounds.as_slice() else {
            value.report("must be the first and the last cid of a range, such as [1003200, 1003299]");
            return None;
        };
        let (first, last) = (first.integer_unnoted(1..=u32::MAX), last.integer_unnoted(1..=u32::MAX));
        let range = first?..=last?;
        if range.is_empty() {
            value.report("the first cid is greater than the last");
            return None;
        }
        let overlaps = |other: &RangeInclusive<u32>| other.start() <= range.end() && range.start() <= other.end();
        if let Some((other, line)) = self.ranges.iter().find(|(other, _)| overlaps(other)) {
            value.report(format_args!(
                "overlaps [{}, {}] on line {line}; a cid belongs to one app",
                other.start(),
                other.end()
            ));
            return None;
        }
        value.note(Noted::Text(format!("[{}, {}]", range.start(), range.end())));
        self.ranges.push((range.clone(), value.line()));
        Some(range)
    }
}
