//! The status page: templates, live updates, and what they are served with.
