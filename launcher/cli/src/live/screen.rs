//! The shell around the live view: the terminal, its keys, and the coordinator.
//!
//! Rules: keys are answered while the coordinator is slow, so asking and showing are two tasks that
//! share channels; the terminal is given back however it ends.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers, read};
use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{
    CancelRequest, JobRequest, JobView, ListReply, ListRequest, LogsRequest, RetryRequest,
    SeriesRequest,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::{MissedTickBehavior, interval};

use super::{Detail, Key, Model, Wish, view};
use crate::coordinator::{Coordinator, Refused};
use crate::follow::open_log;
use crate::outcome::{CliError, Outcome};
use crate::view::{jobs, status};
use crate::{clock, terminal};

/// Between two looks at the jobs.
const EVERY: Duration = Duration::from_secs(1);
/// Jobs in the list.
const JOBS: u32 = 200;
/// Points of the curve.
const POINTS: u32 = 400;
/// Lines of the log that are fetched.
const LINES: u32 = 100;
/// Keys and news that may wait; more are typed by nobody.
const WAITING: usize = 64;

/// What the asking task found.
enum News {
    Jobs(ListReply),
    Detail(Box<Detail>),
    /// Something to tell at the bottom, until a key is pressed.
    Note(String),
    /// Why there was nothing to see, to tell at the bottom until there is.
    Trouble(String),
}

/// Shows the jobs until somebody leaves.
pub(crate) async fn show(mut coordinator: Coordinator) -> Outcome {
    // Before the screen changes: whoever cannot be reached is told of as by any other verb.
    let first = list(&mut coordinator).await;
    let first = first.map_err(|refused| refused.told("cannot list jobs"))?;
    let mut model = Model {
        has_color: terminal::color_on_stdout(),
        ..Model::default()
    };
    take(&mut model, News::Jobs(first));
    let (wishes, of_keys) = channel(WAITING);
    let (news, of_coordinator) = channel(WAITING);
    // The list chose the first job itself.
    let _ = wishes.try_send(Wish::Show(model.chosen));
    let keys = keys();
    let mut screen = ratatui::try_init().map_err(|error| broken(&error))?;
    let shown = tokio::select! {
        shown = present(&mut screen, &mut model, keys, (wishes, of_coordinator)) => shown,
        () = attend(&mut coordinator, of_keys, news) => Ok(()),
    };
    ratatui::restore();
    shown.map_err(|error| broken(&error))?;
    Ok(ExitCode::Ok)
}

fn broken(error: &std::io::Error) -> CliError {
    CliError::new(ExitCode::JobFailed, "cannot show the jobs on this terminal").caused_by(error)
}

/// Reads keys on a thread of their own, which ends with the process: reading cannot be broken off.
fn keys() -> Receiver<Option<Key>> {
    let (outbox, inbox) = channel(WAITING);
    std::thread::spawn(move || {
        while let Ok(event) = read() {
            let key = match event {
                Event::Key(key) if key.kind != KeyEventKind::Release => Some(meaning(key)),
                Event::Resize(..) => None,
                _ => continue,
            };
            if outbox.blocking_send(key).is_err() {
                return;
            }
        }
    });
    inbox
}

fn meaning(key: KeyEvent) -> Key {
    match key.code {
        KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('j') | KeyCode::Down => Key::Down,
        KeyCode::Char('k') | KeyCode::Up => Key::Up,
        KeyCode::Char('g') | KeyCode::Home => Key::First,
        KeyCode::Char('G') | KeyCode::End => Key::Last,
        KeyCode::Enter => Key::Open,
        KeyCode::Esc => Key::Back,
        KeyCode::Char('c') => Key::Cancel,
        KeyCode::Char('r') => Key::Retry,
        KeyCode::Char('?') => Key::Keys,
        KeyCode::Char('y' | 'Y') => Key::Yes,
        KeyCode::Char('q') => Key::Quit,
        _ => Key::Other,
    }
}

/// Draws after every key and every news.
async fn present(
    screen: &mut ratatui::DefaultTerminal,
    model: &mut Model,
    mut keys: Receiver<Option<Key>>,
    (wishes, mut news): (Sender<Wish>, Receiver<News>),
) -> std::io::Result<()> {
    loop {
        model.now_ms = clock::now_ms();
        screen.draw(|frame| view::draw(frame, model))?;
        tokio::select! {
            key = keys.recv() => match key {
                // The terminal is gone.
                None => return Ok(()),
                Some(None) => {}
                Some(Some(key)) => {
                    model.note.clear();
                    match model.press(key) {
                        Some(Wish::Quit) => return Ok(()),
                        Some(wish) if wishes.try_send(wish).is_err() => {
                            model.note = "the coordinator is slow; not done".into();
                        }
                        _ => {}
                    }
                }
            },
            Some(news) = news.recv() => take(model, news),
        }
    }
}

fn take(model: &mut Model, news: News) {
    match news {
        News::Jobs(reply) => {
            model.counts = jobs::counts(&reply);
            model.take_jobs(reply.jobs);
            model.trouble.clear();
        }
        News::Detail(detail) => model.take_detail(*detail),
        News::Note(note) => model.note = note,
        News::Trouble(trouble) => model.trouble = trouble,
    }
}

/// Asks every second and after every wish, until nobody listens.
async fn attend(coordinator: &mut Coordinator, mut wishes: Receiver<Wish>, news: Sender<News>) {
    let mut chosen = 0;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = tick.tick() => {}
            wish = wishes.recv() => {
                let done = match wish {
                    None | Some(Wish::Quit) => return,
                    Some(Wish::Show(job)) => {
                        chosen = job;
                        None
                    }
                    Some(wish) => Some(act(coordinator, wish).await),
                };
                if let Some(note) = done && news.send(News::Note(note)).await.is_err() {
                    return;
                }
            }
        }
        let found = match look(coordinator, &mut chosen).await {
            Ok(found) => found,
            Err(refused) => vec![News::Trouble(refused.told("cannot look").brief())],
        };
        for found in found {
            if news.send(found).await.is_err() {
                return;
            }
        }
    }
}

async fn look(coordinator: &mut Coordinator, chosen: &mut u64) -> Result<Vec<News>, Refused> {
    let list = list(coordinator).await?;
    if !list.jobs.iter().any(|job| job.id == *chosen) {
        *chosen = list.jobs.first().map_or(0, |job| job.id);
    }
    let job = *chosen;
    let mut news = vec![News::Jobs(list)];
    if job > 0 {
        news.push(News::Detail(Box::new(detail(coordinator, job).await?)));
    }
    Ok(news)
}

async fn list(coordinator: &mut Coordinator) -> Result<ListReply, Refused> {
    let request = ListRequest {
        limit: JOBS,
        ..ListRequest::default()
    };
    coordinator
        .ask(async |jobs| jobs.list(request.clone()).await)
        .await
}

async fn detail(coordinator: &mut Coordinator, job: u64) -> Result<Detail, Refused> {
    let request = JobRequest { job };
    let view = coordinator
        .ask(async |jobs| jobs.get(request).await)
        .await?;
    let why = coordinator
        .ask(async |jobs| jobs.explain(request).await)
        .await?;
    let series = SeriesRequest {
        job,
        points: POINTS,
        after_step: 0,
    };
    let series = coordinator
        .ask(async |jobs| jobs.series(series).await)
        .await?;
    let request = LogsRequest {
        job,
        tail: LINES,
        ..LogsRequest::default()
    };
    let mut log = open_log(coordinator, &request).await?;
    let mut lines = Vec::new();
    while let Some(chunk) = log.message().await.map_err(Refused::broken_off)? {
        lines.extend(chunk.lines);
    }
    let point = |point: &schliff_wire::v1::StepPoint| (point.step as f64, point.loss);
    Ok(Detail {
        job: view,
        why,
        losses: series.steps.iter().map(point).collect(),
        lines,
    })
}

/// Does what was asked for and confirmed; in words how it went.
async fn act(coordinator: &mut Coordinator, wish: Wish) -> String {
    let done: Result<JobView, Refused> = match wish {
        Wish::Cancel(job) => {
            let request = CancelRequest {
                job,
                ..CancelRequest::default()
            };
            coordinator
                .ask(async |jobs| jobs.cancel(request.clone()).await)
                .await
        }
        Wish::Retry(job) => {
            let request = RetryRequest { job };
            coordinator
                .ask(async |jobs| jobs.retry(request).await)
                .await
        }
        Wish::Show(_) | Wish::Quit => return String::new(),
    };
    match done {
        Ok(view) => status::line(&view),
        Err(refused) => refused.told("not done").brief(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_until_the_next_look_and_a_note_stays() {
        let mut model = Model::default();
        take(&mut model, News::Note("job 1: cancelled".into()));
        take(&mut model, News::Trouble("nobody answers".into()));
        assert_eq!(model.trouble, "nobody answers");
        take(&mut model, News::Jobs(ListReply::default()));
        assert_eq!(
            (model.trouble.as_str(), model.note.as_str()),
            ("", "job 1: cancelled")
        );
    }
}
