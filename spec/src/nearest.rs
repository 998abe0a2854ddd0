//! Guesses which key was meant.

use strsim::damerau_levenshtein;

use crate::schema::{Schema, Section};

/// The path of the key that `name` in `section` probably stands for: the same name elsewhere,
/// another tool's name, or a name with few letters' difference, here first and then anywhere.
pub(crate) fn nearest_key(schema: &Schema, section: &Section, name: &str) -> Option<String> {
    let name = name.replace('-', "_").to_ascii_lowercase();
    if section.key(&name).is_some() {
        return Some(section.path(&name));
    }
    if name.is_empty() {
        return None;
    }
    if section.name.is_empty() && schema.section(&name).is_some() {
        return Some(name);
    }
    if let Some(home) = schema
        .sections
        .iter()
        .find(|home| home.key(&name).is_some())
    {
        return Some(home.path(&name));
    }
    if let Some((_, path)) = schema.other_names.iter().find(|(other, _)| *other == name) {
        return Some((*path).to_owned());
    }
    let here = section.keys.iter().map(|key| key.name);
    if section.name.is_empty() {
        let sections = schema.sections.iter().map(|section| section.name);
        if let Some(nearest) = closest(&name, here.chain(sections)) {
            return Some(nearest.to_owned());
        }
    } else if let Some(nearest) = closest(&name, here) {
        return Some(section.path(nearest));
    }
    let anywhere = schema.sections.iter().flat_map(|section| section.keys);
    let nearest = closest(&name, anywhere.map(|key| key.name))?;
    let home = schema
        .sections
        .iter()
        .find(|home| home.key(nearest).is_some())?;
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
