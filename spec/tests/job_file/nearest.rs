//! Unknown keys and what was meant by them.

use crate::desk::Desk;

#[test]
fn nearest_keys() {
    let desk = Desk::new();
    for (line, nearest) in [
        ("training.learning_rate = 1", Some("training.lr")),
        ("adapter.lr = 1", Some("training.lr")),
        ("lr = 1", Some("training.lr")),
        ("training.lrr = 1", Some("training.lr")),
        ("training.sede = 1", Some("training.seed")),
        ("training.batch-samples = 1", Some("training.batch_samples")),
        ("training.Epochs = 1", Some("training.epochs")),
        (
            "training.per_device_train_batch_size = 1",
            Some("training.micro_batch_samples"),
        ),
        ("adapter.r = 1", Some("adapter.rank")),
        ("data.max_token = 1", Some("data.max_tokens")),
        ("data.rnk = 1", Some("adapter.rank")),
        ("trainin.lr = 1", Some("training")),
        ("evaluate.lr = 1", None),
        ("data.wombat = 1", None),
    ] {
        let problems = desk.least_with(line).expect_err(line);
        let found: Vec<_> = problems.iter().map(|p| p.nearest.as_deref()).collect();
        assert_eq!(found, [nearest], "{line}");
        assert_eq!(problems.iter().next().unwrap().line, Some(5), "{line}");
    }
}

/// A misspelt key is not reported as missing as well, nor are the keys of a misspelt section.
#[test]
fn misspelt_is_not_missing() {
    let desk = Desk::new();
    for content in [
        "nane = 't'\nmodel.base = 'base'\ndata = { train = 'train.jsonl', format = 'text' }",
        "name = 't'\nmodel.bse = 'base'\ndata = { train = 'train.jsonl', format = 'text' }",
        "name = 't'\nmodel.base = 'base'\ndta = { train = 'train.jsonl', format = 'text' }",
        "name = 't'\nmodel = 'base'\ndata = { train = 'train.jsonl', format = 'text' }",
    ] {
        let problems = desk.load("job.toml", content).expect_err(content);
        assert_eq!(problems.iter().count(), 1, "{problems}");
    }
}

#[test]
fn nearest_words() {
    let desk = Desk::new();
    for (line, nearest) in [
        ("adapter.method = 'Lora'", Some("\"lora\"")),
        ("training.schedule = 'cosin'", Some("\"cosine\"")),
        ("training.schedule = 'step'", None),
        ("data.overflow = 'splitt'", Some("\"split\"")),
    ] {
        let problems = desk.least_with(line).expect_err(line);
        let found: Vec<_> = problems.iter().map(|p| p.nearest.as_deref()).collect();
        assert_eq!(found, [nearest], "{line}");
    }
}
