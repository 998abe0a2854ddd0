use proptest::prelude::*;

use super::super::{Ask, GpuForm, Gpus};
use super::*;

fn small() -> Batch {
    Batch {
        name: "schliff-42-3".into(),
        comment: "schliff k3v9 desk".into(),
        ask: Ask {
            nodes: 2,
            tasks_per_node: 1,
            ..Ask::default()
        },
        output: "/s/schliff-42-3/log".into(),
        folder: "/s/schliff-42-3".into(),
        body: "set -eu\nsrun hostname\n".into(),
    }
}

#[test]
fn everything_has_its_line() {
    let ask = Ask {
        account: Some("hai_nlp".into()),
        partition: Some("booster,develbooster".into()),
        qos: Some("normal".into()),
        reservation: Some("maint".into()),
        constraint: Some("gpu&[rack1|rack2]".into()),
        licenses: Some("home@just:1".into()),
        cluster: Some("juwels".into()),
        nodes: 2,
        tasks_per_node: 1,
        cpus_per_task: Some(48),
        gpus: Some(Gpus {
            count: 4,
            kind: Some("a100".into()),
            form: GpuForm::Gres,
        }),
        memory_mib: Some(0),
        is_exclusive: true,
        time_min: Some(1_440),
        signal: Some(("USR1".into(), 300)),
        may_requeue: true,
        no_kill: true,
        after_any: Some(4_711),
        array: Some("0-7%2".into()),
        exclude: vec!["n3".into(), "n[5-6]".into()],
        nice: Some(100),
        is_held: true,
        more: vec!["--hint=nomultithread".into(), "--switches=1".into()],
    };
    let batch = Batch { ask, ..small() };
    insta::assert_snapshot!(render(&batch).expect("a script"));
}

#[test]
fn what_is_not_asked_for_is_left_to_the_site() {
    insta::assert_snapshot!(render(&small()).expect("a script"), @r#"
    #!/bin/bash
    #SBATCH --job-name=schliff-42-3
    #SBATCH --comment="schliff k3v9 desk"
    #SBATCH --nodes=2
    #SBATCH --ntasks-per-node=1
    #SBATCH --no-requeue
    #SBATCH --chdir=/s/schliff-42-3
    #SBATCH --output=/s/schliff-42-3/log
    #SBATCH --open-mode=append
    #SBATCH --export=NONE

    set -eu
    srun hostname
    "#);
}

#[test]
fn gpus_are_asked_for_as_the_site_wants_it() {
    let line_of = |kind: Option<&str>, form| {
        let mut batch = small();
        batch.ask.gpus = Some(Gpus {
            count: 4,
            kind: kind.map(Into::into),
            form,
        });
        let text = render(&batch).expect("a script");
        let line = text
            .lines()
            .find(|line| line.contains("=gpu:") || line.contains("gpus-per"));
        line.expect("a line").replace("#SBATCH ", "")
    };
    assert_eq!(line_of(None, GpuForm::Gres), "--gres=gpu:4");
    assert_eq!(line_of(Some("h100"), GpuForm::Gres), "--gres=gpu:h100:4");
    assert_eq!(line_of(None, GpuForm::GpusPerNode), "--gpus-per-node=4");
    assert_eq!(
        line_of(Some("h100"), GpuForm::GpusPerNode),
        "--gpus-per-node=h100:4"
    );
}

#[test]
fn what_cannot_mean_itself_is_refused() {
    let told = |change: &dyn Fn(&mut Batch)| {
        let mut batch = small();
        change(&mut batch);
        render(&batch).expect_err("refused").to_string()
    };
    let break_out = "dev\n#SBATCH --uid=0";
    assert_eq!(
        told(&|batch| batch.ask.account = Some(break_out.into())),
        "cannot ask Slurm for --account `dev\u{fffd}#SBATCH --uid=0`: it has a control character"
    );
    assert!(told(&|batch| batch.ask.qos = Some(String::new())).ends_with("it is empty"));
    assert!(told(&|batch| batch.ask.more = vec!["-n4".into()]).contains("must begin with --"));
    assert!(told(&|batch| batch.ask.nodes = 0).contains("nodes: expected at least 1"));
    assert!(told(&|batch| batch.ask.time_min = Some(0)).contains("minutes: expected"));
    assert!(told(&|batch| batch.body = "a\0b".into()).contains("NUL"));
    let lines = [
        "date\ncat <<E\n#PBS -l nodes=9\nE\n",
        "\n# x\n#SBATCH --uid=0\ndate\n",
    ];
    for body in lines {
        let refused = told(&|batch| batch.body = body.into());
        assert!(refused.contains("takes it for an option"), "{refused}");
    }
    let mut after_a_command = small();
    after_a_command.body = "date\n#SBATCH --nodes=9\n".into();
    render(&after_a_command).expect("sbatch does not look there");
}

/// The words of a line, as `sbatch` reads them.
fn read(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        let taken = match (c, quote) {
            ('\\', _) => rest.next(),
            (c, Some(open)) if c == open => {
                quote = None;
                continue;
            }
            (_, Some(_)) => Some(c),
            ('"' | '\'', None) => {
                quote = Some(c);
                continue;
            }
            ('#', None) => break,
            (c, None) if c.is_ascii_whitespace() => {
                words.extend(word.take());
                continue;
            }
            _ => Some(c),
        };
        word.get_or_insert_default().extend(taken);
    }
    words.extend(word);
    words
}

proptest! {
    #[test]
    fn a_value_reaches_sbatch_as_it_is_or_is_refused(value in "[ -~\n\t\\\\\"'#äß]{0,20}") {
        let mut batch = small();
        batch.comment = value.clone();
        match render(&batch) {
            Ok(text) => {
                let line = text.lines().nth(2).expect("its line");
                let line = line.strip_prefix("#SBATCH ").expect("a directive");
                prop_assert_eq!(read(line), [format!("--comment={value}")]);
            }
            Err(_) => prop_assert!(value.is_empty() || value.contains(char::is_control)),
        }
    }
}
