//! A coordinator that dies or freezes while 200 jobs run: another goes on, with nothing lost and nothing
//! done twice. On SQLite the same one is started again; on Postgres, where `SCHLIFF_TEST_POSTGRES` names
//! a server, another one is there already. Coordinators are processes, jobs and agents are pretended.

mod agents;
mod books;
mod reach;
mod scene;
mod server;
mod stage;
mod user;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::scene::Scene;
use crate::server::Server;
use crate::stage::{Stage, on_postgres, on_sqlite};

/// From a leader's death to the first answer of the next one.
const TAKEOVER: Duration = Duration::from_secs(5);
/// The same where a leader froze within a transaction, which the server ends after three seconds.
const THAW: Duration = Duration::from_secs(10);
/// Users who are about to submit something when it happens.
const LATE: usize = 5;

/// Each of these tests takes all of a small machine, and measures time.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_restarted_coordinator_goes_on_on_sqlite() {
    let _alone = alone();
    on_sqlite(async |stage| {
        let first = Server::start(&stage, 0);
        let scene = Scene::open(stage, vec![first.url().to_owned()]).await;
        killed(scene, first, None).await;
    });
}

#[test]
fn another_coordinator_takes_over_on_postgres() {
    let _alone = alone();
    on_postgres(async |stage| {
        let (first, second) = two(&stage);
        let urls = [&first, &second].map(|it| it.url().to_owned());
        let scene = Scene::open(stage, urls.to_vec()).await;
        killed(scene, first, Some(second)).await;
    });
}

#[test]
fn a_leader_that_froze_writes_nothing_when_it_wakes() {
    let _alone = alone();
    on_postgres(async |stage| {
        let (first, second) = two(&stage);
        let urls = [&first, &second].map(|it| it.url().to_owned());
        let scene = Scene::open(stage, urls.to_vec()).await;
        frozen(scene, first, second).await;
    });
}

/// The first one leads.
fn two(stage: &Stage) -> (Server, Server) {
    let first = Server::start(stage, 0);
    (first, Server::start(stage, 0))
}

async fn killed(mut scene: Scene, first: Server, second: Option<Server>) {
    scene.turn_over().await;
    let late = scene.submit_late(LATE);
    let port = first.port();
    let killed_at = Instant::now();
    first.kill();
    let promised = scene.promised();
    let second = second.unwrap_or_else(|| Server::start(&scene.stage, port));
    scene.answered_by(second.url()).await;
    let took = killed_at.elapsed();
    eprintln!("the next coordinator answered {took:?} after the kill");
    assert!(took < TAKEOVER, "{took:?}");
    scene.all_answered(late).await;
    scene.keeps(&promised).await;
    scene.goes_on().await;
    scene.ends().await;
    second.close().await;
}

async fn frozen(mut scene: Scene, first: Server, second: Server) {
    scene.turn_over().await;
    let late = scene.submit_late(LATE);
    let frozen_at = Instant::now();
    first.freeze(&scene.stage);
    scene.answered_by(second.url()).await;
    let took = frozen_at.elapsed();
    eprintln!("the next coordinator answered {took:?} after the freeze");
    assert!(took < THAW, "{took:?}");
    // What the frozen one finds when it wakes.
    let ghosts = scene.haunt(first.url());
    scene.all_answered(late).await;
    let promised = scene.promised();
    scene.keeps(&promised).await;
    scene.goes_on().await;
    scene.rests().await;
    let before = scene.books().await.rows().await;
    first.wake();
    let end = first.ended().await;
    assert!(end.contains("lead"), "it knows why it ends: {end}");
    ghosts.all_fail().await;
    assert_eq!(scene.books().await.rows().await, before);
    scene.wakes();
    scene.goes_on().await;
    scene.ends().await;
    second.close().await;
}
