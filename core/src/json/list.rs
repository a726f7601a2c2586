//! An array inside a payload: checked when it is read, visited when it is wanted.

use core::fmt;

use super::{memory::Memory, slice::Slice, table::Table, value::Value, values::Values, write::Writer};

/// A checked array, or what is left of it, as its reader had it: as a `&str`, or as bytes it has found to be UTF-8.
#[derive(Clone, Copy)]
pub(crate) enum Array<'a> {
    Str(&'a str),
    Utf8(&'a [u8]),
}

impl<'a> Array<'a> {
    fn as_bytes(self) -> &'a [u8] {
        match self {
            Self::Str(array) => array.as_bytes(),
            Self::Utf8(array) => array,
        }
    }

    /// The elements, behind the opening bracket.
    fn elements(self) -> Self {
        match self {
            Self::Str(array) => Self::Str(array.get(1..).unwrap_or_default()),
            Self::Utf8(array) => Self::Utf8(array.get(1..).unwrap_or_default()),
        }
    }
}

/// Takes the elements of a checked array one by one.
pub(crate) trait Next<'a, T>: Copy {
    /// What is left of the array.
    type Rest: Clone;

    /// Begins with the elements.
    fn begin(elements: Array<'a>) -> Self::Rest;

    fn next(self, rest: &mut Self::Rest) -> Option<T>;
}

impl<'a, T, N: Fn(&mut Array<'a>) -> Option<T> + Copy> Next<'a, T> for N {
    type Rest = Array<'a>;

    #[inline]
    fn begin(elements: Array<'a>) -> Array<'a> {
        elements
    }

    #[inline]
    fn next(self, rest: &mut Array<'a>) -> Option<T> {
        self(rest)
    }
}

/// Takes elements fast, whoever has checked the array: for those that are read in so few instructions that a pointer
/// to the function would cost more.
#[derive(Clone, Copy)]
pub(crate) struct Fast;

impl<'a, T: Value<'a>> Next<'a, T> for Fast {
    type Rest = Slice<'a>;

    #[inline]
    fn begin(elements: Array<'a>) -> Slice<'a> {
        Slice::new(match elements {
            Array::Str(elements) => elements,
            Array::Utf8(elements) => core::str::from_utf8(elements).unwrap_or_default(),
        })
    }

    #[inline]
    fn next(self, rest: &mut Slice<'a>) -> Option<T> {
        next_in(rest)
    }
}

/// How the reader that has checked an array takes its elements. A pointer, so that a device that reads by tables alone
/// does not carry the fast reader for the sake of its lists; of no lifetime, so that a list may be taken for one of a
/// shorter lifetime.
pub(crate) type NextOf<L> = for<'x> fn(&mut Array<'x>) -> Option<<L as Element>::At<'x>>;

/// What a list holds, wherever its texts are borrowed from.
pub(crate) trait Element {
    type At<'x>;
}

/// The elements of an array: where they stand in the input, or a slice of the caller's.
#[derive(Clone, Copy)]
pub(crate) enum List<'a, T, N> {
    /// A checked JSON array and the number of its elements.
    Json {
        array: Array<'a>,
        len: u32,
        next: N,
    },
    Slice(&'a [T]),
}

impl<T, N> Default for List<'_, T, N> {
    fn default() -> Self {
        Self::Slice(&[])
    }
}

impl<'a, T: Value<'a> + Copy, N: Next<'a, T>> List<'a, T, N> {
    /// Takes the list that is member `index`, whose elements `next` takes by table.
    pub(crate) fn of(values: &Values<'_, 'a>, index: usize, next: N) -> Self {
        Self::Json { array: Array::Utf8(values.raw(index)), len: values.elements(), next }
    }

    /// Reads a list whose elements `next` takes fast.
    pub(crate) fn read_plain(slice: &mut Slice<'a>, next: N) -> Option<Self> {
        slice.peek()?;
        let start = slice.rest();
        let len = slice.elements(|slice| T::read_plain(slice).map(drop))?;
        Some(Self::Json { array: Array::Str(slice.since(start)?), len, next })
    }

    /// An array that was read is written as it came, without white space and needless escapes. So a list of objects keeps
    /// the members unknown here; who must not have them writes the objects one by one.
    pub(crate) fn write(&self, writer: &mut Writer<'_>) {
        match *self {
            Self::Json { array, .. } => writer.json(array.as_bytes()),
            Self::Slice(elements) => {
                writer.open(b'[');
                for element in elements {
                    writer.separate();
                    element.write(writer);
                }
                writer.close(b']');
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Json { len, .. } => *len as usize,
            Self::Slice(elements) => elements.len(),
        }
    }

    pub(crate) fn iter(&self) -> Elements<'a, T, N, N::Rest> {
        match *self {
            Self::Json { array, next, .. } => Elements::Json { rest: N::begin(array.elements()), next },
            Self::Slice(elements) => Elements::Slice(elements.iter()),
        }
    }
}

impl<'a, T: Value<'a> + Copy + PartialEq, N: Next<'a, T>> PartialEq for List<'a, T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<'a, T: Value<'a> + Copy + fmt::Debug, N: Next<'a, T>> fmt::Debug for List<'a, T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The elements of a [`List`], one at a time.
#[derive(Clone)]
pub(crate) enum Elements<'a, T, N, R> {
    Json { rest: R, next: N },
    Slice(core::slice::Iter<'a, T>),
}

impl<'a, T: Copy, N: Next<'a, T>> Iterator for Elements<'a, T, N, N::Rest> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Json { rest, next } => next.next(rest),
            Self::Slice(elements) => elements.next().copied(),
        }
    }
}

/// Takes the next element of an array that the fast reader has checked.
pub(crate) fn next_fast<'a, T: Value<'a>>(rest: &mut Array<'a>) -> Option<T> {
    let Array::Str(text) = *rest else { return None };
    let mut slice = Slice::new(text);
    let element = next_in(&mut slice);
    *rest = Array::Str(slice.rest());
    element
}

#[inline(always)]
fn next_in<'a, T: Value<'a>>(slice: &mut Slice<'a>) -> Option<T> {
    // The array was checked when it was read: what fails here is its closing bracket, or the end after it.
    slice.peek()?;
    let element = T::read_plain(slice)?;
    slice.after_element()?;
    Some(element)
}

/// Takes the next element of an array that the table-driven reader has checked.
pub(crate) fn next_by_table<'a, T: Value<'a>>(rest: &mut Array<'a>) -> Option<T> {
    let mut table = Table::new(T::KIND, u32::MAX);
    let element = read_element(rest, &mut table)?;
    Some(T::alone(&table.values(element).1))
}

/// Reads the next element into `table`: once for the elements of every list.
#[inline(never)]
fn read_element<'a>(rest: &mut Array<'a>, table: &mut Table) -> Option<&'a [u8]> {
    let (element, after) = split_element(rest.as_bytes())?;
    *rest = Array::Utf8(after);
    table.feed(element, &mut Memory::Document(element), &mut |_, _| {}).ok()?;
    if table.end() { Some(element) } else { None }
}

/// Splits the next element of a checked array, in front of which there may be a comma, from what follows it; `None` at
/// the end of the array.
fn split_element(rest: &[u8]) -> Option<(&[u8], &[u8])> {
    let start = rest.iter().position(|&byte| byte > b' ' && byte != b',')?;
    let (_, rest) = rest.split_at_checked(start)?;
    let (mut depth, mut quoted, mut escape) = (0u32, false, false);
    let len = rest.iter().position(|&byte| {
        if quoted {
            quoted = byte != b'"' || escape;
            escape = byte == b'\\' && !escape;
            return false;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b',' | b']' if depth == 0 => return true,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        false
    })?;
    if len == 0 { None } else { rest.split_at_checked(len) }
}

/// Declares the public type of a list: a name, its element, and nothing of how it is kept.
macro_rules! list {
    ($(#[$meta:meta])* pub struct $Name:ident of $Element:ty) => {
        crate::json::list::list! {
            @by crate::json::list::NextOf<$Name<'static>>,
            |rest| crate::json::list::next_by_table(rest),
            |rest| crate::json::list::next_fast(rest),
            $(#[$meta])* pub struct $Name of $Element
        }

        impl crate::json::list::Element for $Name<'static> {
            type At<'a> = $Element;
        }
    };
    ($(#[$meta:meta])* pub struct $Name:ident of small $Element:ty) => {
        crate::json::list::list! {
            @by crate::json::list::Fast,
            crate::json::list::Fast,
            crate::json::list::Fast,
            $(#[$meta])* pub struct $Name of $Element
        }
    };
    (
        @by $Next:ty, $by_table:expr, $fast:expr,
        $(#[$meta:meta])* pub struct $Name:ident of $Element:ty
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq)]
        pub struct $Name<'a>(crate::json::list::List<'a, $Element, $Next>);

        impl Eq for $Name<'_> {}

        impl<'a> $Name<'a> {
            /// How many there are.
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether there are none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Visits them in the order they came.
            pub fn iter(&self) -> impl Iterator<Item = $Element> + Clone + use<'a> {
                self.0.iter()
            }
        }

        impl<'a> From<&'a [$Element]> for $Name<'a> {
            fn from(elements: &'a [$Element]) -> Self {
                Self(crate::json::list::List::Slice(elements))
            }
        }

        impl<'a> crate::json::value::Value<'a> for $Name<'a> {
            const KIND: crate::json::schema::Kind =
                crate::json::schema::Kind::List(&<$Element as crate::json::value::Value<'_>>::KIND);

            fn empty() -> Self {
                Self::default()
            }

            fn of(values: &crate::json::values::Values<'_, 'a>, index: usize, _: usize) -> Self {
                let next: $Next = $by_table;
                Self(crate::json::list::List::of(values, index, next))
            }

            fn read_plain(slice: &mut crate::json::slice::Slice<'a>) -> Option<Self> {
                let next: $Next = $fast;
                crate::json::list::List::read_plain(slice, next).map(Self)
            }

            fn write(&self, writer: &mut crate::json::write::Writer<'_>) {
                self.0.write(writer);
            }
        }

        #[cfg(feature = "serde")]
        impl serde::Serialize for $Name<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_seq(self.iter())
            }
        }
    };
}
pub(crate) use list;
