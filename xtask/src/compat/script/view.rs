//! What is left of an output once everything is gone that has to differ from run to run.

use std::{borrow::Cow, path::Path, sync::LazyLock};

use regex::Regex;

use super::parse::View;

/// Texts that are different each time, and what stands for them.
static CHANGING: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Moments: of a log line, of the tools, in ms since 1970 as long as it is this century.
        (r"(?m)^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}\] ", ""),
        (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d:\d{3}", "MOMENT"),
        (r"\b[12]\d{12}\b", "MOMENT"),
        // Ids: of members, of clusters, topics and directories.
        (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "MEMBER"),
        (r"\t[A-Za-z0-9_-]{22}\t", "\tID\t"),
        (
            r#"((?:TopicId|Cluster ID): |ClusterId: +|"directoryId": ")[A-Za-z0-9_-]{22}"#,
            "${1}ID",
        ),
        // Names of groups that a tool makes up.
        (r"\b(console|perf)-consumer-\d{1,5}\b", "$1-consumer-N"),
    ]
    .map(|(pattern, instead)| (compile(pattern), instead))
    .into()
});

/// What a Java program says about itself: where in its code it was, in lines of their own.
static TRACE: LazyLock<Regex> = LazyLock::new(|| {
    let exception = r"(?:[a-z]+\.)+[A-Za-z.$]*(?:Exception|Error)(: .*)?";
    let below = r"\tat .*|\t\.\.\. \d+ more|Caused by: .*";
    compile(&format!(r"(?m)^(?:{below}|{exception})\n"))
});

/// How a line of a log begins, which exception it was, and which logger wrote it.
static LOG: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r#"^(?:ERROR|Exception in thread "main") "#,
        r"(?:[a-z]+\.)+[A-Za-z.$]*(?:Exception|Error): ",
        r" \([A-Za-z.$-]+\)$",
    ]
    .map(compile)
    .into()
});

/// What is not about the command: an invitation to try something else, and what a client tells of
/// its attempts before one succeeds.
static ASIDE: LazyLock<Regex> =
    LazyLock::new(|| compile(r"\(KIP-848\)|^(?:WARN|ERROR) \[[A-Za-z]+ clientId="));

/// Lists in the order of a hash table, behind the words that introduce them.
static HASHED: LazyLock<Regex> =
    LazyLock::new(|| compile(r"(Configs: |Valid states are: |one of these options: )(\S[^\t\n]*)"));

/// A number, with the blanks that fill its column.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| compile(r"\d+(\.\d+)? *"));

/// What fills a column whose width depends on numbers.
static BLANKS: LazyLock<Regex> = LazyLock::new(|| compile("  +"));

fn compile(pattern: &str) -> Regex {
    Regex::new(pattern).expect("it was tried by the tests")
}

/// Where a combination ran, which shows in its output.
#[derive(Debug)]
pub(super) struct Surroundings<'a> {
    /// The broker's port.
    pub(super) port: u16,
    /// The broker's data.
    pub(super) data: &'a Path,
}

impl Surroundings<'_> {
    /// Standard output as it is compared.
    pub(super) fn output(&self, text: &str, views: &[View]) -> String {
        let text = self.without_changing(text);
        let text = match TRACE.replace_all(&text, "") {
            Cow::Borrowed(text) => text.to_owned(),
            // A blank line follows on a trace.
            Cow::Owned(text) => format!("{}\n", text.trim_end()),
        };
        let mut text = in_order(&text);
        for view in views {
            text = match view {
                View::Sorted => sorted(&text),
                View::Shape => shape(&text),
                View::Head => text.split_inclusive('\n').take(1).collect(),
                View::Nothing => String::new(),
            };
        }
        text
    }

    /// The first line of standard error, as it is compared.
    pub(super) fn first_error(&self, text: &str) -> String {
        let text = in_order(&self.without_changing(text));
        let mut lines = text.lines().map(str::trim_end);
        let line = lines.find(|line| !line.is_empty() && !ASIDE.is_match(line));
        let line = line.unwrap_or_default();
        let whole = LOG.iter().fold(line.to_owned(), |line, part| {
            part.replace_all(&line, "").into_owned()
        });
        whole.trim().to_owned()
    }

    fn without_changing(&self, text: &str) -> String {
        let text = text
            .replace(&self.data.display().to_string(), "DATA")
            .replace(&format!("127.0.0.1:{}", self.port), "HOST:PORT")
            .replace(&self.port.to_string(), "PORT");
        CHANGING.iter().fold(text, |text, (pattern, instead)| {
            pattern.replace_all(&text, *instead).into_owned()
        })
    }
}

/// Sorts what comes in the order of a hash table.
fn in_order(text: &str) -> String {
    let sorted = HASHED.replace_all(text, |found: &regex::Captures<'_>| {
        let mut items: Vec<_> = found[2].split(',').map(str::trim).collect();
        items.sort_unstable();
        format!("{}{}", &found[1], items.join(","))
    });
    sorted.into_owned()
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<_> = text.split_inclusive('\n').collect();
    lines.sort_unstable();
    lines.concat()
}

fn shape(text: &str) -> String {
    let text = NUMBER.replace_all(text, "N ");
    BLANKS.replace_all(&text, " ").into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Surroundings<'static> {
        Surroundings {
            port: 19092,
            data: Path::new("/somewhere/data-19092"),
        }
    }

    #[test]
    fn what_differs_each_time_is_not_compared() {
        let text = "Topic: t\tTopicId: lgrKM6sKTUqR9YF2LDy87Q\tConfigs: b=1,a=2\n\
                    CreateTime:1795323748008 console-consumer-12311 127.0.0.1:19092 \
                    /somewhere/data-19092/t-0\n\
                    console-consumer-cafe2b6e-a181-48d7-a9cb-d3e4c14dfd47\n";
        let expected = "Topic: t\tTopicId: ID\tConfigs: a=2,b=1\n\
                        CreateTime:MOMENT console-consumer-N HOST:PORT DATA/t-0\n\
                        console-consumer-MEMBER\n";
        assert_eq!(here().output(text, &[]), expected);
    }

    #[test]
    fn an_error_is_its_sentence() {
        let java = "[2026-11-22 05:00:52,070] ERROR org.apache.kafka.common.errors.\
                    TopicExistsException: Topic 't1' already exists.\n (org.apache…)\n";
        assert_eq!(here().first_error(java), "Topic 't1' already exists.");
        let logged = "WARN It is so. (org.apache.kafka.tools.OffsetsUtils)";
        assert_eq!(here().first_error(logged), "WARN It is so.");
    }

    #[test]
    fn views_are_taken_one_after_the_other() {
        let views = [View::Sorted, View::Shape];
        assert_eq!(here().output("b 1.5\na 23\n", &views), "a N \nb N \n");
        assert_eq!(here().output("b 1\na 2\n", &[View::Head]), "b 1\n");
    }
}
