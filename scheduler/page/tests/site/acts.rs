use super::*;

fn post(path: &str, form: &'static str) -> Request<Body> {
    let kind = "application/x-www-form-urlencoded";
    let request = Request::post(path).header("content-type", kind);
    request.body(Body::from(form)).expect("a request")
}

#[tokio::test]
async fn a_cancelled_job_says_why() {
    let site = site(&world(Kind::Rich));
    let answer = ask(&site, post("/jobs/47/cancel", "why=%20wrong+data&now=yes")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.headers["location"], "/jobs/47");
    let page = get(&site, "/jobs/47").await.text;
    assert!(page.contains("cancelled by ada: wrong data"));
    assert!(!page.contains("/jobs/47/cancel") && page.contains("/jobs/47/retry"));
    let again = ask(&site, post("/jobs/47/cancel", "")).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.text.contains("job 47 has ended"));
}

#[tokio::test]
async fn a_failed_job_goes_on_as_a_new_one() {
    let site = site(&world(Kind::Rich));
    let answer = ask(&site, post("/jobs/43/retry", "")).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let newer = answer.headers["location"]
        .to_str()
        .expect("text")
        .to_owned();
    assert_ne!(newer, "/jobs/43");
    let page = get(&site, &newer).await.text;
    assert!(page.contains("starts with the next look at the queue"));
    assert!(page.contains("Goes on with</dt><dd><a class=\"number\" href=\"/jobs/43\""));
    let old = get(&site, "/jobs/43").await.text;
    assert!(old.contains("Failed") && old.contains(&format!("href=\"{newer}\">Goes on as")));
    assert!(!old.contains("/jobs/43/retry"), "it is tried again there");
}

#[tokio::test]
async fn who_looks_on_changes_nothing() {
    let world = world(Kind::Rich);
    let site = router(world as _);
    let page = get(&site, "/jobs/47").await.text;
    assert!(!page.contains("/jobs/47/cancel"));
    for path in ["/jobs/47/cancel", "/jobs/43/retry"] {
        assert_eq!(
            get(&site, path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(
            ask(&site, post(path, "")).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    assert!(get(&site, "/jobs/47").await.text.contains("Running"));
}
