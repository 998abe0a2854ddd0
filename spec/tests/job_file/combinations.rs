//! Keys that are right alone and cannot be together.

use schliff_spec::job::{BatchSize, DataFormat, Duration, LossOn, Warmup};

use crate::desk::Desk;

/// The lines, the key at fault, and words of the message.
const IMPOSSIBLE: &[(&str, &str, &str)] = &[
    (
        "[training]\nepochs = 1\nsteps = 1",
        "training.steps",
        "together with epochs",
    ),
    (
        "[training]\nwarmup = 0.1\nwarmup_steps = 1",
        "training.warmup_steps",
        "together with warmup",
    ),
    (
        "[training]\nbatch_samples = 8\nbatch_tokens = 8192",
        "training.batch_samples",
        "together with batch_tokens",
    ),
    (
        "[training]\nmicro_batch_samples = 8\nmicro_batch_tokens = 2048",
        "training.micro_batch_samples",
        "together with micro_batch_tokens",
    ),
    (
        "[training]\nbatch_samples = 8\nmicro_batch_tokens = 2048",
        "training.batch_samples",
        "together with micro_batch_tokens",
    ),
    (
        "[training]\nbatch_samples = 8\nmicro_batch_samples = 3",
        "training.micro_batch_samples",
        "does not divide",
    ),
    (
        "[training]\nbatch_samples = 4\nmicro_batch_samples = 8",
        "training.micro_batch_samples",
        "does not divide",
    ),
    (
        "[training]\nmicro_batch_samples = 8",
        "training.micro_batch_samples",
        "needs batch_samples",
    ),
    (
        "[training]\nbatch_tokens = 2048\nmicro_batch_tokens = 4096",
        "training.micro_batch_tokens",
        "more than batch_tokens",
    ),
    (
        "[training]\nmicro_batch_tokens = 1023",
        "training.micro_batch_tokens",
        "cannot hold",
    ),
    (
        "[training]\nbatch_tokens = 512",
        "training.batch_tokens",
        "cannot hold",
    ),
    (
        "[training]\nschedule = 'wsd'\nwarmup = 0.5\ndecay_share = 0.6",
        "training.decay_share",
        "more than the whole",
    ),
    (
        "[evaluation]\nevery_steps = 5",
        "evaluation.every_steps",
        "no held-out data",
    ),
    (
        "[evaluation]\nexact_match_samples = 5",
        "evaluation.exact_match_samples",
        "no held-out data",
    ),
    ("[resources]\nnodes = 3", "resources", "take 2 or 4"),
    (
        "[resources]\nnodes = 3\ngpus_per_node = 4",
        "resources",
        "take 8 or 16",
    ),
    (
        "[checkpoint]\nevery = '1min'\nevery_steps = 5",
        "checkpoint.every_steps",
        "together with every",
    ),
];

#[test]
fn impossible_combinations() {
    let desk = Desk::new();
    for (lines, key, words) in IMPOSSIBLE {
        let problems = desk.least_with(lines).expect_err(lines);
        let problems: Vec<_> = problems.iter().collect();
        assert_eq!(problems.len(), 1, "{lines}: {problems:?}");
        assert_eq!(problems[0].key.as_deref(), Some(*key), "{lines}");
        assert!(
            problems[0].message.contains(words),
            "{lines}: {}",
            problems[0]
        );
        assert!(problems[0].line.is_some_and(|line| line > 4), "{lines}");
    }
}

#[test]
fn combinations_with_the_format() {
    let desk = Desk::new();
    let job = |format: &str, lines: &str| {
        let head = "name = 't'\nmodel.base = 'base'\ndata.train = 'train.jsonl'\n";
        let lines = format!("{head}data.eval = 'eval.jsonl'\ndata.format = '{format}'\n{lines}");
        desk.load("job.toml", lines)
    };
    for (format, lines, key) in [
        ("text", "data.loss_on = 'answer'", "data.loss_on"),
        ("tokens", "data.loss_on = 'completion'", "data.loss_on"),
        (
            "text",
            "evaluation.exact_match_samples = 1",
            "evaluation.exact_match_samples",
        ),
    ] {
        let problems = job(format, lines).expect_err(lines);
        let keys: Vec<_> = problems
            .iter()
            .map(|problem| problem.key.as_deref())
            .collect();
        assert_eq!(keys, [Some(key)], "{lines}");
    }
    for (format, lines, loss_on) in [
        ("text", "", LossOn::All),
        ("tokens", "", LossOn::All),
        ("tokens", "data.loss_on = 'all'", LossOn::All),
        ("messages", "", LossOn::Answer),
        ("messages", "data.loss_on = 'assistant'", LossOn::Answer),
        ("alpaca", "data.loss_on = 'completion'", LossOn::Answer),
        ("prompt_completion", "data.loss_on = 'all'", LossOn::All),
    ] {
        assert_eq!(
            job(format, lines).unwrap().job.data.loss_on,
            loss_on,
            "{lines}"
        );
    }
    let job = job("prompt_completion", "").unwrap().job;
    assert_eq!(job.data.format, DataFormat::PromptCompletion);
}

#[test]
fn what_follows_from_other_keys() {
    let desk = Desk::new();
    let training = |lines: &str| desk.least_with(lines).expect(lines).job.training;
    let tokens = |batch, micro_batch| BatchSize::Tokens { batch, micro_batch };
    let samples = |batch, micro_batch| BatchSize::Samples { batch, micro_batch };
    for (lines, batch) in [
        ("", tokens(8192, 2048)),
        ("data.max_tokens = 4096", tokens(8192, 4096)),
        ("data.max_tokens = 10_000", tokens(10_000, 10_000)),
        ("training.batch_tokens = 65_536", tokens(65_536, 65_536)),
        ("training.micro_batch_tokens = 1024", tokens(8192, 1024)),
        (
            "training.micro_batch_tokens = 16384",
            tokens(16_384, 16_384),
        ),
        ("training.batch_samples = 6", samples(6, 6)),
        (
            "[training]\nbatch_samples = 6\nmicro_batch_samples = 2",
            samples(6, 2),
        ),
    ] {
        assert_eq!(training(lines).batch, batch, "{lines}");
    }
    assert_eq!(training("").duration, Duration::Epochs(1.0));
    assert_eq!(
        training("training.epochs = 3").duration,
        Duration::Epochs(3.0)
    );
    assert_eq!(training("training.steps = 7").duration, Duration::Steps(7));
    assert_eq!(training("").warmup, Warmup::Share(0.03));
    assert_eq!(
        training("training.warmup_steps = 0").warmup,
        Warmup::Steps(0)
    );
    assert_eq!(training("").clip_norm, Some(1.0));
    assert_eq!(training("training.clip_norm = 0").clip_norm, None);
    assert_eq!(training("training.clip_norm = false").clip_norm, None);
}
