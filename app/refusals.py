"""Why a request is refused: each reason with its status, code and sentence, and when it happens."""

from app.errors import NON_RETRYABLE_STATUS, Code, Refused


class Unauthorized(Refused):
    """The session cookie is missing, expired, encrypted with another secret, or has no ``externalId``."""

    status, code, message = 401, Code.UNAUTHORIZED, "Unauthorized"


class MissingSignature(Unauthorized):
    """A path that only QStash may call was called without a signature."""

    message = "Missing signature"


class InvalidSignature(Unauthorized):
    """The signature has expired, was made with another key, or is for another body or address."""

    message = "Invalid signature"


class ForbiddenOrigin(Refused):
    """A page of another site sent a POST or DELETE."""

    status, code, message = 403, Code.FORBIDDEN_ORIGIN, "This site may not call this service"


class SessionNotFound(Refused):
    """The session is unknown, deleted, or another learner's."""

    status, code, message = 404, Code.SESSION_NOT_FOUND, "Session not found"


class UserNotFound(Refused):
    """The caller has never uploaded a recording."""

    status, code, message = 404, Code.USER_NOT_FOUND, "User not found"


class UnknownSession(Refused):
    """The delivery names a session that does not exist or has been deleted."""

    status, code, message = 404, Code.NOT_FOUND, "Session not found"


class NotFound(Refused):
    """The path does not exist."""

    status, code, message = 404, Code.NOT_FOUND, "Not found"


class MethodNotAllowed(Refused):
    """The path exists, but not with this method."""

    status, code, message = 405, Code.METHOD_NOT_ALLOWED, "Method not allowed"


class InvalidRequest(Refused):
    """The bytes received are not an HTTP request; the connection is closed."""

    status, code, message = 400, Code.BAD_REQUEST, "Invalid HTTP request"


class InvalidBody(Refused):
    """The body is neither multipart nor the JSON of a direct upload, or it is incomplete."""

    status, code, message = 400, Code.INVALID_BODY, "Expected multipart form data"


class InvalidText(InvalidBody):
    """``topic`` or ``language`` is too long, or not text."""

    def __init__(self, name: str, max_length: int) -> None:
        super().__init__(f"{name.capitalize()} must be text of at most {max_length:,} characters")


class MissingAudio(Refused):
    """The form has no file named ``audio``."""

    status, code, message = 400, Code.MISSING_AUDIO, "Audio file is required"


class InvalidDuration(Refused):
    """``duration`` is absent, or not a decimal number from 0 to 2,147,483,647."""

    status, code, message = 400, Code.INVALID_DURATION, "Valid duration is required"


class InvalidSize(Refused):
    """A direct upload gives no size, or one that is not a positive whole number."""

    status, code, message = 400, Code.INVALID_FILE, "Valid size is required"


class WrongType(Refused):
    """The file's type does not start with ``audio/``, is longer than 100 characters, or is not valid in a header."""

    status, code, message = 400, Code.INVALID_FILE, "File must be an audio file"


class AudioTooLarge(Refused):
    """The recording is over 50 MiB."""

    status, code, message = 413, Code.INVALID_FILE, "File size exceeds 50MB limit"


class StoredFileRefused(Refused):
    """The file that a direct upload has stored is empty, larger than 50 MiB or not audio."""

    status, code, message = 413, Code.INVALID_FILE, "The stored file is not a recording of at most 50MB"


class BodyTooLarge(Refused):
    """The body of a request that takes only a small message is over 64 KB."""

    status, code, message = 413, Code.BAD_REQUEST, "Request body is too large"


class RequestTimeout(Refused):
    """The headers or the body arrived too slowly; the connection is closed."""

    status, code, message = 408, Code.REQUEST_TIMEOUT, "The request took too long to arrive"
    closes = True


class HeadersTooLarge(Refused):
    """Request line and headers are over 32 KB; the connection is closed."""

    status, code, message = 431, Code.HEADERS_TOO_LARGE, "Request headers are too large"
    closes = True


class TooManyUploads(Refused):
    """The learner has reached the maximum number of concurrent uploads."""

    status, code, message = 429, Code.TOO_MANY_UPLOADS, "Too many uploads at once"
    retry_after_s = 10


class TooManyOpenUploads(TooManyUploads):
    """The learner has reached the maximum number of unfinished direct uploads."""

    message = "Too many unfinished uploads"


class UploadIncomplete(Refused):
    """``complete`` was called before the recording was in storage."""

    status, code, message = 409, Code.UPLOAD_INCOMPLETE, "The recording has not been uploaded"


class UploadExpired(UploadIncomplete):
    """``complete`` was called after the sweep had ended the session."""

    message = "The upload was not completed in time"


class InvalidMessage(Refused):
    """A signed message does not have the expected form. No retry can change that, so QStash stops."""

    status, code, message = NON_RETRYABLE_STATUS, Code.BAD_REQUEST, "Invalid request body"


class UploadFailed(Refused):
    """Storage or the database could not take the recording."""

    status, code, message = 500, Code.INTERNAL_ERROR, "Failed to create session"


class NotConfigured(Refused):
    """A delivery arrived, but our signing keys are not set."""

    status, code, message = 503, Code.NOT_CONFIGURED, "The signing keys are not configured"


class NotReady(Refused):
    """The readiness check got no answer from the database."""

    status, code, message = 503, Code.NOT_READY, "The database does not answer"
