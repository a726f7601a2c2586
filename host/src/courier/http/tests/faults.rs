//! Every way a destination can be at fault has its own word in the report of a send, and costs neither the next send to
//! it nor a send to another destination anything.

use pushgate_core::Verdict;

use super::*;
use crate::courier::{Report, Route};

const ACCEPTED: &str = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"code\":0,\"message\":\"ok\"}";

/// What the first connection meets.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Accepts and never says a word.
    Hang,
    /// Says these bytes and ends the connection in order.
    Say(&'static str),
    /// Says these bytes and goes on without end.
    Flood(&'static str),
    /// Says these bytes and resets the connection.
    Reset(&'static str),
    /// One byte a second, of a whole answer.
    Drip,
    /// Ends the connection before it has read anything.
    HangUp,
}

async fn commit(fault: Fault, stream: &mut TcpStream) {
    if matches!(fault, Fault::HangUp) {
        return;
    }
    read_request(stream).await;
    // The courier may have seen enough before everything is written.
    match fault {
        Fault::HangUp | Fault::Hang => read_until_closed(stream).await,
        Fault::Say(bytes) => _ = stream.write_all(bytes.as_bytes()).await,
        Fault::Flood(head) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        }
        Fault::Reset(bytes) => {
            let _ = stream.write_all(bytes.as_bytes()).await;
            stream.set_zero_linger().expect("a socket that takes the option");
        }
        Fault::Drip => {
            let mut beat = tokio::time::interval(Duration::from_secs(1));
            for byte in ACCEPTED.bytes() {
                tokio::select! {
                    _ = beat.tick() => {}
                    () = read_until_closed(stream) => return,
                }
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn serve(stream: &mut TcpStream, requests: &AtomicUsize) {
    while read_request(stream).await.is_some() {
        requests.fetch_add(1, Ordering::SeqCst);
        stream.write_all(ACCEPTED.as_bytes()).await.expect("the courier reads");
    }
}

/// Commits `fault` on its first connection and answers well on all others.
async fn faulty(fault: Fault) -> SocketAddr {
    peer(move |number, mut stream| async move {
        match number {
            0 => commit(fault, &mut stream).await,
            _ => serve(&mut stream, &AtomicUsize::new(0)).await,
        }
    })
    .await
}

fn route(base: &str) -> Route {
    Route::uplink(format!("{base}/secret?token=secret").parse().expect(base), None)
}

async fn send(courier: &HttpCourier, route: &Route, timeout: Duration) -> Report {
    let report = route.send(courier, Bytes::from_static(b"{\"a\":1}"), 0, timeout).await;
    assert!(!report.detail.contains("secret"), "{report:?}");
    report
}

#[tokio::test]
async fn every_fault_has_its_word_and_the_next_sends_are_unaffected() {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let healthy = peer(move |_, mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { serve(&mut stream, &AtomicUsize::new(0)).await }
    })
    .await;
    let healthy = route(&format!("http://{healthy}"));
    let courier = HttpCourier::new(Settings { allow_private: true, roots: trusted(), ..Settings::default() });
    assert_eq!(send(&courier, &healthy, AMPLE).await.class, "delivered");

    let half = "HTTP/1.1 200 OK\r\nContent-Length: 25\r\n\r\n{\"code\"";
    let declared = "HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n";
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n";
    let undeclared = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    let endless_head = "HTTP/1.1 200 OK\r\nX-Long: ";
    let html = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>hi</html>";
    let moved = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let refused = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"code\":1}";
    for (fault, timeout, class, status) in [
        (Fault::Hang, SHORT, "timeout", None),
        (Fault::Drip, SHORT, "timeout", None),
        (Fault::HangUp, AMPLE, "closed", None),
        (Fault::Say(""), AMPLE, "closed", None),
        (Fault::Say(half), AMPLE, "closed", None),
        (Fault::Reset(""), AMPLE, "closed", None),
        (Fault::Reset(half), AMPLE, "closed", None),
        (Fault::Flood(declared), AMPLE, "oversized", None),
        (Fault::Flood(chunked), AMPLE, "oversized", None),
        (Fault::Flood(undeclared), AMPLE, "oversized", None),
        (Fault::Flood(endless_head), AMPLE, "oversized", None),
        (Fault::Flood(""), AMPLE, "protocol", None),
        (Fault::Say("SSH-2.0-OpenSSH_9.6\r\n"), AMPLE, "protocol", None),
        (Fault::Say(html), AMPLE, "body", Some(200)),
        (Fault::Say(moved), AMPLE, "status", Some(302)),
        (Fault::Say("HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n"), AMPLE, "status", Some(500)),
        (Fault::Say(refused), AMPLE, "code", Some(200)),
    ] {
        let faulty = route(&format!("http://{}", faulty(fault).await));
        let report = send(&courier, &faulty, timeout).await;
        assert_eq!((report.class, report.status), (class, status), "{fault:?}: {report:?}");
        assert_eq!(report.verdict, Verdict::TryAgain, "{fault:?}: {report:?}");
        assert_eq!(send(&courier, &healthy, AMPLE).await.class, "delivered", "{fault:?}");
        assert_eq!(send(&courier, &faulty, AMPLE).await.class, "delivered", "{fault:?}");
    }
    assert_eq!(connections.load(Ordering::SeqCst), 1, "the healthy destination's connection was lost");
}

#[tokio::test]
async fn a_destination_that_cannot_be_connected_to_has_its_word() {
    let plain = peer(|_, mut stream| async move {
        let _ = stream.read(&mut [0; 1024]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
    })
    .await;
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("its address");
    let courier = HttpCourier::new(Settings { allow_private: true, roots: trusted(), ..Settings::default() });
    for (base, class) in [
        (format!("http://{gone}"), "refused"),
        ("http://no-such-host.invalid".to_owned(), "dns"),
        ("http://255.255.255.255".to_owned(), "unreachable"),
        (format!("https://{plain}"), "tls"),
    ] {
        let url = base.parse().expect("a URL");
        let report = send(&courier, &Route::uplink(url, None), AMPLE).await;
        assert_eq!((report.class, report.verdict), (class, Verdict::TryAgain), "{base}: {report:?}");
    }
    let public = HttpCourier::new(Settings::default());
    assert_eq!(send(&public, &route(&format!("http://{plain}")), AMPLE).await.class, "blocked");

    let listener = TcpListener::bind(gone).await.expect("the port is free again");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        serve(&mut stream, &AtomicUsize::new(0)).await;
    });
    assert_eq!(send(&courier, &route(&format!("http://{gone}")), AMPLE).await.class, "delivered");
}

#[tokio::test]
async fn a_destination_that_flaps_is_delivered_to_whenever_it_is_up() {
    let address = peer(|number, mut stream| async move {
        if number % 2 == 1 {
            read_request(&mut stream).await;
            let answer = ACCEPTED.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.expect("the courier reads");
        }
    })
    .await;
    let (courier, route) = (courier(), route(&format!("http://{address}")));
    let mut classes = Vec::new();
    for _ in 0..6 {
        classes.push(send(&courier, &route, AMPLE).await.class);
    }
    assert_eq!(classes, ["closed", "delivered", "closed", "delivered", "closed", "delivered"]);
}

/// A server may end a connection that it promised to keep. A send that comes after is made once, on another.
#[tokio::test]
async fn a_connection_closed_between_two_sends_fails_none_and_repeats_none() {
    let requests = Arc::new(AtomicUsize::new(0));
    let (end, ends) = mpsc::unbounded_channel();
    let (ended, mut endings) = mpsc::unbounded_channel();
    let (count, ends) = (Arc::clone(&requests), Arc::new(tokio::sync::Mutex::new(ends)));
    let address = peer(move |number, mut stream| {
        let (ended, ends, count) = (ended.clone(), Arc::clone(&ends), Arc::clone(&count));
        async move {
            read_request(&mut stream).await;
            count.fetch_add(1, Ordering::SeqCst);
            stream.write_all(ACCEPTED.as_bytes()).await.expect("the courier reads");
            ends.lock().await.recv().await.expect("the test ends it");
            if number % 2 == 1 {
                stream.set_zero_linger().expect("a socket that takes the option");
            }
            drop(stream);
            ended.send(()).expect("the test listens");
        }
    })
    .await;
    let (courier, route) = (courier(), route(&format!("http://{address}")));
    for sent in 1..=10 {
        let report = send(&courier, &route, AMPLE).await;
        assert_eq!(report.class, "delivered", "{sent}: {report:?}");
        assert_eq!(requests.load(Ordering::SeqCst), sent);
        end.send(()).expect("the peer listens");
        endings.recv().await.expect("the connection ends");
        // The courier gets to see it.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
}
