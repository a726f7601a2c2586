//! Writing a request's head into the caller's buffer.

use super::{
    Connection, RequestError,
    grammar::{Class, HOST, TARGET, TOKEN, VALUE, Word, between},
};

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
    pub body_len: usize,
    /// What this side wants of the connection.
    pub connection: Connection,
}

/// What to do with a target (RFC 9110, section 9.3; `PATCH`: RFC 5789).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
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

impl Request<'_> {
    /// Writes the head into `buf` and returns it: all that goes before the body.
    ///
    /// # Errors
    ///
    /// [`RequestError::BufferFull`] with the length it takes. The others say which part would not be read as it was
    /// meant: a line end in a value would begin another header, or another request.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], RequestError> {
        let len = self.write_head(self.body_len, buf)?;
        Ok(between(buf, 0, len))
    }

    /// Writes the head of a request with a body of this length, and returns the head's own.
    pub(super) fn write_head(&self, body_len: usize, buf: &mut [u8]) -> Result<usize, RequestError> {
        let mut head = Head { buf, len: 0 };
        head.bytes(self.method.as_str().as_bytes());
        head.bytes(b" ");
        if !self.target.starts_with('/') || !head.checked(self.target, &TARGET) {
            return Err(RequestError::Target);
        }
        head.bytes(b" HTTP/1.1\r\nHost: ");
        if !head.checked(self.host, &HOST) || self.host.is_empty() {
            return Err(RequestError::Host);
        }
        for (index, (name, value)) in self.headers.iter().enumerate() {
            head.bytes(b"\r\n");
            if !head.checked(name, &TOKEN) || name.is_empty() {
                return Err(RequestError::HeaderName(index));
            }
            // Those that the head has from its own parts: one more could say something else.
            if let Some(Word::Host | Word::ContentLength | Word::TransferEncoding | Word::Connection) =
                Word::of(name.as_bytes())
            {
                return Err(RequestError::OwnHeader(index));
            }
            head.bytes(b": ");
            if !head.checked(value, &VALUE) {
                return Err(RequestError::HeaderValue(index));
            }
        }
        head.bytes(match self.connection {
            Connection::KeepAlive => &b""[..],
            Connection::Close => b"\r\nConnection: close",
            Connection::Upgrade => b"\r\nConnection: Upgrade",
        });
        if body_len > 0 || self.method.expects_body() {
            head.bytes(b"\r\nContent-Length: ");
            head.number(body_len);
        }
        head.bytes(b"\r\n\r\n");
        let (needed, capacity) = (head.len, head.buf.len());
        if needed > capacity {
            return Err(RequestError::BufferFull { needed, capacity });
        }
        Ok(needed)
    }
}

/// A head under way. A full buffer does not stop the count, so that the error tells how many bytes it takes.
struct Head<'b> {
    buf: &'b mut [u8],
    len: usize,
}

impl Head<'_> {
    #[cfg_attr(target_os = "none", inline(never))]
    fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.byte(byte);
        }
    }

    /// Writes a text, and says whether all of it is of a class.
    #[cfg_attr(target_os = "none", inline(never))]
    fn checked(&mut self, text: &str, class: &Class) -> bool {
        self.bytes(text.as_bytes());
        class.span(text.as_bytes()) == text.len()
    }

    fn number(&mut self, mut number: usize) {
        let mut digits = [0; usize::MAX.ilog10() as usize + 1];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            *digit = b'0' | u8::try_from(number % 10).unwrap_or(0);
            start -= 1;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.bytes(digits.get(start..).unwrap_or_default());
    }

    fn byte(&mut self, byte: u8) {
        if let Some(place) = self.buf.get_mut(self.len) {
            *place = byte;
        }
        self.len = self.len.saturating_add(1);
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
            Request { body_len: usize::MAX, ..PUSH },
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
