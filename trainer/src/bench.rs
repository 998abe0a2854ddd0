//! The measured rate of matrix products here: the floor that a training step is held against.

use std::time::Instant;

use serde_json::{Value, json};

use crate::kernel::matmul::{View, ViewMut, Write, matmul};
use crate::training::leaves::Workers;

/// Rows, outputs and inputs of a typical product of a small model.
const SHAPE: (usize, usize, usize) = (512, 1536, 576);
/// Rounds of which the best counts; each is a few milliseconds.
const ROUNDS: usize = 60;

/// Best rate of products that run on all threads at once, one product a thread.
pub fn matmul_rate() -> Value {
    let Ok(workers) = crate::workers() else {
        return json!({ "gflops": null });
    };
    let (rows, outputs, inputs) = SHAPE;
    let flop = (2 * rows * outputs * inputs * workers.threads()) as f64;
    let best = (0..ROUNDS)
        .map(|_| round(&workers))
        .fold(f64::INFINITY, f64::min);
    json!({ "gflops": flop / best / 1e9, "threads": workers.threads() })
}

/// Seconds of several products on every thread, a product.
fn round(workers: &Workers) -> f64 {
    const PRODUCTS: usize = 4;
    let (rows, outputs, inputs) = SHAPE;
    let worst = workers.tree(
        &vec![1; workers.threads()],
        |_| {
            let (x, w) = (vec![0.5; rows * inputs], vec![0.25; outputs * inputs]);
            let mut y = vec![0.0; rows * outputs];
            let begun = Instant::now();
            for _ in 0..PRODUCTS {
                let target = ViewMut::new(&mut y, rows, outputs);
                let weight = View::new(&w, outputs, inputs).transposed();
                matmul(
                    target,
                    Write::Replace,
                    1.0,
                    View::new(&x, rows, inputs),
                    weight,
                );
            }
            begun.elapsed().as_secs_f64() / PRODUCTS as f64
        },
        f64::max,
    );
    worst.unwrap_or(f64::INFINITY)
}
