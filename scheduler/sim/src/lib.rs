//! A deterministic world around the scheduler: faults, seeds, scripts.
