//! The scripts by which a job that was submitted by hand is looked at and adopted, and what they answer,
//! for a POSIX `sh`. Pure.
//!
//! Rules: looking changes nothing. The file `adopted` in the folder of the result says who has it: it
//! appears whole and once, so that of several who adopt only one does, and jobs that were submitted by
//! hand besides see it. Everything is done again without harm. Nothing of the user's is removed.

use schliff_slurm::channel::Output;
use schliff_slurm::job::JobId;
use schliff_spec::id::SubmitKey;

use super::read::{ReadError, nothing};
use super::script::{CANNOT, ScriptError, TextFile, places, word, written};
use super::{BY_HAND, DONE, ID, INSTANCE, LOG, STARTS, Shelf};
use crate::slurm::batch::by_hand::{SPOOL, log};

/// Who has the job, and whose it is: a word, a key, and a Slurm job a line.
const ADOPTED: &str = "adopted";

/// Where a job that was submitted by hand is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) id: JobId,
    /// Where it was submitted.
    pub(crate) folder: String,
    /// Folder of the result; absolute.
    pub(crate) out: String,
}

/// What its folder tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scene {
    /// Where it was submitted can be seen.
    pub(crate) is_visible: bool,
    /// Nothing is left to do.
    pub(crate) is_done: bool,
    /// Who has adopted what is there: a coordinator's word, and the key.
    pub(crate) adopted: Option<(String, String)>,
    /// The job file, where this very job has started.
    pub(crate) document: Option<String>,
}

/// Looks at its folder. Answer: [`scene`].
pub(crate) fn look(place: &Place) -> Result<String, ScriptError> {
    let (folder, out) = (
        word(&place.folder, "a folder")?,
        word(&place.out, "a folder")?,
    );
    let id = place.id;
    Ok(format!(
        r#"(
cd {folder} 2>/dev/null || {{ echo end; exit 0; }}
echo visible
o={out}
[ ! -e "$o/{DONE}" ] || echo done
w= k=
[ ! -f "$o/{ADOPTED}" ] || read -r w k <"$o/{ADOPTED}"
[ -z "$w" ] || echo "{ADOPTED} $w $k"
if [ -f "$o/job.toml" ] && grep -q '^{id} ' "$o/{STARTS}" 2>/dev/null; then
  echo document
  cat "$o/job.toml" || exit {CANNOT}
fi
echo end
)
"#
    ))
}

/// Reads the answer of [`look`].
pub(crate) fn scene(output: &Output) -> Result<Scene, ReadError> {
    nothing(output)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.strip_suffix("end\n");
    let text = text.ok_or_else(|| ReadError::Garbled("it is cut off".to_owned()))?;
    let (lines, document) = match text.split_once("document\n") {
        Some((lines, document)) => (lines, Some(document.to_owned())),
        None => (text, None),
    };
    let mut scene = Scene {
        document,
        ..Scene::default()
    };
    for line in lines.lines() {
        match line.split_once(' ').unwrap_or((line, "")) {
            ("visible", _) => scene.is_visible = true,
            (DONE, _) => scene.is_done = true,
            (ADOPTED, who) => {
                let (word, key) = who.split_once(' ').unwrap_or((who, ""));
                scene.adopted = Some((word.to_owned(), key.trim().to_owned()));
            }
            _ => {}
        }
    }
    Ok(scene)
}

/// What an adoption is to leave.
pub(crate) struct Claim<'a> {
    pub(crate) key: SubmitKey,
    pub(crate) place: &'a Place,
    /// Files of the attempt's folder.
    pub(crate) files: &'a [TextFile],
    /// Unix seconds.
    pub(crate) made_at: i64,
    /// A word that is new each time; ends the texts in the script.
    pub(crate) mark: &'a str,
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Claimed {
    /// It is ours.
    Ours,
    /// Somebody else was first: a coordinator's word, and a key.
    Theirs(String),
}

/// Makes an attempt's folder that leads to the job's own, and says in that one whose it is. Answer:
/// [`claimed`].
pub(crate) fn claim(shelf: &Shelf, claim: &Claim<'_>) -> Result<String, ScriptError> {
    let Place { id, folder, out } = claim.place;
    let instance = word(&shelf.instance, INSTANCE)?;
    let (folder, out) = (word(folder, "a folder")?, word(out, "a folder")?);
    let log = word(
        &format!("{}/{}", claim.place.folder, log(&id.to_string())),
        LOG,
    )?;
    let mut text = format!(
        r#"(
u=$(umask)
umask 077
{places}o={out} i={instance} k={key} n={id} log={log}
cd {folder} || exit {CANNOT}
mkdir -p "$f" || exit {CANNOT}
if ! e=$(mkdir "$d" 2>&1); then
  [ -d "$d" ] || {{ echo "$e" >&2; exit {CANNOT}; }}
  w=
  [ ! -f "$d/{INSTANCE}" ] || read -r w x <"$d/{INSTANCE}"
  [ -z "$w" ] || [ "$w" = "$i" ] || {{ echo "theirs $w"; exit 0; }}
fi
"#,
        places = places(shelf, claim.key)?,
        key = claim.key,
    );
    let whose = TextFile {
        name: INSTANCE.to_owned(),
        text: format!("{} {}", shelf.instance, claim.made_at),
    };
    for file in std::iter::once(&whose).chain(claim.files) {
        text.push_str(&written(file, claim.mark)?);
    }
    text.push_str(&format!(
        r#"[ -L "$d/{BY_HAND}" ] || ln -s "$o" "$d/{BY_HAND}" || exit {CANNOT}
[ -L "$d/{SPOOL}" ] || ln -s "$o/{SPOOL}" "$d/{SPOOL}" || exit {CANNOT}
[ -L "$d/{LOG}" ] || ln -s "$log" "$d/{LOG}" || exit {CANNOT}
(umask "$u" && mkdir -p "$o") || exit {CANNOT}
t=$o/.{ADOPTED}.$i.$k
printf '%s %s\n%s\n' "$i" "$k" "$n" >"$t" || exit {CANNOT}
e=$(ln "$t" "$o/{ADOPTED}" 2>&1)
rm -f "$t"
[ -f "$o/{ADOPTED}" ] || {{ echo "$e" >&2; exit {CANNOT}; }}
read -r w x <"$o/{ADOPTED}"
if [ "$w $x" = "$i $k" ]; then echo ours; else echo "theirs $w $x"; fi
)
"#
    ));
    Ok(text)
}

/// Reads the answer of [`claim`].
pub(crate) fn claimed(output: &Output) -> Result<Claimed, ReadError> {
    nothing(output)?;
    let text = String::from_utf8_lossy(&output.stdout);
    match text.trim_end().split_once(' ') {
        Some(("theirs", who)) => Ok(Claimed::Theirs(who.to_owned())),
        None if text.trim_end() == "ours" => Ok(Claimed::Ours),
        _ => Err(ReadError::Garbled(format!("it is `{}`", text.trim_end()))),
    }
}

/// Takes a claim back.
pub(crate) fn unclaim(shelf: &Shelf, key: SubmitKey, place: &Place) -> Result<String, ScriptError> {
    let instance = word(&shelf.instance, INSTANCE)?;
    let out = word(&place.out, "a folder")?;
    Ok(format!(
        r#"(
{places}o={out}
w= x=
[ ! -f "$o/{ADOPTED}" ] || read -r w x <"$o/{ADOPTED}"
[ "$w $x" != {instance}" {key}" ] || rm -f "$o/{ADOPTED}" || exit {CANNOT}
w=
[ ! -f "$d/{INSTANCE}" ] || read -r w x <"$d/{INSTANCE}"
[ "$w" != {instance} ] || rm -rf "$d" || exit {CANNOT}
)
"#,
        places = places(shelf, key)?,
    ))
}

/// Notes Slurm's number of an adopted job, from which on it is listed by its folder, too.
pub(crate) fn note(shelf: &Shelf, key: SubmitKey, id: JobId) -> Result<String, ScriptError> {
    let places = places(shelf, key)?;
    Ok(format!(
        "(\n{places}[ -s \"$d/{ID}\" ] || {{ echo {id} >\"$d/.{ID}\" && mv \"$d/.{ID}\" \"$d/{ID}\"; }} || exit {CANNOT}\n)\n"
    ))
}

#[cfg(test)]
mod tests;
