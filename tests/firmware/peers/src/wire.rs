//! A stream that gives what was prepared and swallows what is written, and what it takes to wait for it.

use core::{
    convert::Infallible,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use embedded_io_async::{ErrorType, Read, Write};
use pushgate_firmware::input::Chunks;

/// A stream in memory.
#[derive(Debug)]
pub struct Wire {
    answer: Chunks,
    chunk: &'static [u8],
}

impl Wire {
    /// Makes a stream that gives `answer`, at most `at_once` bytes a read, and then is at its end.
    #[must_use]
    pub fn new(answer: &'static [u8], at_once: usize) -> Self {
        Self { answer: Chunks::new(answer, at_once), chunk: &[] }
    }
}

impl ErrorType for Wire {
    type Error = Infallible;
}

impl Read for Wire {
    async fn read(&mut self, room: &mut [u8]) -> Result<usize, Infallible> {
        if self.chunk.is_empty() {
            self.chunk = self.answer.next().unwrap_or_default();
        }
        let mut len = 0;
        for (to, from) in room.iter_mut().zip(self.chunk) {
            *to = *from;
            len += 1;
        }
        self.chunk = self.chunk.get(len..).unwrap_or_default();
        Ok(len)
    }
}

impl Write for Wire {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(black_box(bytes).len())
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Polls `future` until it is done.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}
