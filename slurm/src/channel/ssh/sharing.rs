//! Whether the user's configuration shares connections, and a place for sockets where it does not.

use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::Command;

use super::SshOptions;

/// How connections to a host are shared.
pub(super) enum Sharing {
    /// As the user's configuration says.
    Theirs,
    /// By a socket in this folder, which goes with us.
    Ours(TempDir),
}

impl Sharing {
    /// Asks `ssh -G`, which connects nowhere.
    pub(super) async fn find(options: &SshOptions) -> Result<Self, std::io::Error> {
        let mut ssh = Command::new(&options.program);
        ssh.arg("-G").args(options.place());
        let output = ssh.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        if !output.status.success() {
            let words = String::from_utf8_lossy(&output.stderr);
            return Err(std::io::Error::other(words.trim().to_owned()));
        }
        if has_control_path(&String::from_utf8_lossy(&output.stdout)) {
            return Ok(Self::Theirs);
        }
        // Only its owner may enter it. Its path is short, as that of a socket must be.
        Self::ours()
    }

    fn ours() -> Result<Self, std::io::Error> {
        let folder = tempfile::Builder::new()
            .prefix("schliff-")
            .permissions(Permissions::from_mode(0o700))
            .tempdir()?;
        Ok(Self::Ours(folder))
    }

    /// For `ssh`.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::Theirs => Vec::new(),
            Self::Ours(folder) => {
                let mut path = OsString::from("-oControlPath=");
                path.push(folder.path().join("%C"));
                vec![
                    "-oControlMaster=auto".into(),
                    "-oControlPersist=no".into(),
                    path,
                ]
            }
        }
    }
}

/// Reads what `ssh -G` prints: a name and a value a line.
fn has_control_path(printed: &str) -> bool {
    let mut fields = printed.lines().filter_map(|line| line.split_once(' '));
    fields.any(|(name, value)| name == "controlpath" && value != "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_own_sharing_is_seen() {
        assert!(has_control_path(
            "user a\ncontrolmaster auto\ncontrolpath /run/x"
        ));
        assert!(!has_control_path(
            "user a\ncontrolmaster auto\ncontrolpath none"
        ));
        assert!(!has_control_path("user a\ncontrolmaster false\n"));
    }

    #[test]
    fn our_folder_is_for_its_owner_alone() {
        let ours = Sharing::ours().expect("a folder");
        let Sharing::Ours(folder) = &ours else {
            panic!("ours");
        };
        let about = folder.path().metadata().expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, 0o700);
        assert_eq!(ours.arguments().len(), 3);
    }
}
