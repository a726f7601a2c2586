//! `pushgate check`: validate payloads and print them normalised.

use super::{
    Failure, Outcome,
    input::{Fault, Input, Place},
    output::{Format, Output},
};
use clap::ValueEnum;
use pushgate_core::{
    Error, json,
    lingyang::{self, Token, token::MalformedToken},
    tencent, uplink,
};
use serde::Serialize;
use serde_json::value::RawValue;
use std::path::{Path, PathBuf};

/// Validate payloads and print them as compact, normalised JSON
///
/// One line for each file: the documented member order, absent optional members left out, text unescaped. A bad file is
/// one line on stderr, `FILE:LINE:COLUMN: field: what is wrong`, and exit 1 after the other files are done.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate check uplink batch.json
  pushgate check events captured/*.json > normalised.jsonl
  curl -s http://127.0.0.1:9000/x | pushgate check json")]
pub(crate) struct Args {
    /// What the files hold
    #[arg(value_enum)]
    kind: Kind,

    /// The files to check; - is stdin
    #[arg(value_name = "FILE", default_value = "-")]
    files: Vec<PathBuf>,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Any JSON document, strictly by RFC 8259
    Json,
    /// A UCloud batch: SMS replies or status reports
    Uplink,
    /// The answer to a UCloud batch
    UplinkReply,
    /// The body of a Lingyang client push, at most 100 receivers
    ClientPush,
    /// The body of a Lingyang server push, at most 100 receivers
    ServerPush,
    /// The answer to a Lingyang push
    PushReply,
    /// The body of a Lingyang webhook
    Webhook,
    /// A Tencent IM batch of push events
    Events,
    /// The answer to a batch of push events
    EventsReply,
    /// A Lingyang device token (its syntax; `pushgate token verify` checks its digest)
    Token,
}

/// Checks the files.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    let mut outcome = Ok(());
    for file in &args.files {
        match check(args.kind, file) {
            Ok((name, value)) => out.result(&Good { file: &name, ok: true, value: raw(&value) }, |_| value.clone())?,
            Err(fault) => {
                // On stderr whatever the format, so that editors find the place.
                out.note(&fault);
                if out.format() == Format::Json {
                    let Fault { file, place, message } = &fault;
                    out.result(&Bad { file, ok: false, place: place.as_ref(), message }, |_| String::new())?;
                }
                outcome = Err(Failure::Reported);
            }
        }
    }
    outcome
}

/// A right file, with `--json`.
#[derive(Debug, Serialize)]
struct Good<'a> {
    file: &'a str,
    ok: bool,
    value: Option<&'a RawValue>,
}

/// A bad file, with `--json`.
#[derive(Debug, Serialize)]
struct Bad<'a> {
    file: &'a str,
    ok: bool,
    #[serde(flatten)]
    place: Option<&'a Place>,
    message: &'a str,
}

/// Reads the file at `path` and returns its name and what it holds, normalised.
fn check(kind: Kind, path: &Path) -> Result<(String, String), Fault> {
    let input = Input::read(path)?;
    let value = match kind {
        Kind::Token => check_token(&input)?,
        kind => {
            let bytes = kind.normalise(input.bytes()).map_err(|error| input.fault(&error))?;
            String::from_utf8(bytes).map_err(|error| input.fault_of_all(error.to_string()))?
        }
    };
    Ok((input.name().to_owned(), value))
}

impl Kind {
    /// Writes a checked document anew.
    fn normalise(self, body: &[u8]) -> Result<Vec<u8>, Error> {
        json::to_vec(|buf| match self {
            Self::Json => json::compact(body, buf),
            Self::Uplink => uplink::compact(body, buf),
            Self::UplinkReply => uplink::Reply::read(body)?.write(buf),
            Self::ClientPush => lingyang::ClientPush::read(body, lingyang::MAX_RECEIVERS)?.write(buf),
            Self::ServerPush => lingyang::ServerPush::read(body, lingyang::MAX_RECEIVERS)?.write(buf),
            Self::PushReply => lingyang::Reply::read(body)?.write(buf),
            Self::Webhook => lingyang::Webhook::read(body)?.write(buf),
            Self::Events => tencent::compact(body, buf),
            Self::EventsReply => tencent::Reply::read(body)?.write(buf),
            Self::Token => Ok(&[]),
        })
    }
}

/// The parts of a token. Its digest is left out: with it, the line would be the credential.
#[derive(Debug, Serialize)]
struct TokenParts {
    cid: u32,
    control: u32,
    expire: u32,
}

fn check_token(input: &Input) -> Result<String, Fault> {
    let bytes = input.bytes();
    let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    // A token is ASCII: the character that stands for what is not UTF-8 is as wrong as that was.
    match Token::parse(&String::from_utf8_lossy(line)) {
        Ok(token) => {
            let parts = TokenParts { cid: token.cid().value(), control: token.control(), expire: token.expire() };
            serde_json::to_string(&parts).map_err(|error| input.fault_of_all(error.to_string()))
        }
        Err(malformed) => {
            let (section, field) = match malformed {
                MalformedToken::Cid => (0, "cid"),
                MalformedToken::Control => (1, "control"),
                MalformedToken::Expire => (2, "expire"),
                MalformedToken::Digest => (3, "digest"),
                MalformedToken::TooManySections => (4, "token"),
                _ => (usize::MAX, "token"),
            };
            Err(input.fault_at(section_start(line, section), field.to_owned(), malformed.to_string()))
        }
    }
}

/// Where section `section` of a token starts, counted from 0; the token's end when it has fewer.
fn section_start(token: &[u8], section: usize) -> usize {
    let mut underscores = token.iter().enumerate().filter(|(_, byte)| **byte == b'_').map(|(at, _)| at + 1);
    match section {
        0 => 0,
        section => underscores.nth(section - 1).unwrap_or(token.len()),
    }
}

/// JSON that is written as it stands.
fn raw(json: &str) -> Option<&RawValue> {
    serde_json::from_str(json).ok()
}
