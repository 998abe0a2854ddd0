//! The numbers of transformers, PEFT and torch, reproduced: tests only.
//!
//! Fixtures come from `reference/make_fixtures.py`; each names the versions it was made with.

mod curves;
mod devices;
mod formulas;
mod losses;
mod precision;
mod slopes;
mod smollm2;
mod words;

use std::path::{Path, PathBuf};

use schliff_data::sample::{Origin, Sample};
use schliff_weights::{Adapter, BaseWeights, read_adapter};
use serde_json::Value;

use crate::adapter::layout::Layout;
use crate::adapter::peft::{layout_of, masters_of};
use crate::model::batch::Leaf;
use crate::model::load::network;
use crate::model::network::Network;
use crate::model::projection::Context;
use crate::tensor::device::Device;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path)
}

fn json(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).expect("fixture");
    serde_json::from_str(&text).expect("JSON")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter()
        .map(|number| number.as_f64().expect("a number"))
        .collect()
}

fn sample(id: u64, input_ids: &Value, labels: &Value) -> Sample {
    let ids = |value: &Value| {
        numbers(value)
            .into_iter()
            .map(|id| id as i64)
            .collect::<Vec<_>>()
    };
    Sample {
        id,
        input_ids: ids(input_ids).into_iter().map(|id| id as u32).collect(),
        labels: ids(labels),
        trained_bytes: None,
        origin: Origin { file: 0, line: 1 },
    }
}

/// A base model with an adapter on it.
struct Tuned {
    network: Network,
    adapter: Option<(Layout, Vec<f32>, Adapter)>,
}

impl Tuned {
    fn open(base: &BaseWeights, adapter: Option<&Path>) -> Self {
        let adapter = adapter.map(|dir| {
            let adapter = read_adapter(dir).expect("adapter");
            let layout = layout_of(&adapter.config, base.config()).expect("layout");
            let masters = masters_of(&layout, &adapter).expect("factors");
            (layout, masters, adapter)
        });
        Self {
            network: network(base, 512, &Device::host()).expect("weights"),
            adapter,
        }
    }

    /// Negative log-likelihood of every token after the first.
    fn losses(&self, sample: &Sample) -> Vec<f32> {
        let leaf = Leaf::new([sample]);
        let adapter = self
            .adapter
            .as_ref()
            .map(|(layout, masters, _)| self.network.adapter(layout, masters));
        let context = Context {
            leaf: &leaf,
            adapter: adapter.as_ref(),
            dropout: None,
        };
        self.network.losses(&context)
    }
}
