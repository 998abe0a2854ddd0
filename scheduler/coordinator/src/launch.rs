//! What an allocation starts: the agent, with the job and the token of its attempt. Pure.

use schliff_backend::{Launch, LaunchFile};
use schliff_scheduler::action::Order;
use schliff_spec::cluster::Reports;

use crate::access::Access;

/// The job file, as it comes with an allocation.
const JOB: &str = "job.toml";
/// The token of the attempt.
const TOKEN: &str = "token";
/// Whom to trust.
const CA: &str = "ca.pem";
/// Reports that a relay ships.
const SPOOL: &str = "spool";
/// Checkpoints that a relay ships, beside the folders of attempts: they outlive an attempt.
const CHECKPOINTS: &str = "../checkpoints";

/// How agents reach the coordinator.
#[derive(Clone, Debug)]
pub(crate) struct Contact {
    /// Every coordinator on the same journal, the own one first.
    pub(crate) urls: Vec<String>,
    /// The certificate that theirs are signed by, where they have one.
    pub(crate) ca_pem: Option<Vec<u8>>,
    /// What tokens are made from.
    pub(crate) access: Access,
}

/// What is handed to the back-end.
pub(crate) fn launch(order: &Order, contact: &Contact, reports: Reports) -> Launch {
    let ask = &order.ask;
    let token = contact.access.agent_token(order.key);
    let mut files = vec![
        file(JOB, ask.document.clone().into_bytes(), false),
        file(TOKEN, token.into_bytes(), true),
    ];
    if let Some(pem) = &contact.ca_pem
        && reports == Reports::Direct
    {
        files.push(file(CA, pem.clone(), false));
    }
    Launch {
        key: order.key,
        name: ask.name.clone(),
        shape: order.shape,
        min_nodes: ask.shapes.iter().map(|shape| shape.nodes).min(),
        placement: order.placement.clone(),
        avoid: order.avoid.clone(),
        time_limit_ms: order.time_limit_ms,
        work_ms: order.work_ms,
        wish: ask.wish.clone(),
        args: args(order, contact, reports),
        env: Vec::new(),
        files,
    }
}

fn args(order: &Order, contact: &Contact, reports: Reports) -> Vec<String> {
    let shape = order.shape;
    let in_folder = |name: &str| format!("{{dir}}/{name}");
    let mut args = vec!["agent".to_owned(), in_folder(JOB)];
    let mut flag = |name: &str, value: String| args.extend([name.to_owned(), value]);
    flag("--out", order.ask.out.clone());
    flag("--nodes", shape.nodes.to_string());
    let ranks_per_node = shape.ranks / shape.nodes.max(1);
    flag("--ranks-per-node", ranks_per_node.max(1).to_string());
    match reports {
        Reports::Direct => {
            for url in &contact.urls {
                flag("--coordinator", url.clone());
            }
            flag("--token-file", in_folder(TOKEN));
            if contact.ca_pem.is_some() {
                flag("--ca-file", in_folder(CA));
            }
        }
        // The token is there for the relay.
        Reports::Spool => {
            flag("--spool", in_folder(SPOOL));
            flag("--stage-checkpoints", in_folder(CHECKPOINTS));
        }
    }
    flag("--job", order.key.job.to_string());
    flag("--generation", order.key.generation.to_string());
    if let Some(limit_ms) = order.time_limit_ms {
        flag("--time-limit", (limit_ms / 1_000).max(1).to_string());
    }
    args
}

fn file(name: &str, content: Vec<u8>, is_secret: bool) -> LaunchFile {
    LaunchFile {
        name: name.to_owned(),
        content,
        is_secret,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use schliff_scheduler::ask::Ask;
    use schliff_scheduler::shape::{Budget, Shape};
    use schliff_spec::id::{Generation, JobId, SubmitKey};

    use super::*;

    fn order() -> Order {
        let shape = Shape {
            nodes: 2,
            gpus_per_node: 4,
            cpus_per_node: 8,
            ranks: 8,
        };
        let ask = Ask {
            name: "desk".into(),
            cluster: None,
            shapes: vec![shape],
            time_ms: None,
            priority: 50,
            retries: 3,
            budget: Budget::default(),
            wish: schliff_spec::cluster::BatchWish::default(),
            residency: Vec::new(),
            out: "/s/runs/desk-42".into(),
            document: "name = \"desk\"\n".into(),
        };
        Order {
            key: SubmitKey {
                job: JobId(42),
                generation: Generation(3),
            },
            cluster: "local".parse().unwrap(),
            shape,
            placement: Vec::new(),
            avoid: Vec::new(),
            time_limit_ms: Some(90_500),
            work_ms: Some(90_500),
            adopts: None,
            resume_from: None,
            ask: Arc::new(ask),
        }
    }

    #[test]
    fn an_order_becomes_a_command_and_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let contact = Contact {
            urls: vec!["https://a:1".into(), "https://b:1".into()],
            ca_pem: Some(b"pem".to_vec()),
            access: Access::open(folder.path()).unwrap(),
        };
        let launch = launch(&order(), &contact, Reports::Direct);
        insta::assert_snapshot!(launch.args.join(" "), @"agent {dir}/job.toml --out /s/runs/desk-42 --nodes 2 --ranks-per-node 4 --coordinator https://a:1 --coordinator https://b:1 --token-file {dir}/token --ca-file {dir}/ca.pem --job 42 --generation 3 --time-limit 90");
        let files: Vec<_> = launch
            .files
            .iter()
            .map(|it| (&*it.name, it.is_secret))
            .collect();
        assert_eq!(
            files,
            [("job.toml", false), ("token", true), ("ca.pem", false)]
        );
        let token = String::from_utf8(launch.files[1].content.clone()).unwrap();
        assert!(contact.access.is_agent(&token, order().key));
        assert!(
            !format!("{launch:?}").contains(&token),
            "secrets are not shown"
        );
    }

    #[test]
    fn agents_that_reach_nobody_write_into_a_spool() {
        let folder = tempfile::tempdir().unwrap();
        let contact = Contact {
            urls: vec!["https://a:1".into()],
            ca_pem: Some(b"pem".to_vec()),
            access: Access::open(folder.path()).unwrap(),
        };
        let launch = launch(&order(), &contact, Reports::Spool);
        insta::assert_snapshot!(launch.args.join(" "), @"agent {dir}/job.toml --out /s/runs/desk-42 --nodes 2 --ranks-per-node 4 --spool {dir}/spool --stage-checkpoints {dir}/../checkpoints --job 42 --generation 3 --time-limit 90");
        let files: Vec<_> = launch.files.iter().map(|it| &*it.name).collect();
        assert_eq!(files, ["job.toml", "token"]);
    }
}
