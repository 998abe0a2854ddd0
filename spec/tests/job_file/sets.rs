//! `--set` and the order of the layers.

use schliff_spec::job::{BatchSize, Duration, Targets, Warmup};
use schliff_spec::origin::Origin;

use crate::desk::Desk;

#[test]
fn a_set_beats_the_file_and_the_file_the_default() {
    let desk = Desk::new();
    let lines = "[training]\nlr = 1e-3\nseed = 5\n";
    let loaded = desk
        .set(
            lines,
            &["training.lr=5e-4", "training.lr = 1_0e-5", "name=007"],
        )
        .unwrap();
    let job = &loaded.job;
    assert_eq!((job.training.lr, job.training.seed), (1e-4, 5));
    assert_eq!(job.name, "007");
    let origin = |key| loaded.origins.get(key).to_string();
    assert_eq!(origin("training.lr"), "--set training.lr = 1_0e-5");
    assert!(origin("training.seed").ends_with("job.toml:7:1"));
    assert_eq!(origin("training.eps"), "default");
    assert_eq!(*loaded.origins.get("training.epochs"), Origin::Default);
    let resolved = loaded.resolved();
    let seed = resolved
        .iter()
        .find(|key| key.path == "training.seed")
        .unwrap();
    assert_eq!(seed.value, "5");
    assert!(seed.origin.to_string().ends_with("job.toml:7:1"));
}

#[test]
fn a_set_takes_the_rival_of_the_file_out() {
    let desk = Desk::new();
    let lines =
        "[training]\nepochs = 3\nwarmup = 0.1\nbatch_tokens = 4096\nmicro_batch_tokens = 2048\n";
    let sets = [
        "training.steps=2",
        "training.warmup_steps=1",
        "training.batch_samples=4",
    ];
    let training = desk.set(lines, &sets).unwrap().job.training;
    assert_eq!(training.duration, Duration::Steps(2));
    assert_eq!(training.warmup, Warmup::Steps(1));
    let batch = BatchSize::Samples {
        batch: 4,
        micro_batch: 4,
    };
    assert_eq!(training.batch, batch);
    let both = desk.set("", &["training.steps=2", "training.epochs=2"]);
    assert!(desk.told(both).contains("cannot be set together"));
}

#[test]
fn values_of_every_kind() {
    let desk = Desk::new();
    let sets = [
        "adapter.targets=[\"q_proj\", \"v_proj\"]",
        "adapter.rank_pattern.q_proj=4",
        "adapter.rank_pattern.layers.0.q_proj=8",
        "data.train=eval.jsonl",
        "data.packing=false",
        "training.schedule=inverse-sqrt",
        "resources.time=2h",
        "model.base=gguf:base.gguf",
        "training.clip_norm=false",
    ];
    let job = desk.set("adapter.rank_pattern = { q_proj = 2, k_proj = 2 }\n", &sets);
    let job = job.unwrap().job;
    let names = ["q_proj", "v_proj"].map(str::to_owned).to_vec();
    assert_eq!(job.adapter.targets, Targets::Names(names));
    let ranks: Vec<_> = job.adapter.rank_pattern.into_iter().collect();
    let expected = [("k_proj", 2), ("layers.0.q_proj", 8), ("q_proj", 4)];
    assert_eq!(ranks, expected.map(|(name, rank)| (name.to_owned(), rank)));
    assert_eq!(job.data.train, [desk.path("eval.jsonl")]);
    assert!(!job.data.packing);
    assert_eq!(job.resources.unwrap().time_s, Some(7200));
    assert_eq!(job.training.clip_norm, None);
}

#[test]
fn bad_sets() {
    let desk = Desk::new();
    let sets = [
        "training.lr=abc",
        "training.lr",
        "training.rank=3",
        "trainng.lr=3",
        "training=3",
        "training.lr.x=3",
        "adapter.rank_pattern.q_proj=zero",
        "data.train=nowhere.jsonl",
        "=",
        "",
    ];
    let told: Vec<_> = sets
        .iter()
        .map(|set| format!("{set:?}\n{}", desk.told(desk.set("", &[set]))))
        .collect();
    insta::assert_snapshot!(told.join("\n\n"));
    let all = desk.set("training.sed = 1", &sets).unwrap_err();
    assert_eq!(all.iter().count(), sets.len() + 1);
    assert_eq!(
        all.iter().next().unwrap().key.as_deref(),
        Some("training.sed")
    );
}
