use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AnyPool, Row};

/// The journal's tables, read past the coordinator.
pub(crate) struct Books {
    pool: AnyPool,
}

/// What there is of everything, and who leads.
const COUNTS: [(&str, &str); 8] = [
    ("facts", "SELECT COUNT(*) FROM facts"),
    ("points", "SELECT COUNT(*) FROM points"),
    ("checkpoints", "SELECT COUNT(*) FROM checkpoints"),
    ("lines", "SELECT COUNT(*) FROM lines"),
    ("reports", "SELECT COUNT(*) FROM reports"),
    ("taken", "SELECT CAST(SUM(taken) AS BIGINT) FROM reports"),
    ("snapshots", "SELECT COUNT(*) FROM snapshots"),
    ("epoch", "SELECT epoch FROM lease"),
];

impl Books {
    pub(crate) async fn open(database: &str) -> Self {
        sqlx::any::install_default_drivers();
        Self {
            pool: AnyPool::connect(database).await.expect("a database"),
        }
    }

    pub(crate) async fn rows(&self) -> BTreeMap<&'static str, i64> {
        let mut rows = BTreeMap::new();
        for (what, count) in COUNTS {
            let count = sqlx::query_scalar(count).fetch_one(&self.pool).await;
            rows.insert(what, count.expect("a count"));
        }
        rows
    }

    /// Facts are numbered without a gap, and nothing is said to have happened twice. Gives how many
    /// there are of each kind.
    pub(crate) async fn are_in_order(&self) -> BTreeMap<String, usize> {
        let rows = sqlx::query("SELECT seq, body FROM facts ORDER BY seq");
        let rows = rows.fetch_all(&self.pool).await.expect("facts");
        let (mut seen, mut kinds) = (BTreeSet::new(), BTreeMap::new());
        for (expected, row) in (1_i64..).zip(rows) {
            let seq: i64 = row.try_get(0).expect("a number");
            assert_eq!(seq, expected, "numbers have no gap");
            let body: String = row.try_get(1).expect("a text");
            let mut fact: Value = serde_json::from_str(&body).expect("JSON");
            let fact = fact.as_object_mut().expect("an object");
            fact.remove("at").expect("a time");
            let kind = fact["fact"].as_str().expect("a kind").to_owned();
            *kinds.entry(kind).or_default() += 1;
            let what = serde_json::to_string(&fact).expect("JSON");
            assert!(seen.insert(what), "fact {seq} happened before: {body}");
        }
        kinds
    }

    pub(crate) async fn close(self) {
        self.pool.close().await;
    }
}
