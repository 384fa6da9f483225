"""Shows a commit becoming a running service, then healing, rolling back, explaining and holding: a transcript of real commands.

Usage: python -m scripts.demo [--stay]. Every command is run as it is printed, and what it must show is checked: the first thing that
does not happen ends the demo with an error. However it ends, it leaves nothing running and no file behind.
"""

import os
import re
import shlex
import shutil
import sys
import textwrap
import time
from typing import Final

from scripts.playground import ROOT, Playground, Unexpected, playground, running

EXAMPLE: Final = ROOT / "examples" / "quickstart"
WIDTH: Final = 100
BOLD, DIM, GREEN, RED = "1", "2", "32", "31"
FAILED, CHANGES, HELD = 1, 2, 3


class Transcript:
    """What a reader sees: what is done and why, the commands, and what they printed."""

    def __init__(self, desk: Playground) -> None:
        self._desk = desk
        self._colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._begun = time.monotonic()
        self._steps = 0

    def step(self, title: str, words: str) -> None:
        """A new step begins."""
        self._steps += 1
        self._write(self._painted(f"\n{self._steps}. {title}", BOLD))
        self.say(words)

    def say(self, words: str) -> None:
        """Tell what happens, in a line or two."""
        self._write(
            textwrap.fill(words, WIDTH, initial_indent="   ", subsequent_indent="   ", break_on_hyphens=False, break_long_words=False)
        )

    def saw(self, words: str) -> None:
        """Something was seen to be true."""
        self._write(f"   {self._painted('✓', GREEN)} {words}")

    def type(self, command: str, code: int = 0, shown: str = "") -> str:
        """Show a command, run it, show what it printed. Raises Unexpected for another exit code, or without what must be shown."""
        self._write(f"\n{self._painted('$', DIM)} {self._painted(command, BOLD)}")
        answer = self._desk.run(command, **({"FORCE_COLOR": "1"} if self._colours else {}))
        if answer.output.strip():
            self._write(answer.output.rstrip())
        if answer.code != code:
            raise Unexpected(f"`{command}` ended with {answer.code}, not with {code}")
        if code:
            self._write(self._painted(f"(exit code {code})", DIM))
        if shown not in answer.output:
            raise Unexpected(f"`{command}` did not show `{shown}`")
        return answer.output

    def type_and_leave(self, command: str) -> None:
        """Show a command that goes on, and start it."""
        self._write(f"\n{self._painted('$', DIM)} {self._painted(f'{command} &', BOLD)}")
        self._desk.serve(command)

    def end(self, words: str) -> None:
        """All was shown."""
        self._write(f"\n{self._painted('✓', GREEN)} {words} ({time.monotonic() - self._begun:.0f} seconds)")

    def _painted(self, words: str, colour: str) -> str:
        return f"\033[{colour}m{words}\033[0m" if self._colours else words

    def _write(self, words: str) -> None:
        print(words, flush=True)


class Demo:
    """The story, step by step."""

    def __init__(self, desk: Playground) -> None:
        self.desk = desk
        self.told = Transcript(desk)
        self.fetches = "curl -s" if shutil.which("curl") else "wget -qO-" if shutil.which("wget") else ""

    def set_up(self) -> None:
        """A repository on a server, a clone of it, and the first commit."""
        desk, told = self.desk, self.told
        told.step("A repository", f"A bare one stands for your Git server. Everything here is below {desk.folder}, and goes at the end.")
        told.type(f"git init --quiet --bare {desk.origin}")
        told.type(f"git clone --quiet {desk.origin} {desk.clone}")
        told.type(f"cd {desk.clone} && export TRUEUP_STATE={desk.state}")
        told.type(f"cp -r {EXAMPLE}/. .")
        desk.fill()
        told.say(f"(port {desk.port} is free here: it takes the place of the example's)")
        told.type("cat trueup.yaml")
        told.type('git add . && git commit --quiet -m "the first declaration" && git push --quiet')

    def plan(self) -> None:
        """What would change."""
        self.told.step("A plan before any change", "What the commit would do, for every object and field. Nothing is changed.")
        self.told.type("trueup plan", CHANGES, "Service/web")

    def serve(self) -> None:
        """The first sync."""
        desk, told = self.desk, self.told
        told.step("The first sync", "`trueup serve` follows the repository. What runs does not need it: it may stop and start at any time.")
        told.type_and_leave(f"trueup serve --poll 1s --listen {desk.address}")
        seconds = desk.until("the first sync", lambda: "Apples and pears" in desk.page())
        self.wait_until_healthy()
        told.saw(f"the service answered after {seconds:.1f} seconds")
        told.type("trueup status", 0, "healthy")
        self.look("Good morning")

    def change(self) -> None:
        """A commit that changes the service."""
        desk, told = self.desk, self.told
        told.step("A commit", "Another greeting in the settings, another page. The service restarts, because it uses the settings.")
        told.type("sed -i 's/Good morning/Good evening/' web/web.yaml && sed -i 's/pears/plums/' web/site/index.html")
        told.type('git commit --quiet -am "shop: plums in the evening" && git push --quiet')
        seconds = desk.until("the new page", lambda: "Good evening" in desk.page() and "plums" in desk.page())
        told.saw(f"it runs {seconds:.1f} seconds after the push; nobody typed anything else")
        self.wait_until_healthy()
        self.look("plums")

    def heal(self) -> None:
        """A killed process and an edited file."""
        desk, told = self.desk, self.told
        told.step("Drift", "Somebody kills the process and edits the page by hand. Git did not change, so both are undone.")
        process = self.process()
        page = next(desk.state.rglob("web/site/index.html"))
        told.type(f"kill -9 {process} && echo '<h1>Mine</h1>' > {shlex.quote(str(page))}")
        healed = "the page and the process are back"
        seconds = desk.until(healed, lambda: "plums" in desk.page() and self.process() not in ("", process))
        told.saw(f"{healed} after {seconds:.1f} seconds")
        self.wait_until_healthy()
        self.look("plums")
        told.type("trueup history web --limit 3", 0, "drift")

    def explain(self) -> None:
        """Which commit set it."""
        told = self.told
        told.step("Why?", "Every field of every running thing leads to a commit, a file and a line.")
        told.type("trueup why web File/settings spec.content", 0, "shop: plums in the evening")

    def roll_back(self) -> None:
        """A bad commit, and the way back in Git."""
        desk, told = self.desk, self.told
        told.step("A bad commit", "A slip of the pen: `shops.py`. The commit is degraded, and says why.")
        told.type("sed -i 's/shop.py/shops.py/' web/web.yaml")
        told.type('git commit --quiet -am "shop: tidy up" && git push --quiet')
        desk.until("the bad commit is degraded", lambda: desk.status("web").get("health") == "degraded")
        told.type("trueup status", FAILED, "degraded")
        told.type("trueup logs web Service/web | tail -n 3", 0, "shops.py")
        told.say("Rolled back in Git: a commit that takes back this application's files, and the bad revision is held back.")
        told.type('trueup rollback web --reason "the shop does not start"')
        self.wait_until_healthy()
        told.type("git pull --quiet && git log --oneline", 0, 'Revert "shop: tidy up"')
        told.type("git log -1 --format=%B", 0, "Trueup-From")
        told.type("trueup status", 0, "healthy")
        self.look("plums")

    def hold(self) -> None:
        """Nothing is deleted by accident."""
        desk, told = self.desk, self.told
        told.step("Nothing is deleted by accident", "A commit loses the application. What runs goes on until somebody approves.")
        told.type("sed -i '/^---/,$d' trueup.yaml && git commit --quiet -am 'tidy up more' && git push --quiet")
        desk.until("the removal is held", lambda: desk.status("web").get("sync") == "held")
        told.type("trueup status", HELD, "held")
        self.look("plums")
        told.type("trueup approve web")
        seconds = desk.until("everything is gone", lambda: not desk.page() and not desk.status("web"))
        told.saw(f"approved, and gone after {seconds:.1f} seconds")

    def remember(self) -> None:
        """What was done, and the end of serve."""
        told = self.told
        told.step("All of it is remembered", "One line for each run: which commit, why, by whom, and how it ended.")
        told.type("trueup history", 0, "rollback")
        told.say("serve stops when the step under way is done.")
        self.desk.stop()
        left = running(self.desk.folder)
        if left:
            raise Unexpected(f"something still runs: {', '.join(map(str, left))}")

    # ------------------------------------------------------------------ what the steps share

    def look(self, shown: str) -> None:
        """The page as a browser gets it."""
        address = f"http://127.0.0.1:{self.desk.port}/"
        reading = f"import urllib.request as web; print(web.urlopen('{address}').read().decode())"
        self.told.type(f"{self.fetches} {address}" if self.fetches else f'python3 -c "{reading}"', 0, shown)

    def process(self) -> str:
        """The process that answers; empty when none does."""
        found = re.search(r"process (\d+)", self.desk.page())
        return found[1] if found else ""

    def wait_until_healthy(self) -> None:
        """Until the head of the branch is what runs."""
        desk = self.desk

        def healthy() -> bool:
            status = desk.status("web")
            return (status.get("sync"), status.get("health")) == ("synced", "healthy") and status["revision"] == status["desiredRevision"]

        desk.until("synced and healthy", healthy)


def show(desk: Playground) -> None:
    """The whole story."""
    demo = Demo(desk)
    story = (
        demo.set_up,
        demo.plan,
        demo.serve,
        demo.change,
        demo.heal,
        demo.explain,
        demo.roll_back,
        demo.hold,
        demo.remember,
    )
    for step in story:
        step()
    demo.told.end("nothing is left running")


def stay(desk: Playground) -> None:
    """The set-up, and then it is yours until Ctrl-C."""
    demo = Demo(desk)
    demo.set_up()
    demo.serve()
    print(INVITATION.format(desk=desk, programs=desk.environment["PATH"].partition(os.pathsep)[0]), flush=True)
    while desk.serving and desk.serving.poll() is None:
        time.sleep(0.2)
    raise Unexpected(f"serve ended by itself; it last told:\n{desk.told()}")


INVITATION: Final = """
It is yours. In another terminal:

    export PATH={programs}:$PATH TRUEUP_STATE={desk.state}
    cd {desk.clone}

    the repository   {desk.origin}
    the clone        {desk.clone}
    the service      http://127.0.0.1:{desk.port}/
    serve            http://{desk.address}/healthz, /readyz, /metrics; its log is {desk.log}

Try:

    trueup status --watch
    change web/site/index.html, then: git commit -am "another page" && git push
    trueup why web File/settings spec.content
    trueup logs web -f
    break something, commit and push it, then: trueup rollback web
    trueup hold web, change a file, trueup drift, trueup release web

Ctrl-C ends it: everything is stopped, and {desk.folder} is removed.
"""


def main() -> int:
    """The exit code."""
    unknown = set(sys.argv[1:]) - {"--stay"}
    if unknown:
        print(f"error: unknown: {' '.join(sorted(unknown))}\n\nhint: --stay is the only option", file=sys.stderr)
        return 64
    try:
        with playground(EXAMPLE) as desk:
            stay(desk) if sys.argv[1:] else show(desk)
    except KeyboardInterrupt:
        print("\ninterrupted: everything was stopped and removed", file=sys.stderr)
        return 0 if sys.argv[1:] else 130
    except Unexpected as error:
        print(f"\nerror: {error}\n\nhint: everything was stopped and removed; `make run` stays, to look closer", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
