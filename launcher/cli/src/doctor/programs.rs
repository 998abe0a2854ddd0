//! Schliff's own programs, what the trainer tells, and `mpirun`.

use std::path::Path;

use schliff_agent::MPIRUN;
use schliff_spec::finding::{Area, Examination, Finding};
use schliff_spec::place::CollectiveKind;
use schliff_spec::request::PROTOCOL;

use super::TRAINER;
use super::questioned::{Silence, ask};
use crate::trainer;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MPI_TRAINER: &str = "schliff-trainer-mpi";
const REBUILD: &str = "build all programs from the same source: make build";

/// The programs, and whatever the trainer finds.
pub(super) fn findings() -> Vec<Finding> {
    let mut findings =
        vec![Finding::ok(Area::Programs, "schliff", VERSION).fact("version", VERSION)];
    match trainer::program(CollectiveKind::Tcp) {
        Ok(path) => findings.extend(examined(&path)),
        Err(error) => findings.push(not_there(TRAINER, error.told())),
    }
    let mpi_trainer = mpi_trainer();
    let mpirun = mpirun();
    findings.push(mpi(&mpi_trainer, &mpirun));
    findings.extend([mpi_trainer, mpirun]);
    findings
}

fn not_there(name: &str, (told, hint): (String, Option<String>)) -> Finding {
    let absent = Finding::absent(Area::Programs, name, told);
    absent.hint(hint.unwrap_or_else(|| "make build".into()))
}

/// The trainer and its findings.
fn examined(path: &Path) -> Vec<Finding> {
    let broken = |told: String| vec![Finding::broken(Area::Programs, TRAINER, told).hint(REBUILD)];
    let said = match ask(path, &["doctor"]) {
        Ok(said) => said,
        Err(Silence::Missing) => return broken(format!("{} cannot be run", path.display())),
        Err(Silence::Failed(told)) => return broken(told),
    };
    let Ok(examination) = serde_json::from_str::<Examination>(&said) else {
        return broken("its answer cannot be understood".into());
    };
    let Examination {
        protocol,
        version,
        backend,
        backends,
        collectives,
        mut findings,
    } = examination;
    if (protocol, version.as_str()) != (PROTOCOL, VERSION) {
        return broken(format!("it is {version}, and schliff is {VERSION}"));
    }
    let told = format!(
        "{version}, takes {backend}; built with {}, {}",
        backends.join(", "),
        collectives.join(", ")
    );
    let trainer = Finding::ok(Area::Programs, TRAINER, told)
        .fact("version", version)
        .fact("backend", backend)
        .fact("backends", backends)
        .fact("collectives", collectives)
        .fact("path", path.display().to_string());
    findings.insert(0, trainer);
    findings
}

/// The trainer that is linked with an MPI library, which it needs to be loaded at all.
fn mpi_trainer() -> Finding {
    let path = match trainer::program(CollectiveKind::Mpi) {
        Ok(path) => path,
        Err(error) => return not_there(MPI_TRAINER, error.told()),
    };
    match ask(&path, &["--version"]) {
        Ok(said) => {
            let said = said.trim().trim_start_matches(TRAINER).trim();
            Finding::ok(Area::Programs, MPI_TRAINER, said)
        }
        Err(silence) => {
            let told = match silence {
                Silence::Missing => format!("{} cannot be run", path.display()),
                Silence::Failed(told) => told,
            };
            Finding::broken(Area::Programs, MPI_TRAINER, told)
                .hint("is the MPI library installed that it was built with?")
        }
    }
}

/// The launcher of MPI.
fn mpirun() -> Finding {
    match ask(Path::new(MPIRUN), &["--version"]) {
        Ok(said) => {
            let first = said.lines().next().unwrap_or_default().trim();
            Finding::ok(Area::Libraries, MPIRUN, first).fact("version", first)
        }
        Err(Silence::Missing) => Finding::absent(Area::Libraries, MPIRUN, "not found")
            .hint("for --collective mpi: install it (Debian: openmpi-bin)"),
        Err(Silence::Failed(told)) => {
            Finding::broken(Area::Libraries, MPIRUN, told).hint("reinstall the MPI library")
        }
    }
}

/// Whether ranks can sum by MPI: both parts are needed.
fn mpi(trainer: &Finding, launcher: &Finding) -> Finding {
    let name = CollectiveKind::Mpi.word();
    let lacking = [trainer, launcher].into_iter().find(|it| !it.is_ok());
    let Some(lacking) = lacking else {
        let told = format!("by {}; its ranks were not started", launcher.told);
        return Finding::ok(Area::Collectives, name, told);
    };
    let told = format!("{} is {}", lacking.name, lacking.status.word());
    let hint = lacking.hint.as_deref().unwrap_or("take --collective tcp");
    Finding {
        status: lacking.status,
        ..Finding::absent(Area::Collectives, name, told).hint(hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schliff_spec::finding::Status;

    #[test]
    fn sums_by_mpi_need_the_trainer_and_the_launcher() {
        let trainer = Finding::ok(Area::Programs, MPI_TRAINER, "0.1.0");
        let launcher = Finding::ok(Area::Libraries, MPIRUN, "mpirun 4.1");
        assert_eq!(mpi(&trainer, &launcher).status, Status::Ok);
        let broken = Finding::broken(Area::Libraries, MPIRUN, "no").hint("reinstall");
        let told = mpi(&trainer, &broken);
        assert_eq!(
            (told.status, told.told.as_str()),
            (Status::Broken, "mpirun is broken")
        );
        assert_eq!(told.hint.as_deref(), Some("reinstall"));
    }
}
