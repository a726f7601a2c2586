//! What a device says on the link: the half of its frames that it writes.

use crate::{Error, Text, json::write::Writer};

use super::{Frame, Hello};

/// A frame that a device sends.
///
/// Each is a [`Frame`] too, and the same bytes. It is a type of its own so that a device's image holds no writer for what
/// only a host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Outgoing<'a> {
    /// First on a raw stream.
    Hello(Hello<'a>),
    /// The id of a message that has come.
    Ack(Text<'a>),
    /// Are you there?
    Ping(u64),
    /// The answer to a ping, with its number.
    Pong(u64),
}

impl Outgoing<'_> {
    /// Writes the line with its line feed; [`MAX_LINE_LEN`](super::MAX_LINE_LEN) bytes hold every frame whose texts
    /// are of ordinary length.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) with the length it takes.
    ///
    /// ```
    /// use pushgate_core::link::Outgoing;
    ///
    /// let mut buf = [0; 64];
    /// assert_eq!(Outgoing::Ack("m1".into()).write(&mut buf)?, b"{\"ack\":\"m1\"}\n");
    /// # Ok::<(), pushgate_core::Error>(())
    /// ```
    pub fn write<'b>(&self, buf: &'b mut [u8]) -> Result<&'b [u8], Error> {
        // Each is one value between two constants: who says no more needs none of an object's writers.
        let (before, after): (&[u8], &[u8]) = match self {
            Self::Hello(_) => (b"{\"hello\":{\"token\":", b"}}\n"),
            Self::Ack(_) => (b"{\"ack\":", b"}\n"),
            Self::Ping(_) => (b"{\"ping\":", b"}\n"),
            Self::Pong(_) => (b"{\"pong\":", b"}\n"),
        };
        let mut writer = Writer::new(buf);
        writer.raw(before);
        match *self {
            Self::Hello(Hello { token: text }) | Self::Ack(text) => writer.text(text),
            Self::Ping(number) | Self::Pong(number) => writer.unsigned(number),
        }
        writer.raw(after);
        writer.finish()
    }
}

impl<'a> From<Outgoing<'a>> for Frame<'a> {
    fn from(outgoing: Outgoing<'a>) -> Self {
        match outgoing {
            Outgoing::Hello(hello) => Self::Hello(hello),
            Outgoing::Ack(id) => Self::Ack(id),
            Outgoing::Ping(number) => Self::Ping(number),
            Outgoing::Pong(number) => Self::Pong(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_device_sends_is_the_line_of_its_frame() {
        for outgoing in [
            Outgoing::Hello(Hello { token: "t\"".into() }),
            Outgoing::Ack("m".into()),
            Outgoing::Ping(7),
            Outgoing::Pong(u64::MAX),
        ] {
            let (mut own, mut frames) = ([0; 64], [0; 64]);
            assert_eq!(outgoing.write(&mut own), Frame::from(outgoing).write(&mut frames), "{outgoing:?}");
        }
    }
}
