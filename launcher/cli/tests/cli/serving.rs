//! `schliff serve`: what is refused before anything begins.

use crate::fake::away_from_home;
use crate::stage::end_of;

/// What `serve` says, where it must refuse at once and leave nothing behind.
fn refused(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = away_from_home(&[&["serve"], args].concat());
    let state = folder.path().join("state");
    command.env("SCHLIFF_STATE", &state);
    let ended = end_of(command);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(2), ""),
        "{}",
        ended.stderr
    );
    assert!(!state.exists(), "nothing was begun");
    ended.stderr
}

#[test]
fn all_addresses_are_no_address_for_agents() {
    insta::assert_snapshot!(refused(&["--listen", "0.0.0.0:7999", "--without-tls"]), @r"
    error: agents cannot be told to reach 0.0.0.0: it stands for all addresses
    hint: tell them --url http://127.0.0.1:7999, for agents of this machine alone
    ");
}

#[test]
fn what_agents_refuse_is_refused_at_once() {
    insta::assert_snapshot!(refused(&["--listen", "192.0.2.1:7999", "--without-tls"]), @r"
    error: agents would refuse to report to this coordinator
    caused by: cannot send a token to http://192.0.2.1:7999: plain http is for coordinators of this machine alone
    hint: --tls-cert, --tls-key and --tls-ca protect the token; or listen on 0.0.0.0 and tell them --url http://127.0.0.1:7999, for agents of this machine alone
    ");
    let other = refused(&["--other", "https://standby.example:7411"]);
    assert!(other.contains("hint: --tls-ca names"), "{other}");
    let nonsense = refused(&["--url", "nonsense"]);
    assert!(nonsense.contains("cannot read `nonsense`"), "{nonsense}");
}

#[test]
fn a_site_that_wants_an_account_and_gets_none_is_warned_of() {
    let folder = tempfile::tempdir().expect("a folder");
    let profile = folder.path().join("site.toml");
    let text = "name = \"site\"\nbackend = \"slurm\"\n[slurm]\ntransport = \"command\"\n\
                folder = \"/s\"\nprogram = \"schliff\"\n[ask]\naccount_required = true\n";
    std::fs::write(&profile, text).expect("written");
    let mut command = away_from_home(&["serve", "--journal", "nonsense"]);
    command.args(["--cluster".as_ref(), profile.as_os_str()]);
    command.env("SCHLIFF_STATE", folder.path().join("state"));
    let ended = end_of(command);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    let warning = "warning: the cluster site takes no job without an account";
    assert!(ended.stderr.contains(warning), "{}", ended.stderr);
}

#[test]
fn a_certificate_without_what_agents_are_to_trust_is_refused() {
    let told = refused(&["--tls-cert", "cert.pem", "--tls-key", "key.pem"]);
    assert!(told.contains("--tls-ca"), "{told}");
}
