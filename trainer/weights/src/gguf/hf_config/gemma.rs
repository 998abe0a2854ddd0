//! What Gemma 2 and 3 have besides.

use serde_json::{Map, Value, json};

use super::source::Source;
use crate::error::WeightsError;
use crate::gguf::MetadataValue;

/// Layers between two global ones in Gemma 3, as llama.cpp assumes.
const GEMMA3_PATTERN: usize = 6;
/// Layers of the two Gemma models whose scores are not scaled by the head's width.
const GEMMA2_27B_LAYERS: usize = 46;
const GEMMA3_27B_LAYERS: usize = 62;

/// Gemma 2 alternates.
const GEMMA2_PATTERN: usize = 2;
/// Gemma 2's window, where the file does not say.
const GEMMA2_WINDOW: usize = 4096;
/// More layers are refused when the configuration is parsed; no list need be longer.
const MAX_LAYERS: usize = 1 << 16;
/// The wavelength base of Gemma 3's sliding layers, where the file does not say.
const GEMMA3_LOCAL_THETA: f64 = 10_000.0;

impl Source<'_> {
    pub(super) fn gemma(&self, config: &mut Map<String, Value>) -> Result<(), WeightsError> {
        let gemma3 = self.architecture == "gemma3";
        let layers = self.size("block_count")?;
        let default_window = if gemma3 { None } else { Some(GEMMA2_WINDOW) };
        let window = self
            .size_if_given("attention.sliding_window")?
            .or(default_window);
        let window = window.ok_or_else(|| self.fail("attention.sliding_window", "missing"))?;
        config.insert("sliding_window".into(), json!(window));
        config.insert("layer_types".into(), json!(self.layer_types(layers)?));
        let scalar = self.query_scalar(layers, config)?;
        config.insert("query_pre_attn_scalar".into(), json!(scalar));
        // A cap that is left out is left out here too: the defaults are the same.
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] {
            if let Some(cap) = self.number_if_given(key)? {
                config.insert(key.into(), json!(cap));
            }
        }
        if gemma3 {
            let theta = self
                .number_if_given("rope.freq_base_swa")?
                .unwrap_or(GEMMA3_LOCAL_THETA);
            config.insert("rope_local_base_freq".into(), json!(theta));
        }
        Ok(())
    }

    /// By the file's pattern, which is a period or a list that says which layers slide; else by
    /// the family's.
    fn layer_types(&self, layers: usize) -> Result<Vec<&'static str>, WeightsError> {
        const KEY: &str = "attention.sliding_window_pattern";
        let default = if self.architecture == "gemma3" {
            GEMMA3_PATTERN
        } else {
            GEMMA2_PATTERN
        };
        let name = |slides: bool| {
            if slides {
                "sliding_attention"
            } else {
                "full_attention"
            }
        };
        if let Some(listed) = self.optional(KEY).and_then(MetadataValue::as_array) {
            let slides: Option<Vec<bool>> = listed.iter().map(MetadataValue::as_bool).collect();
            let slides = slides.ok_or_else(|| self.fail(KEY, "not a list of bools"))?;
            return Ok(slides.into_iter().map(name).collect());
        }
        let period = self.size_if_given(KEY)?.unwrap_or(default);
        Ok((1..=layers.min(MAX_LAYERS))
            .map(|layer| name(!layer.is_multiple_of(period)))
            .collect())
    }

    /// What scores are divided by the root of: llama.cpp scales by the head's width except in
    /// the two 27B models, which it knows by their layers. A whole number, because transformers 5
    /// takes no other.
    fn query_scalar(
        &self,
        layers: usize,
        config: &Map<String, Value>,
    ) -> Result<u64, WeightsError> {
        if let Some(scale) = self
            .number_if_given("attention.scale")?
            .filter(|s| *s > 0.0)
        {
            return Ok((1.0 / (scale * scale)).round() as u64);
        }
        let size = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or(0);
        let big = if self.architecture == "gemma3" {
            GEMMA3_27B_LAYERS
        } else {
            GEMMA2_27B_LAYERS
        };
        if layers == big {
            return Ok(size("hidden_size") / size("num_attention_heads").max(1));
        }
        Ok(size("head_dim"))
    }
}
