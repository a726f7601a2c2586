//! `pushgate token …`: Lingyang device tokens.

use super::{Failure, Outcome, output::Output};
use clap::Subcommand;
use std::path::PathBuf;

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
pub(crate) async fn run(args: Args, _out: Output) -> Outcome {
    match args.action {
        Action::Issue(IssueArgs { key_file: _, cid: _, expire: _, control: _ })
        | Action::Verify(VerifyArgs { key_file: _, token: _ }) => {}
    }
    Err(Failure::Operation("`token` is not built yet".to_owned()))
}
