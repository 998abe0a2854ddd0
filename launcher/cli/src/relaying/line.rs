//! Spools on another machine, over the line that leads to its batch system.
//!
//! Rules: a question is one script, for as many files as it is about. What is read is read by way of
//! an open file, so that it is all of the same one. Absent on purpose: the line itself, which others
//! use, too.

mod answer;
mod script;
mod stages;

use std::sync::Arc;

use schliff_agent::relay::source::{Got, Listed, Source, SourceError, SpoolFile, Want};
use schliff_slurm::channel::Channel;
use schliff_slurm::quote::QuoteError;
use schliff_spec::id::SubmitKey;

pub(crate) use stages::FarFolders;

/// A folder of attempts behind a line.
#[derive(Clone)]
pub(crate) struct Line {
    channel: Arc<dyn Channel>,
    folder: String,
}

impl Line {
    /// `folder` is absolute there, and need not be there yet.
    pub(crate) fn new(channel: Arc<dyn Channel>, folder: &str) -> Self {
        Self {
            channel,
            folder: folder.to_owned(),
        }
    }

    /// Asks, and gives what was printed.
    async fn ask(
        &self,
        operation: &'static str,
        script: Result<String, QuoteError>,
    ) -> Result<Vec<u8>, SourceError> {
        let cannot = |why: String| SourceError {
            operation,
            place: format!("{} of {}", self.folder, self.channel.place()),
            why,
        };
        let script = script.map_err(|error| cannot(error.to_string()))?;
        let output = self.channel.run(&script).await;
        let output = output.map_err(|error| cannot(error.to_string()))?;
        match output.code {
            0 => Ok(output.stdout),
            code => {
                let words = String::from_utf8_lossy(&output.stderr);
                let last = words.lines().next_back().unwrap_or_default();
                Err(cannot(format!("exit code {code}: {last}")))
            }
        }
    }

    fn not_understood(&self, operation: &'static str) -> SourceError {
        SourceError {
            operation,
            place: format!("{} of {}", self.folder, self.channel.place()),
            why: "the answer is cut off".to_owned(),
        }
    }
}

#[tonic::async_trait]
impl Source for Line {
    async fn list(&mut self) -> Result<Vec<Listed>, SourceError> {
        let output = self.ask("list", script::list(&self.folder)).await?;
        Ok(answer::listed(&output))
    }

    async fn read(&mut self, wants: &[Want]) -> Result<Vec<Got>, SourceError> {
        let output = self.ask("read", script::read(&self.folder, wants)).await?;
        answer::got(&output, wants).ok_or_else(|| self.not_understood("read"))
    }

    async fn mark(&mut self, marks: &[(SpoolFile, u64)]) -> Result<(), SourceError> {
        let marked = self.ask("mark", script::mark(&self.folder, marks)).await;
        marked.map(drop)
    }

    async fn token(&mut self, key: SubmitKey) -> Result<Option<String>, SourceError> {
        let output = self.ask("enter", script::token(&self.folder, key)).await?;
        let text = String::from_utf8_lossy(&output).into_owned();
        Ok((!text.trim().is_empty()).then_some(text))
    }
}

#[cfg(test)]
mod tests;
