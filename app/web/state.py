"""The lifespan state that every request carries."""

from typing import TypedDict

from app.services import Services
from app.web.limits import UploadSlots


class State(TypedDict):
    """The typed lifespan state."""

    services: Services
    uploads: UploadSlots
