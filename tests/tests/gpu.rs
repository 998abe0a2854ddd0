//! A job on a GPU against the same job on the processor, through files and pipes.
//!
//! The device is the one that `SCHLIFF_DEVICE` names: a software Vulkan driver in
//! `make test-gpu-software`, a card in `make gpu-check`. Built by feature `gpu` alone, since the
//! trainer beside it must be built with a device.

use std::path::{Path, PathBuf};

use schliff_tests::desk::{Desk, end_of, fixture, json_file};
use serde_json::Value;

/// How far a loss on the device may lie from that on the processor, relatively.
const TOLERANCE: f64 = 1e-4;

const STEPS: usize = 4;
/// Samples of a step, and tokens of each. All are of one length, since every new shape costs a
/// software driver a minute of compiling.
const SAMPLES: usize = 8;
const TOKENS: usize = 16;

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// Token sequences that are easy to learn: each counts up from a start of its own.
fn samples() -> String {
    let sample = |start: usize| {
        let ids: Vec<usize> = (0..TOKENS).map(|i| 1 + (start * 17 + i) % 150).collect();
        format!("{{\"input_ids\":{ids:?},\"labels\":{ids:?}}}\n")
    };
    (0..SAMPLES).map(sample).collect()
}

/// Trains the job on `device` into `out`; the losses of its steps.
fn train(desk: &Desk, device: &str, out: &str) -> Vec<f64> {
    let mut command = desk.command(&["run", "job.toml", "--out", out, "--json"]);
    command.env("SCHLIFF_DEVICE", device);
    let summary = end_of(command).json();
    assert_eq!(summary["steps"], STEPS);
    let metrics = std::fs::read_to_string(desk.path(out).join("metrics.jsonl")).expect("metrics");
    let loss = |line: &str| {
        let step: Value = serde_json::from_str(line).expect("JSON");
        number(&step["loss"])
    };
    metrics.lines().map(loss).collect()
}

/// Mean loss of the held-out samples on the processor.
fn evaluate(desk: &Desk, base: &Path, data: &Path, adapter: &str) -> f64 {
    let adapter = desk.path(adapter).join("adapter");
    let mut args = vec!["eval".as_ref(), "--base".as_ref(), base.as_os_str()];
    args.extend(["--data".as_ref(), data.as_os_str()]);
    args.extend(["--adapter".as_ref(), adapter.as_os_str()]);
    args.extend(["--format", "tokens", "--json"].map(AsRef::<std::ffi::OsStr>::as_ref));
    let mut command = desk.command(&args);
    command.env("SCHLIFF_DEVICE", "flex");
    number(&end_of(command).json()["nll"])
}

/// The device that the tests are about.
fn device() -> String {
    let device = std::env::var("SCHLIFF_DEVICE").expect("SCHLIFF_DEVICE names the device");
    assert!(!device.starts_with("flex"), "{device} is the processor");
    device
}

/// A job of a few steps on the desk, and its data.
fn job(desk: &Desk, base: &Path) -> PathBuf {
    let data = desk.file("data.jsonl", &samples());
    desk.file(
        "job.toml",
        &format!(
            "name = \"device\"\n[model]\nbase = {:?}\n\
             [adapter]\nrank = 4\nalpha = 8\ndropout = 0.1\n\
             [data]\ntrain = {:?}\nformat = \"tokens\"\nshuffle = false\nmax_tokens = 64\n\
             [training]\nsteps = {STEPS}\nlr = 1e-2\nbatch_samples = {SAMPLES}\nmicro_batch_samples = {SAMPLES}\n",
            base.display().to_string(),
            data.display().to_string(),
        ),
    );
    data
}

#[test]
fn a_job_on_a_device_is_the_job_on_the_processor() {
    let (desk, device, base) = (Desk::new(), device(), fixture("tiny/llama"));
    let data = job(&desk, &base);
    let (host, on_device) = (
        train(&desk, "flex", "host"),
        train(&desk, &device, "device"),
    );
    assert_eq!((host.len(), on_device.len()), (STEPS, STEPS));
    assert!(
        host[STEPS - 1] < host[0],
        "training does something: {host:?}"
    );
    for (a, b) in host.iter().zip(&on_device) {
        assert!(
            (a - b).abs() <= TOLERANCE * a,
            "{host:?} on the processor, {on_device:?} on {device}"
        );
    }
    let settings = json_file(&desk.path("device/adapter/adapter_config.json"));
    assert_eq!(settings["r"], 4);
    let (a, b) = (
        evaluate(&desk, &base, &data, "host"),
        evaluate(&desk, &base, &data, "device"),
    );
    assert!(
        (a - b).abs() <= TOLERANCE * a,
        "the adapters' losses are {a} and {b}"
    );
}

/// A Vulkan loader that finds no driver must not lead to another API, nor to the processor.
#[test]
fn a_graphics_device_that_is_not_there_is_refused_with_a_hint() {
    if !device().starts_with("wgpu") {
        return;
    }
    let desk = Desk::new();
    job(&desk, &fixture("tiny/llama"));
    let refused = |device: &str, drivers: Option<&str>| {
        let mut command = desk.command(&["run", "job.toml", "--out", "out", "--force", "--json"]);
        command.env("SCHLIFF_DEVICE", device);
        if let Some(drivers) = drivers {
            command.env("VK_DRIVER_FILES", drivers);
            command.env("VK_ICD_FILENAMES", drivers);
        }
        let ended = end_of(command);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        ended.stderr
    };
    for device in ["wgpu", "wgpu-software"] {
        let told = refused(device, Some("/dev/null"));
        assert!(
            told.contains(&format!("no {device} device is found")),
            "{told}"
        );
        assert!(told.contains("is a Vulkan driver installed?"), "{told}");
    }
    if device() == "wgpu-software" {
        // Only the driver on the processor is there, and it was not asked for.
        let told = refused("wgpu", std::env::var("VK_DRIVER_FILES").ok().as_deref());
        assert!(told.contains("SCHLIFF_DEVICE=wgpu-software"), "{told}");
    }
}
