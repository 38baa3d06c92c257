"""Why borg fails: a code for programs and a sentence for people, for each cause.

Sources: borg's error classes in 1.2.4 and the return codes documented for 1.4 (``borg help`` has
no list; see "Return codes" in borg's manual, general usage), both checked on recorded runs.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """``retryable``: may pass by itself. ``tell_data``: the step's word on the data follows."""

    code: str
    sentence: str
    retryable: bool = False
    tell_data: bool = True


REPOSITORY_MISSING: Final = Cause(
    "repository_missing",
    "There is no repository at this path. Check that its disk is mounted and the path is right.",
)
REPOSITORY_INVALID: Final = Cause(
    "repository_invalid",
    "This path holds no borg repository, or its config file is damaged. Check the path.",
)
REPOSITORY_EXISTS: Final = Cause(
    "repository_exists",
    "A repository already exists at this path. Import it instead, or choose another path.",
    tell_data=False,
)
PATH_TAKEN: Final = Cause(
    "path_not_empty",
    "There is already something at this path. Choose an empty or a new folder.",
)
PARENT_MISSING: Final = Cause(
    "parent_missing",
    "The folder that should hold the repository does not exist. Create it, or mount its disk.",
)
PASSPHRASE_WRONG: Final = Cause(
    "passphrase_wrong", "The passphrase is wrong. Enter the one this repository was made with."
)
PASSPHRASE_MISSING: Final = Cause(
    "passphrase_missing",
    "The repository is encrypted and no passphrase is known. Enter its passphrase.",
)
KEY_MISSING: Final = Cause(
    "key_missing",
    "The key of this repository was not found. Without it its archives cannot be read: "
    "import the key file or a key backup.",
)
KEY_INVALID: Final = Cause(
    "key_invalid",
    "The key file does not belong to this repository or is damaged. Import the right key.",
)
LOCK_TIMEOUT: Final = Cause(
    "lock_timeout",
    "Another borg holds the repository's lock. Wait until it ends; if none is running on any "
    "machine, an admin may break the lock.",
    retryable=True,
)
CACHE_LOCKED: Final = (
    "Another borg on this machine uses borg's cache of this repository. Wait until it ends."
)
"""What a lock that cannot be had means where it is the cache's."""
LOCK_FAILED: Final = Cause(
    "lock_failed",
    "borg could not make its lock in the repository. Check the folder and its file system.",
)
PERMISSION_DENIED: Final = Cause(
    "permission_denied",
    "borg may not write where it must, in the repository or in its own folders. Check the owner "
    "and permissions of the files; borg runs as the user that runs borgui.",
)
READ_ONLY: Final = Cause(
    "read_only",
    "The file system of the repository is read-only; borg has to write its lock there even to "
    "read. Mount it for writing.",
)
DISK_FULL: Final = Cause(
    "disk_full",
    "The disk is full: that of the repository, or of borg's cache in borgui's data folder. Free "
    "some space, then run it again; the repository stays usable.",
)
QUOTA: Final = Cause(
    "quota_exceeded",
    "The repository's storage quota is used up. Delete or prune archives and compact, or raise "
    "the quota.",
)
INTEGRITY: Final = Cause(
    "integrity_error",
    "The repository holds damaged data: archives that use it may be lost in part. Run a check "
    "before the next backup, and look at the disk.",
    tell_data=False,
)
CHECK_NEEDED: Final = Cause(
    "check_needed",
    "borg found the repository inconsistent and asks for a check. Run one before the next "
    "backup; archives may be damaged.",
    tell_data=False,
)
CACHE_DAMAGED: Final = Cause(
    "cache_damaged",
    "A file of borg's own cache or index is damaged. The archives are not: borg rebuilds it when "
    "the cache of this repository is removed.",
)
ARCHIVE_EXISTS: Final = Cause(
    "archive_exists",
    "An archive of this name exists already. Put {now} into the name template, so that each name "
    "is new.",
)
ARCHIVE_MISSING: Final = Cause(
    "archive_missing",
    "There is no archive of this name in the repository. List the archives anew.",
)
RELOCATED: Final = Cause(
    "repository_relocated",
    "borg knows this repository from another place. If you moved it, accept the new place; if "
    "not, somebody may have put another one here.",
)
UNENCRYPTED: Final = Cause(
    "unencrypted_unknown",
    "The repository is not encrypted and borg has not met it before. If that is as it should be, "
    "accept it; if you made it encrypted, somebody may have replaced it.",
)
ENCRYPTION_CHANGED: Final = Cause(
    "encryption_changed",
    "The repository's encryption differs from the last time: somebody may have replaced it. "
    "Do not enter the passphrase before you know why.",
)
REPLAYED: Final = Cause(
    "repository_replayed",
    "The repository is older than what borg remembers of it: it was set back to a former state, "
    "or copied. If you restored it yourself, import it again.",
)
UNSUPPORTED: Final = Cause(
    "feature_unsupported", "The repository needs a newer borg. Install that on this machine."
)
CANCELLED_BY_QUESTION: Final = Cause(
    "question_refused", "borg asked a question, and it was answered no."
)
PATH_NOT_ALLOWED: Final = Cause(
    "path_not_allowed",
    "The server does not allow this repository path for our key. Ask who runs it.",
)
CONNECTION_LOST: Final = Cause(
    "connection_lost",
    "The connection to the server was lost. It is tried again if retries are on; else check the "
    "network and the borg on the server.",
    retryable=True,
)
SSH_UNREACHABLE: Final = Cause(
    "ssh_unreachable",
    "The server cannot be reached. Check its name, its port and the network.",
    retryable=True,
)
SSH_AUTH: Final = Cause(
    "ssh_auth", "The server refused our ssh key. Add the public key to the account there."
)
SSH_HOST_KEY: Final = Cause(
    "ssh_host_key",
    "The server's host key is unknown or has changed. Make sure that it is the right server "
    "before you accept the key.",
)
REMOTE_BORG_MISSING: Final = Cause(
    "remote_borg_missing", "borg was not found on the server. Install it there."
)
REMOTE_GARBAGE: Final = Cause(
    "remote_output",
    "The server's login script prints text, which disturbs borg's protocol. Make it silent.",
)
REMOTE_OUTDATED: Final = Cause(
    "remote_outdated", "The borg on the server is too old or speaks otherwise. Update it."
)
SSH_MISSING: Final = Cause(
    "ssh_missing", "The ssh program was not found on this machine. Install openssh-client."
)
BAD_OPTIONS: Final = Cause(
    "bad_options",
    "borg did not accept its command line. Look at the extra flags and the name template of this "
    "repository.",
)
MOUNT_UNAVAILABLE: Final = Cause(
    "mount_unavailable",
    "This borg cannot mount: the Python module for FUSE is missing. Install it (on Debian: "
    "apt install python3-pyfuse3).",
    tell_data=False,
)
NO_FUSE: Final = "no FUSE support"
"""What ``borg mount`` says where it cannot find its Python module for FUSE."""
MOUNT_REFUSED: Final = Cause(
    "mount_unavailable",
    "This machine lets borgui mount nothing. It needs /dev/fuse and the program fusermount3 (on "
    "Debian: apt install fuse3); a container must be given the device and the right to mount.",
    tell_data=False,
)
OUT_OF_MEMORY: Final = Cause(
    "out_of_memory", "borg ran out of memory. Free some, or run fewer jobs at once."
)
NOTHING_READABLE: Final = Cause(
    "nothing_readable",
    "No file could be read: the source folders are missing or not readable. Check that they are "
    "mounted and that borgui's user may read them.",
)
NO_ANSWER: Final = Cause(
    "no_answer",
    "borg ended without an error but did not report an archive. List the archives to see "
    "whether it exists.",
    tell_data=False,
)
CRASHED: Final = Cause(
    "borg_crashed", "borg ended with an error of its own; its log has the traceback."
)
FAILED: Final = Cause("borg_failed", "borg ended with an error; its log has the reason.")

_BY_CLASS: Final = (
    (CANCELLED_BY_QUESTION, "CancelledByUser", (3,)),
    (BAD_OPTIONS, "CommandError PlaceholderError InvalidPlaceholder", (4, 5, 6)),
    (REPOSITORY_EXISTS, "Repository.AlreadyExists", (10,)),
    (REPOSITORY_INVALID, "Repository.AtticRepository", (11,)),
    (CHECK_NEEDED, "Repository.CheckNeeded", (12,)),
    (REPOSITORY_MISSING, "Repository.DoesNotExist", (13,)),
    (DISK_FULL, "Repository.InsufficientFreeSpaceError", (14,)),
    (REPOSITORY_INVALID, "Repository.InvalidRepository", (15,)),
    (REPOSITORY_INVALID, "Repository.InvalidRepositoryConfig", (16,)),
    (INTEGRITY, "Repository.ObjectNotFound", (17,)),
    (PARENT_MISSING, "Repository.ParentPathDoesNotExist", (18,)),
    (PATH_TAKEN, "Repository.PathAlreadyExists", (19,)),
    (QUOTA, "Repository.StorageQuotaExceeded", (20,)),
    (PERMISSION_DENIED, "Repository.PathPermissionDenied", (21,)),
    (UNSUPPORTED, "MandatoryFeatureUnsupported UnsupportedManifestError", (25, 27)),
    (INTEGRITY, "NoManifestError", (26,)),
    (ARCHIVE_EXISTS, "Archive.AlreadyExists", (30,)),
    (ARCHIVE_MISSING, "Archive.DoesNotExist", (31,)),
    (KEY_INVALID, "KeyfileInvalidError KeyfileMismatchError", (40, 41)),
    (KEY_MISSING, "KeyfileNotFoundError RepoKeyNotFoundError", (42, 44)),
    (KEY_INVALID, "NotABorgKeyFile RepoIdMismatch", (43, 45)),
    (UNSUPPORTED, "UnknownKeyType UnsupportedPayloadError", (47, 48)),
    (UNSUPPORTED, "UnsupportedKeyFormatError", (49,)),
    (PASSPHRASE_MISSING, "NoPassphraseFailure PasscommandFailure", (50, 51)),
    (PASSPHRASE_WRONG, "PassphraseWrong PasswordRetriesExceeded", (52, 53)),
    (UNENCRYPTED, "Cache.CacheInitAbortedError", (60,)),
    (ENCRYPTION_CHANGED, "Cache.EncryptionMethodMismatch", (61,)),
    (RELOCATED, "Cache.RepositoryAccessAborted", (62,)),
    (REPLAYED, "Cache.RepositoryIDNotUnique Cache.RepositoryReplay", (63, 64)),
    (LOCK_FAILED, "LockError LockErrorT LockFailed NotLocked NotMyLock", (70, 71, 72, 74, 75)),
    (LOCK_TIMEOUT, "LockTimeout", (73,)),
    (CONNECTION_LOST, "ConnectionClosed ConnectionClosedWithHint", (80, 81)),
    (REMOTE_OUTDATED, "InvalidRPCMethod RemoteRepository.RPCServerOutdated", (82, 84)),
    (PATH_NOT_ALLOWED, "PathNotAllowed", (83,)),
    (REMOTE_GARBAGE, "UnexpectedRPCDataFormatFromServer", (86,)),
    (CONNECTION_LOST, "ConnectionBrokenWithHint", (87,)),
    (INTEGRITY, "IntegrityError DecompressionError", (90, 92)),
    (CACHE_DAMAGED, "FileIntegrityError ChunksIndexError", (91,)),
    (INTEGRITY, "ArchiveTAMInvalid ArchiveTAMRequired TAMInvalid", (95, 96, 97)),
    (INTEGRITY, "TAMRequiredError", (98,)),
    (UNSUPPORTED, "TAMUnsupportedSuiteError", (99,)),
)
"""Borg's error classes (its ``msgid``) and their modern exit codes."""

NOTHING_CHANGED: Final = frozenset(
    cause.code
    for cause in (
        *(REPOSITORY_MISSING, REPOSITORY_INVALID, REPOSITORY_EXISTS, PATH_TAKEN, PARENT_MISSING),
        *(PASSPHRASE_WRONG, PASSPHRASE_MISSING, KEY_MISSING, KEY_INVALID),
        *(LOCK_TIMEOUT, LOCK_FAILED, READ_ONLY, ARCHIVE_EXISTS, ARCHIVE_MISSING),
        *(RELOCATED, UNENCRYPTED, ENCRYPTION_CHANGED, REPLAYED, UNSUPPORTED),
        *(CANCELLED_BY_QUESTION, BAD_OPTIONS, PATH_NOT_ALLOWED, SSH_UNREACHABLE, SSH_AUTH),
        *(SSH_HOST_KEY, SSH_MISSING, REMOTE_BORG_MISSING, REMOTE_GARBAGE, REMOTE_OUTDATED),
    )
)
"""Codes of a borg that found it could not begin: the repository is as it was."""

BY_MSGID: Final = {msgid: cause for cause, names, _ in _BY_CLASS for msgid in names.split()}

BY_EXIT_CODE: Final = {code: cause for cause, _, codes in _BY_CLASS for code in codes}
"""For the case that borg's message was lost."""

BY_TEXT: Final = (
    ("[Errno 28]", DISK_FULL),
    ("No space left on device", DISK_FULL),
    ("[Errno 122]", QUOTA),
    ("[Errno 30]", READ_ONLY),
    ("No such file or directory: 'ssh'", SSH_MISSING),
    ("BrokenPipeError", CONNECTION_LOST),
    ("[Errno 13]", PERMISSION_DENIED),
    ("[Errno 1]", PERMISSION_DENIED),
    ("MemoryError", OUT_OF_MEMORY),
    ("Data integrity error", INTEGRITY),
    ("Invalid placeholder", BAD_OPTIONS),
    ("Formatting Error:", BAD_OPTIONS),
    (": error: ", BAD_OPTIONS),
    ("contradicts", BAD_OPTIONS),
    (NO_FUSE, MOUNT_UNAVAILABLE),
    ("fuse: device not found", MOUNT_REFUSED),
    ("fuse: failed to ", MOUNT_REFUSED),
    ("fuse: mount failed", MOUNT_REFUSED),
    ("fusermount", MOUNT_REFUSED),
)
"""Text in an error, a traceback or plain output -> its cause; the first one found counts."""

BY_REMOTE_TEXT: Final = (
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", SSH_HOST_KEY),
    ("Host key verification failed", SSH_HOST_KEY),
    ("Permission denied (", SSH_AUTH),
    ("Too many authentication failures", SSH_AUTH),
    ("Connection refused", SSH_UNREACHABLE),
    ("Could not resolve hostname", SSH_UNREACHABLE),
    ("No route to host", SSH_UNREACHABLE),
    ("Network is unreachable", SSH_UNREACHABLE),
    ("Connection timed out", SSH_UNREACHABLE),
    ("Operation timed out", SSH_UNREACHABLE),
    ("not found", REMOTE_BORG_MISSING),
    ("No such file or directory", REMOTE_BORG_MISSING),
)
"""What ssh or the server's shell said -> its cause; the first one found counts."""
