//! Both programs under a coordinator, as real processes: submit, watch, kill, go on.

mod crash;
mod kills;
mod tls;
mod whole;
