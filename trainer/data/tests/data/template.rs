use schliff_data::template::{ChatTemplate, Conversation, Message};

use crate::workbench::{conversation, json, template};

#[test]
fn every_template_renders_as_hf_renders_it() {
    let fixtures = json("templates.json");
    let cases = fixtures["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 7 * 10 * 2);
    for case in cases {
        let name = case["template"].as_str().unwrap();
        let (messages, tools) = conversation(case["conversation"].as_str().unwrap());
        let prompt = case["prompt"].as_bool().unwrap();
        let rendered = template(name).render(&messages, tools.as_ref(), prompt);
        // Python refuses to join text and a list, where this engine may print the list.
        if case["error"] == "TypeError" {
            continue;
        }
        let place = format!("{name} {} {prompt}", case["conversation"]);
        assert_eq!(rendered.ok().as_deref(), case["text"].as_str(), "{place}");
    }
}

#[test]
fn marks_of_the_template_are_hfs() {
    let marked = template("marked");
    assert!(marked.marks_generation());
    let mut spans = 0;
    for case in json("templates.json")["cases"].as_array().unwrap() {
        if case["template"] != "marked" || case["prompt"] == true {
            continue;
        }
        let (messages, tools) = conversation(case["conversation"].as_str().unwrap());
        let asked = Conversation {
            messages: &messages,
            tools: tools.as_ref(),
            from: 0,
        };
        let turns = marked.turns(asked, &[]).unwrap();
        assert_eq!(turns.text, case["text"].as_str().unwrap());
        let found: Vec<_> = turns
            .assistant
            .iter()
            .map(|span| &turns.text[span.clone()])
            .collect();
        let expected = case["assistant"].as_array().unwrap();
        assert_eq!(
            found,
            expected
                .iter()
                .map(|t| t.as_str().unwrap())
                .collect::<Vec<_>>()
        );
        spans += found.len();
    }
    assert!(spans > 10);
}

/// The assistant's turns of a fixture conversation in a fixture template.
fn turns(name: &str, talk: &str) -> Result<Vec<String>, String> {
    let (messages, tools) = conversation(talk);
    let special = [
        "<|im_end|>",
        "<|eot_id|>",
        "<|start_header_id|>",
        "<end_of_turn>",
        "</s>",
    ];
    let special = special.map(str::to_owned);
    let asked = Conversation {
        messages: &messages,
        tools: tools.as_ref(),
        from: 0,
    };
    let turns = template(name)
        .turns(asked, &special)
        .map_err(|error| error.to_string())?;
    assert_eq!(
        turns.text,
        template(name)
            .render(&messages, tools.as_ref(), false)
            .unwrap()
    );
    Ok(turns
        .assistant
        .iter()
        .map(|span| turns.text[span.clone()].to_owned())
        .collect())
}

#[test]
fn each_turn_runs_from_its_prompt_to_its_stop_token() {
    let cases = [
        ("chatml", "plain", vec!["Guten Tag!<|im_end|>"]),
        ("chatml", "system", vec![" Berlin. \n<|im_end|>"]),
        (
            "chatml",
            "multi",
            vec!["1<|im_end|>", "2<|im_end|>", "3<|im_end|>"],
        ),
        ("chatml", "question", vec![]),
        ("headers", "system", vec!["Berlin.<|eot_id|>"]),
        (
            "headers",
            "multi",
            vec!["1<|eot_id|>", "2<|eot_id|>", "3<|eot_id|>"],
        ),
        (
            "headers",
            "tool",
            vec![
                "{\"name\": \"get_weather\", \"parameters\": {\"ort\": \"Köln\", \"tage\": 2}}<|eot_id|>",
                "21 Grad.<|eot_id|>",
            ],
        ),
        (
            "turns",
            "multi",
            vec!["1<end_of_turn>", "2<end_of_turn>", "3<end_of_turn>"],
        ),
        ("turns", "parts", vec!["Antwort<end_of_turn>"]),
        ("brackets", "plain", vec![" Guten Tag!</s>"]),
        ("always", "plain", vec!["Guten Tag!<|eot_id|>"]),
        (
            "always",
            "multi",
            vec!["1<|eot_id|>", "2<|eot_id|>", "3<|eot_id|>"],
        ),
    ];
    for (name, talk, expected) in cases {
        assert_eq!(turns(name, talk).unwrap(), expected, "{name} {talk}");
    }
}

#[test]
fn turns_that_are_rendered_anew_later_on_are_trained_as_they_stand() {
    let last = "<think>\nja\n</think>\n\n2<|im_end|>";
    assert_eq!(turns("thinking", "think").unwrap(), ["1<|im_end|>", last]);
    let last = "<think>\ndarum\n</think>\n\n2<|im_end|>";
    assert_eq!(
        turns("thinking", "reasoning").unwrap(),
        ["1<|im_end|>", last]
    );
    let calls = "Moment\n<tool_call>\n{\"name\": \"a\", \"arguments\": {\"ort\": \"Köln\"}}\n</tool_call>\
                 \n<tool_call>\n{\"name\": \"b\", \"arguments\": {\"x\": [1, null, true]}}\n</tool_call><|im_end|>";
    let last = "<think>\n\n</think>\n\nGern<|im_end|>";
    assert_eq!(
        turns("thinking", "tools").unwrap(),
        [calls, "ok<|im_end|>", last]
    );
}

#[test]
fn a_system_text_that_moves_to_the_last_question_is_refused_not_guessed() {
    // With more turns the system text lands elsewhere: what precedes an early answer changes.
    let found = turns("brackets", "multi").unwrap();
    assert_eq!(found, [" 1</s>", " 2</s>", " 3</s>"]);
    let source = "{% for m in messages %}{% if loop.last %}{{ m.content|upper }}{% else %}\
                  {{ m.content|lower }}{{ messages|length }}{% endif %}{% endfor %}";
    let template = ChatTemplate::new(source, None, None).unwrap();
    let messages =
        ["user", "assistant", "user", "assistant"].map(|role| Message::new(role, "Text"));
    let asked = Conversation {
        messages: &messages,
        tools: None,
        from: 0,
    };
    let error = template.turns(asked, &[]).unwrap_err().to_string();
    assert!(
        error.contains("cannot tell which text of turn 1"),
        "{error}"
    );
}

#[test]
fn the_generation_prompt_may_say_more_than_a_finished_turn() {
    let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}<|im_end|>\n{% endfor %}\
                  {% if add_generation_prompt %}<assistant><think>\n{% endif %}";
    let template = ChatTemplate::new(source, None, None).unwrap();
    let messages = ["user", "assistant", "user", "assistant"].map(|role| Message::new(role, "x"));
    let asked = Conversation {
        messages: &messages,
        tools: None,
        from: 2,
    };
    let turns = template.turns(asked, &["<|im_end|>".to_owned()]).unwrap();
    assert_eq!(turns.assistant.len(), 1);
    assert_eq!(&turns.text[turns.assistant[0].clone()], "x<|im_end|>");
    assert!(turns.text[..turns.assistant[0].start].ends_with("<user>x<|im_end|>\n<assistant>"));
}

#[test]
fn templates_get_the_date_of_their_making_and_python_json() {
    let render = |source: &str| {
        let template = ChatTemplate::at(source, (None, None), 1_709_210_096).unwrap();
        template
            .render(&[Message::new("user", "ä\"<&>'\u{1}\u{7f}")], None, false)
            .unwrap()
    };
    assert_eq!(render("{{ strftime_now('%d %b %Y') }}"), "29 Feb 2024");
    let expected = r#"{"role": "user", "content": "ä\"<&>'\u0001"#.to_owned() + "\u{7f}\"}";
    assert_eq!(render("{{ messages[0] | tojson }}"), expected);
    let source =
        "{{ {'b': 1.0, 'a': [1e-7, none]} | tojson(sort_keys=true, separators=(',', ':')) }}";
    assert_eq!(render(source), r#"{"a":[1e-07,null],"b":1.0}"#);
    assert_eq!(
        render("{{ 'ä🙂' | tojson(ensure_ascii=true) }}"),
        r#""\u00e4\ud83d\ude42""#
    );
    assert_eq!(
        render("{{ [[], {}, [1]] | tojson(indent=2) }}"),
        "[\n  [],\n  {},\n  [\n    1\n  ]\n]"
    );
}

#[test]
fn bad_templates_and_refusals_are_told() {
    let syntax = ChatTemplate::new("{% for %}", None, None)
        .unwrap_err()
        .to_string();
    let user = [Message::new("user", "x")];
    let told = |source: &str| {
        let template = ChatTemplate::new(source, None, None).unwrap();
        template.render(&user, None, false).unwrap_err().to_string()
    };
    let lines = [
        syntax,
        told("{{ raise_exception('Roles must alternate') }}"),
        told("{{ messages[0].content.nope() }}"),
        told(
            "{% for a in range(10000) %}{% for b in range(10000) %}{{ b }}{% endfor %}{% endfor %}",
        ),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}
