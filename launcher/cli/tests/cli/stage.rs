//! Sets the stage: `schliff` with a stand-in trainer that plays a scene.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use schliff_spec::request::PROTOCOL;

/// No state that a test waits for takes so long, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// A verb that needs neither job file nor model file before the trainer is asked.
pub(crate) const EVAL: [&str; 5] = ["eval", "--base", "model.gguf", "--text", "words"];

/// A folder with a job file that passes the checks which need no trainer.
pub(crate) struct JobFolder {
    folder: tempfile::TempDir,
}

impl JobFolder {
    /// A small valid job with `more` at the end of its file.
    pub(crate) fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let job = "name = \"intents\"\n\n[model]\nbase = \"model.gguf\"\n\n\
            [data]\ntrain = \"train.jsonl\"\nformat = \"text\"\n";
        let files = [
            ("model.gguf", "GGUF"),
            ("train.jsonl", "{\"text\": \"Licht an\"}\n"),
            ("job.toml", &(job.to_owned() + more)),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        Self { folder }
    }

    /// Runs `schliff` in this folder to its end.
    pub(crate) fn play(&self, args: &[&str], scene: &str) -> Ended {
        let mut command = schliff(args, scene);
        command.current_dir(self.folder.path());
        end_of(command)
    }

    /// A path in this folder.
    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }
}

/// How a process ended and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// `schliff` with these arguments and a trainer that greets rightly and plays `scene`.
pub(crate) fn schliff(args: &[&str], scene: &str) -> Command {
    let version = env!("CARGO_PKG_VERSION");
    let hello = format!(
        r#"{{"event":"hello","protocol":{PROTOCOL},"version":"{version}","backend":"stand-in"}}"#
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_schliff"));
    command
        .args(args)
        .env(
            "SCHLIFF_TRAINER",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/stand_in.sh"),
        )
        .env("HELLO", hello)
        .env("SCENE", scene)
        .env_remove("COLUMNS")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs `schliff` to its end.
pub(crate) fn play(args: &[&str], scene: &str) -> Ended {
    end_of(schliff(args, scene))
}

/// Runs a command to its end.
pub(crate) fn end_of(mut command: Command) -> Ended {
    let output = command.output().expect("schliff starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("UTF-8 on standard output"),
        stderr: String::from_utf8(output.stderr).expect("UTF-8 on standard error"),
    }
}

/// `schliff` at work, in a process group of its own as a shell would start it.
pub(crate) struct Running {
    child: Child,
    words: Receiver<String>,
    heard: Vec<String>,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.process_group(0).spawn().expect("schliff starts");
        let words = lines(child.stderr.take().expect("a pipe"));
        Self {
            child,
            words,
            heard: Vec::new(),
        }
    }

    /// Waits for the next line on standard error that contains `words`.
    pub(crate) fn wait_for(&mut self, words: &str) -> String {
        loop {
            match self.words.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line.clone()),
                Err(why) => panic!("no `{words}` ({why}) in {:#?}", self.heard),
            }
            if let Some(line) = self.heard.last().filter(|line| line.contains(words)) {
                return line.clone();
            }
        }
    }

    /// Waits until something has come about, or it has ended.
    pub(crate) fn wait_until(&mut self, is_so: impl Fn() -> bool) {
        let give_up = std::time::Instant::now() + PATIENCE;
        while !is_so() {
            assert!(std::time::Instant::now() < give_up, "{:#?}", self.heard);
            // Its words are the clock: they come, or a moment passes.
            match self.words.recv_timeout(Duration::from_millis(20)) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => assert!(is_so(), "{:#?}", self.heard),
            }
        }
    }

    /// Signals the whole group, as the terminal's Ctrl-C does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        kill_process_group(Pid::from_child(&self.child), signal).expect("schliff still runs");
    }

    /// Signals `schliff` alone, as `kill` does.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("schliff still runs");
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        loop {
            match self.words.recv_timeout(PATIENCE) {
                Ok(line) => self.heard.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.signal(Signal::KILL);
                    panic!("schliff does not end: {:#?}", self.heard);
                }
            }
        }
        let mut stdout = String::new();
        if let Some(mut pipe) = self.child.stdout.take() {
            pipe.read_to_string(&mut stdout).expect("UTF-8");
        }
        let code = self.child.wait().expect("an exit status").code();
        Ended {
            code,
            stdout,
            stderr: self.heard.join("\n"),
        }
    }
}

/// The lines of a pipe, as they come.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (outbox, inbox) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if outbox.send(line).is_err() {
                return;
            }
        }
    });
    inbox
}

/// The first line that somebody writes into the named pipe `path`, waited for.
pub(crate) fn line_from_pipe(path: &Path) -> String {
    let path = path.to_owned();
    let (outbox, inbox) = channel();
    std::thread::spawn(move || {
        let pipe = std::fs::File::open(path).expect("the named pipe opens");
        let mut line = String::new();
        BufReader::new(pipe).read_line(&mut line).expect("UTF-8");
        outbox.send(line.trim_end().to_owned())
    });
    inbox
        .recv_timeout(PATIENCE)
        .expect("a line in the named pipe")
}
