//! Reads a Tencent batch as its bytes come, in 1 KiB however long it is.

use pushgate_core::{
    Error,
    tencent::{BatchReader, Event, MAX_EVENTS},
};

use crate::{
    board::{self, Uart},
    console::{Check, Console, Ends},
};

/// Milliseconds without a byte after which the rest of a batch is given up.
const SILENT_WITHIN: u32 = 5000;

/// The texts of one event at a time.
pub(crate) const EVENT_LEN: usize = 1024;

/// Reads a batch of `len` bytes and tells what it was: how many events there are and what the last one says, or what is
/// wrong with it.
#[inline(never)]
pub(crate) fn read(uart: &mut Uart, len: usize, ends: Ends, buf: &mut [u8; EVENT_LEN], console: &mut Console) {
    let mut reader = BatchReader::new(buf);
    let (mut left, mut chunk) = (len, [0; 64]);
    let (mut pieces, mut events) = (0, 0);
    let mut until = board::now().plus(SILENT_WITHIN);
    while left > 0 && board::now() < until {
        let room = chunk.get_mut(..left.min(64)).unwrap_or_default();
        let read = uart.read(room);
        if read == 0 {
            board::sleep();
            continue;
        }
        until = board::now().plus(SILENT_WITHIN);
        left -= read;
        pieces += 1;
        let piece = room.get(..read).unwrap_or_default();
        // What has failed fails again, at the end; the rest has to be read all the same.
        let _ = reader.feed(piece, |event| {
            events += 1;
            if events == MAX_EVENTS {
                tell(&event, console);
            }
        });
    }
    let batch = reader.finish();
    end(&batch, len - left, pieces, console);
    console.check("a batch is read, or refused, as it must be", Check::from(batch.is_ok() == (ends == Ends::Well)));
}

fn end(batch: &Result<u32, Error>, bytes: usize, pieces: u64, console: &mut Console) {
    let line = console.event("batch").number("bytes", bytes as u64).number("pieces", pieces);
    match batch {
        Ok(events) => line.number("events", u64::from(*events)),
        Err(error) => line.number("offset", error.offset() as u64).says("refused", error),
    };
}

/// Tells of the last event that a batch may have.
fn tell(event: &Event<'_, '_>, console: &mut Console) {
    let Event::OfflinePush(push) = event else { return };
    let line = console.event("last").number("time", push.event_time).number("code", push.err_code.unsigned_abs());
    let line = line.text("id", push.push_id.unwrap_or_default());
    drop(line.text("to", push.to_account).text("info", push.err_info.unwrap_or_default()));
}
