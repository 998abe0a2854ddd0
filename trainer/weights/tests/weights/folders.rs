//! Folders appear whole, replace their like, and never anything else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use schliff_weights::adapter::check_adapter_destination;
use schliff_weights::merged::check_model_destination;
use schliff_weights::{Adapter, WeightsError, read_adapter, write_adapter};

use crate::fixture;

fn adapter(name: &str) -> Adapter {
    read_adapter(&fixture("adapters").join(name)).unwrap()
}

fn entries(dir: &Path) -> Vec<String> {
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

#[test]
fn an_earlier_adapter_is_replaced() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("adapter");
    write_adapter(&dir, &adapter("lora")).unwrap();
    write_adapter(&dir, &adapter("rslora-patterns")).unwrap();
    assert_eq!(
        read_adapter(&dir).unwrap(),
        sorted(adapter("rslora-patterns"))
    );
    assert_eq!(entries(out.path()), ["adapter"]);
    let files = [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
    ];
    assert_eq!(entries(&dir), files);
}

/// PEFT's lists have no order; what we write is sorted.
fn sorted(mut adapter: Adapter) -> Adapter {
    if let schliff_weights::TargetModules::List(names) = &mut adapter.config.target_modules {
        names.sort();
    }
    adapter
}

#[test]
fn foreign_files_are_never_replaced() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("thesis.tex"), "years of work").unwrap();
    let error = write_adapter(out.path(), &adapter("lora")).unwrap_err();
    assert!(error.to_string().contains("thesis.tex"), "{error}");
    assert!(check_adapter_destination(out.path()).is_err());
    assert!(check_model_destination(out.path()).is_err());
    assert_eq!(entries(out.path()), ["thesis.tex"]);
    // A folder of the same name as one of our files is not ours either.
    let dir = out.path().join("adapter");
    fs::create_dir_all(dir.join("README.md")).unwrap();
    assert!(matches!(
        write_adapter(&dir, &adapter("lora")),
        Err(WeightsError::Malformed { .. })
    ));
}

#[test]
fn a_good_destination_is_left_untouched_by_the_check() {
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("a");
    check_adapter_destination(&dir).unwrap();
    check_model_destination(&dir).unwrap();
    assert!(entries(out.path()).is_empty());
    fs::create_dir(&dir).unwrap();
    check_adapter_destination(&dir).unwrap();
    assert_eq!(entries(out.path()), ["a"]);
}

#[test]
fn a_destination_that_cannot_be_is_named() {
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("file");
    fs::write(&file, "").unwrap();
    for dir in [file.clone(), file.join("below"), PathBuf::from("/")] {
        let error = write_adapter(&dir, &adapter("lora")).unwrap_err();
        let named = if dir.starts_with(&file) { &file } else { &dir };
        assert!(
            error.to_string().contains(&*named.to_string_lossy()),
            "{error}"
        );
    }
    // No sysfs can hold a folder of ours, whoever asks.
    assert!(matches!(
        check_adapter_destination(Path::new("/sys/adapter")),
        Err(WeightsError::Io { .. })
    ));
    assert_eq!(entries(out.path()), ["file"]);
}

#[test]
fn a_link_to_a_folder_stays_a_link() {
    let out = tempfile::tempdir().unwrap();
    let (real, link) = (out.path().join("real"), out.path().join("link"));
    write_adapter(&real, &adapter("lora")).unwrap();
    std::os::unix::fs::symlink(&real, &link).unwrap();
    write_adapter(&link, &adapter("dora-saved")).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert!(read_adapter(&real).unwrap().config.use_dora);
}

/// Runs itself again under a limit on file sizes, which fails a write as a full disk does.
#[test]
fn a_full_disk_leaves_the_earlier_adapter() {
    const DIR: &str = "SCHLIFF_TEST_FULL_DISK";
    if let Some(dir) = std::env::var_os(DIR) {
        let error = write_adapter(Path::new(&dir), &adapter("dora-saved")).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("cannot write") && text.contains("adapter_model.safetensors"),
            "{text}"
        );
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let dir = out.path().join("adapter");
    write_adapter(&dir, &adapter("lora")).unwrap();
    let earlier = read_adapter(&dir).unwrap();
    let itself = std::env::current_exe().unwrap();
    let name = "folders::a_full_disk_leaves_the_earlier_adapter";
    let limited = Command::new("sh")
        .args(["-c", r#"trap '' XFSZ; ulimit -f 4; exec "$0" --exact "$1""#])
        .args([itself.as_os_str(), name.as_ref()])
        .env(DIR, &dir)
        .output()
        .unwrap();
    assert!(limited.status.success(), "{limited:?}");
    assert!(
        String::from_utf8_lossy(&limited.stdout).contains("1 passed"),
        "{limited:?}"
    );
    assert_eq!(read_adapter(&dir).unwrap(), earlier);
    assert_eq!(entries(out.path()), ["adapter"]);
}
