//! Rust files: they say what they are for, and they stay small enough to be read.

use super::{File, Findings};

const LINE_CHARS_MAX: usize = 100;
const FUNCTION_LINES_MAX: usize = 100;
/// Lines before the tests.
const FILE_LINES_MAX: usize = 600;

pub(super) fn check(file: &File, findings: &mut Findings) {
    if !file.text.starts_with("//! ") && !is_test_file(file) {
        findings.add(file, 0, "begin the file with //! and its one job");
    }
    for (number, line) in file.text.lines().enumerate() {
        if line.chars().count() > LINE_CHARS_MAX && !is_table_row(line) {
            findings.add(
                file,
                number,
                format!("longer than {LINE_CHARS_MAX} characters"),
            );
        }
    }
    if !is_test_file(file) {
        let lines = file
            .text
            .lines()
            .take_while(|line| *line != "#[cfg(test)]")
            .count();
        if lines > FILE_LINES_MAX {
            let what = format!("{lines} lines before the tests: split it by role or stage");
            findings.add(file, 0, what);
        }
    }
    check_functions(file, findings);
}

/// Tests beside the code are named by the file they test, which says what they are for.
fn is_test_file(file: &File) -> bool {
    file.path.ends_with("_tests.rs")
        || file.path.ends_with("/tests.rs")
        || file.path.contains("/tests/")
        || file.path.starts_with("tests/")
}

/// A row of a table kept in columns, or a text that cannot be broken.
fn is_table_row(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("(\"") || line.starts_with('"')
}

/// rustfmt puts the closing brace of a function under its first character, which is all that is
/// needed to find its end.
fn check_functions(file: &File, findings: &mut Findings) {
    let lines: Vec<&str> = file.text.lines().collect();
    for (start, line) in lines.iter().enumerate() {
        if !is_function(line) {
            continue;
        }
        let indentation = &line[..line.len() - line.trim_start().len()];
        let end = format!("{indentation}}}");
        let rest = lines.iter().skip(start);
        let length = rest.take_while(|line| **line != end).count() + 1;
        let has_body = lines
            .iter()
            .skip(start)
            .take(length)
            .any(|line| line.ends_with('{'));
        if has_body && length > FUNCTION_LINES_MAX && !is_one_line(line) {
            let what = format!("a function of {length} lines: {FUNCTION_LINES_MAX} are enough");
            findings.add(file, start, what);
        }
    }
}

fn is_one_line(line: &str) -> bool {
    line.ends_with('}') || line.ends_with(';')
}

fn is_function(line: &str) -> bool {
    let mut words = line.split_whitespace();
    let before_name = words.find(|word| {
        !matches!(
            *word,
            "pub" | "pub(crate)" | "pub(super)" | "async" | "const" | "unsafe"
        )
    });
    before_name == Some("fn")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_text(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        let mut findings = Findings::default();
        check(&file, &mut findings);
        findings.0
    }

    #[test]
    fn a_file_must_say_what_it_is_for() {
        assert_eq!(check_text("a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check_text("a.rs", "//! Adds.\nfn f() {}\n").len(), 0);
    }

    #[test]
    fn long_functions_are_found_with_their_first_line() {
        let body = "        x();\n".repeat(FUNCTION_LINES_MAX);
        let text = format!("//! A.\nimpl A {{\n    pub fn f() {{\n{body}    }}\n}}\n");
        let found = check_text("a.rs", &text);
        assert_eq!(found, ["a.rs:3: a function of 102 lines: 100 are enough"]);
    }

    #[test]
    fn only_lines_before_the_tests_count() {
        let code = "//! A.\n".to_owned() + &"const A: u8 = 0;\n".repeat(FILE_LINES_MAX);
        assert_eq!(check_text("a.rs", &code).len(), 1);
        assert_eq!(check_text("a_tests.rs", &code).len(), 0);
        let tested = "//! A.\n#[cfg(test)]\n".to_owned() + &"// b\n".repeat(FILE_LINES_MAX);
        assert_eq!(check_text("a.rs", &tested).len(), 0);
    }

    #[test]
    fn long_rows_of_tables_are_allowed() {
        let long = "x".repeat(LINE_CHARS_MAX);
        assert_eq!(
            check_text("a.rs", &format!("//! A.\n    (\"{long}\", 1),\n")).len(),
            0
        );
        assert_eq!(check_text("a.rs", &format!("//! A.\n// {long}\n")).len(), 1);
    }
}
