//! What every client must do.

use schliff_slurm::batch::{GpuForm, Gpus};
use schliff_slurm::client::Cancel;
use schliff_slurm::job::JobId;
use schliff_slurm::state::BaseState;
use schliff_slurm::{Slurm, SlurmError};

use crate::cluster::{Cluster, here};

/// All of it.
pub(crate) async fn all(cluster: &Cluster, slurm: &dyn Slurm) {
    a_held_job_is_listed_and_cancelled(cluster, slurm).await;
    jobs_are_told_by_their_numbers(cluster, slurm).await;
    what_is_asked_for_is_given(cluster, slurm).await;
    everything_that_can_be_asked_for_is_understood(cluster, slurm).await;
    nodes_of_a_mixed_cluster_are_asked_for(cluster, slurm).await;
    an_array_is_one_job_that_waits(cluster, slurm).await;
    a_refused_job_leaves_nothing(cluster, slurm).await;
    a_trial_submits_nothing(cluster, slurm).await;
    a_signal_reaches_the_batch_script(cluster, slurm).await;
    a_job_that_waits_for_its_time_starts_now(cluster, slurm).await;
    a_job_is_found_and_renamed(cluster, slurm).await;
    the_past_is_known(cluster, slurm).await;
    nodes_and_partitions_are_told(slurm).await;
    cluster.clean().await;
}

/// `jobs` tells what the queue does, of these jobs only, and nothing of one that there is not.
async fn jobs_are_told_by_their_numbers(cluster: &Cluster, slurm: &dyn Slurm) {
    let mut ids = Vec::new();
    for name in ["one", "two", "three"] {
        ids.push(slurm.submit(&cluster.held(name)).await.expect("taken"));
    }
    let nobody = JobId(60_000_000);
    for asked in [&ids[..1], &ids[1..], &[nobody], &[ids[0], nobody]] {
        let mut told: Vec<_> = slurm.jobs(asked).await.expect("an answer");
        told.sort_by_key(|job| job.id);
        let mut queue = slurm.queue(&cluster.prefix).await.expect("a queue");
        queue.retain(|job| asked.contains(&job.id));
        queue.sort_by_key(|job| job.id);
        assert_eq!(told, queue, "{asked:?}");
    }
    slurm.cancel(&ids, Cancel::End).await.expect("cancelled");
    assert!(slurm.jobs(&[]).await.expect("nothing").is_empty());
}

async fn a_held_job_is_listed_and_cancelled(cluster: &Cluster, slurm: &dyn Slurm) {
    let batch = cluster.held("held");
    let id = slurm.submit(&batch).await.expect("taken");
    let job = cluster.until(slurm, id, |_| true).await;
    assert_eq!((&job.name, &job.comment), (&batch.name, &batch.comment));
    assert_eq!(job.state.base, BaseState::Pending);
    assert_eq!(job.reason, "JobHeldUser");
    assert_eq!((job.node_count, job.time_limit_min), (1, Some(5)));
    assert_eq!((job.partition.as_str(), job.nodes.as_str()), ("batch", ""));
    assert!(job.submitted_at.is_some() && job.start_at.is_none());
    let others = slurm.queue(&format!("{}-no-such", cluster.prefix)).await;
    assert_eq!(others.expect("a queue"), []);
    let unknown = JobId(999_999_999);
    for _ in 0..2 {
        let cancelled = slurm.cancel(&[id, unknown], Cancel::End).await;
        cancelled.expect("ended, or over already");
    }
    let over = |job: &schliff_slurm::job::Job| job.state.base == BaseState::Cancelled;
    cluster.until(slurm, id, over).await;
}

async fn what_is_asked_for_is_given(cluster: &Cluster, slurm: &dyn Slurm) {
    let mut batch = cluster.batch(
        "asked",
        "env | grep ^SLURM_ | sort\necho \"it's `hostname`\"\nexit 3\n",
    );
    batch.ask.nodes = 2;
    batch.ask.cpus_per_task = Some(2);
    batch.ask.gpus = Some(Gpus {
        count: 2,
        kind: None,
        form: GpuForm::Gres,
    });
    let id = slurm.submit(&batch).await.expect("taken");
    let ended = cluster
        .until(slurm, id, |job| {
            job.state.base.is_end() && job.state.flags.is_empty()
        })
        .await;
    assert_eq!(ended.state.base, BaseState::Failed, "{ended:?}");
    let log = cluster.folder.path().join(format!("{id}.log"));
    let log = std::fs::read_to_string(log).expect("a log");
    for line in [
        "SLURM_JOB_NUM_NODES=2",
        "SLURM_CPUS_PER_TASK=2",
        "SLURM_GPUS_ON_NODE=2",
        "SLURM_TASKS_PER_NODE=1(x2)",
        &format!("SLURM_JOB_NAME={}", batch.name),
        &format!(
            "it's {}",
            ended
                .nodes
                .replace(['[', ']'], "")
                .split(['-', ','])
                .next()
                .expect("a node")
        ),
    ] {
        assert!(
            log.lines().any(|found| found == line),
            "{line} is not in:\n{log}"
        );
    }
}

async fn everything_that_can_be_asked_for_is_understood(cluster: &Cluster, slurm: &dyn Slurm) {
    let first = slurm.submit(&cluster.held("first")).await.expect("taken");
    let mut batch = cluster.held("everything");
    let ask = &mut batch.ask;
    ask.account = Some("dev".to_owned());
    ask.partition = Some("batch".to_owned());
    ask.qos = Some("normal".to_owned());
    (ask.nodes, ask.tasks_per_node, ask.cpus_per_task) = (2, 2, Some(3));
    (ask.is_exclusive, ask.no_kill, ask.may_requeue) = (true, true, true);
    ask.signal = Some(("USR1".to_owned(), 60));
    ask.after_any = Some(first.0);
    ask.exclude = vec!["n3".to_owned(), "n4".to_owned()];
    ask.nice = Some(5);
    ask.gpus = Some(Gpus {
        count: 1,
        kind: None,
        form: GpuForm::GpusPerNode,
    });
    let id = slurm.submit(&batch).await.expect("taken");
    let shown = here().run(&format!("scontrol -o show job {id}")).await;
    let shown = String::from_utf8(shown.expect("shown").stdout).expect("UTF-8");
    for word in [
        "Account=dev",
        "QOS=normal",
        "Nice=5",
        "Requeue=1",
        "TimeLimit=00:05:00",
        "ExcNodeList=n[3-4]",
        "OverSubscribe=NO",
        "NumTasks=4",
        "CPUs/Task=3",
        "MinMemoryNode=50M",
        &format!("WorkDir={}", batch.folder),
    ] {
        let has = shown.split_whitespace().any(|found| found == word);
        assert!(has, "{word} is not in:\n{shown}");
    }
    assert!(shown.contains(&format!("afterany:{first}")), "{shown}");
    assert!(shown.contains("gpu:1"), "{shown}");
    slurm
        .cancel(&[first, id], Cancel::End)
        .await
        .expect("ended");
}

/// Slurm's expressions, and several partitions, arrive as they are.
async fn nodes_of_a_mixed_cluster_are_asked_for(cluster: &Cluster, slurm: &dyn Slurm) {
    for constraint in [
        "[rack1|rack2]",
        "rack2&gpu",
        "[rack1*1&rack2*1]",
        "(rack1|rack2)&gpu",
    ] {
        let mut batch = cluster.held("mixed");
        batch.ask.nodes = 2;
        batch.ask.constraint = Some(constraint.to_owned());
        batch.ask.partition = Some("batch,urgent".to_owned());
        let id = slurm.submit(&batch).await.expect(constraint);
        let shown = here().run(&format!("scontrol -o show job {id}")).await;
        let shown = String::from_utf8(shown.expect("shown").stdout).expect("UTF-8");
        for word in [
            format!("Features={constraint}"),
            "Partition=batch,urgent".to_owned(),
        ] {
            let has = shown.split_whitespace().any(|found| found == word);
            assert!(has, "{word} is not in:\n{shown}");
        }
        slurm.cancel(&[id], Cancel::End).await.expect("ended");
    }
}

/// An array is one job until its tasks start, and is ended as one.
async fn an_array_is_one_job_that_waits(cluster: &Cluster, slurm: &dyn Slurm) {
    let mut batch = cluster.held("array");
    batch.ask.array = Some("1-9%2".to_owned());
    let id = slurm.submit(&batch).await.expect("taken");
    let mut queue = slurm.queue(&batch.name).await.expect("a queue");
    assert_eq!(queue.len(), 1, "{queue:#?}");
    let job = queue.remove(0);
    assert_eq!((job.id, job.array), (id, Some((id, None))));
    slurm.cancel(&[id], Cancel::End).await.expect("ended");
    let left = slurm.queue(&batch.name).await.expect("a queue");
    let is_over = left
        .iter()
        .all(|job| job.state.base == BaseState::Cancelled);
    assert!(is_over, "{left:#?}");
}

async fn a_refused_job_leaves_nothing(cluster: &Cluster, slurm: &dyn Slurm) {
    let mut nowhere = cluster.held("refused");
    nowhere.ask.partition = Some("no-such".to_owned());
    let mut broke = cluster.held("refused");
    broke.ask.account = Some("no-such".to_owned());
    for batch in [nowhere, broke] {
        let error = slurm.submit(&batch).await.expect_err("refused");
        assert!(matches!(error, SlurmError::Refused { .. }), "{error}");
        assert!(
            error.to_string().to_lowercase().contains("invalid"),
            "{error}"
        );
    }
    let left = slurm.queue(&format!("{}-refused", cluster.prefix)).await;
    assert_eq!(left.expect("a queue"), []);
}

async fn a_trial_submits_nothing(cluster: &Cluster, slurm: &dyn Slurm) {
    let fine = cluster.batch("trial", "sleep 300\n");
    let trial = slurm.test(&fine).await.expect("it would be taken");
    assert!(!trial.words.is_empty());
    let mut impossible = fine.clone();
    impossible.ask.nodes = 90;
    let error = slurm.test(&impossible).await.expect_err("impossible");
    assert!(matches!(error, SlurmError::Refused { .. }), "{error}");
    let left = slurm.queue(&format!("{}-trial", cluster.prefix)).await;
    assert_eq!(left.expect("a queue"), []);
}

async fn a_signal_reaches_the_batch_script(cluster: &Cluster, slurm: &dyn Slurm) {
    let body =
        "trap 'echo told; exit 0' USR1\necho ready >ready\nwhile :; do sleep 300 & wait $!; done\n";
    let batch = cluster.batch("signal", body);
    let id = slurm.submit(&batch).await.expect("taken");
    let ready = cluster.folder.path().join("ready");
    let runs =
        |job: &schliff_slurm::job::Job| job.state.base == BaseState::Running && ready.exists();
    let running = cluster.until(slurm, id, runs).await;
    assert!(running.start_at.is_some() && !running.nodes.is_empty());
    let how = Cancel::SignalBatch("USR1");
    let told = slurm.cancel(&[id], how).await;
    if let Err(error) = &told {
        // slurmrestd of 22.05 would signal every process; it must be refused, and nothing sent.
        assert!(error.to_string().contains("v0.0.38"), "{error}");
        let again = cluster.commands.cancel(&[id], how).await;
        again.expect("signalled");
    }
    let ended = cluster
        .until(slurm, id, |job| job.state.base.is_end())
        .await;
    assert_eq!(ended.state.base, BaseState::Completed);
    if told.is_ok() {
        let again = slurm.cancel(&[id], how).await;
        again.expect("over already");
    }
}

async fn a_job_that_waits_for_its_time_starts_now(cluster: &Cluster, slurm: &dyn Slurm) {
    let mut later = cluster.batch("later", "true\n");
    later.ask.more = vec!["--begin=now+1hour".to_owned()];
    let id = cluster.commands.submit(&later).await.expect("taken");
    let waits = cluster
        .until(slurm, id, |job| job.reason == "BeginTime")
        .await;
    assert_eq!(waits.state.base, BaseState::Pending);
    slurm.start_now(id).await.expect("allowed");
    cluster
        .until(slurm, id, |job| job.state.base == BaseState::Completed)
        .await;
    let error = slurm
        .start_now(JobId(999_999_999))
        .await
        .expect_err("no such job");
    assert!(matches!(error, SlurmError::Refused { .. }), "{error}");
}

async fn a_job_is_found_and_renamed(cluster: &Cluster, slurm: &dyn Slurm) {
    let batch = cluster.batch("found", "sleep 300\n");
    let id = slurm.submit(&batch).await.expect("taken");
    let runs = |job: &schliff_slurm::job::Job| job.state.base == BaseState::Running;
    for is_running in [false, true] {
        if is_running {
            cluster.until(slurm, id, runs).await;
        }
        let name = format!("{}-renamed-{is_running}", cluster.prefix);
        let comment = "schliff word it's \"named\" anew";
        if let Err(error) = slurm.rename(id, &name, comment).await {
            // That of 22.05 has no way to say it.
            assert!(error.to_string().contains("v0.0.38"), "{error}");
            slurm.can_rename().await.expect_err("the same");
            let renamed = cluster.commands.rename(id, &name, comment).await;
            renamed.expect("allowed");
        }
        let found = slurm.find(id).await.expect("an answer").expect("a job");
        assert_eq!((found.job.id, found.is_own), (id, true));
        assert_eq!(found.folder, batch.folder);
        assert_eq!(
            (found.job.name.as_str(), found.job.comment.as_str()),
            (name.as_str(), comment)
        );
    }
    if let Some(script) = slurm.batch_script(id).await.expect("an answer") {
        assert!(script.ends_with(&batch.body), "{script}");
    }
    slurm.cancel(&[id], Cancel::End).await.expect("cancelled");
    let over =
        |job: &schliff_slurm::job::Job| job.state.base.is_end() && job.state.flags.is_empty();
    cluster.until(slurm, id, over).await;
    let error = slurm.rename(id, "late", "late").await;
    let error = error.expect_err("it has ended");
    assert!(matches!(error, SlurmError::Refused { .. }), "{error}");
    let unknown = slurm.find(JobId(999_999_999)).await;
    assert_eq!(unknown.expect("an answer"), None);
}

async fn the_past_is_known(cluster: &Cluster, slurm: &dyn Slurm) {
    let batch = cluster.batch("past", "exit 7\n");
    let id = slurm.submit(&batch).await.expect("taken");
    let job = cluster
        .until(slurm, id, |job| job.state.base.is_end())
        .await;
    let since = job.submitted_at.expect("it was submitted");
    for _ in 0..200 {
        let past = slurm.history(&batch.name, since).await.expect("a past");
        let past = past.expect("this cluster has accounting");
        assert!(past.iter().all(|job| job.name.starts_with(&batch.name)));
        if let Some(job) = past
            .iter()
            .find(|job| job.id == id && job.state.base == BaseState::Failed)
        {
            // The REST interface of 22.05 does not tell.
            assert!(job.exit.is_none_or(|exit| exit.code == 7), "{job:?}");
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("the accounting never heard of job {id}");
}

async fn nodes_and_partitions_are_told(slurm: &dyn Slurm) {
    let nodes = slurm.nodes().await.expect("nodes");
    let first = nodes.iter().find(|node| node.name == "n1").expect("n1");
    assert!(nodes.len() >= 4);
    assert_eq!(
        (first.cpus, first.gpus, first.is_up),
        (8, 4, true),
        "{first:?}"
    );
    assert!(first.partitions.contains(&"batch".to_owned()), "{first:?}");
    let partitions = slurm.partitions().await.expect("partitions");
    let named = |name: &str| partitions.iter().find(|partition| partition.name == name);
    let (batch, short) = (
        named("batch").expect("batch"),
        named("short").expect("short"),
    );
    // Which one is the default, slurmrestd of 24.11 does not tell.
    assert!(batch.is_up && !short.is_default);
    assert_eq!((batch.max_time_min, short.max_time_min), (None, Some(3)));
    assert_eq!(batch.nodes as usize, nodes.len());
    let version = slurm.version().await.expect("a version");
    assert!(
        version.starts_with(|c: char| c.is_ascii_digit()),
        "{version}"
    );
    assert!(slurm.calls().0 > 0);
}
