//! One value, spelled in one of the many ways JSON has for it.

use serde_json::Value;

/// How strings are spelled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Escapes {
    /// None but those JSON requires.
    Fewest,
    /// As PHP and Python do it: all but ASCII as `\uXXXX`, `/` as `\/`.
    Ascii,
    /// Any character either way, by chance.
    Any,
}

/// What objects have besides their members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extras {
    Nothing,
    /// Members nobody knows, at any place.
    Unknown,
}

/// How the keys begin that nobody knows.
const UNKNOWN: &str = "x-";

/// Spells values by the throws of a seeded die: members in any order, white space anywhere.
pub(crate) struct Speller {
    state: u64,
    escapes: Escapes,
    extras: Extras,
}

impl Speller {
    pub(crate) fn new(seed: u64, escapes: Escapes, extras: Extras) -> Self {
        Self { state: seed | 1, escapes, extras }
    }

    pub(crate) fn spell(&mut self, value: &Value) -> String {
        let mut out = String::new();
        self.value(value, &mut out);
        out
    }

    /// A number below `sides`, by xorshift64*.
    fn throw(&mut self, sides: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let thrown = self.state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(thrown).unwrap() % sides
    }

    fn space(&mut self, out: &mut String) {
        out.push_str(["", "", "", "", " ", "\n", "\t\r"][self.throw(7)]);
    }

    fn value(&mut self, value: &Value, out: &mut String) {
        self.space(out);
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
            Value::String(text) => self.string(text, out),
            Value::Array(elements) => {
                out.push('[');
                for (index, element) in elements.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.value(element, out);
                }
                self.space(out);
                out.push(']');
            }
            Value::Object(members) => {
                let mut members: Vec<_> = members.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
                if self.extras == Extras::Unknown {
                    for _ in 0..self.throw(3) {
                        members.push((format!("{UNKNOWN}{}", self.throw(9)), self.junk()));
                    }
                }
                for last in (1..members.len()).rev() {
                    let other = self.throw(last + 1);
                    members.swap(last, other);
                }
                out.push('{');
                for (index, (key, value)) in members.iter().enumerate() {
                    out.push_str(if index > 0 { "," } else { "" });
                    self.space(out);
                    self.string(key, out);
                    self.space(out);
                    out.push(':');
                    let extras = self.extras;
                    if key.starts_with(UNKNOWN) {
                        self.extras = Extras::Nothing;
                    }
                    self.value(value, out);
                    self.extras = extras;
                }
                self.space(out);
                out.push('}');
            }
        }
        self.space(out);
    }

    fn junk(&mut self) -> Value {
        let junk = [
            r#"{"Phone":[{"MsgType":[null]}],"":"]}"}"#,
            r#"[[[[["\\\"",{}]]]],-1e-9]"#,
            r#""\u0000😀\\""#,
            "18446744073709551615",
            "null",
        ];
        serde_json::from_str(junk[self.throw(junk.len())]).unwrap()
    }

    fn string(&mut self, text: &str, out: &mut String) {
        out.push('"');
        for char in text.chars() {
            let escape = match (self.escapes, char) {
                (_, '"' | '\\' | '\0'..='\u{1f}') => true,
                (Escapes::Fewest, _) => false,
                (Escapes::Ascii, _) => char == '/' || !char.is_ascii(),
                (Escapes::Any, _) => self.throw(3) == 0,
            };
            if !escape {
                out.push(char);
                continue;
            }
            let named = ['"', '\\', '/', '\u{8}', '\u{c}', '\n', '\r', '\t'].iter().position(|&named| named == char);
            match named.filter(|_| self.throw(4) > 0) {
                Some(at) => out.push_str([r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t"][at]),
                None => {
                    for unit in char.encode_utf16(&mut [0; 2]) {
                        let upper = self.throw(2) == 0;
                        out.push_str(&if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") });
                    }
                }
            }
        }
        out.push('"');
    }
}
