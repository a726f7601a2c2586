//! What holds for every member of every object, tried on each: the object's members are given as a table.

use crate::table::{Normalise, hold};

/// A member as its page lists it, with a value in normalised form.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) value: &'static str,
    pub(crate) presence: Presence,
    /// What an error calls the type, such as `a string`.
    pub(crate) expected: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Required,
    Optional,
}

pub(crate) const fn required(name: &'static str, value: &'static str, expected: &'static str) -> Member {
    Member { name, value, presence: Presence::Required, expected }
}

pub(crate) const fn optional(name: &'static str, value: &'static str, expected: &'static str) -> Member {
    Member { name, value, presence: Presence::Optional, expected }
}

/// An object inside a body.
pub(crate) struct Object<'t> {
    /// The body up to the object and from its end on.
    pub(crate) around: (&'static str, &'static str),
    /// The path of the object as an error names it, with its dot.
    pub(crate) path: &'static str,
    /// Its members in documented order.
    pub(crate) members: &'t [Member],
    pub(crate) normalise: Normalise,
}

/// One value of each type, and how that type is called.
const VALUES: [(&str, &[&str]); 7] = [
    (r#""x""#, &["a string"]),
    ("1", &["an integer"]),
    ("1.0", &[]),
    ("-0", &[]),
    ("true", &[]),
    ("[]", &["an array"]),
    ("{}", &["an object"]),
];

/// Values that nobody asked for, each to be stepped over.
const UNKNOWN: [&str; 5] = [
    "null",
    "-1.5E+300",
    r#""} \" ] \\""#,
    r#"[[],{},[{"Phone":[1,{"msg":"\ud83d\ude00"}]}],"]"]"#,
    r#"{"":{"MsgType":{"proxy":[true,false,null]}},"":0}"#,
];

impl Object<'_> {
    /// Tries every rule that holds for the members of all objects.
    #[track_caller]
    pub(crate) fn hold_all(&self) {
        self.any_order();
        self.escaped_keys();
        self.missing_and_null();
        self.repeated();
        self.wrong_types();
        self.unknown_members();
        self.white_space();
    }

    fn any_order(&self) {
        let rule = "A member order other than the documented one is fine.";
        let documented = self.pairs();
        for start in 0..documented.len() {
            let mut turned = documented.clone();
            turned.rotate_left(start);
            self.accepts(rule, &self.body(&turned), &documented);
            turned.reverse();
            self.accepts(rule, &self.body(&turned), &documented);
            let mut swapped = documented.clone();
            swapped.swap(0, start);
            self.accepts(rule, &self.body(&swapped), &documented);
        }
    }

    fn escaped_keys(&self) {
        let rule = "All JSON escapes are understood on input";
        for at in 0..self.members.len() {
            let mut pairs = self.pairs();
            pairs[at].0 = escaped(&pairs[at].0);
            self.accepts(rule, &self.body(&pairs), &self.pairs());
        }
    }

    fn missing_and_null(&self) {
        for (at, member) in self.members.iter().enumerate() {
            let mut without = self.pairs();
            without.remove(at);
            let mut with_null = self.pairs();
            with_null[at].1 = "▲null".to_owned();
            let inside = without.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect::<Vec<_>>().join(",");
            let missing = format!("{}{{{inside}▲}}{}", self.around.0, self.around.1);
            if member.presence == Presence::Optional {
                self.accepts("`null` for an optional member means absent.", &self.body(&with_null), &without);
                self.accepts("optional", &missing, &without);
            } else {
                let why = format!("{}{}: required, but missing", self.path, member.name);
                self.refuses("required", &missing, &why);
                self.refuses("null for a required member is no value", &self.body(&with_null), &why);
            }
        }
    }

    fn repeated(&self) {
        let rule = "A repeated member of the schema is an error.";
        for (at, member) in self.members.iter().enumerate() {
            let why = format!("{}{}: stands twice", self.path, member.name);
            for (key, value) in [
                (member.name.to_owned(), member.value),
                (escaped(member.name), member.value),
                (member.name.to_owned(), "null"),
            ] {
                for place in at + 1..=self.members.len() {
                    let mut pairs = self.pairs();
                    pairs.insert(place, (format!("▲{key}"), value.to_owned()));
                    self.refuses(rule, &self.body(&pairs).replace("\"▲", "▲\""), &why);
                }
            }
            if member.presence == Presence::Optional {
                let mut pairs = self.pairs();
                pairs.insert(at, (member.name.to_owned(), "null".to_owned()));
                pairs[at + 1].0 = format!("▲{}", member.name);
                self.refuses(rule, &self.body(&pairs).replace("\"▲", "▲\""), &why);
            }
        }
    }

    fn wrong_types(&self) {
        for (at, member) in self.members.iter().enumerate().filter(|(_, member)| member.expected != ANYTHING) {
            for (value, _) in VALUES.iter().filter(|(_, types)| !types.contains(&member.expected)) {
                let mut pairs = self.pairs();
                pairs[at].1 = format!("▲{value}");
                let why = format!("{}{}: must be {}", self.path, member.name, member.expected);
                self.refuses(member.expected, &self.body(&pairs), &why);
            }
        }
    }

    fn unknown_members(&self) {
        let rule = "Unknown object members are skipped whatever their value, at any place";
        for unknown in UNKNOWN {
            for place in 0..=self.members.len() {
                let mut pairs = self.pairs();
                pairs.insert(place, ("x".to_owned(), unknown.to_owned()));
                pairs.insert(place, ("x".to_owned(), unknown.to_owned()));
                self.accepts(rule, &self.body(&pairs), &self.pairs());
            }
        }
    }

    fn white_space(&self) {
        let body = self.body(&self.pairs());
        self.accepts("Bodies are RFC 8259 JSON", &spaced(&body), &self.pairs());
    }

    fn pairs(&self) -> Vec<(String, String)> {
        self.members.iter().map(|member| (member.name.to_owned(), member.value.to_owned())).collect()
    }

    fn body(&self, pairs: &[(String, String)]) -> String {
        let inside: Vec<_> = pairs.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{}{{{}}}{}", self.around.0, inside.join(","), self.around.1)
    }

    #[track_caller]
    fn accepts(&self, rule: &str, body: &str, normal: &[(String, String)]) {
        hold(rule, self.normalise, &[(body, Ok(&self.body(normal)))]);
    }

    #[track_caller]
    fn refuses(&self, rule: &str, body: &str, why: &str) {
        hold(rule, self.normalise, &[(body, Err(why))]);
    }
}

/// The expected type of a member that may hold anything.
pub(crate) const ANYTHING: &str = "anything";

/// A key with every character escaped.
fn escaped(key: &str) -> String {
    key.chars().map(|char| format!("\\u{:04x}", u32::from(char))).collect()
}

/// `json` with every kind of white space wherever it may stand.
fn spaced(json: &str) -> String {
    let mut spaced = String::new();
    let (mut in_string, mut escaping) = (false, false);
    for char in json.chars() {
        let is_quote = char == '"' && !escaping;
        escaping = in_string && char == '\\' && !escaping;
        let around = if !in_string && "{}[]:,".contains(char) { " \t\r\n" } else { "" };
        spaced.extend([around, char.encode_utf8(&mut [0; 4]), around]);
        in_string ^= is_quote;
    }
    spaced
}
