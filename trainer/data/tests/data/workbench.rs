//! Fixtures and short ways to say what a test needs.

use std::path::{Path, PathBuf};

use schliff_data::dataset::{self, DataError, Dataset, Question, Vocabulary};
use schliff_data::sample::{IGNORED, Sample};
use schliff_data::template::{ChatTemplate, Message};
use schliff_data::tokenizer::Tokenizer;
use schliff_spec::job::{Data, DataFormat, LossOn, Overflow};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const EOS: u32 = 2;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

pub(crate) fn json(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(fixture(name)).unwrap()).unwrap()
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    serde_json::from_value(value.clone()).unwrap()
}

pub(crate) fn tokenizer() -> Tokenizer {
    Tokenizer::from_file(&fixture("tokenizer.json")).unwrap()
}

/// A template of the fixtures, by name.
pub(crate) fn template(name: &str) -> ChatTemplate {
    let fixtures = json("templates.json");
    let template = &fixtures["templates"][name];
    let text = |key: &str| template[key].as_str().map(str::to_owned);
    ChatTemplate::new(&text("source").unwrap(), text("bos"), text("eos")).unwrap()
}

/// A conversation of the fixtures, by name: messages and tools.
pub(crate) fn conversation(name: &str) -> (Vec<Message>, Option<Value>) {
    let fixtures = json("templates.json");
    let conversation = &fixtures["conversations"][name];
    let messages = serde_json::from_value(conversation["messages"].clone()).unwrap();
    (
        messages,
        Some(conversation["tools"].clone()).filter(|tools| !tools.is_null()),
    )
}

/// A data set in the making: settings, and files in a folder of their own.
pub(crate) struct Bench {
    pub(crate) data: Data,
    pub(crate) template: Option<ChatTemplate>,
    pub(crate) vocab_size: usize,
    folder: TempDir,
}

impl Bench {
    pub(crate) fn new(format: DataFormat) -> Self {
        let data = Data {
            train: Vec::new(),
            eval: Vec::new(),
            format,
            max_tokens: 512,
            overflow: Overflow::Truncate,
            packing: true,
            shuffle: false,
            loss_on: LossOn::Answer,
        };
        Self {
            data,
            template: None,
            vocab_size: 480,
            folder: TempDir::new().unwrap(),
        }
    }

    pub(crate) fn template(mut self, name: &str) -> Self {
        self.template = Some(template(name));
        self
    }

    pub(crate) fn cut(mut self, max_tokens: usize, overflow: Overflow) -> Self {
        self.data.max_tokens = max_tokens;
        self.data.overflow = overflow;
        self
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub(crate) fn load(&self, files: &[PathBuf]) -> Result<Dataset, DataError> {
        let tokenizer = tokenizer();
        let template = self.template.as_ref();
        dataset::load(
            &self.data,
            files,
            Some(&tokenizer),
            template,
            Some(EOS),
            self.vocab_size,
        )
    }

    /// Loads lines of JSON.
    pub(crate) fn lines(&self, lines: &[&str]) -> Result<Dataset, DataError> {
        self.load(&[self.file("data.jsonl", lines.join("\n"))])
    }

    pub(crate) fn questions(&self, lines: &[&str]) -> Result<Vec<Question>, DataError> {
        let tokenizer = tokenizer();
        let vocabulary = Vocabulary {
            tokenizer: Some(&tokenizer),
            template: self.template.as_ref(),
            eos: Some(EOS),
            size: self.vocab_size,
        };
        let file = self.file("questions.jsonl", lines.join("\n"));
        dataset::prompts(&self.data, &[file], vocabulary, 100)
    }

    /// An error's text with the folder's name taken out.
    pub(crate) fn told(&self, error: &DataError) -> String {
        let mut text = error.to_string();
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            text.push_str(&format!("\ncaused by: {inner}"));
            cause = inner.source();
        }
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// A sample's text with its trained stretches in brackets.
pub(crate) fn marked(sample: &Sample) -> String {
    let tokenizer = tokenizer();
    let mut out = String::new();
    let mut at = 0;
    while at < sample.labels.len() {
        let trained = sample.labels[at] != IGNORED;
        let same = |label: &&i64| (**label != IGNORED) == trained;
        let end = at + sample.labels[at..].iter().take_while(same).count();
        let text = tokenizer.decode(&sample.input_ids[at..end], false).unwrap();
        out.push_str(&if trained { format!("[{text}]") } else { text });
        at = end;
    }
    out
}
