//! Which tokens are trained, format by format. Trained stretches stand in brackets.

use schliff_data::dataset::{self, Vocabulary};
use schliff_data::sample::IGNORED;
use schliff_data::tokenizer::{GgufVocabulary, Tokenizer};
use schliff_spec::job::{DataFormat, LossOn, Overflow};

use crate::tokenizer::byte_level;
use crate::workbench::{Bench, EOS, marked, tokenizer};

fn marks(bench: &Bench, line: &str) -> String {
    marked(&bench.lines(&[line]).unwrap().samples[0])
}

#[test]
fn completions_are_trained_with_their_stop_token() {
    let bench = Bench::new(DataFormat::PromptCompletion);
    let line = r#"{"prompt": "Licht an?", "completion": " Ja, das Licht."}"#;
    assert_eq!(marks(&bench, line), "Licht an?[ Ja, das Licht.<|im_end|>]");
}

#[test]
fn no_token_reaches_over_the_border_between_prompt_and_completion() {
    // Joined, "Licht " and "im" would make one token of the space and the word.
    let bench = Bench::new(DataFormat::PromptCompletion);
    let tokenizer = tokenizer();
    let line = r#"{"prompt": "Licht ", "completion": "im Wohnzimmer"}"#;
    assert_eq!(marks(&bench, line), "Licht [im Wohnzimmer<|im_end|>]");
    let question = &bench.questions(&[line]).unwrap()[0];
    let sample = &bench.lines(&[line]).unwrap().samples[0];
    assert_eq!(
        question.prompt_ids,
        tokenizer.encode("Licht ", true).unwrap()
    );
    assert_eq!(
        sample.input_ids[..question.prompt_ids.len()],
        question.prompt_ids
    );
    let joined = tokenizer.encode("Licht im Wohnzimmer", true).unwrap();
    assert!(
        !sample.input_ids.starts_with(&joined),
        "the joined text was split apart"
    );
}

#[test]
fn a_stop_token_that_is_there_is_not_added_again() {
    let bench = Bench::new(DataFormat::PromptCompletion);
    let line = r#"{"prompt": "a", "completion": "b<|im_end|>"}"#;
    assert_eq!(marks(&bench, line), "a[b<|im_end|>]");
}

#[test]
fn a_tokenizers_own_ends_are_kept_and_only_the_last_is_trained() {
    let (bos, eos, yes) = (Some(1), Some(2), Some(true));
    let v = GgufVocabulary {
        bos,
        eos,
        add_bos: yes,
        add_eos: yes,
        ..byte_level()
    };
    let tokenizer = Tokenizer::from_gguf(&v).unwrap();
    let bench = Bench::new(DataFormat::PromptCompletion);
    // Tokenized whole, and in parts, since a token would reach over the border.
    for prompt in ["Licht an?", "Licht "] {
        let line = serde_json::json!({ "prompt": prompt, "completion": "im Wohnzimmer" });
        let files = [bench.file("ends.jsonl", line.to_string())];
        let loaded = dataset::load(&bench.data, &files, Some(&tokenizer), None, eos, 480).unwrap();
        let sample = &loaded.samples[0];
        let text = tokenizer.encode(prompt, false).unwrap();
        let prompt = [&[1], text.as_slice()].concat();
        assert_eq!(sample.input_ids[..prompt.len()], prompt);
        assert!(
            sample.labels[..prompt.len()]
                .iter()
                .all(|&label| label == IGNORED)
        );
        assert!(
            sample.labels[prompt.len()..]
                .iter()
                .all(|&label| label != IGNORED)
        );
        let ends = sample.input_ids.iter().filter(|&&id| id == 2).count();
        assert_eq!((ends, sample.input_ids.last()), (1, Some(&2)));
        let vocabulary = Vocabulary {
            tokenizer: Some(&tokenizer),
            template: None,
            eos,
            size: 480,
        };
        let questions = dataset::prompts(&bench.data, &files, vocabulary, 1).unwrap();
        assert_eq!(questions[0].prompt_ids, prompt);
    }
}

#[test]
fn an_empty_completion_trains_the_stop_token_alone() {
    let bench = Bench::new(DataFormat::PromptCompletion);
    assert_eq!(
        marks(&bench, r#"{"prompt": "a", "completion": ""}"#),
        "a[<|im_end|>]"
    );
}

#[test]
fn text_is_trained_whole() {
    let bench = Bench::new(DataFormat::Text);
    let sample = bench.lines(&[r#"{"text": "Grüße 🙂"}"#]).unwrap().samples[0].clone();
    assert_eq!(marked(&sample), "[Grüße 🙂<|im_end|>]");
    assert_eq!(sample.trained_tokens(), sample.input_ids.len() - 1);
    assert_eq!(sample.input_ids.last(), Some(&EOS));
    // The first token, "G", is not predicted; markup is no text.
    assert_eq!(sample.trained_bytes, Some("rüße 🙂".len()));
}

#[test]
fn chats_train_each_answer_up_to_its_stop_token() {
    let bench = Bench::new(DataFormat::Messages).template("chatml");
    let line = r#"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "1?"},
        {"role": "assistant", "content": "eins"}, {"role": "user", "content": "2?"},
        {"role": "assistant", "content": "zwei"}]}"#;
    let sample = bench.lines(&[&line.replace('\n', " ")]).unwrap().samples[0].clone();
    assert_eq!(
        marked(&sample),
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n1?<|im_end|>\n<|im_start|>assistant\n\
         [eins<|im_end|>]\n<|im_start|>user\n2?<|im_end|>\n<|im_start|>assistant\n[zwei<|im_end|>]\n"
    );
    assert_eq!(sample.trained_bytes, Some("einszwei".len()));
}

#[test]
fn chats_may_train_every_token() {
    let mut bench = Bench::new(DataFormat::Messages).template("chatml");
    bench.data.loss_on = LossOn::All;
    let line =
        r#"{"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "?"}]}"#;
    let all = "[<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n?<|im_end|>\n]";
    assert_eq!(marks(&bench, line), all);
}

#[test]
fn sharegpt_is_messages_by_other_names() {
    let bench = Bench::new(DataFormat::Sharegpt).template("chatml");
    let line = r#"{"conversations": [{"from": "system", "value": "S"}, {"from": "human", "value": "1?"}, {"from": "gpt", "value": "eins"}]}"#;
    let tail = "<|im_start|>user\n1?<|im_end|>\n<|im_start|>assistant\n[eins<|im_end|>]\n";
    assert!(marks(&bench, line).ends_with(tail));
}

#[test]
fn alpaca_uses_the_template_or_its_own_prompt() {
    let line = r#"{"instruction": "Zähle.", "input": "bis 2", "output": "1 2"}"#;
    let bare = r#"{"instruction": "Zähle.", "output": "1 2"}"#;
    let plain = Bench::new(DataFormat::Alpaca);
    let classic = marks(&plain, line);
    assert!(classic.starts_with("Below is an instruction that describes a task, paired with"));
    let tail =
        "\n\n### Instruction:\nZähle.\n\n### Input:\nbis 2\n\n### Response:\n[1 2<|im_end|>]";
    assert!(classic.ends_with(tail), "{classic}");
    let tail = "\n\n### Instruction:\nZähle.\n\n### Response:\n[1 2<|im_end|>]";
    assert!(marks(&plain, bare).ends_with(tail));
    let chat = Bench::new(DataFormat::Alpaca).template("chatml");
    let tail =
        "<|im_start|>user\nZähle.\n\nbis 2<|im_end|>\n<|im_start|>assistant\n[1 2<|im_end|>]\n";
    assert!(marks(&chat, line).ends_with(tail));
}

#[test]
fn prompts_of_messages_train_the_completion_alone() {
    let bench = Bench::new(DataFormat::PromptCompletion).template("chatml");
    let line = r#"{"prompt": [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "eins"},
        {"role": "user", "content": "2?"}], "completion": [{"role": "assistant", "content": "zwei"}]}"#;
    let marks = marks(&bench, &line.replace('\n', " "));
    assert!(marks.contains("assistant\neins<|im_end|>\n"), "{marks}");
    assert!(marks.ends_with("assistant\n[zwei<|im_end|>]\n"), "{marks}");
}

#[test]
fn tokens_are_taken_as_they_are() {
    let bench = Bench::new(DataFormat::Tokens);
    let lines = [
        r#"{"input_ids": [5, 6, 7], "labels": [-100, 9, -100]}"#,
        r#"{"input_ids": [8, 9]}"#,
    ];
    let samples = bench.lines(&lines).unwrap().samples;
    assert_eq!(samples[0].input_ids, [5, 6, 7]);
    assert_eq!(samples[0].labels, [-100, 9, -100]);
    assert_eq!(samples[0].trained_bytes, None);
    assert_eq!(samples[1].labels, [8, 9]);
    assert_eq!((samples[1].id, samples[1].origin.line), (1, 2));
}

#[test]
fn questions_end_where_the_answer_begins() {
    let line = r#"{"messages": [{"role": "user", "content": "1?"}, {"role": "assistant", "content": "eins"}]}"#;
    let bench = Bench::new(DataFormat::Messages).template("chatml");
    let question = &bench.questions(&[line]).unwrap()[0];
    let sample = &bench.lines(&[line]).unwrap().samples[0];
    assert_eq!(question.answer, "eins");
    let text = tokenizer().decode(&question.prompt_ids, false).unwrap();
    assert!(
        text.ends_with("1?<|im_end|>\n<|im_start|>assistant\n"),
        "{text}"
    );
    assert_eq!(
        sample.input_ids[..question.prompt_ids.len()],
        question.prompt_ids
    );
}

#[test]
fn long_samples_are_cut_left_out_or_split() {
    let line =
        r#"{"input_ids": [1, 2, 3, 4, 5, 6, 7], "labels": [-100, -100, 3, 4, -100, -100, 7]}"#;
    let short = r#"{"input_ids": [1, 2]}"#;
    let late = r#"{"input_ids": [1, 2, 3, 4], "labels": [-100, -100, -100, 4]}"#;
    let load = |overflow| {
        let bench = Bench::new(DataFormat::Tokens).cut(3, overflow);
        let dataset = bench.lines(&[line, short, late]).unwrap();
        let ids: Vec<_> = dataset
            .samples
            .iter()
            .map(|sample| sample.input_ids.clone())
            .collect();
        let r = dataset.report;
        (
            ids,
            [r.samples, r.truncated, r.dropped, r.split, r.zero_mask],
        )
    };
    // The first label of a piece has nothing before it to be predicted from.
    let split = (vec![vec![1, 2, 3], vec![1, 2]], [2, 0, 0, 2, 4]);
    assert_eq!(
        load(Overflow::Truncate),
        (vec![vec![1, 2, 3], vec![1, 2]], [2, 2, 0, 0, 1])
    );
    assert_eq!(load(Overflow::Drop), (vec![vec![1, 2]], [1, 0, 2, 0, 0]));
    assert_eq!(load(Overflow::Split), split);
}

#[test]
fn bytes_of_split_text_add_up() {
    let text = "Die Hauptstadt von Deutschland ist Berlin. Wasser kocht bei 100 Grad.";
    let line = serde_json::json!({ "text": text }).to_string();
    let bench = Bench::new(DataFormat::Text).cut(6, Overflow::Split);
    let dataset = bench.lines(&[&line]).unwrap();
    assert!(dataset.samples.len() > 2);
    // Each piece leaves out the bytes of its first token, which is not predicted.
    let tokenizer = tokenizer();
    let mut bytes = 0;
    for sample in &dataset.samples {
        bytes += sample.trained_bytes.unwrap();
        bytes += tokenizer
            .decode(&sample.input_ids[..1], false)
            .unwrap()
            .len();
    }
    assert_eq!(bytes, text.len());
}

#[test]
fn a_character_cut_in_two_counts_its_bytes_once() {
    let line = r#"{"text": "🙂🙂"}"#;
    let bench = Bench::new(DataFormat::Text).cut(3, Overflow::Split);
    let samples = bench.lines(&[line]).unwrap().samples;
    let bytes: Vec<_> = samples
        .iter()
        .map(|sample| sample.trained_bytes.unwrap())
        .collect();
    // Four tokens a smiley, cut at 3 and 6, and the stop token: the first piece ends in the first
    // smiley, the second begins there and goes on with the second, the third begins there.
    assert_eq!(
        samples
            .iter()
            .map(|s| s.input_ids.len())
            .collect::<Vec<_>>(),
        [3, 3, 3]
    );
    assert_eq!(bytes, [0, 4, 0]);
}
