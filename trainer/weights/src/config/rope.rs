//! Rotary settings in transformers' two spellings.
//!
//! transformers 4: `rope_theta`, `rope_scaling` (with `type` or `rope_type`), for Gemma 3 also
//! `rope_local_base_freq`. transformers 5: `rope_parameters`, nested by layer type for Gemma 3.
//! A non-empty `rope_scaling` wins over `rope_parameters`, a theta inside over one outside.

use super::keys::Keys;
use super::{Family, Rope, RopeScaling};
use crate::error::WeightsError;

const DEFAULT_THETA: f64 = 10_000.0;
const GEMMA3_GLOBAL_THETA: f64 = 1_000_000.0;

/// What transformers calls a layer type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LayerKind {
    /// `full_attention`.
    Full,
    /// `sliding_attention`.
    Sliding,
}

/// The rotary settings of both kinds of layers.
pub(super) struct Ropes {
    full: Rope,
    sliding: Rope,
}

impl Ropes {
    pub(super) fn of(&self, kind: LayerKind) -> Rope {
        match kind {
            LayerKind::Full => self.full,
            LayerKind::Sliding => self.sliding,
        }
    }
}

pub(super) fn read(keys: &Keys, family: Family) -> Result<Ropes, WeightsError> {
    if family == Family::Gemma3 {
        return read_gemma3(keys);
    }
    let parameters = match keys.object("rope_scaling")? {
        Some(scaling) => Some(scaling),
        None => keys.object("rope_parameters")?,
    };
    if let Some(parameters) = parameters {
        refuse_nested(&parameters)?;
    }
    let theta = keys.positive("rope_theta")?.unwrap_or(DEFAULT_THETA);
    let rope = rope(keys, parameters.as_ref(), theta)?;
    Ok(Ropes {
        full: rope,
        sliding: rope,
    })
}

/// Scaling, where given in the old spelling, is for the global layers alone.
fn read_gemma3(keys: &Keys) -> Result<Ropes, WeightsError> {
    let nested = keys.object("rope_parameters")?;
    let (mut full, mut sliding) = (None, None);
    if let Some(nested) = nested {
        full = nested.object("full_attention")?;
        sliding = nested.object("sliding_attention")?;
        if nested.mentions("rope_theta") || nested.mentions("rope_type") {
            let problem = "not split into full_attention and sliding_attention";
            return Err(keys.fail("rope_parameters", problem));
        }
    }
    if let Some(scaling) = keys.object("rope_scaling")? {
        full = Some(scaling);
    }
    let global = keys.positive("rope_theta")?.unwrap_or(GEMMA3_GLOBAL_THETA);
    let local = keys
        .positive("rope_local_base_freq")?
        .unwrap_or(DEFAULT_THETA);
    Ok(Ropes {
        full: rope(keys, full.as_ref(), global)?,
        sliding: rope(keys, sliding.as_ref(), local)?,
    })
}

fn refuse_nested(parameters: &Keys) -> Result<(), WeightsError> {
    for key in ["full_attention", "sliding_attention"] {
        if parameters.mentions(key) {
            return Err(parameters.fail(key, "this family has one rotation for all layers"));
        }
    }
    Ok(())
}

fn rope(config: &Keys, given: Option<&Keys>, theta: f64) -> Result<Rope, WeightsError> {
    let Some(given) = given else {
        return Ok(Rope {
            theta,
            scaling: RopeScaling::None,
        });
    };
    let theta = given.positive("rope_theta")?.unwrap_or(theta);
    if given
        .number("partial_rotary_factor")?
        .is_some_and(|factor| factor != 1.0)
    {
        return Err(given.fail("partial_rotary_factor", "partial rotation is not supported"));
    }
    let (key, kind) = match given.text("rope_type")? {
        Some(kind) => ("rope_type", kind),
        None => ("type", given.text("type")?.unwrap_or("default")),
    };
    let required = |key: &str| {
        given
            .positive(key)?
            .ok_or_else(|| given.fail(key, format!("missing, {kind} needs it")))
    };
    let scaling = match kind {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear {
            factor: required("factor")?,
        },
        "llama3" => RopeScaling::Llama3 {
            factor: required("factor")?,
            low_freq_factor: required("low_freq_factor")?,
            high_freq_factor: required("high_freq_factor")?,
            original_max_positions: original_positions(config, given)?,
        },
        other => {
            let problem = format!("{other:?} is not supported (default, linear and llama3 are)");
            return Err(given.fail(key, problem));
        }
    };
    if let RopeScaling::Llama3 {
        low_freq_factor,
        high_freq_factor,
        ..
    } = scaling
        && high_freq_factor <= low_freq_factor
    {
        return Err(given.fail("high_freq_factor", "must be above low_freq_factor"));
    }
    Ok(Rope { theta, scaling })
}

/// transformers falls back on the whole context when the key is missing.
fn original_positions(config: &Keys, given: &Keys) -> Result<usize, WeightsError> {
    const KEY: &str = "original_max_position_embeddings";
    if let Some(outside) = config.size_if_given(KEY)? {
        return Ok(outside);
    }
    if let Some(inside) = given.size_if_given(KEY)? {
        return Ok(inside);
    }
    config
        .size_if_given("max_position_embeddings")?
        .ok_or_else(|| given.fail(KEY, "missing, llama3 needs it"))
}
