//! Where jobs wait and who pays: partition, account, QOS.

use super::{Comparison, counted, listed};

impl Comparison<'_> {
    pub(super) fn queue(&mut self) {
        self.partition();
        self.account();
        self.qos();
    }

    fn partition(&mut self) {
        let key = "ask.partition";
        let facts = self.facts;
        let all = || facts.partitions.iter().map(|it| it.name.as_str());
        let Some(asked) = &self.ask.partition else {
            return match facts.partitions.iter().find(|it| it.is_default) {
                Some(default) => self.fits(key, "", format!("{} is the default", default.name)),
                None => self.differs(
                    key,
                    "",
                    "no partition is the default",
                    format!("write one of {}", listed(all())),
                ),
            };
        };
        for name in asked.split(',') {
            match facts.partitions.iter().find(|it| it.name == name) {
                None => self.differs(
                    key,
                    name,
                    "no such partition",
                    format!("write one of {}", listed(all())),
                ),
                Some(found) if !found.is_up => self.differs(
                    key,
                    name,
                    "takes no jobs now",
                    "wait, or write another partition",
                ),
                Some(found) => {
                    let nodes = usize::try_from(found.nodes).unwrap_or(usize::MAX);
                    self.fits(key, name, format!("up, {}", counted(nodes, "node")));
                }
            }
        }
    }

    fn account(&mut self) {
        let key = "ask.account";
        let facts = self.facts;
        let Some(associations) = &facts.associations else {
            if self.ask.lacks_account() {
                let change = "write who pays, or let every job say it: scheduling.account";
                self.open(key, "an account is obligatory", change);
            }
            return;
        };
        let names = listed(associations.iter().map(|it| it.account.as_str()));
        let Some(account) = &self.ask.account else {
            return match (self.ask.needs_account, associations.is_empty()) {
                (true, false) => {
                    let change = format!("write one of {names}, or let every job say it");
                    self.open(key, "an account is obligatory", change);
                }
                (true, true) => self.differs(
                    key,
                    "",
                    "you have no account there",
                    "ask the site for a project",
                ),
                (false, _) => {}
            };
        };
        let partitions = self.partition_names();
        let is_known = |it: &schliff_slurm::association::Association| {
            partitions
                .iter()
                .any(|partition| it.allows(account, Some(partition), None))
        };
        if !associations.iter().any(is_known) {
            let change = match associations.is_empty() {
                true => "leave it out: the site knows no accounts of yours".to_owned(),
                false => format!("write one of {names}"),
            };
            return self.differs(key, account, "not an account of yours there", change);
        }
        match self.closed_to(account) {
            Some(partition) => self.differs(
                key,
                account,
                format!("may not use the partition {partition}"),
                "change ask.account or ask.partition",
            ),
            None => self.fits(key, account, "yours"),
        }
    }

    /// A partition of the profile that the account may not use.
    fn closed_to(&self, account: &str) -> Option<String> {
        let names = self.partition_names();
        let same = |own: &String| own.eq_ignore_ascii_case(account);
        let rules = self.facts.rules.iter().flatten();
        let closed = rules
            .filter(|it| names.contains(&it.partition.name.as_str()))
            .find(|it| {
                let is_missing = (it.accounts.as_ref()).is_some_and(|all| !all.iter().any(same));
                is_missing || it.denied_accounts.iter().any(same)
            });
        closed.map(|it| it.partition.name.clone())
    }

    fn qos(&mut self) {
        let key = "ask.qos";
        let facts = self.facts;
        let (Some(qos), Some(associations)) = (&self.ask.qos, &facts.associations) else {
            return;
        };
        let is_of_account = |it: &&schliff_slurm::association::Association| {
            let account = self.ask.account.as_deref();
            account.is_none_or(|account| it.account.eq_ignore_ascii_case(account))
        };
        let own: Vec<_> = associations.iter().filter(is_of_account).collect();
        // Where the site does not tell, `--test-only` does.
        if own.is_empty() || own.iter().any(|it| it.qos.is_none()) {
            return;
        }
        let allowed: Vec<_> = own.iter().filter_map(|it| it.qos.as_ref()).collect();
        let names = || {
            allowed
                .iter()
                .flat_map(|all| all.iter().map(String::as_str))
        };
        if names().any(|name| name == qos) {
            return self.fits(key, qos, "yours");
        }
        let change = format!("write one of {}, or leave it out", listed(names()));
        self.differs(key, qos, "not a QOS of yours there", change);
    }
}
