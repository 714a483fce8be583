"""Runs ComfyUI's own execution tests against this program's server.

    python -m benchmarks.execution_tests COMFYUI [--own-pack] [-- PYTEST ARGUMENTS]

``COMFYUI`` is a checkout of ComfyUI 0.33.0, of which the tests and, as a pack, their node classes are taken; with
``--own-pack`` the classes are those of ``benchmarks/execution_nodes``. Tests of ComfyUI's own modules and of models are
left out. The tests start ``python main.py`` once for each kind of cache; here that is ``dagfusion serve``.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
OWN_PACK = Path(__file__).parent / "execution_nodes"
LEFT_OUT = ("test_jobs.py", "test_preview_method.py")
_PACK = "EXECUTION_TESTS_PACK"


def serve(arguments: Sequence[str]) -> None:
    """Become the server that ComfyUI's ``main.py`` would be with these ``arguments``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--listen", default="127.0.0.1")
    parser.add_argument("--port", default="8188")
    parser.add_argument("--output-directory", default="output")
    parser.add_argument("--cache-none", action="store_true")
    given, _ = parser.parse_known_args(arguments)
    pack = os.environ[_PACK]
    loading = ["--nodes", pack] if Path(pack) == OWN_PACK else ["--packs", pack]
    folder = tempfile.mkdtemp(dir=Path.cwd())
    options = ["--host", given.listen, "--port", given.port, "--data", folder, "--out", given.output_directory]
    os.environ["PYTHONPATH"] = str(ROOT)  # and no longer ComfyUI's own modules
    if given.cache_none:
        os.environ["DAGFUSION_CACHE_MIB"] = "0"
    program = Path(sys.executable).with_name("dagfusion")
    os.execv(program, [str(program), "serve", *options, *loading, "--device", "cpu", "--disk-cache-mib", "0"])


def run_tests(comfyui: Path, pack: Path, arguments: Sequence[str]) -> int:
    """The tests' exit code."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "main.py").write_text(
            f"import sys\nsys.path.insert(0, {str(ROOT)!r})\n"
            "from benchmarks.execution_tests import serve\nserve(sys.argv[1:])\n"
        )
        python = folder / "bin" / "python"
        python.parent.mkdir()
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        tests = comfyui / "tests" / "execution"
        command = [sys.executable, "-m", "pytest", str(tests), f"--rootdir={comfyui}", "-p", "no:cacheprovider"]
        command += [f"--ignore={tests / each}" for each in LEFT_OUT]
        command += ["--port", str(_free_port()), "--output_dir", str(folder / "output"), *arguments]
        path = os.pathsep.join([str(python.parent), os.environ["PATH"]])
        environment = {**os.environ, "PATH": path, "PYTHONPATH": str(comfyui), _PACK: str(pack)}
        return subprocess.run(command, cwd=folder, env=environment, check=False).returncode


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def main() -> None:
    """Run the tests."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("comfyui", type=Path)
    parser.add_argument("--own-pack", action="store_true", help="the node classes that are written here")
    given = sys.argv[1:]
    end = given.index("--") if "--" in given else len(given)
    options = parser.parse_args(given[:end])
    comfyui = options.comfyui.resolve()
    pack = OWN_PACK if options.own_pack else comfyui / "tests" / "execution" / "testing_nodes"
    raise SystemExit(run_tests(comfyui, pack, given[end + 1 :]))


if __name__ == "__main__":
    main()
