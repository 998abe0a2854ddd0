use super::*;

/// What is inside of `<main>`, a tag a line.
fn main_of(text: &str) -> String {
    let inner = text
        .split_once("<main")
        .and_then(|(_, rest)| rest.split_once("</main>"));
    let (inner, _) = inner.expect("a main part");
    inner
        .replace("><", ">\n<")
        .lines()
        .map(|line| format!("{}\n", line.trim()))
        .collect()
}

async fn golden(kind: Kind, name: &str, path: &str) {
    let answer = get(&site(&world(kind)), path).await;
    insta::assert_snapshot!(name, main_of(&answer.text));
}

#[tokio::test]
async fn jobs_are_listed() {
    golden(Kind::Rich, "jobs", "/?open=29").await;
    golden(Kind::Rich, "jobs_of_one", "/?owner=lin&show=running").await;
    golden(Kind::Empty, "jobs_none", "/").await;
    golden(Kind::Rich, "jobs_no_match", "/?q=nothing").await;
}

#[tokio::test]
async fn a_job_is_shown() {
    golden(Kind::Rich, "job_running", "/jobs/47").await;
    golden(Kind::Rich, "job_queued", "/jobs/50").await;
    golden(Kind::Rich, "job_failed", "/jobs/43").await;
    golden(Kind::Rich, "job_sweep", "/jobs/29").await;
}

#[tokio::test]
async fn all_else_is_shown() {
    golden(Kind::Rich, "clusters", "/clusters").await;
    golden(Kind::Empty, "clusters_none", "/clusters").await;
    golden(Kind::Rich, "cancel", "/jobs/47/cancel").await;
    golden(Kind::Rich, "retry", "/jobs/43/retry").await;
    golden(Kind::Rich, "history", "/jobs/43/history").await;
    golden(Kind::Rich, "logs", "/jobs/43/logs?contains=error").await;
    golden(Kind::Rich, "missing", "/jobs/999").await;
}

#[tokio::test]
async fn the_frame_names_its_assets() {
    let text = get(&site(&world(Kind::Rich)), "/models").await.text;
    let at = text.find("/assets/").expect("an asset") + "/assets/".len();
    let digest = &text[at..at + 16];
    insta::assert_snapshot!("models_whole", text.replace(digest, "DIGEST"));
}
