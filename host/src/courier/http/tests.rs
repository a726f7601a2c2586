//! Every peer here is a real socket on loopback that misbehaves in its own way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;

mod faults;
mod own_tls;
mod pool;
mod routes;
mod tls;

/// Longer than anything on loopback takes: reaching it fails the test.
const AMPLE: Duration = Duration::from_secs(20);

/// The timeout of a send that is meant to run into it.
const SHORT: Duration = Duration::from_millis(300);

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// Listens on loopback and runs `script` for each connection with its number, from 0.
async fn peer<F, Done>(script: F) -> SocketAddr
where
    F: Fn(usize, TcpStream) -> Done + Send + 'static,
    Done: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(script(number, stream));
        }
    });
    address
}

/// Reads one request with its body; `None` when the peer has closed.
async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if let Some(head) = read.windows(4).position(|window| window == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
            let length: usize = length.expect("every request has its length").parse().expect("a number");
            if read.len() >= head + 4 + length {
                return Some(String::from_utf8(read).expect("UTF-8"));
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// Waits until the courier has closed its side.
async fn read_until_closed(stream: &mut TcpStream) {
    let mut ignored = [0; 1024];
    while matches!(stream.read(&mut ignored).await, Ok(1..)) {}
}

/// Trusts the authority made for these tests. It signed one certificate, for `localhost`; both are valid until 2120, and
/// its key was thrown away.
fn trusted() -> Roots {
    let mut store = RootCertStore::empty();
    store.add(CertificateDer::from(&include_bytes!("../testdata/authority.der")[..])).expect("a certificate");
    Roots::Only(Arc::new(store))
}

fn courier() -> HttpCourier {
    HttpCourier::new(Settings { allow_private: true, answer_bytes: 64, ..Settings::default() })
}

fn post(url: impl Into<String>, timeout: Duration) -> Post {
    Post { url: url.into(), headers: HeaderMap::new(), body: Bytes::from_static(b"{\"a\":1}"), timeout }
}

/// Sends to a URL with a secret in its path, its query and a header, and checks that the failure keeps them.
async fn fail(courier: &HttpCourier, base: &str, timeout: Duration) -> Failure {
    let mut post = post(format!("{base}/secret?token=secret"), timeout);
    post.headers.insert("x-event-sign", HeaderValue::from_static("secret"));
    let failure = courier.post(post).await.expect_err(base);
    assert!(!failure.detail.contains("secret"), "{failure}");
    let place = base.split_once("://").map_or(base, |(_, place)| place);
    assert!(failure.detail.contains(place), "{failure}");
    failure
}

#[tokio::test]
async fn a_body_is_delivered_and_the_whole_answer_comes_back() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = peer(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await).expect("the test listens");
            let answer = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
            stream.write_all(answer.as_bytes()).await.expect("the courier reads");
        }
    })
    .await;
    let mut sent = post(format!("http://{address}/push?a=b"), AMPLE);
    sent.headers.insert("x-event-sign", HeaderValue::from_static("mine"));
    sent.headers.insert("host", HeaderValue::from_static("elsewhere.example"));
    sent.headers.insert("content-length", HeaderValue::from_static("9999"));
    sent.headers.insert("transfer-encoding", HeaderValue::from_static("chunked"));
    let reply = courier().post(sent).await.expect("an answer");
    assert_eq!((reply.status, &reply.body[..]), (503, &b"abcde"[..]));
    assert_eq!(reply.headers["retry-after"], "7");

    let request = requests.recv().await.flatten().expect("a request");
    let (head, body) = request.split_once("\r\n\r\n").expect("a head and a body");
    assert_eq!(body, "{\"a\":1}");
    let mut lines: Vec<_> = head.lines().collect();
    lines[1..].sort_unstable();
    let agent = concat!("user-agent: pushgate/", env!("CARGO_PKG_VERSION"));
    let host = format!("host: {address}");
    let expected = [
        "POST /push?a=b HTTP/1.1",
        "content-length: 7",
        "content-type: application/json",
        &host,
        agent,
        "x-event-sign: mine",
    ];
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn a_given_content_type_and_an_empty_body_are_sent_as_they_are() {
    let (seen, mut requests) = mpsc::unbounded_channel();
    let address = peer(move |_, mut stream| {
        let seen = seen.clone();
        async move {
            seen.send(read_request(&mut stream).await).expect("the test listens");
            stream.write_all(OK.as_bytes()).await.expect("the courier reads");
        }
    })
    .await;
    let mut sent = post(format!("http://{address}"), AMPLE);
    sent.headers.insert("content-type", HeaderValue::from_static("text/plain"));
    sent.body = Bytes::new();
    courier().post(sent).await.expect("an answer");
    let request = requests.recv().await.flatten().expect("a request");
    assert!(request.starts_with("POST / HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: text/plain\r\n"), "{request}");
    assert!(request.contains("content-length: 0\r\n"), "{request}");
}

#[tokio::test]
async fn sends_share_one_connection() {
    let (seen, mut connections) = mpsc::unbounded_channel();
    let address = peer(move |number, mut stream| {
        let seen = seen.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                seen.send(number).expect("the test listens");
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
        }
    })
    .await;
    let courier = courier();
    for _ in 0..5 {
        courier.clone().post(post(format!("http://{address}"), AMPLE)).await.expect("an answer");
        assert_eq!(connections.recv().await, Some(0));
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_replaced() {
    let (closed, mut closures) = mpsc::unbounded_channel();
    let address = peer(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            read_request(&mut stream).await;
            // Keep-alive is promised, and broken.
            stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            stream.shutdown().await.expect("an open connection");
            read_until_closed(&mut stream).await;
            closed.send(()).expect("the test listens");
        }
    })
    .await;
    let courier = courier();
    for _ in 0..3 {
        courier.post(post(format!("http://{address}"), AMPLE)).await.expect("an answer");
        // The courier has seen the end once it has closed too.
        closures.recv().await.expect("the connection ends");
    }
}

#[tokio::test]
async fn a_request_that_was_sent_is_never_sent_again() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let address = peer(move |_, mut stream| {
        let count = Arc::clone(&count);
        async move {
            // The first request of a connection is answered; the second is read and the connection closed.
            while read_request(&mut stream).await.is_some() {
                if count.fetch_add(1, Ordering::SeqCst) % 2 == 1 {
                    return;
                }
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
        }
    })
    .await;
    let courier = courier();
    let base = format!("http://{address}");
    courier.post(post(&base, AMPLE)).await.expect("an answer");
    assert_eq!(fail(&courier, &base, AMPLE).await.class, Class::Closed);
    assert_eq!(requests.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_its_target_sees_nothing() {
    let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    target.set_nonblocking(true).expect("a socket that does not block");
    let location = target.local_addr().expect("its address");
    let address = peer(move |_, mut stream| async move {
        read_request(&mut stream).await;
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{location}/\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("the courier reads");
    })
    .await;
    let reply = courier().post(post(format!("http://{address}"), AMPLE)).await.expect("an answer");
    assert_eq!(reply.status, 302);
    let waiting = target.accept().expect_err("the redirect was followed");
    assert_eq!(waiting.kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test]
async fn broken_answers_fail_by_their_kind() {
    let many_headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(ANSWER_HEADERS + 1));
    let big_header = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n", "b".repeat(2 * ANSWER_HEAD_BYTES as usize));
    for (answer, class) in [
        ("", Class::Closed),
        ("HTTP/1.1 200 O", Class::Closed),
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Class::Closed),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", Class::Closed),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Class::Protocol),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", Class::Protocol),
        ("HTTP/1.1 abc OK\r\n\r\n", Class::Protocol),
        ("SSH-2.0-OpenSSH_9.6\r\n", Class::Protocol),
        ("<html>hello</html>\r\n\r\n", Class::Protocol),
        ("\x15\x03\x01\x00\x02\x02\x46", Class::Protocol), // a TLS alert: an https port asked over http
        (&many_headers, Class::AnswerTooLarge),
        (&big_header, Class::AnswerTooLarge),
    ] {
        let bytes = answer.to_owned();
        let address = peer(move |_, mut stream| {
            let bytes = bytes.clone();
            async move {
                read_request(&mut stream).await;
                // The courier may have seen enough before everything is written.
                let _ = stream.write_all(bytes.as_bytes()).await;
            }
        })
        .await;
        let failure = fail(&courier(), &format!("http://{address}"), AMPLE).await;
        assert_eq!(failure.class, class, "{:.60}: {failure}", answer.escape_debug());
    }
}

#[tokio::test]
async fn a_peer_that_speaks_first_is_not_http() {
    let address = peer(|_, mut stream| async move {
        stream.write_all(b"220 mail.example ESMTP\r\n").await.expect("the courier reads");
        read_until_closed(&mut stream).await;
    })
    .await;
    let failure = fail(&courier(), &format!("http://{address}"), AMPLE).await;
    assert_eq!(failure.class, Class::Protocol, "{failure}");
}

#[tokio::test]
async fn an_answer_is_read_to_its_limit_and_no_further() {
    for (head, limit_holds) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n", true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 66\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9999999999999999\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n42\r\n", false),
    ] {
        let (closed, mut closures) = mpsc::unbounded_channel();
        let address = peer(move |_, mut stream| {
            let closed = closed.clone();
            async move {
                read_request(&mut stream).await;
                let body = "x".repeat(if limit_holds { 64 } else { 65 });
                let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                read_until_closed(&mut stream).await;
                closed.send(()).expect("the test listens");
            }
        })
        .await;
        if limit_holds {
            let reply = courier().post(post(format!("http://{address}"), AMPLE)).await.expect("an answer");
            assert_eq!(reply.body.len(), 64);
            continue;
        }
        let courier = courier();
        let failure = fail(&courier, &format!("http://{address}"), AMPLE).await;
        assert_eq!(failure.class, Class::AnswerTooLarge, "{head:?}: {failure}");
        assert!(failure.detail.contains("64"), "{failure}");
        // The connection is dropped: the peer has more to say, if only one byte.
        tokio::time::timeout(AMPLE, closures.recv()).await.expect("the courier closes the connection");
    }
}

#[tokio::test]
async fn one_timeout_covers_everything_until_the_last_byte() {
    for (answer, words) in [
        ("", "no answer"),
        ("HTTP/1.1 200 OK\r\n", "no answer"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n", "a part of the answer"),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", "a part of the answer"),
    ] {
        let (closed, mut closures) = mpsc::unbounded_channel();
        let address = peer(move |_, mut stream| {
            let closed = closed.clone();
            async move {
                read_request(&mut stream).await;
                stream.write_all(answer.as_bytes()).await.expect("the courier reads");
                read_until_closed(&mut stream).await;
                closed.send(()).expect("the test listens");
            }
        })
        .await;
        let courier = courier();
        let failure = fail(&courier, &format!("http://{address}"), SHORT).await;
        assert_eq!(failure.class, Class::Timeout, "{answer:?}: {failure}");
        assert!(failure.detail.contains(words), "{answer:?}: {failure}");
        tokio::time::timeout(AMPLE, closures.recv()).await.expect("the courier closes the connection");
    }
}

#[tokio::test]
async fn a_byte_now_and_then_does_not_prolong_the_timeout() {
    for head in ["", "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"] {
        let address = peer(move |_, mut stream| async move {
            read_request(&mut stream).await;
            let mut beat = tokio::time::interval(SHORT / 10);
            let drips =
                if head.is_empty() { &b"HTTP/1.1 200 OK\r\na: bbbbbbbbbbbbbbbbbbbbbbbbbbbb"[..] } else { &[b'x'; 60] };
            stream.write_all(head.as_bytes()).await.expect("the courier reads");
            for drip in drips {
                beat.tick().await;
                if stream.write_all(&[*drip]).await.is_err() {
                    return;
                }
            }
            read_until_closed(&mut stream).await;
        })
        .await;
        let failure = fail(&courier(), &format!("http://{address}"), SHORT).await;
        assert_eq!(failure.class, Class::Timeout, "{head:?}: {failure}");
    }
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("its address");
    let failure = fail(&courier(), &format!("http://{gone}"), AMPLE).await;
    assert_eq!(failure.class, Class::Refused, "{failure}");
}

#[tokio::test]
async fn loopback_is_blocked_by_name_and_by_number_unless_private_is_allowed() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = peer(move |_, mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            read_request(&mut stream).await;
            stream.write_all(OK.as_bytes()).await.expect("the courier reads");
        }
    })
    .await;
    let port = address.port();
    let public = HttpCourier::new(Settings { roots: trusted(), ..Settings::default() });
    for scheme in ["http", "https"] {
        for host in ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"] {
            let failure = fail(&public, &format!("{scheme}://{host}:{port}"), AMPLE).await;
            assert_eq!(failure.class, Class::Blocked, "{host}: {failure}");
            assert!(failure.detail.contains("network.allow_private"), "{failure}");
        }
    }
    assert_eq!(connections.load(Ordering::SeqCst), 0);

    let reply = courier().post(post(format!("http://localhost:{port}"), AMPLE)).await.expect("an answer");
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn a_url_that_cannot_be_sent_to_is_a_failure_of_its_own() {
    for url in ["ftp://acme.example/", "http://:80/", "http://a:b@acme.example/", "http://acme.example:0/"] {
        assert_eq!(courier().post(post(url, AMPLE)).await.expect_err(url).class, Class::Url, "{url}");
    }
}
