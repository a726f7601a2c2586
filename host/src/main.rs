//! The `pushgate` command.

use pushgate::cli::Cli;
use std::process::ExitCode;
use tokio::runtime::Builder;

fn main() -> ExitCode {
    let cli = match Cli::from_command_line() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    cli.start_log();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return cli.cannot_start(&error),
    };
    let code = runtime.block_on(cli.run());
    // A read of stdin cannot be cancelled: waiting for it would keep a finished command until the next key.
    runtime.shutdown_background();
    code
}
