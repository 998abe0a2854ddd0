//! The shared folder, the program, the accounting, how processes are launched; and Slurm's own word.

use schliff_spec::cluster::Architecture;

use super::{Comparison, FolderThere, Verdict, listed};

impl Comparison<'_> {
    pub(super) fn place(&mut self, architecture: Option<Architecture>) {
        for blank in self.slurm.blanks() {
            let change = "fill in what stands in <…>";
            self.differs(blank.key, blank.value, "not known", change);
        }
        self.folder();
        self.program();
        self.accounting();
        self.mpi();
        self.architecture(architecture);
    }

    fn folder(&mut self) {
        let (key, folder) = ("slurm.folder", &self.slurm.folder);
        let is_blank = self.slurm.blanks().iter().any(|blank| blank.key == key);
        match self.facts.folder.filter(|_| !is_blank) {
            None => {}
            Some(FolderThere::Writable) => self.fits(key, folder, "writable"),
            Some(FolderThere::CanBeMade) => self.fits(key, folder, "can be made"),
            Some(FolderThere::Missing) => {
                let told = "neither there nor can it be made";
                self.differs(key, folder, told, "write a folder on shared storage");
            }
            Some(FolderThere::NotWritable) => {
                let told = "you cannot write there";
                self.differs(key, folder, told, "write a folder of your own");
            }
        }
    }

    fn program(&mut self) {
        let (key, program) = ("slurm.program", &self.slurm.program);
        let is_blank = self.slurm.blanks().iter().any(|blank| blank.key == key);
        match self.facts.has_program.filter(|_| !is_blank) {
            None => {}
            Some(true) => self.fits(key, program, "there, on the login node"),
            Some(false) => {
                let change = "copy schliff and schliff-trainer there, or write where they are";
                self.differs(key, program, "no such program on the login node", change);
            }
        }
    }

    fn accounting(&mut self) {
        let key = "slurm.accounting";
        let Some(config) = &self.facts.config else {
            return;
        };
        match (self.slurm.has_accounting, config.has_accounting()) {
            (true, false) => self.differs(key, true, "no accounting database", "write false"),
            (false, true) => {
                let (told, change) = ("has an accounting database", Some("write true".into()));
                self.add(key, Verdict::Open, (false, told), change);
            }
            (own, _) => self.fits(key, own, own),
        }
    }

    fn mpi(&mut self) {
        let key = "launch.mpi";
        let (Some(own), Some(known)) = (&self.slurm.launch.mpi, &self.facts.mpi) else {
            return;
        };
        // `none` is no plug-in everywhere, and always taken.
        if own == "none" || known.contains(own) {
            return self.fits(key, own, "taken by srun");
        }
        let names = listed(known.iter().map(String::as_str));
        let change = format!("write one of {names}");
        self.differs(key, own, format!("srun takes {names}"), change);
    }

    fn architecture(&mut self, own: Option<Architecture>) {
        let key = "site.architecture";
        let Some(told) = &self.facts.architecture else {
            return;
        };
        let word = own.map(|own| match own {
            Architecture::X86 => "x86_64",
            Architecture::Arm => "aarch64",
        });
        match word {
            None => self.open(key, told, format!("write \"{told}\"")),
            Some(word) if word == told => self.fits(key, word, told),
            Some(word) => {
                let change = format!("write \"{told}\", and bring programs for it");
                self.differs(key, word, told, change);
            }
        }
    }

    pub(super) fn trial(&mut self) {
        match &self.facts.trial {
            None => {}
            Some(Ok(words)) => self.fits("ask", "a job of one node", words),
            Some(Err(why)) => {
                let change = "change the key that Slurm names";
                self.differs("ask", "a job of one node", why, change);
            }
        }
    }
}
