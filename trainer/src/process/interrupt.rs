//! Requests to stop: a signal, or the end of the parent.
//!
//! Work asks at its own boundaries; nothing is torn down from outside. The parent holds our
//! standard input open for as long as it lives, so its end is the parent's end.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};

/// A flag that only ever goes up.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Raised by SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn on_signals() -> std::io::Result<Self> {
        let flag = Self::default();
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag.0))?;
        }
        Ok(flag)
    }

    /// Raised when `input` ends, too. The thread ends with the process.
    pub fn on_end_of(&self, mut input: impl Read + Send + 'static) {
        let flag = self.clone();
        std::thread::spawn(move || {
            let mut rest = [0; 256];
            while matches!(input.read(&mut rest), Ok(n) if n > 0) {}
            flag.raise();
        });
    }

    /// Asks for an end.
    pub fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// An end was asked for.
    pub fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
