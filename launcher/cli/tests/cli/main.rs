//! `schliff` as a process, with a scripted stand-in for the trainer.

mod agents;
mod changing;
mod checkpoints;
mod doctor;
mod documents;
mod export;
mod fake;
mod group;
mod help;
mod looking;
mod plumbing;
mod relaying;
mod reporting;
mod searches;
mod serving;
mod signals;
mod stage;
mod submitting;
mod superseded;
mod verbs;
mod waiting;
