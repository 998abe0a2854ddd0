//! The way to Slurm breaks while a job runs: the job does not mind, and the cluster says what is wrong.

use std::fs;

use schliff_tests::running::wait_until;

use crate::scene::Scene;
use crate::site::{Site, Way, dev, order};

/// Waits until the list of clusters says this.
#[track_caller]
fn clusters_say(site: &Site, words: &str) {
    let told = || site.serving.schliff(&["clusters", "--json"]).stdout;
    wait_until(
        || format!("`{words}` in {}", told()),
        || told().contains(words),
    );
}

#[test]
fn an_expired_token_is_told_and_a_new_one_is_taken() {
    let Some(dev) = dev() else { return };
    let valid = fs::read(std::env::var("SCHLIFF_SLURM_JWT_FILE").expect("its name")).expect("one");
    let scene = Scene::begin_as(dev, &[], |desk| {
        let own = desk.path("jwt");
        fs::write(&own, &valid).expect("a file");
        let shared = std::env::var("SCHLIFF_SLURM_JWT_FILE").expect("its name");
        let profile = dev.profile(desk, Way::Rest, "");
        profile.replace(&shared, &own.display().to_string())
    });
    let own = scene.site.serving.desk.path("jwt");
    fs::write(&own, order(&["token", "1"])).expect("a file");
    clusters_say(&scene.site, "token");
    fs::write(&own, &valid).expect("a file");
    scene.ends_right(1);
}

#[test]
fn a_connection_that_drops_is_made_again() {
    let Some(dev) = dev() else { return };
    // Others that are on the login node would be thrown out, too.
    let dev = dev.alone();
    let scene = Scene::begin_as(dev, &[], |desk| dev.profile(desk, Way::Ssh, ""));
    order(&["ssh-cut"]);
    scene.ends_right(1);
}

#[test]
fn a_controller_that_is_restarted_finds_the_job_again() {
    let Some(dev) = dev() else { return };
    let scene = Scene::begin(dev.alone(), "", &[]);
    struct Mend;
    impl Drop for Mend {
        fn drop(&mut self) {
            order(&["ctld-start"]);
        }
    }
    let mend = Mend;
    order(&["ctld-stop"]);
    clusters_say(&scene.site, "slurm");
    drop(mend);
    scene.ends_right(1);
}
