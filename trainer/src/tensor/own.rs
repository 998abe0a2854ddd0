//! Our own kernels (`crate::cube`) among burn's operations.
//!
//! Rules: a kernel enters the same queue as the operations around it and waits for none of them.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{Cube, CubeBackend};
use burn_fusion::FusionRuntime;
use burn_fusion::custom::{
    CustomOpIr, HandleContainer, OperationFn, OperationIr, StreamId, TensorIr,
};
use burn_tensor::Tensor;
use cubecl::prelude::BufferArg;

use crate::cube::dropout::{Buffers, Draw, launch};

/// Handles of the tensors in a queue.
type Handles = HandleContainer<
    <<CubeBackend as burn_fusion::FusionBackend>::FusionRuntime as FusionRuntime>::FusionHandle,
>;

/// Dropout of each row by its key; `None` where the tensor is not CubeCL's.
pub(super) fn dropout(x: &Tensor<2>, keys: &[u64], draw: Draw) -> Option<Tensor<2>> {
    let x = x.clone().try_into_primitive::<Cube>().ok()?;
    let client = x.client.clone();
    let output = TensorIr::uninit(client.create_empty_handle(), x.shape.clone(), x.dtype);
    let input = x.into_ir();
    let words: Vec<u32> = keys
        .iter()
        .flat_map(|&key| [key as u32, (key >> 32) as u32])
        .collect();
    let described = CustomOpIr {
        id: "schliff_dropout".into(),
        inputs: vec![input.clone()],
        outputs: vec![output.clone()],
        scalars: Vec::new(),
    };
    let run = OperationFn(move |handles: &mut Handles| {
        let x = handles.get_float_tensor::<CubeBackend>(&input);
        let y = run_dropout(x, &words, draw);
        handles.register_float_tensor::<CubeBackend>(&output.id, y);
        Ok(())
    });
    let made = client.register(StreamId::current(), OperationIr::Custom(described), run);
    let made = made.into_iter().next()?;
    Some(Tensor::from_primitive::<Cube>(made))
}

fn run_dropout(x: CubeTensor, words: &[u32], draw: Draw) -> CubeTensor {
    let x = into_contiguous(x);
    let (client, shape) = (x.client.clone(), x.meta.shape().clone());
    let elements = shape.num_elements();
    let y = empty_device_contiguous_dtype(client.clone(), x.device.clone(), shape, x.dtype);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_ne_bytes()).collect();
    let keys = client.create_from_slice(&bytes);
    // SAFETY: the buffer was made from exactly these words.
    let keys = unsafe { BufferArg::from_raw_parts(keys, words.len()) };
    let buffers = Buffers {
        x: x.into_buffer_arg(),
        keys,
        y: y.clone().into_buffer_arg(),
        elements,
    };
    launch(&client, buffers, draw);
    y
}
