//! `schliff completion` and `schliff man`: what a shell and `man` know of the verbs.

use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use schliff_spec::exit::ExitCode;

use crate::args::{Args, CompletionArgs, ManArgs};
use crate::outcome::{CliError, Outcome};
use crate::terminal;

pub(crate) fn completion(args: CompletionArgs) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "schliff", &mut script);
    terminal::data(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::Ok)
}

pub(crate) fn man(args: ManArgs) -> Outcome {
    let mut command = Args::command();
    command.build();
    match args.folder {
        Some(folder) => pages(&command, &folder)?,
        None => terminal::data(&page(&command)?)?,
    }
    Ok(ExitCode::Ok)
}

/// A page of each verb, and the one that they begin at.
fn pages(command: &Command, folder: &Path) -> Result<(), CliError> {
    let cannot = |path: &Path, error| {
        let operation = format!("cannot write {}", path.display());
        CliError::new(ExitCode::JobFailed, operation).caused_by(error)
    };
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, error))?;
    for verb in std::iter::once(command).chain(command.get_subcommands()) {
        let path = folder.join(format!("{}.1", name(verb)));
        std::fs::write(&path, page(verb)?).map_err(|error| cannot(&path, error))?;
        terminal::data(&format!("{}\n", path.display()))?;
    }
    Ok(())
}

/// `schliff`, or `schliff-run`.
fn name(verb: &Command) -> String {
    match verb.get_name() {
        "schliff" => "schliff".into(),
        verb => format!("schliff-{verb}"),
    }
}

fn page(verb: &Command) -> Result<String, CliError> {
    let mut text = Vec::new();
    let title = name(verb);
    // The date would make every build another one.
    let man = Man::new(verb.clone()).title(title.to_uppercase()).date("");
    let rendered = man.render(&mut text);
    rendered.map_err(|error| CliError::bug("cannot write a manual page").caused_by(error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
