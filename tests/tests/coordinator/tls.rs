//! A coordinator with a certificate: the command line and the agents trust it, and nobody reads along.

use rcgen::{CertificateParams, KeyPair};
use schliff_tests::ranks::{adapter, tiny_desk, train};
use schliff_tests::serving::Serving;

#[test]
fn a_job_runs_to_its_end_where_agents_report_over_tls() {
    let desk = tiny_desk(20);
    let plain = train(&desk, "1");
    let key = KeyPair::generate().expect("a key");
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let certificate = desk.file("cert.pem", &certificate).display().to_string();
    let key = desk
        .file("key.pem", &key.serialize_pem())
        .display()
        .to_string();
    let args = [
        "--tls-cert",
        &certificate,
        "--tls-key",
        &key,
        "--tls-ca",
        &certificate,
    ];
    let serving = Serving::start_as(desk, &args, &[]);
    assert!(serving.url.starts_with("https://"), "{}", serving.url);

    let refused = serving.schliff(&["list"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("needs a certificate"),
        "{}",
        refused.stderr
    );

    let mut submit = serving.command(&[
        "submit",
        "job.toml",
        "--out",
        "out",
        "--ca-file",
        &certificate,
        "--wait",
        "-f",
    ]);
    submit.env_remove("SCHLIFF_CA_FILE");
    let ended = schliff_tests::desk::end_of(submit);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(adapter(&serving.desk, "out"), plain);
    let job = serving.schliff(&["status", "--json", "1", "--ca-file", &certificate]);
    let job = job.json();
    assert_eq!(job["progress"]["step"], 20, "agents were heard: {job:#}");
}
