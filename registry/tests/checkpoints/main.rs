//! Checkpoints on stores: one suite that every kind of store passes, and what happens when a store
//! fails, lies, or comes back.

mod damage;
mod desk;
mod drafts;
mod faults;
mod fetching;
mod shipping;
mod suite;
