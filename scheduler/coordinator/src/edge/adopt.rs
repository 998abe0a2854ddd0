//! What was found in a batch system becomes an adoption. Pure.
//!
//! Rules: its job file is checked as one that is submitted. The job runs on that cluster from now on,
//! whatever its file says. What Slurm was asked for by hand must be what the file asks for, since the
//! next attempt is made from the file.

use schliff_backend::{FindError, Foundling};
use schliff_scheduler::allocation::AllocationId;
use schliff_scheduler::input::Adoption;
use schliff_spec::id::ClusterName;
use schliff_spec::load::{Options, load_text};
use schliff_wire::v1::AdoptRequest;

use super::shape::{self, Cores};
use super::submit::{check_out, check_request_id};
use crate::refusal::{Refusal, RefusalKind};

/// The longest name of a job, and of an allocation.
const LONGEST_NAME: usize = 256;

/// What a request of `owner` about something that was found stands for.
pub(crate) fn adoption(
    request: &AdoptRequest,
    found: Foundling,
    owner: &str,
    cluster: ClusterName,
    cores: &Cores,
) -> Result<Adoption, Refusal> {
    let options = Options { check_files: false };
    let loaded = load_text(&found.document, "job.toml", &[], options)
        .map_err(|problems| Refusal::invalid("job-file", problems.to_string()))?;
    let mut job = loaded.job;
    if job.sweep.is_some() {
        let text = "a search cannot be adopted: it is a job for each trial";
        return Err(Refusal::invalid("adopt-unfit", text));
    }
    job.scheduling.cluster = Some(cluster.to_string());
    if !request.name.is_empty() {
        job.name.clone_from(&request.name);
    }
    check_out(&found.out)?;
    let ask = shape::ask(&job, found.out, cores)?;
    let shape = ask.wanted();
    if found.nodes != shape.nodes {
        let (has, wants) = (found.nodes, shape.nodes);
        let text = format!(
            "job {} was submitted for {has} nodes, and its job file is for {wants}",
            request.allocation
        );
        return Err(Refusal::invalid("adopt-unfit", text));
    }
    Ok(Adoption {
        request_id: request.request_id.clone(),
        owner: owner.to_owned(),
        ask,
        cluster,
        allocation: AllocationId(request.allocation.clone()),
        shape,
        time_limit_ms: found.time_limit_ms,
    })
}

/// Refuses what cannot be a request.
pub(crate) fn check_form(request: &AdoptRequest) -> Result<(), Refusal> {
    check_request_id(&request.request_id)?;
    for (what, text) in [("name", &request.name), ("number", &request.allocation)] {
        if text.len() > LONGEST_NAME {
            let text = format!("the {what} is longer than {LONGEST_NAME} bytes");
            return Err(Refusal::invalid("too-long", text));
        }
    }
    Ok(())
}

/// Why something is not adopted.
pub(crate) fn refusal(cluster: &ClusterName, error: &FindError) -> Refusal {
    let kind = match error {
        FindError::Unknown(_) => RefusalKind::Missing,
        FindError::Known { .. }
        | FindError::Adopted { .. }
        | FindError::Ended(_)
        | FindError::Done { .. }
        | FindError::Rival { .. }
        | FindError::NoDocument
        | FindError::Backend(_) => RefusalKind::Phase,
        _ => RefusalKind::Invalid,
    };
    let text = format!("{cluster}: {}", schliff_backend::chain(error));
    let refusal = Refusal::new(kind, error.code(), text);
    match error {
        FindError::Unknown(_) => refusal.hint("'squeue --me' on the cluster lists your jobs"),
        FindError::NotOurs(_) => {
            refusal.hint("a script of 'schliff export --cluster' makes jobs that can be adopted")
        }
        FindError::NoDocument => refusal.hint("adopt it once it runs"),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: &str = "name = \"desk\"\n[model]\nbase = \"gguf:/m.gguf\"\n[data]\nformat = \"messages\"\ntrain = [\"/t.jsonl\"]\n[resources]\nnodes = 2\ncpus_per_node = 3\n";

    fn request(name: &str) -> AdoptRequest {
        AdoptRequest {
            request_id: "r".into(),
            cluster: "dev".into(),
            allocation: "1234".into(),
            name: name.into(),
            ..AdoptRequest::default()
        }
    }

    fn read(document: &str, nodes: u32, out: &str, name: &str) -> Result<Adoption, Refusal> {
        let found = Foundling {
            document: document.into(),
            out: out.into(),
            nodes,
            time_limit_ms: Some(60_000),
        };
        let cluster = "dev".parse().expect("a name");
        adoption(&request(name), found, "ada", cluster, &Cores::new())
    }

    #[test]
    fn what_is_found_becomes_a_job_of_that_cluster() {
        let adoption = read(JOB, 2, "/p/runs/desk", "").expect("it can be adopted");
        assert_eq!((adoption.shape.nodes, adoption.shape.cpus_per_node), (2, 3));
        assert_eq!(
            (&*adoption.ask.name, &*adoption.ask.out),
            ("desk", "/p/runs/desk")
        );
        assert_eq!(adoption.ask.cluster, Some(adoption.cluster.clone()));
        assert!(adoption.ask.document.contains("cluster = \"dev\""));
        let named = read(JOB, 2, "/p/runs/desk", "other").expect("it can be adopted");
        assert_eq!(named.ask.name, "other");
    }

    #[test]
    fn what_the_next_attempt_could_not_go_on_with_is_refused() {
        let code = |read: Result<Adoption, Refusal>| read.expect_err("refused").code;
        assert_eq!(code(read(JOB, 3, "/p/runs/desk", "")), "adopt-unfit");
        assert_eq!(code(read("name = 1\n", 1, "/p/runs/desk", "")), "job-file");
        assert_eq!(code(read(JOB, 2, "runs/desk", "")), "out");
        let sweep = "[sweep]\nmethod = \"grid\"\nparameters = { \"training.lr\" = [1e-4, 2e-4] }\n";
        let sweep = format!("{JOB}{sweep}").replace("train =", "eval = [\"/e.jsonl\"]\ntrain =");
        assert_eq!(code(read(&sweep, 2, "/p/runs/desk", "")), "adopt-unfit");
    }

    #[test]
    fn a_reason_has_a_code_and_a_sentence() {
        let cluster = "dev".parse().expect("a name");
        let told = refusal(&cluster, &FindError::NotOurs(AllocationId("7".into())));
        assert_eq!(told.code, "adopt-foreign");
        assert_eq!(told.text, "dev: job 7 was not made by `schliff export`");
        assert!(!told.hint.is_empty());
    }
}
