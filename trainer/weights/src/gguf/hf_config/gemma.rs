//! What Gemma 2 and 3 have besides.

use serde_json::{Map, Value, json};

use super::source::Source;
use crate::error::WeightsError;

/// Layers between two global ones in Gemma 3, as llama.cpp assumes.
const GEMMA3_PATTERN: usize = 6;
/// Layers of the two Gemma models whose scores are not scaled by the head's width.
const GEMMA2_27B_LAYERS: usize = 46;
const GEMMA3_27B_LAYERS: usize = 62;

impl Source<'_> {
    pub(super) fn gemma(&self, config: &mut Map<String, Value>) -> Result<(), WeightsError> {
        let gemma3 = self.architecture == "gemma3";
        let layers = self.size("block_count")?;
        let window = self.size_if_given("attention.sliding_window")?;
        let default_window = if gemma3 { None } else { Some(4096) };
        let window = window.or(default_window);
        let window = window.ok_or_else(|| self.fail("attention.sliding_window", "missing"))?;
        config.insert("sliding_window".into(), json!(window));
        let pattern = if gemma3 { GEMMA3_PATTERN } else { 2 };
        let kinds: Vec<&str> = (1..=layers.min(1 << 16))
            .map(|layer| {
                if layer.is_multiple_of(pattern) {
                    "full_attention"
                } else {
                    "sliding_attention"
                }
            })
            .collect();
        config.insert("layer_types".into(), json!(kinds));
        config.insert(
            "query_pre_attn_scalar".into(),
            json!(self.query_scalar(layers, config)?),
        );
        for (hf, gguf) in [
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ] {
            config.insert(hf.into(), json!(self.number_if_given(gguf)?));
        }
        if gemma3 {
            config.insert("rope_local_base_freq".into(), json!(10_000.0));
        }
        Ok(())
    }

    /// What scores are divided by the root of: llama.cpp scales by the head's width except in
    /// the two 27B models, which it knows by their layers.
    fn query_scalar(
        &self,
        layers: usize,
        config: &Map<String, Value>,
    ) -> Result<f64, WeightsError> {
        if let Some(scale) = self
            .number_if_given("attention.scale")?
            .filter(|s| *s > 0.0)
        {
            return Ok((1.0 / (scale * scale)).round());
        }
        let size = |key: &str| config.get(key).and_then(Value::as_u64).unwrap_or(0) as f64;
        let big = if self.architecture == "gemma3" {
            GEMMA3_27B_LAYERS
        } else {
            GEMMA2_27B_LAYERS
        };
        if layers == big {
            return Ok(size("hidden_size") / size("num_attention_heads"));
        }
        Ok(size("head_dim"))
    }
}
