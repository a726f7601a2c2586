//! Whole lists of the admin API, read page by page.

use std::net::SocketAddr;

use serde_json::Value;

use crate::admin_json;

/// Every delivery that `query` asks for, newest first; `query` is that of `GET /api/deliveries`.
///
/// # Panics
///
/// When the list is not one.
pub async fn all_deliveries(admin: SocketAddr, query: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = admin_json(admin, &format!("/api/deliveries?limit=1000{cursor}&{query}")).await;
        all.append(page["deliveries"].as_array_mut().expect("a list"));
        let Some(next) = page["next"].as_str() else { return all };
        cursor = format!("&cursor={next}");
    }
}

/// Every item of the inbox, oldest first.
///
/// # Panics
///
/// When the list is not one.
pub async fn whole_inbox(admin: SocketAddr) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let mut page = admin_json(admin, &format!("/api/inbox?limit=1000&after={after}")).await;
        after = page["next"].as_u64().expect("a cursor");
        let items = page["items"].as_array_mut().expect("a list");
        if items.is_empty() {
            return all;
        }
        all.append(items);
    }
}
