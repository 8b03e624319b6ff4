//! Tables as Kafka's tools print them: a title above each column, cells padded with blanks on the
//! right, one blank between columns. Pure.
//!
//! Scripts cut such tables at fixed places, so the widths are Kafka's: some columns grow with their
//! longest cell, others keep their width and let a long cell push its own row aside. Where a person
//! looks, on a terminal, all of them grow.

/// A column: its title and its least width in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Column {
    title: &'static str,
    width_min: usize,
    grows: bool,
}

impl Column {
    /// As wide as its longest cell, and at least that wide.
    pub(crate) const fn growing(title: &'static str, width_min: usize) -> Self {
        Self {
            title,
            width_min,
            grows: true,
        }
    }

    /// That wide; a longer cell stays whole. A last column of width 0 has no blanks behind it.
    pub(crate) const fn fixed(title: &'static str, width: usize) -> Self {
        Self {
            title,
            width_min: width,
            grows: false,
        }
    }
}

/// Rows below titles.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Titles without a row.
    pub(crate) fn new(columns: Vec<Column>) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, with one cell for each column.
    pub(crate) fn push(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.columns.len(), "one cell for each column");
        self.rows.push(cells);
    }

    /// The titles and the rows, without ends of lines; `aligned` lets every column grow.
    pub(crate) fn lines(&self, aligned: bool) -> Vec<String> {
        let last = self.columns.len().saturating_sub(1);
        let columns = self.columns.iter().enumerate();
        let widths: Vec<usize> = columns
            .map(|(index, column)| {
                let cells = self.rows.iter().filter_map(|row| row.get(index));
                let longest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
                // Nothing stands behind the last column that would have to be aligned.
                if column.grows || (aligned && index < last) {
                    column.width_min.max(longest)
                } else {
                    column.width_min
                }
            })
            .collect();
        let titles = self.columns.iter().map(|column| column.title);
        let rows = self.rows.iter().map(|row| {
            let cells = row.iter().map(String::as_str);
            line(cells, &widths)
        });
        std::iter::once(line(titles, &widths)).chain(rows).collect()
    }
}

fn line<'a>(cells: impl Iterator<Item = &'a str>, widths: &[usize]) -> String {
    let padded = cells
        .zip(widths)
        .map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rows: &[[&str; 3]]) -> Table {
        let mut table = Table::new(vec![
            Column::growing("GROUP", 6),
            Column::fixed("LAG", 5),
            Column::fixed("HOST", 0),
        ]);
        for row in rows {
            table.push(row.map(str::to_owned).to_vec());
        }
        table
    }

    #[test]
    fn columns_that_grow_are_as_wide_as_their_longest_cell() {
        let table = table(&[["g", "1", "/127.0.0.1"], ["a-longer-group", "20", "-"]]);
        let expected = [
            "GROUP          LAG   HOST",
            "g              1     /127.0.0.1",
            "a-longer-group 20    -",
        ];
        assert_eq!(table.lines(false), expected);
    }

    #[test]
    fn a_long_cell_of_a_fixed_column_moves_its_row_unless_a_person_looks() {
        let table = table(&[["g", "1234567", "-"], ["h", "1", "-"]]);
        let moved = ["GROUP  LAG   HOST", "g      1234567 -", "h      1     -"];
        assert_eq!(table.lines(false), moved);
        let aligned = [
            "GROUP  LAG     HOST",
            "g      1234567 -",
            "h      1       -",
        ];
        assert_eq!(table.lines(true), aligned);
    }

    #[test]
    fn titles_stand_alone_where_there_is_no_row_and_widths_count_characters() {
        assert_eq!(table(&[]).lines(false), ["GROUP  LAG   HOST"]);
        let lines = table(&[["größer", "1", "-"]]).lines(false);
        assert_eq!(lines.last().map(String::as_str), Some("größer 1     -"));
    }
}
