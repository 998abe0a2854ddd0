//! House rules that no compiler holds. CONTRIBUTING.md gives the reasons.

use std::fs;
use std::path::{Path, PathBuf};

use schliff_spec::cluster;
use schliff_spec::load::{Options, load_with};
use schliff_tests::repository_root;

/// What the build, a run or an editor leaves behind at the root; never part of the repository.
const NOT_OURS: &[&str] = &[
    "target",
    "quickstart",
    "runs",
    "out",
    ".git",
    "__pycache__",
    ".venv",
    ".idea",
    ".vscode",
];
/// Longest Rust file, tests included.
const LONGEST_FILE_LINES: usize = 500;
/// Names that say nothing of what is inside.
const DRAWERS: &[&str] = &[
    "mod", "util", "utils", "common", "helper", "helpers", "manager", "misc",
];

/// Written by a program from what is beside it, which a test holds it to.
const GENERATED: &[&str] = &["wire/src/generated"];

/// A text file of the repository.
struct Text {
    /// Path from the root.
    path: PathBuf,
    text: String,
}

impl Text {
    fn is(&self, extension: &str) -> bool {
        self.path.extension().is_some_and(|own| own == extension)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// The place of each line that `breaks` a rule.
    fn lines_that(&self, breaks: impl Fn(&str) -> bool) -> Vec<String> {
        let numbered = self
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| breaks(line));
        numbered
            .map(|(at, line)| format!("{}:{}: {}", self.name(), at + 1, line.trim()))
            .collect()
    }
}

/// Every text file of the repository.
fn texts() -> Vec<Text> {
    let root = repository_root();
    let mut open = vec![root.clone()];
    let mut texts = Vec::new();
    while let Some(folder) = open.pop() {
        let entries = fs::read_dir(&folder).expect("the folder can be read");
        for entry in entries.map(|entry| entry.expect("the folder can be read")) {
            let (path, kind) = (entry.path(), entry.file_type().expect("a kind"));
            let left_behind = NOT_OURS.iter().any(|name| entry.file_name() == *name);
            if (folder == root && left_behind) || entry.file_name() == "__pycache__" {
                continue;
            }
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file()
                && let Ok(text) = fs::read_to_string(&path)
            {
                let path = path.strip_prefix(&root).expect("below the root").to_owned();
                texts.push(Text { path, text });
            }
        }
    }
    texts.sort_by(|a, b| a.path.cmp(&b.path));
    texts
}

fn rust_files() -> Vec<Text> {
    let is_written = |file: &Text| !GENERATED.iter().any(|path| file.path.starts_with(path));
    let files = texts().into_iter().filter(|file| file.is("rs"));
    let files: Vec<_> = files.filter(is_written).collect();
    assert!(files.len() > 20, "the search itself works");
    files
}

fn markdown_files() -> Vec<Text> {
    texts().into_iter().filter(|file| file.is("md")).collect()
}

#[track_caller]
fn none(broken: Vec<String>) {
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn files_are_short() {
    let long = |file: &Text| {
        let lines = file.text.lines().count();
        (lines > LONGEST_FILE_LINES).then(|| format!("{}: {lines} lines", file.name()))
    };
    none(rust_files().iter().filter_map(long).collect());
}

#[test]
fn files_have_a_name_that_says_something() {
    let drawer = |file: &Text| {
        let stem = file.path.file_stem()?.to_str()?;
        DRAWERS.contains(&stem).then(|| file.name())
    };
    none(rust_files().iter().filter_map(drawer).collect());
}

#[test]
fn modules_begin_with_their_purpose() {
    // A module of tests says what it is about by its name and by those of its tests.
    let is_of_tests = |file: &Text| {
        let parts: Vec<_> = file.path.iter().collect();
        parts.iter().rev().skip(2).any(|folder| *folder == "tests")
            || file.path.ends_with("tests.rs")
    };
    let bare =
        |file: &Text| (!file.text.starts_with("//!") && !is_of_tests(file)).then(|| file.name());
    none(rust_files().iter().filter_map(bare).collect());
}

#[test]
fn nothing_is_left_unfinished() {
    // In two pieces, so that this file does not break its own rule.
    let macros = ["todo", "unimplemented", "dbg"].map(|name| format!("{name}!("));
    let marks = ["TODO", "FIXME", "XXX"];
    let owned = |line: &str| marks.iter().any(|mark| line.contains(&format!("{mark}(")));
    let breaks = |line: &str| {
        let comment = line.split_once("//").map_or("", |(_, comment)| comment);
        macros.iter().any(|name| line.contains(name.as_str()))
            || (marks.iter().any(|mark| comment.contains(mark)) && !owned(comment))
    };
    none(
        rust_files()
            .iter()
            .flat_map(|file| file.lines_that(breaks))
            .collect(),
    );
}

#[test]
fn exceptions_from_lints_have_a_reason() {
    let bare = |file: &Text| {
        let lines: Vec<_> = file.text.lines().collect();
        let exception = |line: &str| {
            let line = line.trim_start();
            ["#[allow(", "#![allow(", "#[expect(", "#![expect("]
                .iter()
                .any(|a| line.starts_with(a))
        };
        let reasoned = |at: usize| {
            let above = at
                .checked_sub(1)
                .map_or("", |above| lines[above].trim_start());
            above.starts_with("//")
                || lines[at..]
                    .iter()
                    .take(4)
                    .any(|line| line.contains("reason ="))
        };
        let broken = (0..lines.len()).filter(|at| exception(lines[*at]) && !reasoned(*at));
        broken
            .map(|at| format!("{}:{}", file.name(), at + 1))
            .collect::<Vec<_>>()
    };
    none(rust_files().iter().flat_map(bare).collect());
}

#[test]
fn one_module_names_burn() {
    let rooms = [
        Path::new("trainer/src/tensor.rs"),
        Path::new("trainer/src/tensor"),
    ];
    let breaks = |line: &str| {
        let code = line.split("//").next().unwrap_or(line);
        let named = |prefix: &str| code.contains(&format!("{prefix}burn"));
        named("use ")
            || code
                .split(|c: char| !c.is_alphanumeric() && !"_:".contains(c))
                .any(|word| word.starts_with("burn") && word.contains("::"))
    };
    let outside = |file: &&Text| {
        file.path.starts_with("trainer/src")
            && !rooms.iter().any(|room| file.path.starts_with(room))
    };
    none(
        rust_files()
            .iter()
            .filter(outside)
            .flat_map(|file| file.lines_that(breaks))
            .collect(),
    );
}

#[test]
fn every_file_of_configs_loads() {
    let (mut jobs, mut clusters) = (0, 0);
    for file in texts() {
        let is_config = ["toml", "yaml", "yml"].iter().any(|kind| file.is(kind));
        if !file.path.starts_with("configs") || !is_config {
            continue;
        }
        let path = repository_root().join(&file.path);
        let told = if file.path.starts_with("configs/jobs") {
            jobs += 1;
            load_with(&path, &[], Options { check_files: false }).err()
        } else if file.path.starts_with("configs/clusters") {
            clusters += 1;
            cluster::load(&path).err()
        } else {
            panic!("{} is of no known kind", file.name());
        };
        if let Some(problems) = told {
            panic!("{problems}");
        }
    }
    assert!(jobs >= 2 && clusters >= 1, "the search itself works");
}

#[test]
fn documented_make_commands_exist() {
    let makefile = fs::read_to_string(repository_root().join("Makefile")).expect("a Makefile");
    let is_target = |name: &str| {
        makefile
            .lines()
            .any(|line| line.starts_with(&format!("{name}:")))
    };
    let mut named = 0;
    for file in markdown_files() {
        for code in code_spans(&file.text).filter_map(|code| code.trim().strip_prefix("make ")) {
            let target = code.split_whitespace().next().unwrap_or_default();
            named += 1;
            assert!(is_target(target), "{} names `make {target}`", file.name());
        }
    }
    assert!(named >= 2, "the README leads with two of them");
}

/// Inline code, and every line of fenced code.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let fences = text.split("```").enumerate();
    fences.flat_map(|(at, part)| {
        let fenced = at % 2 == 1;
        let pieces: Vec<_> = if fenced {
            part.lines().collect()
        } else {
            part.split('`').collect()
        };
        pieces
            .into_iter()
            .enumerate()
            .filter(move |(at, _)| fenced || at % 2 == 1)
            .map(|(_, code)| code)
    })
}

#[test]
fn relative_links_lead_somewhere() {
    let mut broken = Vec::new();
    for file in markdown_files() {
        let folder = repository_root().join(file.path.parent().expect("a folder"));
        for link in file
            .text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = link.split('#').next().unwrap_or_default();
            let elsewhere = path.is_empty() || path.contains("://") || path.starts_with("mailto:");
            if !elsewhere && !folder.join(path).exists() {
                broken.push(format!("{}: {link}", file.name()));
            }
        }
    }
    none(broken);
}

#[test]
fn files_named_in_documents_exist() {
    let root = repository_root();
    let folders = [
        "configs/",
        "docs/",
        "launcher/",
        "reference/",
        "registry/",
        "scheduler/",
        "spec/",
        "tests/",
        "trainer/",
        "wire/",
    ];
    let mut missing = Vec::new();
    for file in markdown_files() {
        for code in code_spans(&file.text).map(str::trim) {
            let is_path = folders.iter().any(|folder| code.starts_with(folder));
            let is_plain = !code.contains([' ', '*', '<', '$', ':']);
            if is_path && is_plain && !root.join(code).exists() {
                missing.push(format!("{}: {code}", file.name()));
            }
        }
    }
    none(missing);
}

#[test]
fn no_path_of_a_machine_is_written_down() {
    // In two pieces, so that this file does not break its own rule.
    let homes = ["home", "root", "Users"].map(|name| format!("/{name}/"));
    let breaks = |line: &str| {
        homes.iter().any(|home| {
            line.match_indices(home.as_str()).any(|(at, _)| {
                let before = line[..at].chars().next_back();
                !before.is_some_and(|c| c.is_alphanumeric() || "._-}>)".contains(c))
            })
        })
    };
    none(
        texts()
            .iter()
            .flat_map(|file| file.lines_that(breaks))
            .collect(),
    );
}
