//! `[tencent]`: which apps' IM callbacks are taken here, and where events go.

use super::{
    client_tls::ClientTls,
    name::{Name, Named, Roster},
    reader::Section,
    secret::Secret,
    sending::Sending,
    target::Target,
};
use std::{fmt, str::FromStr};

/// Which apps' IM callbacks are taken here, and where events go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tencent {
    /// Each is `POST /receive/tencent/{name}`.
    pub receivers: Roster<TencentReceiver>,
    /// Each is a lane fed by `POST /api/tencent/{name}`.
    pub destinations: Roster<TencentDestination>,
}

impl Tencent {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        Self {
            receivers: Roster::read(section, "receivers", TencentReceiver::read),
            destinations: Roster::read(section, "destinations", TencentDestination::read),
        }
    }
}

/// Takes the callbacks of one app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TencentReceiver {
    /// The last segment of its path.
    pub name: Name,
    /// The app whose callbacks these are: "the receiver must compare SdkAppid with its own".
    pub sdk_app_id: SdkAppId,
    /// The token that the app signs its callbacks with; when there is one, an unsigned callback is refused.
    pub token: Option<Secret>,
    /// How a failure is spelled. Default [`FailureStatus::Failure`].
    pub failure_status: FailureStatus,
}

impl TencentReceiver {
    fn read(name: Option<Name>, section: &mut Section<'_>) -> Option<Self> {
        let sdk_app_id = section.required("sdk_app_id", |value| value.parse(str::parse));
        let token = section.optional("token", Secret::read);
        let failure_status = section.or("failure_status", FailureStatus::default(), |value| value.parse(str::parse));
        Some(Self { name: name?, sdk_app_id: sdk_app_id?, token, failure_status })
    }
}

impl Named for TencentReceiver {
    fn name(&self) -> &Name {
        &self.name
    }
}

/// A callback URL that events are delivered to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TencentDestination {
    /// The lane's name.
    pub name: Name,
    /// Where events are posted; the callback's parameters are added to its query.
    pub url: Target,
    /// How that is reached over TLS, beyond what every `https` URL gets.
    pub tls: Option<ClientTls>,
    /// The app that the events are of.
    pub sdk_app_id: SdkAppId,
    /// The token that the callbacks are signed with; unsigned when `None`.
    pub token: Option<Secret>,
    /// Retries, times and concurrency; see [`TencentDestination::SENDING`].
    pub sending: Sending,
}

impl TencentDestination {
    /// The timeout of 2 s is the vendor's. Three retries, 1 s apart, are ours (0 is the vendor's default), and so are
    /// the concurrency of 64 and, after the vendor's "over 1000 requests/s are delayed", the rate of 1 000 a second.
    pub const SENDING: Sending =
        Sending { timeout_ms: 2_000, concurrency: 64, rate_per_second: Some(1_000), ..Sending::DEFAULT };

    fn read(name: Option<Name>, section: &mut Section<'_>) -> Option<Self> {
        let url = section.required("url", Target::read);
        let tls = ClientTls::read(section, "tls", url.as_ref());
        let sdk_app_id = section.required("sdk_app_id", |value| value.parse(str::parse));
        let token = section.optional("token", Secret::read);
        let sending = Sending::read(section, Self::SENDING);
        Some(Self { name: name?, url: url?, tls, sdk_app_id: sdk_app_id?, token, sending })
    }
}

impl Named for TencentDestination {
    fn name(&self) -> &Name {
        &self.name
    }
}

/// The id of an app at the vendor: 1 to 20 decimal digits, compared as text. (the length is ours)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SdkAppId(String);

impl SdkAppId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SdkAppId {
    type Err = NotAnSdkAppId;

    fn from_str(text: &str) -> Result<Self, NotAnSdkAppId> {
        let digits = (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if digits { Ok(Self(text.to_owned())) } else { Err(NotAnSdkAppId) }
    }
}

impl fmt::Display for SdkAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no [`SdkAppId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotAnSdkAppId;

impl fmt::Display for NotAnSdkAppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be 1 to 20 digits, such as 1400000000")
    }
}

impl std::error::Error for NotAnSdkAppId {}

/// How the answer to a refused callback spells its `ActionStatus`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FailureStatus {
    /// `FAILURE`, as the page of this callback prints it.
    #[default]
    Failure,
    /// `FAIL`, as every other page of the vendor prints it.
    Fail,
}

impl FailureStatus {
    /// The word as it is sent.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "FAILURE",
            Self::Fail => "FAIL",
        }
    }
}

impl fmt::Display for FailureStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for FailureStatus {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        match text {
            "FAILURE" => Ok(Self::Failure),
            "FAIL" => Ok(Self::Fail),
            _ => Err("must be \"FAILURE\" or \"FAIL\""),
        }
    }
}
