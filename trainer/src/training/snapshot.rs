//! Floats as bytes: how state travels to a checkpoint and from rank 0 to the others.
//!
//! Little-endian, four bytes a number, nothing between them.

/// The numbers as bytes.
pub(crate) fn to_bytes(numbers: &[&[f32]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_bytes(&mut bytes, numbers);
    bytes
}

/// Appends the numbers as bytes.
pub(crate) fn append_bytes(bytes: &mut Vec<u8>, numbers: &[&[f32]]) {
    bytes.reserve(numbers.iter().map(|numbers| size_of_val(*numbers)).sum());
    // In chunks: the compiler makes a plain copy of them where numbers are little-endian.
    for chunk in numbers.iter().flat_map(|numbers| numbers.chunks(256)) {
        bytes.extend(chunk.iter().flat_map(|number| number.to_le_bytes()));
    }
}

/// `N` runs of `len` numbers; `None` where the bytes are not just those.
pub(crate) fn from_bytes<const N: usize>(bytes: &[u8], len: usize) -> Option<[Vec<f32>; N]> {
    let (words, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() || words.len() != len.checked_mul(N)? {
        return None;
    }
    Some(std::array::from_fn(|run| {
        let words = &words[run * len..(run + 1) * len];
        words.iter().map(|word| f32::from_le_bytes(*word)).collect()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_bit_comes_back(bits in prop::collection::vec(any::<u32>(), 0..700)) {
            let numbers: Vec<f32> = bits.iter().map(|&bits| f32::from_bits(bits)).collect();
            let bytes = to_bytes(&[&numbers, &numbers]);
            let [first, second] = from_bytes(&bytes, numbers.len()).expect("as many");
            for run in [first, second] {
                prop_assert!(run.iter().map(|number| number.to_bits()).eq(bits.iter().copied()));
            }
            prop_assert!(from_bytes::<2>(&bytes, numbers.len() + 1).is_none());
        }
    }
}
