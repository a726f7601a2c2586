//! Lines on a raw byte stream: TCP, or TLS over it.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use pushgate_core::link::{LineBuffer, MAX_LINE_LEN};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wire::{Ended, Heard, Wire};

/// Bytes taken from the stream at a time.
const CHUNK: usize = 1024;

/// Bytes that may wait to be written before another line.
const ENOUGH: usize = 2 * MAX_LINE_LEN;

/// A byte stream that holds memory only while there is something in it: half a line that came, and what could not be
/// written yet.
#[derive(Debug)]
pub(super) struct LineStream<S> {
    stream: S,
    half: Option<Box<LineBuffer<MAX_LINE_LEN>>>,
    out: Vec<u8>,
    written: usize,
}

impl<S> LineStream<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, half: None, out: Vec::new(), written: 0 }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for LineStream<S> {
    fn poll_receive(&mut self, cx: &mut Context<'_>, take: &mut dyn FnMut(Heard<'_>)) -> Poll<Result<(), Ended>> {
        let mut chunk = [0; CHUNK];
        let mut chunk = ReadBuf::new(&mut chunk);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut chunk))?;
        let mut input = chunk.filled();
        if input.is_empty() {
            return Poll::Ready(Err(Ended::Left));
        }
        let mut lines = self.half.take().unwrap_or_default();
        while let Some(line) = lines.feed(&mut input) {
            take(Heard::Line(line));
        }
        self.half = (!lines.is_empty()).then_some(lines);
        Poll::Ready(Ok(()))
    }

    fn put(&mut self, line: &[u8]) -> Result<(), Ended> {
        self.out.extend_from_slice(line);
        Ok(())
    }

    fn has_room(&self) -> bool {
        self.out.len() < ENOUGH
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Ended>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.written..) {
            match ready!(Pin::new(&mut self.stream).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::Error::from(io::ErrorKind::WriteZero).into())),
                written => self.written += written,
            }
        }
        (self.out, self.written) = (Vec::new(), 0);
        Pin::new(&mut self.stream).poll_flush(cx).map_err(Ended::Io)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: Option<u16>) -> Poll<Result<(), Ended>> {
        Pin::new(&mut self.stream).poll_shutdown(cx).map_err(Ended::Io)
    }
}
