//! The bodies of the fuzz targets, run on stable over every seed, and over good bodies, what is left when they are cut,
//! and each with bytes that JSON cares for in the place of others.

mod samples;

use std::{collections::BTreeSet, fs, path::Path};

use pushgate_core::fuzz;
use samples::{Kind, SAMPLES};

type Body = fn(&[u8]);

/// Each target's name, that of its seeds' folder, and its body.
const TARGETS: [(&str, Body); 15] = [
    ("chunks", fuzz::chunks),
    ("flat", fuzz::flat),
    ("http", fuzz::http),
    ("json", fuzz::json),
    ("lingyang", fuzz::lingyang),
    ("link", fuzz::link),
    ("link_sessions", fuzz::link_sessions),
    ("outbox", fuzz::outbox),
    ("query", fuzz::query),
    ("small", fuzz::small),
    ("strict", strict),
    ("tencent", fuzz::tencent),
    ("token", fuzz::token),
    ("uplink", fuzz::uplink),
    ("writers", fuzz::writers),
];

fn strict(data: &[u8]) {
    fuzz::strict(data, |json| serde_json::from_slice::<serde_json::Value>(json).map_err(|error| error.to_string()));
}

#[test]
fn every_body_holds_for_every_seed_of_every_target() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds"));
    let named =
        |path: &Path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect::<BTreeSet<_>>();
    assert_eq!(named(folder), TARGETS.iter().map(|(name, _)| (*name).into()).collect(), "a folder for each target");
    for name in named(folder) {
        for seed in named(&folder.join(&name)) {
            let bytes = fs::read(folder.join(&name).join(&seed)).unwrap();
            for (target, body) in TARGETS {
                println!("{target} with {name:?}/{seed:?}");
                body(&bytes);
            }
        }
    }
}

/// A sample as an input of `chunks` and `small`, whose first two bytes say how it is read.
fn headed(header: [u8; 2], sample: &[u8]) -> Vec<u8> {
    [&header, sample].concat()
}

/// The digit that stands for a kind of payload in such an input.
fn digit(kind: Kind) -> Option<u8> {
    Some(match kind {
        Kind::Uplink => b'0',
        Kind::Tencent => b'1',
        Kind::ClientPush => b'2',
        Kind::ServerPush => b'3',
        Kind::Webhook => b'4',
        Kind::UplinkReply => b'5',
        Kind::TencentReply => b'6',
        Kind::PushReply => b'7',
        Kind::Frame => b'8',
        Kind::Json | Kind::Token | Kind::Query => return None,
    })
}

#[test]
fn chunks_and_small_buffers_hold_for_every_sample_cut_and_changed() {
    for &(kind, sample) in SAMPLES {
        let Some(digit) = digit(kind) else { continue };
        for how in b'a'..=b'r' {
            fuzz::chunks(&headed([digit, how], sample.as_bytes()));
        }
        for capacity in (0..=255).step_by(15) {
            fuzz::small(&headed([digit, capacity], sample.as_bytes()));
        }
        for at in 0..sample.len() {
            fuzz::chunks(&headed([digit, b'r'], &sample.as_bytes()[..at]));
            for byte in *b"\"\\}]0\xff" {
                let mut changed = headed([digit, b'c'], sample.as_bytes());
                changed[at + 2] = byte;
                fuzz::chunks(&changed);
            }
        }
    }
}

fn body_of(kind: Kind) -> Body {
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
    for (_, body) in TARGETS {
        for (_, sample) in SAMPLES {
            body(sample.as_bytes());
        }
    }
}
