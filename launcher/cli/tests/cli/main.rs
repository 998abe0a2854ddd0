//! `schliff` as a process, with a scripted stand-in for the trainer.

mod agents;
mod checkpoints;
mod doctor;
mod group;
mod help;
mod plumbing;
mod reporting;
mod signals;
mod stage;
mod verbs;
