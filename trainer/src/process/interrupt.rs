//! Requests to stop or to save: signals, or the end of the parent.
//!
//! Work asks at its own boundaries; nothing is torn down from outside. The parent holds our
//! standard input open for as long as it lives, so its end is the parent's end. SIGINT asks for an
//! end, SIGTERM and SIGUSR1 for an end from which another run goes on, SIGUSR2 for a checkpoint.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1, SIGUSR2};

/// What is asked of a run, in rising urgency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// Nothing.
    GoOn = 0,
    /// Save a checkpoint and go on.
    Checkpoint = 1,
    /// Save a checkpoint and end; the rest is for another run.
    MoreToDo = 2,
    /// Save what there is and end.
    Stop = 3,
}

impl Wish {
    /// The wish of that number; numbers that are none are the most urgent.
    pub fn from_number(number: u64) -> Self {
        match number {
            0 => Self::GoOn,
            1 => Self::Checkpoint,
            2 => Self::MoreToDo,
            _ => Self::Stop,
        }
    }
}

/// What was asked for so far.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    stop: Arc<AtomicBool>,
    more_to_do: Arc<AtomicBool>,
    checkpoint: Arc<AtomicBool>,
}

impl Interrupt {
    /// Hears signals from now on.
    ///
    /// # Errors
    /// The system refuses the handler.
    pub fn on_signals() -> std::io::Result<Self> {
        let own = Self::default();
        let flags = [
            (SIGINT, &own.stop),
            (SIGTERM, &own.more_to_do),
            (SIGUSR1, &own.more_to_do),
            (SIGUSR2, &own.checkpoint),
        ];
        for (signal, flag) in flags {
            signal_hook::flag::register(signal, Arc::clone(flag))?;
        }
        Ok(own)
    }

    /// Asks for an end when `input` ends, too. The thread ends with the process.
    pub fn on_end_of(&self, mut input: impl Read + Send + 'static) {
        let own = self.clone();
        std::thread::spawn(move || {
            let mut rest = [0; 256];
            while matches!(input.read(&mut rest), Ok(n) if n > 0) {}
            own.raise();
        });
    }

    /// Asks for an end from which another run goes on.
    pub fn raise(&self) {
        self.more_to_do.store(true, Ordering::Relaxed);
    }

    /// An end was asked for.
    pub fn is_raised(&self) -> bool {
        self.stop.load(Ordering::Relaxed) || self.more_to_do.load(Ordering::Relaxed)
    }

    /// The most urgent wish. A wish for a checkpoint is heard once, an end for ever.
    pub fn wish(&self) -> Wish {
        let checkpoint = self.checkpoint.swap(false, Ordering::Relaxed);
        if self.stop.load(Ordering::Relaxed) {
            Wish::Stop
        } else if self.more_to_do.load(Ordering::Relaxed) {
            Wish::MoreToDo
        } else if checkpoint {
            Wish::Checkpoint
        } else {
            Wish::GoOn
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_asked_for_once_and_an_end_for_ever() {
        let interrupt = Interrupt::default();
        assert_eq!(interrupt.wish(), Wish::GoOn);
        interrupt.checkpoint.store(true, Ordering::Relaxed);
        assert_eq!(interrupt.wish(), Wish::Checkpoint);
        assert_eq!(interrupt.wish(), Wish::GoOn);
        interrupt.raise();
        assert!(interrupt.is_raised());
        assert_eq!(interrupt.wish(), Wish::MoreToDo);
        assert_eq!(interrupt.wish(), Wish::MoreToDo);
        interrupt.stop.store(true, Ordering::Relaxed);
        assert_eq!(interrupt.wish(), Wish::Stop);
    }

    #[test]
    fn wishes_travel_as_numbers() {
        for wish in [Wish::GoOn, Wish::Checkpoint, Wish::MoreToDo, Wish::Stop] {
            assert_eq!(Wish::from_number(wish as u64), wish);
        }
    }
}
