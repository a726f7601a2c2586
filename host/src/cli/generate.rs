//! `pushgate completions` and `pushgate man`: what shells and `man` are to know, made from the commands themselves.
//!
//! A package ships both; whoever builds the binary gets them from it, so they never say what it does not do.

use super::{Failure, Outcome, output::Output};
use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::{
    Man,
    roff::{Roff, roman},
};
use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

/// Print a shell's completions
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  pushgate completions bash > ~/.local/share/bash-completion/completions/pushgate
  pushgate completions zsh > ~/.zfunc/_pushgate              with ~/.zfunc in $fpath
  pushgate completions fish > ~/.config/fish/completions/pushgate.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Write the manual pages, one for each command
///
/// Prints the name of each file it has written. Files of these names that are there are replaced.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  pushgate man ~/.local/share/man/man1 && man pushgate-serve")]
pub(crate) struct ManArgs {
    /// The folder to write them to, made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints the completions for the program whose commands these are.
pub(crate) fn completions(args: &CompletionsArgs, mut program: Command, out: Output) -> Outcome {
    let mut script = Vec::new();
    generate(args.shell, &mut program, "pushgate", &mut script);
    Ok(out.line(String::from_utf8_lossy(&script).trim_end())?)
}

/// Writes the manual pages of the program whose commands these are.
pub(crate) fn man(args: &ManArgs, program: Command, out: Output) -> Outcome {
    let files = write_pages(program, &args.folder)?;
    Ok(files
        .iter()
        .try_for_each(|file| out.result(&serde_json::json!({ "file": file }), |_| file.display().to_string()))?)
}

fn write_pages(program: Command, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(folder).map_err(|error| unwritten(folder, &error))?;
    // A page for `help` would only say what the page of the program does.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let mut files = Vec::new();
    write_page(&program, folder, &mut files)?;
    Ok(files)
}

/// Writes the page of a command, and those of the commands in it.
fn write_page(command: &Command, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let page = Man::new(command.clone());
    let file = folder.join(page.get_filename());
    rendered(&page, command).and_then(|text| fs::write(&file, text)).map_err(|error| unwritten(&file, &error))?;
    files.push(file);
    let mut shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    shown.try_for_each(|inner| write_page(inner, folder, files))
}

fn unwritten(file: &Path, error: &io::Error) -> Failure {
    Failure::Operation(format!("{}: {error}; name a folder that you may write to", file.display()))
}

/// A page as clap writes it, but for what stands at the end of a command's help: clap would call it EXTRA, and fill its
/// lines as if they were prose.
fn rendered(page: &Man, command: &Command) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        page.render_options_section(&mut text)?;
    }
    if command.get_subcommands().any(|inner| !inner.is_hide_set()) {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(examples) = command.get_after_help() {
        text.write_all(&example_section(&examples.to_string())?)?;
    }
    Ok(text)
}

/// The lines as they are, under their own first one as the heading.
fn example_section(help: &str) -> io::Result<Vec<u8>> {
    let (heading, lines) = help.split_once('\n').unwrap_or(("Examples:", help));
    let mut section = Roff::new();
    section.control("SH", [heading.trim_end_matches(':').to_uppercase().as_str()]).control("nf", []);
    for line in lines.lines() {
        section.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    }
    section.control("fi", []);
    let mut bytes = Vec::new();
    section.to_writer(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use clap::{CommandFactory, ValueEnum};
    use std::process::{Command as Process, Stdio};

    /// The words after `pushgate` of each command that is shown.
    fn commands() -> Vec<Vec<String>> {
        fn visit(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
            for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set() && inner.get_name() != "help") {
                let path = [path, &[inner.get_name().to_owned()]].concat();
                visit(inner, &path, found);
                found.push(path);
            }
        }
        let mut found = Vec::new();
        visit(&Cli::command(), &[], &mut found);
        assert!(found.len() > 20, "{found:?}");
        found
    }

    fn script(shell: Shell) -> String {
        let mut script = Vec::new();
        generate(shell, &mut Cli::command(), "pushgate", &mut script);
        String::from_utf8(script).unwrap()
    }

    /// What a tool says of a file that it only reads, with status 0 and without a word when it is right; `None` where
    /// there is no such tool.
    fn complaints(tool: &[&str], file: &Path) -> Option<String> {
        let output = Process::new(tool[0]).args(&tool[1..]).arg(file).stdout(Stdio::null()).output().ok()?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        Some(if output.status.success() { words } else { format!("{}: {words}", output.status) })
    }

    #[test]
    fn every_shell_knows_every_command() {
        for &shell in Shell::value_variants() {
            let script = script(shell);
            for command in commands() {
                for word in &command {
                    assert!(script.contains(word.as_str()), "{shell}: {command:?}");
                }
            }
        }
    }

    #[test]
    fn shells_can_read_their_completions() {
        let folder = tempfile::tempdir().unwrap();
        for (shell, check) in
            [(Shell::Bash, &["bash", "-n"][..]), (Shell::Zsh, &["zsh", "-n"]), (Shell::Fish, &["fish", "--no-execute"])]
        {
            let file = folder.path().join(shell.to_string());
            fs::write(&file, script(shell)).unwrap();
            assert_eq!(complaints(check, &file).unwrap_or_default(), "", "{shell}");
        }
    }

    #[test]
    fn every_command_has_its_page() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("man1");
        let files = write_pages(Cli::command(), &folder).unwrap();
        assert_eq!(files.len(), 1 + commands().len());
        for command in commands() {
            let file = folder.join(format!("pushgate-{}.1", command.join("-")));
            let page = fs::read_to_string(&file).unwrap();
            assert!(page.contains("\n.SH NAME\n") && page.contains("\n.SH OPTIONS\n"), "{file:?}: {page}");
            assert!(!page.contains("\n.SH EXTRA\n"), "{file:?}: {page}");
            assert_eq!(complaints(&["man", "--warnings=w", "-l"], &file).unwrap_or_default(), "", "{file:?}");
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let folder = file.path().join("man1");
        let Err(Failure::Operation(what)) = write_pages(Cli::command(), &folder) else { panic!("it was made") };
        assert!(what.starts_with(&folder.display().to_string()), "{what}");
    }

    #[test]
    fn examples_keep_their_lines() {
        let section = String::from_utf8(example_section("Examples:\n  .hidden -x\n    | more").unwrap()).unwrap();
        let (heading, lines) = section.split_once(".nf\n").unwrap();
        assert!(heading.ends_with(".SH EXAMPLES\n"), "{section}");
        // A dot in front would be taken for an order to the formatter.
        assert_eq!(lines, "\\&.hidden \\-x\n  | more\n.fi\n");
    }
}
