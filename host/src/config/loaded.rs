//! A configuration as it was read: the values, where they are from, and what is right but deserves a look.

use super::{
    Config,
    problem::{ConfigError, Place, Problem},
    reader::{Section, Source},
    rights,
    settings::Settings,
};
use std::{fs, path::Path};
use toml::de::DeTable;

/// A configuration, with what there is to say about it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it configures.
    pub config: Config,
    /// Its values key by key.
    pub settings: Settings,
    /// What is allowed and probably not meant, in the order of the lines.
    pub warnings: Vec<Problem>,
}

impl Loaded {
    /// Reads the file at `path`. Relative paths of secrets and certificates start from its folder.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the file.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|error| ConfigError::unreadable(&file, &error))?;
        match str::from_utf8(&bytes) {
            Ok(text) => Self::read(text, &file, Some(path)),
            Err(error) => {
                let place = Some(Place::of(&bytes, error.valid_up_to()));
                let problem = Problem { place, key: String::new(), what: "not UTF-8, as TOML must be".to_owned() };
                Err(ConfigError::new(&file, vec![problem]))
            }
        }
    }

    /// Reads `text`, which came from the file called `file`.
    ///
    /// # Errors
    ///
    /// Fails with everything that is wrong with the text; when it is not TOML, only with that.
    pub fn from_text(text: &str, file: &str) -> Result<Self, ConfigError> {
        Self::read(text, file, None)
    }

    fn read(text: &str, file: &str, path: Option<&Path>) -> Result<Self, ConfigError> {
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let source = Source::new(text, folder);
        let config = read_from(&source, text);
        if let (Some((offset, key)), Some(path)) = (source.first_secret(), path)
            && rights::open_to_everybody(path)
        {
            source.warn(offset, &key, format_args!("a secret is written here, and {}", rights::ADVICE));
        }
        let found = source.into_found();
        if found.problems.is_empty() {
            Ok(Self { config, settings: found.settings, warnings: found.warnings })
        } else {
            Err(ConfigError::new(file, found.problems))
        }
    }
}

/// Reads `text`, leaving its problems in `source`; what it returns counts only when there are none.
fn read_from(source: &Source<'_>, text: &str) -> Config {
    let (document, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        source.report(error.span().map_or(0, |span| span.start), "", error.message());
    }
    if !errors.is_empty() {
        // What the parser made of a broken text is a guess, and every complaint about it a riddle.
        return Config::default();
    }
    Section::document(source, &document, Config::read)
}
