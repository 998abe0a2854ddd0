//! One or more linear layers that share an input, with their low-rank branches.
//!
//! q, k and v (and gate and up) are one product over stacked weights. Each keeps a branch of its
//! own: `y = x W^T + s (x A^T) B^T`, and with DoRA `y = g * (x W^T + s (x A^T) B^T)`. The base
//! weight appears in the backward pass only as a factor, never as something to differentiate.

use std::ops::Range;
use std::sync::OnceLock;

use super::batch::Leaf;
use crate::adapter::factors::{Adapter, Factors};
use crate::adapter::layout::Gradients;
use crate::frozen::Frozen;
use crate::kernel::rounding::Rounding;
use crate::ops::{self, Columns};
use crate::tensor::Matrix;

/// Stacked linear layers.
pub(crate) struct Projection {
    /// `[out, in]`, the parts one below the other.
    pub(crate) frozen: Frozen,
    /// `[1, out]`.
    pub(crate) bias: Option<Matrix>,
    pub(crate) parts: Vec<Part>,
}

/// One of the stacked layers.
pub(crate) struct Part {
    /// Full module name.
    pub(crate) name: String,
    /// Its outputs among the stacked ones: rows of the weight, columns of the result.
    pub(crate) columns: Range<usize>,
    /// Sums of squares of its weight's rows, computed when DoRA first asks.
    pub(crate) row_squares: OnceLock<Matrix>,
}

/// Dropout of a training step; evaluation has none.
#[derive(Clone, Copy)]
pub(crate) struct Dropout {
    pub(crate) p: f64,
    pub(crate) seed: u64,
    pub(crate) step: u64,
}

/// What a pass over a leaf needs besides the base.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) leaf: &'a Leaf,
    /// `None` runs the base alone.
    pub(crate) adapter: Option<&'a Adapter<'a>>,
    pub(crate) dropout: Option<Dropout>,
}

/// What a backward pass over a leaf carries along.
pub(crate) struct BackwardPass<'a, 'g> {
    pub(crate) context: &'a Context<'a>,
    pub(crate) gradients: &'a mut Gradients<'g>,
}

/// What one branch leaves for its backward pass.
pub(crate) struct BranchTrace {
    /// `x A^T`.
    h: Matrix,
    /// DoRA's value before the row factors.
    unscaled: Option<Matrix>,
}

/// What a projection leaves for its backward pass, one entry an adapted part.
pub(crate) type Trace = Vec<BranchTrace>;

/// A branch at work: its module's index, its factors, and its dropout.
struct Branch<'a> {
    module: usize,
    factors: &'a Factors,
    columns: &'a Range<usize>,
    keys: Option<(Vec<u64>, f64)>,
}

impl Branch<'_> {
    /// The branch's own input: `x`, or `x` after dropout.
    fn input(&self, x: &Matrix, rounding: Rounding) -> Matrix {
        match &self.keys {
            None => x.clone(),
            Some((keys, p)) => ops::rounded(&ops::rows::dropout(x, keys, *p), rounding),
        }
    }
}

impl Projection {
    /// The part of that name, with its weight's values.
    pub(crate) fn part(&self, name: &str) -> Option<(Matrix, &Part)> {
        self.parts
            .iter()
            .find(|part| part.name == name)
            .map(|part| (self.frozen.values(part.columns.clone()), part))
    }

    /// `y` for rows `x`, with what the backward pass needs.
    pub(crate) fn forward(&self, x: &Matrix, context: &Context<'_>) -> (Matrix, Trace) {
        let x = &ops::rounded(x, self.frozen.rounding());
        let mut y = self.frozen.linear(x);
        let mut trace = Trace::new();
        for branch in self.branches(context) {
            let (next, left) = self.forward_branch(y, x, &branch);
            y = next;
            trace.push(left);
        }
        if let Some(bias) = &self.bias {
            y = ops::columns::add_bias(y, bias);
        }
        (y, trace)
    }

    /// The gradient with respect to `x`; `None` where the caller has no use for it.
    pub(crate) fn backward(
        &self,
        dy: Matrix,
        (x, trace): (&Matrix, &Trace),
        pass: &mut BackwardPass<'_, '_>,
        wants_dx: bool,
    ) -> Option<Matrix> {
        let rounding = self.frozen.rounding();
        let (x, mut dy) = (&ops::rounded(x, rounding), ops::rounded(&dy, rounding));
        let mut branch_dx = wants_dx.then(|| x.zeros_beside(x.rows(), x.cols()));
        for (branch, left) in self.branches(pass.context).zip(trace) {
            (dy, branch_dx) =
                self.backward_branch((dy, branch_dx), x, (&branch, left), pass.gradients);
        }
        branch_dx.map(|dx| self.frozen.add_input_gradient(dx, &dy))
    }

    fn branches<'a>(&'a self, context: &'a Context<'_>) -> impl Iterator<Item = Branch<'a>> {
        self.parts.iter().filter_map(|part| {
            let adapter = context.adapter?;
            let module = adapter.layout.module(&part.name)?;
            let keys = context
                .dropout
                .filter(|dropout| dropout.p > 0.0)
                .map(|dropout| {
                    (
                        context
                            .leaf
                            .dropout_keys(dropout.seed, dropout.step, module as u64),
                        dropout.p,
                    )
                });
            Some(Branch {
                module,
                factors: &adapter.factors[module],
                columns: &part.columns,
                keys,
            })
        })
    }

    fn forward_branch(&self, y: Matrix, x: &Matrix, branch: &Branch<'_>) -> (Matrix, BranchTrace) {
        let Factors { a, b, scale, dora } = branch.factors;
        let columns = branch.columns.clone();
        let rounding = self.frozen.rounding();
        let input = branch.input(x, rounding);
        let h = ops::rounded(&ops::linear(&input, a), rounding);
        let Some(rows) = dora else {
            let y = ops::add_linear(y, columns, &h, b, *scale);
            return (y, BranchTrace { h, unscaled: None });
        };
        if branch.keys.is_none() {
            let y = ops::add_linear(y, columns.clone(), &h, b, *scale);
            let unscaled = ops::columns::copy(&Columns {
                matrix: &y,
                range: columns.clone(),
            });
            let y = ops::columns::set_scaled(y, columns, &unscaled, &rows.factor);
            return (
                y,
                BranchTrace {
                    h,
                    unscaled: Some(unscaled),
                },
            );
        }
        // PEFT's form under dropout: the base sees x, the row factors act on dropped-out x.
        let base = self.frozen.linear_rows(&input, columns.clone());
        let y = ops::columns::subtract(y, columns.clone(), &base);
        let unscaled = ops::add_linear(base, 0..columns.len(), &h, b, *scale);
        let y = ops::columns::add_scaled(y, columns, &unscaled, &rows.factor);
        (
            y,
            BranchTrace {
                h,
                unscaled: Some(unscaled),
            },
        )
    }

    /// Gradients of one branch; gives back `dy` as the base must see it, and `dx` with the
    /// branch's share.
    fn backward_branch(
        &self,
        (dy, dx): (Matrix, Option<Matrix>),
        x: &Matrix,
        (branch, left): (&Branch<'_>, &BranchTrace),
        gradients: &mut Gradients<'_>,
    ) -> (Matrix, Option<Matrix>) {
        let Factors { a, b, scale, .. } = branch.factors;
        let rounding = self.frozen.rounding();
        let range = branch.columns.clone();
        let a_index = gradients.layout().modules[branch.module].a;
        let mut dy = dy;
        let mut direct = None;
        if let (Some(rows), Some(unscaled)) = (&branch.factors.dora, &left.unscaled) {
            let incoming = ops::columns::copy(&Columns {
                matrix: &dy,
                range: range.clone(),
            });
            let magnitude = ops::columns::magnitude_gradient(&incoming, unscaled, &rows.norm);
            gradients.add(a_index + 2, &magnitude);
            let scaled =
                ops::columns::set_scaled(incoming.clone(), 0..range.len(), &incoming, &rows.factor);
            let scaled = ops::rounded(&scaled, rounding);
            if branch.keys.is_none() {
                dy = ops::columns::set(dy, range.clone(), &scaled);
            }
            direct = Some((incoming, scaled));
        }
        let d_branch = match &direct {
            Some((_, scaled)) => Columns::all(scaled),
            None => Columns {
                matrix: &dy,
                range: range.clone(),
            },
        };
        let db = ops::linear_weight_gradient(&d_branch, &left.h, *scale);
        gradients.add(a_index + 1, &db);
        let dh = x.zeros_beside(x.rows(), a.rows());
        let dh = ops::add_linear_input_gradient(dh, &d_branch, b, *scale);
        let dh = ops::rounded(&dh, rounding);
        let input = branch.input(x, rounding);
        let da = ops::linear_weight_gradient(&Columns::all(&dh), &input, 1.0);
        gradients.add(a_index, &da);
        let dx = dx.map(|dx| match &branch.keys {
            None => ops::add_linear_input_gradient(dx, &Columns::all(&dh), a, 1.0),
            Some((keys, p)) => {
                let d_input = x.zeros_beside(x.rows(), x.cols());
                let mut d_input =
                    ops::add_linear_input_gradient(d_input, &Columns::all(&dh), a, 1.0);
                if let Some((incoming, scaled)) = &direct {
                    let extra = ops::columns::subtract(scaled.clone(), 0..range.len(), incoming);
                    let (extra, rows) = (ops::rounded(&extra, rounding), range.clone());
                    d_input = self.frozen.add_rows_input_gradient(d_input, &extra, rows);
                }
                ops::columns::add(dx, &ops::rows::dropout(&d_input, keys, *p))
            }
        });
        (dy, dx)
    }
}
