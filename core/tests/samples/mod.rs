//! Good bodies of every payload: the seeds' own samples as the JSON they mean, and others with all that is rare.

/// Which readers a body is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Uplink,
    UplinkReply,
    ClientPush,
    ServerPush,
    PushReply,
    Webhook,
    Tencent,
    TencentReply,
    Frame,
    Token,
    Query,
}

pub(crate) const SAMPLES: &[(Kind, &str)] = &[
    (Kind::Json, r#" {"a" : [1, -2.5e+3, "\u77ed\ud83d\ude00\/", true, false, null, {}, []], "": "短信"} "#),
    (
        Kind::Uplink,
        r#"{"MsgType":0,"Data":[{"ExtendCode":"12345","UserId":"you man c define the content by yrself","Phone":"185****9057","ReplyContent":"OK, it can be done","ReplyTime":1573552778},{"ExtendCode":"12346","UserId":"you man c define the content by yrself","Phone":"185****9057","ReplyContent":"Received, thank you","ReplyTime":1573552778}]}"#,
    ),
    (
        Kind::Uplink,
        r#"{ "Data" : [{"ReplyTime":1,"x":[{"Phone":2}],"ReplyContent":"\u6536\u5230\ud83d\ude00","Phone":"(86)185","UserId":null}], "MsgType" : 0 }"#,
    ),
    (
        Kind::Uplink,
        r#"{"MsgType":2,"Data":[{"SessionNo":"s-1","Phone":"18512345678","CostCount":1,"ReceiptTime":1563867000,"ReceiptResult":"发送成功","ReceiptCode":"DELIVRD","ReceiptDesc":"短信","UserId":"u"}]}"#,
    ),
    (Kind::Uplink, r#"{"MsgType":7,"Data":[{"any":["thing"]},null,1]}"#),
    (Kind::Uplink, r#"[{"Phone":"18512345678","ReplyContent":"OK, got it","ReplyTime":1563867000}]"#),
    (Kind::UplinkReply, r#"{"code":0,"message":"ok"}"#),
    (Kind::UplinkReply, r#"{"message":"\u5fd9","code":"3"}"#),
    (
        Kind::ClientPush,
        r#"{"msg":"aGVsbG8=","flag":3,"callback":1,"access_tokens":["5001234_0_1452755824_a91f4dbe1a3fb949d7f570cfb39f079a"]}"#,
    ),
    (Kind::ClientPush, r#"{"access_tokens":[],"callback":0,"msg":"\/\/8="}"#),
    (Kind::ServerPush, r#"{"proxy":0,"payload":{"msg":"aGVsbG8=","flag":3,"clients":[5003062,1003775]}}"#),
    (Kind::ServerPush, r#"{"payload":[{"from":1003200,"to":5003062,"flag":3,"msg":"aGVsbG8="}],"proxy":1}"#),
    (Kind::PushReply, r#"{"request_id":"2279fa57f4d644c1b333f5ff5ff7a2b7"}"#),
    (
        Kind::PushReply,
        r#"{"request_id":"r","error":{"code":400,"field":"payload.msg","message":"required, but missing"}}"#,
    ),
    (
        Kind::Webhook,
        r#"{"event":"device-message","data":{"msg":"aGVsbG8=","from":1003200,"to":[5003062],"created":1452666295}}"#,
    ),
    (Kind::Webhook, r#" {"data": {"state": [1, "on"]}, "event": "device-state"}"#),
    (
        Kind::Tencent,
        r#"{"Events":[{"CallbackCommand":"Push.OfflinePush","EventType":1,"EventTime":1557481127,"From_Account":"user1","To_Account":"user2","PushPlatform":1,"PushStage":1,"MsgKey":"48374_2837546_1557481126","MsgSeq":48374,"MsgRandom":2837546,"MsgTime":1557481126,"PushID":"67120c46_6a4086c0_9bf5fb50_200002d1089b322_2000005d8d46421","ErrCode":0,"ErrInfo":"OK"},{"CallbackCommand":"Push.OfflinePush","EventType":2,"EventTime":1557481127,"From_Account":"user2","To_Account":"user3","PushPlatform":1,"PushStage":1,"GroupID":"@TGS#12DEVUDHQ","MsgSeq":48375,"MsgRandom":2837546,"MsgTime":1557481126,"PushID":"6710c631_85_392fcbcff_200000b2f2c6820_200002c869bfb81","ErrCode":0,"ErrInfo":"OK"}]}"#,
    ),
    (
        Kind::Tencent,
        r#"{"Events":[{"CallbackCommand":"Push.AllMemberPush","EventType":2,"TaskId":"t","DataId":"d","TaskTime":1,"EventTime":2,"To_Account":"u","PushPlatform":8,"DeviceType":"\u0061","PushStage":3,"ErrCode":-1,"ErrInfo":""},{"a":[],"CallbackCommand":"State.StateChange"}]}"#,
    ),
    (Kind::TencentReply, r#"{"ActionStatus":"OK","ErrorInfo":"","ErrorCode":0}"#),
    (Kind::TencentReply, r#"{"ErrorCode":1,"ErrorInfo":"\u6162","ActionStatus":"FAIL"}"#),
    (Kind::Frame, r#"{"hello":{"token":"5001234_0_1452755824_a91f4dbe1a3fb949d7f570cfb39f079a"}}"#),
    (Kind::Frame, r#"{"welcome":{"cid":5003062,"time":1452666295,"heartbeat":30}}"#),
    (Kind::Frame, r#"{"message":{"id":"m","from":1003200,"created":1452666295,"msg":"aGVsbG8="}}"#),
    (Kind::Frame, r#"{"ack":"m"}"#),
    (Kind::Frame, r#"{"receipt":{"id":"m","to":5003062,"state":"delivered"}}"#),
    (Kind::Frame, r#"{"ping":18446744073709551615}"#),
    (Kind::Frame, r#"{"pong":7}"#),
    (Kind::Frame, r#"{"error":{"code":401,"message":"the token expired"}}"#),
    (Kind::Token, "10000_3222274048_1475031947_f124654ced4d5b30dad739caac64f424"),
    (
        Kind::Query,
        "SdkAppid=1400000000&CallbackCommand=Push.OfflinePush&contenttype=json&ClientIP=192.0.2.1&OptPlatform=a%20b&RequestTime=1669872112&Sign=17773bc39a671d7b9aa835458704d2a6db81360a5940292b587d6d760d484061",
    ),
];
