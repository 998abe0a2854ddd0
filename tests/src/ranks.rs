//! Runs of a tiny model on one or several ranks, and the bytes that they come to.

use std::fs;

use crate::desk::{Desk, fixture};

/// A desk with `job.toml`: a tiny model, `steps` steps of eight logical micro-batches, a checkpoint
/// every five steps.
pub fn tiny_desk(steps: usize) -> Desk {
    let desk = Desk::new();
    let job = format!(
        "name = \"tiny\"\n[model]\nbase = {:?}\n[data]\ntrain = {:?}\nformat = \"tokens\"\n\
         max_tokens = 64\n[training]\nsteps = {steps}\nbatch_samples = 8\n\
         micro_batch_samples = 1\nlr = 1e-3\n[checkpoint]\nevery_steps = 5\n",
        fixture("tiny/llama").display().to_string(),
        fixture("curves/data.jsonl").display().to_string()
    );
    desk.file("job.toml", &job);
    desk
}

/// The weights in an out folder.
#[track_caller]
pub fn adapter(desk: &Desk, out: &str) -> Vec<u8> {
    let path = desk.path(out).join("adapter/adapter_model.safetensors");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Trains undisturbed on so many ranks, over TCP; gives the weights.
#[track_caller]
pub fn train(desk: &Desk, ranks: &str) -> Vec<u8> {
    let out = format!("out-{ranks}");
    let ended = desk.schliff(&["run", "job.toml", "--ranks", ranks, "--out", &out]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    adapter(desk, &out)
}
