//! What a coordinator does with a job beyond running it; nothing here changes the adapter.

use crate::cluster::BatchWish;
use serde::{Deserialize, Serialize};

/// Where and when the job runs, and what it may use up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scheduling {
    /// The cluster that runs it; any that can where absent.
    pub cluster: Option<String>,
    /// Weight among waiting jobs, from 0 to 100; the higher goes first.
    pub priority: u8,
    /// Failed attempts in a row, none of them with a new step, after which it is given up.
    pub retries: u32,
    /// GPU-hours that all its attempts together may use.
    pub budget_gpu_hours: Option<f64>,
    /// Core-hours that all its attempts together may use.
    pub budget_core_hours: Option<f64>,
    /// What is said to the batch system; it wins over the cluster profile.
    #[serde(default)]
    pub wish: BatchWish,
}

impl Default for Scheduling {
    fn default() -> Self {
        Self {
            cluster: None,
            priority: 50,
            retries: 3,
            budget_gpu_hours: None,
            budget_core_hours: None,
            wish: BatchWish::default(),
        }
    }
}

impl Scheduling {
    /// Whether nobody asked for anything else.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
