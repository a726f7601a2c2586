//! The events of a callback: what became of a push, at one of its stages, for one recipient.

use crate::{
    Error, ErrorKind, Identity, Text,
    identity::Identifier,
    json::{
        Raw,
        batch::NotSendable,
        object::object,
        open_enum::open_enum,
        room::Room,
        schema::Kind,
        slice::Slice,
        value::{Value, write_item},
        values::Values,
        write::Writer,
    },
};

/// Declares the type of a member that holds one text always.
macro_rules! constant {
    ($(#[$meta:meta])* pub struct $Name:ident = $text:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub struct $Name;

        impl $Name {
            /// The text.
            pub const TEXT: &'static str = $text;
        }

        impl<'a> Value<'a> for $Name {
            const KIND: Kind =
                Kind::Checked(|text| if text.is($text) { None } else { Some(&ErrorKind::NotOneOf($text)) });

            fn empty() -> Self {
                Self
            }

            fn of(_: &Values<'_, 'a>, _: usize, _: usize) -> Self {
                Self
            }

            #[inline]
            fn read_plain(slice: &mut Slice<'a>) -> Option<Self> {
                if slice.take_literal(concat!("\"", $text, "\"")) {
                    return Some(Self);
                }
                (slice.string()? == Self::TEXT).then_some(Self)
            }

            const BEGINNING: &'static str = concat!("\"", $text, "\"");

            fn write(&self, writer: &mut Writer<'_>) {
                writer.text(Text::from(Self::TEXT));
            }

            #[inline(always)]
            fn write_plain<'b>(&self, room: Room<'b>) -> Option<Room<'b>> {
                Some(room)
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $Name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(Self::TEXT)
            }
        }

        #[cfg(feature = "serde")]
        impl<'de> serde::Deserialize<'de> for $Name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text: &str = serde::Deserialize::deserialize(deserializer)?;
                if text == Self::TEXT { Ok(Self) } else { Err(serde::de::Error::custom(Self::TEXT)) }
            }
        }
    };
}

constant! {
    /// The command of an [`OfflinePush`].
    pub struct OfflinePushCommand = "Push.OfflinePush"
}

constant! {
    /// The command of an [`AllMemberPush`].
    pub struct AllMemberPushCommand = "Push.AllMemberPush"
}

open_enum! {
    /// What kind of chat the pushed message belongs to.
    pub enum EventType {
        /// Single chat.
        Single = 1,
        /// Group chat.
        Group = 2,
    }
}

open_enum! {
    /// How a push to all members reached its recipient.
    pub enum AllMemberEventType {
        /// Pushed through the vendor of the device.
        Offline = 1,
        /// Sent to the app, which was online.
        Online = 2,
    }
}

open_enum! {
    /// Whose push service took it.
    pub enum PushPlatform {
        /// Unknown vendor.
        UnknownVendor = 0,
        /// Apple APNs.
        Apns = 1,
        /// Xiaomi.
        Xiaomi = 2,
        /// Huawei.
        Huawei = 3,
        /// Google FCM.
        Fcm = 4,
        /// Meizu.
        Meizu = 5,
        /// OPPO.
        Oppo = 6,
        /// vivo.
        Vivo = 7,
        /// Honor.
        Honor = 8,
    }
}

open_enum! {
    /// How far the push has come.
    pub enum PushStage {
        /// It has been sent.
        Sending = 1,
        /// It has been delivered.
        Delivery = 2,
        /// It has been clicked.
        Click = 3,
    }
}

macro_rules! empty_is_unknown {
    ($($Name:ident)*) => {
        $(
            /// A code nobody gave: what an object holds before it is read.
            impl Default for $Name {
                fn default() -> Self {
                    Self::Unknown(-1)
                }
            }
        )*
    };
}
empty_is_unknown!(EventType AllMemberEventType PushPlatform PushStage);

object! {
    /// What became of a push for one message to one recipient.
    #[derive(Default)]
    #[cfg_attr(feature = "serde", derive(serde::Deserialize), serde(bound(deserialize = "'de: 'a")))]
    pub struct OfflinePush<'a> {
        /// `Push.OfflinePush`.
        "CallbackCommand" callback_command: OfflinePushCommand,
        /// Single or group chat.
        "EventType" event_type: EventType,
        /// When it happened, in unix seconds.
        "EventTime" event_time: u64,
        /// Who sent the message.
        "From_Account" from_account: Option<Text<'a>>,
        /// Whom it was pushed to.
        "To_Account" to_account: Text<'a>,
        /// Whose push service took it.
        "PushPlatform" push_platform: Option<PushPlatform>,
        /// How far it has come.
        "PushStage" push_stage: PushStage,
        /// What identifies a message of a single chat; absent or empty elsewhere.
        "MsgKey" msg_key: Option<Text<'a>>,
        /// The group of a group chat; absent or empty elsewhere.
        "GroupID" group_id: Option<Text<'a>>,
        /// The message's number in its chat.
        "MsgSeq" msg_seq: Option<u32>,
        /// The message's random number; may be absent or 0 in a group chat.
        "MsgRandom" msg_random: Option<u32>,
        /// When the message was sent, in unix seconds.
        "MsgTime" msg_time: Option<u64>,
        /// What identifies the push; absent before late 2024.
        "PushID" push_id: Option<Text<'a>>,
        /// 0 = success.
        "ErrCode" err_code: i64,
        /// The result in words; may be empty.
        "ErrInfo" err_info: Option<Text<'a>>,
    }
}

object! {
    /// What became of a push to all members, for one recipient.
    #[derive(Default)]
    pub struct AllMemberPush<'a> {
        /// `Push.AllMemberPush`.
        "CallbackCommand" callback_command: AllMemberPushCommand,
        /// Offline or online.
        "EventType" event_type: AllMemberEventType,
        /// The push task.
        "TaskId" task_id: Text<'a>,
        /// The app's own mark on the task.
        "DataId" data_id: Option<Text<'a>>,
        /// When the task began, in unix seconds.
        "TaskTime" task_time: u64,
        /// When the event happened, in unix seconds.
        "EventTime" event_time: u64,
        /// Whom it was pushed to.
        "To_Account" to_account: Text<'a>,
        /// Whose push service took it.
        "PushPlatform" push_platform: PushPlatform,
        /// The kind of device. The vendor publishes neither type nor values, so it is kept as it came (ours).
        "DeviceType" device_type: Option<Raw<'a>>,
        /// How far it has come.
        "PushStage" push_stage: PushStage,
        /// 0 = success.
        "ErrCode" err_code: i64,
        /// The result in words; may be empty.
        "ErrInfo" err_info: Text<'a>,
    }
}

/// One event of a batch, as it is visited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'i, 'a> {
    /// `Push.OfflinePush`.
    OfflinePush(&'i OfflinePush<'a>),
    /// `Push.AllMemberPush`.
    AllMemberPush(&'i AllMemberPush<'a>),
    /// Another command, kept as it came.
    Unknown {
        /// Its `CallbackCommand`.
        command: Text<'a>,
        /// The whole event.
        event: Raw<'a>,
    },
}

impl<'a> Event<'_, 'a> {
    /// The event's `CallbackCommand`.
    #[must_use]
    pub fn command(&self) -> Text<'a> {
        match self {
            Self::OfflinePush(_) => Text::from(OfflinePushCommand::TEXT),
            Self::AllMemberPush(_) => Text::from(AllMemberPushCommand::TEXT),
            Self::Unknown { command, .. } => *command,
        }
    }

    /// What makes two copies of an event the same: (`PushID`, `To_Account`, `PushStage`, `PushPlatform`), or without a
    /// `PushID` (`MsgKey` or `GroupID` and `MsgSeq`, `To_Account`, `PushStage`) (the Tencent page; ours). A push to all
    /// members counts by its task in the place of the `PushID`; what has none of these counts as a whole.
    #[must_use]
    pub fn identity(&self) -> Identity {
        match self {
            Self::OfflinePush(event) => event.identity(),
            Self::AllMemberPush(event) => Identifier::new("task")
                .text(event.task_id)
                .text(event.to_account)
                .integer(event.push_stage.into())
                .integer(event.push_platform.into())
                .finish(),
            Self::Unknown { event, .. } => Identifier::new("unknown").bytes(event.as_bytes()).finish(),
        }
    }

    /// Writes the event as JSON in documented member order, without what is absent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`] with the length it takes.
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        let mut writer = Writer::new(buf);
        self.write_to(&mut writer);
        writer.finish()
    }

    pub(super) fn write_to(&self, writer: &mut Writer<'_>) {
        match self {
            Self::OfflinePush(event) => write_item(*event, writer),
            Self::AllMemberPush(event) => write_item(*event, writer),
            Self::Unknown { event, .. } => event.write(writer),
        }
    }

    /// The rules that hold for what we send and not for what we read.
    pub(super) fn check_sendable(&self) -> Result<(), NotSendable> {
        let Self::OfflinePush(event) = self else { return Ok(()) };
        let stray = |text: Option<Text<'_>>| text.is_some_and(|text| !text.is_empty());
        let (member, why) = match event.event_type {
            EventType::Group if stray(event.msg_key) => ("MsgKey", "belongs to a single chat (EventType 1) only"),
            EventType::Single if stray(event.group_id) => ("GroupID", "belongs to a group chat (EventType 2) only"),
            _ => return Ok(()),
        };
        Err(NotSendable { member: Some(member), why })
    }
}

impl OfflinePush<'_> {
    fn identity(&self) -> Identity {
        let given = |text: Option<Text<'_>>| text.is_some_and(|text| !text.is_empty());
        let identifier = if given(self.push_id) {
            let platform = self.push_platform.map_or(-1, i64::from);
            Identifier::new("push").optional(self.push_id).integer(platform)
        } else if given(self.msg_key) {
            Identifier::new("message").optional(self.msg_key)
        } else if given(self.group_id) {
            let seq = self.msg_seq.map_or(u64::MAX, u64::from);
            Identifier::new("group").optional(self.group_id).number(seq)
        } else {
            Identifier::new("event")
                .integer(self.event_type.into())
                .number(self.event_time)
                .optional(self.from_account)
                .integer(self.push_platform.map_or(-1, i64::from))
                .number(self.msg_seq.map_or(u64::MAX, u64::from))
                .number(self.msg_random.map_or(u64::MAX, u64::from))
                .number(self.msg_time.unwrap_or(u64::MAX))
                .integer(self.err_code)
                .optional(self.err_info)
        };
        identifier.text(self.to_account).integer(self.push_stage.into()).finish()
    }
}
