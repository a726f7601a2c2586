//! How many connections are opened for how many sends.

use super::*;

/// Load that comes in bursts is the hard case: between two of them every connection is idle.
#[tokio::test]
async fn bursts_to_one_host_close_no_connection() {
    // As many as the file descriptors of a test process allow, both ends being in it.
    const AT_ONCE: usize = 64;
    let (opened, closed) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&opened), Arc::clone(&closed));
    let address = peer(move |_, mut stream| {
        let (opened, closed) = counts.clone();
        opened.fetch_add(1, Ordering::SeqCst);
        async move {
            while read_request(&mut stream).await.is_some() {
                stream.write_all(OK.as_bytes()).await.expect("the courier reads");
            }
            closed.fetch_add(1, Ordering::SeqCst);
        }
    })
    .await;
    let courier = courier();
    let mut after_each = Vec::new();
    for _ in 0..40 {
        let mut sends = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (courier, post) = (courier.clone(), post(format!("http://{address}"), AMPLE));
            sends.spawn(async move { courier.post(post).await.map(|reply| reply.status) });
        }
        while let Some(sent) = sends.join_next().await {
            assert_eq!(sent.expect("no panic"), Ok(200));
        }
        after_each.push(opened.load(Ordering::SeqCst));
    }
    assert_eq!(closed.load(Ordering::SeqCst), 0, "{after_each:?}");
    // A send that finds none idle begins to connect and takes what comes first, an idle one or its own, which is kept
    // too: so there may be some more than sends at once, and not some more with every burst.
    assert!(after_each[39] <= 4 * AT_ONCE, "{after_each:?}");
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
