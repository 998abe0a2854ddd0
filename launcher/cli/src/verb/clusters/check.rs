//! `schliff clusters check`: a profile held against the live site.

use schliff_backend::slurm::Reach;
use schliff_backend::slurm::check::{Verdict, compare, look};
use schliff_spec::cluster::{Backend, ClusterProfile, Slurm};
use schliff_spec::exit::ExitCode;

use crate::args::ClustersCheckArgs;
use crate::outcome::{CliError, Outcome};
use crate::view::check::{Checked, text};
use crate::{profile, terminal};

pub(super) fn check(args: &ClustersCheckArgs) -> Outcome {
    let profile = profile::load(&args.profile)?;
    let Backend::Slurm(slurm) = &profile.backend else {
        let error = format!("the cluster {} is this machine", profile.name);
        return Err(CliError::usage(error).hint("'schliff doctor' says what this machine can do"));
    };
    let checked = asked(&profile, slurm)?;
    match args.output.json {
        true => terminal::json(&checked)?,
        false => terminal::data(&text(&checked, terminal::columns_of_stdout()))?,
    }
    let differs = |it: &schliff_backend::slurm::check::Finding| it.verdict == Verdict::Differs;
    Ok(match checked.findings.iter().any(differs) {
        true => ExitCode::JobFailed,
        false => ExitCode::Ok,
    })
}

fn asked(profile: &ClusterProfile, slurm: &Slurm) -> Result<Checked, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::bug("cannot start the runtime").caused_by(error))?;
    runtime.block_on(async {
        let cannot = |error: &(dyn std::error::Error + 'static)| {
            let text = format!("cannot ask the cluster {}", profile.name);
            CliError::new(ExitCode::Unreachable, text).caused_by(schliff_backend::chain(error))
        };
        let reach = Reach::of(slurm).map_err(|error| cannot(&error))?;
        let place = reach.channel().place();
        let facts = look(slurm, profile.limits, &reach).await;
        let facts = facts.map_err(|error| cannot(&error))?;
        Ok(Checked {
            cluster: profile.name.to_string(),
            place,
            version: facts.version.clone(),
            findings: compare(profile, slurm, &facts),
        })
    })
}
