//! What the nodes of the partitions have: GPUs, cores, memory, features.

use std::collections::BTreeSet;

use schliff_slurm::node::Node;
use schliff_spec::cluster::GpuForm;

use super::{Comparison, counted, listed};

impl Comparison<'_> {
    pub(super) fn nodes(&mut self) {
        let nodes = self.nodes_of_partitions();
        if nodes.is_empty() {
            return;
        }
        self.gpus(&nodes);
        self.gpu_type(&nodes);
        self.gpu_form();
        self.cpus(&nodes);
        self.memory(&nodes);
        self.constraint(&nodes);
    }

    fn gpus(&mut self, nodes: &[&Node]) {
        let key = "limits.gpus_per_node";
        let counts: BTreeSet<_> = nodes.iter().map(|node| node.gpus).collect();
        let told = format!("{} a node", numbers(&counts));
        let most = counts.last().copied().unwrap_or(0);
        match self.limits.gpus_per_node {
            None => self.open(key, told, format!("write {most}")),
            Some(own) if counts.contains(&own) => self.fits(key, own, told),
            Some(own) => self.differs(key, own, told, format!("write {most}")),
        }
    }

    fn gpu_type(&mut self, nodes: &[&Node]) {
        let key = "ask.gpu_type";
        let Some(own) = &self.ask.gpu_type else {
            return;
        };
        let types = nodes.iter().map(|node| node.gpu_type.as_str());
        let types: BTreeSet<_> = types.filter(|name| !name.is_empty()).collect();
        if types.contains(own.as_str()) {
            return self.fits(key, own, "there");
        }
        match types.is_empty() {
            true => self.differs(key, own, "its GPUs have no type", "leave it out"),
            false => {
                let names = listed(types);
                self.differs(
                    key,
                    own,
                    format!("has {names}"),
                    format!("write one of {names}"),
                );
            }
        }
    }

    /// `--gpus-per-node` is known to one plug-in only.
    fn gpu_form(&mut self) {
        let key = "ask.gpu_form";
        let config = self.facts.config.as_ref();
        let select = config.and_then(|config| config.get("SelectType"));
        let Some(select) = select.filter(|_| self.ask.gpu_form == GpuForm::GpusPerNode) else {
            return;
        };
        match select.ends_with("cons_tres") {
            true => self.fits(key, "gpus-per-node", select),
            false => self.differs(key, "gpus-per-node", select, "write \"gres\""),
        }
    }

    fn cpus(&mut self, nodes: &[&Node]) {
        let key = "limits.cpus_per_node";
        let counts: BTreeSet<_> = nodes.iter().map(|node| node.cpus).collect();
        let told = format!("{} a node", numbers(&counts));
        let least = counts.first().copied().unwrap_or(0);
        match self.limits.cpus_per_node {
            None => self.open(key, told, format!("write {least}")),
            Some(own) if counts.iter().any(|count| *count >= own) => self.fits(key, own, told),
            Some(own) => self.differs(key, own, told, format!("write {least}")),
        }
    }

    fn memory(&mut self, nodes: &[&Node]) {
        let key = "ask.memory";
        // All of it is always there.
        let Some(own_mib) = self.ask.memory_mib.filter(|mib| *mib > 0) else {
            return;
        };
        let most_mib = nodes.iter().map(|node| node.memory_mib).max().unwrap_or(0);
        let told = format!("at most {most_mib}MiB a node");
        match own_mib > most_mib {
            true => {
                let change = format!("write \"{most_mib}MiB\" or \"all\"");
                self.differs(key, format!("{own_mib}MiB"), told, change);
            }
            false => self.fits(key, format!("{own_mib}MiB"), told),
        }
    }

    fn constraint(&mut self, nodes: &[&Node]) {
        let key = "ask.constraint";
        let Some(own) = &self.ask.constraint else {
            return;
        };
        let features = nodes.iter().flat_map(|node| &node.features);
        let features: BTreeSet<_> = features.map(String::as_str).collect();
        let unknown: Vec<_> = wanted(own)
            .filter(|name| !features.contains(name))
            .collect();
        if unknown.is_empty() {
            let having =
                |node: &&&Node| wanted(own).any(|name| node.features.iter().any(|it| it == name));
            let count = nodes.iter().filter(having).count();
            return self.fits(key, own, format!("{} with it", counted(count, "node")));
        }
        let change = match features.is_empty() {
            true => "leave it out: these nodes have no features".to_owned(),
            false => format!("write some of {}", listed(features)),
        };
        let told = format!("no node with {}", listed(unknown));
        self.differs(key, own, told, change);
    }
}

/// Names of features in an expression such as `[rack1|rack2]&gpu*2`.
fn wanted(constraint: &str) -> impl Iterator<Item = &str> {
    let parts = constraint.split(|c: char| "&|,[]()!".contains(c));
    let names = parts.map(|part| part.split(['*', ':']).next().unwrap_or_default());
    names.filter(|name| !name.is_empty())
}

fn numbers(counts: &BTreeSet<u32>) -> String {
    let words: Vec<_> = counts.iter().map(u32::to_string).collect();
    words.join(" or ")
}
