//! How many connections are opened for how many sends.

use super::*;

/// Answers every request and counts its connections.
async fn counting_peer() -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = peer(move |_, mut stream| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
        }
    })
    .await;
    (address, connections)
}

/// Load that comes in bursts is the hard case: between two of them every connection is idle.
#[tokio::test]
async fn bursts_to_one_host_do_not_open_connections_without_end() {
    const AT_ONCE: usize = 512;
    let (address, connections) = counting_peer().await;
    let courier = courier();
    let mut after_each = Vec::new();
    for _ in 0..20 {
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (courier, post) = (courier.clone(), post(format!("http://{address}"), AMPLE));
            sends.spawn(async move { courier.post(post).await.map(|reply| reply.status) });
        }
        while let Some(sent) = sends.join_next().await {
            assert_eq!(sent.expect("no panic"), Ok(200));
        }
        after_each.push(connections.load(Ordering::SeqCst));
    }
    // A send that begins before the last one's connection is back in the pool opens one of its own: at most one each, so
    // twice the sends at once will do for ever. A pool that drops what it has no room for opens some in every burst.
    let opened = connections.load(Ordering::SeqCst);
    assert!(opened <= 2 * AT_ONCE, "{after_each:?}");
}

#[tokio::test]
async fn idle_connections_are_closed_in_the_end() {
    let (closed, mut closures) = mpsc::unbounded_channel();
    let address = peer(move |_, mut stream| {
        let closed = closed.clone();
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
            closed.send(()).expect("the test listens");
        }
    })
    .await;
    let courier = courier();
    courier.post(post(format!("http://{address}"), AMPLE)).await.expect("an answer");
    tokio::time::pause();
    let start = tokio::time::Instant::now();
    // Twice the time at most: it is looked at once in each.
    tokio::time::timeout(IDLE_FOR * 2 + Duration::from_secs(1), closures.recv())
        .await
        .expect("closed")
        .expect("a peer");
    assert!(start.elapsed() >= IDLE_FOR);
}
