use proptest::prelude::*;
use schliff_data::order::shuffled;
use schliff_data::plan::{MicroBatch, Plan, PlanError, Recipe};
use schliff_spec::job::{BatchSize, Duration};

const SAMPLES: BatchSize = BatchSize::Samples {
    batch: 4,
    micro_batch: 2,
};
const TOKENS: BatchSize = BatchSize::Tokens {
    batch: 24,
    micro_batch: 10,
};

fn recipe(batch: BatchSize, duration: Duration) -> Recipe {
    Recipe {
        batch,
        duration,
        shuffle: false,
        packing: false,
        seed: 7,
    }
}

fn steps(plan: &Plan) -> Vec<Vec<Vec<usize>>> {
    let samples = |batch: MicroBatch| batch.samples;
    (0..plan.steps())
        .map(|step| plan.step(step).into_iter().map(samples).collect())
        .collect()
}

fn plan(lengths: &[usize], recipe: Recipe) -> Plan {
    Plan::new(lengths.to_vec(), recipe).unwrap()
}

#[test]
fn the_seeded_order_is_the_same_for_ever() {
    // From a few lines of Python with the same definition. Checkpoints of every version resume by this order: it must never change.
    assert_eq!(shuffled(10, 7, 0), [3, 1, 2, 5, 6, 4, 0, 8, 7, 9]);
    assert_eq!(shuffled(10, 7, 1), [1, 3, 6, 0, 2, 5, 9, 4, 8, 7]);
    assert_eq!(shuffled(10, 8, 0), [0, 5, 8, 6, 3, 2, 4, 1, 7, 9]);
    assert_eq!(shuffled(1, 7, 0), [0]);
    assert!(shuffled(0, 7, 0).is_empty());
    let recipe = Recipe {
        shuffle: true,
        packing: true,
        ..recipe(TOKENS, Duration::Epochs(2.0))
    };
    let plan = plan(&[3, 5, 2, 7, 4, 6, 1, 8], recipe);
    insta::assert_debug_snapshot!(steps(&plan));
}

#[test]
fn an_epoch_ends_with_a_smaller_step() {
    let plan = plan(&[1; 6], recipe(SAMPLES, Duration::Epochs(2.0)));
    let epoch = [vec![vec![0, 1], vec![2, 3]], vec![vec![4, 5]]];
    assert_eq!(steps(&plan), [epoch.clone(), epoch].concat());
    assert_eq!(
        (plan.epoch_at(0), plan.epoch_at(2), plan.epoch_at(9)),
        (0.0, 1.0, 2.0)
    );
}

#[test]
fn a_number_of_steps_goes_on_into_the_next_epoch() {
    let plan = plan(&[1; 6], recipe(SAMPLES, Duration::Steps(2)));
    assert_eq!(steps(&plan), [[[0, 1], [2, 3]], [[4, 5], [0, 1]]]);
    assert_eq!(plan.tokens_total(), 8);
    assert!(plan.step(2).is_empty());
    assert!(plan.step(usize::MAX).is_empty());
}

#[test]
fn part_of_an_epoch_is_part_of_the_samples() {
    let count = |epochs| {
        let plan = plan(&[1; 10], recipe(SAMPLES, Duration::Epochs(epochs)));
        (plan.steps(), plan.tokens_total())
    };
    assert_eq!(count(0.5), (2, 5));
    assert_eq!(count(1.5), (5, 15));
    assert_eq!(count(1e-9), (1, 1));
}

#[test]
fn batches_of_tokens_hold_whole_samples() {
    let lengths = [6, 6, 4, 4, 10, 1];
    let loose = plan(&lengths, recipe(TOKENS, Duration::Epochs(1.0)));
    assert_eq!(
        steps(&loose),
        [
            vec![vec![0], vec![1, 2]],
            vec![vec![3], vec![4]],
            vec![vec![5]]
        ]
    );
    let tight = Recipe {
        packing: true,
        ..recipe(TOKENS, Duration::Epochs(1.0))
    };
    let tight = plan(&lengths, tight);
    assert_eq!(
        steps(&tight),
        [vec![vec![0, 2], vec![1, 3]], vec![vec![4], vec![5]]]
    );
}

#[test]
fn what_cannot_be_planned_is_told() {
    let lengths = vec![3, 11, 2];
    let told = |lengths: &[usize], batch, duration| {
        Plan::new(lengths.to_vec(), recipe(batch, duration))
            .unwrap_err()
            .to_string()
    };
    let once = Duration::Epochs(1.0);
    let lines = [
        told(&[], SAMPLES, once),
        told(&lengths, TOKENS, once),
        told(&lengths, SAMPLES, Duration::Steps(0)),
        told(&lengths, SAMPLES, Duration::Epochs(f64::NAN)),
        told(&lengths, SAMPLES, Duration::Epochs(-1.0)),
        told(&lengths, SAMPLES, Duration::Epochs(1e300)),
        told(
            &lengths,
            BatchSize::Samples {
                batch: 1,
                micro_batch: 0,
            },
            once,
        ),
        told(
            &lengths,
            BatchSize::Tokens {
                batch: 8,
                micro_batch: 16,
            },
            once,
        ),
    ];
    insta::assert_snapshot!(lines.join("\n"));
    let endless = recipe(
        BatchSize::Samples {
            batch: usize::MAX,
            micro_batch: 1 << 40,
        },
        once,
    );
    assert_eq!(plan(&lengths, endless).steps(), 1);
    let empty = recipe(SAMPLES, Duration::Epochs(f64::INFINITY));
    assert!(matches!(
        Plan::new(lengths, empty),
        Err(PlanError::Duration(_))
    ));
}

fn batch_sizes() -> impl Strategy<Value = BatchSize> {
    prop_oneof![
        (1..9_usize, 1..5_usize).prop_map(|(batch, micro)| BatchSize::Samples {
            batch: batch.max(micro),
            micro_batch: micro
        }),
        (1..5_usize, 20..50_usize).prop_map(|(rows, micro)| BatchSize::Tokens {
            batch: rows * micro,
            micro_batch: micro
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// PL-2, PL-4, PL-5.
    #[test]
    fn every_epoch_draws_every_sample_once_within_the_bounds(
        lengths in prop::collection::vec(1..20_usize, 1..40),
        batch in batch_sizes(),
        (shuffle, packing, seed) in any::<(bool, bool, u64)>(),
        epochs in 1..4_usize,
    ) {
        let duration = Duration::Epochs(epochs as f64);
        let plan = plan(&lengths, Recipe { batch, duration, shuffle, packing, seed });
        let mut drawn = Vec::new();
        for step in 0..plan.steps() {
            let batches = plan.step(step);
            prop_assert!(!batches.is_empty());
            for micro in &batches {
                prop_assert!(!micro.samples.is_empty());
                let tokens: usize = micro.samples.iter().map(|&sample| lengths[sample]).sum();
                prop_assert_eq!(micro.tokens, tokens);
                match batch {
                    BatchSize::Samples { micro_batch, .. } => prop_assert!(micro.samples.len() <= micro_batch),
                    BatchSize::Tokens { micro_batch, .. } => prop_assert!(tokens <= micro_batch),
                }
            }
            match batch {
                BatchSize::Samples { batch, .. } => {
                    prop_assert!(batches.iter().map(|b| b.samples.len()).sum::<usize>() <= batch);
                }
                BatchSize::Tokens { batch, .. } => {
                    prop_assert!(batches.iter().map(|b| b.tokens).sum::<usize>() <= batch);
                }
            }
            drawn.extend(batches.into_iter().flat_map(|micro| micro.samples));
        }
        prop_assert_eq!(drawn.len(), lengths.len() * epochs);
        for epoch in drawn.chunks(lengths.len()) {
            let mut epoch = epoch.to_vec();
            epoch.sort_unstable();
            prop_assert_eq!(epoch, (0..lengths.len()).collect::<Vec<_>>());
        }
        prop_assert_eq!(plan.tokens_total() as usize, lengths.iter().sum::<usize>() * epochs);
    }

    /// PL-1: a step asked for alone, of a fresh plan, is the step of the run.
    #[test]
    fn any_step_stands_alone(
        lengths in prop::collection::vec(1..20_usize, 1..20),
        batch in batch_sizes(),
        seed in any::<u64>(),
        count in 1..30_usize,
    ) {
        let duration = Duration::Steps(count);
        let recipe = Recipe { batch, duration, shuffle: true, packing: true, seed };
        let run = plan(&lengths, recipe);
        prop_assert_eq!(run.steps(), count);
        let whole: Vec<_> = (0..count).map(|step| run.step(step)).collect();
        for step in (0..count).rev() {
            prop_assert_eq!(&plan(&lengths, recipe).step(step), &whole[step]);
        }
        // A longer run begins with the shorter one.
        let longer = plan(&lengths, Recipe { duration: Duration::Steps(count + 3), ..recipe });
        prop_assert_eq!(longer.step(count - 1), run.step(count - 1));
    }
}
