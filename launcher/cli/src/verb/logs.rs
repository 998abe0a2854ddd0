//! `schliff logs`: what a job's ranks wrote, on standard output.

use schliff_spec::exit::ExitCode;
use schliff_wire::v1::{JobView, LogLine, LogsRequest};

use crate::args::LogsArgs;
use crate::outcome::{CliError, Outcome};
use crate::view::log;
use crate::{coordinator, follow, interrupt, terminal};

pub(crate) fn logs(args: LogsArgs) -> Outcome {
    let request = LogsRequest {
        job: args.job.0,
        follow: args.follow,
        tail: args.tail.unwrap_or(0),
        rank: args.rank,
        generation: args.attempt,
        contains: args.grep.clone().unwrap_or_default(),
        after: 0,
    };
    coordinator::ask(&args.connection, async |mut coordinator| {
        let mut printer = Printer {
            json: args.output.json,
            generation: 0,
            is_gone: false,
            failed: None,
        };
        let reading = follow::log(&mut coordinator, request, &mut printer);
        match interrupt::unless(reading).await {
            Some(read) => read?,
            None => return Ok(ExitCode::Interrupted),
        }
        match printer.failed {
            Some(error) => Err(error),
            None => Ok(ExitCode::Ok),
        }
    })
}

/// Prints each line as it comes.
struct Printer {
    json: bool,
    generation: u64,
    /// Nobody reads on: the pipe is closed, or a line could not be printed.
    is_gone: bool,
    /// Why a line could not be printed; a closed pipe is no failure.
    failed: Option<CliError>,
}

impl follow::Audience for Printer {
    fn view(&mut self, _view: &JobView) {}

    fn line(&mut self, line: &LogLine) {
        if line.generation != self.generation && !self.json {
            if self.generation > 0 {
                terminal::say(&log::attempt(line.generation));
            }
            self.generation = line.generation;
        }
        let text = match self.json {
            true => terminal::json_line_of(line),
            false => Ok(log::text(line) + "\n"),
        };
        match text.and_then(|text| terminal::offer(&text)) {
            Ok(is_read) => self.is_gone = !is_read,
            Err(error) => {
                self.is_gone = true;
                self.failed = Some(error);
            }
        }
    }

    fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn remark(&mut self, words: &str) {
        terminal::say(words);
    }
}
