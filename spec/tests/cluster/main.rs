//! Reading cluster profiles, from the outside.

mod slurm;

use insta::{assert_debug_snapshot, assert_snapshot};
use schliff_spec::cluster::{ClusterProfile, load, load_text};

#[test]
fn all_keys() {
    let text = "name = 'site'\nbackend = 'local'\n[local]\ncpu_slots = 4\ngpu_slots = 0\n\
        [limits]\nmax_time = '1d'\n[cost]\neur_per_gpu_hour = 1.5\n\
        eur_per_core_hour = 0\nwatt_per_gpu = 350\ngco2_per_kwh = 38e1\n\
        [site]\ncountry = 'DE'\ninternet = true\narchitecture = 'x86_64'\n";
    let profile = load_text(text, "site.toml").unwrap();
    assert_debug_snapshot!(profile);
    let json = serde_json::to_string(&profile).unwrap();
    let travelled: ClusterProfile = serde_json::from_str(&json).unwrap();
    assert_eq!(travelled, profile);
    let yaml = "name: site\nbackend: local\nlocal: {cpu_slots: 4, gpu_slots: 0}\n\
        limits: {max_time: 1d}\ncost: {eur_per_gpu_hour: 1.5, \
        eur_per_core_hour: 0, watt_per_gpu: 350, gco2_per_kwh: 380}\n\
        site: {country: DE, internet: true, architecture: x86_64}\n";
    assert_eq!(load_text(yaml, "site.yaml"), Ok(profile));
}

#[test]
fn the_least() {
    let profile = load_text("name = 'here'\nbackend = 'local'\n", "here.toml").unwrap();
    assert_debug_snapshot!(profile);
}

#[test]
fn all_problems_at_once() {
    let broken = "nane = 'a b'\nname = 'a b'\nbackend = 'slrum'\nlocal = { cpu_slot = 3, cpu_slots = 0, gpu_slots = 1.0 }\n\
        [limits]\nmax_time = '24'\n[cost]\neur_per_gpu_hour = -1\n[training]\nlr = 1\n";
    let told = [
        load_text(broken, "site.toml").unwrap_err().to_string(),
        load_text("", "site.toml").unwrap_err().to_string(),
        load_text("[local]\n", "site.toml").unwrap_err().to_string(),
        load_text("- a\n", "site.yaml").unwrap_err().to_string(),
        load_text("", "site.conf").unwrap_err().to_string(),
        load("nowhere.toml".as_ref()).unwrap_err().to_string(),
    ];
    assert_snapshot!(told.join("\n\n"));
}
