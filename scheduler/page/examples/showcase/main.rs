//! Serves the page over jobs that are made up and move, to look at it and to measure it.
//!
//! `cargo run --release -p schliff-page --example showcase -- [rich|many|empty] [ADDRESS] [still]`

mod curves;
mod jobs;
mod moving;
mod world;

use std::sync::Arc;

use axum::Extension;
use schliff_page::{Caller, router};
use tokio::net::TcpListener;

use crate::world::{A_MOMENT_MS, Clock, Kind, World};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut args = std::env::args().skip(1);
    let kind = match args.next().as_deref() {
        None | Some("rich") => Kind::Rich,
        Some("many") => Kind::Many,
        Some("empty") => Kind::Empty,
        Some(other) => return Err(std::io::Error::other(format!("there is no world {other}"))),
    };
    let address = args.next().unwrap_or_else(|| "127.0.0.1:7878".into());
    let clock = match args.next().as_deref() {
        Some("still") => Clock::Still(A_MOMENT_MS),
        _ => Clock::Real,
    };
    let world = Arc::new(World::new(kind, clock));
    let moving = Arc::clone(&world);
    tokio::spawn(async move { moving.tell_of_changes().await });
    let caller = Caller {
        name: "ada".into(),
        may_change: true,
    };
    let app = router(world).layer(Extension(caller));
    let listener = TcpListener::bind(&address).await?;
    eprintln!("http://{}", listener.local_addr()?);
    axum::serve(listener, app).await
}
