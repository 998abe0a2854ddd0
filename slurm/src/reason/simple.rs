//! Reasons of one word, with their sentences.
//!
//! Source: "Job Reason Codes" of SchedMD, and the words in libslurm 22.05.

use super::Ends;

/// A reason of one word. The names are Slurm's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the table below says what each means, for people and readers alike"
)]
pub enum Simple {
    Priority,
    Resources,
    BeginTime,
    Dependency,
    DependencyNeverSatisfied,
    JobHeldUser,
    JobHeldAdmin,
    JobHoldMaxRequeue,
    LaunchFailedHeld,
    RequeuedHeld,
    SpecialExit,
    JobArrayTaskLimit,
    Licenses,
    Reservation,
    ReservationDeleted,
    ReservationRequired,
    AccountNotAllowed,
    InvalidAccount,
    InvalidQos,
    QosNotAllowed,
    PartitionDown,
    PartitionInactive,
    PartitionNodeLimit,
    PartitionTimeLimit,
    PartitionConfig,
    BadConstraints,
    NodeDown,
    Cleaning,
    Prolog,
    Power,
    BurstBuffer,
    Federation,
    MaxMemPerLimit,
    SystemFailure,
    AccountingPolicy,
    RequeuedForExit,
    Deadline,
}

/// A word's meaning: Slurm's words, who must act, the sentence, and what can be done.
struct Row(
    Simple,
    &'static [&'static str],
    Ends,
    &'static str,
    Option<&'static str>,
);

const LESS: Option<&str> = Some("ask for less, or for another partition");
const ASK_SITE: Option<&str> = Some("ask the site");

const ROWS: &[Row] = &[
    Row(
        Simple::Priority,
        &["Priority"],
        Ends::ByItself,
        "waits because jobs with a higher priority are before it",
        Some("a shorter time limit lets Slurm fit it in earlier"),
    ),
    Row(
        Simple::Resources,
        &["Resources"],
        Ends::ByItself,
        "is next and waits for nodes to become free",
        Some("a shorter time limit lets Slurm fit it in earlier"),
    ),
    Row(
        Simple::BeginTime,
        &["BeginTime"],
        Ends::ByItself,
        "waits for the time before which it must not start; after a requeue that is two minutes",
        None,
    ),
    Row(
        Simple::Dependency,
        &["Dependency"],
        Ends::ByItself,
        "waits for a job that it depends on",
        None,
    ),
    Row(
        Simple::DependencyNeverSatisfied,
        &["DependencyNeverSatisfied"],
        Ends::ByUser,
        "waits for a job whose end can no longer be as it wants it",
        Some("cancel it"),
    ),
    Row(
        Simple::JobHeldUser,
        &["JobHeldUser"],
        Ends::ByUser,
        "is held by its owner",
        Some("scontrol release JOB"),
    ),
    Row(
        Simple::JobHeldAdmin,
        &["JobHeldAdmin"],
        Ends::BySite,
        "is held by an administrator",
        Some("ask the site why"),
    ),
    Row(
        Simple::JobHoldMaxRequeue,
        &["JobHoldMaxRequeue"],
        Ends::ByUser,
        "is held because it was requeued too often",
        Some("look into its log, then scontrol release JOB"),
    ),
    Row(
        Simple::LaunchFailedHeld,
        &[
            "launch failed requeued held",
            "user env retrieval failed requeued held",
            "JobLaunchFailure",
        ],
        Ends::ByUser,
        "is held because it could not be launched on its nodes",
        Some("look into its log; scontrol release JOB, or ask the site about the nodes"),
    ),
    Row(
        Simple::RequeuedHeld,
        &["job requeued in held state", "RequeueExitHold"],
        Ends::ByUser,
        "was put into the queue again and is held there",
        Some("scontrol release JOB"),
    ),
    Row(
        Simple::SpecialExit,
        &["job requeued in special exit state", "JobSpecialExit"],
        Ends::ByUser,
        "was put into the queue again for a special exit code and is held there",
        Some("scontrol release JOB"),
    ),
    Row(
        Simple::JobArrayTaskLimit,
        &["JobArrayTaskLimit"],
        Ends::ByItself,
        "waits because as many tasks of its array run as may",
        None,
    ),
    Row(
        Simple::Licenses,
        &["Licenses"],
        Ends::ByItself,
        "waits for a licence",
        None,
    ),
    Row(
        Simple::Reservation,
        &["Reservation"],
        Ends::ByItself,
        "waits for its reservation to begin",
        None,
    ),
    Row(
        Simple::ReservationDeleted,
        &["ReservationDeleted"],
        Ends::ByUser,
        "asks for a reservation that was deleted",
        Some("submit it without the reservation"),
    ),
    Row(
        Simple::ReservationRequired,
        &["ReqResv", "RequiresReservation"],
        Ends::ByUser,
        "asks for a partition that wants a reservation",
        Some("name a reservation, or another partition"),
    ),
    Row(
        Simple::AccountNotAllowed,
        &["AccountNotAllowed"],
        Ends::ByUser,
        "asks for a partition that its account may not use",
        Some("name another account or partition"),
    ),
    Row(
        Simple::InvalidAccount,
        &["InvalidAccount"],
        Ends::ByUser,
        "asks for an account that does not exist, or not for this user",
        Some("name another account; sacctmgr show assoc user=$USER lists yours"),
    ),
    Row(
        Simple::InvalidQos,
        &["InvalidQOS"],
        Ends::ByUser,
        "asks for a QOS that does not exist, or not for this user",
        Some("name another QOS; sacctmgr show assoc user=$USER lists yours"),
    ),
    Row(
        Simple::QosNotAllowed,
        &["QOSNotAllowed"],
        Ends::ByUser,
        "asks for a QOS that may not be used here",
        Some("name another QOS or partition"),
    ),
    Row(
        Simple::PartitionDown,
        &["PartitionDown"],
        Ends::BySite,
        "waits because its partition starts no jobs at present",
        ASK_SITE,
    ),
    Row(
        Simple::PartitionInactive,
        &["PartitionInactive"],
        Ends::BySite,
        "waits because its partition is out of use",
        Some("name another partition, or ask the site"),
    ),
    Row(
        Simple::PartitionNodeLimit,
        &[
            "PartitionNodeLimit",
            "PartitionMaxNodes",
            "PartitionMinNodes",
        ],
        Ends::ByUser,
        "asks for more or fewer nodes than its partition gives a job",
        Some("ask for another number of nodes, or another partition"),
    ),
    Row(
        Simple::PartitionTimeLimit,
        &["PartitionTimeLimit"],
        Ends::ByUser,
        "asks for more time than its partition gives a job",
        LESS,
    ),
    Row(
        Simple::PartitionConfig,
        &["PartitionConfig"],
        Ends::ByUser,
        "asks for what its partition does not give",
        LESS,
    ),
    Row(
        Simple::BadConstraints,
        &["BadConstraints", "Constraints"],
        Ends::ByUser,
        "asks for nodes of a kind that there is not",
        Some("check the constraint, the GPU type and the memory against sinfo"),
    ),
    Row(
        Simple::NodeDown,
        &["NodeDown", "FrontEndDown"],
        Ends::BySite,
        "waits because a node that it needs is down",
        ASK_SITE,
    ),
    Row(
        Simple::Cleaning,
        &["Cleaning"],
        Ends::ByItself,
        "waits until its earlier run has been cleared away",
        None,
    ),
    Row(
        Simple::Prolog,
        &["Prolog"],
        Ends::ByItself,
        "waits until the site has prepared its nodes",
        None,
    ),
    Row(
        Simple::Power,
        &["PowerNotAvail", "PowerReserved"],
        Ends::ByItself,
        "waits for electrical power",
        None,
    ),
    Row(
        Simple::BurstBuffer,
        &[
            "BurstBufferOperation",
            "BurstBufferResources",
            "BurstBufferStageIn",
        ],
        Ends::ByItself,
        "waits for the burst buffer",
        None,
    ),
    Row(
        Simple::Federation,
        &["FedJobLock"],
        Ends::ByItself,
        "waits until the clusters of its federation agree",
        None,
    ),
    Row(
        Simple::MaxMemPerLimit,
        &["MaxMemPerLimit"],
        Ends::ByUser,
        "asks for more memory than the site gives a job",
        Some("ask for less memory"),
    ),
    Row(
        Simple::SystemFailure,
        &["SystemFailure"],
        Ends::BySite,
        "waits because something of Slurm failed",
        ASK_SITE,
    ),
    Row(
        Simple::AccountingPolicy,
        &["AccountingPolicy"],
        Ends::ByItself,
        "waits because a limit of its account or QOS is reached",
        Some("wait for other jobs to end, or name another account or QOS"),
    ),
    Row(
        Simple::RequeuedForExit,
        &["RequeueExit"],
        Ends::ByItself,
        "was put into the queue again for its exit code",
        None,
    ),
    Row(
        Simple::Deadline,
        &["DeadLine"],
        Ends::ByUser,
        "can no longer end before its deadline",
        Some("submit it again with a later one"),
    ),
];

impl Simple {
    /// Reads the whole text, or its first word.
    pub(super) fn read(words: &str, first: &str) -> Option<Self> {
        let is = |word: &&str| word.eq_ignore_ascii_case(words) || word.eq_ignore_ascii_case(first);
        let row = ROWS.iter().find(|row| row.1.iter().any(is))?;
        Some(row.0)
    }

    /// See [`super::Reason::sentence`].
    pub fn sentence(self) -> &'static str {
        self.row().map_or("waits", |row| row.3)
    }

    /// See [`super::Reason::remedy`].
    pub fn remedy(self) -> Option<&'static str> {
        self.row().and_then(|row| row.4)
    }

    /// See [`super::Reason::ends`].
    pub fn ends(self) -> Ends {
        self.row().map_or(Ends::ByItself, |row| row.2)
    }

    fn row(self) -> Option<&'static Row> {
        ROWS.iter().find(|row| row.0 == self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reason;
    use super::*;

    #[test]
    fn each_word_has_its_row_and_each_row_a_sentence() {
        for row in ROWS {
            assert!(!row.3.is_empty() && !row.3.ends_with('.'), "{:?}", row.0);
            for word in row.1 {
                assert_eq!(Reason::read(word), Reason::Simple(row.0), "{word}");
                assert_eq!(
                    Reason::read(&word.replace(' ', "_")),
                    Reason::Simple(row.0),
                    "{word}"
                );
            }
            assert!(
                row.2 == Ends::ByItself || row.4.is_some(),
                "{:?} says what to do",
                row.0
            );
            assert_eq!((row.0.sentence(), row.0.ends()), (row.3, row.2));
        }
        assert_eq!(ROWS.len(), Simple::Deadline as usize + 1, "each has a row");
    }
}
