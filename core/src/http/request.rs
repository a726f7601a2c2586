//! Writing a request's head into the caller's buffer.

use super::{Connection, RequestError, is_control, is_token};
use crate::json::write::Writer;

/// What to ask: everything but the body, which follows the head as it is.
///
/// ```
/// use pushgate_core::http::{Connection, Method, Request};
///
/// let request = Request {
///     method: Method::Post,
///     target: "/v2/message/client/push",
///     host: "push.example.com",
///     headers: &[("Content-Type", "application/json")],
///     body_len: 17,
///     connection: Connection::KeepAlive,
/// };
/// let mut buf = [0; 128];
/// let head = b"POST /v2/message/client/push HTTP/1.1\r\nHost: push.example.com\r\n\
///     Content-Type: application/json\r\nContent-Length: 17\r\n\r\n";
/// assert_eq!(request.write(&mut buf), Ok(&head[..]));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Request<'r> {
    /// What to do with the target.
    pub method: Method,
    /// The path, with a query or without: the URL's part from the first `/` after the host, without a fragment (RFC
    /// 9112, section 3.2.1).
    pub target: &'r str,
    /// The host, with `:` and the port if that is not the scheme's own (RFC 9110, section 7.2).
    pub host: &'r str,
    /// Other headers, name and value. Not among them: `Host`, `Content-Length`, `Transfer-Encoding` and `Connection`.
    pub headers: &'r [(&'r str, &'r str)],
    /// Bytes of the body. 0 is said too where a body is expected (RFC 9110, section 8.6).
    pub body_len: u64,
    /// What this side wants of the connection.
    pub connection: Connection,
}

/// What to do with a target (RFC 9110, section 9.3; `PATCH`: RFC 5789).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// Give it.
    Get,
    /// Give its head alone.
    Head,
    /// Take this.
    Post,
    /// Put this in its place.
    Put,
    /// Change it so.
    Patch,
    /// Remove it.
    Delete,
}

impl Method {
    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    const fn expects_body(self) -> bool {
        matches!(self, Self::Post | Self::Put | Self::Patch)
    }
}

/// The headers that a head has from its own parts: one more of them could say something else.
const OWN: [&str; 4] = ["Host", "Content-Length", "Transfer-Encoding", "Connection"];

impl Request<'_> {
    /// Writes the head into `buf` and returns it: all that goes before the body.
    ///
    /// # Errors
    ///
    /// [`RequestError::BufferFull`] with the length it takes. The others say which part would not be read as it was
    /// meant: a line end in a value would begin another header, or another request.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], RequestError> {
        self.check()?;
        let capacity = buf.len();
        let mut head = Writer::new(buf);
        put(&mut head, [self.method.as_str(), " ", self.target, " HTTP/1.1\r\nHost: ", self.host]);
        for (name, value) in self.headers {
            put(&mut head, ["\r\n", name, ": ", value, ""]);
        }
        let connection = match self.connection {
            Connection::KeepAlive => "",
            Connection::Close => "\r\nConnection: close",
            Connection::Upgrade => "\r\nConnection: Upgrade",
        };
        let has_length = self.body_len > 0 || self.method.expects_body();
        put(&mut head, [connection, if has_length { "\r\nContent-Length: " } else { "" }, "", "", ""]);
        if has_length {
            head.unsigned(self.body_len);
        }
        put(&mut head, ["\r\n\r\n", "", "", "", ""]);
        let needed = head.len();
        head.finish().map_err(|_| RequestError::BufferFull { needed, capacity })
    }

    fn check(&self) -> Result<(), RequestError> {
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !self.target.starts_with('/') || !self.target.bytes().all(visible) {
            return Err(RequestError::Target);
        }
        // RFC 3986, section 3.2, without user information: what ends or splits a host is no part of it.
        let in_host = |byte| visible(byte) && !matches!(byte, b'/' | b'?' | b'@' | b'\\' | b',');
        if self.host.is_empty() || !self.host.bytes().all(in_host) {
            return Err(RequestError::Host);
        }
        for (index, (name, value)) in self.headers.iter().enumerate() {
            if name.is_empty() || !name.bytes().all(is_token) {
                return Err(RequestError::HeaderName(index));
            }
            if OWN.iter().any(|own| own.eq_ignore_ascii_case(name)) {
                return Err(RequestError::OwnHeader(index));
            }
            if value.bytes().any(is_control) {
                return Err(RequestError::HeaderValue(index));
            }
        }
        Ok(())
    }
}

/// Always as many at once, so that a device has the loop once.
#[inline(never)]
fn put(head: &mut Writer<'_>, texts: [&str; 5]) {
    for text in texts {
        head.raw(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use super::*;

    const PUSH: Request<'_> = Request {
        method: Method::Post,
        target: "/push?a=1",
        host: "h:8080",
        headers: &[],
        body_len: 0,
        connection: Connection::KeepAlive,
    };

    #[track_caller]
    fn written(request: Request<'_>, expected: &str) {
        let mut buf = vec![0; expected.len()];
        assert_eq!(request.write(&mut buf).map(|head| str::from_utf8(head).unwrap()), Ok(expected));
        for capacity in 0..expected.len() {
            let full = RequestError::BufferFull { needed: expected.len(), capacity };
            assert_eq!(request.write(&mut vec![0; capacity]), Err(full));
        }
    }

    #[test]
    fn a_head_says_how_long_its_body_is_where_one_is_expected() {
        // "A user agent SHOULD send Content-Length in a request when the method defines a meaning for enclosed content"
        written(PUSH, "POST /push?a=1 HTTP/1.1\r\nHost: h:8080\r\nContent-Length: 0\r\n\r\n");
        written(
            Request { body_len: u64::MAX, ..PUSH },
            "POST /push?a=1 HTTP/1.1\r\nHost: h:8080\r\nContent-Length: 18446744073709551615\r\n\r\n",
        );
        written(Request { method: Method::Get, ..PUSH }, "GET /push?a=1 HTTP/1.1\r\nHost: h:8080\r\n\r\n");
        written(
            Request { method: Method::Delete, body_len: 2, ..PUSH },
            "DELETE /push?a=1 HTTP/1.1\r\nHost: h:8080\r\nContent-Length: 2\r\n\r\n",
        );
    }

    #[test]
    fn a_head_has_the_callers_headers_and_what_is_wanted_of_the_connection() {
        let headers = [("Authorization", "Bearer a.b"), ("X-Empty", ""), ("X-Text", "a\tb é")];
        written(
            Request { method: Method::Head, headers: &headers, connection: Connection::Close, ..PUSH },
            "HEAD /push?a=1 HTTP/1.1\r\nHost: h:8080\r\nAuthorization: Bearer a.b\r\nX-Empty: \r\nX-Text: a\tb é\r\n\
             Connection: close\r\n\r\n",
        );
        written(
            Request {
                method: Method::Get,
                connection: Connection::Upgrade,
                headers: &[("Upgrade", "websocket")],
                ..PUSH
            },
            "GET /push?a=1 HTTP/1.1\r\nHost: h:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        );
    }

    #[test]
    fn nothing_that_is_given_ends_its_line() {
        let refused = |request: Request<'_>| request.write(&mut [0; 256]).unwrap_err();
        for target in ["", "a", "*", "http://h/", "/a b", "/a\r\nX: y", "/a\0", "/a\x7f", "/é", "/a#b", "/\t"] {
            assert_eq!(refused(Request { target, ..PUSH }), RequestError::Target, "{target:?}");
        }
        for host in ["", "h h", "h\r\n", "h/", "user@h", "h?", "h#", "é", "a,b", "h\\"] {
            assert_eq!(refused(Request { host, ..PUSH }), RequestError::Host, "{host:?}");
        }
        for name in ["", "A:", "A B", "A\r", "\n", "Ä", "a\0", "(a)", "a/b", "\"a\""] {
            let headers = [("Good", "v"), (name, "v")];
            assert_eq!(refused(Request { headers: &headers, ..PUSH }), RequestError::HeaderName(1), "{name:?}");
        }
        for value in (0..=0x1f_u8).chain([0x7f]).filter(|&byte| byte != b'\t') {
            let value = char::from(value).to_string();
            let headers = [("A", value.as_str())];
            assert_eq!(refused(Request { headers: &headers, ..PUSH }), RequestError::HeaderValue(0), "{value:?}");
        }
        for name in ["host", "CONTENT-LENGTH", "Transfer-Encoding", "connection"] {
            let headers = [("A", ""), ("B", ""), (name, "x")];
            assert_eq!(refused(Request { headers: &headers, ..PUSH }), RequestError::OwnHeader(2), "{name}");
        }
    }

    #[test]
    fn an_error_names_the_part_and_what_to_do() {
        for (error, text) in [
            (
                RequestError::HeaderValue(2),
                "headers[2]: the value holds a control character; remove line ends and the like",
            ),
            (RequestError::BufferFull { needed: 120, capacity: 64 }, "head: needs 120 bytes, the buffer has 64"),
        ] {
            assert_eq!(error.to_string(), text);
        }
    }
}
