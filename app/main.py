"""The application that ``uvicorn app.main:app`` serves: the only module with effects at import."""

import sys

from pydantic import ValidationError

from app.application import create_app
from app.logs import configure_logging, name_uncaught_exceptions
from app.settings import Settings

try:
    settings = Settings()  # pyright: ignore[reportCallIssue]  # its values come from the environment
except ValidationError as error:
    sys.exit("Cannot start, the environment is not complete (see .env.example):\n" + str(error))

configure_logging(settings.log_format)
name_uncaught_exceptions()
app = create_app(settings)
