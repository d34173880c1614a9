"""The error family: what can go wrong, how it is answered, and what callers and logs may learn about it.

AppError
├── Refused            a request that we do not serve: app/refusals.py lists the reasons
├── InvalidState       this delivery may not process the session; QStash may try again
├── SessionGone        the owner deleted the session while it was being processed
├── Unavailable        storage, database or queue cannot be reached; usually temporary
└── StepFailed         a step of the pipeline failed; the row becomes FAILED
    ├── Transient      a retry may succeed: answered 500, QStash tries again
    ├── Misconfigured  a configuration error on our side: answered 500, retried until an operator has corrected it
    └── Permanent      no retry can succeed: answered 489, QStash stops
"""

from enum import StrEnum

# QStash retries every answer outside 200..299, except this status with this header:
# https://upstash.com/docs/qstash/features/retry
NON_RETRYABLE_STATUS = 489

# The end of ``errorMessage``, from which clients can tell whether a FAILED session may still become DONE.
AGAIN = "It will be tried again automatically."
NOT_AGAIN = "It will not be tried again."
MISCONFIGURED = f"The recording could not be processed because of a configuration error on our side. {AGAIN}"


class Code(StrEnum):
    """The machine codes of error bodies; docs/errors.md lists each."""

    BAD_REQUEST = "BAD_REQUEST"
    FORBIDDEN_ORIGIN = "FORBIDDEN_ORIGIN"
    HEADERS_TOO_LARGE = "HEADERS_TOO_LARGE"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    INVALID_BODY = "INVALID_BODY"
    INVALID_DURATION = "INVALID_DURATION"
    INVALID_FILE = "INVALID_FILE"
    INVALID_STATE = "INVALID_STATE"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    MISSING_AUDIO = "MISSING_AUDIO"
    NOT_CONFIGURED = "NOT_CONFIGURED"
    NOT_FOUND = "NOT_FOUND"
    NOT_READY = "NOT_READY"
    PROCESSING_ERROR = "PROCESSING_ERROR"
    REQUEST_TIMEOUT = "REQUEST_TIMEOUT"
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    TOO_MANY_UPLOADS = "TOO_MANY_UPLOADS"
    UNAUTHORIZED = "UNAUTHORIZED"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    USER_NOT_FOUND = "USER_NOT_FOUND"


class AppError(Exception):
    """Base class. The message is always one of our own sentences, so it may be logged and stored.

    ``answer`` is the sentence in the response, if that is not the message itself.
    """

    status = 500
    code = Code.INTERNAL_ERROR
    message = "Internal server error"
    answer: str | None = None
    retry_after_s: int | None = None

    def __init__(self, message: str | None = None, retry_after_s: int | None = None) -> None:
        self.message = message or self.message
        self.retry_after_s = self.retry_after_s if retry_after_s is None else retry_after_s
        super().__init__(self.message)

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that belong to this error."""
        stop = {"Upstash-NonRetryable-Error": "true"} if self.status == NON_RETRYABLE_STATUS else {}
        return stop if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s), **stop}


class Refused(AppError):
    """Base class of app/refusals.py. ``closes``: the connection is closed after the response."""

    closes = False

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | ({"Connection": "close"} if self.closes else {})


class InvalidState(AppError):
    """This delivery may not process the session. ``retry_after_s`` is what is left of another delivery's lease."""

    status = 400
    code = Code.INVALID_STATE
    message = "Session already processed"


class SessionGone(AppError):
    """The session was deleted while a delivery worked on it: there is nothing left to do."""

    message = "Session was deleted"


class Unavailable(AppError):
    """Storage, the database or QStash did not answer, or answered that it cannot serve now."""

    message = "A service we depend on is not available"
    answer = "Internal server error"


class DatabaseDown(Unavailable):
    """PostgreSQL did not answer in time, or refused the statement."""

    message = "The database did not answer"


class StorageDown(Unavailable):
    """The S3 store did not answer in time, or its answer was no answer to the request."""

    message = "The storage did not answer"


class StepFailed(AppError):
    """A step of the pipeline failed. ``sentence`` is stored in ``errorMessage``; the response has a fixed one."""

    code = Code.PROCESSING_ERROR
    answer = "Processing failed"
    outlook = AGAIN

    @property
    def sentence(self) -> str:
        """What went wrong, and whether the session will be tried again."""
        return f"{self.message}. {self.outlook}"


class Transient(StepFailed):
    """A retry may succeed. ``retry_after_s`` is the provider's Retry-After in seconds, if it sent one."""


class Misconfigured(StepFailed):
    """A wrong key, no credit, a missing permission, or no usable model. ``setting`` is the setting to check, for the log."""

    def __init__(self, setting: str) -> None:
        super().__init__("A setting of the service is wrong")
        self.setting = setting

    @property
    def sentence(self) -> str:
        return MISCONFIGURED


class Permanent(StepFailed):
    """No retry can succeed: the audio is missing, unreadable, impossible to cut, refused or without speech."""

    status = NON_RETRYABLE_STATUS
    outlook = NOT_AGAIN


class AudioMissing(Permanent):
    """The session's recording was never stored, or has been deleted."""

    message = "The recording is not in storage"


class AudioUnreadable(Permanent):
    """The media library or the speech model cannot decode the recording."""

    message = "The recording could not be read as audio"
