//! Limits of accounts, users and QOS: `AssocGrpGRES`, `QOSMaxJobsPerUserLimit`, `MaxCpuPerAccount`.
//!
//! Rules: the word is taken apart, because Slurm makes some two hundred of the same parts. A limit
//! for all jobs together passes when others end, also one of what running jobs may still take
//! (`RunMinutes`); one for each job, or one that is used up, does not.

use super::Ends;

/// Whose limit it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The account, or the user under it.
    Association,
    /// The QOS.
    Qos,
}

/// A limit that a job would break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Whose it is.
    pub owner: Owner,
    /// It holds for each job or node alone: waiting does not help.
    pub is_of_each_job: bool,
    /// It is a least, not a most.
    pub is_least: bool,
    /// It is a budget that is used up, rather than something in use.
    pub is_budget: bool,
    /// What it counts, for people, such as `GPUs and other devices`.
    pub of: &'static str,
    /// Slurm's word.
    pub word: String,
}

/// How Slurm's words begin: the owner, whether it is a least.
const BEGINNINGS: &[(&str, Owner, bool)] = &[
    ("AssocGrp", Owner::Association, false),
    ("AssocMax", Owner::Association, false),
    ("Association", Owner::Association, false),
    ("QOSGrp", Owner::Qos, false),
    ("QOSMax", Owner::Qos, false),
    ("QOSMin", Owner::Qos, true),
    ("QOS", Owner::Qos, false),
    ("Max", Owner::Qos, false),
];

/// What is counted. The order matters: `SubmitJobs` before `Jobs`.
const COUNTED: &[(&str, &str)] = &[
    ("Submit", "jobs in the queue"),
    ("Wall", "wall time"),
    ("TimeLimit", "wall time"),
    ("Billing", "billing units"),
    ("GRES", "GPUs and other devices"),
    ("Energy", "energy"),
    ("License", "licences"),
    ("Cpu", "processors"),
    ("CPU", "processors"),
    ("Mem", "memory"),
    ("Node", "nodes"),
    ("BB", "burst buffer"),
    ("UsageThreshold", "use of the machine"),
    ("Jobs", "running jobs"),
    ("JobLimit", "running jobs"),
    ("Resource", "resources"),
    ("Unknown", "resources"),
];

impl Limit {
    pub(super) fn read(word: &str) -> Option<Self> {
        let beginning = BEGINNINGS.iter().find(|row| word.starts_with(row.0))?;
        let rest = &word[beginning.0.len()..];
        let is_account = beginning.0 != "Max" || rest.ends_with("PerAccount");
        // `QOSMaxBBPerNode` counts burst buffer, not nodes.
        let counting = rest.split("Per").next().unwrap_or(rest);
        let counted = COUNTED
            .iter()
            .find(|row| counting.contains(row.0))
            .filter(|_| is_account)?;
        let is_group = beginning.0.ends_with("Grp");
        let is_of_each_job = beginning.2 || rest.contains("PerJob") || rest.contains("PerNode");
        Some(Self {
            owner: beginning.1,
            is_of_each_job,
            is_least: beginning.2,
            is_budget: (rest.contains("Minutes") && !rest.contains("RunMinutes"))
                || counted.0 == "UsageThreshold"
                || (is_group && counted.0 == "Wall"),
            of: counted.1,
            word: word.to_owned(),
        })
    }

    pub(super) fn sentence(&self) -> String {
        let of = self.of;
        let owner = match self.owner {
            Owner::Association => "its account or user",
            Owner::Qos => "its QOS",
        };
        if self.is_least {
            return format!("asks for less than {owner} wants of a job: {of}");
        }
        match (self.is_of_each_job, self.is_budget) {
            (true, _) => format!("asks for more {of} than {owner} gives a job"),
            (false, true) => format!("waits because the budget of {owner} for {of} is used up"),
            (false, false) => format!("waits because {owner} has as much in use as it may: {of}"),
        }
    }

    pub(super) fn remedy(&self) -> &'static str {
        match (self.is_least, self.is_of_each_job, self.is_budget) {
            (true, ..) => "ask for more, or name another QOS",
            (_, true, _) => "ask for less, or name another QOS or account",
            (_, _, true) => "name another account or QOS, or ask the site for more",
            _ => "wait for other jobs to end, or name another account or QOS",
        }
    }

    pub(super) fn ends(&self) -> Ends {
        let waits = !self.is_of_each_job && !self.is_budget;
        if waits { Ends::ByItself } else { Ends::ByUser }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    #[test]
    fn limits_in_words() {
        for (word, sentence, ends) in [
            (
                "AssocGrpGRES",
                "waits because its account or user has as much in use as it may: GPUs and other devices",
                Ends::ByItself,
            ),
            (
                "AssocGrpCPUMinutesLimit",
                "waits because the budget of its account or user for processors is used up",
                Ends::ByUser,
            ),
            (
                "AssocGrpBillingMinutes",
                "waits because the budget of its account or user for billing units is used up",
                Ends::ByUser,
            ),
            (
                "AssocMaxJobsLimit",
                "waits because its account or user has as much in use as it may: running jobs",
                Ends::ByItself,
            ),
            (
                "QOSMaxJobsPerUserLimit",
                "waits because its QOS has as much in use as it may: running jobs",
                Ends::ByItself,
            ),
            (
                "QOSMaxWallDurationPerJobLimit",
                "asks for more wall time than its QOS gives a job",
                Ends::ByUser,
            ),
            (
                "QOSMaxGRESPerUser",
                "waits because its QOS has as much in use as it may: GPUs and other devices",
                Ends::ByItself,
            ),
            (
                "QOSMaxSubmitJobPerUserLimit",
                "waits because its QOS has as much in use as it may: jobs in the queue",
                Ends::ByItself,
            ),
            (
                "QOSMinGRES",
                "asks for less than its QOS wants of a job: GPUs and other devices",
                Ends::ByUser,
            ),
            (
                "MaxNodePerAccount",
                "waits because its QOS has as much in use as it may: nodes",
                Ends::ByItself,
            ),
            (
                "QOSUsageThreshold",
                "waits because the budget of its QOS for use of the machine is used up",
                Ends::ByUser,
            ),
        ] {
            let reason = Reason::read(word);
            assert!(
                matches!(&reason, Reason::Limit(limit) if limit.word == word),
                "{word}"
            );
            assert_eq!(
                (reason.sentence().as_str(), reason.ends()),
                (sentence, ends),
                "{word}"
            );
            assert!(reason.remedy().is_some());
        }
        assert_eq!(Limit::read("MaxMoonPhase"), None);
    }
}
