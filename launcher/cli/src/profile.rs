//! A cluster profile as the command line names it.
//!
//! Rules: a path is a path; a bare name is looked for in the user's own folder first, then in
//! `configs/clusters` of the working directory. Absent on purpose: profiles inside of the program;
//! whoever uses one should be able to read it.

use std::path::{Path, PathBuf};

use schliff_spec::cluster::{self, ClusterProfile};
use schliff_spec::id::ClusterName;

use crate::outcome::CliError;

/// Reads the profile of that path or name.
pub(crate) fn load(named: &str) -> Result<ClusterProfile, CliError> {
    let Some(name) = bare(named) else {
        return Ok(cluster::load(Path::new(named))?);
    };
    let folders = folders();
    let paths = folders
        .iter()
        .map(|folder| folder.join(format!("{name}.toml")));
    match paths.clone().find(|path| path.is_file()) {
        Some(path) => Ok(cluster::load(&path)?),
        None => {
            let error = format!("there is no profile of a cluster {name}");
            let paths: Vec<_> = paths.map(|path| path.display().to_string()).collect();
            let hint = format!("it was looked for at {}", paths.join(" and "));
            Err(CliError::usage(error).hint(hint))
        }
    }
}

/// The name, where it is one and no file of it is here.
fn bare(named: &str) -> Option<ClusterName> {
    let path = Path::new(named);
    let is_file = ["toml", "yaml", "yml"]
        .iter()
        .any(|own| path.extension().is_some_and(|it| it == *own));
    if is_file || path.exists() {
        return None;
    }
    named.parse().ok()
}

fn folders() -> Vec<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let own = set("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| set("HOME").map(|home| Path::new(&home).join(".config")));
    let own = own.map(|folder| folder.join("schliff/clusters"));
    own.into_iter()
        .chain([PathBuf::from("configs/clusters")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_no_names() {
        let name = |named: &str| bare(named).map(|name| name.to_string());
        assert_eq!(name("juwels-booster").as_deref(), Some("juwels-booster"));
        assert_eq!(name("site.toml"), None);
        assert_eq!(name("sites/one"), None);
        assert_eq!(name("src"), None, "a path that is there");
    }

    #[test]
    fn what_is_nowhere_is_told_with_where_it_was_looked_for() {
        let error = format!("{:?}", load("no-such-cluster-anywhere").unwrap_err());
        assert!(
            error.contains("configs/clusters/no-such-cluster-anywhere.toml"),
            "{error}"
        );
    }
}
