//! The reference of all keys, as Markdown.

use super::{CLUSTER, Fallback, JOB, Schema};

/// Sections and keys as the tables of `docs/job-file.md`; a test holds the two together.
pub fn reference() -> String {
    of(&JOB)
}

/// The same of `docs/cluster-profile.md`.
pub fn cluster_reference() -> String {
    of(&CLUSTER)
}

fn of(schema: &Schema) -> String {
    let mut text = String::new();
    for section in schema.sections {
        let title = match section.name {
            "" => "Top".to_owned(),
            name => format!("`[{name}]`"),
        };
        text.push_str(&format!("### {title}\n\n{}\n\n", section.meaning));
        text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
        for key in section.keys {
            let fallback = match key.fallback {
                Fallback::Required => "required".to_owned(),
                Fallback::None => "none".to_owned(),
                Fallback::Value(value) => format!("`{value}`"),
                Fallback::Follows(words) => words.to_owned(),
            };
            let row = [key.name, &key.form.to_string(), &fallback, key.meaning];
            let [name, form, fallback, meaning] = row.map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| `{name}` | {form} | {fallback} | {meaning} |\n"));
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}
