//! How the scripts read.

use schliff_backend::slurm::batch::{ByHand, by_hand};
use schliff_slurm::batch::render;

use crate::sites::sites;

#[test]
fn a_script_of_every_site_can_be_read() {
    for site in sites() {
        let name = site.profile.name.to_string();
        insta::assert_snapshot!(name, render(&site.batch()).expect("a script"));
    }
}

#[test]
fn a_script_for_a_user_can_be_read() {
    for name in ["alex", "juwels-booster"] {
        let sites = sites();
        let site = sites.iter().find(|site| site.profile.name.as_str() == name);
        let site = site.expect("a profile");
        let launch = site.launch();
        let job = ByHand {
            name: "desk",
            job_toml: "name = \"desk\"\n\n[model]\nbase = \"gguf:/models/base.gguf\"\n",
            out: "runs/desk",
            shape: launch.shape,
            min_nodes: None,
            time_limit_ms: launch.time_limit_ms,
            work_ms: None,
            wish: &launch.wish,
            trials: None,
        };
        let script = by_hand(&site.slurm, &job).expect("a script");
        insta::assert_snapshot!(format!("{name}-by-hand"), script);
    }
}

#[test]
fn a_script_of_a_search_can_be_read_for_every_site() {
    for site in sites() {
        let name = site.profile.name.to_string();
        insta::assert_snapshot!(format!("{name}-search"), site.search());
    }
}
