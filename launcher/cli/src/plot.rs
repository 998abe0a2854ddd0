//! A curve in the terminal, drawn with braille dots: two a column, four a line.

use std::ops::RangeInclusive;

/// Dots across one character.
const DOTS_ACROSS: usize = 2;
/// Dots down one character.
const DOTS_DOWN: usize = 4;
/// Bit of each dot in a braille character, by row and column (Unicode block U+2800).
const BITS: [[u32; DOTS_ACROSS]; DOTS_DOWN] =
    [[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]];
/// The braille character without dots.
const BLANK: u32 = 0x2800;

/// Size of the drawing in characters, labels left out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Characters across, at least 1.
    pub(crate) columns: usize,
    /// Characters down, at least 1.
    pub(crate) rows: usize,
}

/// Draws `loss` against its step: lines of text with labelled axes, each with its line end.
///
/// Where there are more steps than dots, a dot shows the mean of its steps. Values that are not
/// finite are left out; with fewer than two finite values there is nothing to draw.
pub(crate) fn render(losses: &[f64], size: Size) -> String {
    let dots = columns_of(losses, size.columns * DOTS_ACROSS);
    let finite = || dots.iter().flatten().copied();
    if finite().count() < 2 {
        return String::new();
    }
    let low = finite().fold(f64::INFINITY, f64::min);
    let high = finite().fold(f64::NEG_INFINITY, f64::max);
    let cells = draw(&dots, low..=high, size);
    let labels = [format!("{high:.3}"), format!("{low:.3}")];
    let width = labels.iter().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (row, line) in cells.iter().enumerate() {
        let label = match row {
            0 => labels[0].as_str(),
            _ if row + 1 == size.rows => labels[1].as_str(),
            _ => "",
        };
        let tick = if label.is_empty() { '│' } else { '┤' };
        text.push_str(&format!(
            "{label:>width$} {tick}{}\n",
            line.trim_end_matches('\u{2800}')
        ));
    }
    let last = losses.len().to_string();
    text.push_str(&format!("{:width$} └{}\n", "", "─".repeat(size.columns)));
    let gap = size.columns.saturating_sub(1);
    text.push_str(&format!("{:width$}  1{last:>gap$}  step\n", ""));
    text
}

/// One value a dot column: the mean of the finite losses that fall into it.
fn columns_of(losses: &[f64], columns: usize) -> Vec<Option<f64>> {
    let columns = columns.min(losses.len());
    (0..columns)
        .map(|column| {
            let share =
                &losses[column * losses.len() / columns..(column + 1) * losses.len() / columns];
            let finite: Vec<f64> = share
                .iter()
                .copied()
                .filter(|loss| loss.is_finite())
                .collect();
            (!finite.is_empty()).then(|| finite.iter().sum::<f64>() / finite.len() as f64)
        })
        .collect()
}

/// The lines of braille characters, the highest value on top.
fn draw(dots: &[Option<f64>], range: RangeInclusive<f64>, size: Size) -> Vec<String> {
    let (across, down) = (size.columns * DOTS_ACROSS, size.rows * DOTS_DOWN);
    let spread = (range.end() - range.start()).max(f64::MIN_POSITIVE);
    let height = |loss: f64| ((range.end() - loss) / spread * (down - 1) as f64).round() as usize;
    let mut cells = vec![vec![BLANK; size.columns]; size.rows];
    let mut previous: Option<usize> = None;
    for x in 0..across {
        // Fewer steps than dots: the curve is stretched over the whole width.
        let Some(loss) = dots[x * dots.len() / across] else {
            previous = None;
            continue;
        };
        let y = height(loss);
        let from = previous.map_or(y, |before| if before < y { before + 1 } else { before });
        for dot in from.min(y)..=from.max(y) {
            cells[dot / DOTS_DOWN][x / DOTS_ACROSS] |= BITS[dot % DOTS_DOWN][x % DOTS_ACROSS];
        }
        previous = Some(y);
    }
    let line = |row: &Vec<u32>| {
        row.iter()
            .filter_map(|cell| char::from_u32(*cell))
            .collect()
    };
    cells.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        columns: 30,
        rows: 6,
    };

    #[test]
    fn a_falling_loss() {
        let losses: Vec<f64> = (0..240)
            .map(|step| 3.2 * (-f64::from(step) / 50.0).exp())
            .collect();
        insta::assert_snapshot!(render(&losses, SIZE));
    }

    #[test]
    fn few_steps_are_stretched() {
        insta::assert_snapshot!(render(&[4.0, 2.0, 3.0], SIZE));
    }

    #[test]
    fn values_that_are_not_finite_leave_a_gap() {
        insta::assert_snapshot!(render(&[1.0, f64::NAN, f64::INFINITY, 2.0], SIZE));
    }

    #[test]
    fn a_flat_curve_and_none_at_all() {
        insta::assert_snapshot!(render(&[1.5; 9], SIZE));
        assert_eq!(render(&[], SIZE), "");
        assert_eq!(render(&[1.0], SIZE), "");
    }
}
