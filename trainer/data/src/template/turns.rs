//! Which bytes of a rendered conversation the assistant wrote.
//!
//! Rules: a span starts where the generation prompt ends, so that training asks what inference
//! asks, and ends behind the stop token; white space after the stop token belongs to nobody. Three
//! ways are tried: the template's own `{% generation %}` marks; rendering ever longer beginnings
//! of the conversation; and, for templates that rewrite earlier turns when later ones come
//! (reasoning is stripped from them), rendering the whole with one turn's text replaced. Where none
//! fits, the answer is an error and never a guess.

use std::ops::Range;

use serde_json::Value;

use super::{ChatTemplate, GENERATION, Message, TemplateError};

/// Stands in for a turn's text while its place is looked for.
const STAND_IN: &str = "schliff\u{FDD2}turn";

/// A conversation to be rendered for training.
#[derive(Clone, Copy, Debug)]
pub struct Conversation<'a> {
    /// Its messages.
    pub messages: &'a [Message],
    /// Tools the assistant may call, as the template wants them.
    pub tools: Option<&'a Value>,
    /// Turns before this index are not trained.
    pub from: usize,
}

/// A rendered conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    /// The text.
    pub text: String,
    /// Byte ranges of the assistant's turns, in order, not overlapping.
    pub assistant: Vec<Range<usize>>,
}

impl ChatTemplate {
    /// Renders a conversation and finds the assistant's turns in it; `special` are the texts of the
    /// tokenizer's special tokens, among them the stop token; the template's own eos is taken for
    /// one too.
    pub fn turns(
        &self,
        conversation: Conversation<'_>,
        special: &[String],
    ) -> Result<Turns, TemplateError> {
        let Conversation {
            messages,
            tools,
            from,
        } = conversation;
        if self.marks_generation {
            let marked = self.render_marked(messages, tools, (false, true))?;
            return Ok(self.skip_early(unmark(&marked), messages, from));
        }
        let text = self.render(messages, tools, false)?;
        let special: Vec<&str> = special
            .iter()
            .chain(&self.eos)
            .map(String::as_str)
            .filter(|s| !s.is_empty())
            .collect();
        let search = Search {
            template: self,
            conversation,
            text: &text,
            special: &special,
        };
        let turns = messages.iter().enumerate().skip(from);
        let mut assistant: Vec<Range<usize>> = Vec::new();
        for (turn, _) in turns.filter(|(_, message)| message.role() == "assistant") {
            let span = search.span(turn)?;
            if assistant.last().is_some_and(|last| last.end > span.start) {
                return Err(TemplateError::Mask {
                    turn,
                    reason: "turns overlap",
                });
            }
            assistant.push(span);
        }
        Ok(Turns { text, assistant })
    }

    /// Leaves out the marked turns before `from`: marks come one a turn, in order.
    fn skip_early(&self, mut turns: Turns, messages: &[Message], from: usize) -> Turns {
        let early = messages
            .iter()
            .take(from)
            .filter(|message| message.role() == "assistant");
        turns
            .assistant
            .drain(..early.count().min(turns.assistant.len()));
        turns
    }
}

struct Search<'a> {
    template: &'a ChatTemplate,
    conversation: Conversation<'a>,
    text: &'a str,
    special: &'a [&'a str],
}

impl Search<'_> {
    fn span(&self, turn: usize) -> Result<Range<usize>, TemplateError> {
        let Conversation {
            messages, tools, ..
        } = self.conversation;
        let asked = self
            .template
            .render(&messages[..turn], tools, true)
            .unwrap_or_default();
        let start = match !asked.is_empty() && self.text.starts_with(&asked) {
            true => asked.len(),
            false => self.start_by_stand_in(turn, &asked)?,
        };
        let end = self.end(turn)?;
        if end < start {
            let reason = "the turn ends before its generation prompt does";
            return Err(TemplateError::Mask { turn, reason });
        }
        Ok(start..start + self.without_space_after_stop(&self.text[start..end]))
    }

    /// Start of a turn's text where the prompt that asked for it does not stand in the whole: it
    /// says more than a finished turn does, or what came before was rendered anew. White space
    /// before the text belongs to the turn, as far as the prompt does not end with it.
    fn start_by_stand_in(&self, turn: usize, asked: &str) -> Result<usize, TemplateError> {
        let around = self.around(self.conversation.messages, turn);
        let head = around
            .map(|(head, _)| head)
            .filter(|head| self.text.starts_with(head.as_str()));
        let reason = "the text before it depends on what it says";
        let head = head.ok_or(TemplateError::Mask { turn, reason })?;
        let (bare, spaces) = head.split_at(head.trim_end().len());
        let asked_spaces = &asked[asked.trim_end().len()..];
        match spaces.starts_with(asked_spaces) {
            true => Ok(bare.len() + asked_spaces.len()),
            false => Ok(head.len()),
        }
    }

    fn end(&self, turn: usize) -> Result<usize, TemplateError> {
        let Conversation {
            messages, tools, ..
        } = self.conversation;
        let until = &messages[..=turn];
        let plain = self.template.render(until, tools, false).ok();
        // Where the flag changes nothing, the next turn's header may stand behind every
        // conversation, asked for or not, and the end of the rendered text says little.
        let flagged = plain != self.template.render(until, tools, true).ok();
        if let Some(plain) = plain.filter(|plain| flagged && self.text.starts_with(plain.as_str()))
        {
            return Ok(plain.len());
        }
        let unclear = |reason| TemplateError::Mask { turn, reason };
        let (_, tail) = self
            .around(messages, turn)
            .filter(|(_, tail)| self.text.ends_with(tail.as_str()))
            .ok_or_else(|| unclear("its text cannot be found in the rendered conversation"))?;
        let (_, last) = self
            .around(until, turn)
            .ok_or_else(|| unclear("its end cannot be found in the rendered conversation"))?;
        let calls = messages[turn]
            .0
            .get("tool_calls")
            .is_some_and(|calls| !calls.is_null());
        let whole = last.trim_end();
        let stop = match (self.leading_stop(&tail), self.leading_stop(&last)) {
            _ if (flagged || whole.is_empty()) && tail.starts_with(whole) => whole.len(),
            (Some(here), Some(there)) if here == there && !calls => here.len(),
            _ => return Err(unclear("the text after it depends on what comes next")),
        };
        Ok(self.text.len() - tail.len() + stop)
    }

    /// What a conversation renders before and after the text of one turn.
    fn around(&self, messages: &[Message], turn: usize) -> Option<(String, String)> {
        let mut messages = messages.to_vec();
        messages[turn]
            .0
            .insert("content".to_owned(), STAND_IN.into());
        let text = self
            .template
            .render(&messages, self.conversation.tools, false)
            .ok()?;
        let (head, tail) = text.split_once(STAND_IN)?;
        (!tail.contains(STAND_IN)).then(|| (head.to_owned(), tail.to_owned()))
    }

    /// The stop token that a turn's tail begins with, white space before it included.
    fn leading_stop<'t>(&self, tail: &'t str) -> Option<&'t str> {
        let rest = tail.trim_start();
        let fitting = self
            .special
            .iter()
            .filter(|token| rest.starts_with(**token));
        let longest = fitting.map(|token| token.len()).max()?;
        Some(&tail[..tail.len() - rest.len() + longest])
    }

    /// Length of a turn without the white space after its stop token.
    fn without_space_after_stop(&self, turn: &str) -> usize {
        let trimmed = turn.trim_end();
        match self.special.iter().any(|token| trimmed.ends_with(token)) {
            true => trimmed.len(),
            false => turn.len(),
        }
    }
}

fn unmark(marked: &str) -> Turns {
    let mut turns = Turns {
        text: String::with_capacity(marked.len()),
        assistant: Vec::new(),
    };
    let mut open = None;
    for letter in marked.chars() {
        if letter == GENERATION.0 {
            open = open.or(Some(turns.text.len()));
        } else if letter == GENERATION.1 {
            turns
                .assistant
                .extend(open.take().map(|start| start..turns.text.len()));
        } else {
            turns.text.push(letter);
        }
    }
    turns
}
