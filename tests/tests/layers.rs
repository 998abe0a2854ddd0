//! Which crate may know which, read from Cargo itself.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use schliff_tests::repository_root;
use serde_json::Value;

/// Our crates, and those of ours that each may depend on. Arrows point down only.
const ARROWS: &[(&str, &[&str])] = &[
    (
        "schliff",
        &[
            "schliff-agent",
            "schliff-backend",
            "schliff-coordinator",
            "schliff-registry",
            "schliff-scheduler",
            "schliff-slurm",
            "schliff-spec",
            "schliff-wire",
        ],
    ),
    (
        "schliff-agent",
        &["schliff-collective", "schliff-spec", "schliff-wire"],
    ),
    (
        "schliff-coordinator",
        &[
            "schliff-backend",
            "schliff-page",
            "schliff-scheduler",
            "schliff-spec",
            "schliff-wire",
        ],
    ),
    ("schliff-page", &["schliff-wire"]),
    (
        "schliff-sim",
        &["schliff-backend", "schliff-scheduler", "schliff-spec"],
    ),
    (
        "schliff-backend",
        &["schliff-scheduler", "schliff-slurm", "schliff-spec"],
    ),
    ("schliff-slurm", &[]),
    ("schliff-scheduler", &["schliff-spec"]),
    ("schliff-wire", &[]),
    (
        "schliff-trainer",
        &[
            "schliff-collective",
            "schliff-data",
            "schliff-registry",
            "schliff-weights",
            "schliff-spec",
        ],
    ),
    ("schliff-collective", &["schliff-spec"]),
    ("schliff-data", &["schliff-spec"]),
    ("schliff-weights", &[]),
    ("schliff-registry", &["schliff-spec"]),
    ("schliff-spec", &[]),
    ("schliff-tests", &["schliff-spec"]),
];
/// Crates that compute on tensors: `schliff` must start in milliseconds and build without them.
const TENSOR_CRATES: &[&str] = &[
    "burn",
    "cubecl",
    "gemm",
    "tokenizers",
    "wgpu",
    "cudarc",
    "rayon",
];
/// Crates that bring an asynchronous runtime.
const ASYNC_CRATES: &[&str] = &["tokio", "async-std", "smol", "futures"];

/// The parts of `cargo metadata` that the rules need.
struct Workspace {
    /// Name and own dependencies (name, kind) of every package, by package id.
    packages: BTreeMap<String, Package>,
    /// Package ids that each package id is built from, tests left out.
    built_from: BTreeMap<String, Vec<String>>,
    members: Vec<String>,
}

struct Package {
    name: String,
    source: Option<String>,
    dependencies: Vec<String>,
}

/// Runs cargo in the repository and gives its standard output.
fn cargo(args: &[&str]) -> String {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(program)
        .args(args)
        .current_dir(repository_root())
        .output();
    let output = output.expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .expect("rustc runs")
        .stdout;
    let text = String::from_utf8(output).expect("UTF-8");
    text.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .expect("a host")
        .to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().expect("a string").to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

impl Workspace {
    fn read() -> Self {
        let args = [
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            &host(),
        ];
        let metadata: Value = serde_json::from_str(&cargo(&args)).expect("JSON");
        let shipped = |kind: &Value| kind["kind"].as_str() != Some("dev");
        let package = |package: &Value| Package {
            name: text(&package["name"]),
            source: package["source"].as_str().map(str::to_owned),
            dependencies: list(&package["dependencies"])
                .iter()
                .filter(|dependency| shipped(dependency))
                .map(|dependency| text(&dependency["name"]))
                .collect(),
        };
        let built_from = |node: &Value| {
            let needed = |dep: &&Value| list(&dep["dep_kinds"]).iter().any(shipped);
            list(&node["deps"])
                .iter()
                .filter(needed)
                .map(|dep| text(&dep["pkg"]))
                .collect()
        };
        let nodes = list(&metadata["resolve"]["nodes"]);
        Self {
            packages: list(&metadata["packages"])
                .iter()
                .map(|p| (text(&p["id"]), package(p)))
                .collect(),
            built_from: nodes
                .iter()
                .map(|node| (text(&node["id"]), built_from(node)))
                .collect(),
            members: list(&metadata["workspace_members"])
                .iter()
                .map(text)
                .collect(),
        }
    }

    fn members(&self) -> impl Iterator<Item = &Package> {
        self.members.iter().map(|id| &self.packages[id])
    }

    /// Names of all packages that `name` is built from.
    fn tree(&self, name: &str) -> BTreeSet<&str> {
        let root = self
            .members
            .iter()
            .find(|id| self.packages[*id].name == name);
        let mut open = vec![root.expect("a member of the workspace")];
        let mut seen = BTreeSet::new();
        while let Some(id) = open.pop() {
            if seen.insert(id.as_str()) {
                open.extend(&self.built_from[id]);
            }
        }
        seen.into_iter()
            .map(|id| self.packages[id].name.as_str())
            .collect()
    }
}

/// Whether `name` is one of `families` or a part of one, as `burn-flex` is of `burn`.
fn is_of(families: &[&str], name: &str) -> bool {
    families.iter().any(|family| {
        name.strip_prefix(family)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    })
}

#[test]
fn arrows_point_down() {
    let workspace = Workspace::read();
    let ours: BTreeSet<_> = workspace
        .members()
        .map(|package| package.name.as_str())
        .collect();
    let known: BTreeSet<_> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        ours, known,
        "every crate of the workspace needs its line in the table"
    );
    for package in workspace.members() {
        let (_, allowed) = ARROWS
            .iter()
            .find(|(name, _)| *name == package.name)
            .expect("known");
        for dependency in package
            .dependencies
            .iter()
            .filter(|name| ours.contains(name.as_str()))
        {
            let (from, to) = (&package.name, dependency.as_str());
            assert!(allowed.contains(&to), "{from} must not depend on {to}");
        }
    }
}

#[test]
fn only_the_trainer_knows_burn() {
    for package in Workspace::read()
        .members()
        .filter(|package| package.name != "schliff-trainer")
    {
        for dependency in &package.dependencies {
            assert!(
                !is_of(&["burn", "cubecl"], dependency),
                "{} names {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn the_command_line_is_built_without_tensors() {
    let workspace = Workspace::read();
    let heavy: Vec<_> = workspace
        .tree("schliff")
        .into_iter()
        .filter(|name| is_of(TENSOR_CRATES, name))
        .collect();
    assert!(heavy.is_empty(), "schliff is built from {heavy:?}");
    let trainer = workspace.tree("schliff-trainer");
    assert!(
        trainer.iter().any(|name| is_of(&["burn"], name)),
        "the search itself works"
    );
}

#[test]
fn the_spec_is_not_asynchronous() {
    let workspace = Workspace::read();
    let found: Vec<_> = workspace
        .tree("schliff-spec")
        .into_iter()
        .filter(|name| is_of(ASYNC_CRATES, name))
        .collect();
    assert!(found.is_empty(), "schliff-spec is built from {found:?}");
}

#[test]
fn every_dependency_comes_from_a_registry() {
    for package in Workspace::read().packages.values() {
        let from_git = package
            .source
            .as_deref()
            .is_some_and(|source| source.starts_with("git"));
        assert!(
            !from_git,
            "{} comes from {:?}",
            package.name, package.source
        );
    }
}

/// A crate built with other features for the tests would be compiled twice, and burn with it.
#[test]
fn programs_and_tests_are_built_from_the_same_features() {
    let features = |edges: &str| -> BTreeSet<String> {
        let args = [
            "tree",
            "--locked",
            "--workspace",
            "--prefix=none",
            "--format={p} {f}",
            "-e",
            edges,
        ];
        let output = cargo(&args);
        output
            .lines()
            .map(|line| line.trim_end_matches(" (*)").to_owned())
            .collect()
    };
    let tests = features("normal,build,dev");
    let only_programs: Vec<_> = features("normal,build")
        .into_iter()
        .filter(|line| !tests.contains(line))
        .collect();
    assert!(
        only_programs.is_empty(),
        "built otherwise for the tests: {only_programs:#?}"
    );
}
