//! Which tensor goes into which file and where, known before the first number is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::FloatType;

/// Where one tensor goes.
pub(super) struct Place {
    pub(super) shape: Vec<usize>,
    pub(super) shard: usize,
    /// In bytes after the file's header.
    pub(super) offset: u64,
}

/// One weight file.
pub(super) struct Shard {
    pub(super) file_name: String,
    /// Length prefix and JSON table of the safetensors format.
    pub(super) header: Vec<u8>,
    /// Bytes of tensors.
    pub(super) bytes: u64,
}

/// The whole plan.
pub(super) struct Layout {
    pub(super) dtype: FloatType,
    pub(super) places: BTreeMap<String, Place>,
    pub(super) shards: Vec<Shard>,
    pub(super) parameters: u64,
    pub(super) bytes: u64,
}

type Tensors = [(String, Vec<usize>)];

impl Layout {
    /// Fills files in the order of the model's modules up to `max_shard_bytes`; a tensor above
    /// that has a file of its own.
    pub(super) fn of(tensors: &Tensors, dtype: FloatType, max_shard_bytes: u64) -> Self {
        let bytes_of = |shape: &[usize]| weights(shape) * dtype.bytes() as u64;
        let mut groups: Vec<Vec<(String, Vec<usize>)>> = vec![Vec::new()];
        let mut filled = 0;
        for (name, shape) in tensors {
            let bytes = bytes_of(shape);
            if filled > 0 && filled + bytes > max_shard_bytes {
                groups.push(Vec::new());
                filled = 0;
            }
            filled += bytes;
            if let Some(group) = groups.last_mut() {
                group.push((name.clone(), shape.clone()));
            }
        }
        let mut layout = Self {
            dtype,
            places: BTreeMap::new(),
            shards: Vec::new(),
            parameters: tensors.iter().map(|(_, shape)| weights(shape)).sum(),
            bytes: tensors.iter().map(|(_, shape)| bytes_of(shape)).sum(),
        };
        let count = groups.len();
        for (index, group) in groups.into_iter().enumerate() {
            layout.add_shard(index, count, group);
        }
        layout
    }

    /// Places a group by name, which is the order of the reference writer for one dtype.
    fn add_shard(&mut self, index: usize, count: usize, mut group: Vec<(String, Vec<usize>)>) {
        group.sort();
        let mut table = Map::new();
        table.insert("__metadata__".to_owned(), json!({"format": "pt"}));
        let mut offset = 0;
        for (name, shape) in group {
            let end = offset + weights(&shape) * self.dtype.bytes() as u64;
            let dtype = self.dtype.safetensors_name();
            let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [offset, end]});
            table.insert(name.clone(), entry);
            self.places.insert(
                name,
                Place {
                    shape,
                    shard: index,
                    offset,
                },
            );
            offset = end;
        }
        let file_name = match count {
            1 => "model.safetensors".to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
        };
        self.shards.push(Shard {
            file_name,
            header: header(table),
            bytes: offset,
        });
    }

    /// The index that names each tensor's file.
    pub(super) fn index(&self) -> String {
        let file = |place: &Place| self.shards[place.shard].file_name.clone();
        let map: BTreeMap<&String, String> = self
            .places
            .iter()
            .map(|(name, place)| (name, file(place)))
            .collect();
        let sizes = json!({"total_parameters": self.parameters, "total_size": self.bytes});
        let index = json!({"metadata": sizes, "weight_map": map});
        // A JSON value always serialises.
        let mut text = serde_json::to_string_pretty(&index).unwrap_or_default();
        text.push('\n');
        text
    }
}

/// Length prefix and table, padded with spaces to eight bytes.
fn header(table: Map<String, Value>) -> Vec<u8> {
    let mut json = Value::Object(table).to_string().into_bytes();
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut header = (json.len() as u64).to_le_bytes().to_vec();
    header.append(&mut json);
    header
}

fn weights(shape: &[usize]) -> u64 {
    shape.iter().map(|size| *size as u64).product()
}
