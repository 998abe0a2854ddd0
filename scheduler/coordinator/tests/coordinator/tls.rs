//! The same port with a certificate.

use rcgen::{CertificateParams, KeyPair};
use schliff_coordinator::{Coordinator, Options, Role, Tls};
use schliff_wire::v1::ListRequest;
use schliff_wire::v1::jobs_client::JobsClient;
use tonic::transport::{Certificate, Channel, ClientTlsConfig};

use crate::stage::{Bearer, Stage, close, key, submit, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_shown_and_agents_are_told_whom_to_trust() {
    let stage = Stage::new();
    let own = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let pem = params.self_signed(&own).expect("a certificate").pem();
    let tls = Tls {
        certificate_pem: pem.clone().into_bytes(),
        key_pem: own.serialize_pem().into_bytes(),
        ca_pem: Some(pem.clone().into_bytes()),
    };
    let options = Options {
        tls: Some(tls),
        ..stage.options().await
    };
    let handle = Coordinator::start(options).await.expect("a coordinator");
    until("it leads", async || handle.is_leading().then_some(())).await;
    let url = format!("https://localhost:{}", handle.address().port());
    let trust = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&pem));
    let endpoint = Channel::from_shared(url).expect("a URL").tls_config(trust);
    let channel = endpoint.expect("trust").connect_lazy();
    let access = stage.access();
    let token = Bearer(access.token(Role::User).into());
    let mut jobs = JobsClient::with_interceptor(channel, token);
    let job = submit(&mut jobs, "r").await;
    let launch = until("it is launched", async || stage.cluster.launch(key(job, 1))).await;
    assert!(
        launch
            .args
            .iter()
            .any(|arg| arg.starts_with("https://127.0.0.1:"))
    );
    assert!(
        launch
            .files
            .iter()
            .any(|file| file.name == "ca.pem" && file.content == pem.as_bytes())
    );

    let mut plain = stage.jobs(&handle).await;
    plain
        .list(ListRequest::default())
        .await
        .expect_err("it speaks TLS only");
    jobs.list(ListRequest::default()).await.expect("served");
    drop(jobs);
    close(handle).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unusable_certificate_is_told_before_anything_begins() {
    let stage = Stage::new();
    let options = Options {
        tls: Some(Tls {
            certificate_pem: b"none".to_vec(),
            key_pem: b"none".to_vec(),
            ca_pem: None,
        }),
        ..stage.options().await
    };
    let refused = Coordinator::start(options).await.err();
    assert!(refused.is_some_and(|error| error.to_string().contains("certificate")));
}
