//! Where a request comes from: what a browser may do here on behalf of another site, which is nothing.
//!
//! On loopback without a token there is no secret that would keep another site's page out, so the request itself has to
//! tell. A name that was made to resolve to loopback is seen by the `Host` it asks for (421), and a page that submits
//! to another site by what its browser says of it in `Sec-Fetch-Site` and `Origin` (403). A client that is no browser
//! sends neither, and asks for the host that it connects to. No answer permits another site to read it.

use std::net::{Ipv4Addr, Ipv6Addr};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::{refusal::Refusal, token::Guard};

/// What a page from here may do, and who may embed or read an answer: nobody else. A handler's own word stands.
const ANSWERED_WITH: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
             trusted-types 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
    // What was read is the operator's, and stale a moment later.
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Refuses what comes from another site, and lets nobody else have what is answered.
pub(super) async fn own(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let hosts = if guard.asks_for_token() { Hosts::Any } else { Hosts::Loopback };
    let mut response = match check(request.method(), request.uri(), request.headers(), hosts) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    };
    for (name, value) in ANSWERED_WITH {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Which hosts a request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts {
    /// Any: the token tells.
    Any,
    /// Those that are this machine whatever a name server says.
    Loopback,
}

fn check(method: &Method, uri: &Uri, headers: &HeaderMap, hosts: Hosts) -> Result<(), Refusal> {
    let host = host(uri, headers)?;
    if let (Hosts::Loopback, Some(host)) = (hosts, &host)
        && !is_loopback(host.host())
    {
        return Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "Host",
            "is not this listener's: without an admin token ask for 127.0.0.1, [::1] or localhost, or set \
             listen.admin_token",
        ));
    }
    if method.is_safe() {
        return Ok(());
    }
    let foreign = |field, message| Err(Refusal::new(StatusCode::FORBIDDEN, field, message));
    if let Some(site) = headers.get("sec-fetch-site")
        && site != "same-origin"
        && site != "none"
    {
        return foreign("Sec-Fetch-Site", "comes from another site's page, which may change nothing here");
    }
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
        let own = host.as_ref().map(Authority::as_str);
        if !own.zip(origin).is_some_and(|(own, origin)| own.eq_ignore_ascii_case(origin)) {
            return foreign(
                "Origin",
                "is not the Host that was asked for: another site's page may change nothing here",
            );
        }
    }
    Ok(())
}

/// The host that a request asks for: in its target, where HTTP/2 and proxies have it, and in its header. HTTP/1.0 does
/// without.
fn host(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let wrong = |message| Refusal::bad_request("Host", message);
    let mut host = uri.authority().cloned();
    for value in headers.get_all(header::HOST) {
        let given = value.to_str().ok().and_then(|value| value.parse::<Authority>().ok());
        let given = given.ok_or_else(|| wrong("must be a host name or an IP address, and a port if any"))?;
        if host.as_ref().is_some_and(|host| !host.as_str().eq_ignore_ascii_case(given.as_str())) {
            return Err(wrong("given more than once, and not the same: one request asks for one host"));
        }
        host = Some(given);
    }
    Ok(host)
}

fn is_loopback(host: &str) -> bool {
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(literal) = literal {
        return literal.parse::<Ipv6Addr>().is_ok_and(|address| address.to_canonical().is_loopback());
    }
    host.eq_ignore_ascii_case("localhost") || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVIL: &str = "http://evil.example";

    fn checked(method: &Method, uri: &str, headers: &[(&'static str, &str)], hosts: Hosts) -> u16 {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            });
        check(method, &uri.parse().unwrap(), &headers, hosts).map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn without_a_token_only_this_machine_is_asked_for() {
        for (uri, host, status) in [
            ("/", Some("127.0.0.1:8081"), 200),
            ("/", Some("127.9.9.9"), 200),
            ("/", Some("[::1]:8081"), 200),
            ("/", Some("[::ffff:127.0.0.1]"), 200),
            ("/", Some("LocalHost:8081"), 200),
            // Another port is a tunnel's; a browser that asks for this name asks this machine.
            ("/", Some("localhost:9"), 200),
            ("/", None, 200),
            ("http://localhost:8081/", None, 200),
            ("/", Some("evil.example"), 421),
            ("/", Some("evil.example:8081"), 421),
            ("/", Some("localhost.evil.example"), 421),
            ("/", Some("127.0.0.1.evil.example"), 421),
            ("/", Some("192.0.2.1:8081"), 421),
            ("/", Some("[2001:db8::1]"), 421),
            ("/", Some("0.0.0.0:8081"), 421),
            ("/", Some("127.1"), 421),
            ("http://evil.example/", None, 421),
            ("http://evil.example/", Some("localhost"), 400),
            ("/", Some("a b"), 400),
        ] {
            let headers: Vec<_> = host.iter().map(|host| ("host", *host)).collect();
            for method in [Method::GET, Method::POST] {
                assert_eq!(checked(&method, uri, &headers, Hosts::Loopback), status, "{method} {uri} {host:?}");
            }
            let with_token = if status == 421 { 200 } else { status };
            assert_eq!(checked(&Method::GET, uri, &headers, Hosts::Any), with_token, "{uri} {host:?}");
        }
        let two = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(checked(&Method::GET, "/", &two, Hosts::Loopback), 400);
    }

    #[test]
    fn another_sites_page_reads_nothing_it_could_not_and_changes_nothing() {
        const HOST: (&str, &str) = ("host", "127.0.0.1:8081");
        let cases: &[(&[(&'static str, &str)], u16)] = &[
            // What is no browser says neither.
            (&[HOST], 200),
            (&[HOST, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8081")], 200),
            (&[HOST, ("sec-fetch-site", "none")], 200),
            (&[("host", "Console.example"), ("origin", "https://console.example")], 200),
            (&[HOST, ("sec-fetch-site", "cross-site")], 403),
            (&[HOST, ("sec-fetch-site", "same-site")], 403),
            (&[HOST, ("sec-fetch-site", "")], 403),
            (&[HOST, ("origin", EVIL)], 403),
            (&[HOST, ("origin", "null")], 403),
            (&[HOST, ("origin", "")], 403),
            (&[HOST, ("origin", "http://127.0.0.1:3000")], 403),
            (&[HOST, ("origin", "http://localhost:8081")], 403),
            (&[HOST, ("origin", "http://127.0.0.1:8081"), ("origin", EVIL)], 403),
            (&[HOST, ("sec-fetch-site", "same-origin"), ("origin", EVIL)], 403),
            (&[("origin", EVIL)], 403),
        ];
        for (headers, status) in cases {
            for method in [Method::POST, Method::DELETE, Method::PUT, Method::PATCH] {
                assert_eq!(checked(&method, "/", headers, Hosts::Any), *status, "{method} {headers:?}");
            }
            for method in [Method::GET, Method::HEAD] {
                assert_eq!(checked(&method, "/", headers, Hosts::Any), 200, "{method} {headers:?}");
            }
        }
    }
}
