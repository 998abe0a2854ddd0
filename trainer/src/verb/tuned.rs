//! What `eval`, `generate` and `merge` share: a base model with a PEFT folder on it.

use std::path::Path;

use schliff_spec::job::BaseModel;
use schliff_weights::read_adapter;

use crate::adapter::layout::Layout;
use crate::adapter::peft::{layout_of, masters_of};
use crate::base::{Base, Replacements};
use crate::failure::Failure;
use crate::process::report::Reporter;

/// Parameters of an adapter and their values.
pub(super) type Tuned = (Layout, Vec<f32>);

/// Opens a base model, and an adapter on it where one is named.
pub(super) fn open_tuned(
    model: &BaseModel,
    adapter: Option<&Path>,
    reporter: &Reporter,
) -> Result<(Base, Option<Tuned>), Failure> {
    reporter.stage("opening the base model");
    let base = Base::open(model, Replacements::default()).map_err(Failure::usage)?;
    let tuned = adapter
        .map(|folder| open_adapter(&base, folder))
        .transpose()?;
    Ok((base, tuned))
}

/// Layout and values of a PEFT folder on a base model.
pub(super) fn open_adapter(base: &Base, folder: &Path) -> Result<Tuned, Failure> {
    let adapter = read_adapter(folder).map_err(Failure::usage)?;
    let layout = layout_of(&adapter.config, base.weights.config()).map_err(Failure::usage)?;
    let masters = masters_of(&layout, &adapter).map_err(Failure::usage)?;
    Ok((layout, masters))
}
