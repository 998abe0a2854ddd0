//! Draws the live view. Pure: the same model gives the same screen.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Axis, Block, Borders, Cell, Chart, Clear, Dataset, Paragraph, Row, Table, TableState, Wrap,
};
use schliff_wire::v1::{JobView, Phase};

use super::{Detail, Dialog, Model, Wish};
use crate::plain;
use crate::view::{explanation, jobs, log, status, title};

/// A screen that is smaller shows the list alone.
const ROWS_FOR_DETAIL: u16 = 16;
/// The cells of [`jobs::row`] that are shown, and their columns; the reason takes the rest.
const CELLS: [(usize, u16); 7] = [(0, 5), (1, 16), (2, 10), (3, 9), (4, 7), (5, 7), (7, 0)];
const KEYS: [(&str, &str); 7] = [
    ("j k", "choose the next, the one before; arrows do, too"),
    ("g G", "choose the first, the last"),
    ("Enter", "open the job, and close it again"),
    ("c", "cancel the job, after a question"),
    ("r", "retry the job, after a question"),
    ("?", "these keys"),
    ("q", "end"),
];

/// Everything.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &Model) {
    let rows = [
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ];
    let [head, body, foot] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(header(model), head);
    if body.height < ROWS_FOR_DETAIL {
        match model.is_open {
            true => draw_detail(frame, body, model),
            false => draw_jobs(frame, body, model),
        }
    } else if model.is_open {
        draw_detail(frame, body, model);
    } else {
        let list = Constraint::Length(jobs_height(body.height, model.jobs.len()));
        let [list, detail] = Layout::vertical([list, Constraint::Min(8)]).areas(body);
        draw_jobs(frame, list, model);
        draw_detail(frame, detail, model);
    }
    frame.render_widget(footer(model), foot);
    if let Some(dialog) = &model.dialog {
        draw_dialog(frame, dialog, model);
    }
}

/// As many lines as there are jobs, up to two fifths of the screen.
fn jobs_height(body: u16, jobs: usize) -> u16 {
    let wanted = u16::try_from(jobs).unwrap_or(u16::MAX).saturating_add(2);
    wanted.clamp(4, (body * 2 / 5).max(4))
}

fn header(model: &Model) -> Line<'static> {
    let name = Span::styled("schliff ", bold());
    let counts = match model.counts.is_empty() {
        true => "no jobs yet".to_owned(),
        false => model.counts.clone(),
    };
    Line::from(vec![name, Span::raw(format!(" {counts}"))])
}

fn footer(model: &Model) -> Line<'static> {
    let words = match model.note.is_empty() {
        true => &model.trouble,
        false => &model.note,
    };
    if words.is_empty() {
        let keys = "j k choose  Enter open  c cancel  r retry  ? keys  q end";
        return Line::styled(keys, dim());
    }
    Line::styled(plain::line(words), colored(model, Color::Yellow))
}

fn draw_jobs(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let heads = CELLS.map(|(cell, _)| Cell::from(jobs::HEADS[cell]));
    let rows = model.jobs.iter().map(|job| {
        let row = jobs::row(job, model.now_ms);
        let cells = CELLS.map(|(cell, _)| match cell {
            2 => Cell::from(Span::styled(row[cell].clone(), of_phase(model, job))),
            cell => Cell::from(row[cell].clone()),
        });
        Row::new(cells)
    });
    let widths = CELLS.map(|(_, width)| match width {
        0 => Constraint::Min(8),
        width => Constraint::Length(width),
    });
    let table = Table::new(rows, widths)
        .header(Row::new(heads).style(dim()))
        .column_spacing(1)
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::default().with_selected(model.place());
    frame.render_stateful_widget(table, area, &mut state);
}

fn draw_detail(frame: &mut Frame<'_>, area: Rect, model: &Model) {
    let Some(detail) = &model.detail else {
        let block = Block::new().borders(Borders::TOP);
        let words = match model.jobs.is_empty() {
            true => "nothing has been submitted yet: 'schliff submit JOB' does",
            false => "...",
        };
        frame.render_widget(Paragraph::new(words).block(block), area);
        return;
    };
    let heading = Span::styled(format!(" {} ", title(&detail.job)), bold());
    let block = Block::new().borders(Borders::TOP).title(heading);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    let log_rows = (inside.height / 3).max(3);
    let [upper, lower] =
        Layout::vertical([Constraint::Min(4), Constraint::Length(log_rows)]).areas(inside);
    let halves = [Constraint::Percentage(50), Constraint::Percentage(50)];
    let [words, chart] = Layout::horizontal(halves).spacing(1).areas(upper);
    let text = words_of(detail, model.now_ms);
    frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: false }), words);
    draw_losses(frame, chart, detail, model);
    draw_log(frame, lower, detail);
}

/// Why it is as it is, and its figures.
fn words_of(detail: &Detail, now_ms: i64) -> String {
    let mut text = explanation::text(&detail.why, now_ms);
    let job = &detail.job;
    let progress = job.progress.unwrap_or_default();
    let out = plain::line(&job.out);
    let figures = [
        (progress.steps > 0).then(|| format!("step {} of {}", progress.step, progress.steps)),
        progress
            .eval_loss
            .map(|loss| format!("held-out loss {loss:.4}")),
        status::speed(&progress),
        (job.ranks > 0).then(|| format!("{} ranks on {}", job.ranks, plain::line(&job.cluster))),
        (!out.is_empty()).then_some(out),
    ];
    for figure in figures.into_iter().flatten() {
        text.push_str(&figure);
        text.push('\n');
    }
    text
}

fn draw_losses(frame: &mut Frame<'_>, area: Rect, detail: &Detail, model: &Model) {
    let finite: Vec<_> = detail
        .losses
        .iter()
        .copied()
        .filter(|(_, loss)| loss.is_finite())
        .collect();
    let (Some(first), Some(last)) = (finite.first(), finite.last()) else {
        frame.render_widget(Paragraph::new("no step yet").style(dim()), area);
        return;
    };
    let low = finite
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::INFINITY, f64::min);
    let high = finite
        .iter()
        .map(|(_, loss)| *loss)
        .fold(f64::NEG_INFINITY, f64::max);
    // A flat curve lies in the middle.
    let margin = if high > low {
        0.0
    } else {
        low.abs().max(1.0) / 10.0
    };
    let steps = [first.0, last.0.max(first.0 + 1.0)];
    let line = Dataset::default()
        .marker(Marker::Braille)
        .graph_type(ratatui::widgets::GraphType::Line)
        .style(colored(model, Color::Cyan))
        .data(&finite);
    let chart = Chart::new(vec![line])
        .x_axis(
            Axis::default()
                .bounds(steps)
                .style(dim())
                .labels([format!("{:.0}", steps[0]), format!("step {:.0}", steps[1])]),
        )
        .y_axis(
            Axis::default()
                .bounds([low - margin, high + margin])
                .style(dim())
                .labels([format!("{low:.3}"), format!("loss {high:.3}")]),
        );
    frame.render_widget(chart, area);
}

/// The newest lines that fit, each cut to its line.
fn draw_log(frame: &mut Frame<'_>, area: Rect, detail: &Detail) {
    let block = Block::new()
        .borders(Borders::TOP)
        .title(Span::styled(" log ", dim()));
    let inside = block.inner(area);
    let rows = usize::from(inside.height);
    let columns = usize::from(inside.width);
    let newest = detail
        .lines
        .iter()
        .skip(detail.lines.len().saturating_sub(rows));
    let lines: Vec<_> = newest
        .map(|line| Line::raw(plain::cut(&log::text(line), columns)))
        .collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

fn draw_dialog(frame: &mut Frame<'_>, dialog: &Dialog, model: &Model) {
    let (heading, lines) = match dialog {
        Dialog::Keys => {
            let lines = KEYS.map(|(key, does)| Line::raw(format!("{key:<7}{does}")));
            ("keys", lines.to_vec())
        }
        Dialog::Sure { wish, job } => {
            let question = match wish {
                Wish::Retry(_) => format!("Let {job} go on from its newest checkpoint?"),
                _ => format!("Stop {job}? What it has trained is kept."),
            };
            let keys = Line::styled("y yes   any other key no", dim());
            ("sure?", vec![Line::raw(question), Line::raw(""), keys])
        }
    };
    let screen = frame.area();
    let width = screen.width.saturating_sub(4).min(60);
    let height = (lines.len() as u16 + 3).min(screen.height);
    let area = Rect {
        x: (screen.width - width) / 2,
        y: (screen.height - height) / 2,
        width,
        height,
    };
    let border = colored(model, Color::Yellow);
    let block = Block::bordered()
        .border_style(border)
        .title(format!(" {heading} "));
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .block(block),
        area,
    );
}

fn of_phase(model: &Model, job: &JobView) -> Style {
    let color = match (job.phase(), job.outcome.as_str()) {
        (Phase::Done, "succeeded") => Color::Green,
        (Phase::Done, "cancelled" | "pruned") => return dim(),
        (Phase::Done, _) => Color::Red,
        (Phase::Running, _) => Color::Cyan,
        (Phase::Recovering, _) => Color::Yellow,
        _ => return Style::new(),
    };
    colored(model, color)
}

fn colored(model: &Model, color: Color) -> Style {
    match model.has_color {
        true => Style::new().fg(color),
        false => Style::new(),
    }
}

fn dim() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

#[cfg(test)]
mod tests;
