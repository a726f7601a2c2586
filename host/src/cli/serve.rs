//! `pushgate serve`: the gateway.

use super::{
    Failure, Outcome,
    output::Output,
    stop::{Hangup, Stop},
};
use crate::{
    config::{Admin, Config, StoreUrl},
    device::WEBSOCKET_PATH,
    files,
    gateway::Gateway,
    telemetry::LogFormat,
};
use std::{net::SocketAddr, path::PathBuf};

/// Run the gateway
///
/// Without a configuration it listens on loopback, keeps what it accepts in ./pushgate.db, and prints its addresses and
/// what to try. SIGTERM drains: nothing new is accepted, what is under way is finished or kept. SIGHUP reads the
/// configuration again.
///
/// The flags win over the configuration file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate serve
  pushgate serve --config /etc/pushgate/pushgate.toml
  pushgate serve --public 0.0.0.0:8080 --store sqlite:/var/lib/pushgate/pushgate.db")]
pub(crate) struct Args {
    /// The configuration file; `pushgate config example` prints one
    #[arg(long, value_name = "FILE", env = "PUSHGATE_CONFIG")]
    config: Option<PathBuf>,

    /// IP:PORT of the device API and the receivers (HTTP) [default: 127.0.0.1:8080]
    #[arg(long, value_name = "ADDR")]
    public: Option<SocketAddr>,

    /// IP:PORT of the admin API, console, metrics and health (HTTP) [default: 127.0.0.1:8081]
    ///
    /// On an address that other hosts can reach, the configuration must have listen.admin_token.
    #[arg(long, value_name = "ADDR")]
    admin: Option<SocketAddr>,

    /// IP:PORT of the device link (TCP; its WebSockets come to --public) [default: 127.0.0.1:8082]
    #[arg(long, value_name = "ADDR")]
    link: Option<SocketAddr>,

    /// Where accepted work is kept: sqlite:PATH or redis://… [default: sqlite:pushgate.db]
    #[arg(long, value_name = "URL", env = "PUSHGATE_STORE", hide_env_values = true)]
    store: Option<StoreUrl>,
}

impl Args {
    /// Reads the configuration file, if one was given, and lets the flags win over it. SIGHUP asks again.
    fn configuration(&self) -> Result<Config, Failure> {
        let mut config = match &self.config {
            Some(path) => Config::load(path).map_err(|error| Failure::Operation(error.to_string()))?,
            None => Config::default(),
        };
        if let Some(address) = self.public {
            config.listen.public = address;
        }
        if let Some(address) = self.admin {
            config.listen.admin = Admin::new(address, config.listen.admin.token().cloned())
                .map_err(|error| Failure::Operation(format!("--admin {address}: {error}")))?;
        }
        if let Some(address) = self.link {
            config.listen.link = address;
        }
        if let Some(url) = &self.store {
            config.store.url = url.clone();
        }
        Ok(config)
    }
}

/// Runs the gateway until it is told to stop.
pub(crate) async fn run(args: Args, out: Output, log: LogFormat) -> Outcome {
    let mut stop = Stop::listen()?;
    let mut hangup = Hangup::listen()?;

    let config = args.configuration()?;
    open_files(&config);
    let begin = Begin::of(&config);
    let gateway = Gateway::start(config).await.map_err(|error| Failure::Operation(error.to_string()))?;
    match log {
        LogFormat::Text => begin.note(&gateway, out),
        LogFormat::Json => begin.log(&gateway),
    }
    loop {
        tokio::select! {
            () = hangup.heard() => reload(&args, &gateway),
            () = stop.asked() => break,
        }
    }
    tracing::info!("stopping: nothing new is accepted, what is under way is finished");
    gateway.stop().await;
    Ok(())
}

/// What there is to say of a gateway once it serves.
struct Begin {
    store: String,
    has_tls: bool,
    has_nothing: bool,
}

impl Begin {
    fn of(config: &Config) -> Self {
        Self {
            store: config.store.url.to_string(),
            has_tls: config.listen.tls.is_some(),
            has_nothing: config.lingyang.apps().is_empty()
                && config.uplink == crate::config::Uplink::default()
                && config.tencent == crate::config::Tencent::default(),
        }
    }

    /// Says it to a person.
    fn note(&self, gateway: &Gateway, out: Output) {
        let Self { store, has_tls, has_nothing } = self;
        let (http, ws, tcp) = if *has_tls { ("https", "wss", "TLS") } else { ("http", "ws", "TCP") };
        out.note(format_args!("public  {http}://{}   device API and receivers", gateway.public));
        out.note(format_args!("admin   http://{}   submission, deliveries, inbox", gateway.admin));
        out.note(format_args!("link    {}          device link ({tcp})", gateway.link));
        out.note(format_args!("        {ws}://{}{WEBSOCKET_PATH}   device link (WebSocket)", gateway.public));
        out.note(format_args!("store   {store}"));
        if *has_nothing {
            out.note(
                "No destination, receiver or app is configured yet: `pushgate config example > pushgate.toml`, edit",
            );
            out.note("it, and start again with --config pushgate.toml.");
        }
        out.note(format_args!("Try     curl http://{}/api/status", gateway.admin));
    }

    /// Says it to what collects logs.
    fn log(&self, gateway: &Gateway) {
        let Gateway { public, admin, link, .. } = gateway;
        let (version, store, tls) = (env!("CARGO_PKG_VERSION"), &*self.store, self.has_tls);
        tracing::info!(version, %public, %admin, %link, tls, store, "serving");
        if self.has_nothing {
            tracing::warn!("no destination, receiver or app is configured yet: see `pushgate config example`");
        }
    }
}

/// Makes room for the connections that the configuration allows, or says that there is none.
fn open_files(config: &Config) {
    // The public and the admin listener's connections, destinations', and the store's own files.
    const BESIDE_DEVICES: u64 = 4096;
    let devices = u64::try_from(config.limits.connections).unwrap_or(u64::MAX);
    if let Some(most) = files::raise_limit().filter(|most| *most < devices.saturating_add(BESIDE_DEVICES)) {
        tracing::warn!(
            "at most {most} files may be open, too few for the {devices} devices of limits.connections and {BESIDE_DEVICES} \
             connections beside them: raise the limit (ulimit -Hn, or LimitNOFILE= of a systemd unit), or allow fewer"
        );
    }
}

/// Reads the configuration again; one that is wrong changes nothing.
fn reload(args: &Args, gateway: &Gateway) {
    match args.configuration() {
        Ok(config) => {
            let needs_restart = gateway.reload(config);
            tracing::info!("obeying the configuration as it is now");
            for section in needs_restart {
                tracing::warn!(
                    "[{section}] has changed: what listens and what is reached stays as it was until the next start"
                );
            }
        }
        Err(Failure::Operation(what) | Failure::Usage(what)) => {
            gateway.reload_refused();
            tracing::error!("not reloaded, the configuration stays as it was: {what}");
        }
        Err(Failure::Reported | Failure::ReaderLeft) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn args() -> Args {
        Args { config: None, public: None, admin: None, link: None, store: None }
    }

    #[test]
    fn without_flags_or_file_everything_has_its_default() {
        assert_eq!(args().configuration().unwrap(), Config::default());
    }

    #[test]
    fn flags_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pushgate.toml");
        fs::write(&path, "[listen]\npublic = '127.0.0.1:1'\nlink = '127.0.0.1:2'\nadmin_token = 't'\n").unwrap();
        let args = Args {
            config: Some(path),
            public: Some(([127, 0, 0, 1], 11).into()),
            admin: Some(([0, 0, 0, 0], 13).into()),
            store: Some("sqlite:x.db".parse().unwrap()),
            ..args()
        };
        let config = args.configuration().unwrap();
        assert_eq!(config.listen.public.port(), 11);
        assert_eq!(config.listen.link.port(), 2);
        assert_eq!((config.listen.admin.address().port(), config.listen.admin.token().is_some()), (13, true));
        assert_eq!(config.store.url.to_string(), "sqlite:x.db");
    }

    #[test]
    fn no_flag_opens_the_admin_api_to_everybody() {
        let args = Args { admin: Some(([0, 0, 0, 0], 13).into()), ..args() };
        let Err(Failure::Operation(what)) = args.configuration() else { panic!("must fail") };
        assert!(what.contains("--admin 0.0.0.0:13") && what.contains("listen.admin_token"), "{what}");
    }
}
