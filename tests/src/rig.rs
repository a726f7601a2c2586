//! The gateway under test: in this process, on free ports, with a store of its own.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use pushgate::{config::Config, gateway::Gateway, store::Store};
use pushgate_core::lingyang::{Cid, Token, token::MAX_ENCODED_LEN};
use serde_json::Value;
use tempfile::TempDir;

use crate::{Answer, Device, Request, Socket, admin_json, until_bound, within_bound};

/// The Lingyang app of [`Rig::start`].
pub const APP_ID: &str = "Test";
/// The first key of the app.
pub const KEY: &str = "d57559a82027b7d846318a0c1596d645";
/// The second key of the app: keys are rolled over by having two for a while.
pub const NEXT_KEY: &str = "0123456789abcdef0123456789abcdef";

/// A gateway that runs in the test's own process.
pub struct Rig {
    /// The gateway.
    pub gateway: Gateway,
    folder: TempDir,
    listen: String,
    rest: String,
}

impl Rig {
    /// Starts a gateway with an app called [`APP_ID`], and `rest` of a configuration.
    pub async fn start(rest: &str) -> Self {
        Self::start_with("", "", rest).await
    }

    /// As [`start`](Self::start), with further keys of `[listen]`, and of the app.
    ///
    /// # Panics
    ///
    /// When the configuration is wrong or the gateway does not start.
    pub async fn start_with(listen: &str, app: &str, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rest = with_app(app, rest);
        let gateway = Gateway::start(config(&folder, listen, &rest)).await.expect("the gateway starts");
        Self { gateway, folder, listen: listen.to_owned(), rest }
    }

    /// As [`start`](Self::start), on a store that is already open.
    ///
    /// # Panics
    ///
    /// As [`start_with`](Self::start_with).
    pub async fn start_on(store: Arc<dyn Store>, rest: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let rest = with_app("", rest);
        let gateway = Gateway::start_with(store, config(&folder, "", &rest)).await.expect("the gateway starts");
        Self { gateway, folder, listen: String::new(), rest }
    }

    /// Stops the gateway and starts it again on the same store; its ports are others afterwards.
    ///
    /// # Panics
    ///
    /// When it does not stop in time or does not start again.
    #[must_use]
    pub async fn restart(self) -> Self {
        let Self { gateway, folder, listen, rest } = self;
        within_bound(std::time::Duration::from_secs(12), gateway.stop()).await;
        let gateway = Gateway::start(config(&folder, &listen, &rest)).await.expect("the gateway starts again");
        Self { gateway, folder, listen, rest }
    }

    /// Reloads the configuration with another text after the app.
    ///
    /// # Panics
    ///
    /// When the configuration is wrong.
    pub fn reload(&self, rest: &str) {
        let rest = with_app("", rest);
        self.gateway.reload(config(&self.folder, &self.listen, &rest));
    }

    /// Reloads the configuration with other further keys of `[listen]`.
    ///
    /// # Panics
    ///
    /// When the configuration is wrong.
    pub fn reload_listen(&mut self, listen: &str) {
        listen.clone_into(&mut self.listen);
        self.gateway.reload(config(&self.folder, &self.listen, &self.rest));
    }

    /// Reloads the configuration without one of the app's keys.
    ///
    /// # Panics
    ///
    /// When the configuration is wrong.
    pub fn reload_without(&self, key: &str) {
        let rest = self.rest.replacen(&format!("'{key}'"), "", 1).replacen("[, ", "[", 1).replacen(", ]", "]", 1);
        self.gateway.reload(config(&self.folder, &self.listen, &rest));
    }

    /// Connects the device `cid` with a WebSocket.
    pub async fn socket(&self, cid: u32) -> Socket {
        Socket::hello(self.gateway.public, &token(cid)).await
    }

    /// Sends a request to the public listener.
    pub async fn public(&self, request: Request) -> Answer {
        request.send(self.gateway.public).await
    }

    /// Sends a request to the admin listener.
    pub async fn admin(&self, request: Request) -> Answer {
        request.send(self.gateway.admin).await
    }

    /// Asks the admin API for something that there must be.
    pub async fn admin_json(&self, path: &str) -> Value {
        admin_json(self.gateway.admin, path).await
    }

    /// Pushes as the application server.
    pub async fn server_push(&self, body: impl AsRef<[u8]>) -> Answer {
        let request = Request::post("/v2/message/server/push", body);
        self.public(request.header("X-APP-ID", APP_ID).header("X-APP-Key", KEY)).await
    }

    /// Pushes as the device `cid`.
    pub async fn client_push(&self, cid: u32, body: impl AsRef<[u8]>) -> Answer {
        self.public(Request::post("/v2/message/client/push", body).header("X-Client-Token", &token(cid))).await
    }

    /// Connects the device `cid`.
    pub async fn device(&self, cid: u32) -> Device {
        Device::hello(self.gateway.link, &token(cid)).await
    }

    /// Lists a lane's deliveries, newest first.
    ///
    /// # Panics
    ///
    /// When the list is not one.
    pub async fn deliveries(&self, lane: &str) -> Vec<Value> {
        let page = self.admin_json(&format!("/api/deliveries?lane={lane}&limit=1000")).await;
        page["deliveries"].as_array().expect("a list").clone()
    }

    /// Waits until a delivery is in `state`, and returns everything known of it.
    pub async fn until_state(&self, id: &str, state: &str) -> Value {
        self.until_state_bound(crate::BOUND, id, state).await
    }

    /// As [`until_state`](Self::until_state), within `bound`.
    pub async fn until_state_bound(&self, bound: std::time::Duration, id: &str, state: &str) -> Value {
        let mut last = Value::Null;
        let path = format!("/api/deliveries/{id}");
        until_bound(bound, &format!("delivery {id} is {state}"), async || {
            last = self.admin_json(&path).await;
            (last["state"] == state).then(|| last.clone())
        })
        .await
    }

    /// Waits until a lane has exactly one delivery, and returns its id.
    ///
    /// # Panics
    ///
    /// When it has an id that is no text.
    pub async fn only_delivery(&self, lane: &str) -> String {
        let list = self.deliveries(lane).await;
        assert_eq!(list.len(), 1, "{lane}: {list:?}");
        list[0]["id"].as_str().expect("an id").to_owned()
    }
}

fn with_app(app: &str, rest: &str) -> String {
    format!(
        "[[lingyang.apps]]\nid = '{APP_ID}'\nkeys = ['{KEY}', '{NEXT_KEY}']\n\
         cids = [[1003200, 1003299], [5003000, 5003999]]\n{app}\n{rest}"
    )
}

fn config(folder: &TempDir, listen: &str, rest: &str) -> Config {
    let store = folder.path().join("pushgate.db");
    let admin = if listen.contains("admin = ") { "" } else { "admin = '127.0.0.1:0'" };
    let text = format!(
        "[listen]\npublic = '127.0.0.1:0'\nlink = '127.0.0.1:0'\n{admin}\n{listen}\n\
         [store]\nurl = 'sqlite:{}'\n[network]\nallow_private = true\n{rest}",
        store.display()
    );
    Config::parse(&text, "pushgate.toml").unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A token of the device `cid` that holds for an hour.
#[must_use]
pub fn token(cid: u32) -> String {
    token_with(KEY, cid, u32::try_from(now() + 3600).unwrap_or(u32::MAX))
}

/// A token of the device `cid`, signed with `key`, that holds until `expire`.
///
/// # Panics
///
/// When `cid` is 0.
#[must_use]
pub fn token_with(key: &str, cid: u32, expire: u32) -> String {
    let cid = Cid::new(cid).expect("a cid is not 0");
    Token::issue(key.as_bytes(), cid, 0, expire).encode(&mut [0; MAX_ENCODED_LEN]).to_owned()
}

/// The present, in unix seconds.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
