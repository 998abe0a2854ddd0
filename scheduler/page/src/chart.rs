//! Curves as SVG, for browsers without JavaScript and for the first moment of all others.
//!
//! Absent on purpose: anything one can point at. `assets/charts.js` draws the same data for that.

use std::fmt::Write as _;

use schliff_wire::v1::SeriesReply;

use crate::show::number;

const WIDTH: f64 = 800.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 28.0;
/// Part of the old value in each smoothed one; `assets/charts.js` has the same.
const SMOOTHING: f64 = 0.9;

/// Losses of the training and of evaluations over the steps; empty where there are none.
pub(crate) fn losses(series: &SeriesReply, steps: u64) -> String {
    let points: Vec<_> = series
        .steps
        .iter()
        .map(|point| (point.step as f64, point.loss))
        .filter(|(_, loss)| loss.is_finite())
        .collect();
    let evals: Vec<_> = series
        .evals
        .iter()
        .map(|point| (point.step as f64, point.loss))
        .filter(|(_, loss)| loss.is_finite())
        .collect();
    let Some(frame) = Frame::around(&points, &evals, steps as f64) else {
        return String::new();
    };
    let mut svg = format!(
        "<svg class=\"curve\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Loss over steps\">"
    );
    frame.grid(&mut svg);
    frame.line(&mut svg, "ink-raw", points.iter().copied());
    frame.line(&mut svg, "ink-loss", smoothed(&points).into_iter());
    frame.line(&mut svg, "ink-eval", evals.iter().copied());
    for (step, loss) in &evals {
        let (x, y) = frame.place(*step, *loss);
        // Writing into a string cannot fail, here and below.
        let _ = write!(
            svg,
            "<circle class=\"ink-eval\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\"/>"
        );
    }
    svg.push_str("</svg>");
    svg
}

/// An exponential average that is not drawn to zero at its beginning.
fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let (mut sum, mut weight) = (0.0, 0.0);
    let next = |(step, value): &(f64, f64)| {
        sum = sum * SMOOTHING + value * (1.0 - SMOOTHING);
        weight = weight * SMOOTHING + 1.0 - SMOOTHING;
        (*step, sum / weight)
    };
    points.iter().map(next).collect()
}

/// What is drawn, in the data's units.
struct Frame {
    steps: f64,
    low: f64,
    high: f64,
}

impl Frame {
    fn around(points: &[(f64, f64)], evals: &[(f64, f64)], steps: f64) -> Option<Self> {
        let all = || points.iter().chain(evals);
        let low = all().map(|(_, loss)| *loss).reduce(f64::min)?;
        let high = all().map(|(_, loss)| *loss).reduce(f64::max)?;
        let last = all().map(|(step, _)| *step).fold(1.0, f64::max);
        let air = ((high - low) * 0.06).max(high.abs() * 1e-3).max(1e-9);
        Some(Self {
            steps: last.max(steps),
            low: low - air,
            high: high + air,
        })
    }

    fn place(&self, step: f64, value: f64) -> (f64, f64) {
        let x = LEFT + step / self.steps * (WIDTH - LEFT - RIGHT);
        let up = (value - self.low) / (self.high - self.low);
        (x, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM))
    }

    fn grid(&self, svg: &mut String) {
        for value in ticks(self.low, self.high, 4) {
            let (_, y) = self.place(0.0, value);
            let (text_y, end, x) = (y + 4.0, WIDTH - RIGHT, LEFT - 8.0);
            let label = number::loss(value);
            let _ = write!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{end}\"/><text x=\"{x}\" y=\"{text_y:.1}\" text-anchor=\"end\">{label}</text>"
            );
        }
        for step in ticks(0.0, self.steps, 5) {
            let (x, _) = self.place(step, self.low);
            let y = HEIGHT - 8.0;
            let label = number::count(step as u64);
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{label}</text>"
            );
        }
    }

    fn line(&self, svg: &mut String, class: &str, points: impl Iterator<Item = (f64, f64)>) {
        let _ = write!(svg, "<polyline class=\"{class}\" points=\"");
        for (step, value) in points {
            let (x, y) = self.place(step, value);
            let _ = write!(svg, "{x:.1},{y:.1} ");
        }
        svg.push_str("\"/>");
    }
}

/// Round values within bounds, about so many.
fn ticks(low: f64, high: f64, about: u32) -> Vec<f64> {
    let raw = (high - low) / f64::from(about);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| *step >= raw)
        .unwrap_or(raw);
    let first = (low / step).ceil();
    // The bound holds whatever rounding does.
    (0..=about * 2)
        .map(|at| (first + f64::from(at)) * step)
        .take_while(|value| *value <= high)
        .collect()
}

#[cfg(test)]
mod tests {
    use schliff_wire::v1::{EvalPoint, StepPoint};

    use super::*;

    fn series(losses: &[f64]) -> SeriesReply {
        let step = |(at, loss): (usize, &f64)| StepPoint {
            step: at as u64 + 1,
            loss: *loss,
            ..StepPoint::default()
        };
        SeriesReply {
            steps: losses.iter().enumerate().map(step).collect(),
            evals: Vec::new(),
        }
    }

    #[test]
    fn what_is_not_a_number_is_left_out() {
        assert_eq!(losses(&SeriesReply::default(), 10), "");
        assert_eq!(losses(&series(&[f64::NAN, f64::INFINITY]), 10), "");
        let svg = losses(&series(&[3.0, f64::NAN, 2.0]), 10);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let flat = losses(&series(&[0.0, 0.0]), 0);
        assert!(!flat.contains("NaN") && flat.contains("polyline"), "{flat}");
    }

    #[test]
    fn evaluations_have_a_mark_each() {
        let mut data = series(&[3.0, 2.0]);
        data.evals = vec![EvalPoint {
            step: 2,
            loss: 2.5,
            ..EvalPoint::default()
        }];
        assert_eq!(losses(&data, 4).matches("<circle").count(), 1);
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(ticks(0.0, 100.0, 5), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(1.93, 3.1, 4), [2.0, 2.5, 3.0]);
    }
}
