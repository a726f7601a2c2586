//! `pushgate push client` and `pushgate push server`: a message for devices, sent to a gateway once.

use super::{ClientArgs, Flag, Message, Recipients, ServerArgs, courier};
use crate::{
    cli::{
        Failure, Outcome,
        input::{Input, read_key},
        output::{Format, Output},
    },
    config::Target,
    courier::{Class, Failure as NoAnswer, Post, Reply},
    shown,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use pushgate_core::{
    Error, Text, Verdict,
    json::to_vec,
    lingyang::{
        self, AccessTokens, BatchPush, Callback, Cid, Cids, ClientPush, MAX_MSG_BYTES, Msg, ProxyMessage,
        ProxyMessages, ServerPush,
    },
};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How long the gateway may take to answer. The page says nothing of it (ours).
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn push_client(args: &ClientArgs, out: Output) -> Outcome {
    let bytes = args.message.read(out)?;
    let tokens: Vec<_> = args.to.iter().map(|token| Text::from(token.reveal())).collect();
    let push = ClientPush {
        msg: args.message.msg(&bytes)?,
        flag: args.message.flag.map(Flag::mark),
        callback: if args.callback { Callback::Yes } else { Callback::No },
        access_tokens: AccessTokens::from(tokens.as_slice()),
    };
    let mut headers = HeaderMap::new();
    put(&mut headers, "x-client-token", "--token", args.token.read()?.reveal())?;
    let body = to_vec(|buf| push.write(buf)).map_err(unwritable)?;
    post(&args.url, "/v2/message/client/push", headers, body, out).await
}

pub(super) async fn push_server(args: &ServerArgs, out: Output) -> Outcome {
    let recipients = args.recipients()?;
    let key = read_key(&args.app_key_file)?;
    let bytes = args.message.read(out)?;
    let (msg, flag) = (args.message.msg(&bytes)?, args.message.flag.map(Flag::mark));
    let body = match recipients {
        Recipients::Clients(cids) => {
            let cids = cids.iter().copied().map(cid).collect::<Result<Vec<_>, _>>()?;
            let push = ServerPush::Batch(BatchPush { msg, flag, clients: Cids::from(cids.as_slice()) });
            to_vec(|buf| push.write(buf))
        }
        Recipients::Proxy { from, to } => {
            let messages = [ProxyMessage { from: cid(from)?, to: cid(to)?, flag, msg }];
            let push = ServerPush::Proxy(ProxyMessages::from(messages.as_slice()));
            to_vec(|buf| push.write(buf))
        }
    };
    let mut headers = HeaderMap::new();
    put(&mut headers, "x-app-id", "--app-id", &args.app_id)?;
    put(&mut headers, "x-app-key", "the key file", key.reveal())?;
    post(&args.url, "/v2/message/server/push", headers, body.map_err(unwritable)?, out).await
}

impl Message {
    /// Reads the message's bytes.
    fn read(&self, out: Output) -> Result<Vec<u8>, Failure> {
        let Some(file) = &self.msg_file else { return Ok(self.msg.clone().unwrap_or_default().into_bytes()) };
        let input = Input::read(file).and_then(|input| match input.bytes().len() {
            0..=MAX_MSG_BYTES => Ok(input),
            long => Err(input.fault_of_all(format!("{long} bytes; a message has at most {MAX_MSG_BYTES}"))),
        });
        match input {
            Ok(input) => Ok(input.bytes().to_vec()),
            Err(fault) => {
                out.note(fault);
                Err(Failure::Reported)
            }
        }
    }

    fn msg<'a>(&self, bytes: &'a [u8]) -> Result<Msg<'a>, Failure> {
        Msg::from_bytes(bytes).map_err(|error| Failure::Usage(format!("--{error}")))
    }
}

impl Flag {
    fn mark(self) -> lingyang::Flag {
        match self {
            Self::UntilAnswered => lingyang::Flag::UntilAnswered,
            Self::Once => lingyang::Flag::Once,
        }
    }
}

fn cid(value: u32) -> Result<Cid, Failure> {
    Cid::try_from(value).map_err(|error| Failure::Usage(error.to_string()))
}

fn unwritable(error: Error) -> Failure {
    Failure::Operation(error.to_string())
}

/// Adds a header whose value no log shows.
fn put(headers: &mut HeaderMap, name: &'static str, given_as: &str, value: &str) -> Result<(), Failure> {
    let printable = value.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(value).ok().filter(|_| printable);
    let mut value = value.ok_or_else(|| {
        Failure::Usage(format!("{given_as}: must be printable ASCII without spaces: it travels in a header"))
    })?;
    value.set_sensitive(true);
    headers.insert(HeaderName::from_static(name), value);
    Ok(())
}

/// How a push went, with `--json`.
#[derive(Debug, Default, Serialize)]
struct Answer {
    accepted: bool,
    /// `accepted`, `status` when the gateway's says otherwise, or the class of failure when there is none.
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    took_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    /// What can be done, for people.
    #[serde(skip)]
    advice: String,
}

impl Answer {
    /// Reads an answer: "clients judge by the status alone", so what the body says is for people.
    fn of(answer: &Reply, took: Duration) -> Self {
        let header = |name| answer.headers.get(name).and_then(|value| value.to_str().ok());
        let reply = lingyang::Reply::read(&answer.body).ok();
        let refusal = reply.and_then(|reply| reply.error);
        let verdict = lingyang::verdict(answer.status);
        let advice = match (verdict, answer.status) {
            (Verdict::Delivered, _) => String::new(),
            (Verdict::TryAgain, _) => match header("retry-after") {
                Some(seconds) => format!("; it may pass: try again in {} s", shown::text(seconds)),
                None => "; it may pass: try again".to_owned(),
            },
            (Verdict::GiveUp, 300..=399) => {
                "; redirects are not followed: --url must name the gateway itself".to_owned()
            }
            // A gateway says itself what is wrong.
            (Verdict::GiveUp, _) if refusal.is_none() => "; is --url a gateway's public listener?".to_owned(),
            (Verdict::GiveUp, _) => String::new(),
        };
        Self {
            accepted: verdict == Verdict::Delivered,
            result: if verdict == Verdict::Delivered { "accepted" } else { "status" },
            status: Some(answer.status),
            took_ms: millis(took),
            request_id: reply
                .map(|reply| reply.request_id.to_cow().into_owned())
                .or_else(|| header("x-request-id").map(str::to_owned)),
            field: refusal.and_then(|refusal| refusal.field).map(|field| field.to_cow().into_owned()),
            message: refusal.map(|refusal| refusal.message.to_cow().into_owned()),
            advice,
        }
    }

    /// Tells that there was no answer.
    fn none(failure: &NoAnswer, took: Duration) -> Self {
        let advice = match failure.class {
            Class::Timeout | Class::Closed | Class::Protocol | Class::AnswerTooLarge => {
                "; the gateway may have accepted it nevertheless"
            }
            _ => "",
        };
        Self {
            result: failure.class.as_str(),
            took_ms: millis(took),
            message: Some(failure.to_string()),
            advice: advice.to_owned(),
            ..Self::default()
        }
    }

    /// `refused: HTTP 400 in 3 ms, request 2279…: payload.msg: must be …`.
    fn text(&self, verdict: &str) -> String {
        let status = self.status.map(|status| format!("HTTP {status} in {} ms", self.took_ms));
        let mut text = verdict.to_owned();
        for (before, part) in
            [(": ", &status), (", request ", &self.request_id), (": ", &self.field), (": ", &self.message)]
        {
            if let Some(part) = part {
                text += before;
                text += &shown::text(part);
            }
        }
        text + &self.advice
    }
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Posts `body` below the gateway's base URL, once.
async fn post(base: &Target, path: &str, headers: HeaderMap, body: Vec<u8>, out: Output) -> Outcome {
    let post = Post { url: join(base, path), headers, body: Bytes::from(body), timeout: ANSWER_WITHIN };
    let start = Instant::now();
    let (answer, verdict) = match courier().post(post).await {
        Ok(reply) => (Answer::of(&reply, start.elapsed()), "refused"),
        Err(failure) => (Answer::none(&failure, start.elapsed()), "no answer"),
    };
    if answer.accepted {
        return Ok(out.result(&answer, |paint| answer.text(&paint.good("accepted")))?);
    }
    if out.format() == Format::Json {
        out.result(&answer, |_| String::new())?;
    }
    Err(Failure::Operation(answer.text(verdict)))
}

fn join(base: &Target, path: &str) -> String {
    let uri = base.uri();
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |host| host.as_str()));
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    format!("{scheme}://{authority}{}{path}{query}", uri.path().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_goes_behind_the_base_url() {
        for (base, url) in [
            ("http://h:1", "http://h:1/v2/x"),
            ("http://h:1/", "http://h:1/v2/x"),
            ("https://h/api/", "https://h/api/v2/x"),
            ("https://h/api?tenant=1", "https://h/api/v2/x?tenant=1"),
        ] {
            assert_eq!(join(&base.parse().unwrap(), "/v2/x"), url);
        }
    }
}
