//! Holds the generated code to the definitions. `SCHLIFF_UPDATE_WIRE=1` writes it anew.

use std::fs;
use std::path::Path;

#[test]
fn generated_code_is_fresh() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let proto = here.join("proto");
    let files = protox::compile(["schliff/v1/schliff.proto"], [proto]).expect("valid definitions");
    let out = tempfile::tempdir().expect("a folder");
    tonic_prost_build::configure()
        .out_dir(out.path())
        .type_attribute(".", "#[derive(serde::Serialize)]")
        .compile_fds(files)
        .expect("code");
    let name = "schliff.v1.rs";
    let fresh = fs::read_to_string(out.path().join(name)).expect("text");
    let kept = here.join("src/generated").join(name);
    if std::env::var_os("SCHLIFF_UPDATE_WIRE").is_some() {
        fs::write(&kept, &fresh).expect("written");
    }
    let text = fs::read_to_string(&kept).expect("text");
    assert!(
        text == fresh,
        "run: SCHLIFF_UPDATE_WIRE=1 cargo test --release -p schliff-wire --test fresh"
    );
}
