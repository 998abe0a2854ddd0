//! Puts the parts together and takes them apart again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use schliff_page::Change;
use schliff_scheduler::action::Observed;
use schliff_scheduler::input::{Command, Input};
use schliff_spec::id::{ClusterName, JobId};
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use crate::caller::Guard;
use crate::clock::{now, wire_ms};
use crate::door::Door;
use crate::error::Error;
use crate::handle::{Handle, Leading, Shared};
use crate::intake::Intake;
use crate::journal::Lease;
use crate::launch::Contact;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::options::Options;
use crate::owner::{Desk, INBOX, Line, Message, Owner};
use crate::recorder::recorder;
use crate::site::{ACTIONS, Keeper, Site, Standing};
use crate::{grpc, lead, web};

/// The whole of it.
pub struct Coordinator;

impl Coordinator {
    /// Listens, and leads as soon as nobody else does.
    ///
    /// # Errors
    /// It cannot listen where it is to, or nobody could reach it there.
    pub async fn start(options: Options) -> Result<Handle, Error> {
        let address = options.listen;
        let is_private = address.ip().is_loopback() || options.tls.is_some();
        if !is_private && !options.is_plain_allowed {
            return Err(Error::Plain { address });
        }
        if address.ip().is_unspecified() && options.url.is_none() {
            return Err(Error::NoUrl { address });
        }
        let door = Door::open(address, options.tls.as_ref()).await?;
        let shared = Arc::new(shared(&options, &door));
        let handle = Handle {
            shared: Arc::clone(&shared),
        };
        let guard = Guard::new(Arc::clone(&shared));
        let router = grpc::routes(&handle, &guard)
            .fallback_service(web::routes(&handle, &guard))
            .layer(from_fn_with_state(options.limits.patience, in_time));
        // The door stays open a little longer than the rest, so that all who were let in are answered.
        let (shut, shutting) = watch::channel(false);
        let limits = (options.limits, Arc::clone(&shared.metrics));
        let serving = tokio::spawn(door.serve(router, limits, shutting));
        tokio::spawn(async move {
            let end = conduct(&options, &shared).await;
            shared.closing.send_replace(true);
            let _ = shared.changes.send(Change::Closing);
            shut.send_replace(true);
            let _ = serving.await;
            shared.ended.send_replace(Some(Arc::new(end)));
        });
        Ok(handle)
    }
}

/// An answer that does not begin in time is none: slow senders of bodies are not waited for.
async fn in_time(State(patience): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(patience, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::REQUEST_TIMEOUT, "this took too long\n").into_response(),
    }
}

fn shared(options: &Options, door: &Door) -> Shared {
    let scheme = if options.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let own = format!("{scheme}://{}", door.address);
    let costs = options.sites.iter();
    let costs = costs.map(|site| (site.backend.cluster().clone(), site.cost));
    Shared {
        address: door.address,
        url: options.url.clone().unwrap_or(own),
        version: options.version.clone(),
        started_ms: wire_ms(now()),
        access: options.access.clone(),
        journal: options.journal.clone(),
        limits: options.limits,
        metrics: Arc::new(Metrics::new()),
        changes: Shared::changes(),
        streams: Arc::new(Semaphore::new(options.limits.streams)),
        costs: costs.collect(),
        closing: watch::channel(false).0,
        leading: OnceLock::new(),
        leader: Mutex::default(),
        ended: watch::channel(None).0,
    }
}

/// Waits for the lease, leads, and gives it back.
async fn conduct(options: &Options, shared: &Arc<Shared>) -> Result<(), Error> {
    let Some(lease) = lead::acquire(shared, shared.closing.subscribe()).await? else {
        return Ok(());
    };
    let lease = Arc::new(lease);
    // A long journal takes longer to read than the lease lasts.
    let mut tasks = tokio::select! {
        error = lead::keep(&shared.journal, &lease) => return Err(error),
        begun = begin(options, shared, &lease) => begun?,
    };
    let mut closing = shared.closing.subscribe();
    let end = tokio::select! {
        error = lead::keep(&shared.journal, &lease) => Err(error),
        end = tasks.join_next() => ended(end),
        _ = closing.wait_for(|is_closing| *is_closing) => Ok(()),
    };
    shared.closing.send_replace(true);
    // A task that hangs must not keep another coordinator from leading.
    let rest = async {
        let mut end = end;
        while let Some(next) = tasks.join_next().await {
            end = end.and(ended(Some(next)));
        }
        end
    };
    let end = match tokio::time::timeout(shared.limits.farewell, rest).await {
        Ok(end) => end,
        Err(_) => Err(Error::Task("something was not finished in time".into())),
    };
    drop(tasks);
    if let Ok(lease) = Arc::try_unwrap(lease) {
        shared.journal.release(lease).await?;
    }
    end
}

type Ended = Result<Result<(), Error>, JoinError>;

fn ended(task: Option<Ended>) -> Result<(), Error> {
    match task {
        Some(Ok(end)) => end,
        Some(Err(error)) => Err(Error::Task(error.to_string())),
        None => Ok(()),
    }
}

async fn begin(
    options: &Options,
    shared: &Arc<Shared>,
    lease: &Arc<Lease>,
) -> Result<JoinSet<Result<(), Error>>, Error> {
    let mut replayed = shared.journal.load().await?;
    for fact in schliff_scheduler::begin(&replayed.state, now()) {
        replayed.state.apply(&fact);
    }
    let desk = Arc::new(Desk {
        state: tokio::sync::RwLock::new(replayed.state),
        memory: std::sync::RwLock::new(Memory::default()),
    });
    let (journal, metrics) = (shared.journal.clone(), Arc::clone(&shared.metrics));
    let (recorder, writer) = recorder(journal.clone(), Arc::clone(lease), Arc::clone(&metrics));
    let (inbox, messages) = mpsc::channel(INBOX);
    let mut tasks = JoinSet::new();
    let (sites, standings) = keep_sites(options, (shared, lease), &inbox, &mut tasks);
    let owner = Owner {
        desk: Arc::clone(&desk),
        journal,
        lease: Arc::clone(lease),
        next_seq: replayed.next_seq,
        inbox: messages,
        sites,
        observed: Observed {
            since: now(),
            ..Observed::default()
        },
        changes: shared.changes.clone(),
        runs: options.runs.clone(),
        metrics,
    };
    let closing = shared.closing.subscribe();
    tasks.spawn(async move { Ok(owner.run(closing).await?) });
    let leading = Leading {
        desk,
        inbox,
        recorder,
        intake: Intake::default(),
        standings,
    };
    configure(&leading, &options.sites).await?;
    let (live, rest) = recalled(&leading).await;
    restore(shared, &leading.desk, live).await;
    // The others are many, and nobody waits for them.
    let (own, desk) = (Arc::clone(shared), Arc::clone(&leading.desk));
    tokio::spawn(async move { restore(&own, &desk, rest).await });
    // Set once: a coordinator leads at most once.
    let _ = shared.leading.set(leading);
    let mut closing = shared.closing.subscribe();
    tasks.spawn(async move {
        let closed = closing.wait_for(|is_closing| *is_closing);
        tokio::select! {
            end = writer.run() => Ok(end?),
            _ = closed => Ok(()),
        }
    });
    Ok(tasks)
}

type Sites = BTreeMap<ClusterName, Line>;
type Standings = BTreeMap<ClusterName, Arc<Standing>>;

/// Starts a task for each cluster.
fn keep_sites(
    options: &Options,
    (shared, lease): (&Shared, &Arc<Lease>),
    inbox: &mpsc::Sender<Message>,
    tasks: &mut JoinSet<Result<(), Error>>,
) -> (Sites, Standings) {
    let (mut sites, mut standings) = (Sites::new(), Standings::new());
    let contact = Arc::new(contact(options, shared));
    for site in &options.sites {
        let cluster = site.backend.cluster().clone();
        let standing = Standing::new(site);
        let (sender, actions) = mpsc::channel(ACTIONS);
        let nudge = Arc::new(Notify::new());
        let keeper = Keeper {
            site: site.clone(),
            standing: Arc::clone(&standing),
            actions,
            nudge: Arc::clone(&nudge),
            owner: inbox.clone(),
            contact: Arc::clone(&contact),
            lease: Arc::clone(lease),
        };
        let closing = shared.closing.subscribe();
        tasks.spawn(async move {
            keeper.run(closing).await;
            Ok(())
        });
        let actions = sender;
        sites.insert(cluster.clone(), Line { actions, nudge });
        standings.insert(cluster, standing);
    }
    (sites, standings)
}

fn contact(options: &Options, shared: &Shared) -> Contact {
    let mut urls = vec![shared.url.clone()];
    urls.extend(options.other_urls.iter().cloned());
    Contact {
        urls,
        ca_pem: options.tls.as_ref().and_then(|tls| tls.ca_pem.clone()),
        access: options.access.clone(),
    }
}

/// Tells the brain which clusters there are.
async fn configure(leading: &Leading, sites: &[Site]) -> Result<(), Error> {
    let terms = |site: &Site| (site.backend.cluster().clone(), site.terms());
    let clusters: Vec<(ClusterName, _)> = sites.iter().map(terms).collect();
    let told = leading.tell(Input::Command(Command::Clusters(clusters)));
    let told = told.await.map(drop);
    told.map_err(|refusal| Error::Task(refusal.text))
}

/// Jobs of which the journal may know steps: those at work, and the others, newest first.
async fn recalled(leading: &Leading) -> (Vec<JobId>, Vec<JobId>) {
    let state = leading.desk.state.read().await;
    let begun = state.jobs.values().rev();
    let begun = begun.filter(|job| !job.attempts.is_empty());
    begun
        .map(|job| job.id)
        .partition(|job| state.live.contains(job))
}

/// Fills the memory with what the journal knows of jobs.
async fn restore(shared: &Shared, desk: &Desk, jobs: Vec<JobId>) {
    for job in jobs {
        if *shared.closing.borrow() {
            return;
        }
        if let Ok(Some(point)) = shared.journal.last_point(job).await {
            let memory = desk.memory.write();
            let mut memory = memory.unwrap_or_else(PoisonError::into_inner);
            memory.restore(job, crate::handle::step_point(&point));
        }
    }
}
