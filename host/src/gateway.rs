//! The gateway as one thing: its store, its engine and its three listeners, started and stopped together.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    http::{StatusCode, header},
};
use tokio::{sync::watch, task::JoinSet, time};
use tokio_rustls::TlsAcceptor;

use crate::{
    api::{
        admin,
        body::BodyLimits,
        lingyang, live, receive,
        server::{Limits, Server},
        state::Shared,
        tls::{Certificates, Taken},
    },
    clock::Clock,
    config::Config,
    courier::{HttpCourier, Settings},
    engine::{Engine, Event, Parts},
    health::Health,
    link::{Links, Registry, tcp},
    metrics::{Metrics, Reload, StoreCounts},
    renewal::{self, Renewed},
    retention,
    store::{self, Store},
    telemetry::export::{self, Exporter},
    workers::{Lost, Worker, Workers},
};

/// How long a stopping gateway takes at the most (ours): requests first, then the sends under way, which have what is
/// left, as long as any protocol waits for an answer.
const DRAIN_WITHIN: Duration = Duration::from_secs(10);

/// How long the requests under way have to end when the gateway stops (ours).
const REQUESTS_WITHIN: Duration = Duration::from_secs(5);

/// How long the admin API's last answers have to get to their readers (ours): all else is over by then.
const LAST_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// A gateway that runs.
pub struct Gateway {
    /// Where the device API and the receivers listen.
    pub public: SocketAddr,
    /// Where the admin API listens.
    pub admin: SocketAddr,
    /// Where the device link listens.
    pub link: SocketAddr,
    shared: Shared,
    config: watch::Sender<Arc<Config>>,
    renewed: Vec<Renewed>,
    workers: Workers,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
    exporter: Option<Exporter>,
    /// The admin listener serves until all else is over, so that the end of a gateway can be watched.
    stop_admin: watch::Sender<bool>,
    admin_listener: JoinSet<()>,
}

impl Gateway {
    /// Opens the store, binds the listeners, takes up what is pending and begins to serve.
    ///
    /// # Errors
    ///
    /// What keeps it from starting, with what to do about it.
    pub async fn start(config: Config) -> Result<Self, CannotStart> {
        let store = store::open(&config.store.url.to_string()).await.map_err(CannotStart::because)?;
        Self::start_with(store, config).await
    }

    /// Starts on a store that is already open.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub async fn start_with(store: Arc<dyn Store>, config: Config) -> Result<Self, CannotStart> {
        let clock = Clock::start();
        let tls = config.listen.tls.clone().map(Certificates::new);
        let admin_tls = config.listen.admin_tls.clone().map(Certificates::new);
        // Every address is taken before anything is sent: a gateway that cannot serve must not deliver either.
        let limits = limits(&config);
        let mut public =
            Server::bind(config.listen.public, limits).map_err(|error| CannotStart::at("listen.public", error))?;
        let admin_limits = Limits { drain_timeout: LAST_ANSWERS_WITHIN, ..limits };
        let mut admin = Server::bind(config.listen.admin.address(), admin_limits)
            .map_err(|error| CannotStart::at("listen.admin", error))?;
        let (link, link_address) =
            tcp::bind(config.listen.link).map_err(|error| CannotStart::at("listen.link", error))?;
        let mut link_tls = None;
        if let Some(tls) = &tls {
            public = public.with_tls(tls.server_config().map_err(CannotStart::because)?);
            let tls = tls.server_config().map_err(CannotStart::because)?;
            link_tls = Some(TlsAcceptor::from(Arc::new(tls)));
        }
        if let Some(tls) = &admin_tls {
            admin = admin.with_tls(tls.server_config().map_err(CannotStart::because)?);
        }
        let renewed = [("listen.tls", tls), ("listen.admin_tls", admin_tls)];
        let renewed = renewed.into_iter().filter_map(|(key, tls)| Some(Renewed { key, certificates: tls? }));
        let renewed: Vec<_> = renewed.collect();
        let (public_address, admin_address) = (public.local_addr(), admin.local_addr());
        let (tracer, exporter) = export::start(&config.telemetry, clock);
        let (public, admin) = (public.with_tracer(tracer.clone()), admin.with_tracer(tracer.clone()));

        let registry = Registry::default();
        let metrics = Arc::new(Metrics::default());
        store.observe(Arc::<StoreCounts>::clone(&metrics.store));
        let courier = HttpCourier::new(Settings {
            allow_private: config.network.allow_private,
            answer_bytes: config.limits.answer_bytes,
            ..Settings::default()
        });
        let config = Arc::new(config);
        let (config_sender, config_receiver) = watch::channel(Arc::clone(&config));
        let workers = Workers::default();
        let parts = Parts {
            clock,
            store: Arc::clone(&store),
            courier: Arc::new(courier),
            registry: registry.clone(),
            metrics: Arc::clone(&metrics),
            tracer: tracer.clone(),
            config: Arc::clone(&config),
            workers: workers.clone(),
        };
        let engine = Engine::start(parts).await.map_err(CannotStart::because)?;
        let links = Links {
            clock,
            registry: registry.clone(),
            engine: engine.clone(),
            metrics: Arc::clone(&metrics),
            config: config_receiver.clone(),
        };
        let health = Health::new(store, engine, workers.clone());
        let shared = Shared::new(clock, config_receiver.clone(), registry, metrics, tracer, health);

        let (stop, stopping) = watch::channel(false);
        let mut listeners = JoinSet::new();
        let routes = lingyang::router(shared.clone(), Arc::new(links.clone())).merge(receive::router(shared.clone()));
        let public = public.run(shared.metrics.public.count(named(routes)), stopped(stopping.clone()));
        listeners.spawn(workers.watch(Worker::Public, public));
        listeners.spawn(workers.watch(Worker::Live, live::run(shared.clone(), stopping.clone())));
        let keeping = retention::keep(
            Arc::clone(&shared.store),
            clock,
            Arc::clone(&shared.metrics.store),
            config_receiver.clone(),
            stopping.clone(),
        );
        listeners.spawn(renewal::watch(renewed.clone(), clock, Arc::clone(&shared.metrics), stopping.clone()));
        listeners.spawn(workers.watch(Worker::Retention, keeping));
        let until_closed = workers.watch(Worker::Store, shared.store.ended());
        let stopped_first = stopped(stopping.clone());
        listeners.spawn(async move {
            tokio::select! {
                () = until_closed => {}
                () = stopped_first => {}
            }
        });
        listeners.spawn(workers.watch(Worker::Link, links.listen(link, link_tls, stopping)));
        let (stop_admin, stopping) = watch::channel(false);
        let mut admin_listener = JoinSet::new();
        let routes = admin::router(shared.clone(), &config.listen.admin);
        let admin = admin.run(shared.metrics.admin.count(routes), stopped(stopping));
        admin_listener.spawn(workers.watch(Worker::Admin, admin));

        Ok(Self {
            public: public_address,
            admin: admin_address,
            link: link_address,
            shared,
            config: config_sender,
            renewed,
            workers,
            stop,
            listeners,
            exporter,
            stop_admin,
            admin_listener,
        })
    }

    /// What happens to deliveries from now on.
    #[must_use]
    pub fn events(&self) -> tokio::sync::broadcast::Receiver<Event> {
        self.shared.engine.events()
    }

    /// The store, for whoever runs the gateway.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.shared.store)
    }

    /// Notes that a configuration was read which is wrong, and not obeyed.
    pub fn reload_refused(&self) {
        self.shared.metrics.reloaded(Reload::Refused);
    }

    /// How it is.
    #[must_use]
    pub fn health(&self) -> Health {
        self.shared.health.clone()
    }

    /// Returns once something that it cannot do without has ended by itself: it is of no use any more, and to be
    /// [stopped](Self::stop).
    pub async fn lost(&self) -> Lost {
        self.workers.lost().await
    }

    /// Has its scheduler panic.
    #[cfg(test)]
    pub(crate) fn stumble(&self) {
        self.shared.engine.stumble();
    }

    /// Obeys another configuration from now on, but for what is bound, opened or handed out at a start:
    /// [`Settings::changes`](crate::config::Settings::changes) tells which keys wait for the next one.
    pub fn reload(&self, config: Config) {
        let config = Arc::new(config);
        for one in &self.renewed {
            let listen = &config.listen;
            let tls = if one.key == "listen.tls" { &listen.tls } else { &listen.admin_tls };
            if let Some(tls) = tls
                && one.certificates.take_up(tls.clone()) == Taken::New
            {
                one.tell();
                one.count(&self.shared.metrics);
            }
        }
        self.shared.engine.reload(Arc::clone(&config));
        self.config.send_replace(config);
        self.shared.metrics.reloaded(Reload::Done);
        // A key that is gone lets nobody stay.
        self.shared.registry.recheck();
    }

    /// Stops: accepts nothing more, finishes what is under way, and closes the store.
    ///
    /// What is not finished in time stays pending in the store for the next start. Until then the admin API answers
    /// what only asks.
    pub async fn stop(mut self) {
        self.workers.may_end();
        self.stop.send_replace(true);
        let draining = async {
            while self.listeners.join_next().await.is_some() {}
            self.shared.engine.drain().await;
        };
        if time::timeout(DRAIN_WITHIN, draining).await.is_err() {
            tracing::warn!("stopped with sends under way; they are made again after the next start");
        }
        self.stop_admin.send_replace(true);
        while self.admin_listener.join_next().await.is_some() {}
        if let Some(exporter) = self.exporter.take() {
            exporter.stop().await;
        }
        if let Err(error) = self.shared.store.close().await {
            tracing::error!(%error, "the store did not close well");
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // Its tasks end with it.
        self.workers.may_end();
    }
}

/// Why a gateway cannot start.
#[derive(Debug)]
pub struct CannotStart {
    key: Option<&'static str>,
    what: String,
}

impl CannotStart {
    /// The key of the configuration to change, where one is at fault.
    #[must_use]
    pub const fn key(&self) -> Option<&'static str> {
        self.key
    }

    /// What is wrong and what to do, without the key.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    fn because(error: impl fmt::Display) -> Self {
        Self { key: None, what: error.to_string() }
    }

    fn at(key: &'static str, error: impl fmt::Display) -> Self {
        Self { key: Some(key), what: error.to_string() }
    }
}

impl fmt::Display for CannotStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(key) = self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.what)
    }
}

impl std::error::Error for CannotStart {}

/// The limits of an HTTP listener, as the configuration has them.
#[must_use]
pub fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        header_bytes: limits.header_bytes,
        body: BodyLimits {
            bytes: limits.body_bytes,
            timeout: Duration::from_millis(u64::from(limits.body_timeout_ms)),
        },
        drain_timeout: REQUESTS_WITHIN,
        ..Limits::default()
    }
}

async fn stopped(mut stopping: watch::Receiver<bool>) {
    // A sender that is gone has stopped as well.
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Answers what no route is for in JSON too, and says what there is.
fn named(routes: Router) -> Router {
    let not_found = |status: StatusCode, message: &'static str| {
        let error = serde_json::json!({ "error": { "code": status.as_u16(), "message": message } });
        (status, [(header::CONTENT_TYPE, "application/json")], error.to_string())
    };
    routes
        .fallback(move || async move { not_found(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .method_not_allowed_fallback(move || async move {
            not_found(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method; see the Allow header")
        })
}
