//! The name that may have been meant.

/// How like a name must be to be suggested: one wrong letter in five.
const LIKENESS_MIN: f64 = 0.8;

/// The name most like the one that was given, if one is like it at all.
pub(crate) fn nearest<'a>(
    given: &str,
    names: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let likeness = |name: &'a str| (strsim::jaro_winkler(given, name), name);
    names
        .into_iter()
        .map(likeness)
        .filter(|(likeness, _)| LIKENESS_MIN <= *likeness)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_similar_name_is_suggested_and_a_stranger_is_not() {
        let names = ["orders", "order-lines", "payments"];
        assert_eq!(nearest("oders", names), Some("orders"));
        assert_eq!(nearest("payment", names), Some("payments"));
        assert_eq!(nearest("zebra", names), None);
        assert_eq!(nearest("orders", []), None);
    }
}
