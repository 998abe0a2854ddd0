//! Gated activation of the feed-forward.

use burn_tensor::Tensor;
use burn_tensor::activation::sigmoid;
use schliff_weights::config::Activation;

use crate::kernel::gate::GELU;
use crate::tensor::Matrix;

/// `act(gate) * up` of rows `[gate | up]`.
pub(crate) fn forward(gate_up: &Matrix, activation: Activation) -> Matrix {
    let (gate, up) = halves(gate_up);
    let active = match activation {
        Activation::Silu => gate.clone() * sigmoid(gate),
        Activation::GeluTanh => {
            let t = inner_tanh(gate.clone());
            gate.mul_scalar(0.5) * t.add_scalar(1.0)
        }
    };
    gate_up.beside(active * up)
}

/// Gradient of `[gate | up]`.
pub(crate) fn backward(dy: &Matrix, gate_up: &Matrix, activation: Activation) -> Matrix {
    let (gate, up) = halves(gate_up);
    let (value, slope) = match activation {
        Activation::Silu => {
            let s = sigmoid(gate.clone());
            let rest = s.clone().neg().add_scalar(1.0);
            let slope = s.clone() * (gate.clone() * rest).add_scalar(1.0);
            (gate * s, slope)
        }
        Activation::GeluTanh => gelu(gate),
    };
    let dy = dy.tensor.clone();
    let d_gate = dy.clone() * up * slope;
    gate_up.beside(Tensor::cat(vec![d_gate, dy * value], 1))
}

fn halves(gate_up: &Matrix) -> (Tensor<2>, Tensor<2>) {
    let width = gate_up.cols / 2;
    let half = |start| gate_up.tensor.clone().narrow(1, start, width);
    (half(0), half(width))
}

fn inner_tanh(x: Tensor<2>) -> Tensor<2> {
    let (root, cubic) = GELU;
    let cubed = x.clone() * x.clone() * x.clone();
    (x + cubed.mul_scalar(cubic)).mul_scalar(root).tanh()
}

/// GELU (tanh form) and its derivative.
fn gelu(x: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let (root, cubic) = GELU;
    let t = inner_tanh(x.clone());
    let risen = t.clone().add_scalar(1.0).mul_scalar(0.5);
    let inner_slope = x.clone().square().mul_scalar(3.0 * cubic).add_scalar(1.0);
    let bend = t.square().neg().add_scalar(1.0) * inner_slope.mul_scalar(0.5 * root);
    let slope = risen.clone() + x.clone() * bend;
    (x * risen, slope)
}
