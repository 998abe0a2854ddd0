//! From a record's fields to an example, by the job's data format.
//!
//! Rules: the first thing that is wrong with a record is told with its field, and with the field
//! that was probably meant; fields that a format does not name are passed over. Absent on purpose:
//! tokens; nothing here knows a vocabulary.

use schliff_spec::job::DataFormat;
use serde_json::{Map, Value};

use crate::record::kind;
use crate::sample::IGNORED;
use crate::template::Message;

/// What a record asks to learn.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Example {
    /// Running text, learned whole.
    Text(String),
    /// Plain text and how it goes on.
    Pair { prompt: String, completion: String },
    /// A conversation whose assistant's turns from index `from` on are learned.
    Chat {
        messages: Vec<Message>,
        tools: Option<Value>,
        from: usize,
    },
    /// Token ids and labels as given.
    Tokens {
        input_ids: Vec<u32>,
        labels: Vec<i64>,
    },
}

/// Fields of one record.
pub(crate) struct Fields<'a> {
    pub(crate) fields: &'a Map<String, Value>,
    /// Lists stand in strings, as JSON.
    pub(crate) from_csv: bool,
}

/// Reads a record; `templated` tells that plain prompts go through a chat template.
pub(crate) fn example(
    format: DataFormat,
    fields: &Fields<'_>,
    templated: bool,
) -> Result<Example, String> {
    match format {
        DataFormat::Alpaca => alpaca(fields, templated),
        DataFormat::Messages => {
            let messages = messages(&fields.list("messages")?, "messages")?;
            chat(messages, fields.tools()?, 0)
        }
        DataFormat::Sharegpt => {
            let turns = fields.list("conversations")?;
            let messages = turns
                .iter()
                .enumerate()
                .map(|(turn, value)| sharegpt(turn, value));
            chat(messages.collect::<Result<_, _>>()?, fields.tools()?, 0)
        }
        DataFormat::PromptCompletion => prompt_completion(fields),
        DataFormat::Text => Ok(Example::Text(fields.string("text")?.to_owned())),
        DataFormat::Tokens => tokens(fields),
    }
}

impl Fields<'_> {
    fn get(&self, name: &str) -> Result<&Value, String> {
        self.fields.get(name).ok_or_else(|| {
            let near =
                |have: &&String| strsim::damerau_levenshtein(&have.to_lowercase(), name) <= 2;
            match self.fields.keys().find(near) {
                Some(have) => format!("field \"{name}\" is missing; is \"{have}\" meant?"),
                None => {
                    let have = self.fields.keys().take(8).map(|key| format!("\"{key}\""));
                    let have = have.collect::<Vec<_>>().join(", ");
                    format!("field \"{name}\" is missing (fields: {have})")
                }
            }
        })
    }

    fn string(&self, name: &str) -> Result<&str, String> {
        match self.get(name)? {
            Value::String(text) => Ok(text),
            other => Err(wrong(name, "a string", other)),
        }
    }

    /// A string that may be missing or null.
    fn optional(&self, name: &str) -> Result<&str, String> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(_) => self.string(name),
        }
    }

    fn list(&self, name: &str) -> Result<Vec<Value>, String> {
        match self.get(name)? {
            Value::Array(items) => Ok(items.clone()),
            Value::String(text) if self.from_csv => serde_json::from_str(text)
                .map_err(|error| format!("field \"{name}\": a list in JSON is expected: {error}")),
            other => Err(wrong(name, "a list", other)),
        }
    }

    fn tools(&self) -> Result<Option<Value>, String> {
        match self.fields.get("tools") {
            None | Some(Value::Null) => Ok(None),
            // Data sets keep tools as JSON text, since their schemas differ from row to row.
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text)
                .map(Some)
                .map_err(|error| format!("field \"tools\": a list in JSON is expected: {error}")),
            Some(Value::Array(items)) if items.is_empty() => Ok(None),
            Some(list @ Value::Array(_)) => Ok(Some(list.clone())),
            Some(other) => Err(wrong("tools", "a list", other)),
        }
    }
}

/// The prompt that the Alpaca data set was published with, for models without a chat template.
fn alpaca(fields: &Fields<'_>, templated: bool) -> Result<Example, String> {
    let instruction = fields.string("instruction")?;
    let input = fields.optional("input")?;
    let output = fields.string("output")?;
    if templated {
        let asked = match input.is_empty() {
            true => instruction.to_owned(),
            false => format!("{instruction}\n\n{input}"),
        };
        let messages = vec![
            Message::new("user", &asked),
            Message::new("assistant", output),
        ];
        return Ok(Example::Chat {
            messages,
            tools: None,
            from: 0,
        });
    }
    let prompt = match input.is_empty() {
        true => format!(
            "Below is an instruction that describes a task. Write a response that appropriately \
             completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n"
        ),
        false => format!(
            "Below is an instruction that describes a task, paired with an input that provides \
             further context. Write a response that appropriately completes the request.\n\n\
             ### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
        ),
    };
    Ok(Example::Pair {
        prompt,
        completion: output.to_owned(),
    })
}

fn prompt_completion(fields: &Fields<'_>) -> Result<Example, String> {
    match (fields.get("prompt")?, fields.get("completion")?) {
        (Value::Array(prompt), Value::Array(completion)) => {
            let mut turns = messages(prompt, "prompt")?;
            let from = turns.len();
            turns.extend(messages(completion, "completion")?);
            chat(turns, fields.tools()?, from)
        }
        (Value::Array(_), other) => Err(wrong("completion", "a list like \"prompt\"", other)),
        _ => Ok(Example::Pair {
            prompt: fields.string("prompt")?.to_owned(),
            completion: fields.string("completion")?.to_owned(),
        }),
    }
}

fn messages(values: &[Value], field: &str) -> Result<Vec<Message>, String> {
    values
        .iter()
        .enumerate()
        .map(|(turn, value)| {
            let Value::Object(fields) = value else {
                return Err(wrong(&format!("{field}[{turn}]"), "an object", value));
            };
            match fields.get("role") {
                Some(Value::String(_)) => {}
                Some(other) => {
                    return Err(wrong(&format!("{field}[{turn}].role"), "a string", other));
                }
                None => return Err(format!("field \"{field}[{turn}].role\" is missing")),
            }
            let content = fields.get("content");
            if !(fields.contains_key("tool_calls") || content.is_some_and(|c| !c.is_null())) {
                return Err(format!("field \"{field}[{turn}].content\" is missing"));
            }
            match content {
                Some(other @ (Value::Bool(_) | Value::Number(_) | Value::Object(_))) => Err(wrong(
                    &format!("{field}[{turn}].content"),
                    "a string",
                    other,
                )),
                _ => Ok(Message(fields.clone())),
            }
        })
        .collect()
}

fn sharegpt(turn: usize, value: &Value) -> Result<Message, String> {
    let field = |name: &str| {
        let path = format!("conversations[{turn}].{name}");
        match value.get(name) {
            Some(Value::String(text)) => Ok(text.as_str()),
            Some(other) => Err(wrong(&path, "a string", other)),
            None => Err(format!("field \"{path}\" is missing")),
        }
    };
    let role = match field("from")? {
        "human" | "user" => "user",
        "gpt" | "assistant" | "model" => "assistant",
        "system" => "system",
        "tool" | "observation" => "tool",
        other => {
            return Err(format!(
                "field \"conversations[{turn}].from\" is \"{other}\" \
                 (known: system, human, user, gpt, assistant, model, tool, observation)"
            ));
        }
    };
    Ok(Message::new(role, field("value")?))
}

fn chat(messages: Vec<Message>, tools: Option<Value>, from: usize) -> Result<Example, String> {
    match messages.is_empty() {
        true => Err("the conversation is empty".to_owned()),
        false => Ok(Example::Chat {
            messages,
            tools,
            from,
        }),
    }
}

fn tokens(fields: &Fields<'_>) -> Result<Example, String> {
    let input_ids = fields
        .list("input_ids")?
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
            id.ok_or_else(|| format!("field \"input_ids[{at}]\": {value} is no token id"))
        })
        .collect::<Result<Vec<u32>, _>>()?;
    let labels = match fields.fields.get("labels") {
        None | Some(Value::Null) => input_ids.iter().map(|&id| i64::from(id)).collect(),
        Some(_) => fields
            .list("labels")?
            .iter()
            .enumerate()
            .map(|(at, value)| match value.as_i64() {
                Some(label) if label == IGNORED || label >= 0 => Ok(label),
                _ => Err(format!(
                    "field \"labels[{at}]\": {value} is neither a token id nor {IGNORED}"
                )),
            })
            .collect::<Result<Vec<i64>, _>>()?,
    };
    if labels.len() != input_ids.len() {
        let (ids, marks) = (input_ids.len(), labels.len());
        return Err(format!(
            "field \"labels\" has {marks} entries, \"input_ids\" has {ids}"
        ));
    }
    Ok(Example::Tokens { input_ids, labels })
}

fn wrong(field: &str, expected: &str, found: &Value) -> String {
    format!(
        "field \"{field}\": {expected} is expected, this is {}",
        kind(found)
    )
}
