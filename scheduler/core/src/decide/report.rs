//! What agents tell.
//!
//! Rules: news of an older attempt change nothing (SCH-3); a report that cannot be is refused whole.
//! Every fact is decided by what the state lacks, so that a report may arrive any number of times.

use schliff_spec::id::Step;

use super::Draft;
use super::halving::is_at_rung;
use crate::fact::What;
use crate::input::{News, Report};
use crate::job::{Attempt, Job, Phase, StopWhy};
use crate::policy::JOIN_MS;
use crate::rejection::Rejection;

pub(super) fn decide(draft: &mut Draft<'_>, report: &Report) -> Result<(), Rejection> {
    let (id, generation) = (report.key.job, report.key.generation);
    let job = draft.state.jobs.get(&id).ok_or(Rejection::NoJob(id))?;
    if generation > job.generation {
        return Err(Rejection::Future {
            job: id,
            generation,
            newest: job.generation,
        });
    }
    if generation < job.generation {
        return Ok(());
    }
    let Some(attempt) = job.attempts.last() else {
        return Ok(());
    };
    may_be(job, attempt, report)?;
    if attempt.ended.is_some() {
        late(draft, job, report);
        return Ok(());
    }
    begin(draft, job, attempt, report);
    tell(draft, job, attempt, report);
    Ok(())
}

/// Refuses what cannot be.
fn may_be(job: &Job, attempt: &Attempt, report: &Report) -> Result<(), Rejection> {
    let nodes = attempt.shape.nodes;
    if report.node >= nodes {
        return Err(Rejection::ImpossibleNode {
            job: job.id,
            node: report.node,
            nodes,
        });
    }
    let told = report.news.iter().find_map(|news| match news {
        News::Alive { steps, .. } => *steps,
        _ => None,
    });
    let Some(steps) = told.or(attempt.vitals.steps) else {
        return Ok(());
    };
    let beyond = report.news.iter().find_map(|news| match news {
        News::Alive {
            step: Some(step), ..
        }
        | News::Committed { step }
        | News::Measured { step, .. } => (*step > steps).then_some(*step),
        _ => None,
    });
    match beyond {
        Some(step) => Err(Rejection::ImpossibleStep {
            job: job.id,
            step,
            steps,
        }),
        None => Ok(()),
    }
}

/// An attempt that has ended may still have committed or measured something.
fn late(draft: &mut Draft<'_>, job: &Job, report: &Report) {
    for news in &report.news {
        checkpoint(draft, job, news);
        measure(draft, job, news);
    }
}

/// Agents may be heard before the batch system tells that nodes were granted.
fn begin(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, report: &Report) {
    let (id, generation) = (job.id, attempt.generation);
    let is_there = |news: &News| matches!(news, News::Joined | News::Started { .. });
    if job.phase == Phase::Allocating && report.news.iter().any(is_there) {
        draft.push(What::Granted {
            job: id,
            generation,
            nodes: attempt.held_nodes().to_vec(),
            deadline: draft.now.plus(JOIN_MS),
        });
    }
    let has_joined =
        matches!(&job.phase, Phase::Starting { joined, .. } if joined.contains(&report.node));
    let may_join = matches!(job.phase, Phase::Allocating | Phase::Starting { .. });
    if may_join && !has_joined && report.news.iter().any(is_there) {
        draft.push(What::Joined {
            job: id,
            generation,
            node: report.node,
        });
    }
    let started = report.news.iter().find_map(|news| match news {
        News::Started { resumed_from } => Some(*resumed_from),
        _ => None,
    });
    if let Some(resumed_from) = started
        && !matches!(job.phase, Phase::Running { .. })
    {
        draft.push(What::Started {
            job: id,
            generation,
            resumed_from,
        });
    }
}

fn tell(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, report: &Report) {
    let (mut step, mut steps): (Option<Step>, Option<Step>) = (None, None);
    for news in &report.news {
        match news {
            News::Alive {
                step: done,
                steps: all,
            } => (step, steps) = (done.or(step), all.or(steps)),
            News::Ended(words) if attempt.last_words.is_none() => draft.push(What::Spoke {
                job: job.id,
                generation: attempt.generation,
                words: words.clone(),
            }),
            _ => {
                checkpoint(draft, job, news);
                measure(draft, job, news);
            }
        }
    }
    draft.push(What::Heard {
        job: job.id,
        generation: attempt.generation,
        step,
        steps,
    });
}

fn checkpoint(draft: &mut Draft<'_>, job: &Job, news: &News) {
    if let News::Committed { step } = news
        && job.committed.is_none_or(|newest| newest < *step)
    {
        draft.push(What::Committed {
            job: job.id,
            generation: job.generation,
            step: *step,
        });
    }
}

/// The first value of a step counts: a later attempt measures the same again.
fn measure(draft: &mut Draft<'_>, job: &Job, news: &News) {
    let News::Measured { step, loss } = news else {
        return;
    };
    if !loss.is_finite() || job.measures.contains_key(step) {
        return;
    }
    draft.push(What::Measured {
        job: job.id,
        step: *step,
        loss: *loss,
    });
    if job.live().is_some() && job.stop.is_none() && is_at_rung(draft.state, job, Some(*step)) {
        draft.push(What::StopAsked {
            job: job.id,
            why: StopWhy::AtRung,
            is_now: false,
        });
    }
}
