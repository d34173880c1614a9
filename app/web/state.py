"""The lifespan state that every request carries."""

from typing import TypedDict

from app.services import Services
from app.settings import Settings
from app.web.limits import UploadSlots


class State(TypedDict):
    """The typed lifespan state."""

    settings: Settings
    services: Services
    uploads: UploadSlots
