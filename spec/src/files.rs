//! Finds the files that a job names.
//!
//! Rules: a relative path is looked for beside the job file first, then in the working directory;
//! the other way round when it was typed on the command line. Nothing is read here.

use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::form::wrong_type;
use crate::job::BaseModel;
use crate::node::{Data, Node, quoted};
use crate::origin::Place;
use crate::problem::Fault;

/// Where to look.
pub(crate) struct Files {
    /// Folder of the job file.
    pub(crate) folder: PathBuf,
    /// Without it, paths are taken as written.
    pub(crate) check: bool,
}

impl Files {
    /// What a file of that path names.
    pub(crate) fn beside(path: &Path, check: bool) -> Self {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, check }
    }

    /// An existing file.
    pub(crate) fn file(&self, node: &Node) -> Result<PathBuf, Fault> {
        let path = self.find(node, written(node, "the path of a file")?)?;
        if self.check && !path.is_file() {
            let noun = if path.is_dir() {
                "a folder"
            } else {
                "no regular file"
            };
            return Err(Fault::new(format!("{} is {noun}", path.display())));
        }
        Ok(path)
    }

    /// An existing file with something in it.
    pub(crate) fn filled(&self, node: &Node) -> Result<PathBuf, Fault> {
        let path = self.file(node)?;
        if self.check && fs::metadata(&path).is_ok_and(|metadata| metadata.len() == 0) {
            let message = format!("{} is empty", path.display());
            return Err(Fault::new(message).expected("a file with samples"));
        }
        Ok(path)
    }

    /// An existing folder.
    pub(crate) fn folder(&self, node: &Node) -> Result<PathBuf, Fault> {
        let path = self.find(node, written(node, "the path of a folder")?)?;
        if self.check && !path.is_dir() {
            let message = format!("{} is not a folder", path.display());
            return Err(Fault::new(message));
        }
        Ok(path)
    }

    /// A folder, a `.gguf` file, or `gguf:PATH`.
    pub(crate) fn base(&self, node: &Node) -> Result<BaseModel, Fault> {
        let written = written(node, "the path of a model")?;
        if let Some(path) = written.strip_prefix("gguf:") {
            return self.gguf(node, path);
        }
        const REMOTE: &[&str] = &["hf:", "s3:", "gs:", "az:", "oci:", "http:", "https:"];
        if REMOTE.iter().any(|scheme| written.starts_with(scheme)) {
            return Err(
                Fault::new(format!("{} is not on this machine", quoted(written)))
                    .hint("fetch it first; downloading is not built yet"),
            );
        }
        let is_gguf = Path::new(written)
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("gguf"));
        let path = self
            .find(node, written)
            .map_err(|fault| fetch_hint(fault, written))?;
        if (self.check && path.is_dir()) || (!self.check && !is_gguf) {
            return Ok(BaseModel::HfDirectory(path));
        }
        if is_gguf {
            return Ok(BaseModel::Gguf(path));
        }
        Err(Fault::new(format!(
            "{} is neither a folder nor a .gguf file",
            path.display()
        ))
        .hint(format!("write \"gguf:{written}\" if it is a GGUF file")))
    }

    fn gguf(&self, node: &Node, written: &str) -> Result<BaseModel, Fault> {
        let path = self.find(node, written)?;
        if self.check && path.is_dir() {
            return Err(Fault::new(format!("{} is a folder", path.display()))
                .expected("a GGUF file after gguf:")
                .hint("leave out gguf: if it is a model folder"));
        }
        Ok(BaseModel::Gguf(path))
    }

    fn find(&self, node: &Node, written: &str) -> Result<PathBuf, Fault> {
        if written.is_empty() || written.contains('\0') {
            return Err(Fault::new(format!("{} is no path", quoted(written))));
        }
        if !self.check {
            return Ok(PathBuf::from(written));
        }
        // Joined to an absolute path, the folder falls away.
        let mut places = vec![self.folder.join(written), PathBuf::from(written)];
        if matches!(node.place, Place::Set(_)) {
            places.reverse();
        }
        places.dedup();
        if let Some(found) = places.iter().find(|path| path.exists()) {
            return Ok(found.clone());
        }
        let fault = Fault::new(format!("there is no {}", named(&places)));
        if written.starts_with('~') {
            return Err(fault.hint("~ is not expanded; write the folder out"));
        }
        Err(fault)
    }
}

/// The paths tried, those in the working directory in full where there are others.
fn named(tried: &[PathBuf]) -> String {
    let here = env::current_dir().unwrap_or_default();
    let named: Vec<_> = tried
        .iter()
        .map(|path| match tried.len() {
            1 => path.display().to_string(),
            _ => here.join(path).display().to_string(),
        })
        .collect();
    named.join(", nor ")
}

fn written<'a>(node: &'a Node, expected: &str) -> Result<&'a str, Fault> {
    match &node.data {
        Data::Text(text) => Ok(text),
        _ => Err(wrong_type(node, expected)),
    }
}

/// A missing `org/name` was probably meant for the Hugging Face hub.
fn fetch_hint(fault: Fault, written: &str) -> Fault {
    let parts: Vec<_> = written.split('/').collect();
    let is_hub_name = matches!(parts[..], [org, name] if !org.is_empty() && !name.is_empty())
        && !written.starts_with(['.', '~'])
        && !written.ends_with(".gguf");
    if is_hub_name {
        return fault
            .hint("a model from a hub must be fetched first; downloading is not built yet");
    }
    fault
}
