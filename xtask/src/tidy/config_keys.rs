//! A setting that is documented as effective and read by nobody would be a lie.

use super::{File, Findings};

const CONFIG: &str = "broker/src/config/mod.rs";

/// Every public field of the typed configuration must be read somewhere in the broker.
pub(super) fn check(files: &[File], findings: &mut Findings) {
    let Some(config) = files.iter().find(|file| file.path == CONFIG) else {
        return;
    };
    let broker: Vec<&File> = files
        .iter()
        .filter(|file| file.path.starts_with("broker/src/") && !file.path.ends_with("_tests.rs"))
        .collect();
    for (number, line) in config.text.lines().enumerate() {
        let field = line
            .strip_prefix("    pub ")
            .and_then(|rest| rest.split_once(": "));
        let Some((field, _)) = field.filter(|(name, _)| is_name(name)) else {
            continue;
        };
        let used = |file: &&File| file.text.contains(&format!(".{field}"));
        if !broker.iter().any(used) {
            let what =
                format!("nobody reads {field}: obey it, or move its key to the accepted ones");
            findings.add(config, number, what);
        }
    }
}

fn is_name(text: &str) -> bool {
    text.chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
