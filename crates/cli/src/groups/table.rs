//! Tables of the commands on groups: columns as wide as their widest cell, or at least so wide.
//!
//! Not here: what stands in the cells.

/// A column: its head, and how wide it is.
pub(crate) struct Column {
    head: &'static str,
    width: Width,
}

/// How wide a column is.
enum Width {
    /// So wide, whatever stands in it.
    Fixed(usize),
    /// As wide as its widest cell, and at least so wide.
    AtLeast(usize),
    /// As wide as each cell: the last column.
    Open,
}

/// A column of this width.
pub(crate) fn fixed(head: &'static str, width: usize) -> Column {
    Column { head, width: Width::Fixed(width) }
}

/// A column that grows with its cells.
pub(crate) fn at_least(head: &'static str, width: usize) -> Column {
    Column { head, width: Width::AtLeast(width) }
}

/// A last column without padding.
pub(crate) fn open(head: &'static str) -> Column {
    Column { head, width: Width::Open }
}

/// The head and the rows, each line with its line feed; one space between columns.
pub(crate) fn table(columns: &[Column], rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| match column.width {
            Width::Fixed(width) => width,
            Width::AtLeast(width) => {
                let cells = rows.iter().filter_map(|row| row.get(at));
                cells.map(|cell| cell.chars().count()).max().unwrap_or(0).max(width)
            }
            Width::Open => 0,
        })
        .collect();
    let heads: Vec<String> = columns.iter().map(|column| column.head.to_string()).collect();
    for row in std::iter::once(&heads).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(&cells.collect::<Vec<_>>().join(" "));
        text.push('\n');
    }
    text
}
