//! Whether agents will be able and willing to reach the coordinator, told before it begins.
//!
//! Rules: what agents refuse is refused here, by their own check. Absent on purpose: a look at the
//! network, for names and routes are the agents' machines' own.

use std::net::{Ipv4Addr, SocketAddr};

use schliff_agent::report::{AddressError, Coordinators};
use schliff_coordinator::Tls;

use super::PORT;
use crate::args::ServeArgs;
use crate::outcome::CliError;

/// Checks all addresses that agents are told.
pub(super) fn check(args: &ServeArgs, tls: Option<&Tls>) -> Result<(), CliError> {
    let mut urls = vec![own(args)?];
    urls.extend(args.others.iter().cloned());
    let ca = tls.and_then(|tls| tls.ca_pem.as_deref());
    match Coordinators::new(&urls, ca) {
        Ok(_) => Ok(()),
        Err(error) => Err(refused(&error, port(args))),
    }
}

fn listen(args: &ServeArgs) -> SocketAddr {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    args.listen.unwrap_or(usual)
}

/// The port as far as it is known: which one is free is not.
fn port(args: &ServeArgs) -> u16 {
    Some(listen(args).port())
        .filter(|port| *port > 0)
        .unwrap_or(PORT)
}

/// Where agents are told to find this one.
fn own(args: &ServeArgs) -> Result<String, CliError> {
    if let Some(url) = &args.url {
        return Ok(url.clone());
    }
    let (ip, port) = (listen(args).ip(), port(args));
    let is_tls = args.tls_cert.is_some();
    if ip.is_unspecified() {
        let error = format!("agents cannot be told to reach {ip}: it stands for all addresses");
        let url = match is_tls {
            true => format!("https://HOST:{port}, with a name from the certificate"),
            false => here(port),
        };
        return Err(CliError::usage(error).hint(format!("tell them --url {url}")));
    }
    let scheme = if is_tls { "https" } else { "http" };
    Ok(format!("{scheme}://{}", SocketAddr::new(ip, port)))
}

fn here(port: u16) -> String {
    format!("http://127.0.0.1:{port}, for agents of this machine alone")
}

fn refused(error: &AddressError, port: u16) -> CliError {
    let mut told = CliError::usage("agents would refuse to report to this coordinator");
    told = told.caused_by(schliff_backend::chain(error));
    match error {
        AddressError::Plain { .. } => told.hint(format!(
            "--tls-cert, --tls-key and --tls-ca protect the token; or listen on 0.0.0.0 and tell \
             them --url {}",
            here(port)
        )),
        AddressError::NoAuthority { .. } => {
            told.hint("--tls-ca names the certificate that agents are to trust")
        }
        _ => told,
    }
}
