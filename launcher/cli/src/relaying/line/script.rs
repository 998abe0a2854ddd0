//! Scripts that read spools and leave marks. Pure.
//!
//! Rules: for a POSIX shell, with `stat` and `head` as all clusters have them. A file that is gone is
//! no error.

use schliff_agent::relay::source::{HEAD_BYTES, SpoolFile, Want};
use schliff_slurm::quote::{QuoteError, quote};
use schliff_spec::id::SubmitKey;

/// Prints a line about an open file, then its beginning, then a piece of it. The file is taken by its
/// descriptor: another may have its name by then.
const READ: &str = r#"r() {
  { s=$(stat -Lc %s /proc/self/fd/3) && n=$((s - $2)) || return 0
    [ "$n" -ge 0 ] || n=0; [ "$n" -le "$3" ] || n=$3
    h=$s; [ "$h" -le "$4" ] || h=$4
    t=$(cat "$1.taken" 2>/dev/null)
    printf '%s %s %s %s\n' "$5" "$h" "$n" "${t:-none}"
    head -c "$h" /proc/self/fd/3
    tail -c +"$(($2 + 1))" /proc/self/fd/3 | head -c "$n"
    echo
  } 3<"$1"
}
"#;

/// Begins in the folder, and ends well where it is not there yet.
fn within(folder: &str) -> Result<String, QuoteError> {
    let folder = quote(folder)?;
    Ok(format!(
        "[ -e {folder} ] || exit 0\ncd {folder} || exit 1\n"
    ))
}

/// Prints size and path of everything in spools.
pub(super) fn list(folder: &str) -> Result<String, QuoteError> {
    let list = "set -- schliff-*/spool/schliff-*-node*\n[ -e \"$1\" ] || exit 0\n\
                stat -c '%s %n' -- \"$@\" 2>/dev/null\nexit 0\n";
    Ok(within(folder)? + list)
}

/// Reads pieces; each is known by its place among `wants`.
pub(super) fn read(folder: &str, wants: &[Want]) -> Result<String, QuoteError> {
    let mut script = within(folder)? + READ;
    for (number, want) in wants.iter().enumerate() {
        let path = want.file.path();
        let Want { from, most, .. } = want;
        script += &format!("r {path} {from} {most} {HEAD_BYTES} {number} 2>/dev/null\n");
    }
    Ok(script + "exit 0\n")
}

/// Leaves marks where the spools are still there.
pub(super) fn mark(folder: &str, marks: &[(SpoolFile, u64)]) -> Result<String, QuoteError> {
    let mut script = within(folder)?;
    script += "c=0\nm() {\n  [ -e \"$1\" ] || return 0\n  \
               echo \"$2\" >\"$1.taken.new\" && mv \"$1.taken.new\" \"$1.taken\" || c=1\n}\n";
    for (file, taken) in marks {
        script += &format!("m {} {taken}\n", file.path());
    }
    Ok(script + "exit $c\n")
}

/// Prints the token of an attempt.
pub(super) fn token(folder: &str, key: SubmitKey) -> Result<String, QuoteError> {
    let path = SpoolFile::token(key);
    Ok(format!(
        "{}[ ! -e {path} ] || cat {path}\n",
        within(folder)?
    ))
}

/// Prints name, length and text of the notes of staged checkpoints.
pub(super) fn notes(base: &str, note: &str) -> Result<String, QuoteError> {
    let notes = format!(
        "for f in */{note}; do\n  [ -e \"$f\" ] || continue\n  s=$(stat -c %s \"$f\") || continue\n  \
         printf '%s %s\\n' \"$s\" \"${{f%/*}}\"\n  head -c \"$s\" \"$f\"\n  echo\ndone\n"
    );
    Ok(within(base)? + &notes)
}

/// Prints the names in a folder.
pub(super) fn names(base: &str, folder: &str) -> Result<String, QuoteError> {
    let folder = quote(folder)?;
    Ok(format!(
        "{}[ ! -e {folder} ] || ls -1 -- {folder}\n",
        within(base)?
    ))
}

/// Prints the size of a file, and a piece of it; nothing where it is gone.
pub(super) fn piece(base: &str, path: &str, from: u64, most: u64) -> Result<String, QuoteError> {
    let path = quote(path)?;
    let first = from + 1;
    Ok(format!(
        "{}[ -e {path} ] || exit 0\n{{ stat -Lc %s /proc/self/fd/3\n\
         tail -c +{first} /proc/self/fd/3 | head -c {most}\n}} 3<{path}\n",
        within(base)?
    ))
}

/// Prints the sizes of files, a line each: `none` where one is not there.
pub(super) fn sizes(base: &str, paths: &[String]) -> Result<String, QuoteError> {
    let mut script = within(base)?;
    for path in paths {
        let path = quote(path)?;
        script += &format!("stat -Lc %s -- {path} 2>/dev/null || echo none\n");
    }
    Ok(script)
}

/// Writes a piece of a file, given as base64, from one byte to another, where the file then ends.
pub(super) fn add(
    base: &str,
    path: &str,
    (from, to): (u64, u64),
    text: &str,
) -> Result<String, QuoteError> {
    let (base, folder, path) = (quote(base)?, quote(parent(path))?, quote(path)?);
    // `printf` is the shell's own: what it is given is no argument of a process.
    Ok(format!(
        "set -e\nmkdir -p {base}\ncd {base}\nmkdir -p {folder}\n: >>{path}\n\
         truncate -s {from} {path}\nprintf %s '{text}' | base64 -d >>{path}\n\
         [ \"$(stat -Lc %s {path})\" -eq {to} ]\n"
    ))
}

/// Puts a file in its place if its digest is this; else it is removed.
pub(super) fn settle(
    base: &str,
    (from, to): (&str, &str),
    sha256: &str,
) -> Result<String, QuoteError> {
    let (base, folder) = (quote(base)?, quote(parent(to))?);
    let (from, to) = (quote(from)?, quote(to)?);
    Ok(format!(
        "set -e\ncd {base}\nd=$(sha256sum <{from})\n\
         if [ \"${{d%% *}}\" = {sha256} ]; then\n  mkdir -p {folder}\n  sync {from} 2>/dev/null || :\n  \
         mv -f {from} {to}\n  sync {folder} 2>/dev/null || :\n  echo settled\n\
         else\n  rm -f {from}\n  echo other\nfi\n"
    ))
}

/// Removes a folder.
pub(super) fn clear(base: &str, folder: &str) -> Result<String, QuoteError> {
    let folder = quote(folder)?;
    Ok(format!("{}rm -rf -- {folder}\n", within(base)?))
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or(".", |(parent, _)| parent)
}
