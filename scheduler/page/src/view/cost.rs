//! What a job has cost so far, and of which budget.

use schliff_wire::v1::Cost;

use crate::show::number;

/// A kind of cost.
#[derive(Clone, Debug)]
pub(crate) struct CostLine {
    pub(crate) word: &'static str,
    pub(crate) value: String,
    pub(crate) budget: Option<Budget>,
}

/// How much of it may be spent.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    pub(crate) spent: f64,
    pub(crate) most: f64,
    pub(crate) text: String,
}

/// Every kind that is known and not nothing.
pub(crate) fn lines(cost: &Cost) -> Vec<CostLine> {
    let line = |word, value: f64, unit: &str, most: Option<f64>| CostLine {
        word,
        value: format!("{} {unit}", number::amount(value)),
        budget: most.filter(|most| *most > 0.0).map(|most| Budget {
            spent: value.min(most),
            most,
            text: format!(
                "{} of {}",
                number::percent(value, most),
                number::amount(most)
            ),
        }),
    };
    let hours = [
        (
            "GPU time",
            cost.gpu_hours,
            "GPU-hours",
            cost.budget_gpu_hours,
        ),
        (
            "CPU time",
            cost.core_hours,
            "core-hours",
            cost.budget_core_hours,
        ),
    ];
    let mut lines: Vec<_> = hours
        .into_iter()
        .filter(|(_, value, _, most)| *value > 0.0 || most.is_some())
        .map(|(word, value, unit, most)| line(word, value, unit, most))
        .collect();
    let more = [
        ("Money", cost.eur, "€"),
        ("Energy", cost.kwh, "kWh"),
        ("CO₂", cost.gco2, "g"),
    ];
    for (word, value, unit) in more {
        lines.extend(value.map(|value| line(word, value, unit, None)));
    }
    lines
}
