//! Weights held in memory: values against gguf-py, torch and bitsandbytes' code book, and cutting.

use std::path::Path;

use proptest::prelude::*;
use safetensors::SafeTensors;
use schliff_weights::BaseWeights;
use schliff_weights::encoding::Encoding;
use schliff_weights::packed::PackedRows;

/// A fixture of the trainer crate.
fn fixture(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/gguf")
        .join(name)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (words, _) = bytes.as_chunks::<4>();
    words.iter().map(|word| f32::from_le_bytes(*word)).collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_format_has_the_values_of_its_reference() {
    let bytes = std::fs::read(fixture("number_formats.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let weights = tensors.tensor("weights").unwrap();
    let cols = weights.shape()[1];
    let weights = floats(weights.data());
    for (name, encoding, bytes_a_row) in [
        ("bf16", Encoding::BF16, 2 * cols),
        ("f16", Encoding::F16, 2 * cols),
        ("q8_0", Encoding::Q8_0, cols / 32 * 34),
        ("q4_0", Encoding::Q4_0, cols / 32 * 18),
        ("nf4", Encoding::Nf4, cols / 64 * 36),
    ] {
        let packed = PackedRows::encode(&weights, cols, encoding).unwrap();
        assert_eq!(packed.bytes(), packed.rows() * bytes_a_row, "{name}");
        let mut values = vec![0.0; weights.len()];
        packed.decode(0..packed.rows(), 0..cols, &mut values);
        let expected = floats(tensors.tensor(name).unwrap().data());
        for (i, (value, expected)) in values.iter().zip(&expected).enumerate() {
            assert!(value == expected, "{name} {i}: {value} is not {expected}");
        }
    }
}

#[test]
fn rows_as_stored_have_the_order_and_the_values_that_reading_gives() {
    for file in ["llama.gguf", "qwen2.gguf", "gemma2.gguf"] {
        let base = BaseWeights::open_gguf(&fixture(file)).unwrap();
        let mut compared = 0;
        for name in base.names() {
            let Some(packed) = base.packed(name).unwrap() else {
                continue;
            };
            let mut values = vec![0.0; packed.rows() * packed.cols()];
            packed.decode(0..packed.rows(), 0..packed.cols(), &mut values);
            assert!(
                bits(&values) == bits(&base.read_f32(name).unwrap()),
                "{file}: {name}"
            );
            compared += 1;
        }
        assert!(compared > 7, "{file}: {compared} tensors");
    }
}

#[test]
fn what_does_not_fill_blocks_or_is_only_read_is_not_encoded() {
    let weights = [1.0; 96];
    assert!(PackedRows::encode(&weights, 48, Encoding::Q8_0).is_none());
    assert!(PackedRows::encode(&weights, 32, Encoding::Nf4).is_none());
    assert!(PackedRows::encode(&weights, 32, Encoding::Q4_1).is_none());
    assert!(PackedRows::encode(&weights, 32, Encoding::Q4_0).is_some());
}

proptest! {
    #[test]
    fn a_rectangle_has_the_values_of_the_whole(
        (top, height) in (0_usize..7).prop_flat_map(|top| (Just(top), 0..=7 - top)),
        (left, width) in (0_usize..3).prop_flat_map(|left| (Just(left), 0..=3 - left)),
    ) {
        const COLS: usize = 192;
        let weights: Vec<f32> = (0..7 * COLS).map(|i| (i as f32 * 0.37).sin()).collect();
        let part = |rows: std::ops::Range<usize>, encoding| {
            let rows = &weights[rows.start * COLS..rows.end * COLS];
            PackedRows::encode(rows, COLS, encoding).unwrap()
        };
        let mut packed = part(0..2, Encoding::Q8_0);
        packed.append(part(2..3, Encoding::Q8_0));
        packed.append(part(3..6, Encoding::Nf4));
        packed.append(part(6..7, Encoding::BF16));
        prop_assert_eq!(packed.column_step(), 64);
        let mut whole = vec![0.0; weights.len()];
        packed.decode(0..7, 0..COLS, &mut whole);
        let (left, width) = (left * 64, width * 64);
        let mut cut = vec![0.0; height * width];
        packed.decode(top..top + height, left..left + width, &mut cut);
        let expected: Vec<f32> = (top..top + height)
            .flat_map(|row| whole[row * COLS + left..][..width].to_vec())
            .collect();
        prop_assert_eq!(bits(&cut), bits(&expected));
    }
}
