//! The scripts that make, read, mark and remove folders of attempts, for a POSIX `sh`. Pure.
//!
//! Rules: each runs in a subshell of its own, so that its `exit` ends nothing else. Whatever comes from
//! outside is quoted. Looking starts no process for a folder: with thousands of them only what a shell
//! does by itself is fast enough. The answers are read by [`super::read`].

use schliff_scheduler::allocation::StopHow;
use schliff_slurm::job::JobId;
use schliff_slurm::quote::{QuoteError, quote};
use schliff_spec::id::SubmitKey;

use super::{BY_HAND, DONE, EXIT, ID, INSTANCE, LOG, STARTS, STOP, Shelf, stop_word};

/// Exit code of a script that could not use the storage; what it says on standard error tells why.
pub(crate) const CANNOT: i32 = 9;

/// A text that no script can hold.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// Not a word for a shell.
    #[error("cannot write {what}")]
    Word {
        /// Which.
        what: String,
        /// Why.
        #[source]
        source: QuoteError,
    },
    /// A file's name or content.
    #[error("cannot write the file {name}: {why}")]
    File {
        /// Its name.
        name: String,
        /// Why.
        why: &'static str,
    },
}

/// A small text file of an attempt; it may be a secret.
pub(crate) struct TextFile {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// What a submit is to leave in a new folder.
pub(crate) struct Opening<'a> {
    pub(crate) key: SubmitKey,
    /// Files besides those that every attempt has.
    pub(crate) files: &'a [TextFile],
    /// Unix seconds.
    pub(crate) made_at: i64,
    /// A word that is new each time; ends the texts in the script.
    pub(crate) mark: &'a str,
    /// Submits the job and prints `sbatch --parsable`'s answer; absent where that is done elsewhere.
    pub(crate) submit: Option<&'a str>,
    /// It was found out that an earlier submit came to nothing.
    pub(crate) is_again: bool,
}

/// Makes an attempt's folder with its files, and submits its job. Answer: [`super::read::Opened`].
pub(crate) fn open(shelf: &Shelf, opening: &Opening<'_>) -> Result<String, ScriptError> {
    let mut text = format!("(\numask 077\n{}", places(shelf, opening.key)?);
    text.push_str("mkdir -p \"$f\" || exit 9\n");
    text.push_str(&found(opening.is_again, &word(&shelf.instance, INSTANCE)?));
    let whose = format!("{} {}", shelf.instance, opening.made_at);
    let whose = TextFile {
        name: INSTANCE.to_owned(),
        text: whose,
    };
    for file in std::iter::once(&whose).chain(opening.files) {
        text.push_str(&written(file, opening.mark)?);
    }
    text.push_str("echo made\n");
    if let Some(submit) = opening.submit {
        text.push_str(&format!(
            "(\n{submit}\n) >\"$d/.out\" 2>\"$d/.err\"\nc=$?\n"
        ));
        text.push_str(KEEP_ID);
    }
    text.push_str(")\n");
    Ok(text)
}

/// Writes down the number that a submit brought, shows what it said, and ends as it ended.
const KEEP_ID: &str = r#"i=
while IFS=';' read -r w x; do
  case $w in '' | *[!0-9]*) ;; *) i=$w ;; esac
done <"$d/.out"
[ "$c" -ne 0 ] || [ -z "$i" ] || { echo "$i" >"$d/.id" && mv "$d/.id" "$d/id"; }
cat "$d/.out"
cat "$d/.err" >&2
rm -f "$d/.out" "$d/.err"
exit "$c"
"#;

/// What is done where the folder is there already.
fn found(is_again: bool, instance: &str) -> String {
    let unsettled = match is_again {
        true => "",
        false => "  [ -n \"$i\" ] || { echo unsettled; exit 0; }\n",
    };
    format!(
        r#"if ! e=$(mkdir "$d" 2>&1); then
  [ -d "$d" ] || {{ echo "$e" >&2; exit {CANNOT}; }}
  w= i=
  [ ! -f "$d/{INSTANCE}" ] || read -r w x <"$d/{INSTANCE}"
  [ -z "$w" ] || [ "$w" = {instance} ] || {{ echo "foreign $w"; exit 0; }}
  [ ! -f "$d/{ID}" ] || read -r i <"$d/{ID}"
  [ -z "$i" ] || {{ echo "known $i"; exit 0; }}
{unsettled}fi
"#
    )
}

/// The commands that write a file, whole or not at all.
pub(super) fn written(file: &TextFile, mark: &str) -> Result<String, ScriptError> {
    let wrong = |why| ScriptError::File {
        name: file.name.clone(),
        why,
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.".contains(&b);
    let is_name = !file.name.is_empty() && file.name.bytes().all(is_plain);
    if !is_name || file.name.starts_with('.') {
        return Err(wrong("expected a plain name, without folders"));
    }
    if file.text.contains('\0') {
        return Err(wrong("it has a NUL character"));
    }
    let mark = format!("END_{mark}");
    if file.text.lines().any(|line| line == mark) {
        return Err(wrong("it has the line that ends it"));
    }
    let (name, text) = (&file.name, &file.text);
    let newline = if text.ends_with('\n') { "" } else { "\n" };
    Ok(format!(
        "cat >\"$d/.{name}\" <<'{mark}' && mv \"$d/.{name}\" \"$d/{name}\" || exit {CANNOT}\n{text}{newline}{mark}\n"
    ))
}

/// Adds Slurm's number of a job of an attempt.
pub(crate) fn add_id(shelf: &Shelf, key: SubmitKey, id: JobId) -> Result<String, ScriptError> {
    let places = places(shelf, key)?;
    Ok(format!("(\n{places}echo {id} >>\"$d/{ID}\"\n)\n"))
}

/// Names all attempts. Answer: [`super::read::glances`].
pub(crate) fn glance(shelf: &Shelf) -> Result<String, ScriptError> {
    let folder = word(&shelf.folder, "the folder")?;
    Ok(format!(
        r#"(
cd {folder} 2>/dev/null || {{ echo absent; exit 0; }}
for d in schliff-*; do
  [ -d "$d" ] || continue
  i=
  [ ! -f "$d/{ID}" ] || read -r i <"$d/{ID}"
  echo "$d $i"
done
echo end
)
"#
    ))
}

/// Reads what these attempts' folders tell. Answer: [`super::read::facts`].
pub(crate) fn look(shelf: &Shelf, keys: &[SubmitKey]) -> Result<String, ScriptError> {
    let folder = word(&shelf.folder, "the folder")?;
    let keys: Vec<_> = keys.iter().map(ToString::to_string).collect();
    let keys = keys.join(" ");
    Ok(format!(
        r#"(
cd {folder} || exit {CANNOT}
for d in {keys}; do
  [ -d "$d" ] || continue
  echo "attempt $d"
  o=$d
  [ ! -L "$d/{BY_HAND}" ] || o=$d/{BY_HAND}
  for n in "$d/{INSTANCE}" "$o/{DONE}" "$o/{EXIT}" "$o/{STOP}"; do
    w=
    [ ! -f "$n" ] || read -r w <"$n"
    [ -z "$w" ] || echo "${{n##*/}} $w"
  done
  [ ! -f "$d/{ID}" ] || while read -r w; do echo "{ID} $w"; done <"$d/{ID}"
  [ ! -f "$o/{STARTS}" ] || while read -r w; do echo "{STARTS} $w"; done <"$o/{STARTS}"
  w=
  [ ! -f "$o/{DONE}" ] || read -r w <"$o/{DONE}"
  case $w in 0 | 75) continue ;; esac
  [ ! -s "$d/{LOG}" ] || printf '{LOG} %s\n' "$(tail -c 2000 "$d/{LOG}" | grep . | tail -n 1 | cut -c -500)"
done
echo end
)
"#
    ))
}

/// Tells an attempt's script not to go on. Answer: [`super::read::ids`], of ours only.
pub(crate) fn mark_stop(
    shelf: &Shelf,
    key: SubmitKey,
    how: StopHow,
) -> Result<String, ScriptError> {
    let (places, how) = (places(shelf, key)?, stop_word(how));
    let instance = word(&shelf.instance, INSTANCE)?;
    Ok(format!(
        r#"(
{places}for o in "$d" "$d/{BY_HAND}"; do
  [ ! -d "$o" ] || {{ echo {how} >"$o/.{STOP}" && mv "$o/.{STOP}" "$o/{STOP}"; }} || exit {CANNOT}
done
w=
[ ! -f "$d/{INSTANCE}" ] || read -r w x <"$d/{INSTANCE}"
[ "$w" != {instance} ] || [ ! -f "$d/{ID}" ] || while read -r w; do echo "$w"; done <"$d/{ID}"
echo end
)
"#
    ))
}

/// Removes an attempt's folder, of ours only; of what was submitted by hand only the word `stop`, and
/// only where it is ours.
pub(crate) fn remove(shelf: &Shelf, key: SubmitKey) -> Result<String, ScriptError> {
    let places = places(shelf, key)?;
    let instance = word(&shelf.instance, INSTANCE)?;
    Ok(format!(
        r#"(
{places}w=
[ ! -f "$d/{INSTANCE}" ] || read -r w x <"$d/{INSTANCE}"
[ -z "$w" ] || [ "$w" = {instance} ] || exit 0
[ ! -f "$d/{STOP}" ] || rm -f "$d/{BY_HAND}/{STOP}"
rm -rf "$d" || exit {CANNOT}
)
"#
    ))
}

/// `f` is the shared folder, `d` the attempt's.
pub(super) fn places(shelf: &Shelf, key: SubmitKey) -> Result<String, ScriptError> {
    let folder = word(&shelf.folder, "the folder")?;
    let place = word(&shelf.place(key), "the folder")?;
    Ok(format!("f={folder}\nd={place}\n"))
}

pub(super) fn word(text: &str, what: &str) -> Result<String, ScriptError> {
    quote(text).map_err(|source| ScriptError::Word {
        what: what.to_owned(),
        source,
    })
}
