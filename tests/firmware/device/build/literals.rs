//! Finds the texts in a Rust source: the core's tests hold their bodies as such.

/// The string literals of a source, in their order, as what they mean.
pub(crate) fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (before, from) = rest.split_at(at);
        rest = if from.starts_with("//") {
            from.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(inside) = from.strip_prefix('"') {
            let hashes = before.len() - before.trim_end_matches('#').len();
            let raw = before[..before.len() - hashes].ends_with('r');
            let (text, rest) = if raw { raw_text(inside, hashes) } else { text(inside) };
            found.push(text);
            rest
        } else {
            // A character, a lifetime or a division: only a quote in quotes would be taken for a text.
            from.strip_prefix("'\"'").unwrap_or(&from[1..])
        };
    }
    found
}

fn raw_text(inside: &str, hashes: usize) -> (String, &str) {
    let (text, rest) = inside.split_once(&format!("\"{}", "#".repeat(hashes))).expect("a text ends");
    (text.to_owned(), rest)
}

fn text(inside: &str) -> (String, &str) {
    let mut text = String::new();
    let mut chars = inside.chars();
    loop {
        match chars.next().expect("a text ends") {
            '"' => return (text, chars.as_str()),
            '\\' => escaped(&mut chars, &mut text),
            char => text.push(char),
        }
    }
}

fn escaped(chars: &mut std::str::Chars<'_>, text: &mut String) {
    let char = match chars.next().expect("a text ends") {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        '0' => '\0',
        'x' => hex(chars.by_ref().take(2)),
        'u' => hex(chars.by_ref().skip(1).take_while(|char| *char != '}')),
        // The rest of the line's end, and the next one's beginning, are no part of it.
        '\n' => {
            *chars = chars.as_str().trim_start().chars();
            return;
        }
        char => char,
    };
    text.push(char);
}

fn hex(digits: impl Iterator<Item = char>) -> char {
    let digits: String = digits.collect();
    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).expect("an escape is of a character")
}
