//! What can be wrong with a model file, always with the file and the thing in it.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why a model file or folder could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The operating system refused.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted, as a verb.
        operation: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file as a whole is not what it should be: truncated, wrong magic, no JSON.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// A key of a configuration or of GGUF metadata is missing, wrong, or asks for something
    /// that this program cannot compute.
    #[error("{}: {key}: {problem}", path.display())]
    Setting {
        /// The file.
        path: PathBuf,
        /// The key, dotted when nested.
        key: String,
        /// What is wrong, as a sentence.
        problem: String,
    },
    /// One tensor is missing, of another shape, or stored in a way that is not read.
    #[error("{}: tensor {tensor}: {problem}", path.display())]
    Tensor {
        /// The file, or the folder where no one file is to blame.
        path: PathBuf,
        /// The tensor's name in that file.
        tensor: String,
        /// What is wrong.
        problem: TensorProblem,
    },
}

/// What is wrong with one tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TensorProblem {
    /// The configuration calls for it, the file has none.
    Missing,
    /// The file has it, the configuration has no use for it.
    Unexpected,
    /// It is there with other dimensions.
    Shape {
        /// Dimensions in the file, HF order.
        found: Vec<usize>,
        /// Dimensions that the configuration calls for.
        expected: Vec<usize>,
    },
    /// Its storage cannot be read; a sentence says why.
    Storage(String),
}

impl fmt::Display for TensorProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "missing"),
            Self::Unexpected => write!(f, "not part of the model that the configuration describes"),
            Self::Shape { found, expected } => {
                write!(f, "shape {found:?}, expected {expected:?}")
            }
            Self::Storage(why) => f.write_str(why),
        }
    }
}

impl WeightsError {
    pub(crate) fn io(operation: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            operation,
            path: path.to_owned(),
            source,
        }
    }

    pub(crate) fn malformed(path: &Path, problem: impl Into<String>) -> Self {
        Self::Malformed {
            path: path.to_owned(),
            problem: problem.into(),
        }
    }

    pub(crate) fn setting(path: &Path, key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Setting {
            path: path.to_owned(),
            key: key.into(),
            problem: problem.into(),
        }
    }

    pub(crate) fn tensor(path: &Path, tensor: &str, problem: TensorProblem) -> Self {
        Self::Tensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            problem,
        }
    }
}
