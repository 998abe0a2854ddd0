//! Signals to this process, as messages.

use std::io;
use std::sync::mpsc::SyncSender;
use std::thread;

use signal_hook::iterator::{Handle, Signals};

use crate::supervisor::Input;

/// Signals are forwarded as long as this lives; afterwards they are ignored.
pub(crate) struct Forwarding(Handle);

impl Forwarding {
    /// Forwards `signals` to `outbox` from now on.
    pub(crate) fn start(
        node: usize,
        signals: &[i32],
        outbox: SyncSender<Input>,
    ) -> io::Result<Self> {
        let mut signals = Signals::new(signals)?;
        let handle = signals.handle();
        thread::spawn(move || {
            for signal in signals.forever() {
                if outbox.send(Input::Signal { node, signal }).is_err() {
                    return;
                }
            }
        });
        Ok(Self(handle))
    }
}

impl Drop for Forwarding {
    fn drop(&mut self) {
        self.0.close();
    }
}
