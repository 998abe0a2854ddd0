//! Which accounts and QOS a user has: `sacctmgr show assoc`, and `sshare` where that is closed to users.
//!
//! Rules: names of accounts are in lower case in Slurm. An association without a partition holds for
//! all. Absent on purpose: limits, and the tree above an account.

use crate::parse::ParseError;

/// Arguments of `sacctmgr` for [`associations`]; `user=NAME` and `cluster=NAME` may follow.
pub const ARGUMENTS: &[&str] = &[
    "--noheader",
    "--parsable2",
    "--readonly",
    "show",
    "associations",
    "format=Cluster,Account,User,Partition,QOS,DefaultQOS",
];

/// Arguments of `sshare` for [`shares`].
pub const SHARE_ARGUMENTS: &[&str] = &[
    "--noheader",
    "--parsable2",
    "--Users",
    "--format=Account,User",
];

/// A user's right to use an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Association {
    /// Cluster; empty where it is not told.
    pub cluster: String,
    /// Account.
    pub account: String,
    /// User.
    pub user: String,
    /// Only for this partition; empty for all.
    pub partition: String,
    /// QOS that may be asked for; `None` where it is not told.
    pub qos: Option<Vec<String>>,
    /// QOS of a job that asks for none; empty where it is not told.
    pub default_qos: String,
}

impl Association {
    /// Whether a job may ask for this account, partition and QOS under it.
    pub fn allows(&self, account: &str, partition: Option<&str>, qos: Option<&str>) -> bool {
        let is_here =
            partition.is_none_or(|name| self.partition.is_empty() || self.partition == name);
        let known = |name: &str| {
            self.qos
                .as_ref()
                .is_none_or(|all| all.iter().any(|own| own == name))
        };
        self.account.eq_ignore_ascii_case(account) && is_here && qos.is_none_or(known)
    }
}

/// Reads the users' associations of what `sacctmgr` printed; those of whole accounts are left out.
///
/// # Errors
/// Names the line that is not understood.
pub fn associations(printed: &str) -> Result<Vec<Association>, ParseError> {
    let read = |line: &str| {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let [cluster, account, user, partition, qos, default_qos] = fields[..] else {
            let why = format!("expected 6 fields, found {}", fields.len());
            return Err(ParseError::new("an association of sacctmgr", line, why));
        };
        Ok(Association {
            cluster: cluster.to_owned(),
            account: account.to_owned(),
            user: user.to_owned(),
            partition: partition.to_owned(),
            qos: Some(names(qos)),
            default_qos: default_qos.to_owned(),
        })
    };
    users(printed, read)
}

/// Reads the same, as far as it is told, of what `sshare` printed.
///
/// # Errors
/// Names the line that is not understood.
pub fn shares(printed: &str) -> Result<Vec<Association>, ParseError> {
    let read = |line: &str| {
        let Some((account, user)) = line.split_once('|') else {
            return Err(ParseError::new(
                "a share of sshare",
                line,
                "expected 2 fields, found 1",
            ));
        };
        Ok(Association {
            account: account.trim().to_owned(),
            user: user.trim().to_owned(),
            ..Association::default()
        })
    };
    users(printed, read)
}

fn users(
    printed: &str,
    read: impl Fn(&str) -> Result<Association, ParseError>,
) -> Result<Vec<Association>, ParseError> {
    let lines = printed.lines().filter(|line| !line.trim().is_empty());
    let found: Vec<_> = lines.map(read).collect::<Result<_, _>>()?;
    Ok(found
        .into_iter()
        .filter(|one| !one.user.is_empty())
        .collect())
}

fn names(list: &str) -> Vec<String> {
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_may_ask_for() {
        let found = associations(
            "dev|root|||normal|\ndev|dev|ada||capped,normal|normal\ndev|ml|ada|gpu|normal|\n",
        );
        let found = found.expect("associations");
        assert_eq!(found.len(), 2);
        assert!(found[0].allows("dev", Some("batch"), Some("capped")));
        assert!(found[0].allows("DEV", None, None));
        assert!(!found[0].allows("dev", None, Some("fast")));
        assert!(!found[0].allows("other", None, None));
        assert!(
            found[1].allows("ml", Some("gpu"), None) && !found[1].allows("ml", Some("batch"), None)
        );
        assert!(associations("dev|dev\n").is_err());
    }

    #[test]
    fn what_sshare_tells() {
        let found = shares("root|root\n dev|ada\ndev|\n").expect("shares");
        assert_eq!(found.len(), 2);
        assert!(found[1].allows("dev", Some("any"), Some("any")));
        assert!(shares("what\n").is_err());
    }
}
