//! What `eval`, `generate` and `merge` share: a base model with a PEFT folder on it.

use std::path::Path;

use schliff_spec::job::BaseModel;
use schliff_weights::read_adapter;

use crate::adapter::layout::Layout;
use crate::adapter::notes::holding_of;
use crate::adapter::peft::{layout_of, masters_of};
use crate::base::{Base, Replacements};
use crate::device;
use crate::failure::Failure;
use crate::model::holding::Holding;
use crate::model::load::held_network;
use crate::model::network::Network;
use crate::process::report::Reporter;

/// Parameters of an adapter and their values.
pub(super) struct Tuned {
    pub(super) layout: Layout,
    pub(super) masters: Vec<f32>,
    /// How training held the base, whose values these fit.
    pub(super) holding: Holding,
}

/// Opens a base model, and an adapter on it where one is named.
pub(super) fn open_tuned(
    model: &BaseModel,
    adapter: Option<&Path>,
    reporter: &Reporter,
) -> Result<(Base, Option<Tuned>), Failure> {
    reporter.stage("opening the base model");
    let base = Base::open(model, Replacements::default()).map_err(Failure::usage)?;
    let tuned = adapter
        .map(|folder| open_adapter(&base, folder, reporter))
        .transpose()?;
    Ok((base, tuned))
}

/// Layout and values of a PEFT folder on a base model.
pub(super) fn open_adapter(
    base: &Base,
    folder: &Path,
    reporter: &Reporter,
) -> Result<Tuned, Failure> {
    let adapter = read_adapter(folder).map_err(Failure::usage)?;
    let layout = layout_of(&adapter.config, base.weights.config()).map_err(Failure::usage)?;
    let masters = masters_of(&layout, &adapter).map_err(Failure::usage)?;
    let holding = holding_of(folder).map_err(Failure::usage)?;
    if holding != Holding::default() {
        reporter.warning(format!(
            "the adapter was trained with the base in {holding}; it is used in that form here"
        ));
    }
    Ok(Tuned {
        layout,
        masters,
        holding,
    })
}

/// The base's network for so many positions, in the form that the adapter was trained with.
pub(super) fn tuned_network(
    base: &Base,
    tuned: Option<&Tuned>,
    positions: usize,
) -> Result<Network, Failure> {
    let holding = tuned.map_or_else(Holding::default, |tuned| tuned.holding);
    let place = (&device(0)?, 1);
    held_network(&base.weights, positions, holding, place).map_err(Failure::usage)
}
