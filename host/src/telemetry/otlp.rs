//! Spans as OTLP has them: the protobuf message `ExportTraceServiceRequest`.
//!
//! Six small messages of the protocol are written and none is read, with four kinds of fields: that is this file. A
//! generated schema with its run-time library would be some twenty crates for the same bytes.

use super::trace::{Kind, Span, Value};

/// Writes a request with `spans`, all of the resource that has `attributes`.
pub(super) fn request(attributes: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    request_with(env!("CARGO_PKG_VERSION"), attributes, spans)
}

fn request_with(version: &str, attributes: &[(String, String)], spans: &[Span]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| {
            for (key, value) in attributes {
                resource.message(1, |pair| pair.attribute(key, &Value::Text(value.clone())));
            }
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, env!("CARGO_PKG_NAME").as_bytes());
                scope.bytes(2, version.as_bytes());
            });
            for span in spans {
                scope_spans.message(2, |message| message.span(span));
            }
        });
    });
    request.0
}

/// A protobuf message being written. Fields that hold nothing are left out.
#[derive(Default)]
struct Message(Vec<u8>);

/// How a field's value is written.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const LENGTH_DELIMITED: u64 = 2;

impl Message {
    fn span(&mut self, span: &Span) {
        self.bytes(1, span.context.trace());
        self.bytes(2, span.context.span());
        if let Some(parent) = &span.parent {
            self.bytes(4, parent);
        }
        self.bytes(5, span.name.as_bytes());
        self.varint(6, kind(span.kind));
        self.fixed64(7, span.started);
        self.fixed64(8, span.ended);
        for (key, value) in &span.attributes {
            self.message(9, |pair| pair.attribute(key, value));
        }
        if let Some(error) = &span.error {
            self.message(15, |status| {
                status.bytes(2, error.as_bytes());
                status.varint(3, STATUS_ERROR);
            });
        }
    }

    /// A `KeyValue`.
    fn attribute(&mut self, key: &str, value: &Value) {
        self.bytes(1, key.as_bytes());
        self.message(2, |any| match value {
            Value::Text(text) => any.bytes(1, text.as_bytes()),
            // An `int64`, whose negative values are written as their two's complement.
            Value::Number(number) => any.varint(3, number.cast_unsigned()),
        });
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field << 3 | LENGTH_DELIMITED);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.number(field << 3 | VARINT);
        self.number(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.number(field << 3 | FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits a byte, the lowest first.
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }
}

/// `Status.StatusCode`.
const STATUS_ERROR: u64 = 2;

/// `Span.SpanKind`.
const fn kind(kind: Kind) -> u64 {
    match kind {
        Kind::Server => 2,
        Kind::Client => 3,
        Kind::Producer => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::trace::TraceContext;

    /// What OpenTelemetry's own library for Python writes of the same spans.
    #[test]
    fn the_bytes_are_those_of_the_schema() {
        let expected = [
            "0a89020a180a160a0c736572766963652e6e616d6512060a046761746512ec010a110a0870757368676174651205302e312e",
            "30129f010a100af7651916cd43dd8448eb211c80319c1208b7ad6b7169203331220800f067aa0ba902b72a07617474656d70",
            "7430033915cd853dfe9c97174100cac471fe9c97174a1e0a0d70757368676174652e6c616e65120d0a0b75706c696e6b3a61",
            "636d654a170a1070757368676174652e617474656d7074120318ac024a140a0562656c6f77120b18ffffffffffffffffff01",
            "7a0b120772656675736564180212350a100af7651916cd43dd8448eb211c80319c120800f067aa0ba902b72a034745543002",
            "390100000000000000410200000000000000",
        ];
        let trace = *b"\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c";
        let (attempt, request) = (*b"\xb7\xad\x6b\x71\x69\x20\x33\x31", *b"\x00\xf0\x67\xaa\x0b\xa9\x02\xb7");
        let spans = [
            Span {
                context: TraceContext::new(trace, attempt),
                parent: Some(request),
                name: "attempt".into(),
                kind: Kind::Client,
                started: 1_700_000_000_123_456_789,
                ended: 1_700_000_001_000_000_000,
                attributes: vec![
                    ("pushgate.lane", Value::from("uplink:acme")),
                    ("pushgate.attempt", Value::Number(300)),
                    ("below", Value::Number(-1)),
                ],
                error: Some("refused".to_owned()),
            },
            Span {
                context: TraceContext::new(trace, request),
                parent: None,
                name: "GET".into(),
                kind: Kind::Server,
                started: 1,
                ended: 2,
                attributes: Vec::new(),
                error: None,
            },
        ];
        let resource = [("service.name".to_owned(), "gate".to_owned())];
        let written = request_with("0.1.0", &resource, &spans);
        let written: String = written.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, expected.concat());
    }
}
