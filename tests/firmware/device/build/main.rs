//! Tells the linker how the machine's memory lies, and gathers the golden vectors with what must come of each.
//!
//! The bodies are those of the core's tests of the protocols' pages, its samples, each of them also cut short at many
//! places, the seeds of its fuzz targets, and this workspace's inputs. The core reads them here, on the host, in the same
//! ways as the device will; that it reads them right is what its own tests are for.

mod literals;
#[path = "../../../../core/tests/samples/mod.rs"]
mod samples;

#[path = "../src/reading.rs"]
mod reading;

use std::{
    collections::HashSet,
    env,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use reading::{Cut, Kind, ROOM, read};

/// A sample is cut short after each so many bytes: a number that has nothing to do with how JSON is made.
const SHORTER_BY: usize = 23;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    // Written even when the image is built without them: to leave them out here would be no gain.
    fs::write(out.join("vectors.rs"), vectors()).expect("OUT_DIR can be written");
    println!("cargo:rerun-if-changed=build");
    println!("cargo:rerun-if-changed=src/reading.rs");
    link(&out);
}

fn link(out: &Path) {
    // On an ARM the script is that of its runtime, which asks for the memory; on a RISC-V it is all here.
    let (script, name, args): (_, _, &[_]) = match env::var("CARGO_CFG_TARGET_ARCH").as_deref() {
        Ok("arm") => (Path::new("../memory.x"), "memory.x", &["-Tlink.x", "--nmagic"]),
        Ok("riscv32") => (Path::new("riscv.x"), "riscv.x", &["-Triscv.x"]),
        _ => return,
    };
    fs::copy(script, out.join(name)).expect("OUT_DIR can be written");
    println!("cargo:rerun-if-changed={}", script.display());
    println!("cargo:rustc-link-search={}", out.display());
    for arg in args {
        println!("cargo:rustc-link-arg-bins={arg}");
    }
}

/// The Rust of all vectors.
fn vectors() -> String {
    let mut vectors = Vectors::default();
    for (at, (kind, text)) in samples::SAMPLES.iter().enumerate() {
        let Some(kind) = kind_of(*kind) else { continue };
        let body = text.as_bytes();
        vectors.add(&format!("sample {at}"), kind, body);
        for len in (SHORTER_BY..body.len()).step_by(SHORTER_BY) {
            vectors.add(&format!("sample {at}, its first {len} bytes"), kind, &body[..len]);
        }
    }
    for (rules, kinds) in RULES {
        let source = Path::new("../../../core/tests").join(rules);
        println!("cargo:rerun-if-changed={}", source.display());
        let source = fs::read_to_string(&source).unwrap_or_else(|error| panic!("{}: {error}", source.display()));
        for text in literals::literals(&source).iter().filter(|text| is_body(text)) {
            // The mark of the byte where the error must show is no part of it.
            let body = text.replace('▲', "");
            kinds.iter().for_each(|kind| vectors.add(&format!("{rules}: {text}"), *kind, body.as_bytes()));
        }
    }
    for (folder, kinds) in SEEDS {
        let folder = Path::new("../../../fuzz/seeds").join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        for (name, body) in files(&folder) {
            kinds.iter().for_each(|kind| vectors.add(&name, *kind, &body));
        }
    }
    println!("cargo:rerun-if-changed=../inputs");
    for (name, body) in files(Path::new("../inputs")) {
        vectors.add(&name, input(&name), &body);
    }
    format!("static VECTORS: &[Vector] = &[\n{}];\n", vectors.code)
}

/// Whether a text of a test is a body: JSON, or meant to be.
fn is_body(text: &str) -> bool {
    // With two braces it is a pattern for others.
    (text.contains('▲') || text.trim_start().starts_with(['{', '['])) && !text.contains("{{")
}

/// The tests of the pages, and what their bodies may be.
const RULES: &[(&str, &[Kind])] = &[
    ("rules_json.rs", &[Kind::Json]),
    ("rules_lingyang.rs", LINGYANG),
    ("rules_tencent.rs", TENCENT),
    ("rules_uplink.rs", UPLINK),
];

/// What a body is that one of these is, is refused by the others, each for its own reason.
const LINGYANG: &[Kind] = &[Kind::ClientPush, Kind::ServerPush, Kind::PushReply, Kind::Webhook];
const TENCENT: &[Kind] = &[Kind::Tencent, Kind::TencentReply];
const UPLINK: &[Kind] = &[Kind::Uplink, Kind::UplinkReply];

/// The seeds of fuzz targets, and what they may be.
const SEEDS: &[(&str, &[Kind])] = &[
    ("json", &[Kind::Json]),
    ("strict", &[Kind::Json]),
    ("lingyang", LINGYANG),
    ("uplink", UPLINK),
    ("tencent", TENCENT),
    ("link", &[Kind::Link]),
    ("token", &[Kind::Token]),
    ("http", &[Kind::Answer]),
];

fn kind_of(kind: samples::Kind) -> Option<Kind> {
    Some(match kind {
        samples::Kind::Json => Kind::Json,
        samples::Kind::Uplink => Kind::Uplink,
        samples::Kind::UplinkReply => Kind::UplinkReply,
        samples::Kind::ClientPush => Kind::ClientPush,
        samples::Kind::ServerPush => Kind::ServerPush,
        samples::Kind::PushReply => Kind::PushReply,
        samples::Kind::Webhook => Kind::Webhook,
        samples::Kind::Tencent => Kind::Tencent,
        samples::Kind::TencentReply => Kind::TencentReply,
        samples::Kind::Frame => Kind::Link,
        samples::Kind::Token => Kind::Token,
        // What a backend reads.
        samples::Kind::Query => return None,
    })
}

fn input(name: &str) -> Kind {
    match name {
        "answer.http" | "chunks.http" => Kind::Answer,
        "client-push.json" => Kind::ClientPush,
        "events-reply.json" => Kind::TencentReply,
        "events.json" => Kind::Tencent,
        "frames.ndjson" | "link.ndjson" => Kind::Link,
        "messages.json" | "reports.json" => Kind::Uplink,
        "proxied-push.json" | "server-push.json" => Kind::ServerPush,
        "push-accepted.json" | "push-reply.json" => Kind::PushReply,
        "uplink-reply.json" => Kind::UplinkReply,
        "webhook.json" => Kind::Webhook,
        _ => panic!("inputs/{name}: say here what it is"),
    }
}

/// The files of a folder in the order of their names.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries
        .map(|entry| {
            let path = entry.expect("a folder can be read").path();
            let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
        })
        .collect();
    files.sort();
    files
}

/// The Rust of vectors, each there once.
#[derive(Default)]
struct Vectors {
    code: String,
    seen: HashSet<(Kind, Vec<u8>)>,
}

impl Vectors {
    /// Adds a vector, of which the host has seen that it makes no difference how it is cut.
    fn add(&mut self, name: &str, kind: Kind, body: &[u8]) {
        if !self.seen.insert((kind, body.to_vec())) {
            return;
        }
        let mut room = [0; ROOM];
        let whole = read(kind, body, Cut::Whole, &mut room).expect("every kind is read whole");
        for len in [1, 7] {
            let pieces = read(kind, body, Cut::Pieces(len), &mut room);
            assert!(pieces.is_none_or(|pieces| pieces == whole), "{name}: {pieces:?} by {len}, not {whole:?}");
        }
        let expected = match whole {
            Ok(sum) => format!("Ok({sum:#x})"),
            Err(refusal) => format!("Err(({}, {:?}))", refusal.offset(), refusal.to_string()),
        };
        let body = body.escape_ascii();
        writeln!(self.code, "Vector {{ kind: Kind::{kind:?}, body: b\"{body}\", expected: {expected} }},")
            .expect("a string takes what is written");
    }
}
