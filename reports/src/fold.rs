//! Tables that are too wide for whoever looks at them.

/// A table in blocks of columns, one below the other, each as wide as fits and each with the first `labels` columns. `draw`
/// draws chosen columns. Without a width, or where all fits, it is one block.
pub(crate) fn folded(
    columns: usize,
    labels: usize,
    width: Option<usize>,
    draw: impl Fn(&[usize]) -> Vec<String>,
) -> Vec<String> {
    let whole: Vec<usize> = (0..columns).collect();
    let drawn = draw(&whole);
    let Some(width) = width.filter(|&width| widest(&drawn) > width) else { return drawn };
    let mut lines = Vec::new();
    let mut next = labels.min(columns);
    while next < columns {
        let mut block: Vec<usize> = (0..labels).chain([next]).collect();
        let mut drawn = draw(&block);
        next += 1;
        while next < columns {
            block.push(next);
            let more = draw(&block);
            if widest(&more) > width {
                break;
            }
            (drawn, next) = (more, next + 1);
        }
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.append(&mut drawn);
    }
    lines
}

/// How many characters the longest line has.
pub(crate) fn widest(lines: &[String]) -> usize {
    lines.iter().map(|line| line.chars().count()).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns of ten characters.
    fn draw(columns: &[usize]) -> Vec<String> {
        let line =
            |row: usize| columns.iter().map(|c| format!("{c}/{row}       ")).collect::<Vec<_>>().concat();
        (0..2).map(line).collect()
    }

    #[test]
    fn blocks_repeat_their_labels_and_lose_no_column() {
        assert_eq!(folded(4, 1, None, draw), draw(&[0, 1, 2, 3]));
        assert_eq!(folded(4, 1, Some(40), draw), draw(&[0, 1, 2, 3]));
        let narrow = folded(4, 1, Some(35), draw);
        assert_eq!(narrow, [draw(&[0, 1, 2]), vec![String::new()], draw(&[0, 3])].concat());
        // What does not fit even alone is shown all the same.
        assert_eq!(folded(3, 1, Some(5), draw).len(), 5);
    }
}
