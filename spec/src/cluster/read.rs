//! Makes a [`ClusterProfile`] of checked settings.
//!
//! Rules: each function reads one section and reports the keys that cannot be together; `None`
//! means that a reason is in the report already. Paths on this machine are taken from the
//! profile's folder; whether they exist is seen when they are used.

use std::path::{Path, PathBuf};

use super::{
    Backend, Chain, ClusterProfile, Container, Cost, Launching, Limits, Local, Reports, Site,
    Slurm, SlurmAsk, Transport,
};
use crate::problem::Fault;
use crate::reader::Reader;
use crate::report::Report;
use crate::schema::CLUSTER;
use crate::settings::Settings;

/// Sections and keys that only a Slurm cluster has.
const OF_SLURM: &[&str] = &["slurm", "ask", "launch", "container"];
const LIMITS_OF_SLURM: &[&str] = &[
    "limits.max_queued",
    "limits.max_nodes",
    "limits.gpus_per_node",
    "limits.cpus_per_node",
];

/// Between two looks where nothing is said.
const OBSERVE_EVERY_S: u64 = 10;
/// The same over ssh: login nodes are shared by many.
const OBSERVE_EVERY_SSH_S: u64 = 30;

/// Slurm's longest time between a signal and the end.
const LONGEST_SIGNAL_S: u64 = 65535;

/// Reads everything.
pub(super) fn profile(
    path: &Path,
    settings: &Settings,
    report: &mut Report,
) -> Option<ClusterProfile> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut reader = Reader { settings, report };
    let limits = reader.limits();
    let site = reader.site();
    let backend = match reader.text("backend")?.as_str() {
        "slurm" => {
            reader.exclude_section("local", "slurm");
            let slurm = reader.slurm(folder, limits, &site)?;
            Backend::Slurm(Box::new(slurm))
        }
        _ => Backend::Local(reader.local()),
    };
    Some(ClusterProfile {
        name: reader.text("name")?.parse().ok()?,
        backend,
        limits,
        cost: reader.cost(),
        site,
    })
}

impl Reader<'_> {
    fn exclude_section(&mut self, section: &str, backend: &str) {
        if self.settings.section_place(section).is_some() {
            let fault = Fault::new(format!("does not go with backend = \"{backend}\""));
            self.refuse(section, fault.hint("leave it out"));
        }
    }

    fn local(&mut self) -> Local {
        for section in OF_SLURM {
            self.exclude_section(section, "local");
        }
        for key in LIMITS_OF_SLURM {
            if self.is_given(key) {
                let fault = Fault::new("does not go with backend = \"local\"");
                self.refuse(
                    key,
                    fault.hint("cpu_slots and gpu_slots limit this machine"),
                );
            }
        }
        Local {
            cpu_slots: self.whole("local.cpu_slots"),
            gpu_slots: self.whole("local.gpu_slots"),
        }
    }

    fn limits(&self) -> Limits {
        Limits {
            max_time_s: self.seconds("limits.max_time"),
            max_nodes: self.whole_u32("limits.max_nodes"),
            gpus_per_node: self.whole_u32("limits.gpus_per_node"),
            cpus_per_node: self.whole_u32("limits.cpus_per_node"),
        }
    }

    fn cost(&self) -> Cost {
        Cost {
            eur_per_gpu_hour: self.number("cost.eur_per_gpu_hour"),
            eur_per_core_hour: self.number("cost.eur_per_core_hour"),
            watt_per_gpu: self.number("cost.watt_per_gpu"),
            gco2_per_kwh: self.number("cost.gco2_per_kwh"),
        }
    }

    fn site(&self) -> Site {
        Site {
            country: self.text("site.country"),
            has_internet: self.flag("site.internet"),
            architecture: self.choice("site.architecture"),
        }
    }

    fn slurm(&mut self, folder: &Path, limits: Limits, site: &Site) -> Option<Slurm> {
        let transport = self.transport(folder);
        let shared = self.needed("slurm.folder", |reader, key| reader.text(key));
        let chain = self.chain(limits);
        let signal_before_s = self.signal_before(limits);
        let container = self.container();
        let has_internet = site.has_internet.unwrap_or(true);
        let preset = if has_internet {
            Reports::Direct
        } else {
            Reports::Spool
        };
        let is_ssh = matches!(transport, Some(Transport::Ssh { .. }));
        let every_s = if is_ssh {
            OBSERVE_EVERY_SSH_S
        } else {
            OBSERVE_EVERY_S
        };
        Some(Slurm {
            transport: transport?,
            folder: shared?,
            program: self.text("slurm.program")?,
            ask: self.ask()?,
            chain: chain?,
            signal_before_s: signal_before_s?,
            launch: self.launch(container?)?,
            reports: self.choice("slurm.reports").unwrap_or(preset),
            relay_rate_bytes: self.whole_u64("slurm.relay_rate")?,
            has_accounting: self.flag("slurm.accounting")?,
            may_start_now: self.flag("slurm.may_start_now")?,
            no_kill: self.flag("slurm.no_kill")?,
            logins_per_minute: self.whole_u32("slurm.logins_per_minute")?,
            max_queued: self.whole_u32("limits.max_queued"),
            observe_every_s: self.seconds("slurm.observe_every").unwrap_or(every_s),
        })
    }

    /// The value of a key that must be there, now that its section is.
    fn needed<T>(&mut self, key: &str, read: fn(&Self, &str) -> Option<T>) -> Option<T> {
        let value = read(self, key);
        if value.is_none() && !self.settings.was_written(key) {
            let form = CLUSTER.key(key).map(|key| key.form.to_string());
            let mut fault = Fault::new("missing");
            fault.expected = form;
            self.refuse(key, fault);
        }
        value
    }

    fn transport(&mut self, folder: &Path) -> Option<Transport> {
        const KEYS: &[(&str, &str)] = &[
            ("slurm.ssh_host", "ssh"),
            ("slurm.ssh_config", "ssh"),
            ("slurm.rest_url", "rest"),
            ("slurm.rest_user", "rest"),
            ("slurm.rest_token_file", "rest"),
        ];
        let kind = self.needed("slurm.transport", |reader, key| reader.text(key))?;
        for (key, own) in KEYS {
            if self.is_given(key) && *own != kind {
                let fault = Fault::new(format!("does not go with transport = \"{kind}\""));
                self.refuse(key, fault.hint(format!("it is for transport = \"{own}\"")));
            }
        }
        match kind.as_str() {
            "ssh" => {
                let host = self.needed("slurm.ssh_host", |reader, key| reader.text(key));
                let config = self.beside("slurm.ssh_config", folder);
                Some(Transport::Ssh {
                    host: host?,
                    config,
                })
            }
            "rest" => {
                let url = self.needed("slurm.rest_url", |reader, key| reader.text(key));
                let user = self.needed("slurm.rest_user", |reader, key| reader.text(key));
                self.needed("slurm.rest_token_file", |reader, key| reader.path(key));
                let token_file = self.beside("slurm.rest_token_file", folder);
                Some(Transport::Rest {
                    url: url?,
                    user: user?,
                    token_file: token_file?,
                })
            }
            _ => Some(Transport::Command),
        }
    }

    /// A file of this machine.
    fn beside(&mut self, key: &str, folder: &Path) -> Option<PathBuf> {
        let path = self.path(key)?;
        if path.starts_with("~") {
            let fault = Fault::new("~ is not expanded");
            self.refuse(key, fault.hint("write the folder out"));
        }
        Some(folder.join(path))
    }

    fn chain(&mut self, limits: Limits) -> Option<Chain> {
        let chain = self.choice("slurm.chain")?;
        let is_broken = self.settings.was_written("limits.max_time");
        if chain == Chain::Successors && limits.max_time_s.is_none() && !is_broken {
            let fault = Fault::new("how many successors a job needs follows from limits.max_time");
            self.refuse("slurm.chain", fault.hint("set limits.max_time"));
        }
        Some(chain)
    }

    fn signal_before(&mut self, limits: Limits) -> Option<u64> {
        let key = "slurm.signal_before";
        let before_s = self.seconds(key)?;
        if before_s > LONGEST_SIGNAL_S {
            let fault = Fault::new("longer than Slurm takes");
            self.refuse(key, fault.expected(format!("at most {LONGEST_SIGNAL_S}s")));
        } else if let Some(max_s) = limits.max_time_s.filter(|max_s| *max_s <= before_s) {
            let message = format!("{before_s}s before the end is before the start");
            let fault = Fault::new(message).expected(format!("less than {max_s}s"));
            self.refuse(key, fault.hint("limits.max_time is the longest wall time"));
        }
        Some(before_s)
    }

    fn ask(&self) -> Option<SlurmAsk> {
        Some(SlurmAsk {
            account: self.text("ask.account"),
            needs_account: self.flag("ask.account_required")?,
            partition: self.text("ask.partition"),
            qos: self.text("ask.qos"),
            reservation: self.text("ask.reservation"),
            constraint: self.text("ask.constraint"),
            exclusive: self.flag("ask.exclusive")?,
            gpu_form: self.choice("ask.gpu_form")?,
            gpu_type: self.text("ask.gpu_type"),
            memory_mib: self.whole_u64("ask.memory"),
            options: self.texts("ask.options")?,
        })
    }

    fn launch(&self, container: Option<Container>) -> Option<Launching> {
        Some(Launching {
            mpi: self.text("launch.mpi"),
            srun_options: self.texts("launch.srun_options")?,
            modules: self.texts("launch.modules")?,
            setup: self.texts("launch.setup")?,
            environment: self.pairs("launch.environment")?,
            container,
            host_suffix: self.text("launch.host_suffix"),
            interface: self.text("launch.interface"),
        })
    }

    fn container(&mut self) -> Option<Option<Container>> {
        if self.settings.section_place("container").is_none() {
            return Some(None);
        }
        let runtime = self.needed("container.runtime", |reader, key| reader.choice(key));
        let image = self.needed("container.image", |reader, key| reader.text(key));
        Some(Some(Container {
            runtime: runtime?,
            image: image?,
            mounts: self.texts("container.mounts")?,
        }))
    }
}
