//! Reading job files, from the outside.

mod combinations;
#[cfg(test)]
mod desk;
mod goldens;
mod mutations;
mod nearest;
mod notation;
mod paths;
mod round_trip;
mod sets;
mod sweep;
mod text;
