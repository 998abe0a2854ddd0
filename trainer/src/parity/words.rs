//! Tokens, chat template, greedy answers and packing of the real model, as HF has them.

use schliff_data::template::Message;
use schliff_spec::job::BaseModel;
use serde_json::Value;

use super::smollm2::path;
use super::{fixture, json, numbers, sample};
use crate::base::{Base, Replacements};
use crate::model::batch::Leaf;
use crate::model::decode::{Stop, generate};
use crate::model::load::network;
use crate::model::projection::Context;
use crate::tensor::device::Device;

fn open() -> Option<(Base, Value)> {
    let base = Base::open(&BaseModel::Gguf(path()?), Replacements::default()).expect("base");
    Some((base, json(&fixture("smollm2/losses.json"))))
}

fn messages(value: &Value) -> Vec<Message> {
    let list = value.as_array().expect("messages").iter();
    let text = |message: &Value, key: &str| message[key].as_str().expect("text").to_owned();
    list.map(|m| Message::new(&text(m, "role"), &text(m, "content")))
        .collect()
}

fn ids(value: &Value) -> Vec<u32> {
    numbers(value).into_iter().map(|id| id as u32).collect()
}

#[test]
fn texts_and_chats_become_the_tokens_that_hf_makes_of_them() {
    let Some((base, expected)) = open() else {
        return;
    };
    let (tokenizer, template) = (
        base.tokenizer.expect("tokenizer"),
        base.template.expect("template"),
    );
    for text in expected["texts"].as_array().expect("texts") {
        let found = tokenizer
            .encode(text["text"].as_str().expect("text"), true)
            .expect("tokens");
        assert_eq!(found, ids(&text["input_ids"]), "{}", text["text"]);
    }
    for chat in expected["chats"].as_array().expect("chats") {
        let prompt = chat["add_generation_prompt"].as_bool().unwrap_or(false);
        let text = template
            .render(&messages(&chat["messages"]), None, prompt)
            .expect("text");
        assert_eq!(Some(text.as_str()), chat["text"].as_str());
        let found = tokenizer.encode(&text, false).expect("tokens");
        assert_eq!(found, ids(&chat["input_ids"]));
    }
}

#[test]
fn a_greedy_answer_is_that_of_transformers() {
    let Some((base, expected)) = open() else {
        return;
    };
    let network = network(&base.weights, 128, &Device::host()).expect("weights");
    let (tokenizer, template) = (
        base.tokenizer.expect("tokenizer"),
        base.template.expect("template"),
    );
    let greedy = &expected["greedy"];
    let text = template
        .render(&messages(&greedy["messages"]), None, true)
        .expect("text");
    let prompt = tokenizer.encode(&text, false).expect("tokens");
    let new = ids(&greedy["new_tokens"]);
    let stop = Stop {
        tokens: &[],
        max_new_tokens: new.len(),
    };
    // A second prompt decodes beside the first and must not disturb it.
    let prompts = [prompt.clone(), prompt[..prompt.len() - 3].to_vec()];
    let answers = generate(&network, None, &prompts, &stop, |_, _| true);
    assert_eq!(answers[0], new);
}

#[test]
fn packed_samples_have_the_loss_of_samples_alone() {
    let Some((base, expected)) = open() else {
        return;
    };
    let network = network(&base.weights, 64, &Device::host()).expect("weights");
    let tokenizer = base.tokenizer.expect("tokenizer");
    let packing = &expected["packing"];
    let texts = packing["texts"]
        .as_array()
        .expect("texts")
        .iter()
        .enumerate();
    let samples = texts.map(|(id, text)| {
        let ids = tokenizer
            .encode(text.as_str().expect("text"), true)
            .expect("tokens");
        sample(id as u64, &serde_json::json!(ids), &serde_json::json!(ids))
    });
    let samples: Vec<_> = samples.collect();
    let leaf = Leaf::new(&samples);
    let losses = network.losses(&Context {
        leaf: &leaf,
        adapter: None,
        dropout: None,
    });
    let mean = losses.iter().map(|&l| f64::from(l)).sum::<f64>() / losses.len() as f64;
    let alone = packing["alone"].as_f64().expect("loss");
    let contaminated = packing["positions_restarted_only"].as_f64().expect("loss");
    assert!((mean - alone).abs() < 1e-4, "{mean} against {alone}");
    assert!(
        (mean - contaminated).abs() > 0.1,
        "the comparison could not fail"
    );
}
