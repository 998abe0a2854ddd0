//! Follows jobs to their end, through restarts of the coordinator.
//!
//! Rules: a stream that breaks off is begun again where it was, nothing is shown twice; the first
//! connection must come about, later ones may take a while. Absent on purpose: how it looks, which
//! the [`Audience`] decides.

use std::time::Duration;

use schliff_wire::v1::{JobRequest, JobView, LogChunk, LogLine, LogsRequest, Phase};
use tokio::time::{Instant, sleep, timeout};
use tonic::{Status, Streaming};

use crate::coordinator::{Coordinator, Jobs, Refused};
use crate::outcome::CliError;

/// A coordinator that was there may be away for so long: time to restart it or to move.
const AWAY_AT_MOST: Duration = Duration::from_secs(600);
/// Between two tries to find it again.
const PAUSE: Duration = Duration::from_millis(500);
/// Said when it went away.
const AWAY: &str = "the coordinator does not answer; the job goes on; trying again";
/// Last lines may come after the end; a log that is silent for so long is let go.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(3);

/// Who watches.
pub(crate) trait Audience {
    /// How the job is doing, whenever that has changed.
    fn view(&mut self, view: &JobView);
    /// A line of its log.
    fn line(&mut self, line: &LogLine);
    /// The coordinator went away or came back.
    fn remark(&mut self, words: &str);
    /// It takes no more lines: a log ends there.
    fn is_gone(&self) -> bool {
        false
    }
}

/// Why one connection came to its end.
enum Parting {
    /// The job has ended.
    Ended(Box<JobView>),
    /// The coordinator closed the stream, or the connection broke.
    Broken(Option<Refused>),
}

/// Since when there is no connection, and whether that was told.
#[derive(Default)]
struct Away {
    since: Option<Instant>,
    is_told: bool,
}

/// One job that is followed.
pub(crate) struct Follow<'a, A> {
    /// Which.
    pub(crate) job: u64,
    /// Its log is wanted, too.
    pub(crate) logs: bool,
    /// Who watches.
    pub(crate) audience: &'a mut A,
}

impl<A: Audience> Follow<'_, A> {
    /// The job's last view.
    pub(crate) async fn until_end(
        &mut self,
        coordinator: &mut Coordinator,
    ) -> Result<JobView, CliError> {
        let what = format!("cannot follow job {}", self.job);
        let mut away = Away::default();
        let mut after = 0;
        let mut was_there = false;
        loop {
            let refused = match self.connection(coordinator, &mut after, &mut away).await {
                Ok(Parting::Ended(view)) => return Ok(*view),
                Ok(Parting::Broken(refused)) => {
                    was_there = true;
                    refused
                }
                Err(refused) => Some(refused),
            };
            let since = *away.since.get_or_insert_with(Instant::now);
            if let Some(refused) = &refused {
                if !was_there || !refused.may_pass() || since.elapsed() > AWAY_AT_MOST {
                    return Err(refused.told(&what));
                }
                // A log that broke off alone is begun again, and that is all.
                if refused.is_absent() && !std::mem::replace(&mut away.is_told, true) {
                    self.audience.remark(AWAY);
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// One connection from its beginning to its end.
    async fn connection(
        &mut self,
        coordinator: &mut Coordinator,
        after: &mut u64,
        away: &mut Away,
    ) -> Result<Parting, Refused> {
        let job = self.job;
        let watch = coordinator.ask(async |jobs| jobs.watch(JobRequest { job }).await);
        let mut views = watch.await?;
        let mut lines = match self.logs {
            true => Some(open_log(coordinator, &follow_from(job, *after)).await?),
            false => None,
        };
        if std::mem::take(away).is_told {
            self.audience.remark("the coordinator answers again");
        }
        let mut last = None;
        loop {
            tokio::select! {
                view = views.message() => match view {
                    Ok(Some(view)) => {
                        self.audience.view(&view);
                        last = Some(view);
                    }
                    Ok(None) => break,
                    Err(status) => return Ok(Parting::Broken(Some(Refused::broken_off(status)))),
                },
                // A log that has come to its end is never ready again.
                chunk = next_chunk(&mut lines) => match chunk {
                    Ok(Some(chunk)) => self.lines(&chunk, after),
                    Ok(None) => lines = None,
                    Err(status) => return Ok(Parting::Broken(Some(Refused::broken_off(status)))),
                },
            }
        }
        match last.filter(|view| view.phase() == Phase::Done) {
            Some(view) => match self.last_lines(lines, after).await {
                Ok(()) => Ok(Parting::Ended(Box::new(view))),
                Err(status) => Ok(Parting::Broken(Some(Refused::broken_off(status)))),
            },
            None => Ok(Parting::Broken(None)),
        }
    }

    fn lines(&mut self, chunk: &LogChunk, after: &mut u64) {
        for line in &chunk.lines {
            // A line that was sent again after a restart.
            if line.position > *after {
                *after = line.position;
                self.audience.line(line);
            }
        }
    }

    async fn last_lines(
        &mut self,
        lines: Option<Streaming<LogChunk>>,
        after: &mut u64,
    ) -> Result<(), Status> {
        let Some(mut lines) = lines else {
            return Ok(());
        };
        // What does not come in time is in the coordinator's log all the same.
        while let Ok(chunk) = timeout(LAST_LINES_WITHIN, lines.message()).await {
            match chunk? {
                Some(chunk) => self.lines(&chunk, after),
                None => break,
            }
        }
        Ok(())
    }
}

/// A log from a position on.
fn follow_from(job: u64, after: u64) -> LogsRequest {
    LogsRequest {
        job,
        follow: true,
        after,
        ..LogsRequest::default()
    }
}

/// The next lines; `None` once at the end; without a stream it is never ready.
async fn next_chunk(lines: &mut Option<Streaming<LogChunk>>) -> Result<Option<LogChunk>, Status> {
    match lines {
        Some(lines) => lines.message().await,
        None => std::future::pending().await,
    }
}

/// Opens a log.
pub(crate) async fn open_log(
    coordinator: &mut Coordinator,
    request: &LogsRequest,
) -> Result<Streaming<LogChunk>, Refused> {
    coordinator
        .ask(async |jobs| jobs.logs(request.clone()).await)
        .await
}

/// Reads a log to its end; where it follows, through restarts of the coordinator. One that is
/// followed ends in order only where the job has ended and each line was told.
pub(crate) async fn log(
    coordinator: &mut Coordinator,
    mut request: LogsRequest,
    audience: &mut impl Audience,
) -> Result<(), CliError> {
    let what = format!("cannot read the log of job {}", request.job);
    let mut stream = open_log(coordinator, &request)
        .await
        .map_err(|refused| refused.told(&what))?;
    while let Err(status) = read(&mut stream, &mut request, audience).await {
        let refused = Refused::broken_off(status);
        if !request.follow || !refused.may_pass() {
            return Err(refused.told(&what));
        }
        stream = open_again(coordinator, &request, audience)
            .await
            .map_err(|refused| refused.told(&what))?;
    }
    Ok(())
}

/// Reads a stream to its end, or as long as somebody listens, and notes in the request where to go on.
async fn read(
    stream: &mut Streaming<LogChunk>,
    request: &mut LogsRequest,
    audience: &mut impl Audience,
) -> Result<(), Status> {
    while let Some(chunk) = stream.message().await? {
        for line in &chunk.lines {
            // A line that was sent again after a restart.
            if line.position > request.after {
                request.after = line.position;
                audience.line(line);
                if audience.is_gone() {
                    return Ok(());
                }
            }
        }
        if request.after > 0 {
            request.tail = 0;
        }
    }
    Ok(())
}

/// Opens a log again, as long as it takes to find the coordinator.
async fn open_again(
    coordinator: &mut Coordinator,
    request: &LogsRequest,
    audience: &mut impl Audience,
) -> Result<Streaming<LogChunk>, Refused> {
    sleep(PAUSE).await;
    match open_log(coordinator, request).await {
        Err(refused) if refused.may_pass() => {
            audience.remark(AWAY);
            let again = async |jobs: &mut Jobs| jobs.logs(request.clone()).await;
            coordinator.ask_for(AWAY_AT_MOST, again).await
        }
        other => other,
    }
}
