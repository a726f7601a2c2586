//! Measures the firmware's images and holds them to their budget.
//!
//! `pushgate-size check IMAGES BUDGET [QEMU]` prints one table and exits 1 when a limit is broken or an image holds a
//! panic or an allocator. Without a QEMU to run the images, what they take when they run is left out.
//!
//! `pushgate-size pure IMAGE...` prints what each takes, and exits 1 when one holds a panic or an allocator.
//!
//! `pushgate-size compare JOBS [QEMU]` prints one table of images that do the same jobs with different crates; it fails
//! only when a run does.
//!
//! `pushgate-size functions IMAGE` lists what takes the flash of an image, the largest last.

mod budget;
mod compare;
mod image;
mod machine;
mod table;
mod thumb;

use std::{env, fs, path::Path, process::ExitCode};

use budget::Line;
use image::Image;
use table::{Cell, Row};

/// What every image has: its statics are taken off the others'. The flash of each is counted above a base of its own,
/// which is the same application without the core's work, and whose name begins alike.
const BASE: &str = "base";
/// The image that does panic: proof that panics are found.
const PANICS: &str = "panics";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        ["check", images, budget] => check(Path::new(images), Path::new(budget), None),
        ["check", images, budget, qemu] => check(Path::new(images), Path::new(budget), Some(qemu)),
        ["pure", ref images @ ..] if !images.is_empty() => pure(images),
        ["compare", jobs] => compare::compare(Path::new(jobs), None),
        ["compare", jobs, qemu] => compare::compare(Path::new(jobs), Some(qemu)),
        ["functions", image] => functions(Path::new(image)),
        _ => {
            eprintln!(
                "usage: pushgate-size check IMAGES BUDGET [QEMU]\n       \
                 pushgate-size compare JOBS [QEMU]\n       pushgate-size pure IMAGE...\n       pushgate-size functions IMAGE"
            );
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pushgate-size: {error}");
            ExitCode::FAILURE
        }
    }
}

fn check(images: &Path, budget: &Path, qemu: Option<&str>) -> Result<(), String> {
    let lines = budget::read(budget)?;
    every_probe_has_a_line(budget, &lines)?;
    let panics = image::read(&images.join(PANICS))?;
    if panics.panics.is_empty() || panics.branches == 0 {
        return Err(format!("found no panic in the image `{PANICS}`, so it would find none in the probes"));
    }
    let base = image::read(&images.join(BASE))?;
    let mut rows = vec![base_row(BASE, &base)];
    for line in lines {
        println!("{}", line.probe);
        let own = image::read(&images.join(&line.base))?;
        rows.push(base_row(&line.base, &own));
        rows.push(measure(images, line, &own, base.statics, qemu)?);
    }
    println!("\n{}", table::show(&rows));
    let broken: Vec<String> = rows.iter().flat_map(Row::broken).collect();
    for short in rows.iter().filter_map(Row::short) {
        println!("short: {short}");
    }
    for broken in &broken {
        println!("OVER: {broken}");
    }
    if broken.is_empty() { Ok(()) } else { Err(format!("the firmware is not within {}", budget.display())) }
}

/// Finds a probe that was added without a line in the budget.
fn every_probe_has_a_line(budget: &Path, lines: &[Line]) -> Result<(), String> {
    let folder = budget.with_file_name("src").join("bin");
    let entries = fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let probe = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        if !probe.starts_with(BASE) && probe != PANICS && !lines.iter().any(|line| line.probe == probe) {
            return Err(format!(
                "{}: the probe {probe} has no line; add `{probe} base-{probe} - - - -`",
                budget.display()
            ));
        }
    }
    Ok(())
}

/// What the others are measured from, as it is. It has no limits: it is no part of the core.
fn base_row(name: &str, base: &Image) -> Row {
    Row {
        probe: format!("({name})"),
        flash: Cell { taken: Some(base.flash), limit: None },
        goal: None,
        stack: Cell::default(),
        ram: Cell { taken: Some(base.statics), limit: None },
        panics: base.panics.clone(),
        branches: base.branches,
        allocator: base.allocator.clone(),
        runs: Vec::new(),
    }
}

fn measure(images: &Path, line: Line, base: &Image, statics: u64, qemu: Option<&str>) -> Result<Row, String> {
    let path = images.join(&line.probe);
    let image = image::read(&path)?;
    let runs = match qemu {
        Some(qemu) => machine::runs(qemu, &path)?,
        None => Vec::new(),
    };
    let stack = runs.iter().map(|run| run.stack).max();
    let statics = image.statics.saturating_sub(statics);
    Ok(Row {
        probe: line.probe,
        flash: Cell { taken: Some(image.flash.saturating_sub(base.flash)), limit: line.flash },
        goal: line.goal,
        stack: Cell { taken: stack, limit: line.stack },
        ram: Cell { taken: stack.map(|stack| stack + statics), limit: line.ram },
        panics: beyond(image.panics, &base.panics),
        branches: image.branches.saturating_sub(base.branches),
        allocator: beyond(image.allocator, &base.allocator),
        runs,
    })
}

fn beyond(names: Vec<String>, base: &[String]) -> Vec<String> {
    names.into_iter().filter(|name| !base.contains(name)).collect()
}

/// Whole images, which stand for themselves: nothing in them may panic or allocate, whoever wrote it.
fn pure(images: &[&str]) -> Result<(), String> {
    let mut impure = Vec::new();
    for path in images {
        let image = image::read(Path::new(path))?;
        println!("{path}: flash {}, statics {}", image.flash, image.statics);
        let found = image.panics.iter().chain(&image.allocator);
        impure.extend(found.map(|name| format!("{path}: {name}")));
    }
    if impure.is_empty() { Ok(()) } else { Err(format!("a panic or an allocator:\n{}", impure.join("\n"))) }
}

fn functions(path: &Path) -> Result<(), String> {
    for (size, name) in image::functions(path)? {
        println!("{size:>6}  {name}");
    }
    Ok(())
}
