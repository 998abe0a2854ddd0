//! Which parameters are trained, and where each lies in the one flat buffer that holds them all.
//!
//! One buffer serves masters, gradients and moments alike: clipping, reduction over leaves and
//! the optimizer are single passes over it. The order is that of the modules in the model, so it
//! is the same on every machine.

use std::collections::BTreeMap;
use std::ops::Range;

use thiserror::Error;

use crate::ops;
use crate::tensor::Matrix;

/// What a parameter is, which decides its learning rate and its name in a PEFT file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The factor next to the input, `[rank, in]`.
    A,
    /// The factor next to the output, `[out, rank]`.
    B,
    /// DoRA's magnitude, `[1, out]`.
    Magnitude,
    /// A module trained in full.
    Saved,
}

/// One trained tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Module it belongs to, or the full tensor name of a module trained in full.
    pub name: String,
    /// Its role.
    pub kind: Kind,
    /// Rows and columns; a vector has one row.
    pub shape: (usize, usize),
    /// First element in the flat buffer.
    pub offset: usize,
}

impl Parameter {
    /// Elements in the flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.shape.0 * self.shape.1
    }
}

/// One adapted linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Module {
    /// Full name, such as `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Rank of its factors.
    pub rank: usize,
    /// Factor of its branch.
    pub scale: f32,
    /// Index of A among the parameters; B follows, then the magnitude where there is one.
    pub a: usize,
    /// It has a magnitude (DoRA).
    pub dora: bool,
}

/// What is wanted of one linear layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Full name.
    pub name: String,
    /// Width of its input and of its output.
    pub shape: (usize, usize),
    /// Rank of the factors.
    pub rank: usize,
    /// Factor of the branch.
    pub scale: f64,
    /// With a magnitude.
    pub dora: bool,
}

/// A rank that a layer cannot have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "adapter.rank {rank} is larger than the smaller side of {module} ({inputs} in, {outputs} out)"
)]
pub struct RankError {
    module: String,
    rank: usize,
    inputs: usize,
    outputs: usize,
}

/// All trained parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Adapted layers, in the model's order.
    pub modules: Vec<Module>,
    /// Their parameters and those of modules trained in full, in the buffer's order.
    pub parameters: Vec<Parameter>,
    /// Elements of the flat buffer.
    pub len: usize,
    by_name: BTreeMap<String, usize>,
}

impl Layout {
    /// Lays out the wanted layers, then the tensors (name, shape) trained in full.
    ///
    /// # Errors
    /// A rank above a layer's smaller side.
    pub fn new(
        wanted: Vec<Wanted>,
        saved: Vec<(String, (usize, usize))>,
    ) -> Result<Self, RankError> {
        let mut layout = Self::default();
        for layer in wanted {
            let (inputs, outputs) = layer.shape;
            if layer.rank > inputs.min(outputs) {
                return Err(RankError {
                    module: layer.name,
                    rank: layer.rank,
                    inputs,
                    outputs,
                });
            }
            layout
                .by_name
                .insert(layer.name.clone(), layout.modules.len());
            layout.modules.push(Module {
                name: layer.name.clone(),
                rank: layer.rank,
                scale: layer.scale as f32,
                a: layout.parameters.len(),
                dora: layer.dora,
            });
            layout.push(&layer.name, Kind::A, (layer.rank, inputs));
            layout.push(&layer.name, Kind::B, (outputs, layer.rank));
            if layer.dora {
                layout.push(&layer.name, Kind::Magnitude, (1, outputs));
            }
        }
        for (name, shape) in saved {
            layout.push(&name, Kind::Saved, shape);
        }
        Ok(layout)
    }

    fn push(&mut self, name: &str, kind: Kind, shape: (usize, usize)) {
        let offset = self.len;
        self.len += shape.0 * shape.1;
        self.parameters.push(Parameter {
            name: name.to_owned(),
            kind,
            shape,
            offset,
        });
    }

    /// Index of an adapted layer.
    pub fn module(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Index of the parameter of a tensor trained in full.
    pub fn saved(&self, name: &str) -> Option<usize> {
        self.parameters
            .iter()
            .position(|p| p.kind == Kind::Saved && p.name == name)
    }
}

/// Gradients of all parameters, laid out as [`Layout`] says.
///
/// Those of a device other than the host stay there until all are complete.
#[derive(Clone, Debug)]
pub(crate) struct Gradients<'a> {
    layout: &'a Layout,
    flat: Vec<f32>,
    on_device: Vec<Option<Matrix>>,
}

impl<'a> Gradients<'a> {
    pub(crate) fn zeros(layout: &'a Layout) -> Self {
        Self {
            layout,
            flat: vec![0.0; layout.len],
            on_device: vec![None; layout.parameters.len()],
        }
    }

    /// Adds to the gradient of one parameter.
    pub(crate) fn add(&mut self, parameter: usize, gradient: &Matrix) {
        if gradient.is_on_host() {
            let slot = self.slot(parameter);
            let gradient = gradient.elements();
            slot.iter_mut()
                .zip(gradient.iter())
                .for_each(|(slot, g)| *slot += g);
            return;
        }
        let held = &mut self.on_device[parameter];
        *held = Some(match held.take() {
            None => gradient.clone(),
            Some(sum) => ops::columns::add(sum, gradient),
        });
    }

    pub(crate) fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The gradient of one parameter on the host.
    pub(crate) fn slot(&mut self, parameter: usize) -> &mut [f32] {
        &mut self.flat[self.layout.parameters[parameter].range()]
    }

    /// All of them in the buffer's order, fetched from their device in one go.
    pub(crate) fn into_flat(mut self) -> Vec<f32> {
        let held = std::mem::take(&mut self.on_device);
        let held = held.into_iter().enumerate();
        let held: Vec<_> = held.filter_map(|(at, sum)| Some((at, sum?))).collect();
        let fetched = Matrix::fetch_all(held.iter().map(|(_, sum)| sum));
        let mut rest = fetched.as_slice();
        for (parameter, _) in &held {
            let slot = self.slot(*parameter);
            let (own, others) = rest.split_at(slot.len());
            slot.iter_mut().zip(own).for_each(|(slot, g)| *slot += g);
            rest = others;
        }
        self.flat
    }
}
