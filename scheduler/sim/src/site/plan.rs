//! A site as a scenario plans it.

use std::collections::BTreeMap;

use schliff_scheduler::cluster::{Queue, Terms};
use schliff_spec::cluster::Chain;
use schliff_spec::id::{ClusterName, IdError};

use super::{Site, SiteNode};
use crate::scenario::SitePlan;

/// What a listing of a site with its own queue may lag behind.
const SETTLE_MS: u64 = 30_000;
/// What it lags behind a submit at its best.
const LAG_MS: u64 = 4_000;

impl Site {
    /// It, empty and whole.
    pub(crate) fn planned(plan: &SitePlan) -> Result<Self, IdError> {
        let is_ours = plan.queue == Queue::Ours;
        let name: ClusterName = plan.name.parse()?;
        let mut nodes = BTreeMap::new();
        for number in 1..=plan.nodes {
            let node = SiteNode {
                gpus: plan.gpus,
                cpus: plan.cpus,
                is_up: true,
                is_drained: false,
                foreign_until_ms: 0,
            };
            nodes.insert(format!("{}{number}", plan.name).parse()?, node);
        }
        let terms = Terms {
            max_time_ms: plan.max_time_ms,
            max_waiting: plan.max_waiting,
            settle_ms: if is_ours { 0 } else { SETTLE_MS },
            chains: plan.chain != Chain::None,
            country: plan.country.map(str::to_owned),
            ..Terms::of(plan.queue)
        };
        let lag_ms = if is_ours { 0 } else { LAG_MS };
        Ok(Self {
            chain: plan.chain,
            ..Self::new(name, terms, nodes, lag_ms)
        })
    }
}
