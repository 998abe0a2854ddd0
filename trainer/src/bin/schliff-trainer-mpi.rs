//! `schliff-trainer-mpi`: the trainer linked with an MPI library.
//!
//! `schliff run --collective mpi` has `mpirun` start it. A binary of its own, because whoever has no
//! MPI could not even load it.

use std::process::ExitCode;

fn main() -> ExitCode {
    schliff_trainer::program::main()
}
