//! Exchanges over streams of `embedded-io-async`.
//!
//! ```
//! use embedded_io_async::{Read, Write};
//! use pushgate_core::http::{Exchange, ExchangeError, Part, asynch::next};
//!
//! async fn status<S: Read + Write>(
//!     exchange: &mut Exchange<'_>,
//!     stream: &mut S,
//! ) -> Result<u16, ExchangeError<S::Error>> {
//!     let mut answered = 0;
//!     loop {
//!         match next(exchange, stream).await? {
//!             Part::Status(status) => answered = status,
//!             Part::End(_) => return Ok(answered),
//!             Part::Header(_) | Part::Body(_) => {}
//!         }
//!     }
//! }
//! ```

use embedded_io_async::{Read, Write};

use super::{Exchange, ExchangeError, Part, exchange::Want};

/// Writes and reads until the next part of the answer is there, and returns it; [`Part::End`] is the last.
///
/// It may be dropped at any wait, by a timeout or by `select`, and called again: what has been done is in the
/// [`Exchange`], and each wait is for one call of the stream. This holds as far as the stream's own calls may be dropped.
///
/// # Errors
///
/// The stream's, and what came is no answer: either way the stream is to be closed.
pub async fn next<'p, S: Read + Write>(
    exchange: &'p mut Exchange<'_>,
    stream: &mut S,
) -> Result<Part<'p, 'p>, ExchangeError<S::Error>> {
    loop {
        match exchange.want() {
            Want::Write => match stream.write(exchange.unwritten()).await.map_err(ExchangeError::Stream)? {
                0 => return Err(ExchangeError::NotWritten),
                len => exchange.written(len),
            },
            Want::Flush => {
                stream.flush().await.map_err(ExchangeError::Stream)?;
                exchange.flushed();
            }
            Want::Read => {
                let len = stream.read(exchange.room()).await.map_err(ExchangeError::Stream)?;
                exchange.received(len)?;
            }
            Want::Part(found) => return Ok(exchange.part(found)),
            Want::Fail => return Err(exchange.error().into()),
        }
    }
}
