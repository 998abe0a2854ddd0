//! How the scripts read.

use schliff_slurm::batch::render;

use crate::sites::sites;

#[test]
fn a_script_of_every_site_can_be_read() {
    for site in sites() {
        let name = site.profile.name.to_string();
        insta::assert_snapshot!(name, render(&site.batch()).expect("a script"));
    }
}
