//! The run loops that the README shows, against a gateway that refuses, cuts, repeats and is slow, in virtual time.

#[path = "../examples/run_loop/asynch.rs"]
#[expect(unreachable_pub, reason = "an application's own module, shown in the README")]
mod asynch;
#[path = "../examples/run_loop/blocking.rs"]
#[expect(unreachable_pub, reason = "as above")]
mod blocking;

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    convert::Infallible,
    future::{Future, poll_fn},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use pushgate_core::{
    Instant, Outbox, Schedule,
    link::{Device, LineBuffer, MAX_LINE_LEN, Message, device::End},
};

const TOKEN: &str = "5003062_3222536192_1493481600_5574318032e39b62063d98e6bff50069";
/// Bytes that a read gives at most: no line comes whole.
const READ: usize = 7;
/// More turns than any run takes, so that one that gets nowhere fails.
const TURNS: u32 = 20_000;

/// The gateway, the network, the clock and the application.
#[derive(Default)]
struct World {
    now: Cell<u64>,
    /// What is asked of the clock, the earliest: where virtual time goes when nothing else happens.
    alarm: Cell<Option<u64>>,
    /// Counts all that happens: as long as something does, time stands still.
    events: Cell<u32>,
    /// Streams opened to the link, those refused included.
    links: Cell<u32>,
    /// The stream that is the device's link now.
    link: RefCell<Option<Rc<Wire>>>,
    acknowledged: RefCell<Vec<String>>,
    /// Bodies of pushes with the time each came at.
    pushes: RefCell<Vec<(u64, String)>>,
    /// Bodies that were answered with 200.
    accepted: RefCell<Vec<String>>,
    taken: RefCell<Vec<String>>,
    /// Whether the application has pushed something that nobody looked at.
    pushed: Cell<bool>,
}

/// One stream, as its two ends see it.
#[derive(Default)]
struct Wire {
    to_device: RefCell<VecDeque<u8>>,
    to_gateway: RefCell<Vec<u8>>,
    ended: Cell<bool>,
}

impl World {
    fn happens(&self) {
        self.events.set(self.events.get() + 1);
    }

    fn is_done(&self) -> bool {
        let all = |wanted: &[&str], list: &RefCell<Vec<String>>| {
            wanted.iter().all(|one| list.borrow().iter().any(|there| there == one))
        };
        all(&["first", "answer"], &self.accepted) && all(&["m1", "m2", "m3"], &self.acknowledged)
    }

    fn open_link(self: &Rc<Self>) -> Option<Stream> {
        self.happens();
        self.links.set(self.links.get() + 1);
        // The first try of all is refused.
        (self.links.get() > 1).then(|| {
            let wire = Rc::new(Wire::default());
            *self.link.borrow_mut() = Some(Rc::clone(&wire));
            Stream { world: Rc::clone(self), wire, is_link: true, waits: false }
        })
    }

    fn open_api(self: &Rc<Self>) -> Stream {
        self.happens();
        Stream { world: Rc::clone(self), wire: Rc::default(), is_link: false, waits: false }
    }

    /// What the gateway makes of a line of the link.
    fn hear(&self, line: &str, wire: &Wire) {
        let say = |line: &str| wire.to_device.borrow_mut().extend(format!("{line}\n").bytes());
        let message =
            |id: &str| say(&format!(r#"{{"message":{{"id":"{id}","from":1,"created":1,"msg":"aGVsbG8="}}}}"#));
        if line.starts_with(r#"{"hello""#) {
            if self.is_done() {
                say(r#"{"error":{"code":401,"message":"expired"}}"#);
                wire.ended.set(true);
                return;
            }
            say(r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":1}}"#);
            message("m1"); // on every stream: the device may have it, the gateway cannot know
            if self.links.get() > 2 {
                message("m2");
                message("m3");
                message("m3");
            }
        } else if let Some(id) = line.strip_prefix(r#"{"ack":""#).and_then(|rest| rest.strip_suffix(r#""}"#)) {
            self.acknowledged.borrow_mut().push(id.into());
            // The first stream breaks right after the first acknowledgement.
            if self.links.get() == 2 {
                wire.ended.set(true);
            }
        } else if let Some(number) = line.strip_prefix(r#"{"ping":"#) {
            say(&format!(r#"{{"pong":{number}"#));
        } else {
            panic!("a device does not say {line}");
        }
    }

    /// What the gateway makes of a request: the first push is cut off, then 503, then accepted; the other at once.
    fn ask(&self, request: &str, wire: &Wire) {
        let Some((head, body)) = request.split_once("\r\n\r\n") else { return };
        if !head.contains(&format!("Content-Length: {}", body.len())) {
            return;
        }
        assert!(head.starts_with("POST /v2/message/client/push HTTP/1.1\r\nHost: push.example.com\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nX-Client-Token: {TOKEN}\r\n")), "{head}");
        self.pushes.borrow_mut().push((self.now.get(), body.into()));
        let seen = self.pushes.borrow().iter().filter(|(_, pushed)| pushed == body).count();
        let status = match (body, seen) {
            ("first", 1) => None,
            ("first", 2) => Some("503 Busy"),
            _ => Some("200 OK"),
        };
        if let Some(status) = status {
            if status.starts_with("200") {
                self.accepted.borrow_mut().push(body.into());
            }
            let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}");
            wire.to_device.borrow_mut().extend(answer.bytes());
        }
        wire.ended.set(true);
    }

    /// The application: it is busy when `m3` comes first, and answers `m1` with a push. True = taken.
    fn take(&self, message: &Message<'_>, outbox: &mut Outbox<4, 512>) -> bool {
        let id = message.id.as_str().unwrap().to_owned();
        assert!(message.msg.bytes().eq(*b"hello"));
        self.happens();
        if id == "m3" && !self.taken.borrow().contains(&"busy".into()) {
            self.taken.borrow_mut().push("busy".into());
            return false;
        }
        if id == "m1" {
            self.push(outbox, "answer");
        }
        self.taken.borrow_mut().push(id);
        true
    }

    fn push(&self, outbox: &mut Outbox<4, 512>, text: &str) {
        let written = outbox.push(&Schedule::UPLINK, Instant::from_millis(self.now.get()), |slot| {
            slot[..text.len()].copy_from_slice(text.as_bytes());
            Ok::<_, Infallible>(text.len())
        });
        written.unwrap();
        self.pushed.set(true);
    }

    /// What both loops have to come to.
    fn check(&self, end: End) {
        assert_eq!(end, End::Refused(401));
        assert_eq!(*self.taken.borrow(), ["m1", "m2", "busy", "m3"], "each once, and once more what was not taken");
        assert!(self.is_done());
    }

    /// What they come to when nobody drops them, in time too.
    fn check_undisturbed(&self) {
        assert_eq!(self.times("first"), [0, 1000, 2000], "each send a second after the failure before it");
        assert_eq!(*self.accepted.borrow(), ["answer", "first"]);
        assert_eq!(self.links.get(), 4, "refused, cut, served, refused for good");
        assert_eq!(self.acknowledged.borrow().iter().filter(|id| *id == "m1").count(), 2, "every copy is acknowledged");
    }

    /// When a push with this body came.
    fn times(&self, body: &str) -> Vec<u64> {
        self.pushes.borrow().iter().filter(|(_, pushed)| pushed == body).map(|(at, _)| *at).collect()
    }
}

/// The device's end of a stream.
struct Stream {
    world: Rc<World>,
    wire: Rc<Wire>,
    is_link: bool,
    /// Whether the last asynchronous call had to wait: every second does.
    waits: bool,
}

impl Stream {
    fn has_input(&self) -> bool {
        self.is_cut() || !self.wire.to_device.borrow().is_empty()
    }

    /// When all is done the gateway cuts the link, to refuse the next hello.
    fn is_cut(&self) -> bool {
        self.wire.ended.get() || self.is_link && self.world.is_done()
    }

    fn give(&mut self, room: &mut [u8]) -> usize {
        self.world.happens();
        let mut bytes = self.wire.to_device.borrow_mut();
        let len = room.len().min(READ).min(bytes.len());
        room.iter_mut().zip(bytes.drain(..len)).for_each(|(to, from)| *to = from);
        len
    }

    /// Takes half of what it is given, as a full buffer would.
    fn swallow(&mut self, bytes: &[u8]) -> usize {
        self.world.happens();
        let len = bytes.len().div_ceil(2);
        self.wire.to_gateway.borrow_mut().extend_from_slice(&bytes[..len]);
        len
    }

    fn deliver(&mut self) {
        let mut bytes = self.wire.to_gateway.borrow_mut();
        let text = String::from_utf8(bytes.clone()).unwrap();
        if !self.is_link {
            self.world.ask(&text, &self.wire);
        } else if text.ends_with('\n') {
            bytes.clear();
            text.lines().for_each(|line| self.world.hear(line, &self.wire));
        }
    }

    /// Is ready at every second call; to wait is no event, or time would never go on.
    fn wait(&mut self, is_ready: impl Fn(&Self) -> bool) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            if !is_ready(self) {
                return Poll::Pending;
            }
            self.waits = !self.waits;
            if self.waits {
                self.world.happens();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
    }
}

impl embedded_io::ErrorType for Stream {
    type Error = Infallible;
}

impl embedded_io::ReadReady for Stream {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(self.has_input())
    }
}

impl embedded_io::Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        assert!(self.has_input(), "it would block for ever");
        Ok(self.give(room))
    }
}

impl embedded_io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(self.swallow(bytes))
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        self.deliver();
        Ok(())
    }
}

impl embedded_io_async::Read for Stream {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        self.wait(Self::has_input).await;
        Ok(self.give(room))
    }
}

impl embedded_io_async::Write for Stream {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.wait(|_| true).await;
        Ok(self.swallow(bytes))
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        self.wait(|_| true).await;
        self.deliver();
        Ok(())
    }
}

#[test]
fn the_blocking_loop_takes_each_message_once_and_keeps_its_schedule() {
    struct Board(Rc<World>);

    impl blocking::Board for Board {
        type Stream = Stream;

        fn now(&self) -> Instant {
            Instant::from_millis(self.0.now.get())
        }

        fn random(&mut self) -> u32 {
            7
        }

        fn open(&mut self, server: blocking::Server) -> Option<Stream> {
            match server {
                blocking::Server::Link => self.0.open_link(),
                blocking::Server::Api => Some(self.0.open_api()),
            }
        }

        fn take(&mut self, message: &Message<'_>, outbox: &mut Outbox<4, 512>) -> bool {
            self.0.take(message, outbox)
        }
    }

    let world = Rc::new(World::default());
    let mut board = Board(Rc::clone(&world));
    let mut client = blocking::Client {
        device: Device::new(TOKEN),
        outbox: Outbox::new(),
        token: TOKEN,
        stream: None,
        lines: LineBuffer::new(),
        line: [0; MAX_LINE_LEN],
    };
    world.push(&mut client.outbox, "first");
    let end = (0..TURNS).find_map(|_| match client.turn(&mut board) {
        Ok(until) => {
            assert!(until.as_millis() > world.now.get(), "nothing is due, and yet there is no wait");
            world.now.set(until.as_millis());
            None
        }
        Err(end) => Some(end),
    });
    world.check(end.expect("the loop gets nowhere"));
    assert!(client.outbox.is_empty());
    world.check_undisturbed();
}

struct AsyncBoard<'w> {
    world: Rc<World>,
    outbox: &'w RefCell<Outbox<4, 512>>,
}

impl asynch::Board for AsyncBoard<'_> {
    type Stream = Stream;

    fn now(&self) -> Instant {
        Instant::from_millis(self.world.now.get())
    }

    fn random(&self) -> u32 {
        7
    }

    async fn open(&self, server: asynch::Server) -> Option<Stream> {
        match server {
            asynch::Server::Link => self.world.open_link(),
            asynch::Server::Api => Some(self.world.open_api()),
        }
    }

    async fn wait_until(&self, then: Instant) {
        poll_fn(|_| {
            let then = then.as_millis();
            if self.world.now.get() >= then {
                return Poll::Ready(());
            }
            let alarm = self.world.alarm.get().map_or(then, |alarm| alarm.min(then));
            self.world.alarm.set(Some(alarm));
            Poll::Pending
        })
        .await;
    }

    async fn pushed(&self) {
        poll_fn(|_| if self.world.pushed.replace(false) { Poll::Ready(()) } else { Poll::Pending }).await;
    }

    fn take(&self, message: &Message<'_>) -> bool {
        self.world.take(message, &mut self.outbox.borrow_mut())
    }
}

/// After how many turns a future is dropped and begun anew, once.
#[derive(Clone, Copy)]
struct Drops {
    listen: u32,
    push: u32,
}

/// Runs both futures until the gateway refuses the token and the outbox is empty.
fn run(drops: Drops) -> Rc<World> {
    let world = Rc::new(World::default());
    let outbox = RefCell::new(Outbox::new());
    let board = AsyncBoard { world: Rc::clone(&world), outbox: &outbox };
    world.push(&mut outbox.borrow_mut(), "first");
    let (mut device, mut lines, mut line) = (Device::new(TOKEN), LineBuffer::new(), [0; MAX_LINE_LEN]);
    let mut listening = Box::pin(asynch::listen(&board, &mut device, TOKEN, &mut lines, &mut line));
    let mut pushing = Box::pin(asynch::push(&board, &outbox, TOKEN));
    let mut context = Context::from_waker(Waker::noop());
    let mut end = None;
    for turn in 1..TURNS {
        let events = world.events.get();
        world.alarm.set(None);
        assert!(pushing.as_mut().poll(&mut context).is_pending());
        if end.is_none()
            && let Poll::Ready(why) = listening.as_mut().poll(&mut context)
        {
            end = Some(why);
        }
        if let Some(end) = end
            && outbox.borrow().is_empty()
        {
            world.check(end);
            return world;
        }
        if turn == drops.listen && end.is_none() {
            drop(listening);
            listening = Box::pin(asynch::listen(&board, &mut device, TOKEN, &mut lines, &mut line));
            let links = world.links.get();
            assert!(listening.as_mut().poll(&mut context).is_pending());
            assert_eq!(world.links.get(), links + 1, "it connects anew at once");
        } else if turn == drops.push {
            drop(pushing);
            pushing = Box::pin(asynch::push(&board, &outbox, TOKEN));
        } else if events == world.events.get() && !world.pushed.get() {
            world.now.set(world.alarm.get().expect("somebody waits for the clock"));
        }
    }
    panic!("the loops get nowhere");
}

#[test]
fn the_asynchronous_loop_takes_each_message_once_and_keeps_its_schedule() {
    run(Drops { listen: TURNS, push: TURNS }).check_undisturbed();
}

#[test]
fn loops_that_are_dropped_at_any_wait_lose_nothing() {
    for turn in 1..500 {
        run(Drops { listen: turn, push: TURNS });
        // What the gateway had accepted when the request was given up goes out once more.
        assert!((3..=4).contains(&run(Drops { listen: TURNS, push: turn }).times("first").len()), "turn {turn}");
    }
}

/// What the README shows in blocks of `rs` stands in the loops that are run here, line by line.
#[test]
fn the_readme_shows_these_loops() {
    let lines = |text: &'static str| text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>();
    let loops = [include_str!("../examples/run_loop/blocking.rs"), include_str!("../examples/run_loop/asynch.rs")];
    let mut shown = 0;
    for block in include_str!("../README.md").split("\n```rs\n").skip(1) {
        let block = lines(block.split("\n```").next().unwrap());
        shown += 1;
        assert!(
            loops.iter().any(|code| lines(code).windows(block.len()).any(|part| part == block)),
            "no run loop has this:\n{}",
            block.join("\n")
        );
    }
    assert_eq!(shown, 4);
}
