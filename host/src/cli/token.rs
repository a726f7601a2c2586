//! `pushgate token …`: Lingyang device tokens.

use super::{
    Failure, Outcome,
    input::read_key,
    output::{Format, Output},
};
use crate::shown::Utc;
use clap::Subcommand;
use pushgate_core::lingyang::{Cid, Token, token::TokenError};
use serde::Serialize;
use std::{
    fmt::Display,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

/// Issue and verify Lingyang device tokens
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Issue(IssueArgs),
    Verify(VerifyArgs),
}

/// Issue a token: CID_CONTROL_EXPIRE_DIGEST, signed with an app's key
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate token issue --key-file key --cid 1003200 --expire 1893456000
  TOKEN=$(pushgate token issue --key-file key --cid 1003200 --expire $(( $(date +%s) + 86400 )))")]
struct IssueArgs {
    /// A file that holds the app's key, on one line
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,

    /// The device's id, 1 to 4294967295
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    cid: u32,

    /// When the token ends, in unix seconds; in that second it still holds
    #[arg(long, value_name = "UNIX")]
    expire: u32,

    /// The control bits, 0 to 4294967295; messages do not look at them
    #[arg(long, value_name = "N", default_value_t = 0)]
    control: u32,
}

/// Verify a token; exits 1 with the reason: malformed, wrong digest or expired
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  pushgate token verify --key-file key \\
    10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424")]
struct VerifyArgs {
    /// A file that holds the app's key, on one line
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,

    /// The token
    token: String,
}

/// Issues or verifies a token.
pub(crate) async fn run(args: Args, out: Output) -> Outcome {
    match args.action {
        Action::Issue(args) => issue(&args, out),
        Action::Verify(args) => verify(&args, out),
    }
}

fn issue(args: &IssueArgs, out: Output) -> Outcome {
    let key = read_key(&args.key_file)?;
    let cid = Cid::try_from(args.cid).map_err(|error| Failure::Usage(error.to_string()))?;
    let token = Token::issue(key.reveal().as_bytes(), cid, args.control, args.expire).to_string();
    Ok(out.result(&Issued { token: &token }, |_| token.clone())?)
}

fn verify(args: &VerifyArgs, out: Output) -> Outcome {
    let key = read_key(&args.key_file)?;
    let verdict = Token::parse(&args.token).map_err(TokenError::from).and_then(|token| {
        token.verify([key.reveal().as_bytes()], unix_now())?;
        Ok(token)
    });
    match verdict {
        Ok(token) => {
            let parts =
                Genuine { ok: true, cid: token.cid().value(), control: token.control(), expire: token.expire() };
            Ok(out.result(&parts, |paint| parts.text(paint.good("genuine")))?)
        }
        Err(error) => {
            let reason = match error {
                TokenError::Malformed(_) => "malformed",
                TokenError::WrongDigest => "wrong digest",
                TokenError::Expired { .. } => "expired",
            };
            if out.format() == Format::Json {
                out.result(&Refused { ok: false, reason, message: error.to_string() }, |_| String::new())?;
            }
            let since = match error {
                TokenError::Expired { expire } => format!(" (over since {})", Utc(u64::from(expire) + 1)),
                _ => String::new(),
            };
            Err(Failure::Operation(format!("{reason}{since}: {error}")))
        }
    }
}

/// A new token, with `--json`.
#[derive(Debug, Serialize)]
struct Issued<'a> {
    token: &'a str,
}

/// The parts of a token that its app issued and that still holds.
#[derive(Debug, Serialize)]
struct Genuine {
    ok: bool,
    cid: u32,
    control: u32,
    expire: u32,
}

impl Genuine {
    fn text(&self, genuine: impl Display) -> String {
        let Self { cid, control, expire, .. } = self;
        format!("{genuine}: cid {cid}, control {control}, expire {expire} ({})", Utc(u64::from(*expire)))
    }
}

/// Why a token is not accepted, with `--json`.
#[derive(Debug, Serialize)]
struct Refused {
    ok: bool,
    reason: &'static str,
    message: String,
}

fn unix_now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
