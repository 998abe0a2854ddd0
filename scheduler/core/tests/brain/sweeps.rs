use schliff_scheduler::ask::Sweep;
use schliff_scheduler::ending::Outcome;
use schliff_scheduler::input::News;
use schliff_scheduler::job::Phase;
use schliff_spec::id::{JobId, Step};

use crate::desk::{Desk, halving};

/// A trial trains to a rung and measures this there.
fn reach(desk: &mut Desk, trial: JobId, step: u64, loss: f64) {
    desk.run(trial);
    let step = Step(step);
    desk.report(
        trial,
        &[News::Committed { step }, News::Measured { step, loss }],
    );
    desk.exit(trial, 75);
}

#[test]
fn the_best_of_each_rung_go_on() {
    let mut desk = Desk::with_nodes(4);
    let (sweep, trials) = desk.sweep(4, halving(2, &[10, 20]));
    desk.tick();
    insta::assert_snapshot!(desk.why(sweep), @"0 of 4 trials have ended");
    for (trial, loss) in trials.iter().zip([0.4, 0.1, 0.3, 0.2]).take(3) {
        reach(&mut desk, *trial, 10, loss);
    }
    desk.tick();
    insta::assert_snapshot!(desk.why(trials[0]), @"reached its rung; 1 more trials of sweep 1 have to");
    reach(&mut desk, trials[3], 10, 0.2);
    desk.tick();
    insta::assert_snapshot!(desk.why(trials[0]), @"place 4 of 4 trials: the better ones go on");
    desk.tick();
    reach(&mut desk, trials[1], 20, 0.05);
    reach(&mut desk, trials[3], 20, 0.04);
    desk.tick();
    desk.tick();
    let place = |id: JobId| match desk.outcome(id) {
        Some(Outcome::Pruned { place, of }) => Some((*place, *of)),
        _ => None,
    };
    assert_eq!(
        trials.iter().map(|id| place(*id)).collect::<Vec<_>>(),
        [Some((4, 4)), Some((2, 2)), Some((3, 4)), None]
    );
    desk.run(trials[3]);
    desk.exit(trials[3], 0);
    desk.tick();
    assert_eq!(desk.outcome(sweep), Some(&Outcome::Succeeded));
}

#[test]
fn a_sweep_runs_as_many_trials_as_it_may() {
    let mut desk = Desk::with_nodes(4);
    let sweep = Sweep {
        max_parallel: Some(2),
        halving: None,
    };
    let (sweep, trials) = desk.sweep(3, sweep);
    desk.tick();
    insta::assert_snapshot!(desk.why(trials[2]), @"sweep 1 runs 2 trials at a time");
    desk.cancel(sweep);
    assert!(matches!(desk.job(trials[2]).phase, Phase::Done { .. }));
    for trial in &trials[..2] {
        desk.run(*trial);
        desk.exit(*trial, 75);
    }
    desk.tick();
    assert!(matches!(
        desk.outcome(sweep),
        Some(Outcome::Cancelled { .. })
    ));
}

#[test]
fn a_sweep_whose_trials_all_fail_has_failed() {
    let mut desk = Desk::with_nodes(4);
    let (sweep, trials) = desk.sweep(2, halving(2, &[10]));
    desk.tick();
    for trial in trials {
        desk.run(trial);
        desk.exit(trial, 1);
    }
    desk.tick();
    assert_eq!(desk.outcome(sweep), Some(&Outcome::NoTrialSucceeded));
}
