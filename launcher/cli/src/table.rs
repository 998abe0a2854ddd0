//! Small tables in plain text: the first column left, the others right.

use crate::plain::{cut, width};

/// Lines of a table, two spaces between columns, each with its line end.
///
/// Rows may be shorter than the longest one.
pub(crate) fn render(rows: &[Vec<String>]) -> String {
    aligned(rows, &[0], None)
}

/// As [`render`], with these columns on the left and no line wider than `most`.
pub(crate) fn aligned(rows: &[Vec<String>], left: &[usize], most: Option<usize>) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width_of = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| width(cell)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width_of).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, own))| {
            let pad = " ".repeat(own - width(cell));
            match left.contains(&column) {
                true => format!("{cell}{pad}"),
                false => format!("{pad}{cell}"),
            }
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        text.push_str(&cut(line, most.unwrap_or(usize::MAX)));
        text.push('\n');
    }
    text
}

/// A two-column list of names and values, both left-aligned.
pub(crate) fn list(rows: &[(&str, String)]) -> String {
    let most = rows.iter().map(|(name, _)| width(name)).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{name}{}  {value}\n", " ".repeat(most - width(name))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        let rows = [
            row(&["", "before", "after"]),
            row(&["loss", "10.25", "0.125"]),
            row(&["x"]),
        ];
        insta::assert_snapshot!(render(&rows), @r"
              before  after
        loss   10.25  0.125
        x
        ");
        assert_eq!(render(&[]), "");
    }
}
