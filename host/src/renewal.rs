//! Takes up the certificates of listeners that somebody renews on disk, and says in time when nobody does.
//!
//! Who renews them rarely tells: so the files are looked at once a minute. A pair that does not fit, as it is while only
//! one of two files has been replaced, changes nothing.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, task::spawn_blocking, time};

use crate::{
    api::tls::{Certificates, Taken},
    clock::Clock,
    metrics::{Metrics, Reload},
    shown::Utc,
};

/// How often the files are looked at (ours).
const LOOK_EVERY: Duration = Duration::from_secs(60);

/// How long before its end a certificate is spoken of (ours), in seconds: by then whoever renews them by themselves has
/// tried for two weeks.
const WARN_BEFORE: u64 = 14 * DAY;

const DAY: u64 = 86_400;

/// A listener's certificates, by the key of the configuration that names their files.
#[derive(Clone, Debug)]
pub(crate) struct Renewed {
    pub(crate) key: &'static str,
    pub(crate) certificates: Certificates,
}

impl Renewed {
    /// Notes for `metrics` until when each listener's certificate is valid.
    pub(crate) fn count(&self, metrics: &Metrics) {
        let listeners: &[&'static str] = if self.key == "listen.tls" { &["public", "link"] } else { &["admin"] };
        for listener in listeners {
            metrics.certificate(listener, self.certificates.expires_at());
        }
    }

    /// Says what is shown from now on.
    pub(crate) fn tell(&self) {
        let until = Utc(self.certificates.expires_at());
        tracing::info!("{}: new connections are shown the renewed certificate, which is valid until {until}", self.key);
    }
}

/// Looks after `all` until it is told to stop.
pub(crate) async fn watch(all: Vec<Renewed>, clock: Clock, metrics: Arc<Metrics>, mut stopping: watch::Receiver<bool>) {
    let mut watched: Vec<_> = all.into_iter().map(Watched::new).collect();
    loop {
        for one in &mut watched {
            one.warn(clock.unix_secs());
            one.renewed.count(&metrics);
        }
        tokio::select! {
            biased;
            // A sender that is gone has stopped as well.
            _ = stopping.wait_for(|stop| *stop) => return,
            () = time::sleep(LOOK_EVERY) => {}
        }
        for one in &mut watched {
            if one.look().await == Looked::Refused {
                metrics.reloaded(Reload::Refused);
            }
        }
    }
}

/// What a look at the files found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looked {
    /// Nothing that has not been told.
    Right,
    /// Files that do not fit, for the first time.
    Refused,
}

/// What has been said of a listener's certificates, so that it is not said every minute.
struct Watched {
    renewed: Renewed,
    problem: Option<String>,
    warned: Option<u64>,
}

impl Watched {
    fn new(renewed: Renewed) -> Self {
        Self { renewed, problem: None, warned: None }
    }

    async fn look(&mut self) -> Looked {
        let certificates = self.renewed.certificates.clone();
        // A disk, or a network's, may take its time: not on a thread that serves connections.
        let Ok(looked) = spawn_blocking(move || certificates.renew()).await else { return Looked::Right };
        let problem = match looked {
            Ok(Taken::New) => {
                self.warned = None;
                self.renewed.tell();
                None
            }
            Ok(Taken::Same) => None,
            Err(error) => Some(error.to_string()),
        };
        let is_news = problem != self.problem;
        self.problem = problem;
        match &self.problem {
            Some(problem) if is_news => {
                let key = self.renewed.key;
                tracing::warn!(
                    "{key}.{problem}; the certificate stays as it was, and the files are looked at every minute"
                );
                Looked::Refused
            }
            _ => Looked::Right,
        }
    }

    /// Warns of a certificate that ends soon, once a day.
    fn warn(&mut self, now: u64) {
        let Some(warning) = ending(self.renewed.certificates.expires_at(), now) else { return };
        if self.warned.is_some_and(|warned| now < warned + DAY) {
            return;
        }
        self.warned = Some(now);
        tracing::warn!("{}: {warning}", self.renewed.key);
    }
}

/// What there is to say of a certificate that is valid until `until`; nothing while that is far off.
pub(crate) fn ending(until: u64, now: u64) -> Option<String> {
    let left = until.saturating_sub(now);
    let advice = "put a new one in its place: it is taken up within a minute";
    if now > until {
        Some(format!("the certificate has expired, on {}, and clients refuse it; {advice}", Utc(until)))
    } else if left <= WARN_BEFORE {
        let (days, plural) = (left / DAY, if left / DAY == 1 { "" } else { "s" });
        Some(format!("the certificate expires in {days} day{plural}, on {}; {advice}", Utc(until)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ServerTls;
    use std::{fs, path::Path};

    #[test]
    fn an_end_is_told_from_two_weeks_before() {
        const UNTIL: u64 = 1_800_000_000; // 2027-01-15T08:00:00Z
        for (now, words) in [
            (0, None),
            (UNTIL - 14 * DAY - 1, None),
            (UNTIL - 14 * DAY, Some("expires in 14 days, on 2027-01-15T08:00:00Z; put")),
            (UNTIL - DAY, Some("expires in 1 day, on")),
            (UNTIL, Some("expires in 0 days, on")),
            (UNTIL + 1, Some("has expired, on 2027-01-15T08:00:00Z, and clients refuse it")),
        ] {
            let told = ending(UNTIL, now);
            assert_eq!(told.is_some(), words.is_some(), "{now}: {told:?}");
            assert!(told.unwrap_or_default().contains(words.unwrap_or_default()), "{now}");
        }
    }

    fn watched() -> (tempfile::TempDir, Watched) {
        let folder = tempfile::tempdir().expect("a folder");
        put(folder.path(), "server.pem", "server.key");
        let tls = ServerTls::from_files(&folder.path().join("cert"), &folder.path().join("key")).expect("a pair");
        let renewed = Renewed { key: "listen.tls", certificates: Certificates::new(tls) };
        (folder, Watched::new(renewed))
    }

    fn put(folder: &Path, cert: &str, key: &str) {
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls");
        fs::copy(from.join(cert), folder.join("cert")).expect("a certificate");
        fs::copy(from.join(key), folder.join("key")).expect("a key");
    }

    #[tokio::test]
    async fn a_pair_that_fits_is_taken_up_and_no_other() {
        let (folder, mut watched) = watched();
        let first = watched.renewed.certificates.current();
        put(folder.path(), "cert.pem", "server.key");
        watched.look().await;
        assert_eq!(watched.renewed.certificates.current(), first, "one of two files");
        assert!(watched.problem.as_ref().is_some_and(|what| what.contains("made together")), "{:?}", watched.problem);
        put(folder.path(), "cert.pem", "key.pem");
        watched.look().await;
        assert_ne!(watched.renewed.certificates.current(), first);
        assert_eq!(watched.problem, None);
    }

    #[tokio::test]
    async fn a_warning_comes_once_a_day_and_again_for_another_certificate() {
        let (folder, mut watched) = watched();
        let until = watched.renewed.certificates.expires_at();
        watched.warn(until - 15 * DAY);
        assert_eq!(watched.warned, None);
        let first = until - 10 * DAY;
        for (now, warned) in [(first, first), (first + DAY - 1, first), (first + DAY, first + DAY)] {
            watched.warn(now);
            assert_eq!(watched.warned, Some(warned));
        }
        put(folder.path(), "cert.pem", "key.pem");
        watched.look().await;
        assert_eq!(watched.warned, None);
    }

    #[tokio::test(start_paused = true)]
    async fn files_are_looked_at_once_a_minute() {
        let (folder, Watched { renewed, .. }) = watched();
        let first = renewed.certificates.current();
        put(folder.path(), "cert.pem", "key.pem");
        let (stop, stopping) = watch::channel(false);
        let begun = time::Instant::now();
        let watching = tokio::spawn(watch(vec![renewed.clone()], Clock::start(), Arc::default(), stopping));
        while renewed.certificates.current() == first {
            assert!(begun.elapsed() <= 2 * LOOK_EVERY, "nobody looked");
            time::sleep(LOOK_EVERY / 60).await;
        }
        assert!(begun.elapsed() >= LOOK_EVERY);
        stop.send_replace(true);
        watching.await.expect("it ends");
    }
}
