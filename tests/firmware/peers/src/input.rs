//! What the peers are fed with where it differs from what the core's images get.
#![expect(unsafe_code, reason = "a link section of its own keeps it out of what is counted")]

macro_rules! body {
    ($(#[$meta:meta])* $name:ident = $bytes:expr) => {
        $(#[$meta])*
        #[unsafe(link_section = ".input")]
        pub static $name: [u8; $bytes.len()] = *$bytes;
    };
}

body! {
    /// An HTTP answer in chunks, without an interim one before it: both peers take that for the answer, or for an error.
    HTTP_CHUNKS = include_bytes!("../inputs/chunks.http")
}
body! {
    /// What a broker says: CONNACK, SUBACK, three PUBLISH of 39 bytes with QoS 1 and a PINGRESP.
    MQTT = include_bytes!("../inputs/broker.mqtt")
}
body! {
    /// The link's messages: what the payload of a PUBLISH is in an image that does all.
    MQTT_JSON = include_bytes!("../inputs/broker-json.mqtt")
}
body! {
    /// One Tencent event of the usual kind.
    EVENT = include_bytes!("../inputs/event.json")
}
body! {
    /// One message of the link.
    MESSAGE = include_bytes!("../inputs/message.json")
}
body! {
    /// The longest message in base64.
    BASE64 = include_bytes!("../inputs/msg.base64")
}
