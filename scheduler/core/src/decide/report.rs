//! What agents tell.
//!
//! Rules: news of an older attempt change nothing (SCH-3); a report that cannot be is refused whole.
//! Every fact is decided by what the state lacks, so that a report may arrive any number of times.
//! Runs of an allocation that goes back to the queue share their key, so that a report may be of an
//! earlier one: while it waits again, only a listing tells that it runs, and an earlier run's last words
//! are worth nothing.

use schliff_spec::id::Step;

use super::Draft;
use super::halving::is_at_rung;
use crate::fact::What;
use crate::input::{News, Report};
use crate::job::{Attempt, Crew, Job, LastWords, Phase, StopWhy};
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
    if !attempt.is_listed_first() {
        begin(draft, job, attempt, report);
    }
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

/// An agent of a new run, or of the first.
fn is_there(news: &News) -> bool {
    matches!(news, News::Joined | News::Started { .. })
}

/// The nodes that the newest run of a report is on, where that is told.
fn crew(report: &Report) -> Option<&Crew> {
    report.news.iter().fold(None, |last, news| match news {
        News::Regrouped(crew) => Some(crew),
        News::Joined => None,
        _ => last,
    })
}

/// It goes on without nodes: each that is newly gone is blamed.
fn regroup(draft: &mut Draft<'_>, attempt: &Attempt, report: &Report) {
    let told = crew(report).filter(|crew| attempt.crew.as_ref() != Some(crew));
    let Some(crew) = told.filter(|_| !attempt.is_listed_first()) else {
        return;
    };
    draft.push(What::Regrouped {
        job: report.key.job,
        generation: attempt.generation,
        crew: crew.clone(),
    });
    let was_gone = attempt.crew.as_ref().map(|before| &before.gone);
    let is_new = |node: &&u32| was_gone.is_none_or(|gone| !gone.contains(node));
    for node in crew.gone.iter().filter(is_new) {
        if let Some(name) = attempt.node(*node) {
            draft.push(What::NodeStruck {
                cluster: attempt.cluster.clone(),
                node: name.clone(),
            });
        }
    }
}

/// Last words that no news of a further run follow.
fn last_words(report: &Report) -> Option<&LastWords> {
    report.news.iter().fold(None, |last, news| match news {
        News::Ended(words) => Some(words),
        news if is_there(news) => None,
        _ => last,
    })
}

/// Agents of a further run are heard, after the last words of the one before.
fn is_further_run(draft: &Draft<'_>, attempt: &Attempt, report: &Report) -> bool {
    let chains = draft.terms(attempt).is_some_and(|terms| terms.chains);
    let may_go_on = chains || attempt.adopts.is_some();
    let has_gone = attempt.last_words.is_some() && attempt.may_be_outspoken();
    may_go_on && has_gone && last_words(report).is_none() && report.news.iter().any(is_there)
}

/// Agents may be heard before the batch system tells that nodes were granted.
fn begin(draft: &mut Draft<'_>, job: &Job, attempt: &Attempt, report: &Report) {
    let (id, generation) = (job.id, attempt.generation);
    let has_told = report.news.iter().any(is_there);
    let is_further = is_further_run(draft, attempt, report);
    if is_further {
        draft.requeued(job, attempt, "");
    }
    if is_further || (job.phase == Phase::Allocating && has_told) {
        draft.push(What::Granted {
            job: id,
            generation,
            // Those of a further run are told by the next listing.
            nodes: match is_further {
                true => Vec::new(),
                false => attempt.held_nodes().to_vec(),
            },
            deadline: draft.now.plus(JOIN_MS),
        });
    }
    // What agents of a further run told while a listing was awaited was not taken: that they are heard
    // at all has to do.
    let has_come = has_told || attempt.may_have_had_runs();
    let may_join = match &job.phase {
        Phase::Starting { joined, .. } => !joined.contains(&report.node),
        Phase::Allocating => true,
        _ => is_further,
    };
    if may_join && has_come {
        draft.push(What::Joined {
            job: id,
            generation,
            node: report.node,
        });
    }
    let is_running = matches!(job.phase, Phase::Running { .. }) && !is_further;
    if let Some(resumed_from) = started(job, attempt, report).filter(|_| !is_running) {
        draft.push(What::Started {
            job: id,
            generation,
            resumed_from,
        });
    }
}

/// That all ranks train, and from where.
fn started(job: &Job, attempt: &Attempt, report: &Report) -> Option<Option<Step>> {
    let told = report.news.iter().rev().find_map(|news| match news {
        News::Started { resumed_from } => Some(*resumed_from),
        _ => None,
    });
    // As above: in a further run, a step tells it.
    let is_step = |news: &News| matches!(news, News::Alive { step: Some(_), .. });
    let trains = attempt.may_have_had_runs() && report.news.iter().any(is_step);
    told.or(trains.then_some(job.committed))
}

/// Whether last words are taken: the first ones of a run. Those of a run that is over are not, unless
/// the job is at its end by them.
fn takes(draft: &Draft<'_>, attempt: &Attempt, words: &LastWords) -> bool {
    let chains = draft.terms(attempt).is_some_and(|terms| terms.chains);
    match &attempt.last_words {
        // Each of its runs from before it was adopted had some.
        _ if attempt.adopts.is_some() => true,
        None => words.are_final() || !attempt.waits_again(),
        Some(before) => chains && !before.are_final() && words.are_final(),
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
            _ => {
                checkpoint(draft, job, news);
                measure(draft, job, news);
            }
        }
    }
    regroup(draft, attempt, report);
    if let Some(words) = last_words(report).filter(|words| takes(draft, attempt, words)) {
        draft.push(What::Spoke {
            job: job.id,
            generation: attempt.generation,
            words: words.clone(),
        });
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
