//! Reading a document that comes in chunks, in a buffer of the caller's.

use core::marker::PhantomData;

use super::{
    memory::Memory,
    schema::{Kind, Schema},
    table::{Result, Table, Visit},
    values::Values,
};

/// A document that comes in chunks: what has been understood of it, and the caller's buffer.
#[derive(Debug)]
pub(crate) struct Chunks<'b> {
    table: Table,
    memory: Memory<'b>,
}

impl<'b> Chunks<'b> {
    #[inline(never)]
    pub(crate) const fn new(buf: &'b mut [u8], kind: Kind, most_elements: u32) -> Self {
        Self { table: Table::new(kind, most_elements), memory: Memory::Buffer(buf, 0) }
    }

    pub(crate) fn feed(&mut self, chunk: &[u8], visit: &mut Visit<'_>) -> Result<()> {
        self.table.feed(chunk, &mut self.memory, visit)
    }

    /// Ends a batch, whose items have been visited by now, and is ready for another of the same kind.
    pub(crate) fn finish<T>(&mut self, kind: Kind, take: fn(&Values<'_, '_>) -> T) -> Result<T> {
        let finished = self.table.finish();
        let taken = take(&self.table.values(&[]).1);
        self.table.restart(kind);
        self.memory.truncate(0);
        finished.map(|()| taken)
    }

    /// Ends the document and returns its values, if it is one; else the table has what is wrong.
    #[inline(never)]
    fn end(&mut self) -> Option<(&'static Schema, Values<'_, 'b>)> {
        if !self.table.end() {
            return None;
        }
        let memory = core::mem::replace(&mut self.memory, Memory::Document(&[]));
        Some(self.table.values(memory.into_bytes()))
    }
}

/// A payload that is one object: what a [`ChunkReader`] reads.
///
/// The payloads of this crate implement it, and nothing else can.
#[expect(private_bounds, reason = "what nobody else can name, nobody else can implement")]
pub trait Payload<'b>: Whole<'b> {}

/// How a payload is read by its schema.
pub(crate) trait Whole<'b>: Sized {
    /// What its document is.
    const KIND: Kind;

    /// Elements that an array of receivers may have, unless the caller says otherwise.
    const MOST_ELEMENTS: u32 = u32::MAX;

    /// Takes the values of the document.
    fn whole(schema: &'static Schema, values: &Values<'_, 'b>) -> Self;
}

/// Reads a payload that comes in chunks of any size, as a wire delivers it.
///
/// The buffer takes the texts of members that are known here, as they came, and nothing else: a member that is not
/// known is stepped over, however long it is. A buffer as long as the document always suffices.
///
/// ```
/// use pushgate_core::{json::ChunkReader, lingyang::Reply};
///
/// let mut buf = [0; 64];
/// let mut reader = ChunkReader::<Reply>::new(&mut buf);
/// for chunk in [&br#"{"request_"#[..], br#"id":"8f0"#, br#"c","more":[1,2]}"#] {
///     reader.feed(chunk)?;
/// }
/// assert_eq!(reader.finish()?.request_id, "8f0c");
/// # Ok::<(), pushgate_core::Error>(())
/// ```
#[derive(Debug)]
pub struct ChunkReader<'b, P> {
    chunks: Chunks<'b>,
    payload: PhantomData<fn() -> P>,
}

impl<'b, P: Payload<'b>> ChunkReader<'b, P> {
    /// Begins a document whose texts `buf` will hold. A push may have
    /// [`MAX_RECEIVERS`](crate::lingyang::MAX_RECEIVERS).
    #[must_use]
    pub const fn new(buf: &'b mut [u8]) -> Self {
        Self::with_max_receivers(buf, P::MOST_ELEMENTS)
    }

    /// Begins a document whose array of receivers may have up to `max_receivers` elements.
    #[must_use]
    pub const fn with_max_receivers(buf: &'b mut [u8], max_receivers: u32) -> Self {
        Self { chunks: Chunks::new(buf, P::KIND, max_receivers), payload: PhantomData }
    }

    /// Reads the next bytes of the document. After an error every further call fails with the same.
    ///
    /// # Errors
    ///
    /// The first byte or member that breaks a rule, the same however the document is cut;
    /// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull) when the buffer is too small.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<()> {
        self.chunks.feed(chunk, &mut |_, _| {})
    }

    /// Ends the document and returns what it held.
    ///
    /// # Errors
    ///
    /// That of the last [`feed`](Self::feed), or that the document is not complete.
    // Called, so that the reader is handed on where it is: inlined, all of it would be moved.
    #[inline(never)]
    pub fn finish(mut self) -> Result<P> {
        // Looked at where they are: taken apart, all the values would be copied.
        if let Some(ended) = &self.chunks.end() {
            return Ok(P::whole(ended.0, &ended.1));
        }
        Err(self.chunks.table.error())
    }
}
