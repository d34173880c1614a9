"""An application process that dies by SIGKILL after a given call outside: ``python -m tests.support.mortal PORT AT``."""

import json
import os
import sys

import uvicorn

from app.application import create_app
from app.logs import configure_logging
from app.settings import Settings
from local.ports import LOOPBACK
from tests.support.faults import Fault, Faults


def main() -> None:
    """Serve until the fault strikes."""
    port, at = int(sys.argv[1]), int(sys.argv[2])
    settings = Settings(**json.loads(os.environ["MORTAL_SETTINGS"]))
    configure_logging("json")
    faults = Faults(everywhere=Fault(at, "kill"))
    uvicorn.run(create_app(settings, faults.opener()), host=LOOPBACK, port=port, log_config=None)


if __name__ == "__main__":
    main()
