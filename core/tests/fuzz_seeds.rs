//! The bodies of the fuzz targets, run on stable over good bodies, what is left when they are cut, and each with bytes
//! that JSON cares for in the place of others.

mod samples;

use pushgate_core::fuzz;
use samples::{Kind, SAMPLES};

fn body_of(kind: Kind) -> fn(&[u8]) {
    match kind {
        Kind::Json => fuzz::json,
        Kind::Uplink | Kind::UplinkReply => fuzz::uplink,
        Kind::ClientPush | Kind::ServerPush | Kind::PushReply | Kind::Webhook => fuzz::lingyang,
        Kind::Tencent | Kind::TencentReply => fuzz::tencent,
        Kind::Frame => fuzz::link,
        Kind::Token => fuzz::token,
        Kind::Query => fuzz::query,
    }
}

#[test]
fn every_body_holds_for_every_truncation() {
    for &(kind, sample) in SAMPLES {
        for len in 0..=sample.len() {
            body_of(kind)(&sample.as_bytes()[..len]);
        }
    }
}

#[test]
fn every_body_holds_for_bytes_that_json_cares_for() {
    for &(kind, sample) in SAMPLES {
        let mut bytes = sample.as_bytes().to_vec();
        for at in 0..bytes.len() {
            let byte = bytes[at];
            for other in *b"\"\\}]0\xff" {
                bytes[at] = other;
                body_of(kind)(&bytes);
            }
            bytes[at] = byte;
        }
    }
}

#[test]
fn every_body_holds_for_every_sample() {
    for body in [fuzz::json, fuzz::uplink, fuzz::lingyang, fuzz::tencent, fuzz::link, fuzz::token, fuzz::query] {
        for (_, sample) in SAMPLES {
            body(sample.as_bytes());
        }
    }
}
