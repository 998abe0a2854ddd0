//! Chat templates, rendered as HF's `apply_chat_template` does.
//!
//! Rules: the environment is HF's (trimmed blocks, loop controls, `raise_exception`,
//! `strftime_now`, Python's string methods and JSON); a template is untrusted code and reaches
//! nothing but its variables; the clock is read once, when the template is built. Absent on
//! purpose: documents, images, templates by name.

mod clock;
mod json;
mod turns;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value as Jinja};
use minijinja::{Environment, Error, ErrorKind, State};
use minijinja_contrib::pycompat::unknown_method_callback;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use turns::{Conversation, Turns};

/// Around what a `{% generation %}` block rendered. Unicode keeps both out of text for good.
const GENERATION: (char, char) = ('\u{FDD0}', '\u{FDD1}');
/// Name of the template in error messages.
const NAME: &str = "chat_template";
/// Bound on the work of one rendering; a template of a megabyte of text needs a hundredth of it.
const FUEL: u64 = 50_000_000;

/// Why a template could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The source is no Jinja template.
    #[error("the chat template cannot be read: {reason}")]
    Syntax {
        /// What the parser said, with the line.
        reason: String,
    },
    /// Rendering failed, or the template refused the messages.
    #[error("the chat template cannot render these messages: {reason}")]
    Render {
        /// What the template or the engine said.
        reason: String,
    },
    /// The text of a turn cannot be told apart from its surroundings.
    #[error(
        "cannot tell which text of turn {turn} is the assistant's: {reason}; set loss_on = \"all\", \
         or use a chat template that marks it with {{% generation %}}"
    )]
    Mask {
        /// Index of the message, from 0.
        turn: usize,
        /// What did not fit.
        reason: &'static str,
    },
}

/// One message of a conversation: `role`, `content`, and whatever else the template may read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Message(pub Map<String, Value>);

impl Message {
    /// A message of plain text.
    pub fn new(role: &str, content: &str) -> Self {
        let pairs = [("role", role), ("content", content)];
        Self(
            pairs
                .into_iter()
                .map(|(key, text)| (key.to_owned(), text.into()))
                .collect(),
        )
    }

    /// The role; empty where it is missing.
    pub fn role(&self) -> &str {
        self.0
            .get("role")
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// The text: a string, or the text parts of a list of parts joined.
    pub fn text(&self) -> String {
        match self.0.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect(),
            _ => String::new(),
        }
    }

    /// Reasoning goes by several names; templates read one of two, so both are filled, as HF does.
    fn to_jinja(&self) -> Jinja {
        let names = ["reasoning_content", "thinking", "reasoning"];
        let reasoning = names
            .iter()
            .filter_map(|name| self.0.get(*name))
            .find(|v| !v.is_null());
        let Some(reasoning) = reasoning else {
            return object(&self.0);
        };
        let mut filled = Map::new();
        filled.insert("thinking".to_owned(), reasoning.clone());
        filled.extend(self.0.clone());
        filled.insert("reasoning_content".to_owned(), reasoning.clone());
        object(&filled)
    }
}

/// A compiled chat template.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    bos: Option<String>,
    eos: Option<String>,
    /// The template marks the assistant's text itself.
    marks_generation: bool,
}

impl ChatTemplate {
    /// Compiles a template; `bos` and `eos` are the texts behind `bos_token` and `eos_token`.
    pub fn new(
        source: &str,
        bos: Option<String>,
        eos: Option<String>,
    ) -> Result<Self, TemplateError> {
        Self::at(source, (bos, eos), clock::now_seconds())
    }

    /// As [`ChatTemplate::new`] with a fixed clock, in seconds since 1970 (UTC): templates that
    /// print the date render the same on every day, which resuming exactly needs.
    pub fn at(
        source: &str,
        (bos, eos): (Option<String>, Option<String>),
        now_seconds: u64,
    ) -> Result<Self, TemplateError> {
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .build();
        environment.set_syntax(syntax.map_err(|error| syntax_error(&error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        environment.set_unknown_method_callback(unknown_method_callback);
        environment.add_filter("tojson", json::dumps);
        environment.add_filter("schliff_generation", mark_generation);
        environment.add_function(
            "raise_exception",
            |reason: String| -> Result<String, Error> {
                Err(Error::new(ErrorKind::InvalidOperation, reason))
            },
        );
        environment.add_function("strftime_now", move |format: String| {
            clock::strftime(now_seconds, &format)
        });
        environment.add_function("dict", |pairs: Kwargs| -> Result<Jinja, Error> {
            let names: Vec<String> = pairs.args().map(str::to_owned).collect();
            let values = names.iter().map(|name| pairs.get::<Jinja>(name));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            Ok(Jinja::from_pairs(names.into_iter().zip(values)))
        });
        let (source, marks_generation) = generation_as_filter(source);
        environment
            .add_template_owned(NAME, source)
            .map_err(|error| syntax_error(&error))?;
        Ok(Self {
            environment,
            bos,
            eos,
            marks_generation,
        })
    }

    /// Renders a conversation; with `add_generation_prompt`, up to where the assistant answers.
    pub fn render(
        &self,
        messages: &[Message],
        tools: Option<&Value>,
        add_generation_prompt: bool,
    ) -> Result<String, TemplateError> {
        self.render_marked(messages, tools, (add_generation_prompt, false))
    }

    /// Whether the template marks the assistant's text with `{% generation %}`.
    pub fn marks_generation(&self) -> bool {
        self.marks_generation
    }

    fn render_marked(
        &self,
        messages: &[Message],
        tools: Option<&Value>,
        (add_generation_prompt, mark): (bool, bool),
    ) -> Result<String, TemplateError> {
        let mut variables = vec![
            (
                "messages",
                messages.iter().map(Message::to_jinja).collect::<Jinja>(),
            ),
            ("tools", tools.map_or(Jinja::from(()), jinja)),
            ("documents", Jinja::from(())),
            ("add_generation_prompt", Jinja::from(add_generation_prompt)),
            ("schliff_mark", Jinja::from(mark)),
        ];
        let tokens = [("bos_token", &self.bos), ("eos_token", &self.eos)];
        let known = |(name, text): (_, &Option<String>)| Some((name, text.as_deref()?.into()));
        variables.extend(tokens.into_iter().filter_map(known));
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render(Jinja::from_pairs(variables)))
            .map_err(|error| render_error(&error))
    }
}

/// HF's `{% generation %}` block as a filter block, which keeps its whitespace rules; true where
/// there was one.
fn generation_as_filter(source: &str) -> (String, bool) {
    let mut out = String::with_capacity(source.len());
    let (mut rest, mut found) = (source, false);
    while let Some(at) = rest.find("{%") {
        let (before, tag) = rest.split_at(at + 2);
        out.push_str(before);
        let sign = tag.starts_with(['-', '+']) as usize;
        let name = tag[sign..].trim_start();
        let lead = tag.len() - name.len();
        let word: &str = &name[..name
            .find(|c: char| !c.is_alphanumeric())
            .unwrap_or(name.len())];
        let replacement = match word {
            "generation" => "filter schliff_generation",
            "endgeneration" => "endfilter",
            _ => {
                rest = tag;
                continue;
            }
        };
        found = true;
        out.push_str(&tag[..lead]);
        out.push_str(replacement);
        rest = &name[word.len()..];
    }
    out.push_str(rest);
    (out, found)
}

fn mark_generation(state: &State, text: String) -> String {
    match state
        .lookup("schliff_mark")
        .is_some_and(|mark| mark.is_true())
    {
        true => format!("{}{text}{}", GENERATION.0, GENERATION.1),
        false => text,
    }
}

/// JSON as a template sees it; objects keep their order.
fn jinja(value: &Value) -> Jinja {
    match value {
        Value::Null => Jinja::from(()),
        Value::Bool(flag) => Jinja::from(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(whole), _) => Jinja::from(whole),
            (_, Some(whole)) => Jinja::from(whole),
            _ => Jinja::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Jinja::from(text.as_str()),
        Value::Array(items) => items.iter().map(jinja).collect(),
        Value::Object(fields) => object(fields),
    }
}

fn object(fields: &Map<String, Value>) -> Jinja {
    Jinja::from_pairs(
        fields
            .iter()
            .map(|(key, value)| (key.as_str(), jinja(value))),
    )
}

fn syntax_error(error: &Error) -> TemplateError {
    TemplateError::Syntax {
        reason: error.to_string(),
    }
}

fn render_error(error: &Error) -> TemplateError {
    let reason = match (error.kind(), error.detail()) {
        (ErrorKind::InvalidOperation, Some(detail)) => detail.to_owned(),
        _ => error.to_string(),
    };
    TemplateError::Render { reason }
}
