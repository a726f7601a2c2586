//! The client of a running gateway's admin API, for the commands that ask it or act on it.
//!
//! One request at a time, each with a bound on its time and its answer. What goes wrong says whose turn it is: the
//! address, the token, the request itself, or a gateway that may be back in a moment.

use super::Failure;
use crate::{
    config::{ClientTls, Secret, Target},
    courier, shown,
};
use bytes::{Bytes, BytesMut};
use http::{Method, Request, StatusCode, Uri, header, uri::Scheme};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{CertificateError, ClientConfig, InvalidMessage, RootCertStore, crypto::ring};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::{error::Error, fmt::Write, path::PathBuf, sync::Arc, time::Duration};

/// The time for everything about one request (ours): a page takes milliseconds, a commit on a slow disk a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Bytes of one answer that are read (ours). A delivery is shown with its body, which has at most 64 MiB
/// (`limits.body_bytes`) and 1 MiB unless configured.
const ANSWER_BYTES: usize = 64 << 20;

/// Which gateway, and with which token.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Gateway")]
pub(super) struct Gateway {
    /// The gateway's admin listener, an http or https URL
    #[arg(long = "admin", value_name = "URL", env = "PUSHGATE_ADMIN", default_value = "http://127.0.0.1:8081")]
    url: Target,

    /// The gateway's listen.admin_token, if it has one
    #[arg(long = "admin-token", value_name = "TOKEN", env = "PUSHGATE_ADMIN_TOKEN", hide_env_values = true)]
    token: Option<Secret>,

    /// A PEM file of the authority that signed an https gateway's certificate, trusted beside the system's
    #[arg(long, value_name = "FILE", env = "PUSHGATE_CA")]
    ca: Option<PathBuf>,
}

/// Asks one gateway.
pub(super) struct AdminApi {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// The URL without a slash at its end.
    base: String,
    authorization: Option<header::HeaderValue>,
}

/// Why a request did not bring what was asked for.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There is no answer, or the gateway says that it is unwell: later there may be one.
    Away(String),
    /// The gateway refuses this request, in its own words; another one may do.
    Refused(String),
    /// Nothing will do before the command line is another: the address or the token is wrong.
    Wrong(String),
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        let (Trouble::Away(what) | Trouble::Refused(what) | Trouble::Wrong(what)) = trouble;
        Self::Operation(what)
    }
}

impl Gateway {
    /// Makes a client without connections.
    ///
    /// # Errors
    ///
    /// Fails when the URL or the token cannot be used, or there are no certificate authorities to trust for `https`.
    pub(super) fn api(&self) -> Result<AdminApi, Failure> {
        let uri = self.url.uri();
        if uri.query().is_some() {
            return Err(Failure::Usage(
                "--admin: must not have a query (`?…`): every request brings its own".to_owned(),
            ));
        }
        let authorization = self.token.as_ref().map(bearer).transpose()?;
        let own = self.ca.as_deref().map(ClientTls::with_authority).transpose();
        let own = own.map_err(|what| Failure::Operation(format!("--ca (or PUSHGATE_CA): {what}")))?;
        let connector = connector(uri, own.as_ref()).map_err(|reason| {
            let url = &self.url;
            let advice = "name the gateway's own with --ca, install the system's CA bundle (ca-certificates), or name one in \
                          SSL_CERT_FILE";
            Failure::Operation(format!("{url} needs TLS and there is no authority to trust ({reason}): {advice}"))
        })?;
        Ok(AdminApi {
            client: Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector),
            base: self.url.to_string().trim_end_matches('/').to_owned(),
            authorization,
        })
    }
}

impl AdminApi {
    /// Reads what is at `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str, query: &Query) -> Result<T, Trouble> {
        let body = self.ask(Method::GET, path, query, Bytes::new()).await?;
        serde_json::from_slice(&body).map_err(|error| self.strange(&error))
    }

    /// Reads one entry of a list, which [`get`](Self::get) leaves as it came so that `--json` shows all of it.
    pub(super) fn entry<T: DeserializeOwned>(&self, entry: &RawValue) -> Result<T, Trouble> {
        serde_json::from_str(entry.get()).map_err(|error| self.strange(&error))
    }

    /// Does what `method` does at `path`.
    pub(super) async fn act(&self, method: Method, path: &str) -> Result<(), Trouble> {
        self.ask(method, path, &Query::default(), Bytes::new()).await.map(drop)
    }

    /// Does what is at `path` to what `body` says, and reads what came of it.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T, Trouble> {
        let body = serde_json::to_vec(body).map_err(|error| Trouble::Wrong(error.to_string()))?;
        let answer = self.ask(Method::POST, path, &Query::default(), body.into()).await?;
        serde_json::from_slice(&answer).map_err(|error| self.strange(&error))
    }

    async fn ask(&self, method: Method, path: &str, query: &Query, body: Bytes) -> Result<Bytes, Trouble> {
        let late = |_| {
            let base = &self.base;
            Trouble::Away(format!("the gateway at {base} did not answer within {ANSWER_WITHIN:?}"))
        };
        let (status, body) =
            tokio::time::timeout(ANSWER_WITHIN, self.exchange(method, path, query, body)).await.map_err(late)??;
        if status.is_success() { Ok(body) } else { Err(self.trouble(status, &body)) }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        query: &Query,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), Trouble> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}{}", self.base, query.0))
            .header(header::USER_AGENT, concat!("pushgate/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request =
            request.body(Full::new(body)).map_err(|error| Trouble::Wrong(format!("{}: {error}", self.base)))?;
        let response = self.client.request(request).await.map_err(|error| self.unreached(&error))?;
        let status = response.status();
        Ok((status, self.read_whole(response.into_body()).await?))
    }

    async fn read_whole(&self, mut body: Incoming) -> Result<Bytes, Trouble> {
        let too_large = || {
            let advice = "ask for less, with a smaller --limit";
            Trouble::Wrong(format!("{} answered with more than {ANSWER_BYTES} bytes: {advice}", self.base))
        };
        if body.size_hint().lower() > ANSWER_BYTES as u64 {
            return Err(too_large());
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| {
                Trouble::Away(format!("the gateway at {} broke off its answer: {}", self.base, reason(&error)))
            })?;
            let Some(piece) = frame.data_ref() else { continue };
            if piece.len() > ANSWER_BYTES - whole.len() {
                return Err(too_large());
            }
            whole.extend_from_slice(piece);
        }
        Ok(whole.freeze())
    }

    fn strange(&self, error: &serde_json::Error) -> Trouble {
        let advice = "is this the admin listener of a gateway of this version?";
        let error = error.to_string();
        Trouble::Wrong(format!("{} did not answer as a gateway does: {}; {advice}", self.base, shown::text(&error)))
    }

    fn unreached(&self, error: &hyper_util::client::legacy::Error) -> Trouble {
        let (base, reason) = (&self.base, error.source().map(reason).unwrap_or_default());
        if let Some(tls) = courier::tls_cause(error) {
            return Trouble::Wrong(format!("no trusted connection to {base}: {reason}; {}", tls_advice(&tls)));
        }
        Trouble::Away(if error.is_connect() {
            let advice = "is `pushgate serve` running? give its address with --admin";
            format!("cannot reach the gateway at {base}: {reason}; {advice}")
        } else if base.starts_with("http:") {
            let advice = "is this the address of a gateway's admin listener, and is it plain http, not https?";
            format!("no answer from {base}: {reason}; {advice}")
        } else {
            format!("no answer from {base}: {reason}; is this the address of a gateway's admin listener?")
        })
    }

    fn trouble(&self, status: StatusCode, body: &[u8]) -> Trouble {
        let base = &self.base;
        if status == StatusCode::UNAUTHORIZED {
            return Trouble::Wrong(match &self.authorization {
                None => format!(
                    "the gateway at {base} wants its admin token: give what its listen.admin_token says with \
                     --admin-token or in PUSHGATE_ADMIN_TOKEN"
                ),
                Some(_) => format!(
                    "the gateway at {base} does not take this admin token: give what its listen.admin_token says with \
                     --admin-token or in PUSHGATE_ADMIN_TOKEN"
                ),
            });
        }
        match serde_json::from_slice::<Answer>(body) {
            Ok(Answer { error: Refusal { field: None, message } }) => self.told(status, &message),
            Ok(Answer { error: Refusal { field: Some(field), message } }) => {
                self.told(status, &format!("{field}: {message}"))
            }
            Err(_) if status.is_server_error() => Trouble::Away(format!("{base} answered HTTP {status}")),
            Err(_) => {
                let advice = "is this the address of a gateway's admin listener?";
                Trouble::Wrong(format!("{base} answered HTTP {status}; {advice}"))
            }
        }
    }

    /// What a gateway says about a request that it does not grant.
    fn told(&self, status: StatusCode, message: &str) -> Trouble {
        let message = shown::text(message);
        if status.is_server_error() {
            return Trouble::Away(format!("the gateway at {} cannot answer now: {message}", self.base));
        }
        Trouble::Refused(message.into_owned())
    }
}

/// How the admin API refuses.
#[derive(Debug, Deserialize)]
struct Answer {
    error: Refusal,
}

#[derive(Debug, Deserialize)]
struct Refusal {
    field: Option<String>,
    message: String,
}

/// The query of a request, empty or with its `?`.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(String);

impl Query {
    /// Adds a parameter, whose value may be any text.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0 += name;
        self.0.push('=');
        for byte in value.bytes() {
            match byte {
                // RFC 3986's unreserved characters mean themselves everywhere.
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => self.0.push(byte.into()),
                // Writing to a String cannot fail.
                _ => _ = write!(self.0, "%{byte:02X}"),
            }
        }
        self
    }

    /// Adds a parameter if there is a value for it.
    pub(super) fn with_any(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}

fn bearer(token: &Secret) -> Result<header::HeaderValue, Failure> {
    let mut value = header::HeaderValue::from_str(&format!("Bearer {}", token.reveal()))
        .map_err(|_| Failure::Usage("--admin-token: must be printable ASCII: it travels in a header".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Certificate authorities are loaded for `https` alone: a machine without any can ask over plain `http`.
fn connector(uri: &Uri, own: Option<&ClientTls>) -> Result<HttpsConnector<HttpConnector>, String> {
    let mut roots = RootCertStore::empty();
    if uri.scheme() == Some(&Scheme::HTTPS) {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        roots.add_parsable_certificates(own.into_iter().flat_map(ClientTls::authorities).cloned());
        if roots.is_empty() {
            return Err(system.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string));
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new().with_tls_config(config).https_or_http().enable_http1().build())
}

/// What to do about a gateway that cannot be spoken with in confidence.
fn tls_advice(error: &rustls::Error) -> &'static str {
    use rustls::Error::{InvalidCertificate, InvalidMessage as Message};
    match error {
        InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "name the authority that signed its certificate with --ca or in PUSHGATE_CA"
        }
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            "give --admin with a name that its certificate is for"
        }
        InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "renew the gateway's certificate (listen.admin_tls); it takes a new one up by itself"
        }
        Message(InvalidMessage::InvalidContentType) => "it speaks no TLS: write http:// in --admin",
        _ => "is this the address of a gateway's admin listener, and is its certificate right (listen.admin_tls)?",
    }
}

/// Joins an error and its causes into one line, leaving out a text that only repeats its predecessor.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.dedup();
    shown::text(&texts.join(": ")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_querys_value_may_be_any_text() {
        let query = Query::default().with("lane", "webhook:a b&c=%é").with_any("kind", None).with("limit", "5");
        assert_eq!(query.0, "?lane=webhook%3Aa%20b%26c%3D%25%C3%A9&limit=5");
        assert_eq!(Query::default().0, "");
    }
}
