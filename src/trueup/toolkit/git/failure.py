"""What git said becomes an error: who can mend it, in words that stay the same, without credentials and without the server's noise."""

import re
from dataclasses import dataclass

from trueup.model.errors import Outdated, Refused, SettingsError, TrueupError, Unreachable
from trueup.toolkit.git.remote import Remote, scrub
from trueup.toolkit.process import Completed, Ending

LONGEST = 600
_ACCESS = "check the credentials that the settings name for it, and that they may read this repository"
_WORDS = re.compile(r"^remote: ?(.*)$")


@dataclass(frozen=True, slots=True)
class _Rule:
    """A mark in git's words, the kind of error, what is said, and what to do."""

    mark: re.Pattern[str]
    kind: type[TrueupError]
    message: str
    hint: str = ""


def _rule(mark: str, kind: type[TrueupError], message: str, hint: str = "") -> _Rule:
    return _Rule(re.compile(mark, re.IGNORECASE | re.MULTILINE), kind, message, hint)


_FAILURES = (
    _rule("Could not resolve host", Unreachable, "the host of {url} is unknown", "check the address, and the name service of this machine"),
    _rule(
        "dubious ownership", SettingsError, "{url} belongs to another user", "run Trueup as its owner, or name it in Git's safe.directory"
    ),
    _rule("^remote: .*No space left on device", Unreachable, "{url} is out of order", "it is tried again; look at that server"),
    _rule(
        "insufficient permission|Read-only file system|unable to (create|write)",
        SettingsError,
        "the mirror of {url} cannot be written",
        "see who owns the state folder",
    ),
    _rule(
        "mismatched algorithms|unsupported object format|unknown repository extension",
        SettingsError,
        "{url} has SHA-256 objects, which are not supported yet",
        "use a repository with SHA-1 objects, which is what Git makes by default",
    ),
    _rule(
        "shallow",
        SettingsError,
        "{url} is a shallow clone, and the whole history is needed",
        "run `git fetch --unshallow` there, or name the repository it was cloned from",
    ),
    _rule("No space left on device", SettingsError, "the disk is full", "make room in the state folder"),
    _rule(
        "Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED",
        SettingsError,
        "the host key of {url} is not known, or not the known one",
        "compare it with the one its operator publishes, and add it to the known hosts",
    ),
    _rule(
        "UNPROTECTED PRIVATE KEY|bad permissions",
        SettingsError,
        "ssh does not take the key file for {url}: others can read it",
        "chmod 600 it",
    ),
    _rule(
        "certificate problem|certificate verif|SSL_ERROR|SSL: ",
        SettingsError,
        "the certificate of {url} is not trusted",
        "name its authority in Git's http.sslCAInfo, or in SSL_CERT_FILE",
    ),
    _rule(
        "Permission denied \\(|Authentication failed|could not read (Username|Password)|returned error: 40[13]|HTTP Basic: Access denied",
        SettingsError,
        "{url} does not let us in",
        _ACCESS,
    ),
    _rule(
        "repository '.*' not found|returned error: 404|does not appear to be a git repository|not exported|repository not found|"
        "'.*' does not exist|no such file or directory|not a git repository",
        SettingsError,
        "there is no repository at {url}, or it is hidden from us",
        "check the address; " + _ACCESS,
    ),
    _rule("transport '.*' not allowed", SettingsError, "{url} redirects to something that is not spoken here"),
    _rule("returned error: (429|5\\d\\d)", Unreachable, "{url} is out of order", "it is tried again; look at that server"),
    _rule(
        "refused|Couldn't connect|Could not connect|unable to connect", Unreachable, "{url} refuses connections", "is that server running?"
    ),
    _rule("timed out|timeout|too slow", Unreachable, "{url} does not answer", "it is tried again; look at that server and the way to it"),
    _rule(
        "early EOF|hung up|RPC failed|disconnect|closed|reset by peer|invalid index-pack|unexpected EOF|eof before|Empty reply",
        Unreachable,
        "{url} went away in the middle of it",
        "it is tried again; nothing was changed",
    ),
)

_REJECTED = re.compile(r"^!\t[^\t]*\t\[(remote )?rejected\] \((.*)\)$", re.MULTILINE)
_RACED = re.compile(
    r"fetch first|non-fast-forward|stale info|cannot lock ref|failed to update ref|incorrect old value|already exists|needs force"
)
_CORRUPT = re.compile(
    r"bad object|missing (blob|tree|commit|object)|is corrupt|is empty|bad tree|inflate:|does not match index|index file .* corrupt|"
    r"invalid object|unable to read (sha1|tree|[0-9a-f]{40})|bad pack|packfile .* cannot|not a git repository: '|unable to parse|"
    r"did not send all necessary|bad signature|not a valid object|broken ref|bad ref|bad config|unresolved deltas"
)


def failure(completed: Completed, remote: Remote) -> TrueupError:
    """The error that a failed call of git means."""
    if completed.ending in (Ending.DEADLINE, Ending.SILENCE):
        return Unreachable(
            f"{remote.url} does not answer", where=remote.url, hint="it is tried again; look at that server and the way to it"
        )
    said = words(completed)
    unnamed = said.replace(remote.url, "..")  # a repository may be called `timeout`
    for rule in _FAILURES:
        if rule.mark.search(unnamed):
            return rule.kind(rule.message.format(url=remote.url), where=remote.url, hint=rule.hint)
    return Unreachable(f"{remote.url} cannot be read: {shown(said, remote)}", where=remote.url, hint="it is tried again")


def rejection(completed: Completed, remote: Remote) -> TrueupError:
    """The error that a failed push means: the branch moved, the server said no, or it was not reached."""
    match = _REJECTED.search(completed.out.decode(errors="replace"))
    if match is None:
        return failure(completed, remote)
    reason = match[2]
    if _RACED.search(reason):
        return Outdated("the branch moved while the commit was made", where=remote.url, hint="fetch, and make the commit again")
    # Git's own advice on a checked-out branch is ten lines long, and none of it is about a hook of the server's.
    advice = "checked out" in reason
    told = "; ".join(line for line in (_server_words(line) for line in words(completed).splitlines()) if line)
    message = f"{remote.url} refused the push: {shown(reason if advice else told or reason, remote)}"
    return Refused(message, where=remote.url, hint="push it by hand, or as a pull request, or let this user push to the branch")


def is_missing_reference(completed: Completed) -> bool:
    """The remote answered, and does not have what was asked for."""
    return bool(re.search(r"couldn't find remote ref|no such ref|not our ref|unadvertised object", words(completed), re.IGNORECASE))


def is_shallow(completed: Completed) -> bool:
    """Git took nothing, for the remote lacks a part of its history; it calls that a success."""
    return "shallow roots are not allowed" in words(completed)


def is_locked(completed: Completed) -> bool:
    """A lock file is in the way."""
    return bool(re.search(r"\.lock': File exists|unable to lock|Another git process", words(completed)))


def is_corrupt(completed: Completed) -> bool:
    """The repository on *this* side is damaged. What the other side says of itself (``remote: ..``) does not count."""
    own = [line for line in words(completed).splitlines() if not line.startswith("remote:")]
    return completed.ending is Ending.EXITED and bool(_CORRUPT.search("\n".join(own)))


def words(completed: Completed) -> str:
    """What git said on standard error, without progress."""
    text = completed.err.decode(errors="replace").replace("\r", "\n")
    return "\n".join(line.rstrip() for line in text.splitlines() if not re.search(r"\d+% \(\d+/\d+\)", line))


def shown(text: str, remote: Remote) -> str:
    """A stranger's words, fit to be shown: no control characters, no credentials, not endless."""
    secret = remote.credentials.password if remote.credentials else ""
    clean = re.sub(r"[^\S\n]+|[^\x20-\x7e\x80-\U0010ffff\n]", " ", scrub(text))
    clean = re.sub(r"[\x80-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", "", clean)
    if secret:
        clean = clean.replace(secret, "(secret)")
    clean = "\n".join(line.strip() for line in clean.splitlines() if line.strip())
    return clean if len(clean) <= LONGEST else clean[:LONGEST] + ".."


def _server_words(line: str) -> str:
    match = _WORDS.match(line)
    return match[1].strip() if match else ""
