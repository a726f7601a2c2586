//! The `pushgate` command.

use mimalloc::MiMalloc;
use pushgate::cli::Cli;
use std::process::ExitCode;
use tokio::runtime::Builder;

/// Every request and every send takes and gives back some dozens of pieces of memory, on several threads: the system's
/// allocator costs a fifth of all time there.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

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
