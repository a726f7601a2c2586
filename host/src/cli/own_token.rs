//! The token of the device that a command plays.

use super::Failure;
use crate::config::Secret;
use std::path::PathBuf;

/// A device's own token, from the command line, the environment or a file. It is never shown.
#[derive(Debug, clap::Args)]
pub(super) struct OwnToken {
    /// This device's token (`pushgate token issue` makes one)
    #[arg(long, env = "PUSHGATE_TOKEN", hide_env_values = true, required_unless_present = "token_file")]
    token: Option<Secret>,

    /// A file that holds this device's token, on one line; used instead of --token and PUSHGATE_TOKEN
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl OwnToken {
    /// Reads the file when there is one.
    pub(super) fn read(&self) -> Result<Secret, Failure> {
        match (&self.token_file, &self.token) {
            (Some(path), _) => Secret::from_file(path)
                .map_err(|error| Failure::Operation(format!("--token-file: {}: {error}", path.display()))),
            (None, Some(token)) => Ok(token.clone()),
            (None, None) => {
                Err(Failure::Usage("--token: give the device's token, or a file in --token-file".to_owned()))
            }
        }
    }
}
