use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use schliff_coordinator::journal::{Journal, JournalUrl, Lease, Options};
use sqlx::{AnyPool, AssertSqlSafe, Executor};
use tempfile::TempDir;

/// A server on which databases may be made and dropped.
const POSTGRES: &str = "SCHLIFF_TEST_POSTGRES";

/// Makes one test of a scenario for each database.
macro_rules! on_both {
    ($($scenario:ident),* $(,)?) => {
        mod sqlite {
            $(#[test] fn $scenario() { crate::place::on_sqlite(super::$scenario); })*
        }
        mod postgres {
            $(#[test] fn $scenario() { crate::place::on_postgres(super::$scenario); })*
        }
    };
}
pub(crate) use on_both;

pub(crate) fn wait<T>(scenario: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(scenario)
}

pub(crate) fn file_in(folder: &TempDir) -> JournalUrl {
    JournalUrl::Sqlite(folder.path().join("a journal.db"))
}

pub(crate) fn on_sqlite<S: Future<Output = ()>>(scenario: impl FnOnce(JournalUrl) -> S) {
    let folder = tempfile::tempdir().unwrap();
    wait(scenario(file_in(&folder)));
}

pub(crate) fn on_postgres<S: Future<Output = ()>>(scenario: impl FnOnce(JournalUrl) -> S) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Ok(server) = std::env::var(POSTGRES) else {
        eprintln!("skipped: {POSTGRES} names no server");
        return;
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("schliff_test_{}_{count}", std::process::id());
    wait(async {
        let own = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        run(&server, format!("CREATE DATABASE {name}")).await;
        scenario(own.parse().unwrap()).await;
        run(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await;
    });
}

async fn run(server: &str, statement: String) {
    sqlx::any::install_default_drivers();
    let pool = AnyPool::connect(server).await.unwrap();
    pool.execute(AssertSqlSafe(statement)).await.unwrap();
    pool.close().await;
}

/// Changes a journal behind its back.
pub(crate) async fn meddle(url: &JournalUrl, statement: &'static str) {
    sqlx::any::install_default_drivers();
    let text = match url {
        JournalUrl::Sqlite(path) => format!(
            "sqlite://{}",
            path.display().to_string().replace(' ', "%20")
        ),
        JournalUrl::Postgres(text) => text.clone(),
    };
    let pool = AnyPool::connect(&text).await.unwrap();
    pool.execute(statement).await.unwrap();
    pool.close().await;
}

pub(crate) async fn open(url: &JournalUrl) -> Journal {
    Journal::open(url, Options::default()).await.unwrap()
}

/// A journal that is open, and the right to write to it.
pub(crate) async fn led(url: &JournalUrl) -> (Journal, Lease) {
    let journal = open(url).await;
    let lease = journal
        .try_lead("test", "http://127.0.0.1:1")
        .await
        .unwrap();
    (journal, lease.expect("nobody else leads"))
}
