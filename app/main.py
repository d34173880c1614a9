"""The application that ``uvicorn app.main:app`` serves. Importing it reads the settings and configures logging."""

import sys

import structlog

from app.application import create_app
from app.checks import SettingsError, load, warnings
from app.logs import configure_logging, name_uncaught_exceptions

try:
    settings = load()
except SettingsError as error:
    sys.exit(f"some settings are missing or wrong (.env.example describes them):\n{error}")

configure_logging(settings.log_format)
name_uncaught_exceptions()
for sentence in warnings(settings):
    structlog.get_logger().warning("settings_incomplete", reason=sentence)
app = create_app(settings)
