//! The pages of errors that a user can act on, embedded: many machines of a cluster have no internet.
//!
//! Rules: a code is stable, and its page is the file of that name in `docs/errors`; an error has a
//! code only where its page has more to say than its hint.

macro_rules! pages {
    ($($(#[$doc:meta])* $page:ident = $code:literal,)*) => {
        /// An error with a page of its own.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum ErrorPage {
            $($(#[$doc])* $page,)*
        }

        impl ErrorPage {
            /// All pages, in alphabetical order of their codes.
            pub(crate) const ALL: &[Self] = &[$(Self::$page,)*];

            /// What the user types, such as `E-TOKEN`.
            pub(crate) const fn code(self) -> &'static str {
                match self {
                    $(Self::$page => $code,)*
                }
            }

            /// The page, in Markdown.
            pub(crate) const fn text(self) -> &'static str {
                match self {
                    $(Self::$page => include_str!(concat!("../../../docs/errors/", $code, ".md")),)*
                }
            }
        }
    };
}

pages! {
    /// The coordinator has more to do than it can.
    Busy = "E-BUSY",
    /// The job file has problems.
    JobFile = "E-JOB-FILE",
    /// The job is not in a state for this.
    JobState = "E-JOB-STATE",
    /// No cluster of that name.
    NoCluster = "E-NO-CLUSTER",
    /// No job of that number.
    NoSuchJob = "E-NO-SUCH-JOB",
    /// Too many jobs wait.
    QueueFull = "E-QUEUE-FULL",
    /// The token may not do this.
    Role = "E-ROLE",
    /// A search where one training is needed.
    Sweep = "E-SWEEP",
    /// The token is absent, wrong or badly kept.
    Token = "E-TOKEN",
    /// No cluster could ever run the job.
    TooLarge = "E-TOO-LARGE",
    /// No coordinator answers.
    Unreachable = "E-UNREACHABLE",
    /// The two sides are of different versions.
    Version = "E-VERSION",
}

impl ErrorPage {
    /// The page of a code, in any case, with or without `E-`.
    pub(crate) fn of(topic: &str) -> Option<Self> {
        let wanted = topic.to_ascii_uppercase();
        let wanted = wanted.strip_prefix("E-").unwrap_or(&wanted);
        let is_it = |page: &&Self| page.code().strip_prefix("E-") == Some(wanted);
        Self::ALL.iter().find(is_it).copied()
    }

    /// What it is about, out of its page's title.
    pub(crate) fn title(self) -> &'static str {
        let first = self.text().lines().next().unwrap_or("");
        first.split_once(": ").map_or(first, |(_, title)| title)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_is_embedded_and_titled() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .into_string()
                    .expect("UTF-8")
            })
            .collect();
        files.sort();
        let embedded: Vec<_> = ErrorPage::ALL
            .iter()
            .map(|page| format!("{}.md", page.code()))
            .collect();
        assert_eq!(files, embedded);
        for page in ErrorPage::ALL {
            let title = format!("# {}: {}\n", page.code(), page.title());
            assert!(page.text().starts_with(&title), "{}", page.code());
            assert!(page.text().contains("\n## What to do\n"), "{}", page.code());
            assert!(page.text().lines().all(|line| line.chars().count() <= 100));
        }
    }

    #[test]
    fn a_code_is_found_however_it_is_typed() {
        for topic in ["E-TOKEN", "e-token", "token", "TOKEN"] {
            assert_eq!(ErrorPage::of(topic), Some(ErrorPage::Token), "{topic}");
        }
        for topic in ["E-", "", "E-E-TOKEN", "run"] {
            assert_eq!(ErrorPage::of(topic), None, "{topic}");
        }
    }
}
