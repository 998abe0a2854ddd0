//! `schliff help`: the overview, a verb, an error.

use clap::CommandFactory;
use schliff_spec::exit::ExitCode;

use crate::args::{Args, HelpArgs};
use crate::error_page::ErrorPage;
use crate::outcome::{CliError, Outcome};
use crate::{plain, table, terminal};

pub(crate) fn help(args: HelpArgs) -> Outcome {
    let text = match args.topic.as_deref() {
        None => overview(),
        Some("errors") => errors(),
        Some(topic) => match of_verb(topic) {
            Some(text) => text,
            None => of_error(topic)?,
        },
    };
    terminal::data(&text)?;
    Ok(ExitCode::Ok)
}

/// As `schliff --help`.
fn overview() -> String {
    Args::command().render_help().to_string()
}

/// As `schliff VERB --help`.
fn of_verb(topic: &str) -> Option<String> {
    let mut command = Args::command();
    command.build();
    let verb = command.find_subcommand_mut(topic)?;
    Some(verb.render_help().to_string())
}

fn of_error(topic: &str) -> Result<String, CliError> {
    let page = ErrorPage::of(topic).ok_or_else(|| {
        let topic = plain::line(topic);
        CliError::usage(format!("there is no verb and no error {topic}"))
            .hint("'schliff help' lists the verbs, 'schliff help errors' the errors")
    })?;
    Ok(page.text().to_owned())
}

/// A line an error.
fn errors() -> String {
    let rows = ErrorPage::ALL
        .iter()
        .map(|page| (page.code(), page.title().to_owned()));
    table::list(&rows.collect::<Vec<_>>())
}
