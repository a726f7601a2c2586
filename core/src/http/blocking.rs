//! Exchanges over streams of `embedded-io`.
//!
//! ```
//! use embedded_io::{Read, Write};
//! use pushgate_core::http::{Exchange, ExchangeError, Part, blocking::next};
//!
//! fn status<S: Read + Write>(exchange: &mut Exchange<'_>, stream: &mut S) -> Result<u16, ExchangeError<S::Error>> {
//!     let mut answered = 0;
//!     loop {
//!         match next(exchange, stream)? {
//!             Part::Status(status) => answered = status,
//!             Part::End(_) => return Ok(answered),
//!             Part::Header(_) | Part::Body(_) => {}
//!         }
//!     }
//! }
//! ```

use embedded_io::{Read, Write};

use super::{Exchange, ExchangeError, Part, exchange::Want};

/// Writes and reads until the next part of the answer is there, and returns it; [`Part::End`] is the last.
///
/// An error of the stream that passes, such as a timeout, loses nothing: call it again to go on.
///
/// # Errors
///
/// The stream's, and what came is no answer: but for errors that pass, the stream is to be closed.
pub fn next<'p, S: Read + Write>(
    exchange: &'p mut Exchange<'_>,
    stream: &mut S,
) -> Result<Part<'p, 'p>, ExchangeError<S::Error>> {
    loop {
        match exchange.want() {
            Want::Write => match stream.write(exchange.unwritten()).map_err(ExchangeError::Stream)? {
                0 => return Err(ExchangeError::NotWritten),
                len => exchange.written(len),
            },
            Want::Flush => {
                stream.flush().map_err(ExchangeError::Stream)?;
                exchange.flushed();
            }
            Want::Read => {
                let len = stream.read(exchange.room()).map_err(ExchangeError::Stream)?;
                exchange.received(len)?;
            }
            Want::Part(found) => return Ok(exchange.part(found)),
            Want::Fail => return Err(exchange.error().into()),
        }
    }
}
