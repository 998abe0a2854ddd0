//! What a job has cost so far.

use schliff_scheduler::job::Job;
use schliff_scheduler::shape::Usage;
use schliff_spec::cluster;
use schliff_wire::v1::Cost;

use super::Look;

const HOUR_MS: f64 = 3_600_000.0;

/// Hours, and what they come to where the clusters' prices are known.
pub(super) fn cost(look: Look<'_>, job: &Job) -> Cost {
    let used = job.used_until(look.now);
    let hours = |ms: Option<u64>| ms.map(|ms| ms as f64 / HOUR_MS);
    let mut cost = Cost {
        gpu_hours: used.gpu_ms as f64 / HOUR_MS,
        core_hours: used.core_ms as f64 / HOUR_MS,
        budget_gpu_hours: hours(job.ask.budget.gpu_ms),
        budget_core_hours: hours(job.ask.budget.core_ms),
        ..Cost::default()
    };
    for attempt in &job.attempts {
        let Some(prices) = look.costs.get(&attempt.cluster) else {
            continue;
        };
        let usage = attempt.usage(look.now);
        let kwh = kwh(prices, usage);
        add(&mut cost.eur, eur(prices, usage));
        add(&mut cost.kwh, kwh);
        let gco2 = kwh.zip(prices.gco2_per_kwh).map(|(kwh, grams)| kwh * grams);
        add(&mut cost.gco2, gco2);
    }
    cost
}

fn add(sum: &mut Option<f64>, more: Option<f64>) {
    if let Some(more) = more {
        *sum = Some(sum.unwrap_or(0.0) + more);
    }
}

/// `None` where no price is known, which is not the same as nothing.
fn eur(prices: &cluster::Cost, usage: Usage) -> Option<f64> {
    let of_gpus = prices
        .eur_per_gpu_hour
        .map(|eur| eur * usage.gpu_ms as f64 / HOUR_MS);
    let of_cores = prices
        .eur_per_core_hour
        .map(|eur| eur * usage.core_ms as f64 / HOUR_MS);
    match (of_gpus, of_cores) {
        (None, None) => None,
        (gpus, cores) => Some(gpus.unwrap_or(0.0) + cores.unwrap_or(0.0)),
    }
}

fn kwh(prices: &cluster::Cost, usage: Usage) -> Option<f64> {
    prices
        .watt_per_gpu
        .map(|watt| watt / 1_000.0 * usage.gpu_ms as f64 / HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_price_is_not_nothing() {
        let usage = Usage {
            gpu_ms: 7_200_000,
            core_ms: 3_600_000,
        };
        assert_eq!(eur(&cluster::Cost::default(), usage), None);
        let prices = cluster::Cost {
            eur_per_gpu_hour: Some(1.5),
            eur_per_core_hour: None,
            watt_per_gpu: Some(400.0),
            gco2_per_kwh: Some(300.0),
        };
        assert_eq!(eur(&prices, usage), Some(3.0));
        assert_eq!(kwh(&prices, usage), Some(0.8));
    }
}
