//! Words that must not be committed: leftovers of work in progress, and paths that exist on one
//! machine only.

use super::{File, Findings};

/// What must not stand in a file, and what to do instead. Split so that this file may stand here.
const BANNED: &[(&str, &str)] = &[
    (
        concat!("FIX", "ME"),
        "repair it, or describe it in an issue",
    ),
    (concat!("XX", "X"), "repair it, or describe it in an issue"),
    (concat!("todo", "!("), "write it"),
    (concat!("unimplemented", "!("), "write it"),
    (concat!("dbg", "!("), "remove it"),
    (concat!("/ro", "ot/"), "no path of one machine"),
    (concat!("/wo", "rk/"), "no path of one machine"),
    (
        concat!("#[ign", "ore"),
        "a test that does not run is not a test",
    ),
];

pub(super) fn check(file: &File, findings: &mut Findings) {
    if file.path.ends_with(".lock") {
        return;
    }
    for (number, line) in file.text.lines().enumerate() {
        for (word, remedy) in BANNED.iter().filter(|(word, _)| has_word(line, word)) {
            findings.add(file, number, format!("{word}: {remedy}"));
        }
        if line.ends_with([' ', '\t']) {
            findings.add(file, number, "white space at the end of the line");
        }
    }
}

/// Whether the word stands there by itself and not inside another.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let inside = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let path_or_call = !word.ends_with(|c: char| c.is_ascii_alphanumeric());
        !inside(before) && (path_or_call || !inside(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        let word = concat!("XX", "X");
        assert!(has_word(&format!("// {word}: later"), word));
        assert!(!has_word(&format!("\\u{word}X"), word));
        assert!(has_word(
            concat!("let a = db", "g!(b);"),
            concat!("db", "g!(")
        ));
    }
}
