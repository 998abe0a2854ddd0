//! No text makes a parser panic: real output, damaged in every way, given to every parser.

use std::sync::LazyLock;

use proptest::prelude::*;
use schliff_slurm::reason::Reason;
use schliff_slurm::{association, json, sacct, sbatch, scontrol, sinfo, squeue};

/// Everything that was recorded.
static RECORDED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let root = format!("{}/tests/data", env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for release in std::fs::read_dir(root).expect("the folder is there") {
        let folder = release.expect("a folder").path();
        for file in std::fs::read_dir(folder).expect("the folder is there") {
            texts.push(std::fs::read(file.expect("a file").path()).expect("the file is there"));
        }
    }
    assert!(texts.len() > 10, "there is something to damage");
    texts
});

/// One damage, at a place that is a share of the text.
#[derive(Clone, Debug)]
enum Damage {
    Cut(u16, u16),
    Repeat(u16, u16),
    Set(u16, u8),
    Insert(u16, String),
    End(u16),
}

fn damage() -> impl Strategy<Value = Damage> {
    let word = prop::sample::select(vec![
        "\u{1f}",
        "\n",
        "=",
        "[",
        "]",
        "(",
        ")",
        ",",
        "-",
        "\"",
        "{",
        "}",
        "null",
        "ü",
        "99999999999999999999",
        "[0-999999999]",
        " UserId=",
        "JobId=",
        ":",
        "(null)",
        "\u{a0}",
    ]);
    prop_oneof![
        (any::<u16>(), 0_u16..200).prop_map(|(at, length)| Damage::Cut(at, length)),
        (any::<u16>(), 0_u16..200).prop_map(|(at, length)| Damage::Repeat(at, length)),
        (any::<u16>(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (any::<u16>(), word).prop_map(|(at, word)| Damage::Insert(at, word.to_owned())),
        any::<u16>().prop_map(Damage::End),
    ]
}

fn apply(text: &mut Vec<u8>, damage: &Damage) {
    let length = text.len();
    let place = |share: u16| length * usize::from(share) / (usize::from(u16::MAX) + 1);
    let range = |at: u16, more: u16| place(at)..(place(at) + usize::from(more)).min(length);
    match damage {
        Damage::Cut(at, more) => drop(text.drain(range(*at, *more))),
        Damage::Repeat(at, more) => {
            let piece = text[range(*at, *more)].to_vec();
            let at = place(*at);
            text.splice(at..at, piece);
        }
        Damage::Set(at, byte) => {
            if let Some(own) = text.get_mut(place(*at)) {
                *own = *byte;
            }
        }
        Damage::Insert(at, word) => {
            let at = place(*at);
            text.splice(at..at, word.bytes());
        }
        Damage::End(at) => text.truncate(place(*at)),
    }
}

/// Gives a text to every parser; what they make of it does not matter here.
fn read(text: &str) {
    let _ = squeue::jobs(text);
    let _ = sacct::runs(text);
    let _ = sinfo::nodes(text);
    let _ = sinfo::partitions(text);
    let _ = scontrol::jobs(text);
    let _ = scontrol::partitions(text);
    let _ = scontrol::config(text);
    let _ = association::associations(text);
    let _ = association::shares(text);
    let _ = sbatch::trial(text);
    let _ = sbatch::submitted(text);
    let _ = json::jobs(text);
    let _ = json::past(text);
    let _ = json::nodes(text);
    let _ = json::partitions(text);
    let _ = json::remarks(text);
    let _ = json::submitted(text);
    let _ = json::release(text);
    for line in text.lines().take(40) {
        let reason = Reason::read(line);
        let _ = (reason.sentence(), reason.remedy(), reason.ends());
    }
}

#[test]
fn every_parser_takes_every_recorded_text() {
    for text in RECORDED.iter() {
        read(&String::from_utf8_lossy(text));
    }
}

proptest! {
    #[test]
    fn damaged_texts(which in any::<prop::sample::Index>(), wounds in prop::collection::vec(damage(), 1..6)) {
        let mut text = RECORDED[which.index(RECORDED.len())].clone();
        for wound in &wounds {
            apply(&mut text, wound);
        }
        read(&String::from_utf8_lossy(&text));
    }

    #[test]
    fn any_text(text in "\\PC*|[\u{1f}\n=\\[\\](),:a-cJ0-9-]{0,300}") {
        read(&text);
    }
}
