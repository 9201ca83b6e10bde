"""docker/Dockerfile as data, and its build stage carried out without a container: the same commands, elsewhere."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
BUILD_SECONDS = 600


@dataclass(frozen=True)
class Instruction:
    word: str
    rest: str


@dataclass(frozen=True)
class Stage:
    """``base`` as it is written after FROM."""

    name: str
    base: str
    instructions: tuple[Instruction, ...]

    def all(self, word: str) -> list[str]:
        return [instruction.rest for instruction in self.instructions if instruction.word == word]

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for rest in self.all("ENV") for pair in shlex.split(rest))


def read_stages() -> dict[str, Stage]:
    """The stages of the Dockerfile, in order."""
    stages: dict[str, Stage] = {}
    head, body = "", list[Instruction]()
    for instruction in (*_instructions(DOCKERFILE.read_text()), Instruction("FROM", "")):
        if instruction.word != "FROM":
            body.append(instruction)
            continue
        if head:
            base, name = re.fullmatch(r"(\S+) AS (\S+)", head).groups()  # type: ignore[union-attr]
            stages[name] = Stage(name, base, tuple(body))
        head, body = instruction.rest, []
    return stages


def _instructions(text: str) -> Iterator[Instruction]:
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    for line in re.split(r"\n(?!\s)", "\n".join(lines)):
        word, _, rest = line.replace("\\\n", " ").partition(" ")
        yield Instruction(word, rest.strip())


def ignored_by_the_build(path: str) -> bool:
    """Whether .dockerignore keeps this path of the checkout away; a later line counts more."""
    ignored = False
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and _matches(pattern, path):
            ignored = not line.startswith("!")
    return ignored


def _matches(pattern: str, path: str) -> bool:
    wanted = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    return re.fullmatch(f"{wanted}(?:/.*)?", path) is not None


def build_environment(directory: Path) -> Path:
    """Carries out the stage ``build``: its /build and /opt/ostiary are below ``directory``. Returns the programs of /opt/ostiary."""
    stage = read_stages()["build"]
    work = directory / "build"
    work.mkdir(parents=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = {**os.environ, **stage.environment(), "PATH": path}
    environment.pop("PYTHONOPTIMIZE", None)
    for instruction in stage.instructions:
        if instruction.word == "COPY":
            *sources, target = instruction.rest.split()
            for source in sources:
                _copy(source, work / target, into=len(sources) > 1 or target.endswith("/"))
        elif instruction.word == "RUN":
            command = re.sub(r"(?<![\w/])/(build|opt)/", rf"{directory}/\1/", instruction.rest)
            finished = subprocess.run(
                ["sh", "-ec", command],
                cwd=work,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
            )
            if finished.returncode:
                raise RuntimeError(f"{command}\n{finished.stdout}{finished.stderr}")
    return directory / "opt" / "ostiary" / "bin"


def _copy(source: str, target: Path, *, into: bool) -> None:
    if ignored_by_the_build(source):
        raise RuntimeError(f".dockerignore keeps {source} away")
    for found in [ROOT / source] if (ROOT / source).is_file() else (ROOT / source).rglob("*"):
        name = found.relative_to(ROOT)
        if found.is_file() and not ignored_by_the_build(str(name)):
            place = target / found.name if into else target / found.relative_to(ROOT / source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(found, place)
