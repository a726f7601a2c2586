//! The same jobs done with different crates, side by side.

use std::{fs, path::Path};

use crate::{image, machine};

/// An image that does a job with one crate.
#[derive(Debug, PartialEq, Eq)]
struct Line<'l> {
    job: &'l str,
    with: &'l str,
    /// From the folder of the file it stands in.
    image: &'l str,
    base: &'l str,
}

/// Measures the images in the file at `path`, a line for each, and prints them as a table for a README.
pub(crate) fn compare(path: &Path, qemu: Option<&str>) -> Result<(), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut table = String::from(
        "| job | with | flash | stack | panic functions | branches into them |\n\
         | --- | --- | ---: | ---: | ---: | ---: |\n",
    );
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let line =
            parse(line).ok_or_else(|| format!("{}: must be JOB | WITH | IMAGE | BASE, is {line:?}", path.display()))?;
        table += &row(path, &line, qemu)?;
    }
    println!("\n{table}");
    Ok(())
}

fn parse(line: &str) -> Option<Line<'_>> {
    let parts: Vec<&str> = line.split('|').map(str::trim).collect();
    let [job, with, image, base] = parts[..] else { return None };
    Some(Line { job, with, image, base })
}

fn row(path: &Path, line: &Line<'_>, qemu: Option<&str>) -> Result<String, String> {
    println!("{}: {}", line.job, line.with);
    let (image, base) = (path.with_file_name(line.image), path.with_file_name(line.base));
    let stack = match qemu {
        Some(qemu) => machine::runs(qemu, &image)?.iter().map(|run| run.stack).max(),
        None => None,
    };
    let (image, base) = (image::read(&image)?, image::read(&base)?);
    let panics = image.panics.iter().filter(|name| !base.panics.contains(name)).count();
    Ok(format!(
        "| {} | {} | {} | {} | {panics} | {} |\n",
        line.job,
        line.with,
        image.flash.saturating_sub(base.flash),
        stack.map_or_else(|| "-".to_owned(), |stack| stack.to_string()),
        image.branches.saturating_sub(base.branches),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_job_what_it_is_done_with_an_image_and_its_base() {
        let line = Line { job: "push over HTTP", with: "a 0.1 + b 2", image: "../x", base: "../base-x" };
        assert_eq!(parse("push over HTTP | a 0.1 + b 2 | ../x | ../base-x"), Some(line));
        assert_eq!(parse("push over HTTP | a 0.1 | ../x"), None);
    }
}
