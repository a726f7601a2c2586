//! The stage: a gateway, its receivers and its devices, all on loopback with free ports; and what is done on it.

use std::{collections::HashMap, net::SocketAddr, time::Duration};

use axum::Router;
use http::{HeaderMap, HeaderName, HeaderValue};
use pushgate_core::{
    Schedule, Text,
    json::to_vec,
    lingyang::{AccessTokens, BatchPush, Callback, Cid, Cids, ClientPush, Flag, Msg, ServerPush, Token},
    tencent::{self, EventType, OfflinePush, OfflinePushCommand, PushPlatform, PushStage, query},
    uplink::{self, MsgType},
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time,
};

use super::{
    CannotRun,
    acts::{Act, Acts, Protocol},
    receivers,
    timeline::{Line, Moment, Teller, Timeline, Tone},
};
use crate::{
    api::server::{Limits, Server},
    clock::Clock,
    config::{Config, Secret},
    courier::{HttpCourier, Post, Settings},
    device::{self, Answering, Device},
    gateway::Gateway,
    receiver::AppKey,
    store::{self, DeliveryFilter, DeliveryId, InboxFilter, State},
};

const APP_ID: &str = "Demo";
const APP_KEY: &str = "d57559a82027b7d846318a0c1596d645";
const SDK_APP_ID: &str = "1400000000";
const CALLBACK_TOKEN: &str = "xxxxyyyy";

/// The device that sends.
const SENDER: u32 = 5_003_001;
/// A device that answers every message.
const ANSWERS: u32 = 5_003_002;
/// A device that is connected and never answers.
const SILENT: u32 = 5_003_003;
/// A device that is connected, never answers, and is sent a message once.
const ONCE: u32 = 5_003_004;
/// A device that connects while sends remain.
const LATE: u32 = 5_003_005;

/// When the late device connects, in milliseconds: between the sends at 1 s and at 3 s.
const LATE_AFTER_MS: u64 = 2000;

/// How long anything here may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// A gateway with its receivers, ready to be sent to.
pub(super) struct Stage {
    pub(super) clock: Clock,
    pub(super) gateway: Gateway,
    courier: HttpCourier,
    told: Teller,
    receivers: [(&'static str, SocketAddr); 3],
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    devices: JoinSet<()>,
}

impl Stage {
    /// Binds the receivers, starts the gateway that sends to them, and connects the devices.
    pub(super) async fn set() -> Result<(Self, mpsc::UnboundedReceiver<Line>), CannotRun> {
        let clock = Clock::start();
        let (told, heard) = Teller::new(clock);
        let (stop, stopping) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut serve = async |router: Router| {
            let server = Server::bind(([127, 0, 0, 1], 0).into(), Limits::default())?;
            let (address, mut stopping) = (server.local_addr(), stopping.clone());
            tasks.spawn(server.run(router, async move {
                let _ = stopping.wait_for(|stop| *stop).await;
            }));
            Ok::<_, crate::api::server::BindError>(address)
        };
        let app = AppKey { id: APP_ID.to_owned(), key: Secret::new(APP_KEY).map_err(CannotRun::because)? };
        let flaky = serve(receivers::uplink("flaky", 2, clock, told.clone())).await.map_err(CannotRun::because)?;
        let deaf = serve(receivers::uplink("deaf", u32::MAX, clock, told.clone())).await.map_err(CannotRun::because)?;
        let hook = serve(receivers::webhook(app, clock, told.clone())).await.map_err(CannotRun::because)?;

        let store = store::open("sqlite::memory:").await.map_err(CannotRun::because)?;
        let config = |im: Option<SocketAddr>| configuration(flaky, deaf, hook, im);
        let gateway = Gateway::start_with(store, config(None)?).await.map_err(CannotRun::because)?;
        // The gateway is its own app backend: it sends events to its own receiver, whose address is known only now.
        gateway.reload(config(Some(gateway.public))?);

        let courier = HttpCourier::new(Settings { allow_private: true, ..Settings::default() });
        let receivers = [("flaky", flaky), ("deaf", deaf), ("webhook", hook)];
        let devices = JoinSet::new();
        let mut stage = Self { clock, gateway, courier, told, receivers, stop, tasks, devices };
        stage.connect(SENDER, Answering::Always).await?;
        stage.connect(ANSWERS, Answering::Always).await?;
        stage.connect(SILENT, Answering::Never).await?;
        stage.connect(ONCE, Answering::Never).await?;
        Ok((stage, heard))
    }

    pub(super) fn introduction(&self) -> Vec<Line> {
        let mut lines = vec![
            Line::new(
                "gateway",
                format!("HTTP on {}, admin on {}", self.gateway.public, self.gateway.admin),
                Tone::Plain,
            ),
            Line::new("gateway", format!("device link on {}", self.gateway.link), Tone::Plain),
        ];
        for (name, address) in self.receivers {
            lines.push(Line::new(format!("receiver {name}"), format!("on {address}"), Tone::Plain));
        }
        for (cid, what) in [
            (SENDER, "connected by its token; it will send"),
            (ANSWERS, "connected; it answers every message"),
            (SILENT, "connected; it never answers"),
            (ONCE, "connected; it never answers either"),
            (LATE, "not connected yet"),
        ] {
            lines.push(Line::new(format!("device {cid}"), what, Tone::Plain));
        }
        lines
    }

    /// Makes every request of the demonstration, and says what each should lead to.
    pub(super) async fn perform(&mut self, acts: &mut Acts, timeline: &mut Timeline<'_>) -> Result<(), CannotRun> {
        self.push_uplink(acts, timeline).await?;
        self.push_events(acts, timeline).await?;
        self.push_from_server(acts, timeline).await?;
        self.push_from_device(acts, timeline).await?;
        self.connect_late()
    }

    /// Two batches of replies: one for a receiver that refuses twice, one for a receiver that always refuses.
    async fn push_uplink(&self, acts: &mut Acts, timeline: &mut Timeline<'_>) -> Result<(), CannotRun> {
        let replies = [("185****9057", "好的,没问题 👍"), ("18512345678", "Received, thank you")];
        let body = to_vec(|buf| {
            let mut batch = uplink::BatchWriter::new(buf, MsgType::Messages);
            for (phone, reply) in replies {
                let message = uplink::Message {
                    phone: phone.into(),
                    reply_content: reply.into(),
                    reply_time: self.clock.unix_secs(),
                    ..uplink::Message::default()
                };
                batch.push(uplink::Item::Message(&message))?;
            }
            batch.finish()
        })
        .map_err(CannotRun::because)?;
        for (name, sends, ends) in [("flaky", 3, State::Delivered), ("deaf", 4, State::Dead)] {
            let id = self.submit(&format!("/api/uplink/{name}"), body.clone()).await?;
            acts.expect(id, act(Protocol::Uplink, format!("uplink to {name}"), Schedule::UPLINK, sends, ends));
            let what = format!("a batch of {} replies for receiver {name}: accepted and stored", replies.len());
            timeline.now(Line::new("submit", what, Tone::Plain));
        }
        acts.await_moment(Protocol::Uplink, Moment::BatchTaken);
        Ok(())
    }

    /// A signed batch of events, sent by the gateway to its own receiver.
    async fn push_events(&self, acts: &mut Acts, timeline: &mut Timeline<'_>) -> Result<(), CannotRun> {
        let now = self.clock.unix_secs();
        let body = to_vec(|buf| {
            let mut batch = tencent::BatchWriter::new(buf);
            for (to, stage) in
                [("user2", PushStage::Sending), ("user2", PushStage::Delivery), ("user3", PushStage::Click)]
            {
                let push = OfflinePush {
                    event_type: EventType::Single,
                    event_time: now,
                    from_account: Some("user1".into()),
                    to_account: to.into(),
                    push_platform: Some(PushPlatform::Apns),
                    push_stage: stage,
                    msg_key: Some("48374_2837546_1557481126".into()),
                    msg_seq: Some(48374),
                    msg_random: Some(2_837_546),
                    msg_time: Some(now),
                    push_id: Some("67120c46_6a4086c0_9bf5fb50".into()),
                    err_code: 0,
                    err_info: Some("OK".into()),
                    ..OfflinePush::default()
                };
                batch.push(tencent::Event::OfflinePush(&push))?;
            }
            batch.finish()
        })
        .map_err(CannotRun::because)?;
        let id = self.submit("/api/tencent/backend", body.clone()).await?;
        acts.expect(id, act(Protocol::Tencent, "events to backend".to_owned(), Schedule::TENCENT, 1, State::Delivered));
        acts.expect_items(Protocol::Tencent, "event", 3);
        timeline.now(Line::new(
            "submit",
            "a signed batch of 3 events for the backend: accepted and stored",
            Tone::Plain,
        ));
        self.forge(acts, body).await
    }

    /// The same events from somebody who does not know the token.
    async fn forge(&self, acts: &mut Acts, body: Vec<u8>) -> Result<(), CannotRun> {
        let url = format!("http://{}/receive/tencent/im", self.gateway.public);
        let mut out = vec![0; query::max_url_len(url.len(), SDK_APP_ID.len(), OfflinePushCommand::TEXT.len())];
        let auth = Some((&b"a guess"[..], self.clock.unix_secs()));
        let url = query::write_url(&mut out, &url, SDK_APP_ID, OfflinePushCommand::TEXT, auth)
            .map_err(CannotRun::because)?
            .to_owned();
        let post = Post { url, headers: HeaderMap::new(), body: body.into(), timeout: ANSWER_WITHIN };
        let reply = self.courier.post(post).await.map_err(CannotRun::because)?;
        acts.await_moment(Protocol::Tencent, Moment::ForgeryRefused);
        let answer = tencent::Answer::read(reply.status, &reply.body).to_string();
        let line = Line::new("forger", format!("the same events with a forged Sign: {answer}"), Tone::Refused);
        self.told.tell(if reply.status == 403 { line.moment(Moment::ForgeryRefused) } else { line });
        Ok(())
    }

    /// Messages from the application server: one until answered for a device that is silent and one that comes late,
    /// one sent once.
    async fn push_from_server(&self, acts: &mut Acts, timeline: &mut Timeline<'_>) -> Result<(), CannotRun> {
        for (flag, clients) in [(Flag::UntilAnswered, &[SILENT, LATE][..]), (Flag::Once, &[ONCE][..])] {
            let cids: Vec<Cid> = clients.iter().copied().filter_map(Cid::new).collect();
            let push = ServerPush::Batch(BatchPush {
                msg: Msg::from_bytes(b"hello from the application server").map_err(CannotRun::because)?,
                flag: Some(flag),
                clients: Cids::from(cids.as_slice()),
            });
            let body = to_vec(|buf| push.write(buf)).map_err(CannotRun::because)?;
            self.post(
                self.gateway.public,
                "/v2/message/server/push",
                body,
                &[("x-app-id", APP_ID), ("x-app-key", APP_KEY)],
            )
            .await?;
            let what = format!("a message with flag {} for {}: accepted and stored", flag.code(), list(clients));
            timeline.now(Line::new("server push", what, Tone::Plain));
        }
        let silent = act(Protocol::Lingyang, format!("flag 2 to {SILENT}"), Schedule::FLAG_2, 5, State::Dropped);
        let mut late = act(Protocol::Lingyang, format!("flag 2 to {LATE}"), Schedule::FLAG_2, 3, State::Delivered);
        late.woken_after = Some(LATE_AFTER_MS);
        let once = act(Protocol::Lingyang, format!("flag 3 to {ONCE}"), Schedule::FLAG_3, 1, State::Dropped);
        for (cid, act) in [(SILENT, silent), (LATE, late), (ONCE, once)] {
            self.expect_for(acts, cid, act).await?;
            acts.await_moment(Protocol::Lingyang, Moment::Message { cid });
        }
        Ok(())
    }

    /// A message from a device to another, with callback: the webhook is called, and the sender gets a receipt.
    async fn push_from_device(&self, acts: &mut Acts, timeline: &mut Timeline<'_>) -> Result<(), CannotRun> {
        let (own, to) = (self.token(SENDER)?, self.token(ANSWERS)?);
        let tokens = [Text::from(to.reveal())];
        let push = ClientPush {
            msg: Msg::from_bytes("hello from a device 👋".as_bytes()).map_err(CannotRun::because)?,
            flag: Some(Flag::UntilAnswered),
            callback: Callback::Yes,
            access_tokens: AccessTokens::from(&tokens[..]),
        };
        let body = to_vec(|buf| push.write(buf)).map_err(CannotRun::because)?;
        let hook = act(Protocol::Lingyang, "webhook".to_owned(), Schedule::WEBHOOK, 1, State::Delivered);
        acts.expect_on(format!("webhook:{APP_ID}"), hook);
        let message = act(Protocol::Lingyang, format!("flag 2 to {ANSWERS}"), Schedule::FLAG_2, 1, State::Delivered);
        acts.expect_on(format!("device:{ANSWERS}"), message);
        self.post(self.gateway.public, "/v2/message/client/push", body, &[("x-client-token", own.reveal())]).await?;
        let what = format!("device {SENDER} to {ANSWERS} with callback 1: accepted and stored");
        timeline.now(Line::new("client push", what, Tone::Plain));
        acts.await_moment(Protocol::Lingyang, Moment::Message { cid: ANSWERS });
        acts.await_moment(Protocol::Lingyang, Moment::WebhookVerified);
        acts.await_moment(Protocol::Lingyang, Moment::Receipt { to: ANSWERS, state: "delivered" });
        Ok(())
    }

    /// What is in the gateway's inbox, by kind.
    pub(super) async fn inbox(&self) -> Result<HashMap<String, usize>, CannotRun> {
        let filter = InboxFilter { limit: store::MAX_PAGE, ..InboxFilter::default() };
        let page = self.gateway.store().inbox(filter).await.map_err(CannotRun::because)?;
        let mut kinds = HashMap::new();
        for item in page.items {
            *kinds.entry(item.kind).or_default() += 1;
        }
        Ok(kinds)
    }

    /// Takes everything down.
    pub(super) async fn strike(mut self) {
        self.devices.shutdown().await;
        self.gateway.stop().await;
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Submits a body to the admin API and returns the id of its delivery.
    async fn submit(&self, path: &str, body: Vec<u8>) -> Result<DeliveryId, CannotRun> {
        let answer = self.post(self.gateway.admin, path, body, &[]).await?;
        let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(CannotRun::because)?;
        let id = answer["ids"][0].as_str().unwrap_or_default();
        id.parse().map_err(|error| CannotRun(format!("POST {path} answered no id: {error}")))
    }

    async fn post(
        &self,
        to: SocketAddr,
        path: &str,
        body: Vec<u8>,
        headers: &[(&'static str, &str)],
    ) -> Result<Vec<u8>, CannotRun> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_static(name), HeaderValue::from_str(value).map_err(CannotRun::because)?);
        }
        let post = Post { url: format!("http://{to}{path}"), headers: map, body: body.into(), timeout: ANSWER_WITHIN };
        let reply = self.courier.post(post).await.map_err(CannotRun::because)?;
        if !(200..300).contains(&reply.status) {
            let body = String::from_utf8_lossy(&reply.body);
            return Err(CannotRun(format!("POST {path} was answered {}: {body}", reply.status)));
        }
        Ok(reply.body.to_vec())
    }

    /// Expects `act` of the only delivery to device `cid`.
    async fn expect_for(&self, acts: &mut Acts, cid: u32, act: Act) -> Result<(), CannotRun> {
        let filter = DeliveryFilter { lane: Some(format!("device:{cid}")), limit: 1, ..DeliveryFilter::default() };
        let page = self.gateway.store().deliveries(filter).await.map_err(CannotRun::because)?;
        let delivery = page.deliveries.first().ok_or_else(|| CannotRun(format!("no delivery for device {cid}")))?;
        acts.expect(delivery.id, act);
        Ok(())
    }

    /// Connects a device and waits until the gateway knows it.
    async fn connect(&mut self, cid: u32, answering: Answering) -> Result<(), CannotRun> {
        let (device, told) = (self.device(cid, answering)?, self.told.clone());
        let (welcome, welcomed) = oneshot::channel();
        self.devices.spawn(be(device, cid, told, Some(welcome)));
        match time::timeout(ANSWER_WITHIN, welcomed).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(CannotRun(format!("device {cid} was not welcomed"))),
        }
    }

    /// Connects the late device in the middle of its message's schedule.
    fn connect_late(&mut self) -> Result<(), CannotRun> {
        let (device, told, clock) = (self.device(LATE, Answering::Always)?, self.told.clone(), self.clock);
        let at = clock.now().plus(u32::try_from(LATE_AFTER_MS).unwrap_or(u32::MAX));
        self.devices.spawn(async move {
            clock.sleep_until(at).await;
            told.tell(Line::new(format!("device {LATE}"), "connects while sends remain", Tone::Plain));
            be(device, LATE, told, None).await;
        });
        Ok(())
    }

    fn device(&self, cid: u32, answering: Answering) -> Result<Device, CannotRun> {
        Ok(Device { answering, ..Device::new(self.gateway.link.into(), self.token(cid)?) })
    }

    fn token(&self, cid: u32) -> Result<Secret, CannotRun> {
        let cid = Cid::new(cid).ok_or_else(|| CannotRun("cid 0 names no device".to_owned()))?;
        let expire = u32::try_from(self.clock.unix_secs() + 3600).unwrap_or(u32::MAX);
        Secret::new(&Token::issue(APP_KEY.as_bytes(), cid, 0, expire).to_string()).map_err(CannotRun::because)
    }
}

/// Is a device, and tells what comes to it.
async fn be(device: Device, cid: u32, told: Teller, mut welcome: Option<oneshot::Sender<()>>) {
    let who = format!("device {cid}");
    let answers = device.answering == Answering::Always;
    device
        .run(|event| {
            let line = match event {
                device::Event::Welcome { .. } => {
                    if let Some(welcome) = welcome.take() {
                        let _ = welcome.send(());
                    }
                    return Ok(());
                }
                device::Event::Message { msg, copy, .. } => {
                    let said = if answers { "acknowledges it" } else { "says nothing" };
                    let text = String::from_utf8_lossy(&msg).into_owned();
                    let line = Line::new(&who, format!("gets copy {copy} of \"{text}\" and {said}"), Tone::Plain);
                    if copy == 1 { line.moment(Moment::Message { cid }) } else { line }
                }
                device::Event::Receipt { to, state, .. } => {
                    let line = Line::new(&who, format!("gets its receipt: {to} {state}"), Tone::Good);
                    let state = if state == "delivered" { "delivered" } else { "dropped" };
                    line.moment(Moment::Receipt { to, state })
                }
                device::Event::Lost { reason, .. } => {
                    Line::new(&who, format!("lost its link: {reason}"), Tone::Refused)
                }
            };
            told.tell(line);
            Ok(())
        })
        .await;
}

fn act(protocol: Protocol, name: String, schedule: Schedule<'static>, sends: u8, ends: State) -> Act {
    Act { protocol, name, schedule, sends, ends, woken_after: None }
}

fn list(cids: &[u32]) -> String {
    cids.iter().map(u32::to_string).collect::<Vec<_>>().join(" and ")
}

fn configuration(
    flaky: SocketAddr,
    deaf: SocketAddr,
    hook: SocketAddr,
    im: Option<SocketAddr>,
) -> Result<Config, CannotRun> {
    let mut text = format!(
        r#"
        [listen]
        public = "127.0.0.1:0"
        admin = "127.0.0.1:0"
        link = "127.0.0.1:0"
        [network]
        allow_private = true
        [[lingyang.apps]]
        id = "{APP_ID}"
        keys = ["{APP_KEY}"]
        cids = [[5003000, 5003999]]
        webhook = "http://{hook}/hook"
        [[uplink.destinations]]
        name = "flaky"
        url = "http://{flaky}/sms"
        [[uplink.destinations]]
        name = "deaf"
        url = "http://{deaf}/sms"
        [[tencent.receivers]]
        name = "im"
        sdk_app_id = "{SDK_APP_ID}"
        token = "{CALLBACK_TOKEN}"
        "#
    );
    if let Some(im) = im {
        text += &format!(
            r#"
            [[tencent.destinations]]
            name = "backend"
            url = "http://{im}/receive/tencent/im"
            sdk_app_id = "{SDK_APP_ID}"
            token = "{CALLBACK_TOKEN}"
            "#
        );
    }
    Config::parse(&text, "demo").map_err(CannotRun::because)
}
