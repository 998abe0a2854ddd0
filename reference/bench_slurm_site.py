"""A Slurm cluster of a benchmark's own, a coordinator on it, and raw calls to compare with."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEV = ROOT / "slurm/dev/slurm"
SCHLIFF = ROOT / "target/release/schliff"
# For whatever must come on a machine that is busy with other things.
PATIENCE_S = 1_800


def wait_until(what, is_so, every_s=0.05):
    """Looks until it is so; gives what the look found."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := is_so():
            return found
        time.sleep(every_s)
    raise TimeoutError(f"waited {PATIENCE_S} s for {what}")


class Cluster:
    """Ends with its block, with all that runs on it."""

    def __init__(self, folder, nodes):
        # The folder is open to the daemons' users, and its path is short: it holds sockets.
        self.state, self.nodes = folder / "s", nodes
        folder.chmod(0o755)

    def __enter__(self):
        command = [DEV, "up", "--state", self.state, "--nodes", str(self.nodes)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        shell = f'eval "$({DEV} env --state {self.state})"; exec env -0'
        told = subprocess.run(["bash", "-c", shell], check=True, capture_output=True, text=True).stdout
        self.env = dict(line.split("=", 1) for line in told.split("\0") if "=" in line)
        self.version = self.run("sinfo", "--version").split()[-1]
        return self

    def __exit__(self, *_):
        subprocess.run([DEV, "down", "--purge", "--state", self.state], check=True, stdout=subprocess.DEVNULL)

    def run(self, *command, **more):
        """What a command prints."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, **more)
        if done.returncode != 0:
            raise RuntimeError(f"{command}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def queue(self):
        return self.run("squeue", "-h", "-o", "%A").split()

    def clear(self):
        """Nothing waits or runs any more."""
        self.run("scancel", "--user=root")
        wait_until("an empty queue", lambda: not self.queue())

    @contextlib.contextmanager
    def waiting(self):
        """Nothing starts meanwhile: jobs are taken, and wait."""
        self.run("scontrol", "update", "PartitionName=batch", "State=DOWN")
        try:
            yield
        finally:
            self.clear()
            self.run("scontrol", "update", "PartitionName=batch", "State=UP")

    def profile(self, folder, way, program="/bin/true", more="", limits=""):
        """Writes a cluster profile; all that it does not say is as the product has it by default."""
        ways = {
            "command": "",
            "ssh": f'ssh_host = "{self.env["SCHLIFF_SLURM_SSH_HOST"]}"\n'
            f'ssh_config = "{self.env["SCHLIFF_SLURM_SSH_CONFIG"]}"\nlogins_per_minute = 60\n',
            "rest": f'rest_url = "{self.env["SCHLIFF_SLURM_REST_URL"]}"\n'
            f'rest_user = "{self.env["SCHLIFF_SLURM_REST_USER"]}"\n'
            f'rest_token_file = "{self.env["SCHLIFF_SLURM_JWT_FILE"]}"\n',
        }
        text = (
            f'name = "dev"\nbackend = "slurm"\n[slurm]\ntransport = "{way}"\n{ways[way]}'
            f'folder = "{folder}/shared-{way}"\nprogram = "{program}"\n{more}'
            '[ask]\naccount = "dev"\npartition = "batch"\n[launch]\ninterface = "lo"\n'
            f"[limits]\nmax_queued = 100000\n{limits}"
        )
        path = folder / f"{way}.toml"
        path.write_text(text)
        return path

    def rpcs(self):
        """Questions and orders to the controller so far, by type; not what its own daemons say."""
        rows = re.findall(r"^\s+(REQUEST_\w+)\s+\(\s*\d+\) count:(\d+)", self.run("sdiag"), re.M)
        own = re.compile(r"INFO|SUBMIT|KILL|CANCEL|SIGNAL|UPDATE_JOB")
        return {name: int(count) for name, count in rows if own.search(name) and name != "REQUEST_STATS_INFO"}


class Coordinator:
    """`schliff serve` on a cluster; ends with its block."""

    def __init__(self, cluster, folder, profile):
        self.cluster, self.folder, self.profile = cluster, folder, profile
        self.state = folder / "state"
        self.env = {**cluster.env, "SCHLIFF_STATE": str(self.state)}
        self.env.pop("SCHLIFF_COORDINATOR", None)

    def __enter__(self):
        self.folder.mkdir(exist_ok=True)
        command = [SCHLIFF, "serve", "--listen", "127.0.0.1:0", "--cluster", self.profile]
        self.said = open(self.folder / "said", "w+")
        self.process = subprocess.Popen(
            command, env=self.env, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=self.said
        )
        address = lambda: re.search(r"http://[^/\s]+", (self.folder / "said").read_text())
        self.url = wait_until("the coordinator", address).group(0)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.said.close()

    def schliff(self, *arguments):
        command = [SCHLIFF, *arguments]
        done = subprocess.run(command, env=self.env, cwd=self.folder, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"{arguments}: {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def metrics(self):
        """Figures of the cluster, by their names."""
        token = (self.state / "token").read_text().strip()
        request = urllib.request.Request(f"{self.url}/metrics", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request) as answer:
            text = answer.read().decode()
        rows = re.findall(r'^schliff_(backend_\w+)\{cluster="dev"\} (\d+)', text, re.M)
        return {name: int(count) for name, count in rows}

    def use(self):
        """CPU seconds of its own and of the commands that it ran, memory now and at most in bytes."""
        folder = pathlib.Path("/proc") / str(self.process.pid)
        fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        ticks = os.sysconf("SC_CLK_TCK")
        own, children = (sum(map(int, fields[at : at + 2])) / ticks for at in (11, 13))
        status = (folder / "status").read_text()
        memory = [int(re.search(rf"{name}:\s+(\d+)", status).group(1)) << 10 for name in ("VmRSS", "VmHWM")]
        return {"own_s": own, "children_s": children, "bytes": memory[0], "most_bytes": memory[1]}


def job_file(folder, steps=20, more=""):
    """The tiny model that the tests train."""
    fixtures = ROOT / "trainer/tests/fixtures"
    text = (
        f'name = "tiny"\n[model]\nbase = "{fixtures}/tiny/llama"\n[data]\ntrain = "{fixtures}/curves/data.jsonl"\n'
        f'format = "tokens"\nmax_tokens = 64\n[training]\nsteps = {steps}\nbatch_samples = 8\n'
        f"micro_batch_samples = 1\nlr = 1e-3\n{more}"
    )
    path = folder / "job.toml"
    path.write_text(text)
    return path


def stand_in(folder):
    """A program that writes down when it was started, in nanoseconds, and has done its work."""
    began = folder / "began"
    began.mkdir()
    path = folder / "program"
    path.write_text(
        "#!/bin/sh\nnow=$(date +%s%N)\nexit_file=\n"
        'while [ $# -gt 0 ]; do [ "$1" != --exit-file ] || exit_file=$2; shift; done\n'
        f'folder=${{exit_file%/*}}\necho "$now" >"{began}/.$$"\nmv "{began}/.$$" "{began}/${{folder##*/}}"\n'
        'echo 0 >"$exit_file"\n'
    )
    path.chmod(0o755)
    return path, began


def template(cluster, coordinator, shared, job):
    """A copy of the folder of an attempt that has never started: what raw `sbatch` is given."""
    with cluster.waiting():
        number = coordinator.schliff("submit", job).strip()
        wait_until("a first submit", (shared / f"schliff-{number}-1/id").exists)
        copy = shared.parent / "template"
        shutil.copytree(shared / f"schliff-{number}-1", copy)
        coordinator.schliff("cancel", number)
    (copy / "id").unlink()
    return copy, str(shared / f"schliff-{number}-1")


def raw_folder(copy, was, to):
    """The same attempt in another folder."""
    shutil.copytree(copy, to)
    script = (to / "batch.sh").read_text().replace(was, str(to))
    # Under its own name the coordinator would cancel it: it forgets the attempt.
    script = re.sub(r"(#SBATCH --job-name=|#SBATCH --comment=).*", r"\1raw", script)
    (to / "batch.sh").write_text(script)
    return to / "batch.sh"


def raw_commands(cluster, script, jobs, at_once, over_ssh):
    """Seconds to submit so many by `sbatch` in a loop, in one session."""
    shell = f"seq {jobs} | xargs -P {at_once} -I N sbatch --parsable {script} >/dev/null"
    if over_ssh:
        ssh = ["ssh", "-F", cluster.env["SCHLIFF_SLURM_SSH_CONFIG"], cluster.env["SCHLIFF_SLURM_SSH_HOST"]]
        # What logging in costs is not what a submit costs.
        session = subprocess.Popen(
            [*ssh, "sh"], env=cluster.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        session.stdin.write("echo ready\n")
        session.stdin.flush()
        session.stdout.readline()
        begun = time.monotonic()
        session.communicate(f"{shell}\n")
        assert session.returncode == 0, session.returncode
    else:
        begun = time.monotonic()
        cluster.run("sh", "-c", shell)
    return time.monotonic() - begun


def raw_rest(cluster, script, jobs, at_once):
    """Seconds to submit so many to slurmrestd, over connections that are kept."""
    address = urllib.parse.urlsplit(cluster.env["SCHLIFF_SLURM_REST_URL"])
    headers = {
        "Content-Type": "application/json",
        "X-SLURM-USER-NAME": cluster.env["SCHLIFF_SLURM_REST_USER"],
        "X-SLURM-USER-TOKEN": pathlib.Path(cluster.env["SCHLIFF_SLURM_JWT_FILE"]).read_text().strip(),
    }
    job = {
        "name": "raw", "account": "dev", "partition": "batch", "current_working_directory": "/tmp",
        "standard_output": "/dev/null", "tasks": 1, "nodes": [1, 1], "environment": {"PATH": "/usr/bin:/bin"},
    }
    body = json.dumps({"script": script.read_text(), "job": job})
    failures = []

    def work(share):
        connection = http.client.HTTPConnection(address.hostname, address.port)
        for _ in range(share):
            connection.request("POST", "/slurm/v0.0.38/job/submit", body, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200:
                failures.append(text)

    shares = [jobs // at_once + (at < jobs % at_once) for at in range(at_once)]
    workers = [threading.Thread(target=work, args=(share,)) for share in shares]
    begun = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures, failures[0]
    return time.monotonic() - begun
