//! Tells the linker how the machine's memory lies, and writes the two batches that the probes read.
//!
//! The batches are made here and not by the image, so that making them costs it nothing, and without the core, so that
//! what it reads is not what it wrote.

use std::{env, fmt::Write, fs, path::PathBuf};

/// "1 to 100" events in a request: the largest batch there is.
const ITEMS: u32 = 100;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("memory.x"), include_bytes!("memory.x")).expect("OUT_DIR can be written");
    fs::write(out.join("events.json"), batch(r#"{"Events":["#, event)).expect("OUT_DIR can be written");
    fs::write(out.join("uplinks.json"), batch(r#"{"MsgType":0,"Data":["#, uplink)).expect("OUT_DIR can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        println!("cargo:rustc-link-arg-bins=--nmagic");
    }
}

fn batch(start: &str, item: impl Fn(u32) -> String) -> String {
    let items: Vec<String> = (0..ITEMS).map(item).collect();
    format!("{start}{}]}}", items.join(","))
}

/// An event as its page prints it; every tenth in an order of its own with an unknown member and escapes, and another
/// tenth one of a push to all members: a reader has to take its slower ways too.
fn event(n: u32) -> String {
    let (time, stage, platform) = (1_669_872_112 + n, n % 3 + 1, n % 9);
    if n % 10 == 7 {
        return format!(
            r#"{{"CallbackCommand":"Push.AllMemberPush","EventType":1,"TaskId":"task_144115212910570789_{n}","DataId":"spring","TaskTime":{time},"EventTime":{time},"To_Account":"app_user_{n:012}","PushPlatform":{platform},"DeviceType":"phone","PushStage":{stage},"ErrCode":0,"ErrInfo":"Success"}}"#
        );
    }
    if n % 10 == 3 {
        return format!(
            r#"{{"ErrInfo":"\u5931\u8d25: \ud83d\ude00 \"{n}\"","ErrCode":-{n},"Trace":{{"hops":[{n},[true,null,1e3]],"node":"a\/b"}},"PushStage":{stage},"To_Account":"app_user_{n:012}","EventTime":{time},"EventType":2,"GroupID":"@TGS#2C5SZEAEF","MsgSeq":{n},"PushID":"1400000000_660_{time}_{n}","CallbackCommand":"Push.OfflinePush"}}"#
        );
    }
    let mut event = String::new();
    write!(
        event,
        r#"{{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":{time},"From_Account":"app_user_{:012}","To_Account":"app_user_{n:012}","PushPlatform":{platform},"PushStage":{stage},"MsgKey":"48374_2345_{time}","GroupID":"","MsgSeq":{},"MsgRandom":{},"MsgTime":{time},"PushID":"1400000000_660_{time}_{n}","ErrCode":0,"ErrInfo":"Success"}}"#,
        n + 1,
        48_374 + n,
        2_345 + 7 * n,
    )
    .expect("a string takes what is written");
    event
}

/// A reply to an SMS as its page prints it; every tenth in Chinese with escapes and an unknown member.
fn uplink(n: u32) -> String {
    let time = 1_563_867_000 + n;
    if n % 10 == 3 {
        return format!(
            r#"{{"ReplyTime":{time},"Sign":{{"name":"\u4f18\u523b","ids":[{n}]}},"ReplyContent":"\u597d\u7684\ud83d\ude00 \"{n}\"","Phone":"185****{n:04}"}}"#
        );
    }
    format!(
        r#"{{"ExtendCode":"12345","UserId":"xxx-uhost-{n:03}","Phone":"1851234{n:04}","ReplyContent":"OK, got it 收到","ReplyTime":{time}}}"#
    )
}
