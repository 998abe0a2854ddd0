//! Guesses which key was meant.

use strsim::damerau_levenshtein;

use crate::schema::{SECTIONS, Section};

/// What other fine-tuning tools call our keys.
pub(crate) const OTHER_NAMES: &[(&str, &str)] = &[
    ("base_model", "model.base"),
    ("model_name_or_path", "model.base"),
    ("tokenizer_name_or_path", "model.tokenizer"),
    ("adapter_type", "adapter.method"),
    ("peft_type", "adapter.method"),
    ("r", "adapter.rank"),
    ("lora_r", "adapter.rank"),
    ("lora_rank", "adapter.rank"),
    ("lora_alpha", "adapter.alpha"),
    ("lora_dropout", "adapter.dropout"),
    ("target_modules", "adapter.targets"),
    ("lora_target", "adapter.targets"),
    ("lora_target_modules", "adapter.targets"),
    ("loraplus_lr_ratio", "adapter.lr_b_ratio"),
    ("dataset", "data.train"),
    ("datasets", "data.train"),
    ("train_file", "data.train"),
    ("validation", "data.eval"),
    ("validation_file", "data.eval"),
    ("max_length", "data.max_tokens"),
    ("max_seq_length", "data.max_tokens"),
    ("max_seq_len", "data.max_tokens"),
    ("sequence_len", "data.max_tokens"),
    ("cutoff_len", "data.max_tokens"),
    ("context_length", "data.max_tokens"),
    ("sample_packing", "data.packing"),
    ("assistant_only_loss", "data.loss_on"),
    ("completion_only_loss", "data.loss_on"),
    ("train_on_inputs", "data.loss_on"),
    ("num_epochs", "training.epochs"),
    ("num_train_epochs", "training.epochs"),
    ("max_steps", "training.steps"),
    ("iters", "training.steps"),
    ("learning_rate", "training.lr"),
    ("lr_scheduler", "training.schedule"),
    ("lr_scheduler_type", "training.schedule"),
    ("warmup_ratio", "training.warmup"),
    ("batch_size", "training.batch_samples"),
    ("global_batch_size", "training.batch_samples"),
    ("micro_batch_size", "training.micro_batch_samples"),
    (
        "per_device_train_batch_size",
        "training.micro_batch_samples",
    ),
    ("gradient_accumulation_steps", "training.batch_samples"),
    ("gradient_accumulation", "training.batch_samples"),
    ("max_grad_norm", "training.clip_norm"),
    ("max_norm", "training.clip_norm"),
    ("grad_clip", "training.clip_norm"),
    ("adam_beta1", "training.beta1"),
    ("adam_beta2", "training.beta2"),
    ("adam_epsilon", "training.eps"),
    ("dtype", "training.precision"),
    ("bf16", "training.precision"),
    (
        "gradient_checkpointing",
        "training.activation_checkpointing",
    ),
    ("eval_steps", "evaluation.every_steps"),
    ("save_total_limit", "checkpoint.keep"),
    ("output_dir", "checkpoint.uri"),
];

/// The path of the key that `name` in `section` probably stands for: the same name elsewhere,
/// another tool's name, or a name with few letters' difference, here first and then anywhere.
pub(crate) fn nearest_key(section: &Section, name: &str) -> Option<String> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    if section.key(&name).is_some() {
        return Some(section.path(&name));
    }
    if name.is_empty() {
        return None;
    }
    if section.name.is_empty() && crate::schema::section(&name).is_some() {
        return Some(name);
    }
    if let Some(home) = SECTIONS.iter().find(|home| home.key(&name).is_some()) {
        return Some(home.path(&name));
    }
    if let Some((_, path)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        return Some((*path).to_owned());
    }
    let here = section.keys.iter().map(|key| key.name);
    if section.name.is_empty() {
        let sections = SECTIONS.iter().map(|section| section.name);
        if let Some(nearest) = closest(&name, here.chain(sections)) {
            return Some(nearest.to_owned());
        }
    } else if let Some(nearest) = closest(&name, here) {
        return Some(section.path(nearest));
    }
    let anywhere = SECTIONS.iter().flat_map(|section| section.keys);
    let nearest = closest(&name, anywhere.map(|key| key.name))?;
    let home = SECTIONS.iter().find(|home| home.key(nearest).is_some())?;
    Some(home.path(nearest))
}

/// The word with the fewest differing letters, if that is few for its length.
pub(crate) fn closest<'a>(name: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if name.is_empty() || name.len() > LONGEST {
        return None;
    }
    words
        .map(|word| (damerau_levenshtein(name, word), word))
        .filter(|(distance, word)| *distance <= (word.len().min(name.len()) / 3).max(1))
        .filter(|(distance, word)| *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}
