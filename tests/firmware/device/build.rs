//! Tells the linker how the machine's memory lies, and gathers the golden vectors with what must come of each.
//!
//! The bodies are the core's own samples, the seeds of its fuzz targets and this workspace's inputs, and each of the
//! samples cut short at many places. The core reads them here, on the host, in the same ways as the device will; that it
//! reads them right is what its own tests are for.

// What the image takes of it, this program leaves.
#[allow(dead_code, reason = "a test's table: not every kind is a device's")]
#[path = "../../../core/tests/samples/mod.rs"]
mod samples;

#[path = "src/reading.rs"]
mod reading;

use std::{
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
    println!("cargo:rerun-if-changed=build.rs");
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
    let mut code = String::from("static VECTORS: &[Vector] = &[\n");
    for (at, (kind, text)) in samples::SAMPLES.iter().enumerate() {
        let Some(kind) = kind_of(*kind) else { continue };
        let body = text.as_bytes();
        vector(&mut code, &format!("sample {at}"), kind, body);
        for len in (SHORTER_BY..body.len()).step_by(SHORTER_BY) {
            vector(&mut code, &format!("sample {at}, its first {len} bytes"), kind, &body[..len]);
        }
    }
    for (folder, kinds) in SEEDS {
        let folder = Path::new("../../../fuzz/seeds").join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        for (name, body) in files(&folder) {
            for kind in *kinds {
                vector(&mut code, &format!("{name} as {kind:?}"), *kind, &body);
            }
        }
    }
    println!("cargo:rerun-if-changed=../inputs");
    for (name, body) in files(Path::new("../inputs")) {
        vector(&mut code, &name, input(&name), &body);
    }
    code.push_str("];\n");
    code
}

/// Where the same bodies may be asked for as several kinds, all but one are refused, each with its own reason.
const SEEDS: &[(&str, &[Kind])] = &[
    ("json", &[Kind::Json]),
    ("strict", &[Kind::Json]),
    ("lingyang", &[Kind::ClientPush, Kind::ServerPush, Kind::PushReply, Kind::Webhook]),
    ("uplink", &[Kind::Uplink, Kind::UplinkReply]),
    ("tencent", &[Kind::Tencent, Kind::TencentReply]),
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
        "link.ndjson" => Kind::Link,
        "messages.json" | "reports.json" => Kind::Uplink,
        "proxied-push.json" | "server-push.json" => Kind::ServerPush,
        "push-reply.json" => Kind::PushReply,
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

/// Adds a vector, of which the host has seen that it makes no difference how it is cut.
fn vector(code: &mut String, name: &str, kind: Kind, body: &[u8]) {
    let mut room = [0; ROOM];
    let whole = read(kind, body, Cut::Whole, &mut room).expect("every kind is read whole");
    for len in [1, 7] {
        let pieces = read(kind, body, Cut::Pieces(len), &mut room);
        assert!(pieces.is_none_or(|pieces| pieces == whole), "{name}: {pieces:?} in pieces of {len}, not {whole:?}");
    }
    let expected = match whole {
        Ok(sum) => format!("Ok({sum:#x})"),
        Err(refusal) => format!("Err(({}, {:?}))", refusal.offset(), refusal.to_string()),
    };
    let body = body.escape_ascii();
    writeln!(code, "Vector {{ name: {name:?}, kind: Kind::{kind:?}, body: b\"{body}\", expected: {expected} }},")
        .expect("a string takes what is written");
}
