//! Who leads.
//!
//! Rules: whoever does not lead looks for the lease to be free; whoever leads renews it, and stops
//! when that did not succeed in time, before another can have it.

use std::sync::Arc;
use std::time::Duration;

use schliff_backend::chain;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::error::Error;
use crate::handle::Shared;
use crate::journal::{Journal, JournalError, LEASE_MS, Lease, RENEW_MS};

/// Between two looks at the lease of another.
const LOOK: Duration = Duration::from_millis(300);

/// Waits until this coordinator leads; `None` where it is to end before.
pub(crate) async fn acquire(
    shared: &Shared,
    mut closing: watch::Receiver<bool>,
) -> Result<Option<Lease>, JournalError> {
    let holder = holder();
    loop {
        match shared.journal.try_lead(&holder, &shared.url).await {
            Ok(Some(lease)) => {
                shared.set_leader(shared.url.clone());
                return Ok(Some(lease));
            }
            Ok(None) => {
                let leader = shared.journal.leader().await.ok().flatten();
                shared.set_leader(leader.map_or(String::new(), |leader| leader.url));
            }
            // The database may be on its way back.
            Err(error) => tracing::warn!("{}", chain(&error)),
        }
        tokio::select! {
            () = sleep(LOOK) => {}
            _ = closing.wait_for(|is_closing| *is_closing) => return Ok(None),
        }
    }
}

/// Renews the lease until that does not succeed any more.
pub(crate) async fn keep(journal: &Journal, lease: &Arc<Lease>) -> Error {
    let mut due = interval(Duration::from_millis(RENEW_MS));
    due.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let patience = Duration::from_millis(LEASE_MS);
        let renewed = tokio::time::timeout(patience, journal.renew(lease)).await;
        match renewed {
            Ok(Err(error @ JournalError::Deposed { .. })) => return error.into(),
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!("{}", chain(&error)),
            Err(_) => tracing::warn!("cannot renew the lease: no answer"),
        }
        if !lease.is_held() {
            return Error::LeaseLost;
        }
    }
}

/// Different for every coordinator that ever ran.
fn holder() -> String {
    let mut bytes = [0; 8];
    // Without randomness, time and process tell coordinators apart well enough.
    let _ = getrandom::fill(&mut bytes);
    let drawn = u64::from_be_bytes(bytes);
    let (pid, now) = (std::process::id(), crate::clock::now());
    format!("{pid}-{now}-{drawn:016x}")
}
