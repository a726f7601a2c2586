//! `pushgate serve`: the gateway.

mod notify;

use super::{
    Failure, Outcome,
    configured::Configured,
    output::Output,
    stop::{Hangup, Stop},
};
use crate::{
    config::{Change, Config, Listen, Loaded, When},
    device::WEBSOCKET_PATH,
    files,
    gateway::Gateway,
    telemetry::LogFormat,
};
use notify::Notify;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    #[command(flatten)]
    configured: Configured,
}

/// Runs the gateway until it is told to stop.
pub(crate) async fn run(args: Args, out: Output, log: LogFormat) -> Outcome {
    let mut stop = Stop::listen()?;
    let mut hangup = Hangup::listen()?;

    let mut loaded = args.configured.load()?;
    tell_warnings(&args.configured, &loaded);
    open_files(&loaded.config);
    let begin = Begin::of(&loaded.config);
    let gateway = Gateway::start(loaded.config.clone())
        .await
        .map_err(|error| Failure::Operation(args.configured.explain(&loaded.settings, &error)))?;
    match log {
        LogFormat::Text => begin.note(&gateway, out),
        LogFormat::Json => begin.log(&gateway),
    }
    let notify = Notify::from_environment();
    notify.ready(&gateway).await;
    let outcome = loop {
        tokio::select! {
            () = hangup.heard() => {
                notify.reloading().await;
                reload(&args.configured, &gateway, &mut loaded);
                notify.ready(&gateway).await;
            }
            () = stop.asked() => break Ok(()),
            failure = useless(&gateway) => break Err(failure),
            () = notify.tend(&gateway) => {}
        }
    };
    tracing::info!("stopping: nothing new is accepted, what is under way is finished");
    notify.stopping("finishing what is under way").await;
    gateway.stop().await;
    outcome
}

/// Returns once the gateway is of no use any more, with what to say about it.
async fn useless(gateway: &Gateway) -> Failure {
    let lost = gateway.lost().await;
    Failure::Operation(format!("{lost}; nothing accepted is lost, start the gateway again"))
}

/// What there is to say of a gateway once it serves.
struct Begin {
    store: String,
    listen: Listen,
    has_nothing: bool,
}

impl Begin {
    fn of(config: &Config) -> Self {
        Self {
            store: config.store.url.to_string(),
            listen: config.listen.clone(),
            has_nothing: config.lingyang.apps().is_empty()
                && config.uplink == crate::config::Uplink::default()
                && config.tencent == crate::config::Tencent::default(),
        }
    }

    /// Says it to a person.
    fn note(&self, gateway: &Gateway, out: Output) {
        let Self { store, listen, has_nothing } = self;
        let (http, ws, tcp) = if listen.tls.is_some() { ("https", "wss", "TLS") } else { ("http", "ws", "TCP") };
        let admin = if listen.admin_tls.is_some() { "https" } else { "http" };
        out.note(format_args!("public  {http}://{}   device API and receivers", gateway.public));
        out.note(format_args!("admin   {admin}://{}   submission, deliveries, inbox", gateway.admin));
        out.note(format_args!("link    {}          device link ({tcp})", gateway.link));
        out.note(format_args!("        {ws}://{}{WEBSOCKET_PATH}   device link (WebSocket)", gateway.public));
        out.note(format_args!("store   {store}"));
        if *has_nothing {
            out.note(
                "No destination, receiver or app is configured yet: `pushgate config example > pushgate.toml`, edit",
            );
            out.note("it, and start again with --config pushgate.toml.");
        }
        out.note(format_args!("Try     {}", hint(listen, gateway.admin)));
    }

    /// Says it to what collects logs.
    fn log(&self, gateway: &Gateway) {
        let Gateway { public, admin, link, .. } = gateway;
        let (version, store, tls) = (env!("CARGO_PKG_VERSION"), &*self.store, self.listen.tls.is_some());
        let admin_tls = self.listen.admin_tls.is_some();
        tracing::info!(version, %public, %admin, %link, tls, admin_tls, store, "serving");
        if self.has_nothing {
            tracing::warn!("no destination, receiver or app is configured yet: see `pushgate config example`");
        }
    }
}

/// What to type first, to ask the admin listener at `address`.
fn hint(listen: &Listen, mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    let token = if listen.admin.token().is_some() { "PUSHGATE_ADMIN_TOKEN=… " } else { "" };
    let (scheme, ca) = match listen.admin_tls {
        Some(_) => ("https", "   (with --ca FILE if your own authority signed its certificate)"),
        None => ("http", ""),
    };
    format!("{token}pushgate status --admin {scheme}://{address}{ca}")
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

/// Reads the configuration again and says what is different; one that is wrong changes nothing.
fn reload(configured: &Configured, gateway: &Gateway, loaded: &mut Loaded) {
    match configured.load() {
        Ok(new) => {
            gateway.reload(new.config.clone());
            tracing::info!("obeying the configuration as it is now");
            tell_changes(&loaded.settings.changes(&new.settings));
            tell_warnings(configured, &new);
            *loaded = new;
        }
        Err(Failure::Operation(what) | Failure::Usage(what)) => {
            gateway.reload_refused();
            tracing::error!("not reloaded, the configuration stays as it was: {what}");
        }
        Err(Failure::Reported | Failure::ReaderLeft) => {}
    }
}

/// Logs a line a change; those that wait stand out.
fn tell_changes(changes: &[Change]) {
    /// More than anybody reads (ours).
    const MOST: usize = 200;
    for change in changes.iter().take(MOST) {
        match change.when() {
            When::Now => tracing::info!("{change}"),
            When::NextStart | When::Overruled(_) => tracing::warn!("{change}"),
        }
    }
    match changes.len().checked_sub(MOST) {
        Some(more @ 1..) => tracing::info!("and {more} changes more"),
        _ if changes.is_empty() => tracing::info!("nothing in it has changed"),
        _ => {}
    }
}

fn tell_warnings(configured: &Configured, loaded: &Loaded) {
    for warning in &loaded.warnings {
        tracing::warn!("{}:{warning}", configured.file());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Admin, Config, Secret};

    #[test]
    fn the_first_thing_to_try_is_right_as_it_is_typed() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let open = Listen::default();
        let token = Secret::new("hunter2").ok();
        let closed = Listen { admin: Admin::new(at("0.0.0.0:81"), token).unwrap(), ..Listen::default() };
        for (listen, address, typed) in [
            (&open, "127.0.0.1:8081", "pushgate status --admin http://127.0.0.1:8081"),
            (&closed, "0.0.0.0:81", "PUSHGATE_ADMIN_TOKEN=… pushgate status --admin http://127.0.0.1:81"),
            (&closed, "[::]:81", "PUSHGATE_ADMIN_TOKEN=… pushgate status --admin http://[::1]:81"),
        ] {
            assert_eq!(hint(listen, at(address)), typed);
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_gateway_without_its_scheduler_is_of_no_use() {
        let text = "[listen]\npublic = '127.0.0.1:0'\nadmin = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n";
        let (store, config) = (crate::store::open("sqlite::memory:").await.unwrap(), Config::parse(text, "").unwrap());
        let gateway = Gateway::start_with(store, config).await.unwrap();
        assert!(gateway.health().readiness().await.ready);
        gateway.stumble();
        let Failure::Operation(what) = useless(&gateway).await else { panic!("exit 1") };
        assert!(
            what.starts_with("the scheduler has ended: it panicked: it stumbled, as told; this is a bug"),
            "{what}"
        );
        let readiness = gateway.health().readiness().await;
        assert!(!readiness.ready, "at once, not once a second: {readiness:?}");
        assert_eq!(readiness.workers, "the scheduler has ended; see the log");
        assert!(!gateway.health().is_alive(std::time::Duration::from_secs(1)).await);
        gateway.stop().await;
    }
}
