"""Runs must-fail twins: copies of the tree with one text replaced, on which some loom model has to fail."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile


def run(twins, test, *arguments):
    """Runs the twins named on the command line, or all: a name to (file, text, replacement).

    Ends the program, with an error if a twin survives."""
    root = pathlib.Path(__file__).resolve().parent.parent
    survivors = []
    environment = dict(os.environ, RUSTFLAGS="--cfg headcount_loom")
    # A folder of their own: cargo cannot tell a twin's build from that of the true source.
    environment["CARGO_TARGET_DIR"] = os.environ.get("TWINS_TARGET_DIR", str(root / "target" / "twins"))
    command = ["cargo", "test", "--release", "--features", "_loom", *arguments, "--test", test]
    with tempfile.TemporaryDirectory() as copy:
        tree = pathlib.Path(copy) / "headcount"
        shutil.copytree(root, tree, ignore=shutil.ignore_patterns("target", ".git"))
        for name in sys.argv[1:] or twins:
            path, text, replacement = twins[name]
            source = (tree / path).read_text()
            if source.count(text) != 1:
                sys.exit(f"{name}: its text is {source.count(text)} times in {path}")
            (tree / path).write_text(source.replace(text, replacement))
            built = subprocess.run([*command, "--no-run"], cwd=tree, env=environment, capture_output=True)
            if built.returncode:
                sys.exit(f"{name}: does not compile\n{built.stderr.decode()}")
            ran = subprocess.run(command, cwd=tree, env=environment, capture_output=True)
            failed = [line.split()[1] for line in ran.stdout.decode().splitlines()
                      if line.startswith("test ") and line.endswith("FAILED")]
            # A twin may also fail so badly that no test comes to its end.
            if ran.returncode < 0 or b"signal: 6" in ran.stderr:
                failed.append("aborted: a panic while another unwinds")
            print(f"{name}: {', '.join(failed) or 'SURVIVES'}", flush=True)
            if not failed:
                survivors.append(name)
            (tree / path).write_text(source)
    sys.exit(f"survive: {', '.join(survivors)}" if survivors else 0)
