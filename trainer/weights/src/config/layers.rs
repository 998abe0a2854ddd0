//! What each layer's attention sees: windows and rotation, layer by layer.

use super::keys::Keys;
use super::rope::{self, LayerKind};
use super::{Family, LayerAttention};
use crate::error::WeightsError;

pub(super) fn layers(
    keys: &Keys,
    family: Family,
    count: usize,
) -> Result<Vec<LayerAttention>, WeightsError> {
    let kinds = layer_kinds(keys, family, count)?;
    let window = if kinds.contains(&LayerKind::Sliding) {
        sliding_window(keys, family)?
    } else {
        None
    };
    let ropes = rope::read(keys, family)?;
    let layer = |kind: &LayerKind| LayerAttention {
        sliding_window: window.filter(|_| *kind == LayerKind::Sliding),
        rope: ropes.of(*kind),
    };
    Ok(kinds.iter().map(layer).collect())
}

/// The window of the layers that slide: exactly so many positions, the present one included.
fn sliding_window(keys: &Keys, family: Family) -> Result<Option<usize>, WeightsError> {
    let window = match keys.size_if_given("sliding_window")? {
        None if !keys.mentions("sliding_window") => Some(4096),
        given => given,
    };
    if window.is_none() && family != Family::Mistral {
        return Err(keys.fail("sliding_window", "missing, but there are sliding layers"));
    }
    Ok(window)
}

fn layer_kinds(keys: &Keys, family: Family, count: usize) -> Result<Vec<LayerKind>, WeightsError> {
    use LayerKind::{Full, Sliding};
    let slides = |by: &dyn Fn(usize) -> bool| -> Vec<LayerKind> {
        (0..count)
            .map(|layer| if by(layer) { Sliding } else { Full })
            .collect()
    };
    // Llama knows no windows and Mistral windows in all layers, whatever `layer_types` says.
    match family {
        Family::Llama => return Ok(vec![Full; count]),
        Family::Mistral => return Ok(vec![Sliding; count]),
        _ => {}
    }
    if let Some(types) = keys.texts("layer_types")? {
        let kinds = listed_kinds(keys, &types, count)?;
        let qwen = matches!(family, Family::Qwen2 | Family::Qwen3);
        if qwen && kinds.contains(&Sliding) && !keys.flag("use_sliding_window", false)? {
            let problem = "has sliding layers, but use_sliding_window is false";
            return Err(keys.fail("layer_types", problem));
        }
        return Ok(kinds);
    }
    Ok(match family {
        Family::Gemma2 => slides(&|layer| layer % 2 == 0),
        Family::Gemma3 => {
            let pattern = keys.size("sliding_window_pattern", 6)?;
            slides(&|layer| !(layer + 1).is_multiple_of(pattern))
        }
        _ if keys.flag("use_sliding_window", false)? => {
            // A window of `null` switches the sliding layers off.
            let windowed = keys.get("sliding_window").is_some() || !keys.mentions("sliding_window");
            let from = keys.number("max_window_layers")?.unwrap_or(28.0);
            slides(&|layer| windowed && layer as f64 >= from)
        }
        _ => slides(&|_| false),
    })
}

fn listed_kinds(keys: &Keys, types: &[&str], count: usize) -> Result<Vec<LayerKind>, WeightsError> {
    if types.len() != count {
        let problem = format!("{} entries for {count} layers", types.len());
        return Err(keys.fail("layer_types", problem));
    }
    let kind = |name: &&str| match *name {
        "full_attention" => Ok(LayerKind::Full),
        "sliding_attention" => Ok(LayerKind::Sliding),
        other => Err(keys.fail("layer_types", format!("{other:?} is not supported"))),
    };
    types.iter().map(kind).collect()
}
