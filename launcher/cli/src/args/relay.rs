//! Arguments of `schliff relay`.

use std::path::PathBuf;

use clap::Args as ClapArgs;

#[derive(Debug, ClapArgs)]
pub(crate) struct RelayArgs {
    /// Folder of the attempts, as the cluster's profile has it
    #[arg(long, value_name = "DIR", help_heading = "Cluster")]
    pub(crate) folder: PathBuf,
    /// Coordinator that takes the reports; may be repeated, the one that leads is found
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "fetch",
        help_heading = "Coordinator"
    )]
    pub(crate) coordinator: Vec<String>,
    /// Certificate authority of a coordinator with https, PEM
    #[arg(long, value_name = "FILE", help_heading = "Coordinator")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Ship what is there, and end
    #[arg(long, help_heading = "Pace")]
    pub(crate) once: bool,
    /// Bring the newest checkpoint under this address to the cluster for jobs to go on from, and end
    #[arg(
        long,
        value_name = "URI",
        conflicts_with_all = ["once", "coordinator", "ca_file"],
        help_heading = "Cluster"
    )]
    pub(crate) fetch: Option<String>,
    /// Most bytes a second, such as 500K, 20M or 1G [default: no bound]
    #[arg(long, value_name = "BYTES", value_parser = rate, help_heading = "Pace")]
    pub(crate) max_rate: Option<u64>,
}

/// Bytes a second: a number, in thousands with K, millions with M, thousand millions with G.
fn rate(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1_000),
        Some((at, 'm' | 'M')) => (&text[..at], 1_000_000),
        Some((at, 'g' | 'G')) => (&text[..at], 1_000_000_000),
        _ => (text, 1),
    };
    let number: Option<u64> = digits.parse().ok();
    let rate = number.and_then(|number| number.checked_mul(unit));
    rate.filter(|rate| *rate > 0)
        .ok_or_else(|| "expected bytes a second, such as 500K, 20M or 1G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_numbers_with_a_unit() {
        assert_eq!(rate("500K"), Ok(500_000));
        assert_eq!(rate("20m"), Ok(20_000_000));
        assert_eq!(rate("7"), Ok(7));
        for wrong in ["", "0", "M", "-1", "1.5M", "1KiB", "99999999999999999G"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
