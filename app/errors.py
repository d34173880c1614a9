"""The error family: what can go wrong, how it is answered, and what may be said about it.

AppError
├── Refused            the caller's doing: answered 4xx with its own code, nothing stored
├── InvalidState       a delivery that has nothing to do now; QStash may come again
├── SessionGone        the owner deleted the session while it was being processed
├── Unavailable        storage, database or queue cannot be reached; passes by itself
└── StepFailed         a step of the pipeline failed; the row becomes FAILED
    ├── Transient      may pass by itself: answered 500, QStash tries again
    └── Permanent      cannot pass by itself: answered 489, QStash stops
"""

from enum import StrEnum

# QStash retries every answer outside 200..299 but this one with this header: https://upstash.com/docs/qstash/features/retry
NON_RETRYABLE_STATUS = 489
NON_RETRYABLE_HEADERS = {"Upstash-NonRetryable-Error": "true"}


class Code(StrEnum):
    """The machine codes of error bodies; the README's table lists each."""

    BAD_REQUEST = "BAD_REQUEST"
    FORBIDDEN_ORIGIN = "FORBIDDEN_ORIGIN"
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
    SESSION_NOT_FOUND = "SESSION_NOT_FOUND"
    UNAUTHORIZED = "UNAUTHORIZED"
    UPLOAD_INCOMPLETE = "UPLOAD_INCOMPLETE"
    USER_NOT_FOUND = "USER_NOT_FOUND"


class AppError(Exception):
    """Base of the family. Its text is always one of our own sentences, so it may be logged and shown."""

    status = 500
    code = Code.INTERNAL_ERROR
    message = "Something went wrong"
    retry_after_s: int | None = None

    def __init__(self, message: str | None = None) -> None:
        self.message = message or self.message
        super().__init__(self.message)

    @property
    def headers(self) -> dict[str, str]:
        """The response headers that belong to this error."""
        return {} if self.retry_after_s is None else {"Retry-After": str(self.retry_after_s)}


class Refused(AppError):
    """The request cannot be served as it is; ``code`` and ``status`` say why."""

    def __init__(self, status: int, code: Code, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self._headers = status, code, headers or {}

    @property
    def headers(self) -> dict[str, str]:
        return self._headers


class InvalidState(AppError):
    """A delivery met a session that is not its to process; ``retry_after_s`` is what is left of another's lease."""

    status = 400
    code = Code.INVALID_STATE
    message = "Session already processed"

    def __init__(self, retry_after_s: int | None = None) -> None:
        super().__init__()
        self.retry_after_s = retry_after_s


class SessionGone(AppError):
    """The session was deleted while a delivery worked on it: there is nothing left to do."""

    message = "Session was deleted"


class Unavailable(AppError):
    """Storage, the database or QStash did not answer, or answered that it cannot serve now."""

    message = "A service we depend on is not available"


class StepFailed(AppError):
    """A step failed. The message is the sentence stored in ``errorMessage``; callers see a fixed one."""

    code = Code.PROCESSING_ERROR


class Transient(StepFailed):
    """Time may cure it. ``retry_after_s`` is the provider's own wish, in seconds, where it gave one."""

    def __init__(self, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Permanent(StepFailed):
    """Time cannot cure it: the audio is missing, too large, refused or without speech."""

    status = NON_RETRYABLE_STATUS

    @property
    def headers(self) -> dict[str, str]:
        return NON_RETRYABLE_HEADERS
