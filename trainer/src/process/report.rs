//! Events to whoever started this process, one JSON object a line.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use schliff_spec::event::Event;

use super::interrupt::Interrupt;

/// Where events go.
pub struct Reporter {
    sink: Mutex<Box<dyn Write + Send>>,
    interrupt: Interrupt,
}

impl Reporter {
    /// Events go to `sink`; if that breaks, nobody listens any more, and `interrupt` is raised.
    pub fn new(sink: impl Write + Send + 'static, interrupt: Interrupt) -> Self {
        Self {
            sink: Mutex::new(Box::new(sink)),
            interrupt,
        }
    }

    /// Sends one event.
    pub fn event(&self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        if sink.write_all(&line).and_then(|()| sink.flush()).is_err() {
            self.interrupt.raise();
        }
    }

    /// A stage of work begins.
    pub fn stage(&self, name: &str) {
        self.event(&Event::Stage {
            name: name.to_owned(),
        });
    }

    /// Progress inside the stage.
    pub fn progress(&self, done: usize, total: usize) {
        self.event(&Event::Progress {
            done: done as u64,
            total: total as u64,
        });
    }

    /// A remark.
    pub fn warning(&self, text: String) {
        self.event(&Event::Warning { text });
    }

    /// The request to stop, for work that asks at its own boundaries.
    pub fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }
}
