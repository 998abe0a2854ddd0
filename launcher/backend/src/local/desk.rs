//! The calls to a local cluster, done where waiting is allowed.
//!
//! Rules: LO-1 to LO-5 of the parent module. Every change is made by one at a time; looking waits
//! for nobody. Children that have ended are reaped whenever something else is done.

use std::process::Child;
use std::sync::{Mutex, MutexGuard, PoisonError};

use schliff_scheduler::allocation::{Allocation, AllocationId, Listing, NodeReport, StopHow};
use schliff_spec::id::{NodeName, SubmitKey};

use super::place::{Place, Places, Record};
use super::stock::{self, Short, Stock};
use super::{LocalError, LocalOptions, host, process, start, status};
use crate::clock;
use crate::launch::Launch;

/// Why a call came to nothing; it had no effect.
pub(super) enum Refusal {
    Never(String),
    Now(Box<dyn std::error::Error + Send + Sync>),
}

impl From<LocalError> for Refusal {
    fn from(error: LocalError) -> Self {
        match error {
            LocalError::FileName { .. } => Self::Never(error.to_string()),
            error => Self::Now(error.into()),
        }
    }
}

/// The blocking half of a [`Local`].
pub(super) struct Desk {
    node: NodeName,
    options: LocalOptions,
    places: Places,
    stock: Stock,
    /// Started from here, and perhaps to be reaped.
    children: Mutex<Vec<Child>>,
}

impl Desk {
    pub(super) fn open(options: LocalOptions) -> Result<Self, LocalError> {
        let stock = Stock {
            cpus: options.cpu_slots.unwrap_or_else(host::cpus),
            cores: host::cores(),
            gpus: host::gpus(options.gpu_slots),
        };
        Ok(Self {
            node: host::name()?,
            places: Places::open(&options.folder)?,
            options,
            stock,
            children: Mutex::default(),
        })
    }

    pub(super) fn options(&self) -> &LocalOptions {
        &self.options
    }

    pub(super) fn submit(&self, launch: &Launch) -> Result<AllocationId, Refusal> {
        let _alone = self.places.alone()?;
        let key = launch.key;
        let id = AllocationId(key.to_string());
        if self.places.find(key)?.is_some() {
            return Ok(id);
        }
        if self.places.is_forgotten(key)? {
            let why = "its allocation has ended and was forgotten";
            return Err(Refusal::Never(why.to_owned()));
        }
        self.check(launch).map_err(Refusal::Never)?;
        let share = self.stock.share(launch.shape, &self.shares()?);
        let share = share.map_err(|short| match short {
            Short::Never(why) => Refusal::Never(why),
            Short::Now(why) => Refusal::Now(why.into()),
        })?;
        let record = Record {
            name: launch.name.clone(),
            time_limit_ms: launch.time_limit_ms,
            share,
        };
        let (place, lock) = self.places.create(launch, &record)?;
        let cores = self.stock.bound(&record.share);
        let command = start::command(&self.options.program, launch, &place, &record.share);
        match start::start(command, &place, &lock, &cores) {
            Ok(child) => self.children().push(child),
            // It is accepted all the same: its folder was there to be seen. Its lock is free only
            // after this.
            Err(error) => place.note_failure(&self.options.program, &error)?,
        }
        drop(lock);
        Ok(id)
    }

    /// What no change of the moment could make fit.
    fn check(&self, launch: &Launch) -> Result<(), String> {
        if let Some(node) = launch.placement.iter().find(|node| **node != self.node) {
            return Err(format!("there is no node {node}, only {}", self.node));
        }
        if launch.shape.nodes != 1 || launch.placement.len() > 1 {
            return Err(format!("this host is one node, not {}", launch.shape.nodes));
        }
        let most = self.options.max_time_ms;
        let is_over = |most: u64| launch.time_limit_ms.is_some_and(|limit| limit > most);
        match most.filter(|most| is_over(*most)) {
            Some(most) => Err(format!("its time limit is over {most} ms")),
            None => Ok(()),
        }
    }

    /// What live allocations hold.
    fn shares(&self) -> Result<Vec<stock::Share>, LocalError> {
        let mut shares = Vec::new();
        for place in self.places.list()? {
            if place.is_held()? {
                shares.push(place.record()?.share);
            }
        }
        Ok(shares)
    }

    pub(super) fn observe(&self) -> Result<Listing, Refusal> {
        let asked_at = clock::now();
        let mut allocations = Vec::new();
        let mut is_complete = true;
        for place in self.places.list()? {
            match self.look(&place) {
                Ok(allocation) => allocations.extend(allocation),
                Err(_) => is_complete = false,
            }
        }
        self.reap();
        let node = NodeReport {
            name: self.node.clone(),
            is_up: true,
            gpus: u32::try_from(self.stock.gpus.len()).unwrap_or(u32::MAX),
            cpus: self.stock.cpus,
        };
        Ok(Listing {
            cluster: self.options.cluster.clone(),
            asked_at,
            is_complete,
            allocations,
            nodes: Some(vec![node]),
        })
    }

    /// What is in a folder; nothing where it has just been forgotten.
    fn look(&self, place: &Place) -> Result<Option<Allocation>, LocalError> {
        let Some(traces) = place.traces()? else {
            return Ok(None);
        };
        if traces.is_held && self.is_overdue(place, &traces) {
            place.note_timeout()?;
            process::kill_all(&place.lock_file(), traces.birth);
        }
        Ok(Some(Allocation {
            key: place.key,
            id: AllocationId(place.key.to_string()),
            status: status::of(traces),
            nodes: vec![self.node.clone()],
        }))
    }

    /// Whether it runs longer than it may.
    fn is_overdue(&self, place: &Place, traces: &status::Traces) -> bool {
        let limit = place.record().ok().and_then(|record| record.time_limit_ms);
        let age = traces.birth.and_then(|birth| birth.age_ms());
        matches!((limit, age), (Some(limit), Some(age)) if age > limit)
    }

    pub(super) fn stop(&self, key: SubmitKey, how: StopHow) -> Result<(), Refusal> {
        let _alone = self.places.alone()?;
        let traces = match self.places.find(key)? {
            Some(place) => place.traces()?.map(|traces| (place, traces)),
            None => None,
        };
        let Some((place, traces)) = traces.filter(|(_, traces)| traces.is_held) else {
            return Ok(());
        };
        match how {
            StopHow::Gently => process::terminate(traces.birth),
            StopHow::Now => process::kill_all(&place.lock_file(), traces.birth),
        }
        self.reap();
        Ok(())
    }

    pub(super) fn forget(&self, key: SubmitKey) -> Result<(), Refusal> {
        let _alone = self.places.alone()?;
        if let Some(place) = self.places.find(key)?
            && !place.is_held()?
        {
            self.places.forget(&place)?;
        }
        self.reap();
        Ok(())
    }

    /// Takes note of children that have ended, so that no zombie is left of them.
    fn reap(&self) {
        // A child that cannot be asked is not there any more.
        self.children()
            .retain_mut(|child| matches!(child.try_wait(), Ok(None)));
    }

    fn children(&self) -> MutexGuard<'_, Vec<Child>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
