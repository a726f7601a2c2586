//! Traces: a request, the deliveries it led to, and their sends, as spans for a collector.
//!
//! A span is recorded when what it tells of is over, with both its times; until then all there is of it is a
//! [`TraceContext`] of 24 bytes, which goes where the work goes: from a request into the engine. So a delivery that is
//! retried for a day holds no span open, and what is not sampled costs nothing. Recording never waits: a span goes
//! into a bounded queue, from where `export` takes it, and is lost when that is full.
//!
//! Callers that trace send `traceparent` (W3C Trace Context): their trace goes on here, and whether it is recorded is
//! their decision. Nothing of it is sent on to destinations, whose requests the vendors' pages fix.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::HeaderMap;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::{clock::Clock, config::Sampling};

/// Bytes of a text that a span keeps at the most (ours).
const MOST_TEXT: usize = 512;

/// Which trace something belongs to, and as which span of it. There is one only for what is recorded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: SpanId,
}

/// A span's id, unique within its trace.
pub(super) type SpanId = [u8; 8];

/// Records spans, or nothing: what is off costs a look at an `Option`. Clones share their queue.
#[derive(Clone, Default)]
pub struct Tracer(Option<Arc<Recording>>);

struct Recording {
    spans: mpsc::Sender<Span>,
    lost: Arc<AtomicU64>,
    sampling: Sampling,
    clock: Clock,
}

/// What a span tells of, on its way to a collector.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(super) context: TraceContext,
    pub(super) parent: Option<SpanId>,
    pub(super) name: Cow<'static, str>,
    pub(super) kind: Kind,
    /// Unix nanoseconds.
    pub(super) started: u64,
    pub(super) ended: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// What went wrong, if something did.
    pub(super) error: Option<String>,
}

/// Which side of which exchange a span is, in OpenTelemetry's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request of somebody else's.
    Server,
    /// A request of ours.
    Client,
    /// What is to be sent later.
    Producer,
}

/// An attribute's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// A text, shortened where a peer made it long.
    Text(String),
    /// A number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(shortened(text))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

fn shortened(text: &str) -> String {
    let end = (0..=MOST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text[..end.unwrap_or(0)].to_owned()
}

/// A span that is not over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begun {
    pub(crate) context: TraceContext,
    parent: Option<SpanId>,
    started: u64,
}

impl Tracer {
    /// Records into `spans`, counting in `lost` what finds no room there.
    pub(super) fn new(spans: mpsc::Sender<Span>, lost: Arc<AtomicU64>, sampling: Sampling, clock: Clock) -> Self {
        Self(Some(Arc::new(Recording { spans, lost, sampling, clock })))
    }

    /// Says whether anything is recorded.
    pub(crate) fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Begins the span of a request: in its caller's trace, or in a new one if that is to be recorded.
    pub(crate) fn request(&self, headers: &HeaderMap) -> Option<Begun> {
        let recording = self.0.as_ref()?;
        let (trace, parent) = match Parent::of(headers) {
            Some(Parent { sampled: false, .. }) => return None,
            Some(Parent { context, .. }) => (context.trace, Some(context.span)),
            None => (recording.new_trace()?, None),
        };
        Some(Begun { context: TraceContext { trace, span: new_span() }, parent, started: recording.clock.nanos() })
    }

    /// Begins a span below another.
    pub(crate) fn below(&self, parent: TraceContext) -> Option<Begun> {
        let started = self.0.as_ref()?.clock.nanos();
        let context = TraceContext { trace: parent.trace, span: new_span() };
        Some(Begun { context, parent: Some(parent.span), started })
    }

    /// Ends a span now.
    pub(crate) fn end(&self, begun: Begun, name: impl Into<Cow<'static, str>>, kind: Kind) -> Option<Ending<'_>> {
        let ended = self.0.as_ref()?.clock.nanos();
        Some(self.ending(begun, name.into(), kind, ended))
    }

    /// Ends a span that began and ended at these unix milliseconds.
    pub(crate) fn past(&self, parent: TraceContext, name: &'static str, kind: Kind, from: u64, to: u64) -> Ending<'_> {
        let nanos = |millis: u64| millis.saturating_mul(1_000_000);
        let context = TraceContext { trace: parent.trace, span: new_span() };
        let begun = Begun { context, parent: Some(parent.span), started: nanos(from) };
        self.ending(begun, name.into(), kind, nanos(to))
    }

    fn ending(&self, begun: Begun, name: Cow<'static, str>, kind: Kind, ended: u64) -> Ending<'_> {
        let Begun { context, parent, started } = begun;
        let span = Span { context, parent, name, kind, started, ended, attributes: Vec::new(), error: None };
        Ending { tracer: self, span }
    }
}

/// A span that is over and lacks what there is to say of it.
#[must_use = "a span is recorded by `record`"]
pub(crate) struct Ending<'t> {
    tracer: &'t Tracer,
    span: Span,
}

impl Ending<'_> {
    /// Says more of the span.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.span.attributes.push((name, value.into()));
        self
    }

    /// Says more of the span, if there is more to say.
    pub(crate) fn with_some(self, name: &'static str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// Says that it went wrong, and how, if it did.
    pub(crate) fn with_error(mut self, error: Option<&str>) -> Self {
        self.span.error = error.map(shortened);
        self
    }

    /// Records the span, unless there is no room for it.
    pub(crate) fn record(self) {
        let Some(recording) = &self.tracer.0 else { return };
        if recording.spans.try_send(self.span).is_err() {
            recording.lost.fetch_add(1, Relaxed);
        }
    }
}

impl Recording {
    /// A new trace's id, if chance has it that it is recorded.
    fn new_trace(&self) -> Option<[u8; 16]> {
        let trace = Uuid::new_v4().into_bytes();
        let mut chance = [0; 8];
        // Seven bytes that are nothing but random in such a UUID.
        chance[1..].copy_from_slice(&trace[9..]);
        self.sampling.takes(u64::from_be_bytes(chance), 1 << 56).then_some(trace)
    }
}

fn new_span() -> SpanId {
    // With its version's bits in it, so it is never all zeros, which would be no id.
    let mut span = SpanId::default();
    span.copy_from_slice(&Uuid::new_v4().as_bytes()[..8]);
    span
}

impl TraceContext {
    #[cfg(test)]
    pub(super) fn new(trace: [u8; 16], span: SpanId) -> Self {
        Self { trace, span }
    }

    pub(super) fn trace(&self) -> &[u8; 16] {
        &self.trace
    }

    pub(super) fn span(&self) -> &SpanId {
        &self.span
    }
}

/// The trace's id as logs have it: 32 hexadecimal digits.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What a caller says of its own span.
struct Parent {
    context: TraceContext,
    sampled: bool,
}

impl Parent {
    /// Reads `traceparent`. One that is wrong, or there twice, is none, as the recommendation asks.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        let (value, None) = (values.next()?, values.next()) else { return None };
        Self::parse(value.as_bytes())
    }

    fn parse(value: &[u8]) -> Option<Self> {
        /// The length of version 00; later ones may go on behind another dash.
        const LEN: usize = 55;
        let (known, rest) = value.split_at_checked(LEN)?;
        let [version] = hex(known.get(..2)?)?;
        if version == 0xff || (version == 0 && !rest.is_empty()) || rest.first().is_some_and(|byte| *byte != b'-') {
            return None;
        }
        if [2, 35, 52].iter().any(|dash| known[*dash] != b'-') {
            return None;
        }
        let (trace, span, [flags]) = (hex(&known[3..35])?, hex(&known[36..52])?, hex(&known[53..])?);
        let context = TraceContext { trace, span };
        let is_one = trace != [0; 16] && span != [0; 8];
        is_one.then_some(Self { context, sampled: flags & 1 == 1 })
    }
}

/// Reads lowercase hexadecimal digits, two a byte.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    let mut bytes = [0; N];
    if pairs.len() != N {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::HashSet;

    pub(in crate::telemetry) fn recording(
        sampling: f64,
        room: usize,
    ) -> (Tracer, mpsc::Receiver<Span>, Arc<AtomicU64>) {
        let (spans, recorded) = mpsc::channel(room);
        let lost = Arc::new(AtomicU64::new(0));
        let sampling = Sampling::new(sampling).expect("a ratio");
        (Tracer::new(spans, Arc::clone(&lost), sampling, Clock::start()), recorded, lost)
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|value| ("traceparent".parse().unwrap(), value.parse().unwrap())).collect()
    }

    const CALLER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    /// W3C Trace Context, "traceparent Header Field Values" and "Versioning of traceparent".
    #[test]
    fn a_traceparent_is_read_as_the_recommendation_has_it() {
        for (value, read) in [
            (CALLER, true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-what-comes-later", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", false),
            ("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01x", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("", false),
        ] {
            assert_eq!(Parent::parse(value.as_bytes()).is_some(), read, "{value}");
        }
        assert!(Parent::of(&headers(&[CALLER, CALLER])).is_none(), "two of them are none");
    }

    #[test]
    fn a_request_goes_on_with_its_callers_trace_and_decision() {
        let (tracer, _recorded, _) = recording(0.0, 1);
        let begun = tracer.request(&headers(&[CALLER])).expect("the caller records it");
        assert_eq!(begun.context.to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(begun.parent, hex(b"b7ad6b7169203331"));
        assert!(tracer.request(&HeaderMap::new()).is_none(), "none of our own are recorded");
        let (tracer, _recorded, _) = recording(1.0, 1);
        assert!(tracer.request(&headers(&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"])).is_none());
        assert!(tracer.request(&HeaderMap::new()).is_some_and(|begun| begun.parent.is_none()));
        assert!(Tracer::default().request(&headers(&[CALLER])).is_none(), "off is off");
    }

    #[test]
    fn every_trace_is_another_and_its_share_is_recorded() {
        let (tracer, _recorded, _) = recording(0.5, 1);
        let traces: HashSet<_> = (0..4000).filter_map(|_| tracer.request(&HeaderMap::new())).collect();
        // Ten standard deviations around 2000.
        assert!((1684..=2316).contains(&traces.len()), "{}", traces.len());
    }

    #[test]
    fn what_finds_no_room_is_counted_and_waits_for_nobody() {
        let (tracer, mut recorded, lost) = recording(1.0, 2);
        for _ in 0..5 {
            let begun = tracer.request(&HeaderMap::new()).unwrap();
            tracer.end(begun, "GET", Kind::Server).unwrap().with("http.response.status_code", 200).record();
        }
        assert_eq!(lost.load(Relaxed), 3);
        assert_eq!(recorded.try_recv().unwrap().attributes, [("http.response.status_code", Value::Number(200))]);
    }

    impl PartialEq for Begun {
        fn eq(&self, other: &Self) -> bool {
            self.context == other.context
        }
    }

    impl Eq for Begun {}

    impl std::hash::Hash for Begun {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.context.trace.hash(state);
        }
    }

    #[test]
    fn a_long_text_is_shortened_between_characters() {
        let long = "é".repeat(MOST_TEXT);
        assert_eq!(Value::from(long.as_str()), Value::Text("é".repeat(MOST_TEXT / 2)));
    }
}
