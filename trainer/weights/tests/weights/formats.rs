//! GGUF number formats against gguf-py, bit by bit.

use safetensors::SafeTensors;
use schliff_weights::encoding::Encoding;
use schliff_weights::gguf::GgufFile;

use crate::fixture;

#[test]
fn every_format_decodes_as_gguf_py_does() {
    let gguf = GgufFile::open(&fixture("quants.gguf")).unwrap();
    let bytes = std::fs::read(fixture("quants.safetensors")).unwrap();
    let expected = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(gguf.tensors().len(), 13);
    assert_eq!(expected.len(), 13);
    for (name, tensor) in gguf.tensors() {
        let view = expected.tensor(name).unwrap();
        assert_eq!(tensor.shape, view.shape(), "{name}");
        let decoded = gguf.decode(name).unwrap();
        let bits: Vec<u8> = decoded
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        assert!(bits == view.data(), "{name} differs from gguf-py");
        assert!(
            decoded.iter().any(|number| *number != 0.0),
            "{name} is all noughts"
        );
    }
}

#[test]
fn sizes_of_blocks_are_those_of_ggml() {
    assert_eq!(Encoding::Q4_0.bytes_of(64), Some(36));
    assert_eq!(Encoding::Q6K.bytes_of(512), Some(420));
    assert_eq!(Encoding::Q4_0.bytes_of(48), None);
    assert_eq!(Encoding::F32.bytes_of(usize::MAX), None);
    assert_eq!(Encoding::from_ggml(99), None);
}
