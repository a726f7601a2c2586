//! What an image holds, from its ELF file: bytes of flash and of statics, and code that must not be there.

use std::{fs, ops::Range, path::Path};

use object::{Object, ObjectSection, ObjectSymbol, SectionFlags, SectionKind, SymbolKind, elf::SHF_ALLOC};
use rustc_demangle::demangle;

use crate::thumb;

/// Where the bodies lie that the probes are fed with: no part of what a device has to hold.
const INPUT: &str = ".input";

/// One image.
#[derive(Debug)]
pub(crate) struct Image {
    /// Code, constants and the first values of statics.
    pub(crate) flash: u64,
    /// Statics in RAM.
    pub(crate) statics: u64,
    /// Functions that end in a panic.
    pub(crate) panics: Vec<String>,
    /// Branches and calls into those, from anywhere else.
    pub(crate) branches: usize,
    /// Functions of an allocator.
    pub(crate) allocator: Vec<String>,
}

/// Reads the image at `path`.
pub(crate) fn read(path: &Path) -> Result<Image, String> {
    let names: Vec<String> = functions(path)?.into_iter().map(|(_, name)| name).collect();
    let ((flash, statics), branches) = with_file(path, |file| Ok((sizes(file), branches(file)?)))?;
    Ok(Image {
        flash,
        statics,
        branches,
        panics: names.iter().filter(|name| is_panic(name)).cloned().collect(),
        allocator: names.into_iter().filter(|name| is_allocator(name)).collect(),
    })
}

/// The size and the name of all that has both in the image at `path`, the largest last.
pub(crate) fn functions(path: &Path) -> Result<Vec<(u64, String)>, String> {
    with_file(path, |file| {
        let named = file.symbols().filter(|symbol| symbol.is_definition());
        let mut all: Vec<(u64, String)> =
            named.filter_map(|symbol| Some((symbol.size(), format!("{:#}", demangle(symbol.name().ok()?))))).collect();
        // Without its names an image would pass for one without panics.
        if !all.iter().any(|(_, name)| name == "main") {
            return Err("has no symbol `main`: was it stripped?".to_owned());
        }
        all.sort();
        Ok(all)
    })
}

fn with_file<T>(path: &Path, look: impl FnOnce(&object::File<'_>) -> Result<T, String>) -> Result<T, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string());
    let looked =
        bytes.and_then(|bytes| look(&object::File::parse(&*bytes).map_err(|error: object::Error| error.to_string())?));
    looked.map_err(|error| format!("{}: {error}", path.display()))
}

/// Bytes of flash and bytes of statics.
fn sizes(file: &object::File<'_>) -> (u64, u64) {
    let (mut flash, mut statics) = (0, 0);
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if (sh_flags & SHF_ALLOC).0 == 0 || section.name() == Ok(INPUT) {
            continue;
        }
        match section.kind() {
            SectionKind::UninitializedData => statics += section.size(),
            SectionKind::Data => {
                statics += section.size();
                flash += section.size();
            }
            _ => flash += section.size(),
        }
    }
    (flash, statics)
}

/// How many branches lead from code that does not end in a panic to code that does.
fn branches(file: &object::File<'_>) -> Result<usize, String> {
    let functions = || file.symbols().filter(|symbol| symbol.is_definition() && symbol.kind() == SymbolKind::Text);
    let panics: Vec<Range<u64>> = functions()
        .filter(|symbol| symbol.name().is_ok_and(|name| is_panic(&format!("{:#}", demangle(name)))))
        .map(|symbol| range(symbol.address(), symbol.size()))
        .collect();
    let panics = |address: u64| panics.iter().any(|panic| panic.contains(&address));
    let mut found: Vec<(u64, u64)> = Vec::new();
    for function in functions().filter(|function| !panics(range(function.address(), function.size()).start)) {
        let range = range(function.address(), function.size());
        let Some(section) = file.sections().find(|section| function.section_index() == Some(section.index())) else {
            continue;
        };
        let code = section.data_range(range.start, range.end - range.start).map_err(|error| error.to_string())?;
        let branches = thumb::branches(range.start, code.unwrap_or_default());
        found.extend(branches.into_iter().filter(|(_, to)| panics(*to)));
    }
    // Two functions that came out alike may share their code under two names.
    found.sort_unstable();
    found.dedup();
    Ok(found.len())
}

/// The addresses of a function: a symbol of thumb code has the lowest bit of its address set.
fn range(address: u64, size: u64) -> Range<u64> {
    let start = address & !1;
    start..start + size
}

/// Whether a function of this name ends in a panic: `core::panicking::panic_fmt`, `slice_index_fail`,
/// `unwrap_failed` and their like.
fn is_panic(name: &str) -> bool {
    name.contains("panic") || name.ends_with("_fail") || name.ends_with("_failed") || name == "rust_begin_unwind"
}

fn is_allocator(name: &str) -> bool {
    ["__rust_", "__rg_", "__rdl_", "alloc::", "<alloc::"].iter().any(|start| name.starts_with(start))
        || ["malloc", "calloc", "realloc", "free"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panics_and_what_allocates_is_known_by_name() {
        for (name, panics, allocates) in [
            ("core::panicking::panic_fmt", true, false),
            ("core::panicking::panic_const::panic_const_add_overflow", true, false),
            ("core::slice::index::slice_index_fail", true, false),
            ("core::option::unwrap_failed", true, false),
            ("core::slice::copy_from_slice_impl::len_mismatch_fail", true, false),
            ("rust_begin_unwind", true, false),
            ("pushgate_core::json::write::Writer::fail", false, false),
            ("pushgate_core::uplink::read_object", false, false),
            ("__rust_alloc", false, true),
            ("alloc::raw_vec::finish_grow", false, true),
            ("<alloc::string::String as core::clone::Clone>::clone", false, true),
            ("main", false, false),
        ] {
            assert_eq!((is_panic(name), is_allocator(name)), (panics, allocates), "{name}");
        }
    }
}
