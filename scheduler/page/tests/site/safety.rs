use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::*;

/// Values of an attribute.
fn values<'a>(text: &'a str, attribute: &str) -> Vec<&'a str> {
    let begin = format!(" {attribute}=\"");
    let parts = text.split(begin.as_str()).skip(1);
    parts.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test]
async fn nothing_is_inline_and_the_headers_forbid_it() {
    let site = site(&world(Kind::Rich));
    for path in PAGES {
        let Answer { headers, text, .. } = get(&site, path).await;
        let policy = headers["content-security-policy"].to_str().expect("text");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["referrer-policy"], "same-origin");
        assert_eq!(headers["cache-control"], "no-store");
        for script in text.split("<script").skip(1) {
            assert!(script.contains(" src=\"/assets/"), "{path}: {script}");
            let (_, body) = script.split_once('>').expect("the tag's end");
            assert!(body.starts_with("</script>"), "{path}: {body}");
        }
        assert!(
            !text.contains("<style") && !text.contains(" style="),
            "{path}"
        );
        let tags = text
            .split('<')
            .skip(1)
            .filter_map(|tag| tag.split('>').next());
        for tag in tags {
            // Without the values, of which every second piece is one.
            let names: String = tag.split('"').step_by(2).collect();
            assert!(!names.contains(" on"), "{path}: {tag}");
        }
    }
}

#[tokio::test]
async fn what_comes_from_outside_is_text() {
    let site = site(&world(Kind::Rich));
    let mut shown = 0;
    for path in PAGES {
        let text = get(&site, path).await.text;
        for bad in ["<script>", "<img", "<b>juwels", "\"><script", "<co>"] {
            assert!(!text.contains(bad), "{path}: {bad}");
        }
        shown += text.matches("&#60;script&#62;").count();
    }
    assert!(shown > 10, "the hostile job is shown: {shown}");
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let site = site(&world(Kind::Rich));
    let mut open: Vec<String> = PAGES
        .iter()
        .take(16)
        .map(|path| (*path).to_owned())
        .collect();
    let mut known: BTreeSet<String> = open.iter().cloned().collect();
    while let Some(path) = open.pop() {
        let answer = get(&site, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let links = ["href", "src", "data-charts"];
        for link in links.iter().flat_map(|name| values(&answer.text, name)) {
            let link = link.replace("&#38;", "&");
            if link.starts_with('/') && known.insert(link.clone()) {
                open.push(link);
            }
        }
    }
    assert!(known.len() > 60, "{}", known.len());
}

#[tokio::test]
async fn what_is_not_there_is_said_to_be_so() {
    let site = site(&world(Kind::Rich));
    let paths = [
        "/nowhere",
        "/jobs/999",
        "/jobs/x",
        "/jobs/-1",
        "/assets/0/page.css",
        "/jobs/999/logs",
    ];
    for path in paths {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert!(answer.text.contains("there is no"), "{path}");
    }
}

#[tokio::test]
async fn assets_are_kept_for_ever_by_their_digest() {
    let site = site(&world(Kind::Rich));
    let text = get(&site, "/jobs/47").await.text;
    let assets: Vec<_> = values(&text, "src")
        .into_iter()
        .chain(values(&text, "href"))
        .collect();
    let assets: Vec<_> = assets
        .into_iter()
        .filter(|link| link.starts_with("/assets/"))
        .collect();
    assert!(assets.len() >= 6, "{assets:?}");
    for path in assets {
        let answer = get(&site, path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        let cache = answer.headers["cache-control"].to_str().expect("text");
        assert!(cache.contains("immutable"), "{path}");
    }
}

#[tokio::test]
async fn eleven_thousand_jobs_are_as_quick_as_fifty() {
    let site = site(&world(Kind::Many));
    let mut quickest = Duration::MAX;
    for _ in 0..5 {
        let begun = Instant::now();
        let answer = get(&site, "/").await;
        quickest = quickest.min(begun.elapsed());
        assert_eq!(answer.text.matches("<tr id=\"job-").count(), 50);
        assert!(answer.text.contains("before=11050"), "there is a next page");
    }
    assert!(quickest < Duration::from_millis(50), "{quickest:?}");
}
