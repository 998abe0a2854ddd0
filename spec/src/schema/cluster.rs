//! The table of the cluster profile.

use super::Fallback::{None, Required};
use super::Form::{Choice, Name, Number, Time, Whole};
use super::Interval::NotNegative;
use super::keys::key;
use super::{Key, Schema, Section};

/// The cluster profile.
pub(crate) static CLUSTER: Schema = Schema {
    noun: "cluster profile",
    outline: (
        "a cluster",
        "a name, a backend and sections with its settings",
    ),
    hint: "configs/clusters has examples",
    sections: SECTIONS,
    other_names: &[],
};

const SECTIONS: &[Section] = &[
    Section {
        name: "",
        meaning: "The cluster as a whole.",
        keys: TOP,
    },
    Section {
        name: "local",
        meaning: "What of this machine is used.",
        keys: LOCAL,
    },
    Section {
        name: "limits",
        meaning: "How much may be asked of it.",
        keys: LIMITS,
    },
    Section {
        name: "cost",
        meaning: "What its use costs.",
        keys: COST,
    },
];

#[rustfmt::skip]
const TOP: &[Key] = &[
    key("name", Name("cluster"), Required, "Name of the cluster, as `scheduling.cluster` has it."),
    key("backend", Choice(&["local"]), Required, "What starts jobs there."),
];

#[rustfmt::skip]
const LOCAL: &[Key] = &[
    key("cpu_slots", Whole(1), None, "Cores that are handed out; all where absent."),
    key("gpu_slots", Whole(0), None, "GPUs that are handed out; all where absent."),
];

#[rustfmt::skip]
const LIMITS: &[Key] = &[
    key("max_time", Time, None, "Longest wall time of an attempt."),
];

#[rustfmt::skip]
const COST: &[Key] = &[
    key("eur_per_gpu_hour", Number(NotNegative), None, "Price of a GPU-hour, in euros."),
    key("eur_per_core_hour", Number(NotNegative), None, "Price of a core-hour, in euros."),
    key("watt_per_gpu", Number(NotNegative), None, "Power that a GPU at work draws."),
    key("gco2_per_kwh", Number(NotNegative), None, "Grams of carbon dioxide that a kilowatt-hour stands for."),
];
