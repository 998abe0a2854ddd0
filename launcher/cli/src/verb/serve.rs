//! `schliff serve`: the composition root of a coordinator.
//!
//! Rules: whatever is wrong is told before anything is begun. Standard output stays empty; the URL is
//! told on standard error once requests are answered. Absent on purpose: what a coordinator does.

mod reach;
mod relayed;
mod relayer;
mod site;
mod supply;

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use schliff_coordinator::journal::{self, Journal, JournalUrl};
use schliff_coordinator::{Access, Coordinator, Error, Handle, Limits, Options, Role, Tls};
use schliff_spec::cluster::{self, ClusterProfile};
use schliff_spec::exit::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

use relayer::Relayer;

use crate::args::ServeArgs;
use crate::outcome::{CliError, Outcome};
use crate::state_folder::{Running, StateFolder};
use crate::terminal;

/// The port that is tried first.
const PORT: u16 = 7411;
/// Names a commit of the journal at which the process is aborted, as `before:3`: for tests.
const FAULT: &str = "SCHLIFF_FAULT_JOURNAL";

pub(crate) fn serve(args: ServeArgs) -> Outcome {
    let tls = tls(&args)?;
    reach::check(&args, tls.as_ref())?;
    let state = state(&args)?;
    let profiles = profiles(&args.clusters)?;
    log();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::bug("cannot start the runtime").caused_by(error))?;
    let outcome = runtime.block_on(async {
        let (options, relayers) = options(&args, &state, &profiles, tls).await?;
        let access = options.access.clone();
        let handle = start(options, &args, &state).await?;
        for relayer in relayers {
            relayer.start(&handle, &access);
        }
        handle.settled().await;
        announce(&handle, &state, &access)?;
        until_told(&handle).await?;
        let end = handle.ended().await;
        match &*end {
            Ok(()) => Ok(ExitCode::Ok),
            Err(error) => Err(of_coordinator(error)),
        }
    });
    // A checkpoint on its way is given up, and gone on with by the next start.
    runtime.shutdown_background();
    outcome
}

/// The state folder, made where it is missing, and absolute: allocations are told of it.
fn state(args: &ServeArgs) -> Result<StateFolder, CliError> {
    let folder = match &args.state {
        Some(path) => StateFolder::at(path.clone()),
        None => StateFolder::of_environment()?,
    };
    let cannot = |error| {
        let path = folder.path().display();
        CliError::usage(format!("cannot make the state folder {path}")).caused_by(error)
    };
    let path = std::path::absolute(folder.path()).map_err(cannot)?;
    let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
    made.map_err(cannot)?;
    Ok(StateFolder::at(path))
}

/// All profiles, or this machine alone.
fn profiles(paths: &[PathBuf]) -> Result<Vec<ClusterProfile>, CliError> {
    if paths.is_empty() {
        return Ok(vec![ClusterProfile::local()]);
    }
    let mut profiles: Vec<ClusterProfile> = Vec::new();
    for path in paths {
        let profile = cluster::load(path)?;
        if profiles.iter().any(|known| known.name == profile.name) {
            let name = &profile.name;
            return Err(CliError::usage(format!("two clusters are called {name}"))
                .hint("each profile needs a name of its own"));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}

async fn options(
    args: &ServeArgs,
    state: &StateFolder,
    profiles: &[ClusterProfile],
    tls: Option<Tls>,
) -> Result<(Options, Vec<Relayer>), CliError> {
    let (mut sites, mut relayers) = (Vec::new(), Vec::new());
    for profile in profiles {
        let (site, relayer) = site::site(profile, state.path())?;
        sites.push(site);
        relayers.extend(relayer);
    }
    let access = Access::open(state.path());
    let options = Options {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        url: args.url.clone(),
        other_urls: args.others.clone(),
        journal: journal(args, state.path()).await?,
        sites,
        access: access.map_err(|error| of_coordinator(&error.into()))?,
        runs: state.path().join("runs"),
        tls,
        is_plain_allowed: args.without_tls,
        limits: Limits::default(),
        version: env!("CARGO_PKG_VERSION").into(),
    };
    Ok((options, relayers))
}

async fn journal(args: &ServeArgs, state: &Path) -> Result<Journal, CliError> {
    let text = match (&args.journal, &args.journal_file) {
        (Some(url), _) => url.clone(),
        (None, Some(path)) => read(path)?.trim().to_owned(),
        (None, None) => format!("sqlite:{}", state.join("journal.sqlite").display()),
    };
    let url: JournalUrl = text
        .parse()
        .map_err(|error| CliError::usage("cannot use --journal").caused_by(error))?;
    let crash_at = std::env::var(FAULT).ok().map(|text| text.parse());
    let crash_at = crash_at.transpose();
    let crash_at =
        crash_at.map_err(|error| CliError::usage(format!("{FAULT} is set")).caused_by(error))?;
    let options = journal::Options {
        faults: journal::Faults { crash_at },
        ..journal::Options::default()
    };
    let opened = Journal::open(&url, options).await;
    opened.map_err(|error| of_coordinator(&error.into()))
}

fn tls(args: &ServeArgs) -> Result<Option<Tls>, CliError> {
    let (Some(certificate), Some(key)) = (&args.tls_cert, &args.tls_key) else {
        return Ok(None);
    };
    let bytes = |path: &PathBuf| read(path).map(String::into_bytes);
    Ok(Some(Tls {
        certificate_pem: bytes(certificate)?,
        key_pem: bytes(key)?,
        ca_pem: args.tls_ca.as_ref().map(bytes).transpose()?,
    }))
}

fn read(path: &Path) -> Result<String, CliError> {
    fs::read_to_string(path).map_err(|error| {
        CliError::usage(format!("cannot read {}", path.display())).caused_by(error)
    })
}

/// Listens where it is told; without a port, on the last time's, so that agents find it again, or on
/// any that is free.
async fn start(
    options: Options,
    args: &ServeArgs,
    state: &StateFolder,
) -> Result<Handle, CliError> {
    let told = args.listen;
    let ip = told.map_or(Ipv4Addr::LOCALHOST.into(), |told| told.ip());
    let mut ports = Vec::new();
    match told.map(|told| told.port()) {
        Some(port) if port > 0 => ports.push(port),
        wanted => {
            ports.extend(last_port(state));
            ports.extend(wanted.is_none().then_some(PORT));
            ports.push(0);
        }
    }
    let mut last = None;
    for port in ports {
        let options = Options {
            listen: SocketAddr::new(ip, port),
            ..options.clone()
        };
        match Coordinator::start(options).await {
            Ok(handle) => return Ok(handle),
            Err(Error::Listen { address, source }) if source.kind() == ErrorKind::AddrInUse => {
                last = Some(Error::Listen { address, source });
            }
            Err(error) => return Err(of_coordinator(&error)),
        }
    }
    Err(last.map_or_else(
        || CliError::bug("there was no port to try"),
        |error| of_coordinator(&error).hint("--listen takes another port; 0 takes any"),
    ))
}

fn last_port(state: &StateFolder) -> Option<u16> {
    let last = state.running().ok()??;
    let (_, port) = last.url.trim_end_matches('/').rsplit_once(':')?;
    port.parse().ok()
}

fn announce(handle: &Handle, state: &StateFolder, access: &Access) -> Result<(), CliError> {
    state.announce(&Running {
        url: handle.url().to_owned(),
        pid: std::process::id(),
    })?;
    let (url, token) = (handle.url(), access.token(Role::User));
    terminal::say(&format!("coordinator: {url}/login?token={token}"));
    terminal::say(&format!("state: {}", state.path().display()));
    Ok(())
}

/// Waits for a signal, or for the end of the coordinator.
async fn until_told(handle: &Handle) -> Result<(), CliError> {
    let listen = |kind| {
        signal(kind).map_err(|error| CliError::bug("cannot listen for signals").caused_by(error))
    };
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = handle.ended() => return Ok(()),
    }
    terminal::say("ends; jobs train on");
    handle.close();
    Ok(())
}

/// What the coordinator says besides, on standard error: warnings, unless `SCHLIFF_LOG` says more.
fn log() {
    let wanted = std::env::var("SCHLIFF_LOG").unwrap_or_else(|_| "warn".into());
    let filter = tracing_subscriber::EnvFilter::try_new(&wanted);
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(terminal::color_on_stderr())
        .with_env_filter(filter);
    // Only a second call could fail.
    let _ = subscriber.try_init();
}

fn of_coordinator(error: &Error) -> CliError {
    let exit = match error {
        Error::Task(_) => ExitCode::Bug,
        _ => ExitCode::Usage,
    };
    let mut text = CliError::new(exit, error.to_string());
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = text.caused_by(cause);
        next = cause.source();
    }
    text
}
