//! What a caller says of itself: a header of its own, or the query for what cannot set one.
//!
//! The page gives the names and no more. Ours: a name may be given twice if it says the same twice, since who would
//! choose between two is easily told what another hears otherwise; an empty value is none; a header goes before the
//! query.

use std::borrow::Cow;

use axum::{
    extract::Query,
    http::{HeaderMap, Uri},
};

use super::answer::Problem;

/// The header of a device's own token; in the query it is `client_token`.
pub(super) const TOKEN: &str = "X-Client-Token";

/// The device's own token.
///
/// # Errors
///
/// 401 without one, and as [`header`].
pub(super) fn token<'h>(headers: &'h HeaderMap, uri: &Uri) -> Result<Cow<'h, str>, Problem> {
    header_or_query(headers, TOKEN, uri, "client_token")?
        .ok_or_else(|| Problem::unauthorized(TOKEN, "required: the device's own token (or ?client_token=…)"))
}

/// A header's text; `None` when it is absent or empty.
///
/// # Errors
///
/// 401 for one that says two things, or something that is no text.
pub(super) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Problem> {
    let mut found = None;
    for value in headers.get_all(name) {
        let value = value
            .to_str()
            .map_err(|_| Problem::unauthorized(name, "must be printable ASCII; send it as it was issued"))?;
        found = one_of(found, value, name)?;
    }
    Ok(found)
}

/// What the header `name` says, or the query's `parameter`.
///
/// # Errors
///
/// As [`header`].
fn header_or_query<'h>(
    headers: &'h HeaderMap,
    name: &str,
    uri: &Uri,
    parameter: &str,
) -> Result<Option<Cow<'h, str>>, Problem> {
    if let Some(value) = header(headers, name)? {
        return Ok(Some(value.into()));
    }
    // What is no pair is nobody's; the reading itself cannot fail.
    let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri).map(|Query(pairs)| pairs).unwrap_or_default();
    let mut found = None;
    for (_, value) in pairs.iter().filter(|(key, _)| key == parameter) {
        found = one_of(found, value, name)?;
    }
    Ok(found.map(|value| value.to_owned().into()))
}

fn one_of<'v>(found: Option<&'v str>, value: &'v str, name: &str) -> Result<Option<&'v str>, Problem> {
    match found {
        _ if value.is_empty() => Ok(found),
        Some(other) if other != value => {
            Err(Problem::unauthorized(name, "given twice, and not the same; give it once"))
        }
        _ => Ok(Some(value)),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    /// The headers' values, the query, and who that is.
    type Case = (&'static [&'static [u8]], &'static str, Result<Option<&'static str>, ()>);

    #[test]
    fn a_caller_is_who_it_says_once() {
        let cases: &[Case] = &[
            (&[], "", Ok(None)),
            (&[b"a"], "", Ok(Some("a"))),
            (&[b"a", b"a"], "", Ok(Some("a"))),
            (&[b"a", b"b"], "", Err(())),
            (&[b"", b"a"], "", Ok(Some("a"))),
            (&[b"\xfc"], "?t=a", Err(())),
            // The header goes before the query, which is not asked any more.
            (&[b"a"], "?t=b", Ok(Some("a"))),
            (&[b"a"], "?t=b&t=c", Ok(Some("a"))),
            (&[b""], "?t=b", Ok(Some("b"))),
            (&[], "?t=b", Ok(Some("b"))),
            (&[], "?t=b&t=b", Ok(Some("b"))),
            (&[], "?t=b&t=c", Err(())),
            (&[], "?t=&t=c", Ok(Some("c"))),
            (&[], "?t", Ok(None)),
            (&[], "?T=b", Ok(None)),
            (&[], "?x=1&t=b&y", Ok(Some("b"))),
            // RFC 3986: what is escaped without need is the same.
            (&[], "?t=1%5F2%5f3", Ok(Some("1_2_3"))),
            (&[], "?%74=b", Ok(Some("b"))),
            (&[], "?t=b%", Ok(Some("b%"))),
        ];
        for (values, query, expected) in cases {
            let mut headers = HeaderMap::new();
            for value in *values {
                headers.append(HeaderName::from_static("name"), HeaderValue::from_bytes(value).unwrap());
            }
            let uri: Uri = format!("/{query}").parse().unwrap();
            let found = header_or_query(&headers, "name", &uri, "t");
            let found = found.as_ref().map(Option::as_deref).map_err(|_| ());
            assert_eq!(found, *expected, "{values:?} {query}");
        }
    }
}
